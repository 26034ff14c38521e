"""Anomaly maps on disk: any method's maps can be judged, with or without its network.

The layout is that of SegmentMeIfYouCan: ``anomaly_p/METHOD/DATASET/NAME.hdf5``, one float16 array ``value`` a
frame. Other formats are read as well, see :data:`READABLE_SUFFIXES`.

Example:
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / 'anomaly_p' / 'energy' / 'AnomalyTrack-validation'
    >>> save_map(folder / 'validation0000.hdf5', np.array([[-9.5, -2.25]], dtype=np.float32))
    >>> maps = find_map_folder(folder.parent, ['road-anomaly-21', folder.name], names=['validation0000'])
    >>> load_map(maps.path('validation0000'), shape=(1, 2))
    array([[-9.5 , -2.25]], dtype=float32)
"""
from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import h5py
import numpy as np
from PIL import Image

DATA_SET = 'value'

_NAMED_AT_MOST = 5


def save_map(path: str | os.PathLike, scores: np.ndarray) -> None:
    """Write an anomaly map in the format that the suffix names; folders are created.

    ======== ==================== ===========================================================
    suffix   accepts              stores
    ======== ==================== ===========================================================
    .hdf5    float16, 32, 64      float16 data set ``value``, gzip (SegmentMeIfYouCan)
    .npy     float16, float32     the array as it is
    .npz     float16, float32     the array as it is, key ``value``, compressed
    .png     uint16               16-bit grey; the caller scales the scores
    ======== ==================== ===========================================================

    The file appears under its name when it is complete: a process that is killed leaves at most a hidden
    ``.NAME.*.tmp`` beside it. float16 has 11 significant bits: scores that are closer become ties.

    Args:
        path: File to write; an existing one is replaced.
        scores: ``(H, W)``, higher = more anomalous.

    Raises:
        ValueError: Another suffix, a dtype that the format does not take, not two dimensions, scores that are
            not finite or beyond the range of float16 in a ``.hdf5``; the file is not touched.

    Example:
        >>> save_map('frame.hdf5', np.array([[0.5, 7e4]]))
        Traceback (most recent call last):
        ...
        ValueError: anomaly map frame.hdf5: scores from 0.5 to 70000.0 do not fit float16 (-65504 to 65504)
    """
    path, scores = Path(path), np.asarray(scores)
    if path.suffix.lower() not in _WRITERS:
        raise ValueError(f'anomaly map {path}: expected one of the suffixes {", ".join(_WRITERS)}')
    dtypes, write = _WRITERS[path.suffix.lower()]
    if scores.dtype not in dtypes:
        raise ValueError(f'anomaly map {path}: a {path.suffix} file takes {" or ".join(dtypes)}, found {scores.dtype}')
    if scores.ndim != 2 or not scores.size:
        raise ValueError(f'anomaly map {path}: expected (H, W), found an array of shape {scores.shape}')
    _require_finite(path, scores)
    buffer = io.BytesIO()
    try:
        write(buffer, scores)
    except ValueError as error:
        raise ValueError(f'anomaly map {path}: {error}') from error
    _write_at_once(path, buffer.getbuffer())


def load_map(path: str | os.PathLike, shape: tuple[int, int] | None = None) -> np.ndarray:
    """Read an anomaly map.

    Values are taken as they are, never rescaled. Leading dimensions of length 1 are dropped.

    Args:
        path: File with one of :data:`READABLE_SUFFIXES`. A ``.npz`` or HDF5 file holds one array, or several
            of which one is called ``value``; a picture has one channel of 8 or 16 bit integers or of floats.
        shape: Height and width of the frame, if known.

    Returns:
        ``(H, W)`` float32.

    Raises:
        ValueError: The file cannot be read, or it does not hold one finite real number for each pixel of the
            frame; names the file.
    """
    path = Path(path)
    if path.suffix.lower() not in _READERS:
        raise ValueError(f'anomaly map {path}: expected one of the suffixes {", ".join(READABLE_SUFFIXES)}')
    try:
        scores = np.asarray(_READERS[path.suffix.lower()](path))
    except Exception as error:  # every format's library has its own errors for damaged files
        raise ValueError(f'anomaly map {path} cannot be read: {error}') from error
    if scores.dtype.kind not in 'fiu':
        raise ValueError(f'anomaly map {path}: expected real numbers, found {scores.dtype}')
    height_width = scores.shape[-2:]
    if len(height_width) != 2 or scores.shape[:-2].count(1) != scores.ndim - 2 or not scores.size:
        raise ValueError(f'anomaly map {path}: expected (H, W), found an array of shape {scores.shape}')
    if shape is not None and height_width != tuple(shape):
        raise ValueError(f'anomaly map {path} is {_size(height_width)} (height x width), but its frame is '
                         f'{_size(shape)}')
    with np.errstate(over='ignore'):
        scores = scores.reshape(height_width).astype(np.float32)
    _require_finite(path, scores)
    return scores


def save_prediction(path: str | os.PathLike, classes: np.ndarray) -> None:
    """Write predicted classes ``(H, W)`` of any integer type as ``.npy``, which appears when it is complete."""
    buffer = io.BytesIO()
    np.save(buffer, classes)
    _write_at_once(Path(path), buffer.getbuffer())


