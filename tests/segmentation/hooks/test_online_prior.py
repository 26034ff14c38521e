"""OnlinePriorHook against the same average by hand, from what the losses were called with."""
import numpy as np
import pytest
import torch
from mmengine.hooks import EMAHook, Hook

from mmseg_ood.compat import load_checkpoint
from mmseg_ood.segmentation.hooks import OnlinePriorHook

START = [0.5, 0.3, 0.2]
EVERY = dict(default_hooks=dict(checkpoint=dict(interval=1)))


def hooks(*others, **arguments):
    return dict(custom_hooks=[dict(type='OnlinePriorHook', momentum=0.25, **arguments), *others])


def balanced(head):
    return head.loss_decode[1]


def record(loss):
    """Counts of the classes that outliers are taken for, by call of a loss."""
    calls = []

    def count(module, args, kwargs, output):
        predicted = args[0][:, :3].detach().float().numpy().argmax(1)[args[1].numpy() == 254]
        calls.append([int((predicted == index).sum()) for index in range(3)])
    loss.register_forward_hook(count, with_kwargs=True)
    return calls


def average(counts, momentum=0.25, interval=1):
    """The prior after each iteration."""
    prior, pending, history = np.array(START), np.zeros(3), []
    for iteration, count in enumerate(counts, 1):
        pending = pending + count
        if iteration % interval == 0 and pending.sum():
            prior = (1 - momentum) * prior + momentum * pending / pending.sum()
            pending = np.zeros(3)
        history.append(prior)
    return np.array(history)


class History(Hook):
    """The prior that the loss holds after each iteration."""
    priority = 'LOW'

    def __init__(self):
        self.priors = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.priors.append(balanced(runner.model.decode_head).prior.tolist())


@pytest.mark.parametrize('interval', [1, 2])
@pytest.mark.parametrize('wrapper', ['OptimWrapper', 'HalfPrecision'])
def test_prior_of_the_loss_is_the_average_by_hand(build_runner, interval, wrapper):
    runner, history = build_runner(max_iters=5, optim_wrapper=dict(type=wrapper),
                                   **hooks(update_interval=interval)), History()
    runner.register_hook(history)
    counts = record(balanced(runner.model.decode_head))
    runner.train()
    assert len(counts) == 5
    assert sum(map(bool, np.sum(counts, 0))) > 1
    np.testing.assert_allclose(history.priors, average(counts, interval=interval), rtol=1e-12)
    assert balanced(runner.model.decode_head).prior.dtype == torch.float64


def test_log_tells_the_relative_entropy(build_runner):
    runner = build_runner(**hooks())
    counts = record(balanced(runner.model.decode_head))
    runner.train()
    logged, _ = runner.message_hub.get_scalar('train/decode_head.loss_decode.1.prior_entropy').data
    expected = [-(prior[prior > 0] * np.log(prior[prior > 0])).sum() / np.log(3) for prior in average(counts)]
    assert logged == pytest.approx(expected)


def test_each_head_has_a_prior_of_its_own(build_runner, toy_head):
    auxiliary = [toy_head(in_index=0, in_channels=7), toy_head(in_index=1, in_channels=19)]
    runner = build_runner(auxiliary_head=auxiliary, **hooks())
    heads = [runner.model.decode_head, *runner.model.auxiliary_head]
    calls = [record(balanced(head)) for head in heads]
    runner.train()
    priors = [balanced(head).prior.tolist() for head in heads]
    np.testing.assert_allclose(priors, [average(counts)[-1] for counts in calls], rtol=1e-12)
    assert priors[0] != priors[1] != priors[2]


def test_samplers_that_rank_pixels_are_not_counted(build_runner, toy_head):
    runner = build_runner(decode_head=toy_head(sampler=dict(type='OHEMPixelSampler')), **hooks(update_interval=100))
    counts = record(balanced(runner.model.decode_head))
    runner.train()
    checkpoint = {}
    runner.call_hook('before_save_checkpoint', checkpoint=checkpoint)
    assert len(counts) == 6
    assert checkpoint['online_prior']['decode_head.loss_decode.1']['counts'].tolist() == np.sum(counts[::2], 0).tolist()


def test_further_channels_are_no_classes(build_runner, toy_head):
    losses = toy_head()['loss_decode']
    losses = [losses[0], dict(losses[1], num_classes=3)]
    runner = build_runner(decode_head=toy_head(num_classes=4, loss_decode=losses), **hooks())
    runner.model.init_weights = lambda: None
    runner.model.decode_head.conv_seg.bias.data[3] = 1000  # what all pixels are predicted as
    counts = record(balanced(runner.model.decode_head))
    runner.train()
    assert np.sum(counts) > 0
    np.testing.assert_allclose(balanced(runner.model.decode_head).prior, average(counts)[-1], rtol=1e-12)


