"""Uniform predictions on outliers as MMSegmentation losses; the formulas are in ``mmseg_ood.core.outlier_exposure``."""
from __future__ import annotations

from typing import Any

from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_ood.core import entropy_maximization, outlier_exposure

from .inlier_loss import InlierLoss
from .outlier_loss import OutlierLoss


@MODELS.register_module()
class OutlierExposureLoss(OutlierLoss):
    """Outlier exposure beside the segmentation loss of a decode head, see :func:`mmseg_ood.core.outlier_exposure`.

    ::

        loss_decode=[
            dict(type='InlierLoss', loss=dict(type='CrossEntropyLoss', avg_non_ignore=True)),
            dict(type='OutlierExposureLoss'),
        ]

    Args:
        loss_weight: Weight beside the segmentation loss.
        ood_index: Label of the outlier pixels.
        loss_name: Name in the log; must begin with ``loss_`` to be optimised.

    Example:
        >>> import torch
        >>> loss = OutlierExposureLoss()
        >>> round(loss(torch.zeros(1, 2, 1, 1), torch.tensor([[[254]]])).item(), 4)            # 0.5 * log 2
        0.3466
    """

    def __init__(self, loss_weight: float = 0.5, ood_index: int = 254,
                 loss_name: str = 'loss_outlier_exposure') -> None:
        super().__init__(loss_weight, ood_index, loss_name)

    def value(self, logits: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
        """The loss before it is weighted."""
        return outlier_exposure(logits, labels, ood_index=self.ood_index, ignore_index=ignore_index)


@MODELS.register_module()
class EntropyMaximizationLoss(nn.Module):
    """Entropy maximisation, the segmentation loss on inliers included: one entry takes the place of both.

    ``(1 - outlier_weight) * inlier loss + outlier_weight * outlier term``, see
    :func:`mmseg_ood.core.entropy_maximization`. It wraps the segmentation loss because the two weights belong
    together::

        loss_decode=dict(type='EntropyMaximizationLoss', loss=dict(type='CrossEntropyLoss', avg_non_ignore=True))

    Args:
        loss: Config of the segmentation loss, for which outlier pixels are void, see :class:`InlierLoss`.
        outlier_weight: Share of the outlier term, from 0 to 1.
        ood_index: Label of the outlier pixels.
        loss_name: Name in the log; must begin with ``loss_`` to be optimised.

    Raises:
        ValueError: ``outlier_weight`` is not between 0 and 1.

    Example:
        >>> import torch
        >>> loss = EntropyMaximizationLoss(loss=dict(type='CrossEntropyLoss', avg_non_ignore=True))
        >>> logits, label = torch.tensor([[9.0, 3.0], [0.0, 3.0]]).reshape(1, 2, 1, 2), torch.tensor([[[1, 254]]])
        >>> round(loss(logits, label).item(), 3)                   # 0.1 * 9.0001 + 0.9 * log 2
        1.524
    """

    def __init__(self, loss: dict, outlier_weight: float = 0.9, ood_index: int = 254,
                 loss_name: str = 'loss_entropy_maximization') -> None:
        super().__init__()
        if not 0 <= outlier_weight <= 1:
            raise ValueError(f'EntropyMaximizationLoss: outlier_weight must be between 0 and 1, found '
                             f'{outlier_weight}')
        self.inlier_loss = InlierLoss(loss, ood_index)
        self.outlier_weight = outlier_weight
        self.ood_index = ood_index
        self.loss_name = loss_name

    def forward(self, cls_score: Tensor, label: Tensor, **kwargs: Any) -> Tensor:
        """Value of a batch.

        Args:
            cls_score: Logits ``(N, C, H, W)``.
            label: ``(N, H, W)``: inlier classes, ``ood_index``, the void label; not modified.
            **kwargs: As :class:`InlierLoss`. Pixel weights select pixels for the segmentation loss only, and the
                loss map of ``reduction_override='none'``, by which samplers rank pixels, is its alone.

        Raises:
            ValueError: Logits that are not finite, or label values that are none of the above.
        """
        inlier = (1 - self.outlier_weight) * self.inlier_loss(cls_score, label, **kwargs)
        if kwargs.get('reduction_override') == 'none':
            return inlier
        return inlier + self.outlier_weight * entropy_maximization(
            cls_score, label, ood_index=self.ood_index, ignore_index=kwargs.get('ignore_index', 255))
