"""The ground: road with its markings, kerbs, pavements and verges, every pixel looked up in street coordinates."""

from dataclasses import dataclass, field

import cv2
import numpy as np

from .camera import Camera
from .canvas import Canvas
from .classes import ROAD, SIDEWALK, TERRAIN
from .noise import NoiseBank, hsv, pick
from .weather import Weather


@dataclass
class Side:
    """One side of the street, distances in metres from the camera's line of travel, all positive.

    Args:
        road: Edge of the carriageway.
        walk: Outer edge of the pavement; equal to ``road`` where there is none.
        front: Where facades, fences and hedges stand; between ``walk`` and there is ground of kind ``verge``.
        district: 'urban', 'suburb', 'park' or 'works'.
        parking: Whether cars may park at the edge of the carriageway.
    """

    road: float
    walk: float
    front: float
    district: str
    parking: bool


@dataclass
class Street:
    """Cross-section of the street and the streets that cross it.

    Args:
        left: Side on the left.
        right: Side on the right.
        lanes: Distance of the lane lines from the camera's line, signed.
        crossings: Depth ranges (near, far) of crossing streets.
        zebras: Depth ranges of zebra crossings.
        rails: Offsets of tram tracks, signed.
    """

    left: Side
    right: Side
    lanes: list[float]
    crossings: list[tuple[float, float]] = field(default_factory=list)
    zebras: list[tuple[float, float]] = field(default_factory=list)
    rails: list[float] = field(default_factory=list)

    def side(self, sign: int) -> Side:
        """The side left (-1) or right (+1) of the camera."""
        return self.left if sign < 0 else self.right

    def open_at(self, depth: float, margin: float = 0.0) -> bool:
        """Whether a crossing street opens at this depth."""
        return any(near - margin < depth < far + margin for near, far in self.crossings)


def _world_texture(tile: np.ndarray, x: np.ndarray, z: np.ndarray, per_metre: float) -> np.ndarray:
    """Look a noise tile up at ground points, repeated endlessly."""
    size = tile.shape[0] // 2  # the bank's tiles come repeated
    u = x * np.float32(per_metre / size)
    v = z * np.float32(per_metre / size)
    u, v = (u - np.floor(u)) * size, (v - np.floor(v)) * size
    return cv2.remap(tile, u, np.ascontiguousarray(np.broadcast_to(v, u.shape)), cv2.INTER_LINEAR)


def _blend(color: np.ndarray, weight: np.ndarray, paint) -> None:
    """Paint over ``color`` (h, w, 3) in place with opacity ``weight`` (h, w)."""
    color += weight[..., None] * (np.asarray(paint, np.float32) - color)


