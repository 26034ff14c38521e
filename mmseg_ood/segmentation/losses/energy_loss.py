"""Energy regularisers as MMSegmentation losses; the formulas are in ``mmseg_ood.core.losses``."""
from __future__ import annotations

from collections.abc import Sequence

from mmseg.registry import MODELS
from torch import Tensor

from mmseg_ood.core import (
    EnergyTerms,
    balanced_energy_regularization,
    energy_regularization,
    energy_smoothness,
    energy_sparsity,
    free_energy,
    load_prior,
    prior_weight,
)
from mmseg_ood.core.losses import check_gammas, check_margins

from .outlier_loss import OutlierLoss


@MODELS.register_module()
class EnergyLoss(OutlierLoss):
    """Plain energy regularisation beside the segmentation loss of a decode head.

    ``loss_weight * 0.5 * (inlier + outlier)`` for a batch with outlier pixels, ``loss_weight * inlier``
    for one without, see :func:`mmseg_ood.core.energy_regularization`. Inside of ``loss_weight``, PEBAL adds the
    smoothness of the energy map and the sparsity of the outlier energies::

        decode_head=dict(
            num_classes=20,                                   # 19 inlier classes and the abstention
            loss_decode=[
                dict(type='AbstentionLoss'),
                dict(type='EnergyLoss', m_in=-12.0, m_out=-6.0, num_classes=19, loss_weight=0.1,
                     smoothness_weight=3e-6, sparsity_weight=5e-4),
            ])

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
        smoothness_weight: Weight of :func:`mmseg_ood.core.energy_smoothness` over all pixels of the batch.
        sparsity_weight: Weight of :func:`mmseg_ood.core.energy_sparsity` over the outlier pixels.

    Raises:
        ValueError: ``m_in`` is not below ``m_out``.

    Example:
        >>> import torch
        >>> loss = EnergyLoss(m_in=-2.0, m_out=-1.0, loss_weight=1.0)
        >>> round(loss(torch.zeros(1, 2, 1, 1), torch.tensor([[[0]]])).item(), 3)   # (2 - log 2)^2
        1.708
    """

    def __init__(self, m_in: float = -12.0, m_out: float = -6.0, loss_weight: float = 0.1, ood_index: int = 254,
                 temperature: float = 1.0, num_classes: int | None = None, loss_name: str = 'loss_energy',
                 smoothness_weight: float = 0.0, sparsity_weight: float = 0.0) -> None:
        super().__init__(loss_weight, ood_index, loss_name)
        check_margins(type(self).__name__, m_in, m_out)
        self.m_in = m_in
        self.m_out = m_out
        self.temperature = temperature
        self.num_classes = num_classes
        self.smoothness_weight = smoothness_weight
        self.sparsity_weight = sparsity_weight

    def terms(self, logits: Tensor, labels: Tensor, ignore_index: int) -> EnergyTerms:
        """Inlier and outlier term before they are weighted."""
        return energy_regularization(logits, labels, m_in=self.m_in, m_out=self.m_out, ood_index=self.ood_index,
                                     ignore_index=ignore_index, temperature=self.temperature)

    def sparse_energies(self, energies: Tensor, logits: Tensor, outliers: Tensor) -> Tensor:
        """What the sparsity is measured of, ``(O,)``, from maps, logits and the mask of the outliers."""
        return energies[outliers]

    def value(self, logits: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
        """The regulariser before it is weighted."""
        if logits.shape[1] < (self.num_classes or 0):
            raise ValueError(f'{type(self).__name__}: num_classes={self.num_classes}, but the logits have '
                             f'{logits.shape[1]} channels')
        logits = logits[:, :self.num_classes]
        inlier, outlier = self.terms(logits, labels, ignore_index)
        outliers = labels == self.ood_index
        value = 0.5 * (inlier + outlier) if bool(outliers.any()) else inlier
        if self.smoothness_weight or self.sparsity_weight:
            energies = free_energy(logits, self.temperature)
            sparse = self.sparse_energies(energies, logits, outliers)
            value = (value + self.smoothness_weight * energy_smoothness(energies)
                     + self.sparsity_weight * energy_sparsity(sparse))
        return value


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
        check_gammas('BalancedEnergyLoss', gamma_margin=gamma_margin, gamma_weight=gamma_weight)
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

    def sparse_energies(self, energies: Tensor, logits: Tensor, outliers: Tensor) -> Tensor:
        """``E - alpha * Z``: the prior's share of the margin is not to be sparse."""
        z_margin = prior_weight(logits.movedim(1, -1)[outliers], self.prior, self.gamma_margin)
        return energies[outliers] - self.alpha * (z_margin.detach() if self.detach_prior else z_margin)
