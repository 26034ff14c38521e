"""What a label map may hold, and the error that says so when it does not."""
from __future__ import annotations

from collections.abc import Collection, Mapping
from os import PathLike

import numpy as np
from PIL import Image

OOD_INDEX = 254
IGNORE_INDEX = 255

# LoadAnnotations casts every label map to uint8: deeper ones would wrap around unnoticed.
_EIGHT_BIT_MODES = ('1', 'L', 'P')


def check_label_values(labels: np.ndarray, allowed: Collection[int], path: str | PathLike,
                       label_map: Mapping[int, int] | None = None) -> None:
    """Refuse a label map that holds values without a meaning.

    Args:
        labels: Integer labels of any shape.
        allowed: The values that have a meaning.
        path: File the labels came from; named in the error.
        label_map: How the values of the file were translated before, for the error.

    Raises:
        ValueError: ``labels`` holds other values.

    Examples:
        >>> check_label_values(np.array([[0, 254], [0, 255]]), (0, 254, 255), 'frame.png')
        >>> check_label_values(np.array([[0, 3]]), (0, 254, 255), 'frame.png')
        Traceback (most recent call last):
        ...
        ValueError: label map frame.png holds the values 3, expected only 0, 254, 255
    """
    unknown = sorted(_values(labels) - set(allowed))
    if unknown:
        translated = f' after {dict(label_map)}' if label_map else ''
        raise ValueError(f'label map {path} holds the values {_listed(unknown)}{translated}, '
                         f'expected only {_listed(sorted(allowed))}')


def check_label_file(label_path: str | PathLike, image_path: str | PathLike) -> None:
    """Refuse a label map that cannot belong to its image; reads the two file headers only.

    Args:
        label_path: Label map.
        image_path: Image it describes.

    Raises:
        ValueError: A file is no image, the sizes differ, or the label map is not one 8-bit channel.
    """
    image_size, _ = _header(image_path)
    label_size, mode = _header(label_path)
    if mode not in _EIGHT_BIT_MODES:
        raise ValueError(f'label map {label_path} is an image of mode {mode}, expected one channel of 8 bits')
    if image_size != label_size:
        raise ValueError(f'image {image_path} is {_size(image_size)} (width x height), but its label map '
                         f'{label_path} is {_size(label_size)}')


def _values(labels: np.ndarray) -> set[int]:
    flat = np.ravel(labels)
    if flat.dtype != np.uint8 and flat.size and not 0 <= flat.min() <= flat.max() <= IGNORE_INDEX:
        return set(np.unique(flat).tolist())
    return set(np.flatnonzero(np.bincount(flat)).tolist())  # 20 times faster than np.unique on a street scene


def _header(path: str | PathLike) -> tuple[tuple[int, int], str]:
    try:
        with Image.open(path) as image:
            return image.size, image.mode
    except OSError as error:
        raise ValueError(f'{path} cannot be read as an image: {error}') from error


def _listed(values: list[int]) -> str:
    return ', '.join(map(str, values))


def _size(size: tuple[int, int]) -> str:
    return f'{size[0]}x{size[1]}'
