"""Masks as the polygons that COCO files hold."""

import cv2
import numpy as np

_ZOOM = 4  # contours run through pixel centres: on a magnified mask they come close to the pixels' edges


def mask_to_polygons(mask: np.ndarray) -> list[list[float]]:
    """Outlines of a mask in pixels, each as [x0, y0, x1, y1, ...].

    COCO fills every polygon and knows no holes, so a region with a hole is cut in two through the hole.

    Args:
        mask: bool (h, w).

    Returns:
        Polygons whose union is the mask; slivers under four pixels are left out.
    """
    height, width = mask.shape
    large = cv2.resize(mask.astype(np.uint8), (width * _ZOOM, height * _ZOOM), interpolation=cv2.INTER_NEAREST)
    return _outlines(large)


def _outlines(large: np.ndarray) -> list[list[float]]:
    contours, hierarchy = cv2.findContours(large, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    if hierarchy is None:
        return []
    for contour, (_, _, _, parent) in zip(contours, hierarchy.reshape(-1, 4), strict=True):
        if parent >= 0:  # a hole
            cut = int(contour.reshape(-1, 2)[:, 0].mean()) // _ZOOM * _ZOOM
            left, right = large.copy(), large.copy()
            left[:, cut:], right[:, :cut] = 0, 0
            return _outlines(left) + _outlines(right)
    polygons = []
    for contour in contours:
        if cv2.contourArea(contour) < 4 * _ZOOM * _ZOOM:
            continue
        points = cv2.approxPolyDP(contour, 0.4 * _ZOOM, True).reshape(-1, 2)
        if len(points) >= 3:
            polygons.append([round(float(v), 2) for v in ((points + 0.5) / _ZOOM).ravel()])
    return polygons
