"""From image files to one array, or to one error that names all files that cannot be read."""
from __future__ import annotations

import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from mmengine.dist import is_main_process
from rich.progress import track

_SHOW_PROGRESS_FROM = 3000
_CHUNK = 256  # images a task of the thread pool decodes: small ones cost less than handing them over

# Some releases of OpenCV fill what is missing in a JPEG with grey. Programs append thumbnails and remarks.
_JPEG_START, _JPEG_END, _TAIL = b'\xff\xd8', b'\xff\xd9', 65536


def decode_image(content: bytes, image_size: int) -> np.ndarray:
    """Decode an image file to a square RGB image.

    The rotation in its EXIF data is applied, grey is repeated, transparency dropped, 16 bits become 8. See
    :func:`fit_square` for the size.

    Args:
        content: Content of the file.
        image_size: Height and width of the result in px.

    Returns:
        ``(S, S, 3)`` uint8 RGB.

    Raises:
        ValueError: The file is empty, incomplete or no image; the message does not name it.
    """
    if not content:
        raise ValueError('the file is empty')
    if content.startswith(_JPEG_START) and _JPEG_END not in content[-_TAIL:]:
        raise ValueError('the JPEG data end too early')
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise ValueError(f'it cannot be decoded ({error.err})') from error
    if image is None:
        raise ValueError('it is damaged or no image')
    return cv2.cvtColor(fit_square(image, image_size), cv2.COLOR_BGR2RGB)


def fit_square(image: np.ndarray, image_size: int) -> np.ndarray:
    """Cut the largest square out of the middle of an image and scale it, each pixel the mean of those it covers.

    Args:
        image: ``(H, W, 3)`` uint8.
        image_size: Height and width of the result in px.

    Returns:
        ``(S, S, 3)`` uint8; the image itself where its size fits.

    Example:
        >>> fit_square(np.repeat(np.arange(6, dtype=np.uint8), 2 * 3).reshape(1, 12, 3).repeat(4, axis=0), 2)[..., 0]
        array([[2, 3],
               [2, 3]], dtype=uint8)
    """
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = image[top:top + side, left:left + side]
    return square if side == image_size else cv2.resize(square, (image_size, image_size), interpolation=cv2.INTER_AREA)


def decode_all(names: Sequence[str], read: Callable[[int], bytes], image_size: int) -> np.ndarray:
    """Decode many files, several at a time.

    Args:
        names: What to call each file in the error message.
        read: Gives the content of file ``index``; must be thread-safe.
        image_size: Height and width of the results in px.

    Returns:
        ``(N, S, S, 3)`` uint8 RGB.

    Raises:
        ValueError: Files cannot be read; all of them are named, none is skipped.
    """
    images = np.empty((len(names), image_size, image_size, 3), np.uint8)

    def decode_chunk(chunk: range) -> list[str]:
        errors = []
        for index in chunk:
            try:
                images[index] = decode_image(read(index), image_size)
            # The latter are what zipfile raises for damaged, locked and unsupported entries.
            except (ValueError, OSError, zipfile.BadZipFile, zlib.error, RuntimeError, EOFError) as error:
                errors.append(f'{names[index]}: {error}')
        return errors

    chunks = [range(len(names))[start:start + _CHUNK] for start in range(0, len(names), _CHUNK)]
    with ThreadPoolExecutor() as pool:
        errors = [error for chunk in _tracked(pool.map(decode_chunk, chunks), len(chunks), len(names))
                  for error in chunk]
    if errors:
        raise ValueError(f'{len(errors)} of {len(names)} images cannot be read; repair or remove them:\n  '
                         + '\n  '.join(errors))
    return images


def _tracked(chunks: Iterator, num_chunks: int, num_images: int) -> Iterator:
    if num_images < _SHOW_PROGRESS_FROM or not is_main_process() or not sys.stdout.isatty():
        return chunks
    return track(chunks, f'Decoding {num_images} images', total=num_chunks, transient=True)
