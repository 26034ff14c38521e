"""Outliers as a class of their own."""
from __future__ import annotations

from typing import Any

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from .inlier_loss import InlierLoss


@MODELS.register_module()
class VoidClassifierLoss(nn.Module):
    """Any MMSegmentation loss, for which auxiliary outliers are class C of C + 1.

    The anomaly score is the probability of that class, ``void`` of :data:`mmseg_ood.core.SCORES`; the other
    scores see the C inlier classes. Auxiliary heads of C channels keep their :class:`InlierLoss`::

        decode_head=dict(
            num_classes=20,                                    # 19 inlier classes and the outliers
            loss_decode=dict(type='VoidClassifierLoss', num_classes=19,
                             loss=dict(type='CrossEntropyLoss', avg_non_ignore=True)))

    Args:
        num_classes: Number of inlier classes C.
        loss: Config of the wrapped loss; name and weight are its own.
        ood_index: Label of the outlier pixels.

    Example:
        >>> loss = VoidClassifierLoss(num_classes=1, loss=dict(type='CrossEntropyLoss', avg_non_ignore=True))
        >>> logits = torch.tensor([[5.0, 5.0], [0.0, 0.0]]).reshape(1, 2, 1, 2)
        >>> [round(loss(logits, torch.tensor([[[0, label]]])).item(), 3) for label in (254, 255)]
        [2.507, 0.007]
    """

    def __init__(self, num_classes: int, loss: dict, ood_index: int = 254) -> None:
        super().__init__()
        self.inlier_loss = InlierLoss(loss, ood_index)
        self.num_classes = num_classes
        self.ood_index = ood_index

    @property
    def loss_name(self) -> str:
        """Name of the wrapped loss in the log."""
        return self.inlier_loss.loss_name

    def forward(self, cls_score: Tensor, label: Tensor, **kwargs: Any) -> Tensor:
        """Value of the wrapped loss.

        Args:
            cls_score: Logits ``(N, C + 1, H, W)``.
            label: ``(N, H, W)``: inlier classes, ``ood_index``, the void label; not modified.
            **kwargs: As :class:`InlierLoss`.

        Raises:
            ValueError: Another number of channels, or labels of class C, which would pass for outliers.
        """
        if cls_score.shape[1] != self.num_classes + 1:
            raise ValueError(f'VoidClassifierLoss: expected logits of {self.num_classes} inlier classes and one of '
                             f'outliers, found {cls_score.shape[1]} channels: set num_classes={self.num_classes + 1} '
                             f'in the head')
        if (label == self.num_classes).any():
            raise ValueError(f'VoidClassifierLoss: labels hold {self.num_classes}, which is the class of the outliers; '
                             f'expected 0..{self.num_classes - 1}, {self.ood_index} (outlier) or void')
        return self.inlier_loss(cls_score, torch.where(label == self.ood_index, self.num_classes, label), **kwargs)
