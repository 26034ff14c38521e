"""Outlier objects (a shape, a texture, light) and the pictures of the auxiliary outlier set."""

from dataclasses import dataclass

import cv2
import numpy as np

from .noise import fractal_noise, hsv, pick
from .outlier_shapes import TEST_SHAPES, TRAIN_SHAPES, Clay
from .outlier_textures import TEST_TEXTURES, TRAIN_TEXTURES

FAMILIES = {'train': (TRAIN_SHAPES, TRAIN_TEXTURES), 'test': (TEST_SHAPES, TEST_TEXTURES)}


@dataclass
class OutlierObject:
    """A shaded object cut out of its background.

    Args:
        color: float32 (h, w, 3), BGR.
        alpha: float32 (h, w), opacity in [0, 1].
        shape: Name of the shape family.
        texture: Name of the texture family.
    """

    color: np.ndarray
    alpha: np.ndarray
    shape: str
    texture: str


def make_object(
    rng: np.random.Generator,
    split: str,
    size: int,
    light=(-0.4, -0.7, 0.6),
    direct: float = 0.75,
    shape: str | None = None,
) -> OutlierObject:
    """Make an object.

    Args:
        rng: Random generator.
        split: 'train' or 'test': which families to draw from.
        size: Side of the square it is modelled in.
        light: Direction to the light as (right, down, towards the viewer).
        direct: Strength of the directed light over the ambient one, 0 to 1.
        shape: Name of the shape family; drawn when omitted.
    """
    shapes, textures = FAMILIES[split]
    shape = shape or pick(rng, list(shapes))
    clay = Clay(size)
    shapes[shape](clay, rng)
    names = [pick(rng, list(textures)) for _ in range(2 if rng.random() < 0.25 else 1)]
    color = textures[names[0]](size, rng)
    if len(names) > 1:  # every other part wears the second texture
        other = textures[names[1]](size, rng)
        color = np.where((clay.part % 2 == 1)[..., None], other, color)
    tint = np.array([*clay.tint, 1.0], np.float32)[clay.part]
    color = color * (tint * _shading(clay, np.asarray(light, float), direct, rng))[..., None]
    alpha = cv2.GaussianBlur(clay.mask.astype(np.float32), (0, 0), 0.7)
    if rng.random() < 0.5:
        color, alpha = color[:, ::-1], alpha[:, ::-1]
    rows, cols = np.flatnonzero(alpha.max(1) > 0.02), np.flatnonzero(alpha.max(0) > 0.02)
    crop = np.s_[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    return OutlierObject(
        np.clip(color[crop], 0, 255).astype(np.float32),
        np.ascontiguousarray(alpha[crop]),
        shape,
        '+'.join(dict.fromkeys(names)),
    )


def _shading(clay: Clay, light: np.ndarray, direct: float, rng: np.random.Generator) -> np.ndarray:
    """Brightness (size, size) of the clay under ambient light, one lamp and a highlight."""
    relief = cv2.GaussianBlur(clay.height, (0, 0), max(0.8, clay.size / 110))
    dx, dy = cv2.Sobel(relief, cv2.CV_32F, 1, 0, scale=0.125), cv2.Sobel(relief, cv2.CV_32F, 0, 1, scale=0.125)
    norm = np.sqrt(dx * dx + dy * dy + 1)
    light = light / np.linalg.norm(light)
    facing = np.clip((-dx * light[0] - dy * light[1] + light[2]) / norm, 0, 1)
    gloss = rng.uniform(0, 0.6) if rng.random() < 0.5 else 0.0
    occlusion = np.linspace(1.08, 0.72, clay.size, dtype=np.float32)[:, None]
    return ((1 - 0.6 * direct) + 0.75 * direct * facing) * occlusion + gloss * direct * facing**24


@dataclass
class OutlierPicture:
    """One picture of the auxiliary set.

    Args:
        image: uint8 (h, w, 3), BGR.
        masks: One bool (h, w) per object: what of it shows.
        shapes: Name of the shape family of each object.
        textures: Name of the texture family of each object.
    """

    image: np.ndarray
    masks: list[np.ndarray]
    shapes: list[str]
    textures: list[str]


def make_picture(rng: np.random.Generator, first_shape: str) -> OutlierPicture:
    """Make a picture of one to three objects on a plain, soft or noisy ground; the first one has a given shape."""
    height, width = (int(v) for v in rng.integers(160, 257, size=2))
    image = _backdrop(rng, height, width)
    light = (rng.uniform(-1, 1), rng.uniform(-1, -0.2), rng.uniform(0.4, 1))
    direct = rng.uniform(0.4, 1)
    count = int(rng.choice([1, 2, 3], p=[0.5, 0.3, 0.2]))
    masks, shapes, textures = [], [], []
    for number in range(count):
        side = int(min(height, width) * (rng.uniform(0.6, 0.95) if count == 1 else rng.uniform(0.38, 0.6)))
        item = make_object(rng, 'train', side, light, direct, first_shape if number == 0 else None)
        h, w = item.alpha.shape
        x = (
            int(rng.integers(0, width - w + 1))
            if count == 1
            else int(np.clip((number + 0.5) * width / count - w / 2 + rng.uniform(-10, 10), 0, width - w))
        )
        y = int(rng.integers(0, height - h + 1))
        _drop_shadow(image, item.alpha, x, y, light)
        area = np.s_[y : y + h, x : x + w]
        image[area] += item.alpha[..., None] * (item.color - image[area])
        mask = np.zeros((height, width), bool)
        mask[area] = item.alpha > 0.5
        masks = [earlier & ~mask for earlier in masks] + [mask]
        shapes.append(item.shape)
        textures.append(item.texture)
    image = image * rng.uniform(0.75, 1.15) + rng.standard_normal(image.shape, dtype=np.float32) * rng.uniform(1, 5)
    keep = [number for number, mask in enumerate(masks) if mask.sum() >= 64]
    return OutlierPicture(
        np.clip(np.round(image), 0, 255).astype(np.uint8),
        [masks[k] for k in keep],
        [shapes[k] for k in keep],
        [textures[k] for k in keep],
    )


def _backdrop(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    base = hsv(rng.random(), rng.uniform(0, 0.35), rng.uniform(0.3, 0.9))
    other = base * rng.uniform(0.6, 1.2)
    weight = np.linspace(0, 1, height, dtype=np.float32)[:, None] + 0.4 * fractal_noise(rng, (height, width), 90)
    image = base + np.clip(weight, 0, 1)[..., None] * (other - base)
    if rng.random() < 0.5:
        image *= (1 + rng.uniform(0.03, 0.2) * fractal_noise(rng, (height, width), rng.uniform(4, 30)))[..., None]
    return np.clip(image, 0, 255).astype(np.float32)


def _drop_shadow(image: np.ndarray, alpha: np.ndarray, x: int, y: int, light) -> None:
    height, width = image.shape[:2]
    layer = np.zeros((height, width), np.float32)
    dx, dy = int(-light[0] * 0.08 * width), int(0.03 * height)
    y0, x0 = np.clip(y + dy, 0, height), np.clip(x + dx, 0, width)
    part = alpha[: height - y0, max(0, -(x + dx)) :][:, : width - x0]
    layer[y0 : y0 + part.shape[0], x0 : x0 + part.shape[1]] = part
    image *= 1 - 0.4 * cv2.GaussianBlur(layer, (0, 0), 4)[..., None]
