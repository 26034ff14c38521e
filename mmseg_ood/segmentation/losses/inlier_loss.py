"""The segmentation loss on inlier pixels only."""
from __future__ import annotations

from typing import Any

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class InlierLoss(nn.Module):
    """Any MMSegmentation loss, for which pixels of auxiliary outliers become void.

    MMSegmentation's losses know one void label; wrap them with this one in every head (auxiliary heads
    too) as soon as the labels hold ``ood_index``.

    Args:
        loss: Config of the wrapped loss; name and weight are its own.
        ood_index: Label of the outlier pixels.

    Example:
        >>> loss = InlierLoss(loss=dict(type='CrossEntropyLoss', avg_non_ignore=True))
        >>> logits, label = torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 254]]])
        >>> round(loss(logits, label).item(), 4)                   # log 2, from the one inlier
        0.6931
        >>> loss.loss_name
        'loss_ce'
    """

    def __init__(self, loss: dict, ood_index: int = 254) -> None:
        super().__init__()
        self.loss = MODELS.build(loss)
        self.ood_index = ood_index

    @property
    def loss_name(self) -> str:
        """Name of the wrapped loss in the log."""
        return self.loss.loss_name

    def forward(self, cls_score: Tensor, label: Tensor, weight: Tensor | None = None, ignore_index: int = 255,
                **kwargs: Any) -> Tensor:
        """Value of the wrapped loss.

        Args:
            cls_score: Logits ``(N, C, H, W)``.
            label: ``(N, H, W)``; not modified.
            weight: Pixel weights of a sampler, ``(N, H, W)``.
            ignore_index: The void label.
            **kwargs: Whatever else the head hands to its loss.
        """
        label = torch.where(label == self.ood_index, ignore_index, label)
        return self.loss(cls_score, label, weight=weight, ignore_index=ignore_index, **kwargs)
