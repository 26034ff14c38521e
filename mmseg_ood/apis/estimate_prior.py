"""Class prior of the outliers, energies and margins of a network: the numbers a balanced energy config needs."""
from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.runner import set_random_seed
from rich.progress import track
from torch.utils.data import DataLoader

from mmseg_ood.core import PriorEstimator, free_energy

from .prior_report import Energies, prior_report, write_prior
from .runtime import build_dataloader, build_segmentor, load_config, provenance

# Pixels of each side that enter the quantiles of one batch; all pixels enter the prior.
_PIXELS = 2000


def estimate_prior(config: str | Path | Config, checkpoint: str | Path, out: str | Path, num_images: int = 10000,
                   seed: int = 0, ood_index: int = 254, ignore_index: int = 255,
                   cfg_options: dict[str, Any] | None = None, device: str | None = None, *,
                   gamma: float = 3.0) -> dict[str, Any]:
    """Share of each class among the predictions on pasted pixels, energies of both sides, and margins for them.

    Images come from the config's own training data loader, so outliers are pasted as in training; of an
    ``ExtraOutlierFrames`` only those with outliers are drawn. Two plots are written beside the file: ``prior.png``,
    the prior by class, and ``prior_energies.png``, the distributions of the energies with the margins.

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
        gamma: Exponent of the prior in the margin, which ``alpha`` is proposed for.

    Returns:
        What was written:

        * ``prior`` and ``counts``, by ``classes``;
        * ``energy_quantiles`` of ``inlier`` and ``outlier`` pixels;
        * ``margins``: ``m_in``, ``m_out``, ``alpha`` and ``gamma`` by
          :func:`mmseg_ood.core.propose_margins`, or None, with a warning, where there are none to propose;
        * ``network``: types of its parts, number of classes and of parameters;
        * ``outliers``: the PasteOutliers steps of the pipeline, with their sources;
        * ``num_images``, ``seed``, ``ood_index``, ``provenance``.

    Raises:
        FileNotFoundError: Config, checkpoint or data do not exist.
        ValueError: ``num_images`` is not positive, no outlier was pasted or no inlier was left, the checkpoint does
            not fit, or a negative gamma.
    """
    if num_images < 1:
        raise ValueError(f'num_images must be at least 1, found {num_images}')
    cfg = load_config(config, cfg_options)
    set_random_seed(seed)
    loader = build_dataloader(_pasting(cfg.train_dataloader), 'train_dataloader.dataset', seed)
    segmentor = build_segmentor(cfg, checkpoint, device)
    estimator = PriorEstimator(cfg.get('num_inlier_classes') or segmentor.num_classes, ood_index)
    energies, drawn = _measure(segmentor, loader, num_images, estimator, ignore_index)
    for side, label in (('outlier', f'{ood_index}: the training pipeline of {cfg.filename} pastes no outliers'),
                        ('inlier', 'as a class')):
        if not len(getattr(energies, side)):
            raise ValueError(f'no pixel of {drawn} training images is labelled {label}')
    metainfo = loader.dataset.metainfo
    result = prior_report(
        estimator, energies, metainfo.get('classes'), gamma, network=_described(segmentor),
        outliers=list(_pasting_steps(cfg.train_dataloader.to_dict())), num_images=drawn, seed=seed, ood_index=ood_index,
        provenance=provenance(cfg, checkpoint))
    network = ', '.join(str(result['network'][part]) for part in ('backbone', 'decode_head')
                        if part in result['network'])
    write_prior(result, energies, Path(out), what='pasted outliers', unit='pixels', network=network,
                palette=metainfo.get('palette'))
    return result


def _pasting(dataloader: dict[str, Any]) -> dict[str, Any]:
    """A data loader whose frames all go through the pasting pipeline."""
    dataset = dataloader['dataset']
    return dict(dataloader, dataset=dataset['dataset']) if _is_type(dataset, 'ExtraOutlierFrames') else dataloader


def _pasting_steps(config: Any) -> Iterator[dict[str, Any]]:
    """The PasteOutliers anywhere in a config, in whatever wrappers."""
    if isinstance(config, dict) and _is_type(config, 'PasteOutliers'):
        yield config
    elif isinstance(config, dict | list | tuple):
        for value in config.values() if isinstance(config, dict) else config:
            yield from _pasting_steps(value)


def _is_type(config: dict[str, Any], name: str) -> bool:
    """Whether a config is of a registered type, with or without its scope or module."""
    return str(config.get('type')).rpartition('.')[2] == name


def _measure(segmentor: torch.nn.Module, loader: DataLoader, num_images: int, estimator: PriorEstimator,
             ignore_index: int) -> tuple[Energies, int]:
    """Count predictions on outliers and collect energies; also returns the number of images drawn."""
    energies: dict[str, list[np.ndarray]] = {'inlier': [], 'outlier': []}
    drawn = 0
    passes = itertools.chain.from_iterable(itertools.repeat(loader))
    for batch in track(passes, 'prior', total=math.ceil(num_images / loader.batch_size)):
        logits, labels = _predict(segmentor, batch)
        logits = logits[:, :estimator.num_classes]
        estimator.update(logits, labels)
        energy = free_energy(logits)
        outliers = labels == estimator.ood_index
        for side, mask in (('outlier', outliers), ('inlier', ~outliers & (labels != ignore_index))):
            values = energy[mask]
            energies[side].append(values[:: max(len(values) // _PIXELS, 1)].double().cpu().numpy())
        drawn += len(labels)
        if drawn >= num_images:
            break
    return Energies(**{side: np.concatenate(values) for side, values in energies.items()}), drawn


@torch.inference_mode()
def _predict(segmentor: torch.nn.Module, batch: dict) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits ``(N, C, H, W)`` at label resolution and labels ``(N, H, W)`` of a training batch."""
    data = segmentor.data_preprocessor(batch, training=True)
    labels = torch.stack([sample.gt_sem_seg.data.squeeze(0) for sample in data['data_samples']])
    metas = [dict(sample.metainfo, ori_shape=labels.shape[1:]) for sample in data['data_samples']]
    logits = segmentor.encode_decode(data['inputs'], metas)
    return torch.nn.functional.interpolate(logits, labels.shape[1:], mode='bilinear',
                                           align_corners=segmentor.align_corners), labels


def _described(segmentor: torch.nn.Module) -> dict[str, Any]:
    """What the network is made of."""
    def kind(part: torch.nn.Module) -> Any:
        return list(map(kind, part)) if isinstance(part, torch.nn.ModuleList) else type(part).__name__

    parts = {name: kind(part) for name, part in segmentor.named_children() if name != 'data_preprocessor'}
    return {'segmentor': kind(segmentor), **parts, 'num_classes': segmentor.num_classes,
            'parameters': sum(parameter.numel() for parameter in segmentor.parameters())}
