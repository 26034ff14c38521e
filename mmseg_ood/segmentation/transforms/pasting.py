"""The geometry of pasting one outlier into one labelled image; no randomness but the generator handed in."""
from __future__ import annotations

import cv2
import numpy as np

from ..outliers import Outlier

MAX_TRIES = 10  # places drawn before one is chosen on purpose

Pair = tuple[int, int]  # of rows, columns
Window = tuple[slice, slice]


def rescale(outlier: Outlier, factor: float) -> Outlier:
    """Resize an outlier; at least one pixel of its mask survives.

    Example:
        >>> disc = Outlier(np.zeros((8, 4, 3), np.uint8), np.ones((8, 4), bool))
        >>> rescale(disc, 0.5).mask.shape
        (4, 2)
    """
    height, width = (max(1, round(side * factor)) for side in outlier.mask.shape)
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    image = cv2.resize(outlier.image, (width, height), interpolation=interpolation)
    coverage = cv2.resize(outlier.mask.astype(np.float32), (width, height), interpolation=interpolation)
    return Outlier(image, coverage >= min(0.5, coverage.max()))


def mirror(outlier: Outlier) -> Outlier:
    """Flip an outlier horizontally."""
    return Outlier(outlier.image[:, ::-1], outlier.mask[:, ::-1])


def overlap(corner: Pair, shape: Pair, canvas: Pair) -> tuple[Window, Window]:
    """The part that an object and the image have in common.

    Args:
        corner: Row and column of the object's top left pixel in the image; may be negative.
        shape: Height and width of the object.
        canvas: Height and width of the image.

    Returns:
        The common window in coordinates of the image, and in those of the object.

    Example:
        >>> overlap((-2, 3), (5, 4), (10, 6))
        ((slice(0, 3, None), slice(3, 6, None)), (slice(2, 5, None), slice(0, 3, None)))
    """
    spans = [(max(start, 0), max(min(start + length, limit), 0))
             for start, length, limit in zip(corner, shape, canvas, strict=True)]
    on_canvas = tuple(slice(first, last) for first, last in spans)
    on_object = tuple(slice(first - start, last - start)
                      for start, (first, last) in zip(corner, spans, strict=True))
    return on_canvas, on_object


def draw_place(rng: np.random.Generator, mask: np.ndarray, valid: np.ndarray, min_valid: float) -> Pair:
    """Draw the row and column where the top left corner of an object goes.

    Uniform over all places where the object lies within the image (or, where it is larger, covers the
    image), drawn anew while less than ``min_valid`` of the pasted pixels would fall on valid ones. After
    ``MAX_TRIES`` a random pixel of the object is put on a random valid one.

    Args:
        rng: Source of randomness.
        mask: (h, w) bool, True on the object.
        valid: (H, W) bool, True somewhere.
        min_valid: Fraction in [0, 1].
    """
    ranges = [(min(0, limit - length), max(0, limit - length))
              for length, limit in zip(mask.shape, valid.shape, strict=True)]
    for _ in range(MAX_TRIES):
        corner = tuple(int(rng.integers(low, high, endpoint=True)) for low, high in ranges)
        on_canvas, on_object = overlap(corner, mask.shape, valid.shape)
        pasted = mask[on_object]
        area = np.count_nonzero(pasted)
        if area and np.count_nonzero(pasted & valid[on_canvas]) >= min_valid * area:
            return corner
    target = _random_pixel(rng, valid)
    anchor = _random_pixel(rng, mask)
    return target[0] - anchor[0], target[1] - anchor[1]


def paste(image: np.ndarray, labels: np.ndarray, outlier: Outlier, corner: Pair, label: int,
          feather: int = 0) -> None:
    """Paste an outlier into an image and its labels, both changed in place.

    Args:
        image: (H, W, 3) uint8 or floating point, 0..255.
        labels: (H, W) of an integer type.
        outlier: What to paste.
        corner: Row and column of its top left pixel in the image.
        label: Written where the mask is True, whatever ``feather`` is.
        feather: Width in px of the soft edge. It lies inside of the mask, so no other pixel changes.

    Example:
        >>> image, labels = np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8)
        >>> paste(image, labels, Outlier(np.full((2, 2, 3), 9, np.uint8), np.eye(2, dtype=bool)), (1, 2), 254)
        >>> labels
        array([[  0,   0,   0,   0],
               [  0,   0, 254,   0],
               [  0,   0,   0, 254],
               [  0,   0,   0,   0]], dtype=uint8)
    """
    on_canvas, on_object = overlap(corner, outlier.mask.shape, labels.shape)
    mask = outlier.mask[on_object]
    labels[on_canvas][mask] = label
    pixels = outlier.image[on_object][mask]
    if feather:
        opacity = edge_opacity(outlier.mask, feather)[on_object][mask][:, None]
        pixels = opacity * pixels + (1 - opacity) * image[on_canvas][mask]
        if image.dtype == np.uint8:
            pixels = np.rint(pixels)
    image[on_canvas][mask] = pixels


def edge_opacity(mask: np.ndarray, feather: int) -> np.ndarray:
    """Opacity of an object that rises over ``feather`` px from its rim inwards and is 1 from there on.

    Returns:
        (h, w) float32: 0 outside of the mask, ``1 / (feather + 1)`` on its outermost pixels.

    Example:
        >>> edge_opacity(np.ones((1, 3), bool), feather=1)
        array([[0.5, 0.5, 0.5]], dtype=float32)
    """
    # The border of zeros makes the edge of the crop an edge of the object.
    padded = np.pad(mask.astype(np.uint8), 1)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    return np.minimum(distance / (feather + 1), 1)


def _random_pixel(rng: np.random.Generator, where: np.ndarray) -> Pair:
    index = rng.choice(np.flatnonzero(where))
    row, column = np.unravel_index(index, where.shape)
    return int(row), int(column)
