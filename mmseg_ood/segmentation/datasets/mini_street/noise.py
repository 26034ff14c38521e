"""Smooth random fields and colours: the raw material of every texture."""

import cv2
import numpy as np


def value_noise(rng: np.random.Generator, shape: tuple[int, int], cell: float) -> np.ndarray:
    """Smooth field in about [-1, 1] of ``shape`` (H, W) whose bumps are ``cell`` pixels wide."""
    rows = max(2, int(np.ceil(shape[0] / cell)) + 1)
    cols = max(2, int(np.ceil(shape[1] / cell)) + 1)
    grid = rng.random((rows, cols), dtype=np.float32) * 2 - 1
    return cv2.resize(grid, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)


def fractal_noise(
    rng: np.random.Generator, shape: tuple[int, int], cell: float, octaves: int = 4, gain: float = 0.55
) -> np.ndarray:
    """Sum of ``value_noise`` octaves, each half as wide and ``gain`` times as strong as the one before."""
    total, weight, norm = np.zeros(shape, np.float32), 1.0, 0.0
    for _ in range(octaves):
        total += weight * value_noise(rng, shape, max(cell, 1.0))
        norm += weight
        weight *= gain
        cell /= 2
    return total / norm * 1.6


def hsv(hue: float, saturation: float, value: float) -> np.ndarray:
    """BGR colour (float32, 0 to 255) of a hue in turns (wraps), saturation and value in [0, 1]."""
    sector = (hue % 1.0) * 6
    ramp = np.clip(np.abs((np.array([sector - 4, sector - 2, sector - 3]) + 3) % 6 - 3) - 1, 0, 1)
    ramp[2] = np.clip(np.abs(sector - 3) - 1, 0, 1)
    ramp[1] = np.clip(2 - np.abs(sector - 2), 0, 1)
    ramp[0] = np.clip(2 - np.abs(sector - 4), 0, 1)
    return (255 * value * (1 - saturation * (1 - ramp))).astype(np.float32)


def pick(rng: np.random.Generator, options, weights=None):
    """One of ``options`` (any sequence, its items are returned untouched), by relative ``weights``."""
    if weights is None:
        return options[int(rng.integers(len(options)))]
    share = np.asarray(weights, float)
    return options[int(rng.choice(len(options), p=share / share.sum()))]


def _endless_noise(rng: np.random.Generator, size: int, bumps: int, octaves: int, gain: float) -> np.ndarray:
    """Fractal noise (size, size) that repeats without a seam, ``bumps`` of the widest octave to a side."""
    total, weight, norm = np.zeros((size, size), np.float32), 1.0, 0.0
    for _ in range(octaves):
        cell = size // bumps
        grid = np.pad(rng.random((bumps, bumps), dtype=np.float32) * 2 - 1, 2, mode='wrap')
        wide = cv2.resize(
            grid, None, fx=cell, fy=cell, interpolation=cv2.INTER_CUBIC if bumps < 100 else cv2.INTER_LINEAR
        )
        total += weight * wide[2 * cell : 2 * cell + size, 2 * cell : 2 * cell + size]
        norm += weight
        weight *= gain
        bumps *= 2
    return total / norm * 1.6


class NoiseBank:
    """Noise tiles of one scene, made once and cropped at random places: fresh noise per object is too slow.

    Args:
        rng: The scene's generator.
        size: Side of the square tiles in pixels.
    """

    def __init__(self, rng: np.random.Generator, size: int = 512) -> None:
        self.size = size
        white = rng.standard_normal((size, size), dtype=np.float32)
        tiles = {
            'grain': white / 2,
            'fine': cv2.GaussianBlur(np.pad(white, 4, mode='wrap'), (0, 0), 1.2)[4:-4, 4:-4] * 1.7,
            'clumps': _endless_noise(rng, size, 16, octaves=4, gain=0.8),
            'coarse': _endless_noise(rng, size, 4, octaves=4, gain=0.65),
        }
        # Twice the tile each way: any crop is then one slice.
        self.tiles = {name: np.tile(tile, (2, 2)) for name, tile in tiles.items()}

    def crop(self, rng: np.random.Generator, shape: tuple[int, int], kind: str, zoom: float = 1.0) -> np.ndarray:
        """A random piece of tile ``kind`` of ``shape`` (H, W); ``zoom`` > 1 makes its bumps larger."""
        tile = self.tiles[kind]
        need = [max(2, int(np.ceil(side / zoom))) for side in shape]
        y, x = (int(v) for v in rng.integers(self.size, size=2))
        if max(need) > self.size:
            rows, cols = ((at + np.arange(side)) % self.size for at, side in zip((y, x), need, strict=True))
            piece = tile[rows[:, None], cols[None, :]]
        else:
            piece = tile[y : y + need[0], x : x + need[1]]
        if tuple(need) != tuple(shape):
            piece = cv2.resize(piece, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
        return piece
