"""Images that are published as differences to the images of another data set."""
from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from os import PathLike
from typing import IO, Any

import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmseg.registry import TRANSFORMS
from PIL import Image

_UNREADABLE = (OSError, EOFError, KeyError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error)
_HEADER_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


@TRANSFORMS.register_module()
class LoadBlendedImage(LoadImageFromFile):
    """Load an image and add the overlay of its frame to it, as the official Fishyscapes Static wants it.

    :class:`~mmseg_ood.segmentation.datasets.FishyscapesDataset` puts this step where it is needed.

    Args:
        **kwargs: Those of MMCV's ``LoadImageFromFile``.

    Required keys: ``img_path``; ``overlay_path``, an npz file with an array (H, W, 3) in RGB order, the only
    one of the file or that named ``rgb``. Numbers are added, rounded and clipped to 0..255; unsigned integers
    are differences modulo 256.

    Modified keys: ``img`` (H, W, 3) BGR, as MMCV loads it; ``img_shape``; ``ori_shape``.

    Example:
        >>> LoadBlendedImage(to_float32=True).to_float32
        True
    """

    @classmethod
    def from_loader(cls, loader: LoadImageFromFile) -> LoadBlendedImage:
        """The step with the settings of another loader."""
        return cls(**vars(loader))

    def transform(self, results: dict) -> dict | None:
        """Load the image of one sample.

        Args:
            results: Sample of an MMSegmentation pipeline, see the class.

        Returns:
            The same dict; None for an empty image under ``ignore_empty``.

        Raises:
            KeyError: The sample has no ``overlay_path``.
            ValueError: The overlay is unreadable, does not fit the image, or is not finite.
        """
        if 'overlay_path' not in results:
            raise KeyError(f'LoadBlendedImage: no overlay_path in the sample (found: {sorted(results)}); use '
                           'LoadImageFromFile for images that are complete')
        results = super().transform(results)
        if results is not None:
            overlay = read_overlay(results['overlay_path'])
            _require_same_shape(results['img'].shape, results['img_path'], overlay.shape, results['overlay_path'])
            results['img'] = blend(results['img'], overlay[..., ::-1])
        return results


def blend(image: np.ndarray, overlay: np.ndarray) -> np.ndarray:
    """Add an overlay to an image.

    Args:
        image: (H, W, 3), whole numbers 0..255 of any type.
        overlay: (H, W, 3) in the same order of channels. Signed integers and floating point numbers are
            added, rounded and clipped to 0..255; unsigned integers are added modulo 256.

    Returns:
        (H, W, 3) of the type of ``image``.

    Examples:
        >>> blend(np.array([10, 10, 250], np.uint8), np.array([-3, -20, 20.6]))
        array([  7,   0, 255], dtype=uint8)
        >>> blend(np.array([10, 10, 250], np.uint8), np.array([253, 20, 20], np.uint8))
        array([ 7, 30, 14], dtype=uint8)
    """
    if overlay.dtype.kind == 'u':
        blended = image.astype(np.uint8) + overlay.astype(np.uint8)
    else:
        blended = np.rint(np.clip(np.add(image, overlay, dtype=np.float64), 0, 255))
    return blended.astype(image.dtype)


def read_overlay(path: str | PathLike) -> np.ndarray:
    """Read the array of an npz file.

    Args:
        path: File with a single array, or one named ``rgb``.

    Raises:
        ValueError: The file is unreadable, holds another choice of arrays, or what it holds are no finite
            numbers.
    """
    overlay = _read_member(path, lambda file: np.lib.format.read_array(file, allow_pickle=False))
    _require_numbers(overlay.dtype, path)
    if not np.isfinite(overlay).all():
        raise ValueError(f'overlay {path} holds {np.count_nonzero(~np.isfinite(overlay))} values that are not finite')
    return overlay


def check_overlay(overlay_path: str | PathLike, image_path: str | PathLike) -> None:
    """Refuse an overlay that cannot belong to its image; reads the two file headers only.

    Args:
        overlay_path: See :func:`read_overlay`.
        image_path: Image it is added to.

    Raises:
        ValueError: The overlay is unreadable, of another size, or holds no numbers.
    """
    shape, dtype = _read_member(overlay_path, _read_header)
    _require_numbers(dtype, overlay_path)
    with Image.open(image_path) as image:
        _require_same_shape((image.height, image.width, 3), image_path, shape, overlay_path)


def _read_member(path: str | PathLike, read: Callable[[IO[bytes]], Any]) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = [name for name in archive.namelist() if name.endswith('.npy')]
            name = arrays[0] if len(arrays) == 1 else 'rgb.npy'
            if name not in arrays:
                raise ValueError(f'it holds the arrays {arrays}, expected a single one or one named rgb')
            with archive.open(name) as file:
                return read(file)
    except _UNREADABLE as error:
        raise ValueError(f'overlay {path} cannot be read as an npz file: {error}') from error


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    shape, _, dtype = _HEADER_READERS[np.lib.format.read_magic(file)](file)
    return shape, dtype


def _require_numbers(dtype: np.dtype, path: str | PathLike) -> None:
    if dtype.kind not in 'iuf':
        raise ValueError(f'overlay {path} holds {dtype}, expected integers or floating point numbers')


def _require_same_shape(image_shape: tuple[int, ...], image_path: str | PathLike, shape: tuple[int, ...],
                        path: str | PathLike) -> None:
    if not shape == image_shape == (*image_shape[:2], 3):
        raise ValueError(f'image {image_path} is {image_shape}, but its overlay {path} is {shape}; '
                         'expected (height, width, 3) of both')
