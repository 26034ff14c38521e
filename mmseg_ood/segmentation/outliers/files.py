"""Reading the picture files of the sources, with errors that name them."""
from __future__ import annotations

import os

import cv2
import numpy as np
from PIL import Image


def require_folder(owner: str, argument: str, path: str, layout: str) -> None:
    """Raise FileNotFoundError, naming the expected layout, unless ``path`` is a folder."""
    if not os.path.isdir(path):
        raise FileNotFoundError(f"{owner}: no folder {argument}='{path}'; expected {layout}")


def image_size(path: str) -> tuple[int, int]:
    """Height and width in px of a picture as stored, without decoding it.

    Raises:
        OSError: The file is missing or holds no picture.
    """
    with Image.open(path) as picture:
        return picture.height, picture.width


def read_bgr(path: str) -> np.ndarray:
    """Decode a picture to (H, W, 3) uint8 BGR; grey is repeated, transparency dropped.

    An EXIF rotation is not applied: masks refer to the pixels as they are stored.

    Raises:
        ValueError: The file cannot be decoded.
    """
    return _read(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)


def read_unchanged(path: str) -> np.ndarray:
    """Decode a picture with the channels and the depth it is stored with.

    Raises:
        ValueError: The file cannot be decoded.
    """
    return _read(path, cv2.IMREAD_UNCHANGED)


def _read(path: str, flags: int) -> np.ndarray:
    picture = cv2.imread(path, flags)
    if picture is None:
        raise ValueError(f"cannot decode '{path}': the file is missing, damaged or not a picture")
    return picture
