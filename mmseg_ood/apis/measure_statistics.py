"""Statistics of a network's max logits on its training frames, which the score ``sml`` standardises with."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from rich.progress import track
from torch.utils.data import DataLoader, Subset

from mmseg_ood.core import MaxLogitStatistics, statistics_path
from mmseg_ood.segmentation.evaluation import NATIVE_PIPELINE

from .runtime import build_dataloader, build_segmentor, load_config, provenance


def measure_statistics(config: str | Path | Config, checkpoint: str | Path, out: str | Path | None = None,
                       num_images: int | None = None, cfg_options: dict[str, Any] | None = None,
                       device: str | None = None) -> dict[str, Any]:
    """Mean and standard deviation of the max logit over inlier pixels, by predicted class.

    Frames are those of the config's training data set, each once and as they are: without augmentation, pasting and
    repetition, through ``benchmark_pipeline`` of the config or, by default, at their own resolution.

    Args:
        config: Config file or a loaded config.
        checkpoint: Weights.
        out: The file to write, by default :func:`mmseg_ood.core.statistics_path`, where the commands look for it.
        num_images: Number of frames, evenly spread over the data set; by default all.
        cfg_options: Overrides as dotted keys.
        device: By default the GPU if there is one.

    Returns:
        What was written, see :meth:`mmseg_ood.core.MaxLogitStatistics.save`, with ``classes``, ``num_images`` and
        ``provenance``.

    Raises:
        FileNotFoundError: Config, checkpoint or data do not exist.
        ValueError: The config has no training data set, its frames have no inlier pixels or unknown labels, or the
            checkpoint does not fit.
    """
    if num_images is not None and num_images < 1:
        raise ValueError(f'num_images must be at least 1, found {num_images}')
    cfg = load_config(config, cfg_options)
    loader = _loader(cfg, num_images)
    segmentor = build_segmentor(cfg, checkpoint, device)
    statistics = MaxLogitStatistics(cfg.get('num_inlier_classes') or segmentor.num_classes)
    for batch in track(loader, 'statistics'):
        _count(segmentor, batch, statistics)
    if not int(statistics.counts.sum()):
        raise ValueError(f'train_dataloader.dataset: none of {len(loader)} frames has an inlier pixel')
    dataset = loader.dataset.dataset
    classes = dataset.metainfo.get('classes') or range(statistics.num_classes)
    out = Path(out or statistics_path(checkpoint))
    out.parent.mkdir(parents=True, exist_ok=True)
    return statistics.save(out, classes=list(map(str, classes))[:statistics.num_classes], num_images=len(loader),
                           provenance=provenance(cfg, checkpoint))


def _loader(cfg: Config, num_images: int | None) -> DataLoader:
    """Frames of the training data set one by one; they differ in size."""
    if not (cfg.get('train_dataloader') or {}).get('dataset'):
        raise ValueError(f'config {cfg.filename or ""} has no train_dataloader.dataset, whose frames are measured')
    num_workers = cfg.train_dataloader.get('num_workers', 2)
    pipeline = cfg.get('benchmark_pipeline', NATIVE_PIPELINE)
    dataset = build_dataloader(dict(
        batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=_plain_dataset(cfg.train_dataloader.dataset, pipeline)), 'train_dataloader.dataset').dataset
    count = min(num_images or len(dataset), len(dataset))
    positions = np.linspace(0, len(dataset) - 1, count).round().astype(int).tolist()
    return DataLoader(Subset(dataset, positions), batch_size=1, num_workers=num_workers, collate_fn=pseudo_collate)


def _plain_dataset(dataset: dict[str, Any], pipeline: Sequence[dict]) -> dict[str, Any]:
    """A data set's config with another pipeline, and without wrappers that repeat or mix its frames."""
    if 'dataset' in dataset:
        return _plain_dataset(dataset['dataset'], pipeline)
    if 'datasets' in dataset:
        return dict(dataset, datasets=[_plain_dataset(one, pipeline) for one in dataset['datasets']])
    return dict(dataset, pipeline=[dict(step) for step in pipeline])


@torch.inference_mode()
def _count(segmentor: torch.nn.Module, batch: dict[str, Any], statistics: MaxLogitStatistics) -> None:
    """Add a frame at the resolution of its labels."""
    sample, = segmentor.test_step(batch)
    logits = sample.seg_logits.data[:statistics.num_classes]
    try:
        if 'gt_sem_seg' not in sample:
            raise ValueError(f'no labels were loaded, found {sorted(sample.keys())}: the benchmark_pipeline needs '
                             f'LoadAnnotations')
        statistics.update(logits[None], sample.gt_sem_seg.data)
    except ValueError as error:
        raise ValueError(f'{sample.get("seg_map_path") or sample.get("img_path")}: {error}') from error
