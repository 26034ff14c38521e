"""Class prior of auxiliary outlier images, energies and margins of a classifier."""
from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS
from rich.progress import track

from mmseg_ood.classification.datasets import ImageSet, InlierOutlierDataset
from mmseg_ood.classification.labels import OOD_LABEL
from mmseg_ood.classification.models import ImageClassifier
from mmseg_ood.core import PriorEstimator, free_energy

from .classifiers import build_classifier
from .prior_report import Energies, prior_report, write_prior
from .runtime import load_config, provenance

_BATCH = 500


def estimate_classifier_prior(config: str | Path | Config, checkpoint: str | Path, out: str | Path,
                              num_images: int = 10000, seed: int = 0, cfg_options: dict[str, Any] | None = None,
                              device: str | None = None, *, gamma: float = 0.75) -> dict[str, Any]:
    """Share of each class among the predictions on the outlier images of a config's training set.

    The classification twin of :func:`mmseg_ood.apis.estimate_prior`: the same files, with images in place of pixels.

    Args:
        config: Config file or a loaded config, whose training data is an ``InlierOutlierDataset``.
        checkpoint: Weights of the network before its fine-tuning.
        out: The file to write, ``prior.json``; losses take its path as ``prior``.
        num_images: Number of outliers, and of inliers, to draw without repetition; all, where there are fewer.
        seed: Seed of the draw.
        cfg_options: Overrides as dotted keys.
        device: By default the GPU if there is one.
        gamma: Exponent of the prior in the margin, which ``alpha`` is proposed for.

    Returns:
        What was written, see :func:`mmseg_ood.apis.estimate_prior`.

    Raises:
        FileNotFoundError: Config, checkpoint or data do not exist.
        ValueError: ``num_images`` is not positive, the training set holds no outliers, the checkpoint does not fit, or
            a negative gamma.
    """
    if num_images < 1:
        raise ValueError(f'num_images must be at least 1, found {num_images}')
    cfg = load_config(config, cfg_options)
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    if not isinstance(dataset, InlierOutlierDataset):
        raise ValueError(f'train_dataloader.dataset of {cfg.filename} is a {type(dataset).__name__}, expected an '
                         f'InlierOutlierDataset: the prior is that of its outliers')
    classifier = build_classifier(cfg, checkpoint, device)
    estimator = PriorEstimator(classifier.num_classes, OOD_LABEL)
    generator = np.random.default_rng(seed)
    energies = Energies(*(_measure(classifier, images, _draw(generator, len(images), num_images), estimator)
                          for images in (dataset.inliers, dataset.outliers)))
    network = type(classifier.backbone).__name__
    result = prior_report(
        estimator, energies, dataset.metainfo.get('classes'), gamma,
        network={'backbone': network, 'num_classes': classifier.num_classes,
                 'parameters': sum(parameter.numel() for parameter in classifier.parameters())},
        outliers=[cfg.train_dataloader.dataset.outliers], num_images=len(energies.outlier), seed=seed,
        ood_index=OOD_LABEL, provenance=provenance(cfg, checkpoint))
    write_prior(result, energies, Path(out), what='outlier images', unit='images', network=network)
    return result


def _draw(generator: np.random.Generator, size: int, number: int) -> np.ndarray:
    return np.sort(generator.permutation(size)[:number])  # in the order of the file that they may be read from


@torch.inference_mode()
def _measure(classifier: ImageClassifier, images: ImageSet, indices: np.ndarray,
             estimator: PriorEstimator) -> np.ndarray:
    """Count predictions on outliers; returns the energies of all images."""
    energies = []
    batches = np.array_split(indices, math.ceil(len(indices) / _BATCH))
    for batch in track(batches, 'prior'):
        data = classifier.data_preprocessor(images.__getitems__(list(batch)), training=False)
        logits = classifier(data['inputs'], mode='tensor')
        estimator.update(logits, data['labels'])
        energies.append(free_energy(logits).double().cpu().numpy())
    return np.concatenate(energies)
