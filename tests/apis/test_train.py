"""train(): two iterations with pasted outliers and balanced energy, resumed, averaged, refused."""
import pytest
import torch
from mmengine.runner import runner as runner_module

from mmseg_ood.apis import evaluate, train
from mmseg_ood.apis.runtime import build_segmentor, load_config
from mmseg_ood.compat import load_checkpoint

AVERAGED = [dict(type='EMAHook', momentum=0.5)]


@pytest.fixture
def run(world, tmp_path, monkeypatch):
    monkeypatch.setattr(runner_module, 'collect_env', dict)  # asks compilers for their versions
    def train_in_folder(**kwargs):
        options = dict(experiment_name=tmp_path.name, **kwargs.pop('cfg_options', {}))
        return train(world.config, work_dir=tmp_path / 'run', cfg_options=options, **kwargs)
    return train_in_folder


def test_two_iterations(run, world, tmp_path):
    runner = run(cfg_options=dict(load_from=str(world.checkpoint)))
    assert runner.iter == 2
    assert (tmp_path / 'run/iter_2.pth').is_file()
    trained, before = runner.model.state_dict(), torch.load(world.checkpoint)['state_dict']
    assert not torch.equal(trained['decode_head.conv_seg.weight'], before['decode_head.conv_seg.weight'])
    assert all(torch.isfinite(value).all() for value in trained.values())
    losses = runner.message_hub.log_scalars
    assert losses['train/decode.loss_energy'].data[0].min() > 0
    assert losses['train/decode.loss_ce'].data[0].min() > 0


def test_checkpoint_is_ready_to_be_evaluated(run, world, tmp_path):
    run()
    results = evaluate(world.config, tmp_path / 'run/iter_2.pth', [world.benchmark_argument])
    assert [row['benchmark'] for row in results['results']] == ['in-distribution', 'mini-street']


def test_resume_continues_the_newest_even_beside_pretrained_weights(run, world):
    run()
    runner = run(resume=True, cfg_options={'load_from': str(world.checkpoint), 'train_cfg.max_iters': 3})
    assert runner.iter == 3
    assert len(runner.message_hub.log_scalars['train/decode.loss_energy'].data[0]) == 3


def test_resume_may_stand_in_the_config(run):
    run()
    assert run(cfg_options={'resume': True, 'train_cfg.max_iters': 3}).iter == 3


def test_resume_from_a_file(run, tmp_path):
    run()
    runner = run(resume=str(tmp_path / 'run/iter_1.pth'))
    assert runner.iter == 2
    assert runner.cfg.load_from.endswith('iter_1.pth')


def test_resume_without_a_checkpoint_starts(run, world):
    runner = run(resume=True, cfg_options=dict(load_from=str(world.checkpoint)))
    assert runner.iter == 2
    assert not runner.cfg.get('resume')


def test_runs_are_reproducible(run):
    first, second = (run().model.state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_averaged_weights_are_what_is_evaluated(run, world, tmp_path):
    run(cfg_options=dict(custom_hooks=AVERAGED))
    content = load_checkpoint(tmp_path / 'run/iter_2.pth')
    loaded = build_segmentor(load_config(world.config), tmp_path / 'run/iter_2.pth').state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in content['state_dict'].items())
    raw = content['ema_state_dict']
    assert any(not torch.equal(loaded[key], raw[f'module.{key}']) for key in loaded)


@pytest.mark.parametrize('arguments', [
    lambda file: dict(resume=file),
    lambda file: dict(cfg_options={'load_from': file}),
    lambda file: dict(cfg_options={'model.pretrained': file}),
    lambda file: dict(cfg_options={'model.backbone.init_cfg': dict(type='Pretrained', checkpoint=file)}),
], ids=['resume', 'load_from', 'pretrained', 'init_cfg'])
def test_malicious_checkpoints_are_refused_and_not_executed(run, malicious, arguments):
    checkpoint, executed = malicious
    arguments = arguments(str(checkpoint))
    with pytest.raises(ValueError, match='malicious.pth was refused'):
        run(**arguments)
    assert not executed.exists()


def test_missing_files(run, world):
    with pytest.raises(FileNotFoundError, match='checkpoint no.pth does not exist'):
        run(resume='no.pth')
    with pytest.raises(FileNotFoundError, match='config no.py does not exist'):
        train('no.py')


def test_mixed_precision_without_a_gpu(run, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(ValueError, match='--amp: automatic mixed precision needs a GPU, found none'):
        run(amp=True)


def test_mixed_precision_beside_another_wrapper(run, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    with pytest.raises(ValueError, match="found optim_wrapper.type='ApexOptimWrapper'"):
        run(amp=True, cfg_options={'optim_wrapper.type': 'ApexOptimWrapper'})


def test_unknown_labels_stop_the_run(run, world, tmp_path):
    options = {'model.decode_head.num_classes': 2, 'model.decode_head.loss_decode': [
        dict(type='EnergyLoss', m_in=-3.0, m_out=-1.0)]}
    with pytest.raises(ValueError, match=r'labels hold the values \[2\], expected 0..1, 254 \(outlier\)'):
        run(cfg_options=options)


def test_work_dir_by_default(world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train(world.config, cfg_options=dict(experiment_name='default'))
    assert (tmp_path / 'work_dirs/toy/iter_2.pth').is_file()


def test_missing_data_folder_names_the_key_and_what_was_expected(run):
    options = {'train_dataloader.dataset.data_root': 'nowhere'}
    with pytest.raises(FileNotFoundError, match=r'train_dataloader\.dataset \(type=.*no folder nowhere'):
        run(cfg_options=options)
