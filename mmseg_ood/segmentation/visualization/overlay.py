"""The anomaly map over the image, fast enough for video."""
from __future__ import annotations

import cv2
import numpy as np

from .labels import Box, format_score, place_labels
from .panels import BOX_COLOR, Components

# Opacity of the colours at the two ends of the scale: what is normal stays visible as it is, only darker.
_OPACITY = (0.35, 0.75)
_LEVELS = np.linspace(*_OPACITY, 256)[:, None, None]
_COLORS = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_INFERNO)[..., ::-1]
_BLENDED_COLORS = (_LEVELS * _COLORS).round().astype(np.uint8)
_BLENDED_IMAGE = np.repeat((255 * (1 - _LEVELS)).round(), 3, axis=2).astype(np.uint8)


def draw_overlay(image: np.ndarray, score: np.ndarray, score_range: tuple[float, float], threshold: float | None = None,
                 components: Components | None = None) -> np.ndarray:
    """Blend the anomaly map over the image; outline what lies above a threshold and frame its components.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        score: ``(H, W)`` float, higher = more anomalous.
        score_range: Scores at the two ends of the colours; keep it the same over a data set.
        threshold: The lowest score inside the outline.
        components: Boxes to draw. Their mask is outlined in the place of the threshold.

    Returns:
        ``(H, W, 3)`` uint8 RGB.

    Example:
        >>> score = np.zeros((90, 160), np.float32)
        >>> score[30:60, 40:80] = 3
        >>> overlay = draw_overlay(np.full((90, 160, 3), 200, np.uint8), score, score_range=(0, 4), threshold=2)
        >>> overlay.shape, bool(overlay[0, 0].max() < 200)                 # darker where the score is low
        ((90, 160, 3), True)
    """
    low, high = map(float, score_range)
    above = cv2.max(np.asarray(score, np.float32) - np.float32(low), 0)
    levels = cv2.convertScaleAbs(above, alpha=255 / max(high - low, 1e-12))
    overlay = cv2.multiply(np.ascontiguousarray(image), cv2.applyColorMap(levels, _BLENDED_IMAGE), scale=1 / 255)
    overlay = cv2.add(overlay, cv2.applyColorMap(levels, _BLENDED_COLORS))
    if components is not None:
        _outline(overlay, components.mask)
        _draw_boxes(overlay, components.boxes)
    elif threshold is not None:
        _outline(overlay, score >= np.float32(threshold))
    return overlay


def _thickness(width: int) -> int:
    return max(1, round(width / 640))


def _outline(picture: np.ndarray, mask: np.ndarray) -> None:
    """White inside the edge of the mask and black outside: one of them stands out from any colour."""
    mask = mask.astype(np.uint8)
    kernel = np.ones((2 * _thickness(mask.shape[1]) + 1,) * 2, np.uint8)
    for color, edge in ((255, mask - cv2.erode(mask, kernel)), (0, cv2.dilate(mask, kernel) - mask)):
        cv2.copyTo(np.full_like(picture, color), edge, picture)


def _draw_boxes(picture: np.ndarray, boxes: list[Box]) -> None:
    height, width = picture.shape[:2]
    thickness, scale = _thickness(width), max(0.4, width / 2560)
    strength = max(1, thickness // 2)
    texts = [format_score(box[-1]) for box in boxes]
    extents = [cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, strength)[0] for text in texts]
    margin = 2 * thickness
    sizes = [(text_width + 2 * margin, text_height + 2 * margin) for text_width, text_height in extents]
    for x, y, box_width, box_height, _ in boxes:
        cv2.rectangle(picture, (x, y), (x + box_width - 1, y + box_height - 1), BOX_COLOR, thickness)
    for index, (left, top) in place_labels(boxes, sizes, height, width).items():
        label_width, label_height = sizes[index]
        cv2.rectangle(picture, (left, top), (left + label_width - 1, top + label_height - 1), BOX_COLOR, cv2.FILLED)
        cv2.putText(picture, texts[index], (left + margin, top + label_height - 1 - margin), cv2.FONT_HERSHEY_SIMPLEX,
                    scale, (0, 0, 0), strength, cv2.LINE_AA)
