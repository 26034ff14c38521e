"""Time of day and weather: what light falls on the street and what the air and the lens do to it."""

from dataclasses import dataclass

import numpy as np

from .noise import pick


@dataclass(frozen=True)
class Weather:
    """Light and air of one scene.

    Args:
        name: 'clear', 'golden', 'overcast', 'haze', 'rain' or 'dusk'.
        sun: Unit vector towards the sun in street coordinates (right, up, forward).
        direct: BGR gain of sunlight on a face that looks at the sun.
        ambient: BGR gain of skylight.
        shadow: How much sunlight shadows take away, 0 to 1.
        zenith: Sky colour overhead, BGR.
        horizon: Sky colour at the horizon, BGR.
        clouds: Share of the sky under clouds.
        haze: Extinction in 1/metre.
        rain: Strength of rain streaks, 0 for none.
        lamps: Whether windows and vehicle lights are lit.
    """

    name: str
    sun: np.ndarray
    direct: np.ndarray
    ambient: np.ndarray
    shadow: float
    zenith: np.ndarray
    horizon: np.ndarray
    clouds: float
    haze: float
    rain: float
    lamps: bool

    def shade(self, normal) -> np.ndarray:
        """BGR gain (3,) of light on a face with this unit normal."""
        facing = max(0.0, float(np.dot(normal, self.sun)))
        return self.ambient * (0.8 + 0.2 * float(normal[1])) + self.direct * facing


# fmt: off
#        name      chance direct ambient warmth     zenith           horizon          clouds      haze             lamps
_KINDS = (
    ('clear',    0.34, 0.62, 0.54, 0.05, (205, 140, 85),  (228, 210, 185), (0.0, 0.5), (0.0008, 0.003), False),
    ('golden',   0.14, 0.60, 0.50, 0.25, (190, 150, 115), (165, 205, 245), (0.1, 0.6), (0.002, 0.005), False),
    ('overcast', 0.22, 0.10, 0.82, 0.00, (190, 182, 176), (222, 218, 214), (0.7, 1.0), (0.002, 0.006), False),
    ('haze',     0.10, 0.20, 0.72, 0.05, (198, 192, 188), (212, 210, 208), (0.4, 0.9), (0.007, 0.014), False),
    ('rain',     0.10, 0.04, 0.66, -0.08, (150, 142, 136), (186, 180, 174), (0.8, 1.0), (0.005, 0.010), True),
    ('dusk',     0.10, 0.12, 0.56, -0.05, (120, 80, 60),  (140, 150, 205), (0.1, 0.7), (0.002, 0.005), True),
)
# fmt: on


def draw_weather(rng: np.random.Generator) -> Weather:
    """Draw the weather of a scene."""
    name, _, direct, ambient, warmth, zenith, horizon, clouds, haze, _ = kind = pick(
        rng, _KINDS, [kind[1] for kind in _KINDS]
    )
    low = name in ('golden', 'dusk')
    elevation = rng.uniform(0.16, 0.4) if low else rng.uniform(0.5, 1.1)
    azimuth = rng.uniform(-np.pi, np.pi)
    sun = np.array([np.cos(elevation) * np.sin(azimuth), np.sin(elevation), np.cos(elevation) * np.cos(azimuth)])
    warmth += rng.uniform(-0.05, 0.05)
    tint = np.array([1 - warmth, 1.0, 1 + warmth])
    exposure = rng.uniform(0.85, 1.12)
    return Weather(
        name=name,
        sun=sun,
        direct=(direct * exposure * tint).astype(np.float32),
        ambient=(ambient * exposure * tint[::-1] ** 0.4).astype(np.float32),
        shadow={'clear': 0.55, 'golden': 0.5, 'haze': 0.2, 'dusk': 0.2}.get(name, 0.1),
        zenith=np.array(zenith, np.float32) * rng.uniform(0.85, 1.1),
        horizon=np.array(horizon, np.float32) * rng.uniform(0.92, 1.08),
        clouds=rng.uniform(*clouds),
        haze=rng.uniform(*haze),
        rain=rng.uniform(0.5, 1) if name == 'rain' else 0.0,
        lamps=kind[-1],
    )
