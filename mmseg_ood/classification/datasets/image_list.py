"""Image lists, as SC-OOD publishes them: which images belong to a set, and what they show."""
from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
from mmengine.registry import DATASETS

from ..labels import OOD_LABEL
from .decoding import decode_all
from .files import first_few
from .images import ImageSet
from .splits import check_split, split_of

_LAYOUT = "a line 'PATH LABEL' or 'PATH {'sc_label': LABEL, ...}' for each image"


@DATASETS.register_module()
class ImageListDataset(ImageSet):
    """Images named in a list, as in the SC-OOD benchmarks (Yang et al., ICCV 2021).

    Layout: ``images/**/NAME.png`` and lists such as ``imglist/benchmark_cifar10/test_tin.txt`` with a line for each
    image: its path below ``images``, a blank and its label, either a number or a dict with the key ``sc_label``.
    A negative label is an outlier. Images of an OOD set that show one of the classes have its label: they are inliers
    there.

    Args:
        data_root: Folder that holds ``images``.
        list_file: The list, relative to ``data_root``.
        image_size: Height and width in px that the images are brought to.
        split: ``'train'`` or ``'test'``; None: what the name of the list says. Training on a test split is refused.

    Raises:
        FileNotFoundError: The list does not exist, or images in it do not.
        ValueError: The list has no lines, a line is not as above, or images cannot be read (all of them are named).
    """

    def __init__(self, data_root: str, list_file: str, image_size: int = 32, split: str | None = None) -> None:
        check_split(split, 'ImageListDataset')
        list_path = Path(data_root, list_file)
        paths, labels = _read_list(list_path)
        files = [Path(data_root, 'images', path) for path in paths]
        missing = [file for file in files if not file.is_file()]
        if missing:
            raise FileNotFoundError(f'ImageListDataset: {len(missing)} of the {len(files)} images in {list_path} do '
                                    f'not exist: {first_few(missing)}')
        names = list(map(str, files))
        images = decode_all(names, lambda index: files[index].read_bytes(), image_size)
        super().__init__(images, labels, names, split=split or split_of([list_path.name]))


def _read_list(path: Path) -> tuple[list[str], np.ndarray]:
    if not path.is_file():
        raise FileNotFoundError(f'ImageListDataset: no list {path}, expected {_LAYOUT}')
    entries = [(number, line.strip()) for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1)]
    rows = [_parse(line, f'{path}, line {number}') for number, line in entries if line]
    if not rows:
        raise ValueError(f'ImageListDataset: {path} has no lines, expected {_LAYOUT}')
    return [name for name, _ in rows], np.array([max(label, OOD_LABEL) for _, label in rows])


def _parse(line: str, place: str) -> tuple[str, int]:
    if line.endswith('}'):
        name, _, value = line.partition(' {')
        value = '{' + value
    else:
        name, _, value = line.rpartition(' ')
    try:
        label = ast.literal_eval(value)
        label = label['sc_label'] if isinstance(label, dict) else label
    except (ValueError, SyntaxError, KeyError):
        label = None
    if not name or type(label) is not int:
        raise ValueError(f'ImageListDataset: {place} is {line!r}, expected {_LAYOUT}')
    return name.strip(), label
