"""Free energy of a classifier's logits, the score that the losses of this package regularise.

Example:
    >>> import torch
    >>> logits = torch.tensor([[8.0, 0.0, 0.0], [0.1, 0.0, 0.0]])   # a sure and an unsure prediction
    >>> [round(energy, 2) for energy in free_energy(logits).tolist()]
    [-8.0, -1.13]
"""
from __future__ import annotations

import math

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """``values`` in float32 where they are narrower: half-precision sums over classes lose the score."""
    if not values.is_floating_point():
        raise TypeError(f'expected a floating point tensor, found {values.dtype}')
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def check_temperature(temperature: float) -> None:
    """Refuse a temperature that no score can be computed with.

    Raises:
        ValueError: It is not positive and finite.
    """
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
    check_temperature(temperature)
    return -temperature * torch.logsumexp(at_least_float32(logits) / temperature, dim)
