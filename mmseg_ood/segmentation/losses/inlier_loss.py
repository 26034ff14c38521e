"""The segmentation loss on inlier pixels only."""
from __future__ import annotations

import inspect
from typing import Any

import torch
from mmseg.models.losses import CrossEntropyLoss, cross_entropy
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
        # Some heads call their loss without a void label, and some losses take none.
        self._takes_ignore_index = 'ignore_index' in inspect.signature(self.loss.forward).parameters

    @property
    def loss_name(self) -> str:
        """Name of the wrapped loss in the log."""
        return self.loss.loss_name

    def forward(self, cls_score: Tensor, label: Tensor, **kwargs: Any) -> Tensor:
        """Value of the wrapped loss.

        Args:
            cls_score: Logits ``(N, C, H, W)``.
            label: ``(N, H, W)``; not modified.
            **kwargs: Whatever else the head hands to its loss, ``weight`` and ``ignore_index`` for instance;
                the void label is ``ignore_index`` or, where the head names none, 255.
        """
        if self._takes_ignore_index:
            kwargs.setdefault('ignore_index', 255)
        void = kwargs.get('ignore_index', 255)
        label = torch.where(label == self.ood_index, void, label)
        if self._averages_class_weights(kwargs):
            # In float32, because the sum over a batch is beyond the range of float16.
            class_weight = cls_score.new_tensor(self.loss.class_weight, dtype=torch.float32)
            kwargs['avg_factor'] = class_weight[label[label != void]].sum()
        return self.loss(cls_score, label, **kwargs)

    def _averages_class_weights(self, kwargs: dict[str, Any]) -> bool:
        """Whether mmseg's cross-entropy would look up the class weight of void pixels, an IndexError in mmseg 1.2.2."""
        return (isinstance(self.loss, CrossEntropyLoss) and self.loss.class_weight is not None
                and self.loss.cls_criterion is cross_entropy and kwargs.get('avg_factor') is None
                and (kwargs.get('reduction_override') or self.loss.reduction) == 'mean')
