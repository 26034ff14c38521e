"""Energy regularisers as pure functions of ``(logits, labels)`` or of energies.

The hinges return their two terms apart; how they are combined is the task's business
(``0.5 * (inlier + outlier)`` in segmentation, ``inlier + outlier`` in classification).

Example:
    >>> import torch
    >>> logits = torch.tensor([[9.0, 0.0], [4.0, 0.0]])            # one inlier, one outlier
    >>> terms = energy_regularization(logits, torch.tensor([0, 254]), m_in=-10, m_out=-3, ood_index=254)
    >>> [round(term.item(), 2) for term in terms]                 # (10 - 9)^2, (4.02 - 3)^2
    [1.0, 1.04]
"""
from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .energy import at_least_float32, free_energy
from .prior import prior_weight

# The gradient of a quotient divides by this sum twice; below it float32 overflows.
_VANISHED = 1e-30


class EnergyTerms(NamedTuple):
    """The two hinge terms of an energy regulariser, scalars with a graph."""
    inlier: Tensor
    outlier: Tensor


def check_labels(logits: Tensor, labels: Tensor, ood_index: int, ignore_index: int) -> None:
    """Refuse labels that do not fit the logits ``(N, C, ...)`` of the inlier classes.

    Raises:
        TypeError: Labels that are not integers.
        ValueError: Another shape than ``(N, ...)``, values that are neither a class, ``ood_index`` nor
            ``ignore_index``, or one of these two is a class.
    """
    num_classes = logits.shape[1]
    if labels.is_floating_point():
        raise TypeError(f'labels must be integers, found {labels.dtype}')
    if labels.shape != logits.shape[:1] + logits.shape[2:]:
        raise ValueError(f'labels have shape {tuple(labels.shape)}, expected '
                         f'{tuple(logits.shape[:1] + logits.shape[2:])} for logits {tuple(logits.shape)}')
    for name, index in (('ood_index', ood_index), ('ignore_index', ignore_index)):
        if 0 <= index < num_classes:
            raise ValueError(f'{name}={index} is one of the {num_classes} inlier classes')
    known = ((labels >= 0) & (labels < num_classes)) | (labels == ood_index) | (labels == ignore_index)
    if not known.all():
        raise ValueError(f'labels hold the values {labels[~known].unique().tolist()}, expected 0..{num_classes - 1}, '
                         f'{ood_index} (outlier) or {ignore_index} (void)')


def check_finite(logits: Tensor) -> None:
    """Refuse logits that are not finite.

    Raises:
        ValueError: Says how many.
    """
    finite = torch.isfinite(logits)
    if not finite.all():
        raise ValueError(f'{int((~finite).sum())} of {logits.numel()} logits are not finite')


def check_margins(owner: str, m_in: float, m_out: float) -> None:
    """Refuse margins in the wrong order.

    Raises:
        ValueError: ``m_in`` is not below ``m_out``; names ``owner``.
    """
    if not m_in < m_out:
        raise ValueError(f'{owner}: m_in={m_in} must be below m_out={m_out}: inliers have the lower energy')


def check_gammas(owner: str, **gammas: float) -> None:
    """Refuse negative exponents of the prior.

    Raises:
        ValueError: Names ``owner`` and the exponent.
    """
    for name, gamma in gammas.items():
        if not gamma >= 0:
            raise ValueError(f'{owner}: {name} must not be negative, found {gamma}')


def _squared_hinge(value: Tensor) -> Tensor:
    return torch.relu(value).square()


def mean_or_zero(values: Tensor) -> Tensor:
    """Mean of a vector; of an empty one an exact 0 that is still attached to the graph."""
    return values.sum() / max(values.numel(), 1)


def _split_energies(logits: Tensor, labels: Tensor, ood_index: int, ignore_index: int,
                    temperature: float) -> tuple[Tensor, Tensor, Tensor]:
    """Inlier energies ``(I,)``, outlier energies ``(O,)`` and outlier logits ``(O, C)`` of checked input."""
    logits = at_least_float32(logits)
    check_labels(logits, labels, ood_index, ignore_index)
    check_finite(logits)
    energies = free_energy(logits, temperature)
    outliers = labels == ood_index
    inliers = ~outliers & (labels != ignore_index)
    return energies[inliers], energies[outliers], logits.movedim(1, -1)[outliers]


def energy_regularization(logits: Tensor, labels: Tensor, *, m_in: float, m_out: float, ood_index: int,
                          ignore_index: int = 255, temperature: float = 1.0) -> EnergyTerms:
    """Squared hinges that push inlier energies below ``m_in`` and outlier energies above ``m_out``.

    ``inlier = mean relu(E - m_in)^2``, ``outlier = mean relu(m_out - E)^2``.

    Args:
        logits: Logits of the inlier classes, ``(N, C, ...)``, any floating type; the arithmetic is
            float32 or better.
        labels: ``(N, ...)`` integers: ``0..C-1`` inlier, ``ood_index`` auxiliary outlier,
            ``ignore_index`` void. Never modified.
        m_in: Energy that inliers should stay below.
        m_out: Energy that outliers should stay above; usually larger than ``m_in``.
        ood_index: Label of the outliers (segmentation 254, classification -1).
        ignore_index: Label that takes no part.
        temperature: Temperature of the energy.

    Returns:
        Both terms; the term of an empty set is an exact 0 that is attached to the graph.

    Raises:
        ValueError: Shapes that do not fit, unknown label values, logits that are not finite.

    Source:
        Liu et al., NeurIPS 2020, section 3.
    """
    inlier, outlier, _ = _split_energies(logits, labels, ood_index, ignore_index, temperature)
    return EnergyTerms(mean_or_zero(_squared_hinge(inlier - m_in)), mean_or_zero(_squared_hinge(m_out - outlier)))


