"""Families of textures for things that no street class knows, split like the shapes."""

from collections.abc import Callable

import cv2
import numpy as np

from .noise import fractal_noise, hsv, value_noise

TRAIN_TEXTURES: dict[str, Callable] = {}
TEST_TEXTURES: dict[str, Callable] = {}


def _train(make: Callable) -> Callable:
    TRAIN_TEXTURES[make.__name__.lstrip('_')] = make
    return make


def _test(make: Callable) -> Callable:
    TEST_TEXTURES[make.__name__.lstrip('_')] = make
    return make


def palette(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """A few BGR colours, from grey to vivid, no two alike in brightness."""
    hue, spread = rng.random(), rng.uniform(0.05, 0.5)
    vivid = rng.uniform(0.1, 0.95)
    values = rng.permutation(np.linspace(rng.uniform(0.15, 0.4), rng.uniform(0.65, 1.0), count))
    return [hsv(hue + rng.uniform(-spread, spread), vivid * rng.uniform(0.6, 1), value) for value in values]


def _grid(size: int, rng: np.random.Generator, turn: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Turned pixel coordinates (size, size) in shares of the side."""
    angle = rng.uniform(0, np.pi) if turn is None else turn
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def _mix(weight: np.ndarray, first, second) -> np.ndarray:
    weight = np.clip(weight, 0, 1)[..., None]
    return (np.asarray(first) * weight + np.asarray(second) * (1 - weight)).astype(np.float32)


# ---------------------------------------------------------------------------------------------- training families


@_train
def _plain(size: int, rng: np.random.Generator) -> np.ndarray:
    return palette(rng, 2)[0] * (1 + 0.05 * fractal_noise(rng, (size, size), size / 3))[..., None]


@_train
def _stripes(size: int, rng: np.random.Generator) -> np.ndarray:
    x, _ = _grid(size, rng)
    wave = np.sin(2 * np.pi * rng.uniform(4, 14) * x + rng.uniform(0, 2) * value_noise(rng, (size, size), size / 3))
    return _mix(wave * 4 + 0.5, *palette(rng, 2))


@_train
def _checks(size: int, rng: np.random.Generator) -> np.ndarray:
    x, y = _grid(size, rng)
    count = rng.uniform(4, 12)
    return _mix(((np.floor(x * count) + np.floor(y * count)) % 2), *palette(rng, 2))


@_train
def _clouds(size: int, rng: np.random.Generator) -> np.ndarray:
    return _mix(fractal_noise(rng, (size, size), size / rng.uniform(2, 10), octaves=5) + 0.5, *palette(rng, 2))


@_train
def _dots(size: int, rng: np.random.Generator) -> np.ndarray:
    x, y = _grid(size, rng)
    count, radius = rng.uniform(5, 14), rng.uniform(0.2, 0.4)
    far = np.hypot((x * count) % 1 - 0.5, (y * count) % 1 - 0.5)
    return _mix((radius - far) * 12, *palette(rng, 2))


@_train
def _wood(size: int, rng: np.random.Generator) -> np.ndarray:
    x, y = _grid(size, rng)
    bent = x * 8 + 0.5 * y + 1.2 * fractal_noise(rng, (size, size), size / 2)
    brown = [hsv(rng.uniform(0.04, 0.11), rng.uniform(0.3, 0.7), v) for v in (rng.uniform(0.25, 0.45), 0.7)]
    return _mix((bent * rng.uniform(1, 3)) % 1 + 0.2 * value_noise(rng, (size, size), 3), *brown)


@_train
def _gradient(size: int, rng: np.random.Generator) -> np.ndarray:
    x, _ = _grid(size, rng)
    return _mix((x - x.min()) / (x.max() - x.min()), *palette(rng, 2))


@_train
def _fur(size: int, rng: np.random.Generator) -> np.ndarray:
    dark, light = palette(rng, 2)
    picture = np.ones((size, size, 3), np.float32) * (dark + light) / 2
    angle = rng.uniform(0, np.pi)
    for _ in range(size * 3):
        x, y = rng.uniform(0, size, 2)
        turn, reach = angle + rng.normal(0, 0.35), size * rng.uniform(0.02, 0.06)
        end = (int(x + reach * np.cos(turn)), int(y + reach * np.sin(turn)))
        cv2.line(picture, (int(x), int(y)), end, (light + (dark - light) * rng.random()).tolist(), 1)
    return picture


@_train
def _marble(size: int, rng: np.random.Generator) -> np.ndarray:
    x, _ = _grid(size, rng)
    veins = np.abs(np.sin(12 * x + 5 * fractal_noise(rng, (size, size), size / 2, octaves=5)))
    return _mix(veins ** rng.uniform(0.3, 1), *palette(rng, 2))


@_train
def _tiles(size: int, rng: np.random.Generator) -> np.ndarray:
    x, y = _grid(size, rng, turn=rng.uniform(-0.3, 0.3))
    count = rng.uniform(5, 11)
    shift = 0.5 * (np.floor(y * count) % 2)
    joint = np.minimum((x * count * 0.6 + shift) % 1, (y * count) % 1)
    return _mix((joint - 0.07) * 15, *palette(rng, 2)) * (1 + 0.1 * value_noise(rng, (size, size), 6))[..., None]


@_train
def _plaid(size: int, rng: np.random.Generator) -> np.ndarray:
    x, y = _grid(size, rng)
    a, b, c = palette(rng, 3)
    first = (np.sin(2 * np.pi * rng.uniform(3, 8) * x) > rng.uniform(-0.5, 0.6)).astype(np.float32)
    second = (np.sin(2 * np.pi * rng.uniform(3, 8) * y) > rng.uniform(-0.5, 0.6)).astype(np.float32)
    return 0.5 * _mix(first, a, b) + 0.5 * _mix(second, c, b)


@_train
def _camouflage(size: int, rng: np.random.Generator) -> np.ndarray:
    colors = palette(rng, 4)
    picture = np.ones((size, size, 3), np.float32) * colors[0]
    for color in colors[1:]:
        picture[fractal_noise(rng, (size, size), size / rng.uniform(3, 8)) > 0.25] = color
    return picture


@_train
def _rainbow(size: int, rng: np.random.Generator) -> np.ndarray:
    x, _ = _grid(size, rng)
    table = np.array([hsv(h, 0.8, 0.85) for h in np.linspace(0, 1, 64)])
    return table[((x * rng.uniform(0.5, 3) % 1) * 63).astype(int)].astype(np.float32)


@_train
def _speckle(size: int, rng: np.random.Generator) -> np.ndarray:
    return _mix(value_noise(rng, (size, size), rng.uniform(2, 4)) * 2 + rng.uniform(-0.5, 0.8), *palette(rng, 2))


@_train
def _chrome(size: int, rng: np.random.Generator) -> np.ndarray:
    x, y = _grid(size, rng, turn=rng.uniform(-0.2, 0.2))
    warped = y + 0.15 * fractal_noise(rng, (size, size), size / 1.5, octaves=2)
    bands = np.interp(warped % 1, np.linspace(0, 1, 9), rng.random(9))
    return _mix(bands, hsv(0.6, 0.1, 0.98), hsv(0.6, rng.uniform(0, 0.3), 0.18))


# --------------------------------------------------------------------------------------------------- test families


def _cells(size: int, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Distance to the nearest cell border and number of the nearest cell, for random cells."""
    small = 96
    y, x = np.mgrid[0:small, 0:small].astype(np.float32) / small
    seeds = rng.random((count, 2))
    far = np.hypot(x[..., None] - seeds[:, 0], y[..., None] - seeds[:, 1])
    order = np.sort(far, axis=-1)
    border = cv2.resize((order[..., 1] - order[..., 0]).astype(np.float32), (size, size))
    cell = cv2.resize(far.argmin(-1).astype(np.uint8), (size, size), interpolation=cv2.INTER_NEAREST)
    return border, cell


@_test
def _mosaic(size: int, rng: np.random.Generator) -> np.ndarray:
    border, cell = _cells(size, rng, int(rng.integers(20, 50)))
    colors = np.array(palette(rng, 5))
    return colors[cell % 5] * np.clip(border / 0.02, 0.3, 1)[..., None]


@_test
def _giraffe(size: int, rng: np.random.Generator) -> np.ndarray:
    border, _ = _cells(size, rng, int(rng.integers(14, 30)))
    return _mix((border - 0.03) * 40, *palette(rng, 2))


@_test
def _scales(size: int, rng: np.random.Generator) -> np.ndarray:
    x, y = _grid(size, rng, turn=rng.uniform(-0.3, 0.3))
    count = rng.uniform(7, 13)
    row = np.floor(y * count)
    u, v = (x * count + 0.5 * (row % 2)) % 1 - 0.5, (y * count) % 1
    arc = np.hypot(u, v)
    return _mix(1.1 - arc - 0.6 * (np.abs(arc - 0.5) < 0.07), *palette(rng, 2))


@_test
def _zigzag(size: int, rng: np.random.Generator) -> np.ndarray:
    x, y = _grid(size, rng)
    count = rng.uniform(4, 9)
    tooth = np.abs((x * count) % 1 - 0.5) * rng.uniform(0.8, 2)
    return _mix(((y * count + tooth) % 1 - 0.5) * 12 + 0.5, *palette(rng, 2))


@_test
def _target(size: int, rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    center = rng.uniform(0.3, 0.7, 2)
    far = np.hypot(x - center[0], y - center[1])
    return _mix(np.sin(far * rng.uniform(30, 80)) * 4 + 0.5, *palette(rng, 2))


@_test
def _splatter(size: int, rng: np.random.Generator) -> np.ndarray:
    colors = palette(rng, 4)
    picture = np.ones((size, size, 3), np.float32) * colors[0]
    for _ in range(int(rng.integers(50, 140))):
        center = tuple(int(v) for v in rng.uniform(0, size, 2))
        radius = int(max(1, size * rng.gamma(1.2, 0.014)))
        cv2.circle(picture, center, radius, colors[int(rng.integers(1, 4))].tolist(), -1, cv2.LINE_AA)
    return picture


@_test
def _wicker(size: int, rng: np.random.Generator) -> np.ndarray:
    x, y = _grid(size, rng)
    count = rng.uniform(7, 14)
    u, v = x * count, y * count
    over = (np.floor(u) + np.floor(v)) % 2
    weave = np.where(over > 0, np.abs(np.sin(np.pi * v)), np.abs(np.sin(np.pi * u)))
    return _mix(weave, *palette(rng, 2)) * (0.8 + 0.2 * over)[..., None]


@_test
def _flames(size: int, rng: np.random.Generator) -> np.ndarray:
    a, b, c = palette(rng, 3)
    y = np.linspace(0, 1, size, dtype=np.float32)[:, None]
    tongues = y + 0.35 * cv2.resize(value_noise(rng, (max(4, size // 4), size), size / 7), (size, size))
    return np.where((tongues > 0.62)[..., None], a, _mix((tongues - 0.3) * 6, b, c)).astype(np.float32)


assert not TRAIN_TEXTURES.keys() & TEST_TEXTURES.keys(), 'a texture family is in both splits'
