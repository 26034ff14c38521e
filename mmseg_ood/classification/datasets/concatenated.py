"""Several data sets as one."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from .images import ImageBatch, ImageSet


class ConcatenatedImages(Dataset):
    """The images of several data sets, one set after the other; nothing is copied.

    Args:
        sets: The data sets.

    Attributes:
        sets: As above, a tuple.

    Raises:
        ValueError: The images of two sets differ in size.

    Example:
        >>> images = np.zeros((2, 8, 8, 3), np.uint8)
        >>> both = ConcatenatedImages([ImageSet(images, [0, 1], ['a', 'b']), ImageSet(images, [-1, -1], ['c', 'd'])])
        >>> both.__getitems__([3, 1])['labels']
        tensor([-1,  1])
    """

    def __init__(self, sets: Sequence[ImageSet]) -> None:
        self.sets = tuple(sets)
        self._starts = np.cumsum([0, *map(len, self.sets)])
        for other in self.sets[1:]:
            if other.image_size != self.image_size:
                raise ValueError(f'{type(self).__name__}: {other.names[0]} is {other.image_size} px wide and high, '
                                 f'expected {self.image_size} like {self.sets[0].names[0]}; give both the same '
                                 'image_size')

    @property
    def image_size(self) -> int:
        """Height and width in px."""
        return self.sets[0].image_size

    @property
    def labels(self) -> np.ndarray:
        """``(N,)`` int64."""
        return np.concatenate([images.labels for images in self.sets])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """One image, see :meth:`__getitems__`."""
        return {key: value[0] for key, value in self.__getitems__([index]).items()}

    def __getitems__(self, indices: Sequence[int]) -> ImageBatch:
        """A batch; PyTorch's data loader asks for it.

        Args:
            indices: B indices.

        Returns:
            ``images`` ``(B, S, S, 3)`` uint8 and ``labels`` ``(B,)`` int64.

        Raises:
            IndexError: An index is out of range.
        """
        indices = np.asarray(indices)
        sources = self._sources(indices)
        images = np.empty((len(indices), self.image_size, self.image_size, 3), np.uint8)
        labels = np.empty(len(indices), np.int64)
        for source in np.unique(sources):
            here = np.flatnonzero(sources == source)
            inner = indices[here] - self._starts[source]
            images[here] = self.sets[source].images[inner]
            labels[here] = self.sets[source].labels[inner]
        return ImageBatch(images=torch.from_numpy(images), labels=torch.from_numpy(labels))

    def _sources(self, indices: np.ndarray) -> np.ndarray:
        """Which of the sets each index is in."""
        wrong = indices[(indices < 0) | (indices >= self._starts[-1])]
        if len(wrong):
            raise IndexError(f'{type(self).__name__}: index {wrong[0]}, expected 0 to {self._starts[-1] - 1}')
        return np.searchsorted(self._starts, indices, side='right') - 1
