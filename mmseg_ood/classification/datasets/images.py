"""Decoded images in memory, handed out a whole batch at a time.

A 32x32 network spends less time on a batch than Python does on 128 single images. So all images of a set lie in
one array, a batch is one indexing operation, and what is random about it happens later, on the device.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
import torch
from mmengine.registry import DATASETS, FUNCTIONS
from torch import Tensor
from torch.utils.data import Dataset

from ..labels import OOD_LABEL
from .splits import check_split


class ImageBatch(dict):
    """A batch: a dict of tensors whose first dimension are the images.

    A data loader without ``collate_fn=dict(type='take_batch')`` takes it for a list of images; the error says so.
    """

    def __missing__(self, key: object) -> NoReturn:
        hint = (" The data sets of this package hand out whole batches: the data loader needs "
                "collate_fn=dict(type='take_batch')." if isinstance(key, int) else '')
        raise KeyError(f'a batch has no {key!r}, only {", ".join(self)}.{hint}')


@FUNCTIONS.register_module()
def take_batch(batch: ImageBatch) -> ImageBatch:
    """Collate function of the data sets of this package, whose batches are complete already.

    In a config: ``collate_fn=dict(type='take_batch')``.

    Args:
        batch: What ``__getitems__`` of a data set returned.

    Returns:
        The same batch.

    Raises:
        TypeError: A wrapper around the data set asked for the images one by one.
    """
    if not isinstance(batch, ImageBatch):
        raise TypeError(f'take_batch got a {type(batch).__name__}, expected a batch of a data set of this package. A '
                        'wrapper without __getitems__ around it (such as RepeatDataset or ConcatDataset) loads image '
                        'by image; InlierOutlierDataset and TestSetsDataset join data sets without that.')
    return batch


class ImageSet(Dataset):
    """Equally sized RGB images with a label each; base of the data sets of this package.

    Args:
        images: ``(N, S, S, 3)`` uint8, may be memory-mapped.
        labels: N integers: index of the class, or -1 for an outlier.
        names: What to call each image in an error message.
        classes: Names of the classes.
        split: ``'train'``, ``'test'`` or None if it is not known; training on a test split is refused.

    Attributes:
        images: As above.
        labels: ``(N,)`` int64.
        names: As above.
        classes: As above, a tuple or None.
        split: As above.

    Raises:
        ValueError: Shapes or types are not as above, there are no images, or a label is no class.

    Example:
        >>> images = ImageSet(np.zeros((3, 8, 8, 3), np.uint8), [0, 1, -1], ['a', 'b', 'c'], classes=['cat', 'dog'])
        >>> batch = images.__getitems__([2, 0])
        >>> batch['images'].shape, batch['labels']
        (torch.Size([2, 8, 8, 3]), tensor([-1,  0]))
    """

    def __init__(self, images: np.ndarray, labels: np.ndarray | Sequence[int], names: Sequence[str],
                 classes: Sequence[str] | None = None, split: str | None = None) -> None:
        self.images = images
        self.labels = np.asarray(labels)
        self.names = names
        self.classes = None if classes is None else tuple(classes)
        self.split = check_split(split, type(self).__name__)
        self._check()
        self.labels = self.labels.astype(np.int64)

    @property
    def image_size(self) -> int:
        """Height and width in px."""
        return self.images.shape[1]

    @property
    def num_classes(self) -> int:
        """Number of classes; where they have no names, of those that occur."""
        return int(self.labels.max()) + 1 if self.classes is None else len(self.classes)

    @property
    def sets(self) -> tuple[ImageSet, ...]:
        """The sets this one consists of: itself."""
        return (self,)

    @property
    def metainfo(self) -> dict[str, Any]:
        """What MMEngine keeps in checkpoints."""
        return {'classes': self.classes}

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """One image.

        Returns:
            ``images`` ``(S, S, 3)`` uint8 and ``labels`` ``()`` int64.
        """
        return {key: value[0] for key, value in self.__getitems__([index]).items()}

    def __getitems__(self, indices: Sequence[int]) -> ImageBatch:
        """A batch; PyTorch's data loader asks for it.

        Args:
            indices: B indices.

        Returns:
            ``images`` ``(B, S, S, 3)`` uint8 and ``labels`` ``(B,)`` int64.
        """
        # Channels-first files are transposed views, and so is what is picked from them.
        images = np.ascontiguousarray(self.images[indices])
        return ImageBatch(images=torch.from_numpy(images), labels=torch.from_numpy(self.labels[indices]))

    def _check(self) -> None:
        owner, shape = type(self).__name__, self.images.shape
        if self.images.dtype != np.uint8 or len(shape) != 4 or shape[1] != shape[2] or shape[3] != 3:
            raise ValueError(f'{owner}: images are {shape} of {self.images.dtype}, expected (N, S, S, 3) of uint8')
        if not len(self.images) == len(self.labels) == len(self.names):
            raise ValueError(f'{owner}: {len(self.images)} images, {len(self.labels)} labels and {len(self.names)} '
                             'names, expected as many of each')
        if not len(self.images):
            raise ValueError(f'{owner} holds no images')
        if self.labels.ndim != 1 or self.labels.dtype.kind not in 'iu':
            raise ValueError(f'{owner}: labels are {self.labels.shape} of {self.labels.dtype}, expected one integer '
                             'for each image')
        highest = np.inf if self.classes is None else len(self.classes) - 1
        wrong = np.flatnonzero((self.labels < OOD_LABEL) | (self.labels > highest))
        if len(wrong):
            expected = 'a class' if self.classes is None else f'0 to {highest}'
            raise ValueError(f'{owner}: label {self.labels[wrong[0]]} of {self.names[wrong[0]]} and of '
                             f'{len(wrong) - 1} more images, expected {expected} or {OOD_LABEL} (outlier)')


class NumberedNames(Sequence):
    """Names of the images of one file, made when they are asked for: ``FILE[0]``, ``FILE[1]``, ...

    Args:
        file: Path of the file.
        number: How many images it holds.

    Example:
        >>> NumberedNames('x.npy', 300_000)[17]
        'x.npy[17]'
    """

    def __init__(self, file: str, number: int) -> None:
        self.file = file
        self.number = number

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, index: int) -> str:
        if not -self.number <= index < self.number:
            raise IndexError(f'{self.file} has {self.number} images, no index {index}')
        return f'{self.file}[{index % self.number}]'


def build_image_set(config: Mapping | ImageSet, owner: str, key: str) -> ImageSet:
    """Build a data set that a config names, and make sure that it is one of this package.

    Args:
        config: Config of a data set, or the data set.
        owner: Class that wants it, for the error message.
        key: Its argument, for the error message.

    Raises:
        TypeError: It is something else.
    """
    dataset = DATASETS.build(config) if isinstance(config, Mapping) else config
    if not isinstance(dataset, ImageSet):
        raise TypeError(f'{owner}: {key} is a {type(dataset).__name__}, expected the config of a data set of decoded '
                        'images, such as dict(type=\'ImageFolderDataset\', ...)')
    return dataset
