"""Images as files hold them: grey, with an alpha channel, of 16 bits, or turned by a camera's EXIF entry."""
from __future__ import annotations

import io
from collections.abc import Callable

import cv2
import mmengine.fileio
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmseg.registry import TRANSFORMS
from PIL import Image, ImageOps

_EXIF_ORIENTATION = 0x0112


@TRANSFORMS.register_module()
class LoadAnyImage(LoadImageFromFile):
    """MMCV's ``LoadImageFromFile`` with its default decoder, for images from anywhere.

    Images of 8 bits are the same as there, bit for bit. Beyond that: 16 bits are scaled to 8 by 1 / 257 and rounded
    (MMCV drops the lower byte), EXIF orientation counts in every format and with every OpenCV, and a file that ends
    too early is an error. See :func:`decode_image`.

    Args:
        **kwargs: Those of MMCV's ``LoadImageFromFile``.

    Required keys: ``img_path``.

    Modified keys: ``img`` (H, W, 3) BGR; ``img_shape``; ``ori_shape``.

    Example:
        >>> LoadAnyImage().transform(dict(img_path='pyproject.toml'))
        Traceback (most recent call last):
        ...
        ValueError: pyproject.toml cannot be read as an image: incomplete or of an unknown format
    """

    @classmethod
    def replacing(cls, step: Callable[[dict], dict | None]) -> Callable[[dict], dict | None]:
        """The step of a pipeline or, where it is a plain loader with the default decoder, this one instead.

        Example:
            >>> type(LoadAnyImage.replacing(LoadImageFromFile())).__name__
            'LoadAnyImage'
            >>> type(LoadAnyImage.replacing(LoadImageFromFile(imdecode_backend='pillow'))).__name__
            'LoadImageFromFile'
        """
        if type(step) is not LoadImageFromFile or step.file_client_args is not None:
            return step
        return cls(**vars(step)) if (step.imdecode_backend, step.color_type) == ('cv2', 'color') else step

    def transform(self, results: dict) -> dict:
        """Load the image of one sample.

        Raises:
            OSError: The file cannot be opened.
            ValueError: It is no image, an incomplete one, or of neither 8 nor 16 bits.
        """
        path = results['img_path']
        try:
            image = decode_image(mmengine.fileio.get(path, backend_args=self.backend_args))
        except ValueError as error:
            raise ValueError(f'{path} cannot be read as an image: {error}') from error
        results['img'] = image.astype(np.float32) if self.to_float32 else image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results


def decode_image(content: bytes) -> np.ndarray:
    """Decode the content of an image file.

    An alpha channel is dropped: pixels keep the colour that the file holds for them, however transparent they are.

    Returns:
        ``(H, W, 3)`` uint8 BGR, in the orientation in which one sees it.

    Raises:
        ValueError: The content is no image, incomplete, or of neither 8 nor 16 bits.
    """
    if content[:2] == b'\xff\xd8' and b'\xff\xd9' not in content[-65536:]:
        # OpenCV would fill what is missing with grey. Programs append thumbnails and remarks to the end.
        raise ValueError('the JPEG data end too early')
    try:
        image = _decode_with_pillow(content)
        if image is None and content:
            image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    except (OSError, SyntaxError, cv2.error) as error:  # Pillow raises the second for damaged chunks
        raise ValueError(error) from error
    if image is None:
        raise ValueError('incomplete or of an unknown format')
    return to_bgr(image)


def _decode_with_pillow(content: bytes) -> np.ndarray | None:
    """``(H, W, 3)`` BGR of the kinds of files that OpenCV gets wrong, None for all others."""
    is_webp, is_tiff = content[8:12] == b'WEBP', content[:4] in (b'II*\0', b'MM\0*')
    if not (is_webp or is_tiff):
        return None
    with Image.open(io.BytesIO(content)) as picture:
        # Not every OpenCV heeds a WebP's EXIF; none hands out a TIFF's colours without multiplying them by alpha.
        turned = is_webp and picture.getexif().get(_EXIF_ORIENTATION, 1) != 1
        if not turned and not (is_tiff and picture.mode == 'RGBA'):
            return None
        return np.asarray(ImageOps.exif_transpose(picture).convert('RGB'))[..., ::-1]


def to_bgr(image: np.ndarray) -> np.ndarray:
    """What a network takes of an image of 8 or 16 bits: grey three times, no alpha channel, 8 bits.

    Args:
        image: ``(H, W)``, ``(H, W, 1)``, ``(H, W, 3)`` BGR or ``(H, W, 4)`` BGRA; uint8 or uint16, the latter scaled
            by 1 / 257 and rounded.

    Returns:
        ``(H, W, 3)`` uint8, a copy.

    Raises:
        ValueError: Another shape or type.

    Example:
        >>> to_bgr(np.array([[0, 255, 65535]], np.uint16)).tolist()
        [[[0, 0, 0], [1, 1, 1], [255, 255, 255]]]
    """
    if image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f'expected 8 or 16 bits (uint8, uint16), found {image.dtype}')
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[2] not in (1, 3, 4) or not image.size:
        raise ValueError(f'expected (H, W), (H, W, 3) or (H, W, 4), found {image.shape}')
    image = image.repeat(3, axis=2) if image.shape[2] == 1 else image[..., :3]
    if image.dtype == np.uint16:
        image = np.rint(image / np.float32(257))
    return np.array(image, dtype=np.uint8, order='C')
