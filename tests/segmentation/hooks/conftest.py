"""A runner with a network of a few hundred weights on frames that are made up on the spot."""
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.runner import runner as runner_module
from mmengine.structures import PixelData
from mmseg.registry import DATASETS, OPTIM_WRAPPERS
from mmseg.structures import SegDataSample

BALANCED = dict(type='BalancedEnergyLoss', prior=[0.5, 0.3, 0.2], m_in=-3.0, m_out=-1.0, loss_weight=1.0)
CROSS_ENTROPY = dict(type='InlierLoss', loss=dict(type='CrossEntropyLoss', avg_non_ignore=True))


@DATASETS.register_module(force=True)
class MadeUpFrames:
    """Noise; labels of 3 classes, with outliers (254) and void (255) among them."""
    metainfo = dict(classes=('road', 'car', 'sky'), palette=[[128, 64, 128], [0, 0, 142], [70, 130, 180]])

    def __init__(self, labels, count):
        self.labels = torch.tensor(labels)
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        image = torch.randint(256, (3, 16, 32), generator=generator, dtype=torch.uint8)
        labels = self.labels[torch.randint(len(self.labels), (1, 16, 32), generator=generator)]
        sample = SegDataSample(metainfo=dict(img_shape=(16, 32), ori_shape=(16, 32), pad_shape=(16, 32)))
        sample.gt_sem_seg = PixelData(data=labels)
        return dict(inputs=image, data_samples=sample)


@OPTIM_WRAPPERS.register_module(force=True)
class HalfPrecision(OptimWrapper):
    """Mixed precision as AmpOptimWrapper does it, which refuses CPUs."""

    def optim_context(self, model):
        return torch.autocast('cpu', torch.bfloat16)


def head(**replaced):
    return dict(dict(type='FCNHead', in_channels=16, in_index=2, channels=8, num_convs=1, concat_input=False,
                     dropout_ratio=0, num_classes=3, norm_cfg=dict(type='BN'),
                     loss_decode=[CROSS_ENTROPY, BALANCED]), **replaced)


def build(work_dir, max_iters=3, by_epoch=False, decode_head=None, auxiliary_head=None, labels=(0, 1, 2, 254, 255),
          **replaced):
    """A runner without validation and checkpoints; ``replaced`` are further keys of its config."""
    loader = dict(batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=True),
                  dataset=dict(type='MadeUpFrames', labels=labels, count=6 if by_epoch else 20))
    config = dict(
        default_scope='mmseg', work_dir=str(work_dir), experiment_name=f'{work_dir}{max_iters}', log_level='WARNING',
        model=dict(
            type='EncoderDecoder',
            data_preprocessor=dict(type='SegDataPreProcessor', mean=[100.0] * 3, std=[60.0] * 3, size=(16, 32)),
            backbone=dict(type='CGNet', norm_cfg=dict(type='BN'), num_channels=(4, 8, 8), num_blocks=(1, 1),
                          dilations=(1, 1), reductions=(2, 2)),
            decode_head=decode_head or head(), auxiliary_head=auxiliary_head, train_cfg=dict(),
            test_cfg=dict(mode='whole')),
        train_dataloader=loader, val_dataloader=loader, val_evaluator=dict(type='IoUMetric'), val_cfg=dict(),
        train_cfg=dict(val_begin=100, **(dict(type='EpochBasedTrainLoop', max_epochs=max_iters // 3) if by_epoch else
                                         dict(type='IterBasedTrainLoop', max_iters=max_iters))),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=0.1)),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', by_epoch=by_epoch, interval=-1, save_last=False),
                           logger=dict(type='LoggerHook', interval=1)),
        log_processor=dict(by_epoch=by_epoch), randomness=dict(seed=0))
    config = Config(config)
    config.merge_from_dict(replaced)
    return Runner.from_cfg(config)


@pytest.fixture
def toy_head():
    return head


@pytest.fixture
def build_runner(tmp_path, monkeypatch):
    monkeypatch.setattr(runner_module, 'collect_env', dict)  # asks compilers for their versions

    def build_in(folder='run', **arguments):
        return build(tmp_path / folder, **arguments)
    yield build_in
    DefaultScope.get_instance('mmseg', scope_name='mmseg')  # the last runner's scope has its name
