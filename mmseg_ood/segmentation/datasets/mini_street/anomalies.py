"""Anomalies: outlier objects of the test families that stand on the street like everything else."""

from dataclasses import dataclass

import cv2
import numpy as np

from .camera import Camera
from .canvas import Canvas
from .classes import ANOMALY
from .noise import NoiseBank
from .outlier_shapes import TEST_SHAPES
from .outliers import make_object
from .scene import SUPERSAMPLING, Scene, render
from .weather import Weather

SMALLEST, LARGEST = 12, 110  # height in pixels of the file
_LEAST_VISIBLE = 40  # pixels that must show of all the anomalies of a frame


@dataclass
class Anomaly:
    """An object on the road or pavement.

    Args:
        x: Street position to the right.
        z: Depth.
        height: Height in metres.
        shape: Name of the shape family.
        seed: Its own random stream, so that a second attempt at a frame starts afresh.
    """

    x: float
    z: float
    height: float
    shape: str
    seed: tuple[int, ...]
    texture: str = ''

    @property
    def order(self) -> float:
        """Depth to sort by."""
        return self.z

    def footprint(self) -> np.ndarray:
        """Corners (8, 2) of the ground it covers, as (X, Z)."""
        angle = np.arange(8) * np.pi / 4
        return np.stack([self.x + 0.42 * self.height * np.cos(angle), self.z + 0.2 * self.height * np.sin(angle)], 1)

    def draw(self, canvas: Canvas, camera: Camera, weather: Weather, bank: NoiseBank, rng: np.random.Generator) -> None:
        """Paint it in the light of the scene; the scene's air, lens and sensor come later, over all of it."""
        own = np.random.default_rng(self.seed)
        light = (weather.sun[0], -weather.sun[1], max(0.25, -weather.sun[2]))
        item = make_object(own, 'test', 192, light, float(np.clip(weather.shadow + 0.25, 0.3, 0.9)), self.shape)
        self.texture = item.texture
        scale = self.height * camera.focal / self.z / item.alpha.shape[0]
        size = [max(3, int(round(side * scale))) for side in item.alpha.shape]
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        color = cv2.resize(item.color, size[::-1], interpolation=method)
        alpha = cv2.resize(item.alpha, size[::-1], interpolation=method)
        alpha = cv2.GaussianBlur(np.pad(alpha, 3), (0, 0), 0.9)  # one pixel of the file
        color = np.pad(color, ((3, 3), (3, 3), (0, 0)), mode='edge')
        color = color * (0.75 * weather.ambient + 0.55 * weather.direct)
        color *= (1 + 0.06 * bank.crop(own, alpha.shape, 'fine'))[..., None]
        ((u, v),) = camera.project([(self.x, 0, self.z)])
        canvas.stamp(int(u - alpha.shape[1] / 2), int(v - alpha.shape[0] + 4), color, alpha, ANOMALY, self.z)


def _place(scene: Scene, rng: np.random.Generator, seed: tuple[int, ...], shape: str) -> Anomaly:
    """Draw where an anomaly stands: on free road or pavement, at a size that its distance explains."""
    camera, street = scene.layout.camera, scene.layout.street
    focal, nearest = camera.focal / SUPERSAMPLING, camera.nearest_ground()
    anomaly = None
    for _ in range(60):
        height = float(np.exp(rng.uniform(np.log(0.35), np.log(1.9))))
        pixels = float(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST))))
        z = focal * height / pixels
        if not nearest * 1.12 < z < 45:
            continue
        sideways = min(0.42 * camera.width * z / camera.focal, street.right.walk - 0.3)
        x = rng.uniform(-min(0.42 * camera.width * z / camera.focal, street.left.walk - 0.3), sideways)
        anomaly = Anomaly(x, z, height, shape, seed)
        if not any(_collides(anomaly, thing, camera) for thing in scene.layout.things):
            break
    return anomaly or Anomaly(0.0, 1.3 * nearest, 0.6, shape, seed)


def _collides(anomaly: Anomaly, thing, camera: Camera) -> bool:
    """Whether a thing stands where the anomaly would, or right in front of it."""
    if not hasattr(thing, 'x'):
        return False
    wide = 0.5 * anomaly.height + (1.2 if hasattr(thing, 'yaw') else 0.4)
    long = getattr(thing, 'length', 0.8) / 2 + 0.5
    if abs(thing.z - anomaly.z) < long and abs(thing.x - anomaly.x) < max(
        wide, long * abs(np.sin(getattr(thing, 'yaw', 0.0)))
    ):
        return True
    columns = [camera.focal * (item.x + camera.bend * item.z**2) / item.z for item in (thing, anomaly) if item.z > 1]
    overlap = len(columns) == 2 and abs(columns[0] - columns[1]) < camera.focal * wide / max(anomaly.z, thing.z)
    return thing.z < anomaly.z and overlap


def render_with_anomalies(draw, seed: tuple[int, ...], count: int):
    """Paint a scene with ``count`` anomalies that show.

    Args:
        draw: Function from a generator to a :class:`Scene`.
        seed: Seed of the frame.
        count: Number of anomalies, 0 for a frame without any.

    Returns:
        Picture, labels (train ids with ``ANOMALY``) and the list of :class:`Anomaly` added.
    """
    for attempt in range(8):
        rng = np.random.default_rng([*seed, attempt])
        scene = draw(rng)
        names = rng.permutation(sorted(TEST_SHAPES))
        added = []
        for number in range(count):
            added.append(_place(scene, rng, (*seed, attempt, number), str(names[number])))
            scene.layout.things.append(added[-1])
        image, label = render(scene, rng)
        if count == 0 or np.count_nonzero(label == ANOMALY) >= _LEAST_VISIBLE * count:
            return image, label, added
    raise RuntimeError(f'no place for {count} anomalies in scene {seed} after 8 attempts')