def balanced_energy_regularization(
        logits: Tensor, labels: Tensor, *, prior: Tensor, m_in: float, m_out: float, alpha: float,
        gamma_margin: float, gamma_weight: float, ood_index: int, ignore_index: int = 255,
        temperature: float = 1.0, detach_prior: bool = False) -> EnergyTerms:
    """:func:`energy_regularization` whose outlier term knows the class prior of the outliers.

    With ``Z_g`` of :func:`~mmseg_ood.core.prior_weight`, an outlier counts by ``Z_gw`` and must reach the
    energy ``m_out + alpha * Z_gm``, so those that look like a majority class are pushed harder::

        outlier = sum Z_gw * relu(m_out + alpha * Z_gm - E)^2 / sum Z_gw

    ``alpha = 0`` with ``gamma_weight = 0`` is the plain regulariser.

    Args:
        logits: As in :func:`energy_regularization`.
        labels: As in :func:`energy_regularization`.
        prior: ``(C,)`` class prior of the outliers.
        m_in: Energy that inliers should stay below.
        m_out: Energy that outliers should stay above, before the prior's share of the margin.
        alpha: Size of the prior's share of the margin.
        gamma_margin: Exponent of the prior in the margin.
        gamma_weight: Exponent of the prior in the weight.
        ood_index: Label of the outliers (segmentation 254, classification -1).
        ignore_index: Label that takes no part.
        temperature: Temperature of the energy; Z always sees the plain softmax.
        detach_prior: Keep the gradient out of both Z.

    Returns:
        Both terms; the term of an empty set is an exact 0 that is attached to the graph.

    Raises:
        ValueError: As in :func:`energy_regularization`; a prior of the wrong length, negative or all zero.

    Source:
        Choi et al., "Balanced Energy Regularization Loss for Out-of-distribution Detection", CVPR 2023,
        section 3.

    Example:
        >>> logits = torch.tensor([[4.0, 0.0], [0.0, 4.0]])        # outliers taken for class 0 and class 1
        >>> terms = balanced_energy_regularization(
        ...     logits, torch.tensor([254, 254]), prior=torch.tensor([0.9, 0.1]), m_in=-10, m_out=-3,
        ...     alpha=1, gamma_margin=1, gamma_weight=1, ood_index=254)
        >>> round(terms.outlier.item(), 2)
        3.36
    """
    inlier, outlier, outlier_logits = _split_energies(logits, labels, ood_index, ignore_index, temperature)
    z_margin = prior_weight(outlier_logits, prior, gamma_margin)
    z_weight = z_margin if gamma_weight == gamma_margin else prior_weight(outlier_logits, prior, gamma_weight)
    if detach_prior:
        z_margin, z_weight = z_margin.detach(), z_weight.detach()
    hinge = _squared_hinge(m_out + alpha * z_margin - outlier)
    total = z_weight.sum()
    # No outlier, or a prior that vanishes on every predicted class: nothing counts, and 0 / 0 must not be a NaN.
    total = torch.where(total > _VANISHED, total, torch.ones_like(total))
    return EnergyTerms(mean_or_zero(_squared_hinge(inlier - m_in)), (z_weight * hinge).sum() / total)


def energy_smoothness(energies: Tensor) -> Tensor:
    """Half the sum of squared differences between neighbouring pixels.

    Args:
        energies: Energy maps ``(N, H, W)`` of a whole batch, void and outlier pixels included.

    Returns:
        A scalar; it grows with the number of pixels, so its weight is small (PEBAL: 3e-6).

    Raises:
        ValueError: Another shape.

    Source:
        Tian et al., "Pixel-wise Energy-biased Abstention Learning", ECCV 2022.

    Example:
        >>> energy_smoothness(torch.tensor([[[0.0, 1.0], [0.0, 3.0]]]))        # (2^2 + 1^2 + 3^2) / 2
        tensor(7.)
    """
    if energies.ndim != 3:
        raise ValueError(f'expected energy maps of shape (N, H, W), found {tuple(energies.shape)}')
    energies = at_least_float32(energies)
    return 0.5 * sum(energies.diff(dim=dim).square().sum() for dim in (1, 2))


def energy_sparsity(energies: Tensor) -> Tensor:
    """Euclidean norm of all outlier energies of a batch.

    Args:
        energies: One for each outlier pixel, any shape; in the balanced variant ``E - alpha * Z``, the energy
            without the prior's share of its margin.

    Returns:
        A scalar; an exact 0 with a graph where there are no outliers, and gradient 0 where all energies are 0.

    Source:
        Tian et al., "Pixel-wise Energy-biased Abstention Learning", ECCV 2022.

    Example:
        >>> energy_sparsity(torch.tensor([-3.0, -4.0])), energy_sparsity(torch.tensor([]))
        (tensor(5.), tensor(0.))
    """
    return torch.linalg.vector_norm(at_least_float32(energies))