def test_without_outliers_the_prior_stays(build_runner):
    runner = build_runner(labels=(0, 1, 2, 255), **hooks())
    runner.train()
    assert balanced(runner.model.decode_head).prior.tolist() == START


@pytest.mark.parametrize('interval', [1, 3])
def test_resumed_training_continues_identically(build_runner, interval, tmp_path):
    averaged = dict(type='EMAHook', momentum=0.1, update_buffers=True)
    arguments = dict(**hooks(averaged, update_interval=interval), **EVERY)
    through = build_runner('through', max_iters=4, **arguments)
    through.train()
    build_runner('parts', max_iters=2, **arguments).train()
    resumed = build_runner('parts', max_iters=4, resume=True, **arguments)
    resumed.train()
    first, second = (load_checkpoint(tmp_path / folder / 'iter_4.pth') for folder in ('through', 'parts'))
    for name, state in first['online_prior']['decode_head.loss_decode.1'].items():
        assert torch.equal(state, second['online_prior']['decode_head.loss_decode.1'][name])
    assert all(torch.equal(first['state_dict'][name], second['state_dict'][name]) for name in first['state_dict'])
    prior = balanced(through.model.decode_head).prior
    assert torch.equal(prior, balanced(resumed.model.decode_head).prior)
    assert prior.tolist() != START
    assert 'decode_head.loss_decode.1.prior' not in first['state_dict']


def test_resuming_would_differ_without_the_saved_average(build_runner, tmp_path):
    """Otherwise the test above would show nothing."""
    build_runner('parts', max_iters=2, **hooks(), **EVERY).train()
    path = tmp_path / 'parts/iter_2.pth'
    content = load_checkpoint(path)
    del content['online_prior']
    torch.save(content, path)
    resumed = build_runner('parts', max_iters=4, resume=True, **hooks())
    lines = []
    resumed.logger.warning = lines.append
    resumed.train()
    assert 'OnlinePriorHook: the resumed checkpoint holds no online_prior; the average starts from' in str(lines)
    through = build_runner('through', max_iters=4, **hooks())
    through.train()
    priors = [balanced(runner.model.decode_head).prior for runner in (resumed, through)]
    assert not torch.equal(*priors)


def test_loaded_weights_bring_no_prior(build_runner, tmp_path):
    build_runner(**hooks(), **EVERY).train()
    runner = build_runner('next', load_from=str(tmp_path / 'run/iter_3.pth'), labels=(0, 1, 2), **hooks())
    runner.train()
    assert balanced(runner.model.decode_head).prior.tolist() == START


def test_averaged_weights_hold_no_counters(build_runner):
    runner = build_runner(**hooks(dict(type='EMAHook')))
    runner.train()
    average, = (hook.ema_model for hook in runner.hooks if isinstance(hook, EMAHook))
    for model in (average.module, runner.model):
        assert not balanced(model.decode_head)._forward_pre_hooks


@pytest.mark.parametrize(('name', 'classes', 'message'), [
    ('auxiliary_head.loss_decode.1', 3, r"holds the priors of \['auxiliary_head.loss_decode.1'\], the network has "
                                        r"\['decode_head.loss_decode.1'\]"),
    ('decode_head.loss_decode.1', 4, 'the resumed prior has 4 classes, the loss 3')])
def test_checkpoint_of_another_network(build_runner, name, classes, message):
    runner = build_runner(**hooks())
    state = dict(prior=torch.ones(classes), counts=torch.ones(classes))
    runner.call_hook('after_load_checkpoint', checkpoint=dict(online_prior={name: state}))
    runner.train_loop._iter = 1  # resumed
    with pytest.raises(ValueError, match=message):
        runner.call_hook('before_train')


def test_network_without_the_loss(build_runner, toy_head):
    runner = build_runner(decode_head=toy_head(loss_decode=dict(type='CrossEntropyLoss')), labels=(0, 1, 2), **hooks())
    with pytest.raises(ValueError, match='EncoderDecoder has no BalancedEnergyLoss'):
        runner.train()


@pytest.mark.parametrize(('arguments', 'message'), [
    (dict(momentum=0), r'momentum must be in \(0, 1\], found 0'), (dict(momentum=1.5), 'found 1.5'),
    (dict(update_interval=0), 'update_interval must be at least 1, found 0')])
def test_arguments_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        OnlinePriorHook(**arguments)
