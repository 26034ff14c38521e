"""Cars, trucks, buses and trams as small solid models, so that any view of them is right."""

from dataclasses import dataclass, field

import numpy as np

from .camera import Camera
from .canvas import Canvas
from .classes import BUS, CAR, TRAIN, TRUCK
from .noise import NoiseBank, hsv, pick
from .weather import Weather

_GLASS = np.array([58, 50, 44], float)
_TYRE = np.array([30, 29, 28], float)


@dataclass
class Face:
    """A flat polygon of a model with the details painted on it.

    Args:
        points: Corners (N, 3) as (right, up, forward) of the vehicle, in metres.
        color: BGR.
        details: Polygons (points, color, shines) on top of it.
        gloss: How strongly it mirrors the sky.
    """

    points: np.ndarray
    color: np.ndarray
    details: list = field(default_factory=list)
    gloss: float = 0.12


@dataclass
class Vehicle:
    """A vehicle on the street.

    Args:
        x: Street position of its middle to the right.
        z: Depth of its middle.
        yaw: Heading: 0 drives away from the camera, pi towards it.
        kind: 'car', 'van', 'truck', 'bus' or 'train'.
        length: Length in metres.
        lights: Whether it brakes or has its lamps on.
    """

    x: float
    z: float
    yaw: float
    kind: str
    length: float
    lights: bool

    @property
    def order(self) -> float:
        """Depth to sort by."""
        return self.z

    @property
    def label(self) -> int:
        """Train id."""
        return {'car': CAR, 'van': CAR, 'truck': TRUCK, 'bus': BUS, 'train': TRAIN}[self.kind]

    @property
    def width(self) -> float:
        """Width in metres."""
        return {'car': 1.78, 'van': 1.95, 'truck': 2.4, 'bus': 2.55, 'train': 2.6}[self.kind]

    def footprint(self) -> np.ndarray:
        """Corners (4, 2) of the ground it covers, as (X, Z)."""
        a, b = self.width / 2, self.length / 2
        corners = np.array([(-a, 0, -b), (a, 0, -b), (a, 0, b), (-a, 0, b)], float)
        return self._place(corners)[:, [0, 2]]

    def draw(self, canvas: Canvas, camera: Camera, weather: Weather, bank: NoiseBank, rng: np.random.Generator) -> None:
        """Paint the faces that look at the camera, far ones first."""
        lowest = camera.project([(self.x, 0, self.z)])[0]
        if abs(lowest[0] - canvas.width / 2) > canvas.width / 2 + camera.focal * self.length / self.z:
            return
        faces = _MODELS[self.kind](self.length, self.width, self.lights or weather.lamps, rng)
        eye = np.array([0.0, camera.eye, 0.0])
        parts = [np.asarray(part, float) for face in faces for part in (face.points, *(d[0] for d in face.details))]
        street = self._place(np.concatenate(parts))
        cuts = np.cumsum([len(part) for part in parts])[:-1]
        pixels = iter(np.split(camera.project(street), cuts))
        street[:, 0] += camera.bend * street[:, 2] ** 2
        corners = iter(np.split(street, cuts))
        center = np.array([self.x + camera.bend * self.z**2, 0.9, self.z])
        visible = []
        for face in faces:
            outlines, points = [next(pixels) for _ in range(1 + len(face.details))], next(corners)
            for _ in face.details:
                next(corners)
            normal = _normal(points, center)
            middle = points.mean(axis=0)
            if normal @ (middle - eye) < 0:
                visible.append((float(np.linalg.norm(middle - eye)), normal, face, outlines))
        canvas.begin()
        for _, normal, face, outlines in sorted(visible, key=lambda item: -item[0]):
            self._paint_face(canvas, weather, normal, face, outlines)
        canvas.finish(
            lambda h, w: (
                np.linspace(1.1, 0.86, h, dtype=np.float32)[:, None]
                + 0.10 * bank.crop(rng, (h, w), 'coarse', max(0.3, h / 200))
                + 0.03 * bank.crop(rng, (h, w), 'fine')
            )
        )

    def _paint_face(self, canvas: Canvas, weather: Weather, normal: np.ndarray, face: Face, outlines: list) -> None:
        light = weather.shade(normal)
        sky = weather.horizon * face.gloss * (0.4 + max(normal[1], 0)) * weather.ambient.mean()
        canvas.polygon(outlines[0], face.color * light * (1 - face.gloss) + sky, self.label, self.z)
        for (_, color, shines), outline in zip(face.details, outlines[1:], strict=True):
            low, high = outline.min(axis=0), outline.max(axis=0)
            if (high - low).max() > 1.2:  # smaller ones would not show
                shown = color if shines else np.asarray(color) * light * 0.9 + sky * 0.8
                canvas.polygon(outline, shown, None, self.z)

    def _place(self, points: np.ndarray) -> np.ndarray:
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        points = np.asarray(points, float)
        return np.column_stack(
            [
                self.x + points[:, 0] * cos + points[:, 2] * sin,
                points[:, 1],
                self.z - points[:, 0] * sin + points[:, 2] * cos,
            ]
        )


