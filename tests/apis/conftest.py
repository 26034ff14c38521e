"""A tiny world for the commands: a network of a few hundred weights, street scenes, outliers and a benchmark."""
import json
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import DefaultScope, init_default_scope
from mmseg.registry import MODELS

HEIGHT, WIDTH = 32, 64
CONFIG = """
default_scope = 'mmseg'
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='SegDataPreProcessor', mean=[100, 110, 120], std=[50, 60, 70], bgr_to_rgb=True,
                           pad_val=0, seg_pad_val=255, size=({height}, {width})),
    backbone=dict(type='CGNet', norm_cfg=dict(type='BN'), num_channels=(4, 8, 8), num_blocks=(1, 1),
                  dilations=(1, 1), reductions=(2, 2)),
    decode_head=dict(
        type='FCNHead', in_channels=16, in_index=2, channels=16, num_convs=0, concat_input=False, dropout_ratio=0,
        num_classes=3, norm_cfg=dict(type='BN'),
        loss_decode=[
            dict(type='InlierLoss', loss=dict(type='CrossEntropyLoss', avg_non_ignore=True)),
            dict(type='BalancedEnergyLoss', prior=[0.5, 0.3, 0.2], m_in=-3.0, m_out=-1.0),
        ]),
    train_cfg=dict(), test_cfg=dict(mode='whole'))
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='PasteOutliers', num_classes=3, source=dict(
        type='CocoOutliers', ann_file='{root}/outliers/instances.json', img_dir='{root}/outliers',
        exclude_categories=(), min_size=0)),
    dict(type='PackSegInputs'),
]
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
streets = dict(
    type='BaseSegDataset', data_root='{root}/streets', img_suffix='.png', seg_map_suffix='.png',
    data_prefix=dict(img_path='images', seg_map_path='labels'),
    metainfo=dict(classes=('road', 'car', 'sky'), palette=[[128, 64, 128], [0, 0, 142], [70, 130, 180]]))
train_dataloader = dict(batch_size=2, num_workers=0, sampler=dict(type='PassSampler'),
                        dataset=dict(pipeline=train_pipeline, **streets))
test_dataloader = dict(batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
                       dataset=dict(pipeline=test_pipeline, **streets))
test_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01))
train_cfg = dict(type='IterBasedTrainLoop', max_iters=2, val_interval=100)
default_hooks = dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=1),
                     logger=dict(type='LoggerHook', interval=1))
log_processor = dict(by_epoch=False)
log_level = 'WARNING'
randomness = dict(seed=0)
"""


class World(NamedTuple):
    """Where everything is; ``tests/tools`` uses it, too."""
    root: Path
    config: Path
    checkpoint: Path
    benchmark: Path

    @property
    def benchmark_argument(self):
        return f'mini-street={self.benchmark}'

    def segmentor(self):
        """The network of the checkpoint, built without any code of the commands."""
        init_default_scope('mmseg')
        segmentor = MODELS.build(Config.fromfile(self.config).model)
        segmentor.load_state_dict(torch.load(self.checkpoint)['state_dict'])
        return segmentor.eval()

    @torch.no_grad()
    def logits(self, segmentor, image_path):
        """Logits ``(C, H, W)`` of an image, by hand."""
        image = cv2.imread(str(image_path))[..., ::-1].astype(np.float32)
        inputs = torch.from_numpy((image - [100, 110, 120]) / [50, 60, 70]).float().permute(2, 0, 1)[None]
        return segmentor.encode_decode(inputs, [dict(img_shape=image.shape[:2])])[0]