class GroundPainter:
    """Paints the ground of one scene.

    Args:
        camera: The camera.
        street: What lies where.
        bank: Noise of the scene.
        rng: The scene's generator.
        step: How many times larger the canvas is than the file.
    """

    def __init__(self, camera: Camera, street: Street, bank: NoiseBank, rng: np.random.Generator, step: int) -> None:
        # Painted at the size of the file: its lines are antialiased by formula and need no supersampling.
        camera = camera.coarse(step)
        self.street, self.bank, self.rng, self.camera, self.step = street, bank, rng, camera, step
        self.first, self.x, self.z = camera.ground_grid()
        # Texture finer than a pixel would flicker from row to row: it fades out with the distance.
        self.near = np.clip(18 / self.z, 0.04, 1).astype(np.float32)
        self.pixel = (self.z / camera.focal).astype(np.float32)
        self.shadow = np.zeros((camera.height, camera.width), np.float32)

    def paint(self, canvas: Canvas, weather: Weather) -> None:
        """Paint colour, labels and depth of everything below the horizon, shadows included."""
        label = self._label()
        color = self._asphalt(weather)
        self._markings(color)
        for region, texture in ((SIDEWALK, self._pavement), (TERRAIN, self._grass)):
            inside = label == region
            if inside.any():
                color[inside] = texture()[inside]
        self._kerbs(color)
        up = weather.shade((0, 1, 0))
        shade = cv2.GaussianBlur(self.shadow, (0, 0), 1.0 if weather.shadow > 0.3 else 3.0)[self.first :, :, None]
        lit = np.clip(color * (up * (1 - shade) + 0.6 * weather.ambient * shade), 0, 255)
        top = self.first * self.step
        size = (canvas.width, canvas.height - top)
        canvas.color[top:] = cv2.resize(lit.astype(np.uint8), size, interpolation=cv2.INTER_LINEAR)
        canvas.label[top:] = cv2.resize(label, size, interpolation=cv2.INTER_NEAREST)
        canvas.inverse_depth[top:] = np.repeat(1 / self.z, self.step, axis=0)

    def cast(self, footprint, strength: float) -> None:
        """Darken a patch of ground, given by its corners (N, 2) as (X, Z)."""
        footprint = np.asarray(footprint, float)
        points = np.column_stack([footprint[:, 0], np.zeros(len(footprint)), np.maximum(footprint[:, 1], 1.5)])
        pixels = np.clip(self.camera.project(points), -8000, 8000)
        hull = cv2.convexHull(np.round(pixels * 16).astype(np.int32))
        layer = self.shadow if strength >= 0.5 else self.shadow.copy()
        cv2.fillConvexPoly(layer, hull, float(strength), shift=4)
        np.maximum(self.shadow, layer, out=self.shadow)

    def _beyond(self, attribute: str) -> np.ndarray:
        """How far each pixel lies outside of a line of its side (negative inside), metres."""
        left, right = getattr(self.street.left, attribute), getattr(self.street.right, attribute)
        return np.where(self.x < 0, -self.x - left, self.x - right)

    def _label(self) -> np.ndarray:
        urban = np.where(self.x < 0, self.street.left.district == 'urban', self.street.right.district == 'urban')
        label = np.where(urban, SIDEWALK, TERRAIN).astype(np.uint8)
        label[self._beyond('walk') < 0] = SIDEWALK
        label[self._beyond('road') < 0] = ROAD
        for near, far in self.street.crossings:
            inside = (self.z > near) & (self.z < far)
            label[np.broadcast_to(inside, label.shape)] = ROAD
            for edge in (near - 2.2, far):
                walk = np.broadcast_to((self.z > edge) & (self.z < edge + 2.2), label.shape)
                label[walk & (label == TERRAIN)] = SIDEWALK
        return label

    def _asphalt(self, weather: Weather) -> np.ndarray:
        rng, tiles = self.rng, self.bank.tiles
        base = hsv(rng.uniform(0, 1), rng.uniform(0, 0.09), rng.uniform(0.32, 0.56))
        tone = 0.16 * _world_texture(tiles['coarse'], self.x, self.z, 20)
        tone += 0.11 * self.near * _world_texture(tiles['fine'], self.x, self.z, 55)
        tone += 0.07 * self.near * _world_texture(tiles['grain'], self.x, self.z, 90)
        wear = np.cos((self.x - rng.uniform(-0.3, 0.3)) * 2 * np.pi / 1.7)
        tone -= rng.uniform(0, 0.07) * np.clip(wear, 0, 1) * (np.abs(self.x) < 3.4)
        color = base * (1 + tone)[..., None]
        for _ in range(int(rng.integers(0, 5))):  # repairs: patches of another age
            x0, z0 = rng.uniform(-7, 6), rng.uniform(3, 35)
            patch = (
                (self.x > x0) & (self.x < x0 + rng.uniform(0.6, 3)) & (self.z > z0) & (self.z < z0 + rng.uniform(1, 12))
            )
            color[patch] *= rng.uniform(0.78, 1.16)
        if rng.random() < 0.5:  # cracks: zero crossings of a smooth field
            crack = np.abs(_world_texture(tiles['coarse'], self.x, self.z, 34))
            color *= 1 - 0.35 * (self.near * np.clip(1 - crack / 0.02, 0, 1))[..., None]
        if weather.rain:
            sheen = np.clip(_world_texture(tiles['coarse'], self.x, self.z * 0.4, 16) + 0.35, 0, 1)
            _blend(color, 0.42 * sheen.astype(np.float32), weather.horizon * 0.8)
        return color.astype(np.float32)

    def _stripe(self, center: float, width: float) -> np.ndarray:
        """Opacity of a line along the street, antialiased by the size of a pixel on the ground."""
        return np.clip((width / 2 - np.abs(self.x - center)) / self.pixel + 0.5, 0, 1)

    def _markings(self, color: np.ndarray) -> None:
        rng, street = self.rng, self.street
        worn = np.clip(0.75 + 0.6 * _world_texture(self.bank.tiles['clumps'], self.x, self.z, 40), 0.15, 1)
        paint = np.array([225, 232, 235]) * rng.uniform(0.85, 1.0)
        free = np.ones_like(self.z)
        for near, far in street.crossings:
            free = free * ~((self.z > near - 3) & (self.z < far + 3))
        for near, far in street.zebras:
            free = free * ~((self.z > near - 1) & (self.z < far + 1))
        period, share = rng.uniform(6, 12), rng.uniform(0.35, 0.55)
        dash = (np.mod(self.z + rng.uniform(0, 9), period) < share * period) * free
        for number, lane in enumerate(street.lanes):
            solid = number == 0 and rng.random() < 0.25
            _blend(color, worn * self._stripe(lane, 0.15) * (free if solid else dash), paint)
        if rng.random() < 0.45:
            for center in (-street.left.road + 0.25, street.right.road - 0.25):
                _blend(color, worn * self._stripe(center, 0.12) * free, paint)
        for near, far in street.zebras:
            bars = np.mod(self.x, 1.0) < 0.5
            inside = bars & (self.z > near) & (self.z < far) & (self._beyond('road') < 0)
            _blend(color, 0.9 * worn * inside, paint)
        for near, _ in street.crossings:
            _blend(
                color,
                worn
                * (
                    (self.z > near - 1.9)
                    & (self.z < near - 1.5)
                    & (self.x > street.lanes[0])
                    & (self._beyond('road') < 0)
                ),
                paint,
            )
        for rail in street.rails:
            for offset in (-0.72, 0.72):
                _blend(color, 0.8 * self._stripe(rail + offset, 0.16), (70, 72, 78))
                _blend(color, 0.7 * self._stripe(rail + offset, 0.06), (165, 168, 172))

    def _pavement(self) -> np.ndarray:
        rng, tiles = self.rng, self.bank.tiles
        base = pick(
            rng,
            [
                hsv(rng.uniform(0.05, 0.14), rng.uniform(0.02, 0.14), rng.uniform(0.48, 0.7)),
                hsv(rng.uniform(0.5, 0.7), rng.uniform(0, 0.06), rng.uniform(0.42, 0.62)),
                hsv(0.03, rng.uniform(0.15, 0.32), rng.uniform(0.42, 0.6)),
            ],
            [5, 3, 2],
        )
        tone = 0.13 * _world_texture(tiles['coarse'], self.x, self.z, 26)
        tone += 0.10 * self.near * _world_texture(tiles['fine'], self.x, self.z, 48)
        side = rng.uniform(0.3, 1.0)
        row = np.floor(self.z / side)
        joints = np.minimum(np.mod(self.x + 0.5 * side * np.mod(row, 2), side), np.mod(self.z, side))
        tone -= rng.uniform(0.15, 0.4) * np.clip(0.4 / (self.pixel * 20), 0, 1) * (joints < 0.035)
        slab = np.mod(np.floor(self.x / side) * 12.9898 + row * 78.233, 1.0)  # each slab has its own tone
        return (base * (1 + tone + 0.08 * (slab - 0.5))[..., None]).astype(np.float32)

    def _grass(self) -> np.ndarray:
        rng, tiles = self.rng, self.bank.tiles
        green = hsv(rng.uniform(0.18, 0.32), rng.uniform(0.3, 0.6), rng.uniform(0.34, 0.55))
        soil = hsv(rng.uniform(0.07, 0.12), rng.uniform(0.25, 0.45), rng.uniform(0.38, 0.6))
        bare = np.clip(_world_texture(tiles['coarse'], self.x, self.z, 24) * 1.4 + rng.uniform(-0.7, 0.5), 0, 1)
        tone = 0.26 * self.near * _world_texture(tiles['fine'], self.x, self.z * 0.5, 40) + 0.22 * _world_texture(
            tiles['clumps'], self.x, self.z, 20
        )
        return ((green + bare[..., None] * (soil - green)) * (1 + tone)[..., None]).astype(np.float32)

    def _kerbs(self, color: np.ndarray) -> None:
        paved = np.where(
            self.x < 0, self.street.left.walk > self.street.left.road, self.street.right.walk > self.street.right.road
        )
        beyond = self._beyond('road')
        solid = np.ones_like(self.z)
        for near, far in self.street.crossings:
            solid = solid * ~((self.z > near) & (self.z < far))
        top = np.clip((0.09 - np.abs(beyond - 0.11)) / self.pixel + 0.5, 0, 1) * solid * paved
        gutter = np.clip((0.05 - np.abs(beyond + 0.04)) / self.pixel + 0.5, 0, 1) * solid
        _blend(color, 0.75 * top, hsv(0.1, 0.04, 0.74))
        color *= 1 - 0.5 * gutter[..., None]
