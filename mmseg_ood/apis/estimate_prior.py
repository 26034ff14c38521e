"""Class prior of the outliers and the energies of a network, the numbers a balanced energy config needs."""
from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.runner import set_random_seed
from rich.progress import track

from mmseg_ood.core import PriorEstimator, free_energy

from .runtime import build_dataloader, build_segmentor, load_config, provenance

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
# Pixels of each side that enter the quantiles of one batch; all pixels enter the prior.
_PIXELS = 2000


def estimate_prior(config: str | Path | Config, checkpoint: str | Path, out: str | Path, num_images: int = 10000,
                   seed: int = 0, ood_index: int = 254, ignore_index: int = 255,
                   cfg_options: dict[str, Any] | None = None, device: str | None = None) -> dict[str, Any]:
    """Share of each class among the predictions on pasted pixels, and energy quantiles of both sides.

    Images come from the config's own training data loader, so outliers are pasted as in training.

    Args:
        config: Config file or a loaded config, whose training pipeline pastes outliers.
        checkpoint: Weights of the network before its fine-tuning.
        out: The file to write, ``prior.json``; losses take its path as ``prior``.
        num_images: Number of training images to draw (the paper: 10 000), rounded up to whole batches.
        seed: Seed of the data loader and of the pasting.
        ood_index: Label of the outlier pixels.
        ignore_index: Label of void pixels.
        cfg_options: Overrides as dotted keys.
        device: By default the GPU if there is one.

    Returns:
        What was written: ``prior``, ``counts``, ``classes``, ``energy_quantiles`` of ``inlier`` and
        ``outlier``, ``num_images``, ``seed``, ``provenance``.

    Raises:
        FileNotFoundError: Config, checkpoint or data do not exist.
        ValueError: No outlier was pasted, or the checkpoint does not fit.
    """
    cfg = load_config(config, cfg_options)
    set_random_seed(seed)
    loader = build_dataloader(cfg.train_dataloader, 'train_dataloader.dataset', seed)
    segmentor = build_segmentor(cfg, checkpoint, device)
    estimator = PriorEstimator(cfg.get('num_inlier_classes') or segmentor.num_classes, ood_index)
    energies: dict[str, list[torch.Tensor]] = {'inlier': [], 'outlier': []}
    drawn = 0
    passes = itertools.chain.from_iterable(itertools.repeat(loader))
    for batch in track(passes, 'prior', total=math.ceil(num_images / loader.batch_size)):
        logits, labels = _predict(segmentor, batch)
        logits = logits[:, :estimator.num_classes]
        estimator.update(logits, labels)
        energy = free_energy(logits)
        outliers = labels == ood_index
        for side, mask in (('outlier', outliers), ('inlier', ~outliers & (labels != ignore_index))):
            values = energy[mask]
            energies[side].append(values[:: max(len(values) // _PIXELS, 1)].cpu())
        drawn += len(labels)
        if drawn >= num_images:
            break
    if not int(estimator.counts.sum()):
        raise ValueError(f'no pixel of {drawn} training images is labelled {ood_index}: the training pipeline '
                         f'of {cfg.filename} pastes no outliers')
    classes = loader.dataset.metainfo.get('classes') or range(estimator.num_classes)
    result = {
        'prior': estimator.prior().tolist(), 'counts': estimator.counts.tolist(),
        'classes': list(map(str, classes))[:estimator.num_classes],
        'energy_quantiles': {side: dict(zip(map(str, QUANTILES), _quantiles(values), strict=True))
                             for side, values in energies.items()},
        'num_images': drawn, 'seed': seed, 'provenance': provenance(cfg, checkpoint),
    }
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    Path(out).write_text(json.dumps(result, indent=2), encoding='utf-8')
    return result


@torch.inference_mode()
def _predict(segmentor: torch.nn.Module, batch: dict) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits ``(N, C, H, W)`` at label resolution and labels ``(N, H, W)`` of a training batch."""
    data = segmentor.data_preprocessor(batch, training=True)
    labels = torch.stack([sample.gt_sem_seg.data.squeeze(0) for sample in data['data_samples']])
    metas = [dict(sample.metainfo, ori_shape=labels.shape[1:]) for sample in data['data_samples']]
    logits = segmentor.encode_decode(data['inputs'], metas)
    return torch.nn.functional.interpolate(logits, labels.shape[1:], mode='bilinear',
                                           align_corners=segmentor.align_corners), labels


def _quantiles(values: list[torch.Tensor]) -> list[float]:
    # Not torch.quantile, which refuses more than 2^24 values.
    return [round(value, 3) for value in np.quantile(torch.cat(values).double().numpy(), QUANTILES).tolist()]
