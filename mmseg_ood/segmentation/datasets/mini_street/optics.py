"""Air, lens and sensor: what happens to a rendered scene on its way to the file."""

import cv2
import numpy as np

from .noise import fractal_noise
from .weather import Weather


def expose(color: np.ndarray, inverse_depth: np.ndarray, weather: Weather, rng: np.random.Generator) -> np.ndarray:
    """Photograph a scene.

    Args:
        color: uint8 (H, W, 3), BGR, as rendered.
        inverse_depth: float32 (H, W) in 1/metre, 0 for the sky.
        weather: Weather of the scene.
        rng: The scene's generator.

    Returns:
        uint8 (H, W, 3).
    """
    picture = color.astype(np.float32)
    distance = 1 / np.maximum(inverse_depth, 1 / 250)
    veil = 1 - np.exp(-weather.haze * distance)
    veil[inverse_depth == 0] *= 0.35
    air = weather.horizon.astype(np.float32)
    picture += veil[..., None] * (air - picture)
    if weather.rain:
        picture = _rain(picture, weather.rain, rng)
    # Automatic exposure, which forgives less at night.
    wanted = rng.uniform(98, 126) * (0.85 if weather.lamps else 1)
    picture *= float(np.clip(wanted / picture.mean(), 0.85, 1.4))
    picture = _lens(picture, rng)
    return _sensor(picture, rng)


def _rain(picture: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Faint slanted streaks."""
    height, width = picture.shape[:2]
    drops = (rng.random((height, width), dtype=np.float32) > 1 - 0.009 * strength).astype(np.float32)
    kernel = np.zeros((11, 11), np.float32)
    slant = int(rng.integers(-2, 3))
    cv2.line(kernel, (5 - slant, 0), (5 + slant, 10), 1.0)
    streaks = cv2.GaussianBlur(cv2.filter2D(drops, -1, kernel), (0, 0), 0.6)
    return picture + 22 * strength * np.clip(streaks, 0, 1)[..., None]


def _lens(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Softness, bloom of bright areas and vignetting."""
    height, width = picture.shape[:2]
    picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.25, 0.6))
    glow = cv2.GaussianBlur(np.clip(picture - 200, 0, None), (0, 0), 7)
    picture = picture + 0.5 * glow
    rows = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    cols = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    return picture * (1 - rng.uniform(0.02, 0.16) * (rows**2 + cols**2) / 2)[..., None]


def _sensor(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """White balance, tone curve and noise, fine and blotchy."""
    balance = 1 + rng.uniform(-0.05, 0.05, size=3)
    picture = 255 * np.clip(picture * balance / 255, 0, 1) ** rng.uniform(0.85, 1.12)
    shape = picture.shape[:2]
    noise = rng.standard_normal(picture.shape, dtype=np.float32) * rng.uniform(1.0, 4.0)
    noise += (fractal_noise(rng, shape, 3, octaves=2) * rng.uniform(0.5, 2.5))[..., None]
    return np.clip(np.round(picture + noise), 0, 255).astype(np.uint8)
