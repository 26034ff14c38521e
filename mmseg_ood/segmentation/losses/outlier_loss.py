"""What the losses that tell outlier pixels from void have in common."""
from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn


class OutlierLoss(nn.Module):
    """A scalar of logits and labels in the form that the heads of MMSegmentation call.

    Args:
        loss_weight: Weight of the value.
        ood_index: Label of the outlier pixels.
        loss_name: Name in the log; must begin with ``loss_`` to be optimised.
    """

    def __init__(self, loss_weight: float, ood_index: int, loss_name: str) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.ood_index = ood_index
        self.loss_name = loss_name

    @abstractmethod
    def value(self, logits: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
        """The scalar before it is weighted."""

    def forward(self, cls_score: Tensor, label: Tensor, weight: Tensor | None = None, ignore_index: int = 255,
                reduction_override: str | None = None) -> Tensor:
        """Weighted value of a batch.

        Args:
            cls_score: Logits ``(N, C, H, W)``.
            label: ``(N, H, W)``: inlier classes, ``ood_index``, ``ignore_index``; not modified.
            weight: Pixel weights of a sampler. They select pixels for the segmentation loss; this one always
                sees all.
            ignore_index: The void label.
            reduction_override: ``'none'`` asks for a loss map: samplers rank pixels by it. This loss takes no
                part in the ranking and returns zeros.

        Returns:
            A scalar, or zeros ``(N, H, W)`` for ``reduction_override='none'``.

        Raises:
            ValueError: Logits that are not finite or of too few channels, or label values that are none of the
                above.
        """
        if reduction_override == 'none':
            return cls_score.new_zeros(label.shape)
        return self.loss_weight * self.value(cls_score, label, ignore_index)
