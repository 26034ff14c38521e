"""The image files of a folder or a zip, in an order that is the same on every machine."""
from __future__ import annotations

import os
import re
import zipfile
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from mmengine.logging import print_log

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.gif', '.tif', '.tiff', '.ppm', '.pgm')
"""What counts as an image, in lower or upper case."""

_NAMED_AT_MOST = 5


class ImageFiles:
    """All images below a folder or in a zip, at any depth, sorted naturally by path (``2`` before ``10``).

    A file with another suffix than :data:`IMAGE_SUFFIXES` is no image and left out; how many there are is logged.
    Hidden files and folders (``.DS_Store``) and ``__MACOSX``, which programs add by themselves, do not count.

    Args:
        path: A folder or a zip.

    Attributes:
        path: As above.
        names: Paths of the images relative to ``path``, with ``/`` between folders.
        folders: Paths of all folders, those without images, too.

    Raises:
        FileNotFoundError: ``path`` does not exist or holds no image.
        ValueError: ``path`` is a file that is no zip.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ('10.png', '2.JPG', '.DS_Store'):
        ...         Path(folder, name).touch()
        ...     ImageFiles(folder).names
        ['2.JPG', '10.png']
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self._zip = None if os.path.isdir(path) else _open_zip(path)
        files, self.folders = _walk_folder(self.path) if self._zip is None else _walk_zip(self._zip)
        self.names = sorted((name for name in files if _suffix(name) in IMAGE_SUFFIXES), key=natural_key)
        others = Counter(_suffix(name) or 'without suffix' for name in files if _suffix(name) not in IMAGE_SUFFIXES)
        listed = first_few(f'{others[suffix]} {suffix}' for suffix in sorted(others))
        if not self.names:
            self.__exit__(None, None, None)
            raise FileNotFoundError(f'{self.path} holds no images, expected files {", ".join(IMAGE_SUFFIXES)} in it '
                                    f'or in its folders; found there: {listed or "nothing"}')
        if others:
            print_log(f'{self.path}: {others.total()} files are no images and left out ({listed})', 'current')

    def __enter__(self) -> ImageFiles:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._zip is not None:
            self._zip.close()

    def full_name(self, name: str) -> str:
        """What to call an image in an error message."""
        return f'{self.path}/{name}'

    def read(self, name: str) -> bytes:
        """Content of an image file."""
        if self._zip is not None:
            return self._zip.read(name)
        return Path(self.path, name).read_bytes()


def shared_folders(names: Collection[str], keep: Collection[str] = ()) -> tuple[str, ...]:
    """The top folders that merely wrap the data: each holds everything, and holds folders only.

    Args:
        names: Relative paths of the images.
        keep: Names of folders that mean something and do not count as wrapping.

    Example:
        >>> shared_folders(['set/train/cat/1.jpg', 'set/train/dog/1.jpg'])
        ('set', 'train')
        >>> shared_folders(['train/1.jpg', 'train/2.jpg'])
        ()
    """
    paths = [name.split('/') for name in names]
    shallowest = min(map(len, paths))
    depth = 0
    while depth + 2 < shallowest and len({path[depth] for path in paths}) == 1 and paths[0][depth] not in keep:
        depth += 1
    return tuple(paths[0][:depth])


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Sort key under which numbers inside names count as numbers."""
    parts = re.split('([0-9]+)', name)
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], name


def first_few(items: Iterable[object], separator: str = ', ') -> str:
    """A list for an error message, cut to what one wants to read.

    Example:
        >>> first_few(range(8))
        '0, 1, 2, 3, 4 and 3 more'
    """
    names = list(map(str, items))
    more = len(names) - _NAMED_AT_MOST
    return separator.join(names[:_NAMED_AT_MOST]) + (f' and {more} more' if more > 0 else '')


def _open_zip(path: str | Path) -> zipfile.ZipFile:
    if not os.path.exists(path):
        raise FileNotFoundError(f'{path} does not exist, expected a folder or a zip of images')
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise ValueError(f'{path} is a file but no zip ({error}), expected a folder or a zip of images; '
                         'other archives must be unpacked') from error


def _walk_folder(root: str) -> tuple[list[str], set[str]]:
    files, folders = [], set()
    for place, inner, names in os.walk(root, onerror=_stop, followlinks=True):
        inner[:] = [name for name in inner if not _is_clutter([name])]
        relative = Path(place).relative_to(root).as_posix()
        prefix = '' if relative == '.' else f'{relative}/'
        folders.update(f'{prefix}{name}' for name in inner)
        files.extend(f'{prefix}{name}' for name in names if not _is_clutter([name]))
    return files, folders


def _walk_zip(archive: zipfile.ZipFile) -> tuple[list[str], set[str]]:
    files, folders = [], set()
    for name in dict.fromkeys(archive.namelist()):
        path = name.split('/')
        if not _is_clutter(path):
            folders.update('/'.join(path[:depth]) for depth in range(1, len(path)))
            if path[-1]:
                files.append(name)
    return files, folders


def _stop(error: OSError) -> NoReturn:
    raise error  # os.walk would pass over a folder that it cannot list


def _is_clutter(path: Sequence[str]) -> bool:
    return any((name.startswith('.') and name != '.') or name == '__MACOSX' for name in path)


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()
