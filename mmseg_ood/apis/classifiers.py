"""Classifiers of configs, with their weights."""
from __future__ import annotations

from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import MODELS

from mmseg_ood.classification.models import ImageClassifier, load_classifier

from .runtime import ready_for_inference


def build_classifier(config: Config, checkpoint: str | Path,
                     device: str | torch.device | None = None) -> ImageClassifier:
    """The classifier of a config with the weights of a checkpoint, in evaluation mode.

    Args:
        config: A config from :func:`mmseg_ood.apis.runtime.load_config`.
        checkpoint: One of ours, or a bare network's state dict
            (:func:`mmseg_ood.classification.models.classifier_state_dict`).
        device: By default the GPU if there is one.

    Raises:
        FileNotFoundError: The checkpoint does not exist.
        ValueError: The checkpoint is unsafe or does not fit the network; names the keys.
    """
    # Losses read prior files, which only training needs.
    classifier = MODELS.build(dict(config.model.to_dict(), losses=dict(type='InlierCrossEntropyLoss')))
    load_classifier(classifier, checkpoint)
    return ready_for_inference(classifier, device)
