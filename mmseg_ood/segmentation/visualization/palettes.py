"""Colours of classes."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmseg.utils import get_palette


def choose_palette(num_classes: int, *candidates: Sequence[Sequence[int]] | None) -> np.ndarray:
    """The first palette of that many colours, or that of Cityscapes if it has as many.

    Args:
        num_classes: Number of inlier classes ``C``.
        *candidates: Palettes ``(C', 3)``, the best first; None is passed over.

    Returns:
        ``(C, 3)`` uint8; where no palette fits any distinct colours, the same in each call.

    Example:
        >>> choose_palette(2, None, [[9, 9, 9]], [[1, 2, 3], [4, 5, 6]]).tolist()
        [[1, 2, 3], [4, 5, 6]]
        >>> choose_palette(19)[0].tolist()                                              # road
        [128, 64, 128]
    """
    for palette in (*candidates, get_palette('cityscapes')):
        if palette is not None and len(palette) == num_classes:
            return np.asarray(palette, dtype=np.uint8)
    return np.random.default_rng(0).integers(40, 256, (num_classes, 3), dtype=np.uint8)


def colorize_classes(prediction: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Class indices ``(H, W)`` to colours ``(H, W, 3)`` uint8 by a palette ``(C, 3)``."""
    return np.asarray(palette, dtype=np.uint8)[prediction]
