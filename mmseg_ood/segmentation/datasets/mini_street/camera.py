"""Pinhole camera of the car on a street that may bend."""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Camera:
    """Projects street coordinates to pixels.

    Street coordinates are metres: X to the right of the camera, Y up from the ground, Z along the street. A bending
    street is a straight one whose points are moved sideways by ``bend * Z**2``, so everything that stands on it
    bends with it.

    Args:
        width: Width of the canvas in pixels.
        height: Height of the canvas in pixels.
        focal: Focal length in pixels.
        center_x: Column of the vanishing point of a straight street.
        horizon: Row of the horizon.
        eye: Height of the camera above the ground.
        bend: Curvature of the street in 1/metre.
    """

    width: int
    height: int
    focal: float
    center_x: float
    horizon: float
    eye: float
    bend: float

    def project(self, points) -> np.ndarray:
        """Pixels (N, 2) as (x, y) of street points (N, 3); points closer than half a metre are moved to there."""
        points = np.asarray(points, float)
        depth = np.maximum(points[:, 2], 0.5)
        u = self.center_x + self.focal * (points[:, 0] + self.bend * depth**2) / depth
        v = self.horizon + self.focal * (self.eye - points[:, 1]) / depth
        return np.stack([u, v], axis=1)

    def coarse(self, step: int) -> 'Camera':
        """The same view on a canvas ``step`` times smaller."""
        return replace(
            self,
            width=self.width // step,
            height=self.height // step,
            focal=self.focal / step,
            center_x=self.center_x / step,
            horizon=self.horizon / step,
        )

    def ground_grid(self) -> tuple[int, np.ndarray, np.ndarray]:
        """First row below the horizon, and the street X (rows, width) and Z (rows, 1) that each pixel there sees."""
        first = int(np.floor(self.horizon)) + 1
        rows = np.arange(first, self.height, dtype=np.float32)[:, None]
        depth = self.focal * self.eye / np.maximum(rows - self.horizon, 0.35)
        columns = np.arange(self.width, dtype=np.float32)[None, :]
        return first, (columns - self.center_x) * depth / self.focal - self.bend * depth**2, depth

    def nearest_ground(self) -> float:
        """Depth of the ground at the lower edge of the canvas."""
        return self.focal * self.eye / (self.height - self.horizon)
