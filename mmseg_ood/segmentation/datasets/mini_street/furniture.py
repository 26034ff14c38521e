"""Street furniture: fences, walls, poles, lights, signs and the odd unlabelled thing."""

from dataclasses import dataclass

import numpy as np

from .camera import Camera
from .canvas import Canvas
from .classes import FENCE, POLE, TRAFFIC_LIGHT, TRAFFIC_SIGN, VOID
from .noise import NoiseBank, hsv, pick
from .sketch import Sketch
from .weather import Weather


@dataclass
class Barrier:
    """A fence or a wall along the street.

    Args:
        sign: -1 left, +1 right.
        front: Distance from the camera's line.
        near: Depth of the near end.
        far: Depth of the far end.
        height: Height.
        label: ``FENCE`` or ``WALL``.
    """

    sign: int
    front: float
    near: float
    far: float
    height: float
    label: int

    @property
    def order(self) -> float:
        """Depth to sort by."""
        return self.far

    def draw(self, canvas: Canvas, camera: Camera, weather: Weather, bank: NoiseBank, rng: np.random.Generator) -> None:
        """Paint it piece by piece, so that it follows a bend."""
        per_metre = float(np.clip(1.2 * camera.focal / max(self.near, 6), 10, 60))
        piece = 5.0
        shape = (max(6, int(self.height * per_metre)), int(piece * per_metre))
        make = _fence if self.label == FENCE else _wall
        texture = make(shape, per_metre, bank, rng)
        texture[..., :3] = np.clip(texture[..., :3] * weather.shade((-self.sign, 0, 0)), 0, 255)
        texture = texture.astype(np.uint8)
        x = self.sign * self.front
        for start in np.arange(self.near, self.far, piece)[::-1]:
            end = min(start + piece, self.far)
            corners = [(x, self.height, start), (x, self.height, end), (x, 0, end), (x, 0, start)]
            if self.sign > 0:
                corners = [corners[1], corners[0], corners[3], corners[2]]
            part = texture[:, : max(2, int((end - start) * per_metre))]
            canvas.plane(part, camera.project(corners), [corner[2] for corner in corners], self.label)


def _wall(shape: tuple[int, int], per_metre: float, bank: NoiseBank, rng: np.random.Generator) -> np.ndarray:
    """Picture of a wall of bricks, stones or concrete panels."""
    h, w = shape
    rows, cols = np.arange(h)[:, None] / per_metre, np.arange(w)[None, :] / per_metre
    tone = 0.16 * bank.crop(rng, shape, 'coarse', 1.0) + 0.08 * bank.crop(rng, shape, 'fine')
    kind = pick(rng, ['brick', 'stone', 'concrete'])
    if kind == 'concrete':
        color = hsv(rng.uniform(0.05, 0.6), rng.uniform(0, 0.08), rng.uniform(0.45, 0.72))
        tone = tone - 0.3 * (np.mod(cols, 2.5) < 0.06)
    else:
        tall, long = (0.09, 0.28) if kind == 'brick' else (0.28, 0.5)
        color = (
            hsv(rng.uniform(0, 0.05), rng.uniform(0.3, 0.6), rng.uniform(0.38, 0.58))
            if kind == 'brick'
            else hsv(rng.uniform(0.05, 0.13), rng.uniform(0.05, 0.25), rng.uniform(0.4, 0.62))
        )
        course = np.floor(rows / tall)
        joint = (np.mod(rows, tall) < 0.18 * tall) | (np.mod(cols + 0.5 * long * np.mod(course, 2), long) < 0.02)
        brick = np.mod(np.floor(cols / long + 0.5 * np.mod(course, 2)) * 12.9898 + course * 78.233, 1.0)
        tone = tone - 0.2 * joint + 0.22 * (brick - 0.5)
    picture = color * (1 + tone)[..., None]
    picture[: max(1, int(0.1 * per_metre))] *= 1.2  # coping
    picture[-max(1, int(0.15 * per_metre)) :] *= 0.7
    return picture


