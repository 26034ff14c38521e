"""Stock MMSegmentation configs with the plug-ins added, through ``Runner.from_cfg``: train, validate, resume."""
import math
import re
import subprocess
import sys
from pathlib import Path

import cv2
import mmseg
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmseg_ood.compat import load_checkpoint

SIZE = 64
ROOT = Path(__file__).parents[2]
STOCK_CONFIGS = Path(mmseg.__file__).parent / '.mim' / 'configs'
STOCK = {
    'fast_scnn': 'fastscnn/fast_scnn_8xb4-160k_cityscapes-512x1024.py',
    'bisenetv2': 'bisenetv2/bisenetv2_fcn_4xb4-160k_cityscapes-1024x1024.py',
    'segformer': 'segformer/segformer_mit-b0_8xb1-160k_cityscapes-1024x1024.py',
}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Four training and two validation frames in the Cityscapes layout, and two cut-outs."""
    root = tmp_path_factory.mktemp('data')
    rng = np.random.default_rng(0)
    for split, count in (('train', 4), ('val', 2)):
        for kind in ('leftImg8bit', 'gtFine'):
            (root / kind / split / 'town').mkdir(parents=True)
        for index in range(count):
            name = f'town_{index:06d}_000000'
            image = rng.integers(0, 255, (SIZE, SIZE, 3), dtype=np.uint8)
            labels = rng.integers(0, 19, (SIZE, SIZE), dtype=np.uint8)
            labels[:4] = 255
            cv2.imwrite(str(root / f'leftImg8bit/{split}/town/{name}_leftImg8bit.png'), image)
            cv2.imwrite(str(root / f'gtFine/{split}/town/{name}_gtFine_labelTrainIds.png'), labels)
    (root / 'cutouts').mkdir()
    for index in range(2):
        cutout = rng.integers(0, 255, (20, 30, 4), dtype=np.uint8)
        cutout[..., 3] = 255
        cv2.imwrite(str(root / f'cutouts/{index}.png'), cutout)
    return root


def with_plug_ins(cfg, data):
    """What a user adds to a config: the import line, the losses, the transform and the metric."""
    cfg.custom_imports = dict(imports=['mmseg_ood.segmentation'], allow_failed_imports=False)
    auxiliary_heads = cfg.model.get('auxiliary_head', [])
    for head in [cfg.model.decode_head, *(auxiliary_heads if isinstance(auxiliary_heads, list) else [auxiliary_heads])]:
        head.loss_decode = [dict(type='InlierLoss', loss=head.loss_decode)]
    cfg.model.decode_head.loss_decode.append(
        dict(type='BalancedEnergyLoss', prior='cityscapes-coco', m_in=-12.0, m_out=-6.0))
    paste = dict(type='PasteOutliers', source=dict(type='CutoutFolderOutliers', root=str(data / 'cutouts')),
                 num_classes=19)
    for pipeline in (cfg.train_dataloader.dataset.pipeline, cfg.val_dataloader.dataset.pipeline):
        position = [step['type'] for step in pipeline].index('LoadAnnotations') + 1
        pipeline.insert(position, dict(paste))
    cfg.val_evaluator = [dict(type='InlierIoUMetric', iou_metrics=['mIoU']),
                         dict(type='AnomalyMetric', score=['energy', 'msp'])]
    return cfg


def made_small(cfg, data, work_dir):
    """Tiny frames, two iterations, no download; nothing here concerns the plug-ins."""
    cfg.work_dir = str(work_dir)
    cfg.model.backbone.init_cfg = None
    cfg.model.data_preprocessor.size = (SIZE, SIZE)
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        loader.dataset.data_root = str(data)
        for step in loader.dataset.pipeline:
            if step['type'] == 'RandomCrop':
                step['crop_size'] = (SIZE, SIZE)
            if step['type'] in ('Resize', 'RandomResize'):
                step['scale'] = (SIZE, SIZE)
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=2, val_interval=2)
    cfg.default_hooks = dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2))
    cfg.update(test_dataloader=None, test_evaluator=None, test_cfg=None, launcher='none', randomness=dict(seed=0),
               visualizer=None, log_level='WARNING', experiment_name=work_dir.name)
    return cfg


def stock_config(name, data, work_dir):
    return made_small(with_plug_ins(Config.fromfile(STOCK_CONFIGS / STOCK[name]), data), data, work_dir)


def gradients_of_first_step(runner):
    batch = next(iter(runner.train_dataloader))
    inputs = runner.model.data_preprocessor(batch, training=True)
    losses = runner.model(**inputs, mode='loss')
    runner.model.zero_grad()
    losses['decode.loss_energy'].backward()
    return batch, losses, [p.grad for p in runner.model.decode_head.parameters() if p.grad is not None]


@pytest.mark.parametrize('name', STOCK)
def test_stock_config_trains_and_validates(name, data, tmp_path):
    runner = Runner.from_cfg(stock_config(name, data, tmp_path))
    runner.train()
    metrics = runner.val_loop.run()
    assert 0 <= metrics['mIoU'] <= 100
    for score in ('energy', 'msp'):
        assert 0 < metrics[f'{score}/AP'] < 100
        assert 0 < metrics[f'{score}/AUROC'] < 100
    assert all(torch.isfinite(parameter).all() for parameter in runner.model.parameters())


def test_energy_loss_reaches_the_network_through_the_head(data, tmp_path):
    runner = Runner.from_cfg(stock_config('fast_scnn', data, tmp_path))
    batch, losses, gradients = gradients_of_first_step(runner)
    assert any((sample.gt_sem_seg.data == 254).any() for sample in batch['data_samples'])
    assert math.isfinite(losses['decode.loss_energy'].item())
    assert losses['decode.loss_energy'] > 0
    assert any(gradient.abs().sum() > 0 for gradient in gradients)


def test_checkpoint_resumes_and_holds_nothing_of_the_plug_ins(data, tmp_path):
    cfg = stock_config('fast_scnn', data, tmp_path)
    Runner.from_cfg(cfg).train()
    checkpoint = load_checkpoint(tmp_path / 'iter_2.pth')
    assert not [key for key in checkpoint['state_dict'] if 'prior' in key or 'loss' in key]
    cfg.update(resume=True, train_cfg=dict(type='IterBasedTrainLoop', max_iters=3, val_interval=3))
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.iter == 3


def test_example_of_the_readme(data, tmp_path):
    """The complete config in README.md, on the stock config it names and our tiny data, trains and validates."""
    blocks = re.findall(r'```python\n(.*?)```', (ROOT / 'README.md').read_text(), flags=re.DOTALL)
    example = next(block for block in blocks if '_base_' in block)
    example = example.replace('path/to/mmsegmentation/configs', str(STOCK_CONFIGS)).replace('load_from', 'unused')
    (tmp_path / 'example.py').write_text(example)
    cfg = made_small(Config.fromfile(tmp_path / 'example.py'), data, tmp_path)
    paste = next(step for step in cfg.train_dataloader.dataset.pipeline if step['type'] == 'PasteOutliers')
    paste['source'] = dict(type='CutoutFolderOutliers', root=str(data / 'cutouts'))
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert set(runner.val_loop.run()) >= {'mIoU', 'AP', 'FPR95', 'AUROC'}


# The imports of mmseg's own tools/train.py, in its order; the config brings the plug-ins along.
STOCK_TOOL = '''
import sys
from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from mmseg.registry import RUNNERS
Runner.from_cfg(Config.fromfile(sys.argv[1])).train()
'''


def test_import_line_is_enough_for_the_stock_command_line(data, tmp_path):
    stock_config('fast_scnn', data, tmp_path).dump(tmp_path / 'config.py')
    result = subprocess.run([sys.executable, '-c', STOCK_TOOL, str(tmp_path / 'config.py')], capture_output=True,
                            text=True, check=False, cwd=tmp_path)
    assert result.returncode == 0, result.stderr[-2000:]
    assert (tmp_path / 'iter_2.pth').is_file()
