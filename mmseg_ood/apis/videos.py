"""Video files: which codec this OpenCV can write, and a writer that leaves a complete file or none."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

CODECS = {'avc1': 'H.264', 'mp4v': 'MPEG-4 Part 2', 'VP90': 'VP9', 'MJPG': 'Motion JPEG'}
"""Codecs by the four characters that OpenCV knows them by."""

_DEFAULT_CODECS = ('avc1', 'mp4v')
# In a process of its own: encoders print to the terminal what they miss, past Python, and a broken one may crash.
_PROBE = '''
import os, sys, tempfile
import cv2, numpy as np
codec, suffix = sys.argv[1:]
picture = np.full((64, 96, 3), 40, np.uint8)
picture[:, 48:] = 200
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, 'probe' + suffix)
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*codec), 25, (96, 64))
    for _ in range(3):
        writer.write(picture)
    writer.release()
    found, read = cv2.VideoCapture(path).read()
    good = found and read.shape == picture.shape and np.abs(read.astype(int) - picture).mean() < 10
    sys.exit(0 if good else 1)
'''


def can_write(codec: str, suffix: str = '.mp4') -> bool:
    """Whether what this OpenCV writes with a codec can be read again.

    Example:
        >>> can_write('none')
        False
    """
    return subprocess.run([sys.executable, '-c', _PROBE, codec, suffix], capture_output=True, timeout=60,
                          check=False).returncode == 0


def choose_codec(codec: str | None = None) -> str:
    """The codec that was asked for or, by default, H.264 where this OpenCV can write it, MPEG-4 Part 2 where not.

    Args:
        codec: A key of :data:`CODECS`, or another one that OpenCV knows.

    Raises:
        ValueError: This OpenCV cannot write it, or none of the defaults; names them.

    Example:
        >>> choose_codec('none')
        Traceback (most recent call last):
        ...
        ValueError: OpenCV ... cannot write mp4 videos with codec none; it can with ...
    """
    for candidate in _DEFAULT_CODECS if codec is None else [codec]:
        if len(candidate) == 4 and can_write(candidate):
            return candidate
    able = [f'{name} ({CODECS[name]})' for name in CODECS if name != codec and can_write(name)]
    raise ValueError(f'OpenCV {cv2.__version__} cannot write mp4 videos with codec '
                     f'{codec or " or ".join(_DEFAULT_CODECS)}; it can with {", ".join(able) or "none"}')


class VideoFile:
    """An mp4 file that is written frame by frame; under its name there is a complete file or none.

    Args:
        path: The file.
        codec: See :func:`choose_codec`.
        frames_per_second: Its speed.

    Raises:
        OSError: On leaving: the file does not hold all frames.
    """

    def __init__(self, path: Path, codec: str, frames_per_second: float) -> None:
        self.path, self.codec, self.frames_per_second = path, codec, frames_per_second
        self.num_frames = 0
        self._unfinished = path.with_name(f'.{path.stem}.{os.getpid()}.tmp.mp4')
        self._writer: cv2.VideoWriter | None = None

    def write(self, picture: np.ndarray) -> None:
        """Add a frame ``(H, W, 3)`` uint8 RGB, all of one size; an odd last row or column is left out.

        Raises:
            OSError: The file cannot be opened.
            ValueError: The size is another one than before; OpenCV would leave the frame out.
        """
        # H.264 stores colours at half the resolution.
        picture = picture[:picture.shape[0] // 2 * 2, :picture.shape[1] // 2 * 2, ::-1]
        size = picture.shape[1::-1]
        if self._writer is None:
            self._size = size
            self._writer = cv2.VideoWriter(str(self._unfinished), cv2.VideoWriter_fourcc(*self.codec),
                                           self.frames_per_second, size)
            if not self._writer.isOpened():
                raise OSError(f'{self.path} cannot be written with codec {self.codec} at {size[0]}x{size[1]}')
        if size != self._size:
            raise ValueError(f'{self.path}: frame {self.num_frames} is {size[0]}x{size[1]}, those before it are '
                             f'{self._size[0]}x{self._size[1]}')
        self._writer.write(np.ascontiguousarray(picture))
        self.num_frames += 1

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        if self._writer is None:
            return
        self._writer.release()
        try:
            if error is None:
                self._check()
                os.replace(self._unfinished, self.path)
        finally:
            self._unfinished.unlink(missing_ok=True)

    def _check(self) -> None:
        capture = cv2.VideoCapture(str(self._unfinished))
        readable, written = capture.read()[0], round(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        capture.release()
        if not readable or written != self.num_frames:
            raise OSError(f'{self.path}: {written if readable else 0} of {self.num_frames} frames were written; is the '
                          f'disk full?')
