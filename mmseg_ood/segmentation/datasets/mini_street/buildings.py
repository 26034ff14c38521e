"""Facades in perspective: a flat picture of each face of a house, mapped onto its plane."""

from dataclasses import dataclass

import cv2
import numpy as np

from .camera import Camera
from .canvas import Canvas
from .classes import BUILDING
from .noise import NoiseBank, hsv, pick
from .weather import Weather


@dataclass
class House:
    """A box with a roof on one side of the street.

    Args:
        sign: -1 left, +1 right.
        front: Distance of its facade from the camera's line.
        near: Depth of its near end.
        far: Depth of its far end.
        height: Height of the eaves.
        style: 'plaster', 'brick', 'glass' or 'shed'.
    """

    sign: int
    front: float
    near: float
    far: float
    height: float
    style: str

    @property
    def order(self) -> float:
        """Depth to sort by: things between the facade and the street line up behind its far end."""
        return self.far + 0.5

    def draw(self, canvas: Canvas, camera: Camera, weather: Weather, bank: NoiseBank, rng: np.random.Generator) -> None:
        """Paint the face that looks down the street, the facade and the roof."""
        base = _wall_color(self.style, rng)
        per_metre = float(np.clip(1.2 * camera.focal / max(self.near, 7), 5, 40))
        gable = rng.uniform(1.5, 3.5) if self.style != 'glass' and rng.random() < 0.6 else 0.0
        x, back = self.sign * self.front, self.sign * (self.front + 9)
        corners = [(x, self.height, self.near), (back, self.height, self.near), (back, 0, self.near), (x, 0, self.near)]
        style = 'blank' if rng.random() < 0.4 else self.style
        self._face(
            canvas,
            camera,
            corners if self.sign > 0 else _mirror(corners),
            weather.shade((0, 0, -1)),
            lambda: _facade(9, self.height, per_metre, base, style, weather, bank, rng),
        )
        if gable:
            self._gable(canvas, camera, base * weather.shade((0, 0, -1)), gable, bank, rng)
            self._roof(canvas, camera, weather, per_metre, gable, bank, rng)
        corners = [(x, self.height, self.near), (x, self.height, self.far), (x, 0, self.far), (x, 0, self.near)]
        self._face(
            canvas,
            camera,
            corners if self.sign < 0 else _mirror(corners),
            weather.shade((-self.sign, 0, 0)),
            lambda: _facade(self.far - self.near, self.height, per_metre, base, self.style, weather, bank, rng),
        )

    def _roof(
        self,
        canvas: Canvas,
        camera: Camera,
        weather: Weather,
        per_metre: float,
        rise: float,
        bank: NoiseBank,
        rng: np.random.Generator,
    ) -> None:
        """Paint the slope of the roof that looks at the street."""
        color = hsv(rng.uniform(0.0, 0.1), rng.uniform(0.1, 0.6), rng.uniform(0.25, 0.5))
        eaves, ridge = self.sign * (self.front - 0.3), self.sign * (self.front + 4)
        corners = [
            (ridge, self.height + rise, self.near),
            (ridge, self.height + rise, self.far),
            (eaves, self.height, self.far),
            (eaves, self.height, self.near),
        ]
        normal = np.array([-self.sign * rise, 4, 0]) / np.hypot(rise, 4)
        self._face(
            canvas,
            camera,
            corners if self.sign < 0 else _mirror(corners),
            weather.shade(normal),
            lambda: _tiles(self.far - self.near, 4.0, per_metre * 0.6, color, bank, rng),
        )

    def _gable(
        self, canvas: Canvas, camera: Camera, color: np.ndarray, rise: float, bank: NoiseBank, rng: np.random.Generator
    ) -> None:
        """Paint the triangle of wall under the near end of the roof."""
        x = self.sign * self.front
        points = [
            (x, self.height - 0.05, self.near),
            (x + 4 * self.sign, self.height + rise, self.near),
            (x + 9 * self.sign, self.height - 0.05, self.near),
        ]
        canvas.begin()
        canvas.polygon(camera.project(points), color, BUILDING, self.near)
        canvas.finish(lambda h, w: 1 + 0.08 * bank.crop(rng, (h, w), 'coarse'))

    def _face(self, canvas: Canvas, camera: Camera, corners, light: np.ndarray, make) -> None:
        """Paint one face with the texture that ``make`` returns; nothing is made of faces out of view."""
        quad = camera.project(corners)
        low, high = quad.min(axis=0), quad.max(axis=0)
        if high[0] < 0 or low[0] > canvas.width or high[1] < 0:
            return
        levels = np.clip(np.arange(256)[:, None] * light, 0, 255).astype(np.uint8)
        canvas.plane(cv2.LUT(make(), levels[None]), quad, [corner[2] for corner in corners], BUILDING)


