"""Energy regularisers as MMSegmentation losses; the formulas are in ``mmseg_ood.core.losses``."""
from __future__ import annotations

from collections.abc import Sequence

from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_ood.core import EnergyTerms, balanced_energy_regularization, energy_regularization, load_prior


@MODELS.register_module()
class EnergyLoss(nn.Module):
    """Plain energy regularisation beside the segmentation loss of a decode head.

    ``loss_weight * 0.5 * (inlier + outlier)`` for a batch with outlier pixels, ``loss_weight * inlier``
    for one without, see :func:`mmseg_ood.core.energy_regularization`.

    The margins are energies of *your* network: ``m_in`` around what its inliers have, ``m_out`` above what
    its outliers have.

    Args:
        m_in: Energy that inlier pixels should stay below.
        m_out: Energy that outlier pixels should stay above, larger than ``m_in``.
        loss_weight: Weight beside the segmentation loss.
        ood_index: Label of the outlier pixels.
        temperature: Temperature of the energy.
        num_classes: Number of inlier classes, for networks with further channels behind them; by
            default all channels are inlier classes.
        loss_name: Name in the log; must begin with ``loss_`` to be optimised.

    Raises:
        ValueError: ``m_in`` is not below ``m_out``.

    Example:
        >>> import torch
        >>> loss = EnergyLoss(m_in=-2.0, m_out=-1.0, loss_weight=1.0)
        >>> round(loss(torch.zeros(1, 2, 1, 1), torch.tensor([[[0]]])).item(), 3)   # (2 - log 2)^2
        1.708
    """

    def __init__(self, m_in: float = -12.0, m_out: float = -6.0, loss_weight: float = 0.1, ood_index: int = 254,
                 temperature: float = 1.0, num_classes: int | None = None,
                 loss_name: str = 'loss_energy') -> None:
        super().__init__()
        if not m_in < m_out:
            raise ValueError(f'{type(self).__name__}: m_in={m_in} must be below m_out={m_out}: inliers have the '
                             f'lower energy')
        self.m_in = m_in
        self.m_out = m_out
        self.loss_weight = loss_weight
        self.ood_index = ood_index
        self.temperature = temperature
        self.num_classes = num_classes
        self.loss_name = loss_name

    def terms(self, logits: Tensor, labels: Tensor, ignore_index: int) -> EnergyTerms:
        """Inlier and outlier term before they are weighted."""
        return energy_regularization(logits, labels, m_in=self.m_in, m_out=self.m_out, ood_index=self.ood_index,
                                     ignore_index=ignore_index, temperature=self.temperature)

    def forward(self, cls_score: Tensor, label: Tensor, weight: Tensor | None = None, ignore_index: int = 255,
                reduction_override: str | None = None) -> Tensor:
        """Weighted regulariser of a batch.

        Args:
            cls_score: Logits ``(N, C, H, W)``.
            label: ``(N, H, W)``: inlier classes, ``ood_index``, ``ignore_index``.
            weight: Pixel weights of a sampler. They select pixels for the segmentation loss; the
                regulariser always sees all.
            ignore_index: The void label.
            reduction_override: ``'none'`` asks for a loss map: samplers rank pixels by it. The regulariser
                takes no part in the ranking and returns zeros.

        Returns:
            A scalar, or zeros ``(N, H, W)`` for ``reduction_override='none'``.

        Raises:
            ValueError: Logits that are not finite or of less than ``num_classes`` channels, or label
                values that are none of the above.
        """
        if reduction_override == 'none':
            return cls_score.new_zeros(label.shape)
        if cls_score.shape[1] < (self.num_classes or 0):
            raise ValueError(f'{type(self).__name__}: num_classes={self.num_classes}, but the logits have '
                             f'{cls_score.shape[1]} channels')
        inlier, outlier = self.terms(cls_score[:, :self.num_classes], label, ignore_index)
        has_outliers = bool((label == self.ood_index).any())
        return self.loss_weight * (0.5 * (inlier + outlier) if has_outliers else inlier)


@MODELS.register_module()
class BalancedEnergyLoss(EnergyLoss):
    """Balanced energy regularisation: outliers that look like a majority class are pushed harder.

    See :func:`mmseg_ood.core.balanced_energy_regularization`. Defaults are the paper's for Cityscapes with
    COCO outliers.

    Args:
        prior: Class prior of the outliers: a published one by name (``'cityscapes-coco'``), the path of
            a ``prior.json``, or one number for each class.
        alpha: Size of the prior's share of the outlier margin.
        gamma_margin: Exponent of the prior in the margin.
        gamma_weight: Exponent of the prior in the weight.
        detach_prior: Keep the gradient out of the prior term.
        **kwargs: As :class:`EnergyLoss`.

    Raises:
        FileNotFoundError: The prior is neither a known name nor a file.
        ValueError: A prior that is negative, all zero or of the wrong length, a negative gamma, or
            margins in the wrong order.

    Example:
        >>> import torch
        >>> loss = BalancedEnergyLoss(prior=[0.5, 0.5], m_in=-2.0, m_out=-1.0, loss_weight=1.0)
        >>> round(loss(torch.zeros(1, 2, 1, 1), torch.tensor([[[254]]])).item(), 3)
        2.405
    """

    def __init__(self, prior: str | Sequence[float], alpha: float = 5.0, gamma_margin: float = 3.0,
                 gamma_weight: float = 3.0, detach_prior: bool = False, **kwargs) -> None:
        super().__init__(**kwargs)
        for name, gamma in (('gamma_margin', gamma_margin), ('gamma_weight', gamma_weight)):
            if not gamma >= 0:
                raise ValueError(f'BalancedEnergyLoss: {name} must not be negative, found {gamma}')
        self.alpha = alpha
        self.gamma_margin = gamma_margin
        self.gamma_weight = gamma_weight
        self.detach_prior = detach_prior
        # Not persistent: the prior belongs to the config, and stock checkpoints must load strictly.
        self.register_buffer('prior', load_prior(prior, self.num_classes), persistent=False)

    def terms(self, logits: Tensor, labels: Tensor, ignore_index: int) -> EnergyTerms:
        """Inlier and outlier term before they are weighted."""
        return balanced_energy_regularization(
            logits, labels, prior=self.prior, m_in=self.m_in, m_out=self.m_out, alpha=self.alpha,
            gamma_margin=self.gamma_margin, gamma_weight=self.gamma_weight, ood_index=self.ood_index,
            ignore_index=ignore_index, temperature=self.temperature, detach_prior=self.detach_prior)
