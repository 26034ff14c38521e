"""Images that lie in one numpy file already, such as ``300K_random_images.npy``."""
from __future__ import annotations

import os

import numpy as np
from mmengine.registry import DATASETS

from ..labels import OOD_LABEL
from .images import ImageSet, NumberedNames
from .splits import check_split, split_of


@DATASETS.register_module()
class ArrayDataset(ImageSet):
    """Images from a ``.npy`` or ``.npz`` file: outliers unless there are labels.

    ``.npy`` files are memory-mapped: they may be larger than the memory.

    Args:
        path: File with ``(N, S, S, 3)`` or ``(N, 3, S, S)`` uint8.
        num_images: How many to take, the first ones; None: all.
        key: Name of the images in a ``.npz``; needed where there are several arrays.
        labels_key: Name of the labels in a ``.npz``, N integers, -1 for an outlier; None: all are outliers.
        split: ``'train'`` or ``'test'``; None: what the name of the file says. Training on a test split is refused.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is damaged or holds something else, or ``num_images`` is more than there are.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile(suffix='.npy') as file:
        ...     np.save(file.name, np.zeros((8, 32, 32, 3), np.uint8))
        ...     outliers = ArrayDataset(file.name, num_images=5)
        >>> len(outliers), outliers[0]['labels']
        (5, tensor(-1))
    """

    def __init__(self, path: str, num_images: int | None = None, key: str | None = None,
                 labels_key: str | None = None, split: str | None = None) -> None:
        check_split(split, 'ArrayDataset')
        images, labels = _read(str(path), key, labels_key)
        images = _channels_last(images, path)
        if num_images is not None and not 0 < num_images <= len(images):
            raise ValueError(f'ArrayDataset: {num_images=}, expected 1 to {len(images)}, which {path} holds')
        if labels is None:
            labels = np.full(len(images), OOD_LABEL)
        elif labels.shape != (len(images),) or labels.dtype.kind not in 'iu':
            raise ValueError(f'ArrayDataset: {labels_key} in {path} is {labels.shape} of {labels.dtype}, expected '
                             f'({len(images)},) of integers, one for each image')
        images, labels = images[:num_images], labels[:num_images]
        super().__init__(images, labels, NumberedNames(str(path), len(images)),
                         split=split or split_of([os.path.basename(path)]))


def _read(path: str, key: str | None, labels_key: str | None) -> tuple[np.ndarray, np.ndarray | None]:
    if path.endswith('.npy') and (key, labels_key) != (None, None):
        raise ValueError(f'ArrayDataset: {key=} and {labels_key=} have no effect on {path}, only on a .npz')
    try:
        content = np.load(path, mmap_mode='r', allow_pickle=False)
        if isinstance(content, np.ndarray):
            return content, None
        with content:
            key = key or _only_key(path, [name for name in content if name != labels_key])
            missing = [name for name in (key, labels_key) if name is not None and name not in content]
            if missing:
                raise ValueError(f'no array {", ".join(missing)}, only {", ".join(content)}')
            return content[key], None if labels_key is None else content[labels_key]
    except FileNotFoundError:
        raise FileNotFoundError(f'ArrayDataset: {path} does not exist, expected a .npy or .npz file') from None
    except Exception as error:  # numpy and zipfile raise several types for damaged files, few of which name it
        raise ValueError(f'ArrayDataset: {path} cannot be used: {error}') from error


def _only_key(path: str, keys: list[str]) -> str:
    if len(keys) != 1:
        raise ValueError(f'it holds the arrays {", ".join(keys) or "(none)"}; name the images with key, the labels '
                         'with labels_key')
    return keys[0]


def _channels_last(images: np.ndarray, path: str) -> np.ndarray:
    if images.ndim == 4 and images.shape[1] == 3 and images.shape[3] != 3:
        images = images.transpose(0, 2, 3, 1)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or images.shape[1] != images.shape[2]:
        raise ValueError(f'ArrayDataset: {path} holds {images.shape} of {images.dtype}, expected (N, S, S, 3) or '
                         '(N, 3, S, S) of uint8')
    return images