def _fence(shape: tuple[int, int], per_metre: float, bank: NoiseBank, rng: np.random.Generator) -> np.ndarray:
    """Picture with opacity of a fence of bars, boards or wire."""
    h, w = shape
    rows, cols = np.arange(h)[:, None] / per_metre, np.arange(w)[None, :] / per_metre
    kind = pick(rng, ['bars', 'boards', 'wire', 'rail'])
    color = pick(
        rng,
        [
            hsv(rng.uniform(0.06, 0.1), 0.4, rng.uniform(0.3, 0.55)),
            hsv(0.4, 0.1, rng.uniform(0.15, 0.3)),
            hsv(0.6, 0.05, rng.uniform(0.5, 0.85)),
            hsv(0.38, 0.4, rng.uniform(0.25, 0.4)),
        ],
    )
    top, bottom = rows[-1, 0] - rows < 0.0, rows * 0 > 1
    rails = (np.abs(rows - 0.12) < 0.035) | (np.abs(rows - rows[-1, 0] + 0.2) < 0.035) | top | bottom
    posts = np.mod(cols, 2.5) < 0.09
    if kind == 'bars':
        solid = (np.mod(cols, 0.15) < 0.045) | rails | posts
    elif kind == 'boards':
        solid = (np.mod(cols, 0.16) < 0.12) & (rows > 0.04) | rails | posts
    elif kind == 'rail':
        solid = (np.mod(rows, 0.42) < 0.16) | posts
    else:
        wires = (np.mod(cols + rows, 0.13) < 0.03) | (np.mod(cols - rows, 0.13) < 0.03)
        solid = wires | rails | posts
    tone = 1 + 0.12 * bank.crop(rng, shape, 'fine') - 0.1 * np.mod(cols, 0.16) / 0.16
    alpha = np.where(np.broadcast_to(solid, shape), 255, 30 if kind == 'wire' else 0)
    return np.dstack([color * np.broadcast_to(tone, shape)[..., None], alpha]).astype(np.float32)


@dataclass
class Post:
    """A pole and what it carries.

    Args:
        x: Street position to the right.
        z: Depth.
        kind: 'lamp', 'signal', 'sign', 'mast' or 'bollard'.
        inward: Sign of the direction towards the carriageway, for arms.
    """

    x: float
    z: float
    kind: str
    inward: int

    @property
    def order(self) -> float:
        """Depth to sort by."""
        return self.z

    def draw(self, canvas: Canvas, camera: Camera, weather: Weather, bank: NoiseBank, rng: np.random.Generator) -> None:
        """Paint the pole, then its head."""
        sketch = Sketch(canvas, camera, weather, self.x, self.z)
        canvas.begin()
        getattr(self, '_' + self.kind)(sketch, rng)
        sketch.finish(bank, rng, grain=0.08)

    def _metal(self, rng: np.random.Generator) -> np.ndarray:
        return hsv(rng.uniform(0, 1), rng.uniform(0, 0.12), rng.uniform(0.22, 0.62))

    def _shaft(self, sketch: Sketch, rng: np.random.Generator, height: float, radius: float) -> np.ndarray:
        color = self._metal(rng)
        sketch.bar((0, 0), (0, height), radius, color, POLE, end=0.75 * radius)
        sketch.bar((0.4 * radius, 0), (0.3 * radius, height), 0.3 * radius, color * 1.35, None)
        return color

    def _lamp(self, sketch: Sketch, rng: np.random.Generator) -> None:
        height = rng.uniform(4.5, 8)
        color = self._shaft(sketch, rng, height, rng.uniform(0.07, 0.11))
        arm = self.inward * rng.uniform(0.5, 1.9)
        sketch.bar((0, height), (arm, height + 0.25), 0.05, color, POLE)
        glow = (200, 235, 250) if sketch.weather.lamps else color * 0.8
        sketch.ellipse((arm, height + 0.2), (0.35, 0.1), glow, POLE, lit=sketch.weather.lamps)

    def _mast(self, sketch: Sketch, rng: np.random.Generator) -> None:
        self._shaft(sketch, rng, rng.uniform(6, 9), rng.uniform(0.09, 0.15))

    def _bollard(self, sketch: Sketch, rng: np.random.Generator) -> None:
        color = self._shaft(sketch, rng, rng.uniform(0.8, 1.1), 0.07)
        sketch.bar((0, 0.65), (0, 0.78), 0.075, np.clip(color + 110, 0, 255), POLE)

    def _signal(self, sketch: Sketch, rng: np.random.Generator) -> None:
        height = rng.uniform(2.6, 3.4)
        self._shaft(sketch, rng, height + 0.9, 0.07)
        heads = [(0.0, height)]
        if rng.random() < 0.35:
            reach = self.inward * rng.uniform(2, 3.5)
            sketch.bar((0, height + 2.4), (reach, height + 2.6), 0.06, self._metal(rng), POLE)
            sketch.bar((0, height), (0, height + 2.4), 0.07, self._metal(rng), POLE)
            heads.append((reach, height + 1.9))
        body = pick(rng, [(32, 34, 34), (38, 60, 40), (60, 170, 200)], [6, 2, 1])
        state = int(rng.integers(3))
        for x, y in heads:
            sketch.rect((x - 0.19, y - 0.05), (x + 0.19, y + 0.95), body, TRAFFIC_LIGHT)
            for lamp, (hue, at) in enumerate(((0.0, 0.78), (0.12, 0.46), (0.36, 0.14))):
                color = hsv(hue, 0.85, 1.0 if lamp == state else 0.2)
                sketch.ellipse((x, y + at), (0.11, 0.11), color, TRAFFIC_LIGHT, lit=lamp == state)

    def _sign(self, sketch: Sketch, rng: np.random.Generator) -> None:
        height = rng.uniform(2.0, 2.8)
        self._shaft(sketch, rng, height + 0.3, 0.05)
        for number in range(int(rng.integers(1, 3))):
            _sign_plate(sketch, rng, (0.0, height + 0.1 - 0.72 * number))


