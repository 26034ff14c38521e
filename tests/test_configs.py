"""Every shipped config: it loads, its network is built and agrees with its losses, its parts are registered."""
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, HOOKS, MODELS, TRANSFORMS

from mmseg_ood.segmentation.losses import BalancedEnergyLoss

ROOT = Path(__file__).parents[1]
CONFIGS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / 'configs').rglob('*.py')
                 if not {'_base_', 'classification'} & set(path.parts))


@pytest.fixture(params=CONFIGS)
def config(request, monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    init_default_scope('mmseg')
    config = Config.fromfile(request.param)
    for loss in losses(config.model):
        if str(loss.get('prior', '')).startswith('work_dirs/'):  # made by the demo
            loss.prior = 'cityscapes-coco'
    return config


def losses(model):
    heads = model.get('auxiliary_head') or []
    for head in [model.decode_head, *(heads if isinstance(heads, list) else [heads])]:
        yield from head.loss_decode if isinstance(head.loss_decode, list) else [head.loss_decode]


def test_network(config):
    if config.model.backbone.type == 'WideResNet38':  # its own test counts its 137 million parameters
        config.model.backbone.width = 1 / 32
        config.model.decode_head.in_channels = (4, 128)
    network = MODELS.build(config.model)
    head = network.decode_head
    inliers = config.model.get('num_inlier_classes') or config.get('num_inlier_classes') or head.num_classes
    for loss in network.modules():
        if isinstance(loss, BalancedEnergyLoss):
            assert len(loss.prior) == inliers
            assert loss.num_classes in (None, inliers)
            assert head.out_channels == inliers or loss.num_classes == inliers


def test_every_part_is_registered(config):
    def steps(node):
        if isinstance(node, dict):
            if 'pipeline' in node:
                yield from node['pipeline']
            for value in node.values():
                yield from steps(value)

    for loader in (config.train_dataloader, config.val_dataloader):
        assert DATASETS.get(loader.dataset.type) is not None
        assert all(TRANSFORMS.get(step['type']) is not None for step in steps(loader.dataset.to_dict()))
    assert all(HOOKS.get(hook['type']) is not None for hook in config.get('custom_hooks', []))
    assert config.custom_imports.imports == ['mmseg_ood.segmentation']
