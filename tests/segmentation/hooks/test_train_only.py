"""TrainOnlyHook: what is frozen stays bit by bit, what is named trains, whatever the optimiser and the loop."""
import copy
import re

import pytest
import torch
from mmengine.hooks import Hook
from torch import nn

from mmseg_ood.segmentation.hooks import TrainOnlyHook

CLASSIFIER = ['decode_head.conv_seg.*']


def hook(*patterns, **arguments):
    return dict(custom_hooks=[dict(type='TrainOnlyHook', patterns=patterns or CLASSIFIER, **arguments)])


def changed_by_training(runner):
    """Names in the state dict that differ after training."""
    runner.load_or_resume()
    before = copy.deepcopy(runner.model.state_dict())
    runner._init_model_weights = lambda: None  # keep those above
    runner.train()
    after = runner.model.state_dict()
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_network_without_the_hook_changes_as_a_whole(build_runner):
    """Otherwise the tests below would show nothing."""
    runner = build_runner()
    assert changed_by_training(runner) == set(runner.model.state_dict())


@pytest.mark.parametrize('optimizer', [
    dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=0.1), dict(type='Adam', lr=0.1, weight_decay=0.1),
    dict(type='AdamW', lr=0.1, weight_decay=0.1)])
def test_frozen_parameters_stay_bit_by_bit(build_runner, optimizer):
    runner = build_runner(optim_wrapper=dict(
        optimizer=dict(optimizer, _delete_=True), paramwise_cfg=dict(norm_decay_mult=0.5),  # lists them one by one
        clip_grad=dict(max_norm=1)), **hook())
    assert changed_by_training(runner) == {'decode_head.conv_seg.weight', 'decode_head.conv_seg.bias'}
    assert len(runner.optim_wrapper.optimizer.state) == 2
    frozen = [parameter for name, parameter in runner.model.named_parameters() if 'conv_seg' not in name]
    assert all(parameter.grad is None for parameter in frozen)


def running_statistics(runner, part):
    return {name for name in runner.model.state_dict() if name.startswith(part) and
            name.endswith(('running_mean', 'running_var', 'num_batches_tracked'))}


def test_statistics_of_frozen_norms_on_request(build_runner):
    runner = build_runner(**hook(norm_eval=False))
    changed = changed_by_training(runner)
    assert changed - running_statistics(runner, '') == {'decode_head.conv_seg.weight', 'decode_head.conv_seg.bias'}
    assert changed >= running_statistics(runner, '')


def test_statistics_of_trained_norms_always_move(build_runner):
    runner = build_runner(**hook('decode_head.*'))
    changed = changed_by_training(runner)
    assert {name.split('.')[0] for name in changed} == {'decode_head'}
    assert changed >= running_statistics(runner, 'decode_head') != set()


def test_a_norm_of_which_one_parameter_trains_is_not_frozen(build_runner):
    runner = build_runner(**hook('decode_head.convs.0.bn.bias'))
    assert changed_by_training(runner) == {
        'decode_head.convs.0.bn.bias', *running_statistics(runner, 'decode_head')}


class Modes(Hook):
    """Which norms were in evaluation mode in each iteration."""

    def __init__(self):
        self.seen = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.seen.append({name for name, module in runner.model.named_modules()
                          if isinstance(module, nn.BatchNorm2d) and not module.training})


@pytest.mark.parametrize('by_epoch', [False, True])
def test_norms_are_held_again_after_each_validation(build_runner, by_epoch):
    modes = Modes()
    runner = build_runner(max_iters=6, by_epoch=by_epoch, train_cfg=dict(val_begin=1, val_interval=1),
                          **hook('decode_head.*'))
    runner.register_hook(modes)
    validations = []
    runner.val_loop.run = lambda: (validations.append(0), runner.model.eval())
    runner.train()
    backbone = {name for name, module in runner.model.named_modules()
                if isinstance(module, nn.BatchNorm2d) and name.startswith('backbone')}
    assert len(validations) == (2 if by_epoch else 6)
    assert modes.seen == [backbone] * 6


def test_log_says_how_much_trains(build_runner, monkeypatch):
    runner = build_runner(max_iters=1, **hook())
    lines = []
    monkeypatch.setattr(runner.logger, 'info', lines.append)
    runner.train()
    parameters = [parameter.numel() for parameter in runner.model.parameters()]
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in runner.model.modules())
    assert (f'TrainOnlyHook: {8 * 3 + 3} of {sum(parameters)} parameters train (2 of {len(parameters)} tensors), '
            f'{norms} of {norms} norms are frozen') in lines


@pytest.mark.parametrize(('pattern', 'nearest'), [
    ('decode_head.final.*', 'decode_head.'), ('decode_head.conv_seg', 'decode_head.conv_seg.*'),
    ('decode_head.conv_seg.wieght', 'decode_head.conv_seg.weight'), ('backbne.*', 'backbone.*'),
    ('Decode_head.conv_seg.*', 'decode_head.conv_seg.*')])
def test_pattern_that_matches_nothing(build_runner, pattern, nearest):
    runner = build_runner(**hook(*CLASSIFIER, pattern))
    with pytest.raises(ValueError, match=re.escape(f'no parameter matches {pattern!r}; the nearest names')) as error:
        runner.train()
    assert nearest in str(error.value).partition('nearest')[2]


@pytest.mark.parametrize('patterns', ['decode_head.*', []])
def test_patterns_must_be_a_list(patterns):
    with pytest.raises(ValueError, match='patterns must be a list of parameter names, found'):
        TrainOnlyHook(patterns)


def test_what_the_network_freezes_itself_stays_frozen():
    model = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Conv2d(2, 2, 1))
    model[0].requires_grad_(False)
    with pytest.raises(ValueError, match=r"match \['0.\*'\] are frozen by the network itself"):
        TrainOnlyHook(['0.*']).freeze(model)


def test_shared_parameters_train_under_each_of_their_names():
    model = nn.ModuleDict({'a': nn.Linear(2, 2), 'b': nn.Linear(2, 2)})
    model['b'].weight = model['a'].weight
    TrainOnlyHook(['b.weight']).freeze(model)
    assert {name: parameter.requires_grad for name, parameter in model.named_parameters()} == {
        'a.weight': True, 'a.bias': False, 'b.bias': False}


def test_wrappers_that_rename_parameters_are_refused(build_runner):
    runner = build_runner(**hook())
    runner.model = nn.DataParallel(runner.model)
    with pytest.raises(TypeError, match="found model_wrapper_cfg.type='DataParallel'"):
        runner.call_hook('before_run')
