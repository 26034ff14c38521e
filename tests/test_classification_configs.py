"""Every shipped classification config: it loads, its network is built, its parts are registered and agree."""
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import DATA_SAMPLERS, DATASETS, FUNCTIONS, HOOKS, METRICS, MODELS, OPTIMIZERS, DefaultScope

from mmseg_ood.classification.datasets import long_tail_counts
from mmseg_ood.classification.losses import BalancedEnergyLoss

ROOT = Path(__file__).parents[1]
CONFIGS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / 'configs' / 'classification').glob('*.py'))


@pytest.fixture(params=CONFIGS)
def config(request, monkeypatch):
    monkeypatch.chdir(ROOT)
    with DefaultScope.overwrite_default_scope('mmengine'):
        yield Config.fromfile(request.param)


def datasets(node):
    if isinstance(node, dict):
        if 'type' in node:
            yield node['type']
        for value in node.values():
            yield from datasets(value)


def test_network_and_losses_agree(config):
    for loss in config.model.losses:
        if str(loss.get('prior', '')).startswith('work_dirs/'):  # made by tools/estimate_prior.py
            loss.prior = [1.0] * config.num_classes
    network = MODELS.build(config.model)
    assert network.num_classes == config.num_classes
    for loss in network.modules():
        if isinstance(loss, BalancedEnergyLoss):
            assert len(loss.prior) == config.num_classes


def test_every_part_is_registered(config):
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        assert all(DATASETS.get(name) is not None for name in datasets(loader.dataset.to_dict()))
        assert DATA_SAMPLERS.get(loader.sampler.type) is not None
        assert FUNCTIONS.get(loader.collate_fn.type) is not None
    assert all(HOOKS.get(hook.type) is not None for hook in config.custom_hooks)
    assert METRICS.get(config.test_evaluator.type) is not None
    assert OPTIMIZERS.get(config.optim_wrapper.optimizer.type) is not None


def test_schedule_ends_with_the_training(config):
    scheduler, = config.param_scheduler
    assert scheduler.T_max == config.train_cfg.max_epochs == config.train_cfg.val_interval


def test_test_images_are_not_trained_on(config):
    assert config.inliers.get('split', config.inliers.get('dataset', {}).get('split')) == 'train'
    assert config.test_dataloader.dataset.inliers.split == 'test'


def test_class_counts_are_those_of_the_long_tail(config):
    counts = config.test_evaluator.get('class_counts')
    assert (counts is not None) == (config.inliers.type == 'LongTailDataset')
    if counts:
        assert counts == list(long_tail_counts(config.num_classes, config.inliers.num_max, config.inliers.ratio,
                                               'exponential'))


@pytest.mark.parametrize(('name', 'margins', 'alpha', 'gamma'), [
    ('resnet18_cifar10_lt', (-23, -5), 10, 0.75), ('wrn_40_2_cifar10_lt', (-23, -5), 10, 0.5),
    ('resnet18_cifar100_lt', (-27, -5), 100, 0.75), ('wrn_40_2_cifar100_lt', (-27, -5), 100, 0.5),
    ('resnet18_cifar10', (-23, -5), 10, 0.05), ('wrn_40_2_cifar10', (-23, -5), 10, 0.05),
    ('resnet18_cifar100', (-27, -5), 100, 0.005), ('wrn_40_2_cifar100', (-27, -5), 100, 0.005),
])
def test_settings_of_the_paper(name, margins, alpha, gamma):
    config = Config.fromfile(ROOT / 'configs' / 'classification' / f'{name}_balanced_energy.py')
    loss = config.model.losses[1]
    assert (loss.m_in, loss.m_out) == margins
    assert (loss.alpha, loss.gamma_margin, loss.gamma_weight, loss.loss_weight) == (alpha, gamma, gamma, 0.1)
    assert config.train_dataloader.batch_size == 128
    assert config.train_dataloader.batch_sampler.outliers_per_batch == 256
    assert config.outliers.num_images == 30000
    assert config.optim_wrapper.optimizer.to_dict() == dict(type='SGD', lr=1e-3, momentum=0.9, nesterov=True,
                                                            weight_decay=5e-4)
    assert config.train_cfg.max_epochs == 20
    scheduler, = config.param_scheduler
    assert scheduler.eta_min == 1e-6
    assert scheduler.convert_to_iter_based
    if 'lt' in name:
        assert config.inliers.num_max == (5000 if 'cifar10_' in name else 500)
        assert config.inliers.ratio == 0.01
