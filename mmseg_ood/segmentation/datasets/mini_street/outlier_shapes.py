"""Families of shapes for things that no street class knows.

Two registries, one for the auxiliary outliers of training and one for the anomalies of the test set, share no family:
what the network meets in the test has a kind of outline that it never saw.
"""

from collections.abc import Callable

import cv2
import numpy as np

from .noise import pick

TRAIN_SHAPES: dict[str, Callable] = {}
TEST_SHAPES: dict[str, Callable] = {}


class Clay:
    """A body built up from parts, each a bulging or flat piece in front of the earlier ones.

    Coordinates are shares of the picture's side: x to the right, y down, the ground at y = 0.97.

    Args:
        size: Side of the picture in pixels.

    Attributes:
        mask: bool (size, size), the body.
        height: float32 (size, size), relief towards the viewer in pixels.
        part: int16 (size, size), number of the part that shows, -1 outside.
        tint: Brightness of each part, relative.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.mask = np.zeros((size, size), bool)
        self.height = np.zeros((size, size), np.float32)
        self.part = np.full((size, size), -1, np.int16)
        self.tint: list[float] = []

    def polygon(self, points, bulge: float = 1.0, tint: float = 1.0) -> None:
        """Add a polygon (N, 2)."""
        piece = np.zeros((self.size, self.size), np.uint8)
        fixed = np.round(np.asarray(points, float) * self.size * 16).astype(np.int32)
        cv2.fillPoly(piece, [fixed], 255, shift=4)
        self._add(piece, bulge, tint)

    def ellipse(self, center, radii, turn: float = 0.0, bulge: float = 1.0, tint: float = 1.0) -> None:
        """Add an ellipse, turned by ``turn`` radians."""
        angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        x, y = radii[0] * np.cos(angle), radii[1] * np.sin(angle)
        cos, sin = np.cos(turn), np.sin(turn)
        self.polygon(np.stack([center[0] + x * cos - y * sin, center[1] + x * sin + y * cos], 1), bulge, tint)

    def path(self, points, width: float, bulge: float = 1.0, tint: float = 1.0) -> None:
        """Add a round-ended line through points (N, 2)."""
        piece = np.zeros((self.size, self.size), np.uint8)
        fixed = np.round(np.asarray(points, float) * self.size * 16).astype(np.int32)
        cv2.polylines(piece, [fixed], False, 255, max(2, int(round(width * self.size))), shift=4)
        self._add(piece, bulge, tint)

    def stroke_mask(self, piece: np.ndarray, bulge: float = 1.0, tint: float = 1.0) -> None:
        """Add a part given as a uint8 picture."""
        self._add(piece, bulge, tint)

    def hole(self, center, radii) -> None:
        """Cut an ellipse out."""
        piece = np.zeros((self.size, self.size), np.uint8)
        middle, axes = (tuple(int(v * self.size) for v in pair) for pair in (center, radii))
        cv2.ellipse(piece, middle, axes, 0, 0, 360, 255, -1)
        self.mask[piece > 0] = False
        self.part[piece > 0] = -1

    def _add(self, piece: np.ndarray, bulge: float, tint: float) -> None:
        inside = piece > 127
        if not inside.any():
            return
        padded = cv2.copyMakeBorder(inside.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        depth = cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1]
        thick = float(depth.max())
        level = np.clip(depth / thick, 0, 1)
        relief = bulge * thick * np.sqrt(np.clip(1 - (1 - level) ** 2, 0, 1))
        self.height[inside] = (relief + self.height.max() * 0.02)[inside]
        self.mask |= inside
        self.part[inside] = len(self.tint)
        self.tint.append(tint)


def _train(make: Callable) -> Callable:
    TRAIN_SHAPES[make.__name__.lstrip('_')] = make
    return make


def _test(make: Callable) -> Callable:
    TEST_SHAPES[make.__name__.lstrip('_')] = make
    return make


def _polar(radius: np.ndarray, squash: float = 1.0, center=(0.5, 0.5)) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, len(radius), endpoint=False)
    return np.stack([center[0] + radius * np.cos(angle), center[1] + squash * radius * np.sin(angle)], axis=1)


# ---------------------------------------------------------------------------------------------- training families


@_train
def _blob(clay: Clay, rng: np.random.Generator) -> None:
    angle = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    radius = np.ones(90)
    for order in range(2, 7):
        radius += rng.uniform(0, 0.5 / order) * np.cos(order * angle + rng.uniform(0, 6.3))
    radius = np.maximum(radius, 0.25)
    clay.polygon(_polar(0.44 * radius / radius.max(), rng.uniform(0.6, 1)), rng.uniform(0.5, 1.2))


@_train
def _polyhedron(clay: Clay, rng: np.random.Generator) -> None:
    sides = int(rng.integers(4, 9))
    angle = np.sort(rng.uniform(0, 2 * np.pi / sides, sides) + np.arange(sides) * 2 * np.pi / sides)
    ring = np.stack([0.5 + 0.44 * np.cos(angle), 0.5 + 0.44 * np.sin(angle)], axis=1)
    apex = 0.5 + rng.uniform(-0.15, 0.15, 2)
    for first, second in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        clay.polygon([first, second, apex], 0.05, rng.uniform(0.55, 1.3))


@_train
def _star(clay: Clay, rng: np.random.Generator) -> None:
    tips = int(rng.integers(4, 10))
    radius = np.where(np.arange(2 * tips) % 2 == 0, 0.45, 0.45 * rng.uniform(0.3, 0.65))
    clay.polygon(_polar(radius), rng.uniform(0.4, 1.0))


@_train
def _gear(clay: Clay, rng: np.random.Generator) -> None:
    teeth = int(rng.integers(7, 14))
    phase = np.arange(teeth * 8) % 8
    clay.polygon(_polar(np.where(phase < 4, 0.45, 0.45 * rng.uniform(0.72, 0.85))), 0.3)
    if rng.random() < 0.7:
        clay.hole((0.5, 0.5), (0.14, 0.14))


@_train
def _quadruped(clay: Clay, rng: np.random.Generator) -> None:
    body = rng.uniform(0.11, 0.17)
    hip, neck, top = rng.uniform(0.22, 0.3), rng.uniform(0.68, 0.76), rng.uniform(0.45, 0.55)
    thin = rng.uniform(0.04, 0.07)
    for x in (hip, hip + 0.07, neck - 0.05, neck + 0.02):
        foot = x + rng.uniform(-0.06, 0.06)
        clay.path([(x, top), ((x + foot) / 2 + 0.02, 0.75), (foot, 0.95)], thin, tint=rng.uniform(0.75, 1.0))
    clay.ellipse(((hip + neck) / 2, top), ((neck - hip) / 2 + 0.09, body))
    head = (neck + rng.uniform(0.09, 0.16), top - rng.uniform(0.12, 0.28))
    clay.path([(neck, top - 0.03), head], rng.uniform(0.08, 0.13))
    clay.ellipse(head, (rng.uniform(0.08, 0.12), 0.065), rng.uniform(-0.2, 0.5))
    for lean in (-0.05, 0.02):
        clay.polygon(
            [
                (head[0] + lean - 0.025, head[1] - 0.04),
                (head[0] + lean, head[1] - rng.uniform(0.1, 0.16)),
                (head[0] + lean + 0.03, head[1] - 0.04),
            ],
            tint=0.8,
        )
    clay.path([(hip - 0.06, top - 0.04), (hip - 0.14, top + 0.02), (hip - 0.15, top + rng.uniform(0.05, 0.22))], 0.03)


@_train
def _chair(clay: Clay, rng: np.random.Generator) -> None:
    seat, leg = rng.uniform(0.5, 0.62), rng.uniform(0.035, 0.06)
    for x, low in ((0.25, 0.95), (0.72, 0.95), (0.36, 0.86), (0.82, 0.86)):
        clay.path([(x, seat), (x + rng.uniform(-0.02, 0.02), low)], leg, tint=0.8)
    clay.polygon([(0.22, seat), (0.74, seat), (0.86, seat - 0.1), (0.36, seat - 0.1)], 0.1, 1.2)
    clay.polygon([(0.22, seat), (0.74, seat), (0.74, seat + 0.06), (0.22, seat + 0.06)], 0.1, 0.8)
    if rng.random() < 0.7:
        clay.polygon([(0.36, seat - 0.1), (0.86, seat - 0.1), (0.88, 0.08), (0.38, 0.08)], 0.1, 1.0)


@_train
def _cabinet(clay: Clay, rng: np.random.Generator) -> None:
    wide, top, skew = rng.uniform(0.4, 0.6), rng.uniform(0.2, 0.45), rng.uniform(0.08, 0.22)
    clay.polygon([(0.1, top), (0.1 + wide, top), (0.1 + wide, 0.95), (0.1, 0.95)], 0.02, 1.0)
    clay.polygon([(0.1, top), (0.1 + wide, top), (0.1 + wide + skew, top - 0.1), (0.1 + skew, top - 0.1)], 0.02, 1.3)
    clay.polygon(
        [(0.1 + wide, top), (0.1 + wide + skew, top - 0.1), (0.1 + wide + skew, 0.84), (0.1 + wide, 0.95)], 0.02, 0.6
    )
    for row in np.linspace(top + 0.04, 0.9, int(rng.integers(2, 5)))[:-1]:
        clay.polygon([(0.14, row), (0.06 + wide, row), (0.06 + wide, row + 0.1), (0.14, row + 0.1)], 0.3, 0.85)


@_train
def _letter(clay: Clay, rng: np.random.Generator) -> None:
    piece = np.zeros((clay.size, clay.size), np.uint8)
    text = pick(rng, list('AEFGHKMNRSTWXYZ25'))
    face = pick(rng, [cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX])
    thick = int(clay.size * rng.uniform(0.1, 0.15))
    (w, h), _ = cv2.getTextSize(text, face, 1.0, 1)
    scale = 0.66 * clay.size / max(w, h)
    cv2.putText(
        piece,
        text,
        (int((clay.size - w * scale) / 2), int((clay.size + h * scale) / 2)),
        face,
        scale,
        255,
        thick,
        cv2.LINE_AA,
    )
    clay.stroke_mask(piece, rng.uniform(0.3, 1))


@_train
def _vase(clay: Clay, rng: np.random.Generator) -> None:
    knots = np.array(
        [
            rng.uniform(0.08, 0.2),
            rng.uniform(0.05, 0.14),
            rng.uniform(0.15, 0.38),
            rng.uniform(0.12, 0.36),
            rng.uniform(0.1, 0.22),
        ]
    )
    rows = np.linspace(0, 1, 60)
    radius = np.interp(rows, np.linspace(0, 1, 5), knots)
    radius = np.convolve(np.pad(radius, 6, mode='edge'), np.ones(13) / 13, mode='valid')
    y = 0.06 + 0.9 * rows
    clay.polygon(np.concatenate([np.stack([0.5 - radius, y], 1), np.stack([0.5 + radius, y], 1)[::-1]]))
    clay.ellipse((0.5, 0.065), (radius[0], 0.03), bulge=-0.4, tint=0.5)


@_train
def _fish(clay: Clay, rng: np.random.Generator) -> None:
    deep = rng.uniform(0.12, 0.24)
    clay.polygon(
        [(0.3, 0.5), (0.06, 0.5 - rng.uniform(0.1, 0.22)), (0.12, 0.5), (0.06, 0.5 + rng.uniform(0.1, 0.22))], 0.4, 0.8
    )
    clay.polygon([(0.45, 0.5 - 0.8 * deep), (0.6, 0.42 - deep), (0.7, 0.5 - 0.7 * deep)], 0.3, 0.8)
    clay.ellipse((0.58, 0.5), (0.34, deep))
    clay.ellipse((0.8, 0.46), (0.025, 0.025), tint=0.3)


@_train
def _mushroom(clay: Clay, rng: np.random.Generator) -> None:
    stem, cap = rng.uniform(0.06, 0.13), rng.uniform(0.3, 0.45)
    clay.polygon([(0.5 - stem, 0.4), (0.5 + stem, 0.4), (0.5 + 1.2 * stem, 0.95), (0.5 - 1.2 * stem, 0.95)], 1, 1.2)
    angle = np.linspace(np.pi, 2 * np.pi, 30)
    dome = np.stack([0.5 + cap * np.cos(angle), 0.48 + rng.uniform(0.25, 0.42) * np.sin(angle)], 1)
    clay.polygon(np.concatenate([dome, [(0.5 + 0.5 * cap, 0.53), (0.5 - 0.5 * cap, 0.53)]]), 0.8, 0.9)


@_train
def _ring(clay: Clay, rng: np.random.Generator) -> None:
    squash, thick = rng.uniform(0.55, 1), rng.uniform(0.1, 0.2)
    angle = np.linspace(0, 2 * np.pi, 60)
    reach = 0.45 - thick / 2
    clay.path(np.stack([0.5 + reach * np.cos(angle), 0.5 + squash * reach * np.sin(angle)], 1), thick)


@_train
def _cross(clay: Clay, rng: np.random.Generator) -> None:
    arms, thick = int(rng.integers(3, 7)), rng.uniform(0.1, 0.18)
    for angle in np.arange(arms) * 2 * np.pi / arms + rng.uniform(0, 3):
        clay.path([(0.5, 0.5), (0.5 + 0.38 * np.cos(angle), 0.5 + 0.38 * np.sin(angle))], thick)


@_train
def _ball(clay: Clay, rng: np.random.Generator) -> None:
    clay.ellipse((0.5, 0.55), (0.4, 0.4 * rng.uniform(0.8, 1.0)), bulge=1.0)


@_train
def _bunch(clay: Clay, rng: np.random.Generator) -> None:
    for _ in range(int(rng.integers(6, 14))):
        radius = rng.uniform(0.09, 0.17)
        clay.ellipse(0.5 + rng.uniform(-0.28, 0.28, 2), (radius, radius), tint=rng.uniform(0.8, 1.15))


@_train
def _insect(clay: Clay, rng: np.random.Generator) -> None:
    for row in np.linspace(0.38, 0.7, 3):
        for side in (-1, 1):
            knee = (0.5 + side * rng.uniform(0.22, 0.3), row - 0.12)
            clay.path([(0.5, row), knee, (0.5 + side * rng.uniform(0.36, 0.44), row + 0.14)], 0.035, tint=0.7)
    for y, r in ((0.72, 0.17), (0.48, 0.12), (0.3, 0.09)):
        clay.ellipse((0.5, y), (r * rng.uniform(0.8, 1), r))


@_train
def _bent_pipe(clay: Clay, rng: np.random.Generator) -> None:
    t = np.linspace(0, 1, 50)
    x = 0.12 + 0.76 * t
    y = 0.5 + rng.uniform(0.1, 0.28) * np.sin(t * rng.uniform(3, 9) + rng.uniform(0, 6))
    clay.path(np.stack([x, y], 1) if rng.random() < 0.5 else np.stack([y, x], 1), rng.uniform(0.1, 0.2))


@_train
def _leafy(clay: Clay, rng: np.random.Generator) -> None:
    clay.path([(0.5, 0.95), (0.5, 0.4)], 0.05)
    for number in range(int(rng.integers(3, 7))):
        side = -1 if number % 2 else 1
        y = 0.75 - 0.1 * number
        clay.ellipse(
            (0.5 + side * 0.19, y),
            (0.2, rng.uniform(0.06, 0.1)),
            -side * rng.uniform(0.3, 0.8),
            0.5,
            rng.uniform(0.8, 1.2),
        )


# --------------------------------------------------------------------------------------------------- test families


@_test
def _bird(clay: Clay, rng: np.random.Generator) -> None:
    for x in (0.46, 0.56):
        clay.path([(x, 0.68), (x + 0.01, 0.93), (x + 0.07, 0.95)], 0.028, tint=0.7)
    clay.polygon([(0.26, 0.62), (0.04, 0.74), (0.06, 0.8), (0.32, 0.72)], 0.4, 0.75)
    clay.ellipse((0.48, 0.58), (0.27, rng.uniform(0.16, 0.22)), -0.25)
    clay.path([(0.66, 0.5), (0.72, rng.uniform(0.2, 0.34))], 0.11)
    clay.ellipse((0.74, 0.25), (0.085, 0.075))
    clay.polygon([(0.8, 0.22), (0.95, 0.26), (0.8, 0.3)], 0.3, 1.3)
    clay.ellipse((0.42, 0.57), (0.2, 0.1), -0.3, 0.5, 0.8)


@_test
def _boat(clay: Clay, rng: np.random.Generator) -> None:
    deck = rng.uniform(0.55, 0.68)
    clay.polygon([(0.03, deck), (0.97, deck - 0.05), (0.85, 0.95), (0.18, 0.95)], 0.5)
    clay.polygon([(0.3, deck), (0.68, deck - 0.02), (0.64, deck - 0.2), (0.34, deck - 0.2)], 0.1, 1.25)
    clay.path([(0.5, deck - 0.15), (0.5, 0.08)], 0.03, tint=0.7)
    if rng.random() < 0.6:
        clay.polygon([(0.53, 0.1), (0.53, deck - 0.24), (0.86, deck - 0.24)], 0.15, 1.3)


@_test
def _suitcase(clay: Clay, rng: np.random.Generator) -> None:
    top, wide = rng.uniform(0.35, 0.45), rng.uniform(0.26, 0.4)
    clay.path(
        [
            (0.5 - 0.4 * wide, top + 0.02),
            (0.5 - 0.4 * wide, top - 0.16),
            (0.5 + 0.4 * wide, top - 0.16),
            (0.5 + 0.4 * wide, top + 0.02),
        ],
        0.04,
        tint=0.6,
    )
    for x in (-0.7, 0.7):
        clay.ellipse((0.5 + x * wide, 0.92), (0.04, 0.04), tint=0.4)
    r = 0.07
    corners = [(0.5 + sx * (wide - r), y) for sx, y in ((-1, top + r), (1, top + r), (1, 0.9 - r), (-1, 0.9 - r))]
    outline = np.concatenate(
        [
            np.stack([cx + r * np.cos(a), cy + r * np.sin(a)], 1)
            for (cx, cy), a in zip(
                corners, (np.linspace(s, s + np.pi / 2, 6) for s in (np.pi, 1.5 * np.pi, 0, 0.5 * np.pi)), strict=True
            )
        ]
    )
    clay.polygon(outline, 0.25)
    for x in (-0.35, 0.35):
        clay.path([(0.5 + x * wide, top + 0.02), (0.5 + x * wide, 0.88)], 0.025, 0.5, 0.75)


@_test
def _cone(clay: Clay, rng: np.random.Generator) -> None:
    base, tip = rng.uniform(0.26, 0.38), rng.uniform(0.03, 0.1)
    clay.ellipse((0.5, 0.9), (base + 0.1, 0.06), tint=0.8)
    for row in range(5):
        low, high = 0.9 - row * 0.16, 0.9 - (row + 1) * 0.16
        a, b = (base + (tip - base) * (0.9 - y) / 0.8 for y in (low, high))
        clay.polygon([(0.5 - a, low), (0.5 - b, high), (0.5 + b, high), (0.5 + a, low)], 0.6, 1.25 if row % 2 else 0.8)


@_test
def _cactus(clay: Clay, rng: np.random.Generator) -> None:
    thick = rng.uniform(0.14, 0.2)
    for side, low, high in (
        (-1, rng.uniform(0.55, 0.7), rng.uniform(0.2, 0.4)),
        (1, rng.uniform(0.45, 0.65), rng.uniform(0.15, 0.35)),
    ):
        clay.path([(0.5, low), (0.5 + side * 0.3, low), (0.5 + side * 0.3, high)], 0.7 * thick, tint=0.9)
    clay.path([(0.5, 0.9), (0.5, 0.14)], thick)


@_test
def _kettle(clay: Clay, rng: np.random.Generator) -> None:
    clay.path([(0.68, 0.62), (0.86, 0.5), (0.94, 0.38)], 0.08, tint=0.9)
    angle = np.linspace(0.85 * np.pi, 2.15 * np.pi, 24)
    clay.path(
        np.stack([0.46 + 0.26 * np.cos(angle), 0.42 + rng.uniform(0.24, 0.32) * np.sin(angle)], 1), 0.05, tint=0.6
    )
    clay.ellipse((0.46, 0.68), (0.32, 0.27))
    clay.ellipse((0.46, 0.44), (0.17, 0.05), tint=1.2)
    clay.ellipse((0.46, 0.38), (0.04, 0.04), tint=0.5)


@_test
def _snowman(clay: Clay, rng: np.random.Generator) -> None:
    y = 0.95
    for radius in np.array([0.27, 0.19, 0.13]) * rng.uniform(0.85, 1.05):
        clay.ellipse((0.5 + rng.uniform(-0.02, 0.02), y - 0.9 * radius), (radius, 0.92 * radius))
        y -= 1.6 * radius
    for side in (-1, 1):
        clay.path([(0.5 + side * 0.15, 0.5), (0.5 + side * 0.36, rng.uniform(0.3, 0.5))], 0.03, tint=0.5)


@_test
def _crescent(clay: Clay, rng: np.random.Generator) -> None:
    angle = np.linspace(0.6, 2 * np.pi - 0.6, 40) + rng.uniform(-0.7, 0.7)
    outer = np.stack([0.5 + 0.45 * np.cos(angle), 0.5 + 0.45 * np.sin(angle)], 1)
    away = angle.mean() + np.pi
    inner = np.stack([0.5 + 0.27 * np.cos(angle), 0.5 + 0.27 * np.sin(angle)], 1)
    inner += 0.1 * np.array([np.cos(away), np.sin(away)])
    clay.polygon(np.concatenate([outer, inner[::-1]]), 0.7)


@_test
def _armchair(clay: Clay, rng: np.random.Generator) -> None:
    top = rng.uniform(0.2, 0.32)
    clay.ellipse((0.5, top + 0.2), (0.34, 0.24), bulge=0.4, tint=0.9)
    clay.polygon([(0.16, 0.62), (0.84, 0.62), (0.84, 0.92), (0.16, 0.92)], 0.3)
    clay.ellipse((0.5, 0.64), (0.3, 0.09), bulge=0.8, tint=1.2)
    for x in (0.15, 0.85):
        clay.ellipse((x, 0.56), (0.1, 0.1), bulge=0.8, tint=1.05)
        clay.polygon([(x - 0.09, 0.58), (x + 0.09, 0.58), (x + 0.08, 0.93), (x - 0.08, 0.93)], 0.3, 0.85)


@_test
def _elephant(clay: Clay, rng: np.random.Generator) -> None:
    for x, tint in ((0.26, 0.7), (0.58, 0.7), (0.2, 0.9), (0.5, 0.9)):
        clay.path([(x, 0.55), (x, 0.9)], 0.12, tint=tint)
    clay.ellipse((0.38, 0.46), (0.3, 0.24))
    clay.ellipse((0.7, 0.36), (0.15, 0.15))
    swing = rng.uniform(-0.05, 0.15)
    clay.path([(0.8, 0.4), (0.86, 0.6), (0.84 + 0.5 * swing, 0.76), (0.86 + swing, 0.85)], 0.075)
    clay.ellipse((0.62, 0.36), (0.09, 0.15), 0.2, 0.3, 0.8)
    clay.path([(0.78, 0.48), (0.92, 0.55)], 0.03, tint=1.5)


assert not TRAIN_SHAPES.keys() & TEST_SHAPES.keys(), 'a shape family is in both splits'