def _mirror(corners):
    """The same quad with left and right exchanged, so that the texture starts at the other end."""
    return [corners[1], corners[0], corners[3], corners[2]]


def _wall_color(style: str, rng: np.random.Generator) -> np.ndarray:
    if style == 'brick':
        return hsv(rng.uniform(0.0, 0.06), rng.uniform(0.3, 0.6), rng.uniform(0.35, 0.6))
    if style == 'glass':
        return hsv(rng.uniform(0.5, 0.65), rng.uniform(0.05, 0.3), rng.uniform(0.4, 0.65))
    if style == 'shed':
        return hsv(rng.uniform(0, 1), rng.uniform(0.0, 0.3), rng.uniform(0.45, 0.75))
    return hsv(
        rng.uniform(0.0, 0.16) if rng.random() < 0.85 else rng.uniform(0.25, 0.65),
        rng.uniform(0.03, 0.38),
        rng.uniform(0.5, 0.9),
    )


def _facade(
    width: float,
    height: float,
    per_metre: float,
    base: np.ndarray,
    style: str,
    weather: Weather,
    bank: NoiseBank,
    rng: np.random.Generator,
) -> np.ndarray:
    """Picture (h, w, 3) of a facade, unlit; rows run from the eaves to the ground."""
    per_metre = min(per_metre, 700 / max(width, height))
    h, w = max(8, int(height * per_metre)), max(8, int(width * per_metre))
    tone = 0.10 * bank.crop(rng, (h, w), 'coarse')
    if per_metre > 9:
        tone += 0.05 * bank.crop(rng, (h, w), 'fine')
    tone -= 0.16 * np.linspace(0, 1, h, dtype=np.float32)[:, None] ** 6  # dirt near the ground
    if style == 'brick' and per_metre > 9:
        tone -= 0.10 * ((np.arange(h) * 4 / per_metre) % 1 < 0.25)[:, None]
    if style == 'shed':
        tone += 0.07 * np.sin(np.arange(w) * 2 * np.pi * 2.2 / per_metre)[None, :]
    picture = np.clip(base * (1 + tone)[..., None], 0, 255).astype(np.uint8)
    if style == 'glass':
        _windows(
            picture,
            per_metre,
            height,
            weather,
            rng,
            storey=rng.uniform(3, 3.8),
            pitch=rng.uniform(1.2, 2.4),
            fill=(0.86, 0.78),
        )
    elif style in ('plaster', 'brick'):
        _windows(
            picture,
            per_metre,
            height,
            weather,
            rng,
            storey=rng.uniform(2.8, 3.5),
            pitch=rng.uniform(2.0, 3.6),
            fill=(rng.uniform(0.32, 0.55), rng.uniform(0.42, 0.62)),
        )
        _ground_floor(picture, per_metre, base, weather, rng, shop=rng.random() < 0.4)
    elif style == 'shed':
        _ground_floor(picture, per_metre, base, weather, rng, shop=False)
    if style != 'shed' and style != 'blank':
        for level in rng.uniform(0, 0.5, size=2):  # cornices
            top, thick = int(level**2 * h), max(1, int(0.25 * per_metre))
            picture[top : top + thick] = np.clip(picture[top : top + thick] * rng.uniform(1.05, 1.25), 0, 255)
            picture[top + thick : top + thick + max(1, thick // 2)] //= 2
    return picture


def _rect(picture: np.ndarray, x0: float, y0: float, x1: float, y1: float, color) -> None:
    cv2.rectangle(picture, (int(x0), int(y0)), (int(x1), int(y1)), [min(max(float(c), 0.0), 255.0) for c in color], -1)


def _glass(weather: Weather, rng: np.random.Generator) -> np.ndarray:
    """Colour of one window pane: dark room, reflected sky, curtain, or a lit room."""
    kind = rng.random()
    if weather.lamps and kind < 0.3:
        return np.array([110, 190, 235]) * rng.uniform(0.8, 1.1) / np.maximum(weather.ambient, 0.5)
    if kind < 0.2:
        return weather.zenith * rng.uniform(0.5, 0.9)
    if kind < 0.32:
        return np.array([200, 205, 210]) * rng.uniform(0.6, 0.95)
    return np.array([72, 62, 54]) * rng.uniform(0.5, 1.4)


def _windows(
    picture: np.ndarray,
    per_metre: float,
    height: float,
    weather: Weather,
    rng: np.random.Generator,
    storey: float,
    pitch: float,
    fill: tuple[float, float],
) -> None:
    h, w = picture.shape[:2]
    columns = max(1, int(w / per_metre / pitch))
    step, frame = w / columns, max(1, int(0.09 * per_metre))
    trim = pick(rng, [np.array([225, 228, 230]), np.array([60, 55, 50]), picture[h // 2, w // 2] * 0.75])
    balcony = rng.random() < 0.25
    for floor in range(1, int(height / storey) + 1):
        bottom = h - floor * storey * per_metre - 0.2 * storey * per_metre
        top = bottom - fill[1] * storey * per_metre
        if top < 2:
            break
        for column in range(columns):
            x0 = (column + 0.5 - fill[0] / 2) * step
            x1 = x0 + fill[0] * step
            _rect(picture, x0 - frame, top - frame, x1 + frame, bottom + frame, trim)
            pane = _glass(weather, rng)
            _rect(picture, x0, top, x1, bottom, pane)
            _rect(picture, x0, top, x1, top + 0.35 * (bottom - top), pane * rng.uniform(0.75, 1.25))
            if per_metre > 10:
                middle = (x0 + x1) / 2
                _rect(picture, middle, top, middle + frame / 2, bottom, trim)
                _rect(picture, x0 - frame, bottom + frame, x1 + frame, bottom + 2 * frame, trim * 0.6)
            if balcony and column % 2 == 0:
                _rect(picture, x0 - 3 * frame, bottom - 0.5 * per_metre, x1 + 3 * frame, bottom + frame, trim * 0.5)


def _ground_floor(
    picture: np.ndarray, per_metre: float, base: np.ndarray, weather: Weather, rng: np.random.Generator, shop: bool
) -> None:
    h, w = picture.shape[:2]
    x = rng.uniform(0.2, 1.2) * per_metre
    top = h - rng.uniform(2.4, 2.9) * per_metre
    if shop:
        _rect(picture, 0, top - 0.9 * per_metre, w, h, base * rng.uniform(0.45, 0.9))
        sign = hsv(rng.random(), rng.uniform(0.2, 0.8), rng.uniform(0.35, 0.85))
        _rect(picture, 0, top - 0.75 * per_metre, w, top - 0.1 * per_metre, sign)
        for _ in range(int(rng.integers(3, 9))):  # lettering
            at = rng.uniform(0, w)
            _rect(
                picture,
                at,
                top - 0.6 * per_metre,
                at + rng.uniform(0.1, 0.4) * per_metre,
                top - 0.25 * per_metre,
                np.array([235, 235, 235]) - 0.7 * sign * (sign.mean() > 130),
            )
    while x < w - 1.2 * per_metre:
        wide = rng.uniform(1.6, 3.2) if shop else rng.uniform(0.9, 1.3)
        door = rng.random() < (0.25 if shop else 0.5)
        color = hsv(rng.random(), rng.uniform(0.1, 0.6), rng.uniform(0.15, 0.5)) if door else _glass(weather, rng)
        upper = top + (0.1 if door or shop else 0.5) * per_metre
        lower = h if door else h - (0.4 if shop else 1.0) * per_metre
        _rect(picture, x - 0.1 * per_metre, upper - 0.1 * per_metre, x + (wide + 0.1) * per_metre, lower, base * 0.7)
        _rect(picture, x, upper, x + wide * per_metre, lower, color)
        x += (wide + rng.uniform(0.5, 2.2)) * per_metre


def _tiles(
    width: float, height: float, per_metre: float, base: np.ndarray, bank: NoiseBank, rng: np.random.Generator
) -> np.ndarray:
    """Picture of a tiled roof."""
    h, w = max(4, int(height * per_metre)), max(4, int(min(width * per_metre, 600)))
    tone = 0.14 * bank.crop(rng, (h, w), 'fine') + 0.1 * bank.crop(rng, (h, w), 'coarse')
    tone -= 0.15 * ((np.arange(h) * 3 / per_metre) % 1 < 0.3)[:, None]
    return np.clip(base * (1 + tone)[..., None], 0, 255).astype(np.uint8)
