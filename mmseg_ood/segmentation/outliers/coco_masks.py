"""Segmentations of the COCO format as run-length masks.

pycocotools reads past its buffers when a segmentation is malformed, so everything is checked before it
is handed over.
"""
from __future__ import annotations

from typing import Any

import numpy as np
from pycocotools import mask as coco_mask


def encode(segmentation: Any, height: int, width: int) -> dict:
    """Turn polygons, uncompressed or compressed runs into one compressed run-length mask.

    Args:
        segmentation: Value of the key of that name in an annotation: a list of polygons
            ``[x0, y0, x1, y1, ...]`` in px, or ``dict(size=[height, width], counts=runs)``.
        height: Height of the annotated image in px.
        width: Its width in px.

    Returns:
        ``dict(size, counts)`` as pycocotools takes it.

    Raises:
        ValueError: The segmentation is empty or malformed.

    Example:
        >>> coco_mask.decode(encode([[1, 1, 4, 1, 4, 3, 1, 3]], height=4, width=5))
        array([[0, 0, 0, 0, 0],
               [0, 1, 1, 1, 0],
               [0, 1, 1, 1, 0],
               [0, 0, 0, 0, 0]], dtype=uint8)
    """
    if isinstance(segmentation, dict):
        runs = _checked_runs(segmentation, height, width)
        return coco_mask.frPyObjects({'size': [height, width], 'counts': runs}, height, width)
    return coco_mask.merge(coco_mask.frPyObjects(_checked_polygons(segmentation), height, width))


def _checked_polygons(segmentation: Any) -> list[list[float]]:
    if not isinstance(segmentation, list) or not segmentation:
        raise ValueError('neither polygons nor run lengths')
    for polygon in segmentation:
        try:
            points = np.asarray(polygon, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError('a polygon holds something else than numbers') from error
        # The bound is far outside of any picture: rasterising takes memory in proportion to the coordinates.
        if points.ndim != 1 or len(points) < 6 or len(points) % 2 or not (np.abs(points) < 1e5).all():
            raise ValueError('a polygon is not a list of three or more finite x, y pairs')
    return segmentation


def _checked_runs(segmentation: dict, height: int, width: int) -> list[int]:
    runs = segmentation.get('counts')
    if isinstance(runs, (str, bytes)):
        runs = _decompressed(runs.encode() if isinstance(runs, str) else runs)
    if segmentation.get('size') != [height, width]:
        raise ValueError('the run lengths are not of the size of the image')
    if not isinstance(runs, list) or not all(isinstance(run, int) and run >= 0 for run in runs):
        raise ValueError('the run lengths are not a list of counts')
    if sum(runs) != height * width:
        raise ValueError('the run lengths do not add up to the size of the image')
    return runs


def _decompressed(counts: bytes) -> list[int]:
    """Run lengths out of COCO's string: groups of 5 bits, low ones first, in the characters from '0' on.

    Bit 5 says that the number continues, bit 4 of its last group is the sign, and from the fourth number
    on each is the difference to the last but one.
    """
    runs, value, shift = [], 0, 0
    for group in (character - ord('0') for character in counts):
        value |= (group & 0b11111) << shift
        shift += 5
        if group & 0b100000:
            continue
        if group & 0b10000:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    return runs