def _sign_plate(sketch: Sketch, rng: np.random.Generator, center: tuple[float, float]) -> None:
    """One of the usual signs: prohibition, warning, order, information, priority, back of a sign."""
    x, y = center
    kind = pick(rng, ['round', 'warn', 'order', 'info', 'stop', 'priority', 'back', 'name'])
    red, blue, white = hsv(0.99, 0.85, 0.75), hsv(0.6, 0.85, 0.65), hsv(0, 0, 0.92)
    radius = rng.uniform(0.28, 0.4)
    if kind in ('round', 'order', 'back'):
        rim = {'round': red, 'order': blue, 'back': hsv(0.6, 0.05, 0.55)}[kind]
        sketch.ellipse((x, y), (radius, radius), rim, TRAFFIC_SIGN)
        if kind == 'round':
            sketch.ellipse((x, y), (0.72 * radius, 0.72 * radius), white, TRAFFIC_SIGN)
            sketch.rect(
                (x - 0.4 * radius, y - 0.25 * radius), (x + 0.35 * radius, y + 0.3 * radius), (40, 40, 40), None
            )
        elif kind == 'order':
            sketch.bar((x, y - 0.5 * radius), (x, y + 0.5 * radius), 0.12 * radius, white, None)
    elif kind in ('warn', 'stop', 'priority'):
        sides, turn, outer, inner = {
            'warn': (3, np.pi / 2, red, white),
            'stop': (8, np.pi / 8, red, red),
            'priority': (4, np.pi / 2, white, hsv(0.13, 0.9, 0.9)),
        }[kind]
        for size, color in ((1.15 * radius, outer), (0.72 * radius, inner)):
            angle = turn + np.arange(sides) * 2 * np.pi / sides
            sketch.shape(np.stack([x + size * np.cos(angle), y + size * np.sin(angle)], 1), color, TRAFFIC_SIGN)
        if kind == 'stop':
            sketch.rect((x - 0.7 * radius, y - 0.15 * radius), (x + 0.7 * radius, y + 0.15 * radius), white, None)
    else:
        wide = rng.uniform(0.4, 0.9) if kind == 'name' else radius
        sketch.rect(
            (x - wide, y - 0.6 * radius), (x + wide, y + 0.6 * radius), blue if kind == 'info' else white, TRAFFIC_SIGN
        )
        sketch.rect(
            (x - 0.7 * wide, y - 0.2 * radius),
            (x + 0.6 * wide, y + 0.2 * radius),
            white if kind == 'info' else (60, 60, 60),
            None,
        )


@dataclass
class Clutter:
    """Bins, boxes and cabinets: real streets have them, Cityscapes leaves them unlabelled.

    Args:
        x: Street position to the right.
        z: Depth.
    """

    x: float
    z: float

    @property
    def order(self) -> float:
        """Depth to sort by."""
        return self.z

    def draw(self, canvas: Canvas, camera: Camera, weather: Weather, bank: NoiseBank, rng: np.random.Generator) -> None:
        """Paint a bin with a lid or a grey cabinet."""
        sketch = Sketch(canvas, camera, weather, self.x, self.z)
        canvas.begin()
        color = hsv(rng.random(), rng.uniform(0, 0.5), rng.uniform(0.25, 0.6))
        wide, tall = rng.uniform(0.25, 0.5), rng.uniform(0.8, 1.3)
        sketch.shape(np.array([(-0.85 * wide, 0), (-wide, tall), (wide, tall), (0.85 * wide, 0)]), color, VOID)
        sketch.rect((-1.08 * wide, tall), (1.08 * wide, tall + 0.1), color * 0.7, VOID)
        sketch.bar((0, 0.1), (0, tall - 0.1), 0.02, color * 0.6, None)
        sketch.finish(bank, rng, grain=0.1)
