"""Drawing upright things in metres: a plane through a street point that faces the camera."""

import numpy as np

from .camera import Camera
from .canvas import Canvas
from .noise import NoiseBank
from .weather import Weather

_CIRCLE = np.stack([np.cos(np.arange(20) * np.pi / 10), np.sin(np.arange(20) * np.pi / 10)], axis=1)


class Sketch:
    """Paints shapes given in metres to the right of and above a point on the ground.

    Args:
        canvas: Where to paint; the caller has called :meth:`Canvas.begin`.
        camera: The camera.
        weather: Light of the scene.
        x: Street position to the right.
        z: Depth.
        squeeze: Horizontal foreshortening of things that stand at an angle, 1 for none.
        normal: Where the thing's visible side looks, for its light.
    """

    def __init__(
        self,
        canvas: Canvas,
        camera: Camera,
        weather: Weather,
        x: float,
        z: float,
        squeeze: float = 1.0,
        normal=(0.0, 0.25, -0.97),
    ) -> None:
        self.canvas, self.weather, self.depth, self.squeeze = canvas, weather, z, squeeze
        self.origin = camera.project([(x, 0, z)])[0]
        self.scale = camera.focal / z
        self.light = weather.shade(normal)

    def shape(self, points, color, label: int | None, lit: bool = False) -> None:
        """Fill a polygon (N, 2); ``lit`` colours shine by themselves."""
        points = np.asarray(points, float) * (self.squeeze, -1)
        color = np.asarray(color, float) * (1.0 if lit else self.light)
        self.canvas.polygon(self.origin + points * self.scale, color, label, self.depth)

    def rect(self, low, high, color, label: int | None) -> None:
        """Fill a rectangle given by its lower left and upper right corner."""
        (x0, y0), (x1, y1) = low, high
        self.shape([(x0, y0), (x0, y1), (x1, y1), (x1, y0)], color, label)

    def ellipse(self, center, radii, color, label: int | None, turn: float = 0.0, lit: bool = False) -> None:
        """Fill an ellipse, turned counter-clockwise by ``turn`` radians."""
        cos, sin = np.cos(turn), np.sin(turn)
        points = (_CIRCLE * radii) @ np.array([[cos, sin], [-sin, cos]])
        self.shape(points + center, color, label, lit)

    def bar(self, start, stop, radius: float, color, label: int | None, end: float | None = None) -> None:
        """Fill a round-ended limb from ``start`` to ``stop``, ``end`` being its radius there."""
        start, stop = np.asarray(start, float), np.asarray(stop, float)
        end = radius if end is None else end
        along = stop - start
        angle = np.arctan2(along[1], along[0])
        half = np.linspace(np.pi / 2, 3 * np.pi / 2, 7) + angle
        cap = np.stack([np.cos(half), np.sin(half)], axis=1)
        self.shape(np.concatenate([start + radius * cap, stop - end * cap]), color, label)

    def ring(self, center, radius: float, thick: float, color, label: int | None) -> None:
        """Draw a circle line as a closed chain of short limbs."""
        points = np.asarray(center) + radius * _CIRCLE
        for first, second in zip(points, np.roll(points, -1, axis=0), strict=True):
            self.bar(first, second, thick, color, label)

    def finish(self, bank: NoiseBank, rng: np.random.Generator, grain: float) -> None:
        """Give what was painted a rounded, grainy look."""
        sun = -1.0 if self.weather.sun[0] < 0 else 1.0
        strength = 0.10 + 0.25 * self.weather.shadow

        def relief(h: int, w: int) -> np.ndarray:
            across = 1 + strength * sun * np.linspace(-1, 1, w, dtype=np.float32)[None, :]
            down = np.linspace(1.06, 0.88, h, dtype=np.float32)[:, None]
            return across * down + 1.4 * grain * bank.crop(rng, (h, w), 'clumps', 0.5)

        self.canvas.finish(relief)
