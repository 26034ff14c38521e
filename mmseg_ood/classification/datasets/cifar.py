"""CIFAR-10 and CIFAR-100 from the official python batches.

These files are pickles, which may run any code when they are read, and torchvision's reader (no dependency of this
project) lets them. The reader here lets them rebuild numpy arrays and nothing else.
"""
from __future__ import annotations

import logging
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mmengine.logging import print_log
from mmengine.registry import DATASETS

from .images import ImageSet
from .splits import SPLITS

_SIZE = 32
_PUBLISHED = {'train': 50_000, 'test': 10_000}


class _Layout(NamedTuple):
    folder: str
    batches: dict[str, tuple[str, ...]]
    labels: str
    meta: str
    class_names: str


_LAYOUTS = {
    10: _Layout('cifar-10-batches-py',
                {'train': tuple(f'data_batch_{number}' for number in range(1, 6)), 'test': ('test_batch',)},
                'labels', 'batches.meta', 'label_names'),
    100: _Layout('cifar-100-python', {'train': ('train',), 'test': ('test',)},
                 'fine_labels', 'meta', 'fine_label_names'),
}


@DATASETS.register_module()
class CIFARDataset(ImageSet):
    """CIFAR-10 or CIFAR-100 (Krizhevsky, 2009), the python version.

    Layout: ``cifar-10-batches-py/{data_batch_1..5,test_batch,batches.meta}`` or
    ``cifar-100-python/{train,test,meta}``, of which the fine labels are read.

    Args:
        data_root: Folder that holds that folder, or that folder.
        num_classes: 10 or 100.
        split: ``'train'`` or ``'test'``.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: Unknown ``num_classes`` or ``split``, or a file does not hold what it should.

    Example:
        >>> CIFARDataset('data', num_classes=10, split='val')
        Traceback (most recent call last):
        ...
        ValueError: CIFARDataset: split='val', expected one of 'train', 'test'
    """

    def __init__(self, data_root: str, num_classes: int, split: str) -> None:
        if num_classes not in _LAYOUTS:
            raise ValueError(f'CIFARDataset: {num_classes=}, expected 10 or 100')
        if split not in SPLITS:
            raise ValueError(f'CIFARDataset: {split=}, expected one of {", ".join(map(repr, SPLITS))}')
        layout = _LAYOUTS[num_classes]
        folder = _find_folder(Path(data_root), layout, split)
        classes = _read_classes(folder / layout.meta, layout.class_names, num_classes)
        batches = [_read_batch(folder / name, layout.labels, num_classes) for name in layout.batches[split]]
        images = np.concatenate([images for images, _ in batches])
        names = [f'{folder / name}[{index}]' for name, (images, _) in zip(layout.batches[split], batches, strict=True)
                 for index in range(len(images))]
        if len(images) != _PUBLISHED[split]:
            print_log(f'CIFARDataset: {len(images)} images in the {split} split under {folder}, published are '
                      f'{_PUBLISHED[split]}. Results are not comparable.', 'current', logging.WARNING)
        super().__init__(images, np.concatenate([labels for _, labels in batches]), names, classes, split)


def read_pickled_arrays(path: str | Path) -> Any:
    """Unpickle a file of numpy arrays and plain containers without ever executing code from it.

    Args:
        path: Pickle of Python 2 or 3.

    Returns:
        What it holds; the strings of Python 2 as bytes.

    Raises:
        ValueError: The file is damaged, or it holds other objects.
    """
    try:
        with open(path, 'rb') as file:
            return _ArrayUnpickler(file, encoding='bytes').load()
    except OSError:
        raise
    except Exception as error:  # a damaged pickle raises almost anything
        raise ValueError(f'{path} was refused: it is damaged, or holds other objects than numpy arrays and plain '
                         f'containers. It was not executed. {type(error).__name__}: {error}') from error


class _ArrayUnpickler(pickle.Unpickler):
    _ALLOWED = {'_reconstruct': np.empty(0).__reduce__()[0], 'ndarray': np.ndarray, 'dtype': np.dtype}
    # numpy moved _reconstruct between 1.x and 2.x; old files name the old place.
    _MODULES = ('numpy', 'numpy.core.multiarray', 'numpy._core.multiarray')

    def find_class(self, module: str, name: str) -> Callable:
        if module in self._MODULES and name in self._ALLOWED:
            return self._ALLOWED[name]
        raise pickle.UnpicklingError(f'{module}.{name} is not allowed')


def _find_folder(root: Path, layout: _Layout, split: str) -> Path:
    wanted = (layout.meta, *layout.batches[split])
    for folder in (root / layout.folder, root):
        missing = [name for name in wanted if not (folder / name).is_file()]
        if not missing:
            return folder
        if len(missing) < len(wanted):
            raise FileNotFoundError(f'CIFARDataset: {folder} has no file {", ".join(missing)}, expected '
                                    f'{", ".join(wanted)}')
    raise FileNotFoundError(f"CIFARDataset: data_root='{root}' holds no {layout.folder}/{{{','.join(wanted)}}} and "
                            'none of these files; the archive of the python version must be unpacked')


def _read_classes(path: Path, key: str, num_classes: int) -> tuple[str, ...]:
    names = _read_dict(path).get(key)
    if not isinstance(names, list) or len(names) != num_classes:
        found = f'{len(names)} names' if isinstance(names, list) else f'a {type(names).__name__}'
        raise ValueError(f'{path}: {key} holds {found}, expected the names of {num_classes} classes')
    return tuple(map(_text, names))


def _read_batch(path: Path, labels_key: str, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    batch = _read_dict(path)
    data, labels = batch.get('data'), batch.get(labels_key)
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (3 * _SIZE * _SIZE,):
        found = f'{data.shape} of {data.dtype}' if isinstance(data, np.ndarray) else f'a {type(data).__name__}'
        raise ValueError(f'{path}: data is {found}, expected (N, 3072) of uint8')
    if not isinstance(labels, list) or len(labels) != len(data):
        found = f'{len(labels)} entries' if isinstance(labels, list) else f'a {type(labels).__name__}'
        raise ValueError(f'{path}: {labels_key} holds {found}, expected a list of {len(data)}, one for each image')
    wrong = [label for label in labels if not isinstance(label, int) or not 0 <= label < num_classes]
    if wrong:
        raise ValueError(f'{path}: {len(wrong)} {labels_key} such as {wrong[0]!r}, expected 0 to {num_classes - 1}')
    return np.ascontiguousarray(data.reshape(-1, 3, _SIZE, _SIZE).transpose(0, 2, 3, 1)), np.array(labels, np.int64)


def _read_dict(path: Path) -> dict[str, Any]:
    content = read_pickled_arrays(path)
    if not isinstance(content, dict):
        raise ValueError(f'{path} holds a {type(content).__name__}, expected a dict')
    return {_text(key): value for key, value in content.items()}


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
