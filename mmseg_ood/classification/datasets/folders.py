"""Images in a folder or a zip, one folder a class."""
from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from mmengine.registry import DATASETS

from ..labels import OOD_LABEL
from .decoding import decode_all
from .files import ImageFiles, first_few, natural_key, shared_folders
from .images import ImageSet
from .splits import check_split, split_folder, split_of


@DATASETS.register_module()
class ImageFolderDataset(ImageSet):
    """Images in a folder or a zip with one folder for each class, or any images as outliers.

    Layout: ``CLASS/**/NAME.jpg`` or another of :data:`files.IMAGE_SUFFIXES`, also with a folder or more around it all
    (``train/CLASS/...``). Outliers may lie anywhere. How images are decoded and scaled: :mod:`.decoding`.

    Args:
        path: A folder or a zip.
        image_size: Height and width in px that the images are brought to.
        split: ``'train'`` or ``'test'``; None: what the names of ``path`` and of the folder around it all say, if they
            say something (``test.zip``, ``val/``). Training on a test split is refused.
        classes: Names of the classes in the order of their labels, for comparison with the folders; None: the folders
            in natural order.
        exclude_classes: Folders to leave out.
        outlier: Label all images -1.

    Raises:
        FileNotFoundError: ``path`` does not exist or holds no image.
        ValueError: Images cannot be read (all of them are named), the folders are not the ``classes`` or hold several
            splits, a class has no images, or images lie outside of the class folders.
    """

    def __init__(self, path: str, image_size: int = 32, split: str | None = None, classes: Sequence[str] | None = None,
                 exclude_classes: Collection[str] = (), outlier: bool = False) -> None:
        if outlier and classes is not None:
            raise ValueError('ImageFolderDataset: classes has no effect with outlier=True; exclude_classes leaves '
                             'folders out')
        check_split(split, 'ImageFolderDataset')
        with ImageFiles(path) as files:
            wrapping = shared_folders(files.names, keep=classes or ())
            _refuse_several_splits(path, files, len(wrapping))
            names = _without(files, len(wrapping), exclude_classes)
            if outlier:
                labels = np.full(len(names), OOD_LABEL)
            else:
                classes = _find_classes(files, len(wrapping), classes, exclude_classes)
                index_of = {name: index for index, name in enumerate(classes)}
                labels = np.array([index_of[name.split('/')[len(wrapping)]] for name in names])
            full_names = [files.full_name(name) for name in names]
            images = decode_all(full_names, lambda index: files.read(names[index]), image_size)
        super().__init__(images, labels, full_names, classes, split or split_of([_stem(path), *wrapping]))


def _refuse_several_splits(path: str, files: ImageFiles, depth: int) -> None:
    tops = dict.fromkeys(name.split('/')[depth] for name in files.names if name.count('/') > depth)
    splits = [top for top in tops if split_folder(top)]
    if len({split_folder(top) for top in splits}) > 1:
        raise ValueError(f"ImageFolderDataset: path='{path}' holds the splits {first_few(splits)}, expected one: give "
                         'the path of its folder')


def _without(files: ImageFiles, depth: int, excluded: Collection[str]) -> list[str]:
    """The names of the images that are in none of the excluded folders."""
    folders = {name: set(name.split('/')[depth:-1]) for name in files.names}
    unknown = set(excluded) - set().union(*folders.values())
    if unknown:
        raise ValueError(f'ImageFolderDataset: {files.path} has no folders {first_few(sorted(unknown))} that '
                         'exclude_classes names')
    names = [name for name in files.names if not folders[name].intersection(excluded)]
    if not names:
        raise FileNotFoundError(f'ImageFolderDataset: nothing is left of {files.path} without exclude_classes '
                                f'{first_few(excluded)}')
    return names


def _find_classes(files: ImageFiles, depth: int, expected: Sequence[str] | None,
                  excluded: Collection[str]) -> tuple[str, ...]:
    stray = [files.full_name(name) for name in files.names if name.count('/') == depth]
    if stray:
        raise ValueError(f'ImageFolderDataset: {len(stray)} images lie outside of class folders: {first_few(stray)}; '
                         'expected CLASS/NAME, or outlier=True')
    found = {name.split('/')[depth] for name in files.names}
    empty = {folder.split('/')[depth] for folder in files.folders if folder.count('/') == depth} - found
    if empty - set(excluded):
        raise ValueError(f'ImageFolderDataset: no images in the class folders {first_few(sorted(empty))} of '
                         f'{files.path}; remove them or name them in exclude_classes')
    found -= set(excluded)
    if expected is None:
        return tuple(sorted(found, key=natural_key))
    if found != set(expected) or len(found) != len(expected):
        missing, extra = sorted(set(expected) - found), sorted(found - set(expected))
        raise ValueError(f'ImageFolderDataset: {files.path} holds the folders of {len(found)} classes, expected the '
                         f'{len(expected)} of the argument classes; missing: {first_few(missing) or "none"}; '
                         f'not expected: {first_few(extra) or "none"}')
    return tuple(expected)


def _stem(path: str) -> str:
    return str(path).rstrip('/').rpartition('/')[2]