def _normal(points: np.ndarray, center: np.ndarray) -> np.ndarray:
    """Unit normal of a face, turned away from the middle of its vehicle."""
    (ax, ay, az), (bx, by, bz) = points[1] - points[0], points[2] - points[1]
    normal = np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])
    normal /= np.sqrt(normal @ normal) + 1e-9
    return -normal if normal @ (points.mean(axis=0) - center) < 0 else normal


def _circle(x: float, y: float, z: float, radius: float) -> np.ndarray:
    angle = np.arange(16) * np.pi / 8
    return np.stack([np.full(16, x), y + radius * np.sin(angle), z + radius * np.cos(angle)], axis=1)


def _wheels(x: float, radius: float, positions) -> list:
    details = []
    for z in positions:
        details.append((_circle(x, radius * 1.08, z, radius * 1.22), (22, 22, 22), False))
        details.append((_circle(x, radius, z, radius), _TYRE, False))
        details.append((_circle(x, radius, z, 0.6 * radius), (120, 122, 125), False))
        details.append((_circle(x, radius, z, 0.2 * radius), (60, 60, 60), False))
    return details


def _strip(first, second, half: float, belt: float, roof: float) -> np.ndarray:
    """Quad across the vehicle between two profile points (z, y); the body narrows above the belt line."""
    a, b = (half * _narrow(point[1], belt, roof) for point in (first, second))
    return np.array(
        [(-a, first[1], first[0]), (a, first[1], first[0]), (b, second[1], second[0]), (-b, second[1], second[0])]
    )


def _narrow(y: float, belt: float, roof: float) -> float:
    return 1 - 0.2 * max(0.0, y - belt) / max(roof - belt, 1e-6)


def _inset(points: np.ndarray, share: float) -> np.ndarray:
    return points.mean(axis=0) + (points - points.mean(axis=0)) * share


# Profiles from the rear bumper over the roof to the front bumper: share of the length, height in metres.
_PROFILES = {
    'sedan': [
        (-0.49, 0.22),
        (-0.5, 0.72),
        (-0.47, 0.98),
        (-0.33, 1.02),
        (-0.17, 1.42),
        (0.06, 1.45),
        (0.25, 1.0),
        (0.44, 0.84),
        (0.5, 0.6),
        (0.49, 0.22),
    ],
    'hatch': [
        (-0.49, 0.22),
        (-0.5, 0.75),
        (-0.48, 1.0),
        (-0.47, 1.02),
        (-0.36, 1.46),
        (0.05, 1.5),
        (0.25, 1.02),
        (0.45, 0.86),
        (0.5, 0.6),
        (0.49, 0.22),
    ],
    'suv': [
        (-0.49, 0.3),
        (-0.5, 0.85),
        (-0.49, 1.1),
        (-0.48, 1.12),
        (-0.42, 1.66),
        (0.08, 1.72),
        (0.25, 1.16),
        (0.46, 1.04),
        (0.5, 0.7),
        (0.49, 0.3),
    ],
    'van': [
        (-0.49, 0.28),
        (-0.5, 0.9),
        (-0.5, 1.1),
        (-0.495, 1.12),
        (-0.47, 2.0),
        (0.2, 2.02),
        (0.38, 1.15),
        (0.47, 0.95),
        (0.5, 0.65),
        (0.49, 0.28),
    ],
}


