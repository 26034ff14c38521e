"""The sky and the skyline far away."""

import cv2
import numpy as np

from .camera import Camera
from .canvas import Canvas
from .classes import BUILDING, SKY, VEGETATION
from .noise import NoiseBank, fractal_noise, hsv
from .weather import Weather


def paint_sky(canvas: Canvas, camera: Camera, weather: Weather, rng: np.random.Generator) -> None:
    """Fill the whole canvas with sky: gradient, sun glow and clouds.

    ``camera`` may be coarser than the canvas.
    """
    rows = np.arange(camera.height, dtype=np.float32)[:, None]
    height = np.clip(1 - rows / camera.horizon, 0, 1)[..., None] ** 0.7
    sky = (weather.horizon * (1 - height) + weather.zenith * height).astype(np.float32)
    sky = np.ascontiguousarray(np.broadcast_to(sky, (camera.height, camera.width, 3)))
    if weather.clouds > 0.05:
        field = fractal_noise(rng, (camera.height, camera.width), rng.uniform(60, 160), octaves=6, gain=0.6)
        amount = np.clip((field + weather.clouds * 1.6 - 0.9) * 1.6, 0, 1)[..., None]
        lit = weather.horizon * 0.55 + 115 * np.clip(weather.ambient + weather.direct, 0, 1.1)
        shaded = lit * (0.86 + 0.14 * np.clip(field, -1, 1)[..., None])
        sky = sky * (1 - 0.85 * amount) + shaded * 0.85 * amount
    if weather.sun[2] > 0.3 and weather.name in ('clear', 'golden', 'dusk'):
        x = camera.center_x + camera.focal * weather.sun[0] / weather.sun[2]
        y = camera.horizon - camera.focal * weather.sun[1] / weather.sun[2]
        far = (np.arange(camera.width) - x)[None, :] ** 2 + (np.arange(camera.height) - y)[:, None] ** 2
        glow = np.exp(-far / (2 * (0.2 * camera.width) ** 2))[..., None]
        sky = sky + glow * (weather.direct * 90)
    sky = np.clip(sky, 0, 255).astype(np.uint8)
    canvas.color[:] = cv2.resize(sky, (canvas.width, canvas.height), interpolation=cv2.INTER_LINEAR)
    canvas.label[:] = SKY
    canvas.inverse_depth[:] = 0


def paint_skyline(
    canvas: Canvas, camera: Camera, weather: Weather, bank: NoiseBank, rng: np.random.Generator, urban: float
) -> None:
    """Blocks and tree lines beyond the end of the street; ``urban`` in [0, 1] says how much of it is built."""
    light = weather.ambient + 0.35 * weather.direct
    x, base = -20.0, camera.horizon + 3
    unit = camera.focal / 160  # pixels of one metre at the distance of the skyline
    while x < canvas.width + 20:
        width = rng.uniform(12, 40) * unit
        if rng.random() < urban:
            color = hsv(rng.uniform(0.02, 0.14), rng.uniform(0.05, 0.3), rng.uniform(0.4, 0.75)) * light
            top = base - rng.uniform(8, 24) * unit
            canvas.begin()
            canvas.polygon(np.array([[x, base], [x, top], [x + width, top], [x + width, base]]), color, BUILDING, 160)
            for row in np.arange(top + 2 * unit, base - unit, 3.2 * unit):
                for left in np.arange(x + unit, x + width - 2 * unit, 4 * unit):
                    box = np.array([[0, 0], [2.2, 0], [2.2, 1.5], [0, 1.5]]) * unit + (left, row)
                    canvas.polygon(box, color * 0.8, None, 160)
            canvas.finish(lambda h, w: 1 + 0.1 * bank.crop(rng, (h, w), 'fine'))
        x += width * rng.uniform(0.6, 1.1)
    ridge = np.arange(-4, canvas.width + 8, 4.0)
    bumps = np.interp(
        ridge, np.arange(0, canvas.width + 60, 14) - 20, rng.uniform(0.3, 1, len(np.arange(0, canvas.width + 60, 14)))
    )
    slow = np.interp(ridge, np.linspace(-10, canvas.width + 10, 9), rng.uniform(0, 1, 9))
    top = base - (1.0 + 9 * bumps * slow * (1.2 - 0.7 * urban)) * unit
    color = hsv(rng.uniform(0.22, 0.36), rng.uniform(0.25, 0.5), rng.uniform(0.25, 0.42)) * light
    outline = np.concatenate([np.stack([ridge, top], 1), [[canvas.width + 8, base], [-4, base]]])
    canvas.begin()
    canvas.polygon(outline, color, VEGETATION, 140)
    canvas.finish(lambda h, w: 1 + 0.28 * bank.crop(rng, (h, w), 'clumps', 0.5))
