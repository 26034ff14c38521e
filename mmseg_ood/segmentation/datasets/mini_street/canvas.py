"""What a scene is painted on: colour, label and inverse depth, written together so that they can never disagree."""

import cv2
import numpy as np

_SHIFT = 4  # sub-pixel bits of cv2.fillPoly


class Canvas:
    """Three aligned buffers, painted from far to near.

    Attributes:
        color: uint8 (H, W, 3), BGR.
        label: uint8 (H, W), train ids.
        inverse_depth: float32 (H, W) in 1/metre, 0 for the sky.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.color = np.zeros((height, width, 3), np.uint8)
        self.label = np.zeros((height, width), np.uint8)
        self.inverse_depth = np.zeros((height, width), np.float32)
        self._mask = np.zeros((height, width), np.uint8)
        self._box = None

    def begin(self) -> None:
        """Start an object: polygons painted from here on are remembered until :meth:`finish`."""
        self._box = [self.width, self.height, 0, 0]

    def polygon(self, points: np.ndarray, color, label: int | None, depth: float) -> None:
        """Fill a polygon (N, 2); ``label`` None leaves the label map alone (thin things painted on other things)."""
        points = np.minimum(np.maximum(points, -8000), 8000)
        low, high = points.min(axis=0), points.max(axis=0)
        if high[0] < 0 or high[1] < 0 or low[0] >= self.width or low[1] >= self.height:
            return
        fixed = [np.round(points * (1 << _SHIFT)).astype(np.int32)]
        cv2.fillPoly(self.color, fixed, [min(max(float(c), 0.0), 255.0) for c in color], shift=_SHIFT)
        if label is not None:
            cv2.fillPoly(self.label, fixed, int(label), shift=_SHIFT)
            cv2.fillPoly(self.inverse_depth, fixed, 1.0 / depth, shift=_SHIFT)
        if self._box is not None:
            cv2.fillPoly(self._mask, fixed, 255, shift=_SHIFT)
            box = self._box
            box[0], box[1] = min(box[0], int(low[0]) - 1), min(box[1], int(low[1]) - 1)
            box[2], box[3] = max(box[2], int(high[0]) + 2), max(box[3], int(high[1]) + 2)

    def finish(self, relief) -> None:
        """End an object: multiply what was painted since :meth:`begin` by ``relief(h, w)``, (h, w) or less."""
        x0, y0 = max(self._box[0], 0), max(self._box[1], 0)
        x1, y1 = min(self._box[2], self.width), min(self._box[3], self.height)
        self._box = None
        if x1 <= x0 or y1 <= y0:
            return
        area = np.s_[y0:y1, x0:x1]
        gain = relief(y1 - y0, x1 - x0)
        gain = cv2.merge([np.broadcast_to(gain, (y1 - y0, x1 - x0)).astype(np.float32)] * 3)
        lit = cv2.multiply(self.color[area], gain, dtype=cv2.CV_8U)
        cv2.copyTo(lit, self._mask[area], self.color[area])
        self._mask[area] = 0

    def stamp(self, left: int, top: int, color: np.ndarray, alpha: np.ndarray, label: int, depth: float) -> None:
        """Blend a picture (h, w, 3) with opacity (h, w) in [0, 1]; it owns the pixels where the opacity is over 0.5."""
        x0, y0 = max(left, 0), max(top, 0)
        x1, y1 = min(left + alpha.shape[1], self.width), min(top + alpha.shape[0], self.height)
        if x1 <= x0 or y1 <= y0:
            return
        area, part = np.s_[y0:y1, x0:x1], np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
        weight = alpha[part][..., None]
        mixed = self.color[area] * (1 - weight) + color[part] * weight
        self.color[area] = np.clip(mixed, 0, 255).astype(np.uint8)
        owned = alpha[part] > 0.5
        self.label[area][owned] = label
        self.inverse_depth[area][owned] = 1.0 / depth

    def plane(self, texture: np.ndarray, quad: np.ndarray, depths, label: int) -> None:
        """Map a texture onto a planar quad.

        Args:
            texture: uint8 (h, w, 3), or (h, w, 4) with an opacity; the label covers the whole quad either way, as
                Cityscapes labels the holes of a fence.
            quad: Pixels (4, 2) of the texture's corners, clockwise from the upper left one.
            depths: Depth of the four corners in metres.
            label: Train id.
        """
        low = np.maximum(np.floor(quad.min(axis=0)), 0).astype(int)
        high = np.minimum(np.ceil(quad.max(axis=0)) + 1, (self.width, self.height)).astype(int)
        width, height = high - low
        if width <= 0 or height <= 0 or cv2.contourArea(quad.astype(np.float32)) < 1:
            return
        th, tw = texture.shape[:2]
        corners = np.float32([[0, 0], [tw, 0], [tw, th], [0, th]])
        matrix = cv2.getPerspectiveTransform(corners, (quad - low).astype(np.float32))
        picture = cv2.warpPerspective(
            texture, matrix, (int(width), int(height)), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        inside = np.zeros((height, width), np.uint8)
        cv2.fillConvexPoly(inside, np.round((quad - low) * (1 << _SHIFT)).astype(np.int32), 1, shift=_SHIFT)
        area = np.s_[low[1] : high[1], low[0] : high[0]]
        if texture.shape[2] == 4:
            weight = picture[..., 3:].astype(np.float32) / 255
            picture = (self.color[area] * (1 - weight) + picture[..., :3] * weight).astype(np.uint8)
        cv2.copyTo(picture, inside, self.color[area])
        cv2.copyTo(self._plane_depth(quad, depths, area), inside, self.inverse_depth[area])
        self.label[area][inside > 0] = label

    @staticmethod
    def _plane_depth(quad: np.ndarray, depths, area) -> np.ndarray:
        """Inverse depth over ``area``: on a plane it is an affine function of the pixel."""
        system = np.column_stack([quad, np.ones(4)])
        ax, ay, a0 = np.linalg.lstsq(system, 1.0 / np.asarray(depths, float), rcond=None)[0].tolist()
        rows = np.arange(area[0].start, area[0].stop, dtype=np.float32)[:, None]
        cols = np.arange(area[1].start, area[1].stop, dtype=np.float32)[None, :]
        return np.maximum(ax * cols + ay * rows + a0, np.float32(1e-3))
