"""Gaussian blur of score maps.

Example:
    >>> import torch
    >>> scores = torch.zeros(1, 7, 7)
    >>> scores[0, 3, 3] = 1.0                                       # a single anomalous pixel
    >>> round(gaussian_smoothing(scores)[0, 3, 3].item(), 4)        # is spread over its neighbourhood
    0.1592
"""
from __future__ import annotations

import math

import torch
from torch import Tensor

from .energy import at_least_float32


def gaussian_smoothing(scores: Tensor, kernel_size: int = 7, sigma: float = 1.0) -> Tensor:
    """Blur maps with a Gaussian kernel of sum 1; beyond the border a map is its own mirror image.

    Args:
        scores: Maps ``(N, H, W)``.
        kernel_size: Width of the kernel in px, odd.
        sigma: Standard deviation of the kernel in px.

    Returns:
        ``(N, H, W)``, float32 for half-precision input, else of the input's type; differentiable.

    Raises:
        TypeError: Scores that are not floating point.
        ValueError: Another shape, a side of at most ``kernel_size // 2`` px (its mirror image would not fill the
            border), a kernel size that is not odd, or a sigma that is not positive.

    Source:
        Tian et al., "Pixel-wise Energy-biased Abstention Learning", ECCV 2022: kernel 7, sigma 1, reflect padding.

    Example:
        >>> scores = torch.tensor([[[0.0, 0.0, 4.0, 0.0]] * 2])
        >>> gaussian_smoothing(scores, kernel_size=3, sigma=math.log(4) ** -0.5)[0, 0]   # weights 1/4, 1/2, 1/4
        tensor([0., 1., 2., 2.])
    """
    if scores.ndim != 3:
        raise ValueError(f'expected maps of shape (N, H, W), found {tuple(scores.shape)}')
    kernel = _half_kernel(kernel_size, sigma)
    if min(scores.shape[1:]) < len(kernel):
        raise ValueError(f'maps of {scores.shape[1]}x{scores.shape[2]} (height x width) are too small for reflect '
                         f'padding with kernel_size={kernel_size}, expected at least {len(kernel)} px a side')
    scores = at_least_float32(scores)
    return _smooth_along(1, _smooth_along(2, scores, kernel), kernel)


def _half_kernel(kernel_size: int, sigma: float) -> list[float]:
    """Weights of the centre and of the pixels to one side of it."""
    if kernel_size < 1 or kernel_size % 2 != 1:
        raise ValueError(f'kernel_size must be a positive odd integer, found {kernel_size}')
    if not (sigma > 0 and math.isfinite(sigma)):
        raise ValueError(f'sigma must be positive and finite, found {sigma}')
    weights = [math.exp(-0.5 * (distance / sigma) ** 2) for distance in range(kernel_size // 2 + 1)]
    total = weights[0] + 2 * sum(weights[1:])
    return [weight / total for weight in weights]


def _smooth_along(dim: int, scores: Tensor, kernel: list[float]) -> Tensor:
    # Sums of slices, because autocast would compute a convolution in half precision; flips, because the gradient
    # of torch's reflect padding is not deterministic on GPUs.
    radius, length = len(kernel) - 1, scores.shape[dim]
    first, last = (scores.narrow(dim, start, radius).flip(dim) for start in (1, length - radius - 1))
    padded = torch.cat([first, scores, last], dim)
    smoothed = kernel[0] * scores
    for distance, weight in enumerate(kernel[1:], start=1):
        before, after = (padded.narrow(dim, start, length) for start in (radius - distance, radius + distance))
        smoothed = smoothed + weight * (before + after)
    return smoothed
