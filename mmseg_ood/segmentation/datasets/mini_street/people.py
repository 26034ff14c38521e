"""People on foot, and bicycles and motorcycles with and without riders."""

from dataclasses import dataclass

import numpy as np

from .camera import Camera
from .canvas import Canvas
from .classes import BICYCLE, MOTORCYCLE, PERSON, RIDER
from .noise import NoiseBank, hsv, pick
from .sketch import Sketch
from .weather import Weather


def _cloth(rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 0.55:
        return hsv(rng.random(), rng.uniform(0, 0.3), rng.uniform(0.08, 0.5))
    return hsv(rng.random(), rng.uniform(0.2, 0.85), rng.uniform(0.3, 0.9))


def _skin(rng: np.random.Generator) -> np.ndarray:
    return hsv(rng.uniform(0.04, 0.08), rng.uniform(0.3, 0.55), rng.uniform(0.35, 0.9))


@dataclass
class Pedestrian:
    """A person on foot.

    Args:
        x: Street position to the right.
        z: Depth.
        height: Height in metres.
    """

    x: float
    z: float
    height: float

    @property
    def order(self) -> float:
        """Depth to sort by."""
        return self.z

    def draw(self, canvas: Canvas, camera: Camera, weather: Weather, bank: NoiseBank, rng: np.random.Generator) -> None:
        """Paint legs, trunk, arms and head, as if the person stood 1.75 m tall, then scaled."""
        sketch = Sketch(canvas, camera, weather, self.x, self.z, squeeze=float(rng.choice([-1.0, 1.0])))
        sketch.scale *= self.height / 1.75
        top, legs, skin = _cloth(rng), _cloth(rng), _skin(rng)
        hair = hsv(rng.uniform(0.04, 0.1), rng.uniform(0, 0.5), rng.uniform(0.08, 0.55))
        side = rng.random() < 0.5
        stride = rng.uniform(0.05, 0.34) if side else rng.uniform(0.04, 0.1)
        wide = 0.15 if side else 0.21
        canvas.begin()
        for foot, tone in ((-stride, 0.8), (stride, 1.0)):
            knee = (0.55 * foot + (0.05 if side else 0), 0.48)
            sketch.bar((0.5 * foot if not side else 0, 0.88), knee, 0.092, legs * tone, PERSON, end=0.07)
            sketch.bar(knee, (foot, 0.07), 0.068, legs * tone, PERSON, end=0.05)
            sketch.bar((foot, 0.05), (foot + (0.13 if side else 0.02), 0.045), 0.05, (35, 35, 40), PERSON)
        if rng.random() < 0.2:  # skirt or coat
            sketch.shape([(-wide, 1.05), (wide, 1.05), (wide + 0.1, 0.5), (-wide - 0.1, 0.5)], top * 0.9, PERSON)
        self._arm(sketch, rng, -1, wide, top * 0.8, skin)
        sketch.shape(
            [
                (-0.8 * wide, 0.86),
                (-wide, 1.3),
                (-0.75 * wide, 1.45),
                (0.75 * wide, 1.45),
                (wide, 1.3),
                (0.8 * wide, 0.86),
            ],
            top,
            PERSON,
        )
        if rng.random() < 0.3:  # stripe or print
            sketch.rect((-0.9 * wide, 1.1), (0.9 * wide, 1.2), _cloth(rng), None)
        self._arm(sketch, rng, 1, wide, top, skin)
        sketch.bar((0, 1.42), (0, 1.52), 0.055, skin * 0.85, PERSON)
        sketch.ellipse((0, 1.62), (0.1, 0.125), skin, PERSON)
        sketch.ellipse((-0.02 if side else 0, 1.67), (0.105, 0.085), hair, PERSON)
        if not side and rng.random() < 0.5:
            sketch.ellipse((0, 1.63), (0.1, 0.115), hair, PERSON)  # seen from behind
        if rng.random() < 0.25:  # bag or rucksack
            sketch.ellipse((-0.9 * wide - 0.04, 1.12), (0.11, 0.2), _cloth(rng), PERSON)
        sketch.finish(bank, rng, grain=0.10)

    @staticmethod
    def _arm(
        sketch: Sketch, rng: np.random.Generator, sign: int, wide: float, cloth: np.ndarray, skin: np.ndarray
    ) -> None:
        elbow = (sign * (0.75 * wide + rng.uniform(0.02, 0.12)), 1.12)
        hand = (elbow[0] + rng.uniform(-0.08, 0.14), rng.uniform(0.82, 1.0))
        sketch.bar((sign * 0.85 * wide, 1.36), elbow, 0.055, cloth, PERSON, end=0.05)
        sketch.bar(elbow, hand, 0.046, cloth, PERSON, end=0.04)
        sketch.ellipse(hand, (0.045, 0.05), skin, PERSON)


@dataclass
class TwoWheeler:
    """A bicycle or motorcycle, ridden or parked.

    Args:
        x: Street position to the right.
        z: Depth.
        kind: 'bicycle' or 'motorcycle'.
        ridden: Whether somebody sits on it.
        yaw: 0 is seen from behind, pi/2 from the side.
    """

    x: float
    z: float
    kind: str
    ridden: bool
    yaw: float

    @property
    def order(self) -> float:
        """Depth to sort by."""
        return self.z

    def draw(self, canvas: Canvas, camera: Camera, weather: Weather, bank: NoiseBank, rng: np.random.Generator) -> None:
        """Paint the machine, then its rider."""
        squeeze = float(np.sin(self.yaw))
        squeeze = np.copysign(max(abs(squeeze), 0.16), squeeze)
        sketch = Sketch(canvas, camera, weather, self.x, self.z, squeeze=squeeze)
        canvas.begin()
        (self._bicycle if self.kind == 'bicycle' else self._motorcycle)(sketch, rng, abs(squeeze))
        if self.ridden and abs(squeeze) < 0.5:
            sketch.squeeze = 1.0  # the rider is as broad from behind as on foot
            self._rider_from_behind(sketch, rng)
        elif self.ridden:
            self._rider(sketch, rng, abs(squeeze))
        sketch.finish(bank, rng, grain=0.08)

    def _bicycle(self, sketch: Sketch, rng: np.random.Generator, squeeze: float) -> None:
        color = hsv(rng.random(), rng.uniform(0, 0.8), rng.uniform(0.1, 0.75))
        thick = 0.03 / max(squeeze, 0.35)
        for x in (-0.52, 0.52):
            sketch.ring((x, 0.34), 0.32, 0.028 / max(squeeze, 0.4), (32, 32, 32), BICYCLE)
            for angle in (0.3, 1.35, 2.4):
                reach = 0.3 * np.array([np.cos(angle), np.sin(angle)])
                sketch.bar((x, 0.34) - reach, (x, 0.34) + reach, 0.008, (130, 130, 130), BICYCLE)
        seat, pedals, head = (-0.22, 0.82), (-0.08, 0.32), (0.36, 0.82)
        for start, stop in (
            (seat, pedals),
            (pedals, head),
            (seat, head),
            ((-0.52, 0.34), pedals),
            ((-0.52, 0.34), seat),
            ((0.52, 0.34), head),
        ):
            sketch.bar(start, stop, thick, color, BICYCLE)
        sketch.bar((-0.36, 0.92), (-0.1, 0.92), 0.045, (30, 30, 30), BICYCLE)
        sketch.bar(head, (0.4, 1.02), 0.02 / max(squeeze, 0.35), (60, 60, 60), BICYCLE)
        sketch.bar(
            (0.4 - 0.22 / max(squeeze, 0.5) * (squeeze < 0.5), 1.03),
            (0.4 + 0.2 / max(squeeze, 0.3), 1.03) if squeeze < 0.5 else (0.28, 1.05),
            0.025,
            (40, 40, 40),
            BICYCLE,
        )
        if rng.random() < 0.3:
            sketch.rect((-0.75, 0.72), (-0.42, 0.98), hsv(rng.random(), 0.5, 0.4), BICYCLE)

    def _motorcycle(self, sketch: Sketch, rng: np.random.Generator, squeeze: float) -> None:
        color = hsv(rng.random(), rng.uniform(0, 0.9), rng.uniform(0.1, 0.75))
        body = 1 / max(squeeze, 0.45)
        for x in (-0.68, 0.68):
            sketch.ellipse((x, 0.32), (0.31, 0.32), (26, 26, 26), MOTORCYCLE)
            sketch.ellipse((x, 0.32), (0.17, 0.18), (125, 125, 128), MOTORCYCLE)
        sketch.shape([(-0.5, 0.35), (0.45, 0.35), (0.4, 0.7), (-0.45, 0.7)], (55, 55, 58), MOTORCYCLE)
        sketch.shape([(-0.95, 0.78), (-0.3, 0.74), (0.1, 0.78), (0.1, 0.86), (-0.9, 0.92)], (32, 32, 34), MOTORCYCLE)
        sketch.shape([(-0.05, 0.7), (0.02, 1.0), (0.42, 1.02), (0.56, 0.7)], color, MOTORCYCLE)
        sketch.shape([(-0.95, 0.7), (-0.9, 0.82), (-0.4, 0.8), (-0.4, 0.6)], color * 0.9, MOTORCYCLE)
        sketch.bar((0.68, 0.32), (0.42, 1.05), 0.045 * body, (120, 120, 120), MOTORCYCLE)
        sketch.shape([(0.38, 0.85), (0.42, 1.25), (0.55, 1.2), (0.68, 0.85)], color, MOTORCYCLE)
        sketch.bar((0.2, 1.12), (0.46, 1.1), 0.035 * body, (35, 35, 35), MOTORCYCLE)
        sketch.ellipse((0.64, 0.92), (0.07 * body, 0.09), (215, 225, 230), MOTORCYCLE)
        if squeeze < 0.5:
            sketch.ellipse((0, 0.75), (0.22 * body, 0.22), color, MOTORCYCLE)
            sketch.bar((-0.35 / squeeze * 0.5, 1.05), (0.35 / squeeze * 0.5, 1.05), 0.03, (35, 35, 35), MOTORCYCLE)
            sketch.ellipse((0, 0.78), (0.09 * body, 0.06), (30, 26, 190), MOTORCYCLE)

    def _rider(self, sketch: Sketch, rng: np.random.Generator, squeeze: float) -> None:
        top, legs, skin = _cloth(rng), _cloth(rng), _skin(rng)
        fat = 1 / max(squeeze, 0.5)
        seat = np.array((-0.24, 0.98) if self.kind == 'bicycle' else (-0.28, 0.95))
        shoulder = seat + (rng.uniform(0.18, 0.4), 0.52)
        hands = (0.36, 1.08)
        for knee, foot in (((0.1, 0.72), (-0.08, 0.3)), ((0.18, 0.62), (0.02, 0.2))):
            sketch.bar(seat, knee, 0.085 * fat, legs, RIDER, end=0.065 * fat)
            sketch.bar(knee, foot, 0.06 * fat, legs * 0.9, RIDER, end=0.05)
            sketch.bar(foot, (foot[0] + 0.12, foot[1]), 0.045, (35, 35, 35), RIDER)
        sketch.bar(seat, shoulder, 0.14 * fat, top, RIDER, end=0.16 * fat)
        elbow = (shoulder + hands) / 2 + (0.0, -0.1)
        sketch.bar(shoulder, elbow, 0.055 * fat, top * 0.85, RIDER)
        sketch.bar(elbow, hands, 0.048 * fat, top * 0.85, RIDER)
        head = shoulder + (0.06, 0.26)
        sketch.ellipse(head, (0.105 * fat, 0.13), skin, RIDER)
        cover = pick(rng, [hsv(0.08, 0.4, 0.2), hsv(rng.random(), 0.6, 0.7), hsv(0, 0, 0.85)])
        sketch.ellipse(head + (-0.01, 0.06), ((0.125 if self.kind == 'bicycle' else 0.14) * fat, 0.1), cover, RIDER)
        if self.kind == 'motorcycle':
            sketch.ellipse(head, (0.14 * fat, 0.15), cover, RIDER)
            sketch.bar(head + (0.06, 0.02), head + (0.12, 0.0), 0.05 * fat, (35, 30, 28), RIDER)

    def _rider_from_behind(self, sketch: Sketch, rng: np.random.Generator) -> None:
        top, legs, skin = _cloth(rng), _cloth(rng), _skin(rng)
        seat, lean = 0.92, rng.uniform(-0.04, 0.04)
        for side, foot in ((-1, 0.2), (1, 0.4)):
            knee = (side * 0.2, 0.58 + 0.3 * (foot - 0.2))
            sketch.bar((side * 0.1, seat), knee, 0.09, legs, RIDER, end=0.07)
            sketch.bar(knee, (side * 0.13, foot), 0.065, legs * 0.85, RIDER, end=0.05)
            sketch.bar((side * 0.2, seat + 0.5), (side * 0.32, seat + 0.26), 0.055, top * 0.85, RIDER)
            sketch.bar((side * 0.32, seat + 0.26), (side * 0.26, seat + 0.14), 0.045, top * 0.85, RIDER)
        sketch.shape(
            [
                (-0.17, seat - 0.06),
                (-0.24, seat + 0.42),
                (-0.15 + lean, seat + 0.57),
                (0.15 + lean, seat + 0.57),
                (0.24, seat + 0.42),
                (0.17, seat - 0.06),
            ],
            top,
            RIDER,
        )
        if rng.random() < 0.35:  # rucksack
            sketch.ellipse((0, seat + 0.33), (0.15, 0.2), _cloth(rng), RIDER)
        sketch.ellipse((lean, seat + 0.72), (0.1, 0.13), skin * 0.8, RIDER)
        cover = pick(rng, [hsv(0.08, 0.4, 0.2), hsv(rng.random(), 0.6, 0.7), hsv(0, 0, 0.85)])
        sketch.ellipse((lean, seat + 0.77), (0.115, 0.12 if self.kind == 'motorcycle' else 0.09), cover, RIDER)