class MapFolder:
    """The anomaly maps of one method on one benchmark: ``NAME.SUFFIX`` for every frame.

    Args:
        root: Folder that holds the files.
        names: Names of the frames: image file names without suffix.

    Attributes:
        unused: Number of maps that belong to no frame.

    Raises:
        FileNotFoundError: ``root`` is not a folder or holds no map.
        ValueError: A frame has no map or two, or two frames share a name.
    """

    def __init__(self, root: str | os.PathLike, names: Sequence[str]) -> None:
        root = Path(root)
        if not root.is_dir():
            raise FileNotFoundError(f'{root} is not a folder; expected one with an anomaly map for every frame')
        maps = sorted(path for path in root.iterdir() if path.suffix.lower() in _READERS and path.is_file())
        if not maps:
            raise FileNotFoundError(f'{root} holds no anomaly map ({", ".join(READABLE_SUFFIXES)})')
        repeated = [name for name, count in Counter(names).items() if count > 1]
        if repeated:
            raise ValueError(f'maps are found by the names of the frames, but {len(repeated)} names belong to '
                             f'several: {_named(repeated)}')
        self._paths: dict[str, Path] = {}
        frames = set(names)
        for path in maps:
            if path.stem in self._paths:
                raise ValueError(f'two maps for the frame {path.stem}: {self._paths[path.stem]} and {path}')
            if path.stem in frames:
                self._paths[path.stem] = path
        missing = [name for name in names if name not in self._paths]
        if missing:
            raise ValueError(f'{root}: {len(missing)} of {len(names)} frames have no anomaly map: {_named(missing)}')
        self.unused = len(maps) - len(self._paths)

    def path(self, name: str) -> Path:
        """File of the frame ``name``."""
        return self._paths[name]


def find_map_folder(root: str | os.PathLike, candidates: Sequence[str], names: Sequence[str]) -> MapFolder:
    """Find the maps of one benchmark among those of a method.

    Args:
        root: Folder of the method (``.../anomaly_p/METHOD``), or that of the maps themselves.
        candidates: What the benchmark's folder under ``root`` may be called; the first that exists is taken,
            ``root`` itself where none does.
        names: Names of the frames: image file names without suffix.

    Raises:
        FileNotFoundError: There is no map in the folder.
        ValueError: See :class:`MapFolder`.
    """
    for candidate in candidates:
        if (Path(root) / candidate).is_dir():
            return MapFolder(Path(root) / candidate, names)
    try:
        return MapFolder(root, names)
    except FileNotFoundError as error:
        raise FileNotFoundError(f'{error}; looked for the folders {", ".join(candidates)} in it as well') from error


def _write_hdf5(file: BinaryIO, scores: np.ndarray) -> None:
    limit = np.finfo(np.float16).max
    if np.abs(scores).max() > limit:
        raise ValueError(f'scores from {scores.min()} to {scores.max()} do not fit float16 '
                         f'({-limit:.0f} to {limit:.0f})')
    with h5py.File(file, 'w') as content:
        # The bytes' shuffle makes the file a fifth smaller and faster to write; every HDF5 reader undoes it.
        content.create_dataset(DATA_SET, data=scores.astype(np.float16), compression='gzip', compression_opts=1,
                               shuffle=True)


def _read_hdf5(path: Path) -> np.ndarray:
    with h5py.File(path) as file:
        names = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        return file[_the_array(names)][()]


def _read_numpy(path: Path) -> np.ndarray:
    content = np.load(path, allow_pickle=False)
    if isinstance(content, np.ndarray):
        return content
    with content:
        return content[_the_array(content.files)]


def _read_picture(path: Path) -> np.ndarray:
    with Image.open(path, formats=['PNG', 'TIFF']) as picture:
        if getattr(picture, 'n_frames', 1) > 1:
            raise ValueError(f'it holds {picture.n_frames} pictures, expected one')
        if picture.mode not in ('L', 'F') and not picture.mode.startswith('I'):
            raise ValueError(f'it is a picture of mode {picture.mode}, expected one channel of 8 or 16 bit or float')
        return np.asarray(picture)


def _the_array(names: Sequence[str]) -> str:
    if DATA_SET in names:
        return DATA_SET
    if len(names) != 1:
        found = f' ({_named(names)})' if names else ''
        raise ValueError(f"it holds {len(names)} arrays{found}, expected one, or one called '{DATA_SET}'")
    return names[0]


_WRITERS: dict[str, tuple[tuple[str, ...], Callable[[BinaryIO, np.ndarray], None]]] = {
    '.hdf5': (('float16', 'float32', 'float64'), _write_hdf5),
    '.npy': (('float16', 'float32'), np.save),
    '.npz': (('float16', 'float32'), lambda file, scores: np.savez_compressed(file, **{DATA_SET: scores})),
    '.png': (('uint16',), lambda file, scores: Image.fromarray(scores).save(file, 'PNG')),
}
_READERS: dict[str, Callable[[Path], np.ndarray]] = {
    '.hdf5': _read_hdf5, '.h5': _read_hdf5, '.npy': _read_numpy, '.npz': _read_numpy,
    '.png': _read_picture, '.tif': _read_picture, '.tiff': _read_picture,
}
READABLE_SUFFIXES = tuple(_READERS)


def _write_at_once(path: Path, content: memoryview) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own: two processes may write the same frame when a sampler repeats it.
    unfinished = path.with_name(f'.{path.name}.{uuid4().hex[:8]}.tmp')
    try:
        unfinished.write_bytes(content)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _require_finite(path: Path, scores: np.ndarray) -> None:
    bad = scores.size - int(np.isfinite(scores).sum())
    if bad:
        raise ValueError(f'anomaly map {path}: {bad} of {scores.size} scores are not finite as {scores.dtype}')


def _size(height_width: Sequence[int]) -> str:
    return 'x'.join(map(str, height_width))


def _named(names: Sequence[str]) -> str:
    more = len(names) - _NAMED_AT_MOST
    return ', '.join(names[:_NAMED_AT_MOST]) + (f' and {more} more' if more > 0 else '')
