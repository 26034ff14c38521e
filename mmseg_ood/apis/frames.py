"""Frames: pictures that are loaded when their turn comes, from files, arrays, videos and webcams."""
from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import cv2
import numpy as np

_T = TypeVar('_T')


class Frame(NamedTuple):
    """A picture that was not loaded yet."""
    name: str
    """Unlike those of all others of an input, fit for a file."""
    origin: str
    """File, or what else it comes from; for titles and errors."""
    load: Callable[[], dict]
    """Gives the sample of an MMSegmentation pipeline with ``img``, (H, W, 3) BGR; a ValueError: it is unreadable."""
    load_ground_truth: Callable[[], np.ndarray | None] = lambda: None
    """Gives labels (H, W), None where there are none: 0..C-1 inlier, 254 anomaly, 255 void."""


class Failure(NamedTuple):
    """An input that could not be read."""
    origin: str
    reason: str


class Outcome(list[_T]):
    """What was made, and what could not be.

    Attributes:
        failures: Inputs that could not be read; the others are done.
    """

    def __init__(self, made: Iterable[_T] = (), failures: Sequence[Failure] = ()) -> None:
        super().__init__(made)
        self.failures = list(failures)


class VideoFrames:
    """The frames of a video file or webcam, one at a time.

    Args:
        source: The file, or the number of a webcam.
        name: Frames are called ``NAME_000000`` and so on.

    Attributes:
        count: How many frames the file says it has; None for a webcam and where it does not say.
        frames_per_second: 25 where the file does not say.
    """

    def __init__(self, source: Path | int, name: str) -> None:
        self.source, self.name = source, name
        capture = self._open()
        count, rate = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
        capture.release()
        self.count = int(count) if not self.is_webcam and 0 < count < 2**31 else None
        self.frames_per_second = rate if 0 < rate < 1000 else 25.0

    @property
    def is_webcam(self) -> bool:
        """Whether it goes on until it is stopped."""
        return isinstance(self.source, int)

    @property
    def origin(self) -> str:
        """File or webcam."""
        return f'webcam {self.source}' if self.is_webcam else str(self.source)

    def _open(self) -> cv2.VideoCapture:
        return cv2.VideoCapture(self.source if self.is_webcam else str(self.source))

    def __iter__(self) -> Iterator[Frame]:
        """All frames, and one that cannot be loaded where a file cannot be read, or ends long before its end."""
        capture, index = self._open(), 0
        try:
            while (image := capture.read()[1]) is not None:
                yield self._frame(index, image)
                index += 1
        finally:
            capture.release()
        # What containers say is an estimate, a little more or less is no defect.
        if not index:
            yield self._unreadable('cannot be read as a video')
        elif self.count is not None and self.count - index > max(2, self.count / 50):
            yield self._unreadable(f'ends after {index} of {self.count} frames')

    def spread(self, positions: Iterable[int]) -> Iterator[Frame]:
        """The frames at some positions, sought in the file."""
        capture = self._open()
        try:
            for position in positions:
                capture.set(cv2.CAP_PROP_POS_FRAMES, position)
                image = capture.read()[1]
                yield self._unreadable('cannot be read as a video') if image is None else self._frame(position, image)
        finally:
            capture.release()

    def _frame(self, index: int, image: np.ndarray) -> Frame:
        origin = f'{self.origin}, frame {index}'
        return Frame(f'{self.name}_{index:06d}', origin, partial(sample, image, origin))

    def _unreadable(self, what: str) -> Frame:
        return Frame(self.name, self.origin, partial(_raise, f'{self.origin} {what}'))


class Frames:
    """Frames of one or several sources, in order.

    Args:
        sources: Lists of frames, videos, and iterators.
    """

    def __init__(self, sources: Sequence[Iterable[Frame]]) -> None:
        self.sources = sources

    def __iter__(self) -> Iterator[Frame]:
        return itertools.chain.from_iterable(self.sources)

    @property
    def count(self) -> int | None:
        """How many there are, None where a source does not tell."""
        counts = [_count(source) for source in self.sources]
        return None if None in counts else sum(counts)

    @property
    def is_endless(self) -> bool:
        """Whether a webcam is among them."""
        return any(isinstance(source, VideoFrames) and source.is_webcam for source in self.sources)

    def spread(self, number: int) -> Iterator[Frame]:
        """Up to ``number`` frames at equal distances from first to last; the first ones where there is no telling.

        Raises:
            ValueError: There is an iterator, whose frames would be lost.
        """
        if any(isinstance(source, Iterator) for source in self.sources):
            raise ValueError('an iterator can be read only once; give the score range')
        if self.count is None:
            yield from itertools.islice(self, number)
            return
        positions = np.linspace(0, self.count - 1, min(number, self.count)).astype(int)
        start = 0
        for source in self.sources:
            inside = positions[(positions >= start) & (positions < start + _count(source))] - start
            start += _count(source)
            yield from source.spread(inside.tolist()) if isinstance(source, VideoFrames) else map(
                source.__getitem__, inside.tolist())


def _count(source: Iterable[Frame]) -> int | None:
    if isinstance(source, VideoFrames):
        return source.count
    return len(source) if isinstance(source, Sequence) else None


def sample(image: np.ndarray, origin: str) -> dict:
    """What a pipeline goes on from where an image ``(H, W, 3)`` BGR is loaded already."""
    return {'img': image, 'img_path': origin, 'img_shape': image.shape[:2], 'ori_shape': image.shape[:2]}


def _raise(message: str) -> dict:
    raise ValueError(message)
