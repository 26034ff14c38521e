"""Losses of an image classifier; the formulas are in ``mmseg_ood.core``.

Labels are ``0..C-1`` for inliers and -1 for outliers. Each loss sees the whole batch and picks its part::

    losses=[
        dict(type='InlierCrossEntropyLoss'),
        dict(type='EnergyLoss', m_in=-23.0, m_out=-5.0),
    ]
"""
from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.registry import MODELS
from torch import Tensor, nn

from mmseg_ood.core import (
    EnergyTerms,
    balanced_energy_regularization,
    energy_regularization,
    load_prior,
    outlier_exposure,
)
from mmseg_ood.core.energy import at_least_float32
from mmseg_ood.core.losses import check_finite, check_gammas, check_labels, check_margins, mean_or_zero

from .labels import NO_IGNORE_LABEL, OOD_LABEL


class ClassificationLoss(nn.Module):
    """A scalar of logits and labels in the form that :class:`ImageClassifier` calls.

    Args:
        loss_weight: Weight of the value.
        loss_name: Name in the log; must begin with ``loss_`` to be optimised.
    """

    def __init__(self, loss_weight: float, loss_name: str) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.loss_name = loss_name

    @abstractmethod
    def value(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The scalar before it is weighted."""

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Weighted value of a batch, at least float32.

        Args:
            logits: ``(N, C)``, any floating type.
            labels: ``(N,)`` integers: ``0..C-1`` inlier, -1 outlier; not modified.

        Returns:
            A scalar. What there is no image for contributes an exact 0 that is attached to the graph.

        Raises:
            ValueError: Logits that are not finite, or labels that are none of the above.
        """
        return self.loss_weight * self.value(logits, labels)

    def check_length(self, name: str, values: Tensor, logits: Tensor) -> None:
        """Refuse a vector that has not one number for each class.

        Raises:
            ValueError: Names the loss and both numbers.
        """
        if len(values) != logits.shape[1]:
            raise ValueError(f'{type(self).__name__}: {name} has {len(values)} classes, the logits have '
                             f'{logits.shape[1]}')


@MODELS.register_module()
class InlierCrossEntropyLoss(ClassificationLoss):
    """Cross-entropy of the inliers, for a long-tailed training set with logit adjustment.

    Logit adjustment adds ``tau * log prior`` to the logits inside of the loss, and inside of it only: what the network
    learns then ranks the classes as if all were equally frequent.

    Args:
        class_counts: Number of training images of each class, for logit adjustment; by default there is none.
        tau: Strength of the adjustment.
        loss_weight: Weight of the value.
        loss_name: Name in the log; must begin with ``loss_`` to be optimised.

    Raises:
        ValueError: Counts that are not positive, or a negative ``tau``.

    Source:
        Menon et al., "Long-tail learning via logit adjustment", ICLR 2021, equation 10.

    Example:
        >>> logits, labels = torch.zeros(2, 2), torch.tensor([1, -1])
        >>> loss, adjusted = InlierCrossEntropyLoss(), InlierCrossEntropyLoss(class_counts=[3, 1])
        >>> round(loss(logits, labels).item(), 4), round(adjusted(logits, labels).item(), 4)       # log 2, log 4
        (0.6931, 1.3863)
    """

    def __init__(self, class_counts: Sequence[int] | None = None, tau: float = 1.0, loss_weight: float = 1.0,
                 loss_name: str = 'loss_ce') -> None:
        super().__init__(loss_weight, loss_name)
        if not (tau >= 0 and math.isfinite(tau)):
            raise ValueError(f'InlierCrossEntropyLoss: tau must not be negative, found {tau}')
        adjustment = None
        if class_counts is not None:
            counts = torch.tensor(class_counts, dtype=torch.float64)
            if not (counts > 0).all():
                raise ValueError(f'InlierCrossEntropyLoss: class_counts must be positive, found '
                                 f'{counts[~(counts > 0)][0].item():g} for class {int((~(counts > 0)).nonzero()[0])}')
            adjustment = tau * (counts / counts.sum()).log()
        # Not persistent: it belongs to the config, and weights of other origin must load strictly.
        self.register_buffer('adjustment', adjustment, persistent=False)

    def value(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss before it is weighted."""
        logits = at_least_float32(logits)
        check_labels(logits, labels, OOD_LABEL, NO_IGNORE_LABEL)
        check_finite(logits)
        if self.adjustment is not None:
            self.check_length('class_counts', self.adjustment, logits)
            logits = logits + self.adjustment.to(logits)
        inliers = labels >= 0
        return mean_or_zero(F.cross_entropy(logits[inliers], labels[inliers].long(), reduction='none'))


@MODELS.register_module()
class EnergyLoss(ClassificationLoss):
    """Plain energy regularisation, ``inlier + outlier``; see :func:`mmseg_ood.core.energy_regularization`.

    The margins are energies of *your* network: ``m_in`` around what its inliers have, ``m_out`` above what its
    outliers have.

    Args:
        m_in: Energy that inliers should stay below.
        m_out: Energy that outliers should stay above, larger than ``m_in``.
        loss_weight: Weight beside the cross-entropy.
        temperature: Temperature of the energy.
        loss_name: Name in the log; must begin with ``loss_`` to be optimised.

    Raises:
        ValueError: ``m_in`` is not below ``m_out``.

    Example:
        >>> loss = EnergyLoss(m_in=-2.0, m_out=-0.5, loss_weight=1.0)
        >>> round(loss(torch.zeros(2, 2), torch.tensor([0, -1])).item(), 3)  # (2 - log 2)^2 + (log 2 - 0.5)^2
        1.745
    """

    def __init__(self, m_in: float, m_out: float, loss_weight: float = 0.1, temperature: float = 1.0,
                 loss_name: str = 'loss_energy') -> None:
        super().__init__(loss_weight, loss_name)
        check_margins(type(self).__name__, m_in, m_out)
        self.m_in = m_in
        self.m_out = m_out
        self.temperature = temperature

    def terms(self, logits: Tensor, labels: Tensor) -> EnergyTerms:
        """Inlier and outlier term before they are weighted."""
        return energy_regularization(logits, labels, m_in=self.m_in, m_out=self.m_out, ood_index=OOD_LABEL,
                                     ignore_index=NO_IGNORE_LABEL, temperature=self.temperature)

    def value(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The regulariser before it is weighted."""
        inlier, outlier = self.terms(logits, labels)
        return inlier + outlier


@MODELS.register_module()
class BalancedEnergyLoss(EnergyLoss):
    """Balanced energy regularisation: outliers that look like a majority class are pushed harder.

    See :func:`mmseg_ood.core.balanced_energy_regularization`.

    Args:
        prior: Class prior of the outliers: a published one by name (``'cifar10-lt-300k'``), the path of a
            ``prior.json``, or one number for each class.
        m_in: Energy that inliers should stay below.
        m_out: Energy that outliers should stay above, before the prior's share of the margin.
        alpha: Size of the prior's share of the outlier margin.
        gamma_margin: Exponent of the prior in the margin.
        gamma_weight: Exponent of the prior in the weight.
        detach_prior: Keep the gradient out of the prior term.
        **kwargs: As :class:`EnergyLoss`: ``loss_weight``, ``temperature``, ``loss_name``.

    Raises:
        FileNotFoundError: The prior is neither a known name nor a file.
        ValueError: A prior that is negative or all zero, a negative gamma, or margins in the wrong order; while
            running: a prior of the wrong length.

    Example:
        >>> loss = BalancedEnergyLoss(prior=[0.5, 0.5], m_in=-2.0, m_out=-1.0, alpha=5.0, gamma_margin=3.0,
        ...                           gamma_weight=3.0, loss_weight=1.0)
        >>> round(loss(torch.zeros(1, 2), torch.tensor([-1])).item(), 3)     # (-1 + 5 * 0.5 + log 2)^2
        4.81
    """

    def __init__(self, prior: str | Sequence[float], m_in: float, m_out: float, alpha: float, gamma_margin: float,
                 gamma_weight: float, detach_prior: bool = False, **kwargs) -> None:
        super().__init__(m_in, m_out, **kwargs)
        check_gammas('BalancedEnergyLoss', gamma_margin=gamma_margin, gamma_weight=gamma_weight)
        self.alpha = alpha
        self.gamma_margin = gamma_margin
        self.gamma_weight = gamma_weight
        self.detach_prior = detach_prior
        # Not persistent: the prior belongs to the config, and weights of other origin must load strictly.
        self.register_buffer('prior', load_prior(prior), persistent=False)

    def terms(self, logits: Tensor, labels: Tensor) -> EnergyTerms:
        """Inlier and outlier term before they are weighted."""
        self.check_length('prior', self.prior, logits)
        return balanced_energy_regularization(
            logits, labels, prior=self.prior, m_in=self.m_in, m_out=self.m_out, alpha=self.alpha,
            gamma_margin=self.gamma_margin, gamma_weight=self.gamma_weight, ood_index=OOD_LABEL,
            ignore_index=NO_IGNORE_LABEL, temperature=self.temperature, detach_prior=self.detach_prior)


@MODELS.register_module()
class OutlierExposureLoss(ClassificationLoss):
    """Uniform predictions on outliers, see :func:`mmseg_ood.core.outlier_exposure`.

    Args:
        loss_weight: Weight beside the cross-entropy.
        loss_name: Name in the log; must begin with ``loss_`` to be optimised.

    Example:
        >>> loss = OutlierExposureLoss()
        >>> round(loss(torch.zeros(1, 2), torch.tensor([-1])).item(), 4)                           # 0.5 * log 2
        0.3466
    """

    def __init__(self, loss_weight: float = 0.5, loss_name: str = 'loss_outlier_exposure') -> None:
        super().__init__(loss_weight, loss_name)

    def value(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss before it is weighted."""
        return outlier_exposure(logits, labels, ood_index=OOD_LABEL, ignore_index=NO_IGNORE_LABEL)
