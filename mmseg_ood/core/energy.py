"""Free energy and the other anomaly scores of a classifier's logits, higher = more anomalous.

Example:
    >>> import torch
    >>> logits = torch.tensor([[8.0, 0.0, 0.0], [0.1, 0.0, 0.0]])   # a sure and an unsure prediction
    >>> [round(energy, 2) for energy in free_energy(logits).tolist()]
    [-8.0, -1.13]
    >>> bool(anomaly_score(logits, method='msp').diff() > 0)
    True
"""
from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor


def at_least_float32(logits: Tensor) -> Tensor:
    """``logits`` in float32 where they are narrower: half-precision sums over classes lose the score."""
    if not logits.is_floating_point():
        raise TypeError(f'logits must be a floating point tensor, found {logits.dtype}')
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits


def _check_temperature(temperature: float) -> None:
    if not (temperature > 0 and math.isfinite(temperature)):
        raise ValueError(f'temperature must be positive and finite, found {temperature}')


def free_energy(logits: Tensor, temperature: float = 1.0, dim: int = 1) -> Tensor:
    """Helmholtz free energy ``-T * logsumexp(logits / T)``.

    Args:
        logits: Logits of the inlier classes, ``(N, C, ...)`` with the classes along ``dim``.
        temperature: ``T > 0``. Its limit 0 is the negative max logit.
        dim: The class dimension.

    Returns:
        Energies ``(N, ...)``, float32 for half-precision input, else of the input's type.

    Raises:
        TypeError: Logits that are not floating point.
        ValueError: A temperature that is not positive.

    Source:
        Liu et al., "Energy-based Out-of-distribution Detection", NeurIPS 2020, section 3.

    Example:
        >>> free_energy(torch.zeros(1, 4, 2, 3)).shape
        torch.Size([1, 2, 3])
        >>> round(free_energy(torch.zeros(1, 4)).item(), 4) == round(-math.log(4), 4)
        True
    """
    _check_temperature(temperature)
    return -temperature * torch.logsumexp(at_least_float32(logits) / temperature, dim)


def _msp(logits: Tensor, temperature: float, dim: int) -> Tensor:
    # 1 - max p as the sum of the other probabilities: keeps its digits where max p rounds to 1.
    probabilities = torch.softmax(logits / temperature, dim)
    top = probabilities.argmax(dim, keepdim=True)
    return probabilities.scatter(dim, top, 0).sum(dim)


def _max_logit(logits: Tensor, temperature: float, dim: int) -> Tensor:
    return -logits.amax(dim)


def _entropy(logits: Tensor, temperature: float, dim: int) -> Tensor:
    log_probabilities = torch.log_softmax(logits, dim)
    entropy = -(log_probabilities.exp() * log_probabilities).sum(dim)
    # One class has no entropy; max() keeps that case a 0 instead of 0 / 0.
    return entropy / max(math.log(logits.shape[dim]), torch.finfo(logits.dtype).tiny)


SCORES: dict[str, Callable[[Tensor, float, int], Tensor]] = {
    'energy': free_energy,
    'msp': _msp,
    'max_logit': _max_logit,
    'entropy': _entropy,
}
"""Scores by name; each maps ``(logits, temperature, dim)`` to a tensor without ``dim``."""


def anomaly_score(logits: Tensor, method: str = 'energy', temperature: float = 1.0, dim: int = 1) -> Tensor:
    """Anomaly score of each sample or pixel, higher = more anomalous.

    ============= ======================================== =====================================
    method        formula                                  source
    ============= ======================================== =====================================
    ``energy``    ``-T * logsumexp(f / T)``                Liu et al., NeurIPS 2020
    ``msp``       ``1 - max softmax(f / T)``               Hendrycks and Gimpel, ICLR 2017
    ``max_logit`` ``-max f``                               Hendrycks et al., ICML 2022
    ``entropy``   ``H(softmax(f)) / log C``                Chan et al., ICCV 2021
    ============= ======================================== =====================================

    Args:
        logits: Logits of the inlier classes, ``(N, C, ...)`` with the classes along ``dim``.
        method: A key of :data:`SCORES`.
        temperature: ``T > 0``; max logit and entropy ignore it.
        dim: The class dimension.

    Returns:
        Scores ``(N, ...)`` in float32 or better.

    Raises:
        ValueError: An unknown method or a temperature that is not positive.

    Example:
        >>> anomaly_score(torch.zeros(2, 5), method='entropy')
        tensor([1., 1.])
    """
    if method not in SCORES:
        raise ValueError(f'unknown score {method!r}, expected one of {", ".join(SCORES)}')
    _check_temperature(temperature)
    return SCORES[method](at_least_float32(logits), temperature, dim)
