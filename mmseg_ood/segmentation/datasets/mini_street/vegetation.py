"""Trees, bushes and hedges: clumps of leaves with ragged edges and holes."""

from dataclasses import dataclass

import numpy as np

from .camera import Camera
from .canvas import Canvas
from .classes import VEGETATION
from .noise import NoiseBank, hsv
from .weather import Weather


def leaf_color(rng: np.random.Generator) -> np.ndarray:
    """Colour of foliage, autumn included."""
    if rng.random() < 0.1:
        return hsv(rng.uniform(0.06, 0.14), rng.uniform(0.4, 0.7), rng.uniform(0.4, 0.6))
    return hsv(rng.uniform(0.19, 0.36), rng.uniform(0.3, 0.65), rng.uniform(0.28, 0.52))


@dataclass
class Plant:
    """A tree, or a bush when it has no trunk.

    Args:
        x: Street position to the right.
        z: Depth.
        trunk: Height of the crown's lower edge; 0 for a bush.
        width: Width of the crown.
        height: Height of the crown.
        slim: Whether the crown is a narrow cone.
    """

    x: float
    z: float
    trunk: float
    width: float
    height: float
    slim: bool = False

    @property
    def order(self) -> float:
        """Depth to sort by."""
        return self.z

    def draw(self, canvas: Canvas, camera: Camera, weather: Weather, bank: NoiseBank, rng: np.random.Generator) -> None:
        """Paint trunk and crown."""
        scale = camera.focal / self.z
        if self.trunk > 0:
            self._trunk(canvas, camera, weather, bank, rng)
        w, h = int(self.width * scale), int(self.height * scale)
        ((u, v),) = camera.project([(self.x, self.trunk * 0.85, self.z)])
        if w < 3 or h < 3 or u + w < 0 or u - w > canvas.width or w > 3 * canvas.width:
            return
        shape = (min(h, 1400), min(w, 1400))
        field, relief = self._crown(shape, bank, rng)
        leaves = bank.crop(rng, shape, 'clumps', float(np.clip(scale / 45, 0.4, 2.2)))
        alpha = np.clip((field + 0.36 * leaves - 0.22) * 9, 0, 1)
        light = weather.shade((0, 0.6, -0.8))
        fine = bank.crop(rng, shape, 'fine', 1.0)
        tone = np.clip(0.62 + 0.42 * relief + 0.30 * leaves + 0.14 * fine, 0.12, 1.7)
        color = leaf_color(rng) * light * tone[..., None]
        canvas.stamp(int(u) - shape[1] // 2, int(v) - shape[0], color, alpha, VEGETATION, self.z)

    def _crown(self, shape: tuple[int, int], bank: NoiseBank, rng: np.random.Generator):
        """Opacity field and brightness of the crown: a union of leafy balls, each lit from above."""
        rows = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None]
        cols = np.linspace(-1, 1, shape[1], dtype=np.float32)[None, :]
        field = np.full(shape, -1, np.float32)
        relief = np.zeros(shape, np.float32)
        for _ in range(6 if self.slim else 9):
            cy = rng.uniform(-0.6, 0.7)
            reach = 0.5 * (cy + 1.1) / 1.8 if self.slim else 0.62 * np.sqrt(max(0.05, 1 - cy * cy))
            cx, radius = rng.uniform(-reach, reach), rng.uniform(0.3, 0.5) * (0.75 if self.slim else 1)
            dy, dx = (rows - cy) / radius, (cols - cx) / radius
            ball = 1 - dx * dx - dy * dy
            top = ball > field
            field = np.where(top, ball, field)
            relief = np.where(top, -0.55 * dy - 0.2 * dx - 0.25 * cy, relief)
        edge = 1 - np.maximum(np.abs(rows), np.abs(cols)) ** 6  # keeps the crown inside of its picture
        return np.minimum(field, edge * 1.2 - 0.2), relief

    def _trunk(
        self, canvas: Canvas, camera: Camera, weather: Weather, bank: NoiseBank, rng: np.random.Generator
    ) -> None:
        girth = rng.uniform(0.1, 0.22)
        bark = hsv(rng.uniform(0.05, 0.12), rng.uniform(0.1, 0.4), rng.uniform(0.22, 0.45))
        lean = rng.uniform(-0.15, 0.15)
        top = self.trunk + 0.45 * self.height
        outline = [
            (self.x - girth, 0, self.z),
            (self.x - 0.6 * girth + lean, top, self.z),
            (self.x + 0.6 * girth + lean, top, self.z),
            (self.x + girth, 0, self.z),
        ]
        canvas.begin()
        canvas.polygon(camera.project(outline), bark * weather.shade((0, 0.2, -0.98)), VEGETATION, self.z)
        canvas.finish(
            lambda h, w: (
                np.linspace(1.25, 0.6, w, dtype=np.float32)[None, :: 1 if weather.sun[0] < 0 else -1]
                + 0.22 * bank.crop(rng, (h, w), 'clumps', 0.5)
            )
        )


@dataclass
class Hedge:
    """A trimmed hedge along the street.

    Args:
        sign: -1 left, +1 right.
        front: Distance from the camera's line.
        near: Depth of the near end.
        far: Depth of the far end.
        height: Height.
    """

    sign: int
    front: float
    near: float
    far: float
    height: float

    @property
    def order(self) -> float:
        """Depth to sort by."""
        return self.far

    def draw(self, canvas: Canvas, camera: Camera, weather: Weather, bank: NoiseBank, rng: np.random.Generator) -> None:
        """Paint its top and its face."""
        per_metre = float(np.clip(camera.focal / max(self.near, 8), 8, 45))
        h, w = int(self.height * per_metre) + 4, int(min((self.far - self.near) * per_metre, 700)) + 4
        tone = 0.9 + 0.34 * bank.crop(rng, (h, w), 'clumps', 0.8) + 0.15 * bank.crop(rng, (h, w), 'fine')
        tone *= np.linspace(1.2, 0.65, h, dtype=np.float32)[:, None]
        ragged = np.clip((np.arange(h)[:, None] / h * 9 + bank.crop(rng, (h, w), 'clumps') - 0.2) * 2, 0, 1)
        color = np.clip(leaf_color(rng) * tone[..., None] * weather.shade((-self.sign, 0, 0)), 0, 255)
        texture = np.dstack([color, ragged * 255]).astype(np.uint8)
        x = self.sign * self.front
        for start in np.arange(self.near, self.far, 6.0):  # short pieces follow a bend
            end = min(start + 6.0, self.far)
            corners = [(x, self.height, start), (x, self.height, end), (x, 0, end), (x, 0, start)]
            if self.sign > 0:
                corners = [corners[1], corners[0], corners[3], corners[2]]
            canvas.plane(texture, camera.project(corners), [corner[2] for corner in corners], VEGETATION)
