"""From random numbers to one labelled photograph of a street."""

from dataclasses import dataclass

import cv2
import numpy as np

from .camera import Camera
from .canvas import Canvas
from .classes import VOID
from .ground import GroundPainter
from .layout import Layout, cast_shadows, draw_layout
from .noise import NoiseBank, hsv
from .optics import expose
from .sky import paint_sky, paint_skyline
from .weather import Weather, draw_weather

WIDTH, HEIGHT = 512, 256
SUPERSAMPLING = 2  # scenes are painted at twice the size and averaged, which smooths every edge


@dataclass
class Scene:
    """A scene before it is painted; ``things`` may be added to its layout.

    Args:
        layout: Camera, street and things.
        weather: Light and air.
        bank: Noise of the scene.
    """

    layout: Layout
    weather: Weather
    bank: NoiseBank


def draw_scene(rng: np.random.Generator) -> Scene:
    """Draw a scene of the usual size."""
    weather = draw_weather(rng)
    layout = draw_layout(rng, WIDTH * SUPERSAMPLING, HEIGHT * SUPERSAMPLING)
    return Scene(layout, weather, NoiseBank(rng))


def render(scene: Scene, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Paint a scene.

    Returns:
        Picture, uint8 (256, 512, 3), BGR, and labels, uint8 (256, 512): train ids, ``VOID`` and, where an anomaly was
        added, ``ANOMALY``.
    """
    layout, weather, bank = scene.layout, scene.weather, scene.bank
    camera = layout.camera
    canvas = Canvas(camera.width, camera.height)
    paint_sky(canvas, camera.coarse(SUPERSAMPLING), weather, rng)
    paint_skyline(canvas, camera, weather, bank, rng, layout.urban)
    painter = GroundPainter(camera, layout.street, bank, rng, SUPERSAMPLING)
    cast_shadows(painter, layout.things, weather)
    painter.paint(canvas, weather)
    for thing in sorted(layout.things, key=lambda thing: -thing.order):
        if thing.order > 2.0:
            thing.draw(canvas, camera, weather, bank, rng)
    if layout.bonnet:
        _paint_bonnet(canvas, camera, weather, bank, rng)
    size = (WIDTH, HEIGHT)
    color = cv2.resize(canvas.color, size, interpolation=cv2.INTER_AREA)
    step = SUPERSAMPLING
    inverse_depth = canvas.inverse_depth[::step, ::step]
    return expose(color, inverse_depth, weather, rng), canvas.label[::step, ::step].copy()


def _paint_bonnet(canvas: Canvas, camera: Camera, weather: Weather, bank: NoiseBank, rng: np.random.Generator) -> None:
    """The car's own bonnet along the lower edge: unlabelled, as in Cityscapes."""
    angle = np.linspace(np.pi, 2 * np.pi, 40)
    middle = canvas.width / 2 + rng.uniform(-20, 20)
    height = canvas.height * rng.uniform(0.05, 0.12)
    outline = np.stack([middle + canvas.width * 0.62 * np.cos(angle), canvas.height + 2 + height * np.sin(angle)], 1)
    paint = hsv(rng.random(), rng.uniform(0, 0.3), rng.uniform(0.1, 0.6))
    canvas.begin()
    canvas.polygon(outline, paint * weather.shade((0, 1, 0)), VOID, 1.5)
    canvas.finish(
        lambda h, w: np.linspace(1.5, 0.8, h, dtype=np.float32)[:, None] + 0.1 * bank.crop(rng, (h, w), 'coarse')
    )
