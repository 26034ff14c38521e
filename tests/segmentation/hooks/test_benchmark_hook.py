"""BenchmarkHook: its figures are those of an evaluation, and choose the checkpoint."""
import importlib.util
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmseg_ood.compat import load_checkpoint
from mmseg_ood.segmentation.evaluation import AnomalyMetric
from mmseg_ood.segmentation.hooks import BenchmarkHook

_spec = importlib.util.spec_from_file_location('toy_world', Path(__file__).parents[2] / 'apis' / 'conftest.py')
_apis = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_apis)
world = _apis.world


def trained(world, work_dir, **hook):
    config = Config.fromfile(world.config)
    config.work_dir = str(work_dir)
    config.experiment_name = f'benchmark_hook_{work_dir.name}'
    config.val_dataloader, config.val_evaluator = config.test_dataloader, config.test_evaluator
    config.val_cfg = dict(type='ValLoop')
    config.train_cfg.val_interval = 1
    config.custom_hooks = [dict(type='BenchmarkHook', num_workers=0, **hook)]
    config.default_hooks.checkpoint.update(save_best='mini-street/AP', rule='greater')
    config.load_from = str(world.checkpoint)
    runner = Runner.from_cfg(config)
    runner.train()
    return runner


def test_figures_choose_the_best_checkpoint(world, tmp_path):
    runner = trained(world, tmp_path, benchmarks=[world.benchmark_argument])
    history, steps = (runner.message_hub.get_scalar(f'val/{name}').data[0] for name in ('mini-street/AP', 'mIoU'))
    assert len(history) == len(steps) == 2
    best = int(history.argmax()) + 1
    assert [path.name for path in tmp_path.glob('best*.pth')] == [f'best_mini-street_AP_iter_{best}.pth']

    segmentor, metric = world.segmentor(), AnomalyMetric()
    segmentor.load_state_dict(load_checkpoint(tmp_path / 'iter_2.pth')['state_dict'])
    loader = runner.build_dataloader(dict(
        batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False), dataset=dict(
            type='FishyscapesDataset', data_root=str(world.benchmark), test_mode=True,
            pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')])))
    with torch.no_grad():
        for batch in loader:
            metric.process(batch, [sample.to_dict() for sample in segmentor.val_step(batch)])
    assert history[1] == pytest.approx(metric.evaluate(3)['AP'], rel=1e-6)


def test_missing_data_is_said_before_training(world, tmp_path):
    with pytest.raises(FileNotFoundError, match='nowhere is not a folder'):
        trained(world, tmp_path, benchmarks=[f'mini-street={tmp_path / "nowhere"}'])
    assert not (tmp_path / 'iter_1.pth').exists()


@pytest.mark.parametrize(('benchmarks', 'message'), [
    (['mini-stret'], "unknown benchmark 'mini-stret'"), ('mini-street', 'expected a list'), ([], 'expected a list'),
])
def test_bad_arguments(benchmarks, message):
    init_default_scope('mmseg')
    with pytest.raises(ValueError, match=message):
        BenchmarkHook(benchmarks)
