"""Names and colours of the classes that a network predicts."""
from __future__ import annotations

from typing import NamedTuple

import torch
from mmengine.config import Config
from mmseg.registry import DATASETS
from mmseg.utils import get_classes, get_palette

from mmseg_ood.segmentation.visualization import choose_palette


class InlierClasses(NamedTuple):
    """The C inlier classes."""
    names: list[str]
    palette: list[list[int]]
    """Red, green, blue of each."""


def find_inlier_classes(segmentor: torch.nn.Module, cfg: Config, num_classes: int) -> InlierClasses:
    """What the checkpoint, the config's test set or Cityscapes call the classes; numbers where nobody knows them.

    Args:
        segmentor: From :func:`mmseg_ood.apis.runtime.build_segmentor`.
        cfg: Its config.
        num_classes: Number of inlier classes C.

    Example:
        >>> find_inlier_classes(torch.nn.Identity(), Config(), num_classes=19).names[:2]
        ['road', 'sidewalk']
        >>> find_inlier_classes(torch.nn.Identity(), Config(), num_classes=2).names
        ['class 0', 'class 1']
    """
    dataset = (cfg.get('test_dataloader') or {}).get('dataset') or {}
    declared = getattr(DATASETS.get(str(dataset.get('type'))), 'METAINFO', {})
    cityscapes = dict(classes=get_classes('cityscapes'), palette=get_palette('cityscapes'))
    trained = getattr(segmentor, 'dataset_meta', None) or {}
    known = (trained, dataset.get('metainfo') or {}, declared, cityscapes)
    names = next((meta['classes'] for meta in known if len(meta.get('classes') or ()) == num_classes),
                 [f'class {index}' for index in range(num_classes)])
    palette = choose_palette(num_classes, *(meta.get('palette') for meta in known))
    return InlierClasses(list(map(str, names)), palette.tolist())