def _paint(rng: np.random.Generator) -> np.ndarray:
    kind = rng.random()
    if kind < 0.6:
        return hsv(
            rng.random(), rng.uniform(0, 0.1), pick(rng, [0.1, 0.2, 0.4, 0.6, 0.75, 0.9]) * rng.uniform(0.9, 1.1)
        )
    return hsv(pick(rng, [0.0, 0.02, 0.58, 0.62, 0.35, 0.12, 0.08]), rng.uniform(0.4, 0.85), rng.uniform(0.25, 0.75))


def _car(length: float, width: float, lights: bool, rng: np.random.Generator, kind: str | None = None) -> list[Face]:
    kind = kind or pick(rng, ['sedan', 'hatch', 'suv'])
    profile = [(z * length, y) for z, y in _PROFILES[kind]]
    half, belt, roof, paint = width / 2, profile[3][1], profile[5][1], _paint(rng)
    faces = []
    for number, (first, second) in enumerate(zip(profile[:-1], profile[1:], strict=True)):
        quad = _strip(first, second, half, belt, roof)
        face = Face(quad, paint)
        if number in (3, 5):
            face.details.append((_inset(quad, 0.88), _GLASS, False))
        if number == 0:
            face.details += _rear(profile, half, lights, rng)
        if number in (7, 8):
            face.details += _front(quad, number, half, lights)
        faces.append(face)
    for side in (-half, half):
        low = np.array([(side, y, z) for z, y in profile[:4] + profile[6:]])
        faces.append(
            Face(
                low,
                paint,
                _wheels(side, 0.33, (-0.31 * length, 0.31 * length))
                + [
                    (
                        np.array(
                            [
                                (side, 0.62, -0.12 * length),
                                (side, 0.62, 0.2 * length),
                                (side, 0.59, 0.2 * length),
                                (side, 0.59, -0.12 * length),
                            ]
                        ),
                        paint * 0.7,
                        False,
                    )
                ],
            )
        )
        top = np.array([(side * _narrow(y, belt, roof), y, z) for z, y in profile[3:7]])
        pane = _inset(top, 0.84)
        pillar = top.mean(axis=0)[2]
        post = np.array(
            [
                (side * 0.99, belt, pillar - 0.06),
                (side * 0.82, roof, pillar - 0.06),
                (side * 0.82, roof, pillar + 0.06),
                (side * 0.99, belt, pillar + 0.06),
            ]
        )
        faces.append(Face(top, paint, [(pane, _GLASS, False), (post, paint * 0.8, False)]))
    return faces


def _rear(profile, half: float, lights: bool, rng: np.random.Generator) -> list:
    """Tail lamps, number plate and bumper of the rear face."""
    z, low, high = profile[1][0], profile[0][1], profile[1][1]
    lamp = np.array((30, 30, 235) if lights else (28, 24, 150))
    details = [(_box2(z, -half, low, half, low + 0.2), np.array((40, 40, 42)), False)]
    for side in (-1, 1):
        details.append((_box2(z, side * half * 0.98, high - 0.22, side * half * 0.66, high - 0.02), lamp, lights))
    details.append((_box2(z, -0.26, high - 0.3, 0.26, high - 0.18), np.array((215, 222, 225)), False))
    return details


