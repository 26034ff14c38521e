"""The abstention loss as an MMSegmentation loss; the formula is in ``mmseg_ood.core.abstention``."""
from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor

from mmseg_ood.core import abstention_loss

from .outlier_loss import OutlierLoss


@MODELS.register_module()
class AbstentionLoss(OutlierLoss):
    """PEBAL's segmentation loss, for a decode head with one channel more than there are inlier classes.

    See :func:`mmseg_ood.core.abstention_loss`. It takes the place of the cross-entropy in the decode head; an
    :class:`EnergyLoss` or :class:`BalancedEnergyLoss` stands beside it. Auxiliary heads of C channels keep their
    :class:`InlierLoss`.

    Args:
        outlier_weight: Weight of the outlier pixels inside of the loss.
        detach_reward: Keep the gradient out of the reward.
        loss_weight: Weight beside other losses.
        ood_index: Label of the outlier pixels.
        loss_name: Name in the log; must begin with ``loss_`` to be optimised.

    Example:
        >>> import torch
        >>> loss = AbstentionLoss()
        >>> logits = torch.tensor([30.0, 0.0, 0.0]).reshape(1, 3, 1, 1).expand(1, 3, 4, 4)     # surely class 0
        >>> [round(loss(logits, torch.full((1, 4, 4), label)).item(), 2) for label in (1, 254)]
        [30.0, 0.81]
    """

    def __init__(self, outlier_weight: float = 0.1, detach_reward: bool = False, loss_weight: float = 1.0,
                 ood_index: int = 254, loss_name: str = 'loss_abstention') -> None:
        super().__init__(loss_weight, ood_index, loss_name)
        self.outlier_weight = outlier_weight
        self.detach_reward = detach_reward

    def value(self, logits: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
        """The loss before it is weighted."""
        return abstention_loss(logits, labels, ood_index=self.ood_index, ignore_index=ignore_index,
                               outlier_weight=self.outlier_weight, detach_reward=self.detach_reward)
