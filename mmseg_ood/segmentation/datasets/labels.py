"""What a label map may hold, and the error that says so when it does not."""
from __future__ import annotations

from collections.abc import Collection, Iterable
from os import SEEK_END, PathLike
from typing import BinaryIO

import numpy as np
from PIL import Image

OOD_INDEX = 254
IGNORE_INDEX = 255

# LoadAnnotations casts every label map to uint8: deeper ones would wrap around unnoticed.
_EIGHT_BIT_MODES = ('1', 'L', 'P')

# How complete files end. OpenCV fills what is missing in a JPEG with grey; other formats fail by themselves.
_ENDINGS = {'JPEG': b'\xff\xd9', 'PNG': b'IEND'}
_TAIL = 65536  # bytes in which to look: programs append thumbnails and remarks


def read_label_values(path: str | PathLike) -> set[int]:
    """Which values a label map holds, as they are in the file.

    Args:
        path: Label map of one 8-bit channel, see :func:`check_label_file`.

    Raises:
        ValueError: The file cannot be decoded.
    """
    try:
        with Image.open(path) as image:
            return _values(np.asarray(image, np.uint8))
    except (OSError, SyntaxError) as error:  # Pillow raises the latter for damaged chunks of a PNG
        raise ValueError(f'{path} cannot be read as an image: {error}') from error


def check_label_values(labels: np.ndarray | Iterable[int], allowed: Collection[int], path: str | PathLike) -> None:
    """Refuse a label map that holds values without a meaning.

    Args:
        labels: Integer labels of any shape, or the values among them.
        allowed: The values that have a meaning.
        path: File the labels came from; named in the error.

    Raises:
        ValueError: ``labels`` holds other values.

    Examples:
        >>> check_label_values(np.array([[0, 254], [0, 255]]), (0, 254, 255), 'frame.png')
        >>> check_label_values(np.array([[0, 3]]), (0, 254, 255), 'frame.png')
        Traceback (most recent call last):
        ...
        ValueError: label map frame.png holds the values 3, expected only 0, 254, 255
    """
    values = _values(labels) if isinstance(labels, np.ndarray) else set(labels)
    unknown = sorted(values - set(allowed))
    if unknown:
        raise ValueError(f'label map {path} holds the values {_listed(unknown)}, '
                         f'expected only {_listed(sorted(allowed))}')


def check_label_file(label_path: str | PathLike, image_path: str | PathLike) -> None:
    """Refuse a label map that cannot belong to its image; reads the beginning and the end of the two files.

    Args:
        label_path: Label map.
        image_path: Image it describes.

    Raises:
        ValueError: A file is no image or incomplete, the sizes differ, or the label map is not one 8-bit channel.
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
        with open(path, 'rb') as file, Image.open(file) as image:
            ending = _ENDINGS.get(image.format, b'')
            if ending not in _tail(file):
                raise OSError(f'the {image.format} data end too early')
            return image.size, image.mode
    except OSError as error:
        raise ValueError(f'{path} cannot be read as an image: {error}') from error


def _tail(file: BinaryIO) -> bytes:
    file.seek(max(0, file.seek(0, SEEK_END) - _TAIL))
    return file.read()


def _listed(values: list[int]) -> str:
    return ', '.join(map(str, values))


def _size(size: tuple[int, int]) -> str:
    return f'{size[0]}x{size[1]}'