def write_frames(images, labels, values, count, seed):
    """Frames of noise in vertical stripes and label maps of the same stripes."""
    rng = np.random.default_rng(seed)
    images.mkdir(parents=True)
    labels.mkdir(parents=True)
    for index in range(count):
        stripes = rng.integers(len(values), size=8).repeat(WIDTH // 8)
        colors = rng.integers(0, 200, (len(values), 3))[stripes]
        image = colors + rng.integers(0, 56, (HEIGHT, WIDTH, 3))
        label = np.broadcast_to(np.asarray(values)[stripes], (HEIGHT, WIDTH))
        cv2.imwrite(str(images / f'frame_{index}.png'), image.astype(np.uint8))
        cv2.imwrite(str(labels / f'frame_{index}.png'), label.astype(np.uint8))


def write_outliers(folder):
    """Two images with a rectangle each, in the COCO format."""
    folder.mkdir()
    content = dict(categories=[dict(id=1, name='zebra')], images=[], annotations=[])
    for index in (1, 2):
        cv2.imwrite(str(folder / f'{index}.png'), np.full((20, 24, 3), 100 * index, np.uint8))
        content['images'].append(dict(id=index, file_name=f'{index}.png', height=20, width=24))
        content['annotations'].append(dict(id=index, image_id=index, category_id=1, iscrowd=0,
                                           segmentation=[[2, 2, 20, 2, 20, 16, 2, 16]]))
    (folder / 'instances.json').write_text(json.dumps(content))


@pytest.fixture(scope='session')
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp('world')
    write_frames(root / 'streets/images', root / 'streets/labels', (0, 1, 2, 255), count=4, seed=0)
    write_frames(root / 'test/images', root / 'test/labels_masks', (0, 0, 1, 255), count=3, seed=1)
    write_outliers(root / 'outliers')
    config = root / 'toy.py'
    config.write_text(CONFIG.format(root=root, height=HEIGHT, width=WIDTH))
    init_default_scope('mmseg')
    torch.manual_seed(0)
    cfg = Config.fromfile(config)
    segmentor = MODELS.build(cfg.model)
    for parameter in segmentor.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    meta = dict(dataset_meta=dict(cfg.streets.metainfo))
    torch.save(dict(meta=meta, state_dict=segmentor.state_dict()), root / 'toy.pth')
    return World(root, config, root / 'toy.pth', root / 'test')


@pytest.fixture
def malicious(tmp_path):
    """A checkpoint that makes a folder when it is unpickled, and that folder."""
    class Payload:
        def __reduce__(self):
            return Path.mkdir, (tmp_path / 'executed',)

    torch.save(dict(state_dict={}, payload=Payload()), tmp_path / 'malicious.pth')
    return tmp_path / 'malicious.pth', tmp_path / 'executed'


DIGITS_CONFIG = """
_base_ = ['{root}/configs/_base_/classification/digits_lt.py', '{root}/configs/_base_/classification/finetuning.py',
          '{root}/configs/_base_/classification/runtime.py']
model = dict(
    backbone=dict(type='CIFARResNet', depth=20),
    losses=[dict(type='InlierCrossEntropyLoss'),
            dict(type='BalancedEnergyLoss', prior=[1.0] * 5, m_in=-3.0, m_out=-1.0, alpha=0.5, gamma_margin=1.0,
                 gamma_weight=1.0)])
param_scheduler = []
train_cfg = dict(max_epochs=1, val_interval=1)
default_hooks = dict(checkpoint=dict(interval=1))
log_level = 'WARNING'
"""


class DigitsWorld(NamedTuple):
    """Files of the config and of a checkpoint."""
    config: Path
    checkpoint: Path


@pytest.fixture(scope='session')
def digits_world(tmp_path_factory):
    folder = tmp_path_factory.mktemp('digits')
    config, checkpoint = folder / 'digits.py', folder / 'net.pth'
    config.write_text(DIGITS_CONFIG.format(root=Path(__file__).parents[2]))
    with DefaultScope.overwrite_default_scope('mmengine'):
        torch.manual_seed(0)
        network = MMENGINE_MODELS.build(Config.fromfile(config).model)
        network.init_weights()
    torch.save(dict(state_dict=network.state_dict()), checkpoint)
    return DigitsWorld(config, checkpoint)
