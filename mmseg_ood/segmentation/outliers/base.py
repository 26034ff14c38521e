"""What an outlier is, and what all sources of outliers share."""
from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from mmengine.logging import print_log


class Outlier(NamedTuple):
    """One object to paste.

    Attributes:
        image: (h, w, 3) uint8, BGR.
        mask: (h, w) bool, True on the object; it touches all four borders.
    """

    image: np.ndarray
    mask: np.ndarray

    @classmethod
    def cropped(cls, image: np.ndarray, mask: np.ndarray) -> Outlier:
        """Cut a whole picture down to the bounding box of its mask.

        Args:
            image: (H, W, 3) uint8, BGR.
            mask: (H, W) bool, True somewhere.

        Example:
            >>> mask = np.zeros((4, 6), bool)
            >>> mask[1:3, 2:5] = True
            >>> Outlier.cropped(np.zeros((4, 6, 3), np.uint8), mask).mask.shape
            (2, 3)
        """
        rows = np.flatnonzero(mask.any(axis=1))
        columns = np.flatnonzero(mask.any(axis=0))
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        return cls(image[box], mask[box])


class OutlierSource(ABC):
    """A sequence of outliers: light entries in memory, pictures decoded when asked for.

    A source holds no random state: who draws from it decides what comes next. To write one, hand the
    entries to this constructor and implement :meth:`load`. What was not used is reported in the log, as
    a warning if something is broken.

    Args:
        entries: What :meth:`load` needs to know of each outlier.
        place: Where they were looked for; named in the log line and in errors.
        filtered: How many items the source's own arguments left out, by reason.
        broken: How many items could not be used, by reason.

    Raises:
        ValueError: There is no entry.

    Example:
        >>> class Squares(OutlierSource):
        ...     def load(self, entry):
        ...         return Outlier(np.full((entry, entry, 3), 200, np.uint8), np.ones((entry, entry), bool))
        >>> squares = Squares([2, 5], place='memory')
        >>> len(squares), squares[1].mask.shape
        (2, (5, 5))
        >>> squares.report()
        'Squares: 2 outliers in memory; left out: none; broken: none'
    """

    def __init__(self, entries: Sequence, place: str, filtered: dict[str, int] | None = None,
                 broken: dict[str, int] | None = None) -> None:
        self.entries = entries
        self.place = place
        self.filtered = Counter(filtered)
        self.broken = Counter(broken)
        if not entries:
            raise ValueError(f'no usable outlier: {self.report()}')
        if self.filtered or self.broken:
            print_log(self.report(), logger='current', level=logging.WARNING if self.broken else logging.INFO)

    @abstractmethod
    def load(self, entry: Any) -> Outlier:
        """Decode the outlier that an entry describes."""

    def report(self) -> str:
        """How many outliers there are, and how many items were not used, by reason."""
        return (f'{type(self).__name__}: {len(self.entries)} outliers in {self.place}; '
                f'left out: {_listing(self.filtered)}; broken: {_listing(self.broken)}')

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Outlier:
        return self.load(self.entries[index])

    def __repr__(self) -> str:
        return f'{type(self).__name__}({len(self)} outliers in {self.place})'


def _listing(counts: Counter[str]) -> str:
    return ', '.join(f'{count} {reason}' for reason, count in counts.most_common()) or 'none'