def _front(quad: np.ndarray, number: int, half: float, lights: bool) -> list:
    """Headlamps and grille."""
    if number == 7:
        return []
    z, low, high = quad[:, 2].mean(), quad[:, 1].min(), quad[:, 1].max()
    lamp = np.array((235, 245, 250) if lights else (190, 195, 195))
    details = [
        (_box2(z + 0.02, -0.5 * half, low + 0.12, 0.5 * half, high - 0.05), np.array((28, 28, 28)), False),
        (_box2(z + 0.02, -0.26, low + 0.06, 0.26, low + 0.17), np.array((215, 222, 225)), False),
    ]
    for side in (-1, 1):
        details.append((_box2(z + 0.02, side * half * 0.95, high - 0.16, side * half * 0.6, high), lamp, lights))
    return details


def _box2(z: float, x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    """Rectangle across the vehicle at ``z``."""
    return np.array([(x0, y0, z), (x0, y1, z), (x1, y1, z), (x1, y0, z)])


def _side2(x: float, z0: float, y0: float, z1: float, y1: float) -> np.ndarray:
    """Rectangle along the vehicle at ``x``."""
    return np.array([(x, y0, z0), (x, y1, z0), (x, y1, z1), (x, y0, z1)])


def _box(half: float, low: float, high: float, rear: float, front: float, color, gloss: float = 0.1) -> list[Face]:
    """Rear, front, left, right and top of a box, in this order."""
    top = np.array([(-half, high, rear), (half, high, rear), (half, high, front), (-half, high, front)])
    return [
        Face(_box2(rear, -half, low, half, high), color, gloss=gloss),
        Face(_box2(front, -half, low, half, high), color, gloss=gloss),
        Face(_side2(-half, rear, low, front, high), color, gloss=gloss),
        Face(_side2(half, rear, low, front, high), color, gloss=gloss),
        Face(top, color, gloss=gloss),
    ]


def _van(length: float, width: float, lights: bool, rng: np.random.Generator) -> list[Face]:
    return _car(length, width, lights, rng, kind='van')


def _bus(length: float, width: float, lights: bool, rng: np.random.Generator) -> list[Face]:
    half, b = width / 2, length / 2
    paint = hsv(pick(rng, [0.0, 0.02, 0.13, 0.35, 0.58, 0.65]), rng.uniform(0.1, 0.75), rng.uniform(0.45, 0.85))
    band = hsv(rng.random(), rng.uniform(0, 0.5), rng.uniform(0.3, 0.95))
    faces = _box(half, 0.3, 3.1, -b, b, paint)
    faces[0].details += [
        (_box2(-b, -0.8 * half, 1.7, 0.8 * half, 2.7), _GLASS, False),
        (_box2(-b, -half, 0.3, half, 0.75), band * 0.6, False),
    ]
    faces[1].details += [
        (_box2(b, -0.92 * half, 1.15, 0.92 * half, 2.55), _GLASS, False),
        (_box2(b, -0.7 * half, 2.7, 0.7 * half, 2.98), (30, 150, 220) if lights else (35, 40, 45), lights),
    ]
    for side, z in ((-1, -b), (1, -b), (-1, b), (1, b)):
        lamp = (30, 26, 190) if z < 0 else (225, 232, 235)
        faces[int(z > 0)].details.append(
            (_box2(z, side * half * 0.95, 0.85, side * half * 0.72, 1.1), np.array(lamp), lights)
        )
    for face, side in ((faces[2], -half), (faces[3], half)):
        face.details += [
            (_side2(side, -b, 0.35, b, 0.8), band, False),
            (_side2(side, -b + 0.3, 1.35, b - 0.3, 2.5), _GLASS, False),
        ]
        for z in np.arange(-b + 1.7, b - 1, 1.5):
            face.details.append((_side2(side, z, 1.35, z + 0.1, 2.5), paint * 0.8, False))
        face.details += _wheels(side, 0.48, (-0.28 * length, 0.3 * length))
    return faces


def _truck(length: float, width: float, lights: bool, rng: np.random.Generator) -> list[Face]:
    half, b = width / 2, length / 2
    cab_paint, cab = _paint(rng), b - 1.9
    cargo = pick(
        rng, [hsv(0, 0, rng.uniform(0.6, 0.9)), hsv(rng.random(), rng.uniform(0.1, 0.6), rng.uniform(0.35, 0.75))]
    )
    high = rng.uniform(2.7, 3.6)
    faces = _box(half, 0.95, high, -b, cab - 0.2, cargo, 0.05)
    chassis = _box(0.9 * half, 0.45, 0.95, -b + 0.1, cab, np.array((36, 36, 38)), 0.0)
    front = _box(0.96 * half, 0.4, min(2.6, high - 0.2), cab, b, cab_paint)
    faces[0].details += [
        (_box2(-b, -0.03, 1.0, 0.03, high - 0.05), cargo * 0.6, False),
        (_box2(-b, -half, 0.95, half, 1.05), (40, 40, 40), False),
    ]
    for side in (-1, 1):
        chassis[0].details.append(
            (_box2(-b + 0.1, side * half * 0.88, 0.6, side * half * 0.6, 0.8), np.array((28, 24, 190)), lights)
        )
        front[1].details.append(
            (_box2(b, side * half * 0.9, 0.7, side * half * 0.62, 0.95), np.array((225, 232, 235)), lights)
        )
    front[1].details += [
        (_box2(b, -0.86 * half, 1.5, 0.86 * half, 2.35), _GLASS, False),
        (_box2(b, -0.5 * half, 0.8, 0.5 * half, 1.3), (35, 35, 35), False),
    ]
    sign = hsv(rng.random(), 0.7, 0.6)
    for number, side in ((2, -half), (3, half)):
        faces[number].details.append((_side2(side, -0.5 * b, 1.5, 0.3 * b, 0.75 * high), sign, False))
        front[number].details.append((_side2(side * 0.96, cab + 0.5, 1.5, b - 0.3, 2.3), _GLASS, False))
        front[number].details += _wheels(side * 0.96, 0.46, (b - 0.9,))
        chassis[number].details += _wheels(side * 0.9, 0.46, (-b + 1.2,))
    return chassis + faces + front


def _train(length: float, width: float, lights: bool, rng: np.random.Generator) -> list[Face]:
    half, b = width / 2, length / 2
    paint = pick(
        rng, [hsv(0.0, 0.8, 0.65), hsv(0.13, 0.75, 0.85), hsv(0.0, 0.02, 0.85), hsv(0.6, 0.6, 0.6), hsv(0.38, 0.5, 0.5)]
    )
    trim = pick(rng, [hsv(0, 0, 0.9), hsv(0, 0, 0.25), hsv(0.0, 0.7, 0.55)])
    faces = _box(half, 0.25, 3.4, -b, b, paint)
    for number, z in ((0, -b), (1, b)):
        faces[number].details += [
            (_box2(z, -0.82 * half, 1.4, 0.82 * half, 2.8), _GLASS, False),
            (_box2(z, -half, 0.25, half, 0.6), trim * 0.5, False),
            (_box2(z, -0.6 * half, 2.95, 0.6 * half, 3.25), (40, 170, 235), lights),
        ]
        for side in (-1, 1):
            faces[number].details.append(
                (
                    _box2(z, side * half * 0.85, 0.8, side * half * 0.6, 1.0),
                    np.array((30, 26, 190) if z < 0 else (235, 242, 245)),
                    lights,
                )
            )
    for number, side in ((2, -half), (3, half)):
        details = faces[number].details
        details.append((_side2(side, -b, 0.25, b, 1.0), trim, False))
        details.append((_side2(side, -b, 3.05, b, 3.4), trim * 0.8, False))
        for z in np.arange(-b + 0.5, b - 1.5, 2.2):
            details.append((_side2(side, z, 1.3, z + 1.9, 2.75), _GLASS, False))
        for z in np.arange(-b + 3.2, b - 2, 7.0):
            details.append((_side2(side, z, 0.35, z + 1.3, 2.75), _GLASS * 1.3, False))
    return faces


_MODELS = {'car': _car, 'van': _van, 'truck': _truck, 'bus': _bus, 'train': _train}
