"""Margins and alpha for a network, from the energies that it has before its fine-tuning.

Example:
    >>> import torch
    >>> prior = torch.tensor([0.6, 0.3, 0.1])
    >>> margins = propose_margins(inlier_quantile=-8.7, outlier_quantile=-3.6, prior=prior)
    >>> margins.m_in, margins.m_out, round(margins.alpha, 2)
    (-8.7, -3.6, 1.38)
"""
from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor

from .prior import power_prior

INLIER_QUANTILE = 0.25
"""``m_in`` is this quantile of the energies of inlier pixels."""
OUTLIER_QUANTILE = 0.95
"""``m_out`` is this quantile of the energies of outlier pixels."""
# The paper's own settings: 5 * max P_3 / (-6 - -12), P the published prior of COCO outliers on Cityscapes.
_RISE = 0.24


class Margins(NamedTuple):
    """What an energy regulariser needs to know of a network; the plain one takes no ``alpha``."""
    m_in: float
    """Energy that inliers should stay below."""
    m_out: float
    """Energy that outliers should stay above."""
    alpha: float
    """Size of the prior's share of the outlier margin."""


def propose_margins(inlier_quantile: float, outlier_quantile: float, prior: Tensor, gamma: float = 3.0) -> Margins:
    """Margins and alpha for a network, before any fine-tuning.

    Energies depend on the number of classes, the training and the normalisation of a network, so margins are
    taken from its own energies:

    * ``m_in`` is the 25 % quantile of its inliers: three of four inlier pixels lie above and are pulled down, to
      where a quarter of them already is.
    * ``m_out`` is the 95 % quantile of its outliers: nearly all of them lie below and are pushed up, to where
      some already are. Neither margin lies where the network never goes.
    * ``alpha`` lets the margin of the most frequent class rise by the same share of ``m_out - m_in`` as in the
      paper, 24 %: ``alpha = 0.24 * (m_out - m_in) / max_k P_gamma(k)``.

    One quantile is low and one is high, so ``m_in < m_out`` also where a network cannot tell its outliers from
    inliers at all. It fails only where outliers have a much lower energy than inliers.

    Args:
        inlier_quantile: The :data:`INLIER_QUANTILE` of the free energy of inliers.
        outlier_quantile: The :data:`OUTLIER_QUANTILE` of the free energy of outliers.
        prior: ``(C,)`` class prior of the outliers.
        gamma: Exponent of the prior in the margin.

    Returns:
        The proposal, not rounded.

    Raises:
        ValueError: Energies that are not finite, or outliers whose energies lie below those of the inliers:
            no pair of margins between them would make sense, and the cause (weights that do not fit, labels
            that are swapped) has to be found first. Also a prior that is none, or a negative gamma.

    Source:
        A rule of this project. Its 24 % are from the settings of Choi et al., CVPR 2023.

    Example:
        >>> from mmseg_ood.core import load_prior                  # the paper's network: -12, -6 and 5
        >>> round(propose_margins(-12, -6, load_prior('cityscapes-coco')).alpha, 1)
        5.0
    """
    for side, value in (('inlier', inlier_quantile), ('outlier', outlier_quantile)):
        if not math.isfinite(value):
            raise ValueError(f'energy of {side}s is {value}, expected a finite number')
    if not inlier_quantile < outlier_quantile:
        raise ValueError(
            f'{1 - INLIER_QUANTILE:.0%} of the inliers have an energy above {inlier_quantile:.4g}, and '
            f'{OUTLIER_QUANTILE:.0%} of the outliers one below {outlier_quantile:.4g}: the network is surer of '
            f'outliers than of inliers. Check that the weights fit the data, and the labels')
    alpha = _RISE * (outlier_quantile - inlier_quantile) / power_prior(prior.double(), gamma).max().item()
    return Margins(inlier_quantile, outlier_quantile, alpha)
