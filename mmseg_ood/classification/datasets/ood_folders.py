"""The published OOD test sets, by how they lie on disk."""
from __future__ import annotations

import os

import numpy as np
from mmengine.logging import print_log
from mmengine.registry import DATASETS

from ..labels import OOD_LABEL
from .decoding import decode_all, fit_square
from .files import ImageFiles, first_few, shared_folders
from .images import ImageSet, NumberedNames
from .splits import split_of

_SVHN_TEST = 'test_32x32.mat'
_HELD_OUT = ('val_256', 'test_256', 'val', 'test')  # the first one that is there
_TRAINING = {'train', 'data_256', 'data_large'}


@DATASETS.register_module()
class OODFolderDataset(ImageSet):
    """A test set of outliers: SVHN, Textures, LSUN, iSUN, Places365, Tiny-ImageNet, or any folder or zip of images.

    ======================================== =======================================================
    set                                      layout
    ======================================== =======================================================
    SVHN, cropped digits                     ``test_32x32.mat`` in the folder, or its path
    Places365, 256x256                       ``val_256/**`` or, if there is none, ``test_256/**``
    Tiny-ImageNet                            ``val/**`` or, if there is none, ``test/**``
    Textures (DTD)                           ``images/CLASS/NAME.jpg``
    LSUN, LSUN_resize, iSUN, Imagenet_resize ``LSUN_resize/NAME.png``
    others                                   images at any depth
    ======================================== =======================================================

    Args:
        path: A folder, a zip, or a ``.mat`` file of SVHN.
        image_size: Height and width in px that the images are brought to.

    Raises:
        FileNotFoundError: ``path`` does not exist or holds no image.
        ValueError: It is a training split, or images cannot be read (all of them are named).
    """

    def __init__(self, path: str, image_size: int = 32) -> None:
        path = str(path)
        mat_file = _find_svhn(path)
        if mat_file is None:
            images, names = _read_images(path, image_size)
        else:
            images = _read_svhn(mat_file, image_size)
            names = NumberedNames(mat_file, len(images))
        super().__init__(images, np.full(len(images), OOD_LABEL), names, split='test')


def _find_svhn(path: str) -> str | None:
    if path.endswith('.mat'):
        if not os.path.isfile(path):
            raise FileNotFoundError(f'OODFolderDataset: {path} does not exist, expected {_SVHN_TEST} of SVHN')
        return _test_part(path)
    mat_files = sorted(name for name in os.listdir(path) if name.endswith('_32x32.mat')) if os.path.isdir(path) else []
    if not mat_files:
        return None
    return _test_part(os.path.join(path, _SVHN_TEST if _SVHN_TEST in mat_files else mat_files[0]))


def _test_part(path: str) -> str:
    if os.path.basename(path) in ('train_32x32.mat', 'extra_32x32.mat'):
        raise ValueError(f'OODFolderDataset: {path} is a training split, expected {_SVHN_TEST}')
    return path


def _read_svhn(path: str, image_size: int) -> np.ndarray:
    from scipy.io import loadmat
    try:
        images = loadmat(path, variable_names=['X'])['X']
    except Exception as error:  # scipy raises several types for damaged files, none of which names the file
        raise ValueError(f'OODFolderDataset: {path} cannot be read as a MATLAB file with the variable X: '
                         f'{type(error).__name__}: {error}') from error
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[2] != 3:
        raise ValueError(f'OODFolderDataset: X in {path} is {images.shape} of {images.dtype}, expected (S, S, 3, N) of '
                         'uint8')
    return np.stack([fit_square(np.ascontiguousarray(image), image_size) for image in images.transpose(3, 0, 1, 2)])


def _read_images(path: str, image_size: int) -> tuple[np.ndarray, list[str]]:
    with ImageFiles(path) as files:
        names = _held_out(files)
        full_names = [files.full_name(name) for name in names]
        return decode_all(full_names, lambda index: files.read(names[index]), image_size), full_names


def _held_out(files: ImageFiles) -> list[str]:
    wrapping = shared_folders(files.names)
    tops = {name: name.split('/')[len(wrapping)] for name in files.names}
    parts = set(tops.values())
    part = next((part for part in _HELD_OUT if part in parts), None)
    if part is not None:
        others = sorted(parts - {part})
        if others:
            print_log(f'{files.path}: {part} is the test set; {first_few(others)} left out', 'current')
        return [name for name in files.names if tops[name] == part]
    # Beside other folders, train is the name of a class: CIFAR-100 has one.
    around = {os.path.basename(files.path.rstrip('/')), *wrapping}
    if parts <= _TRAINING or around & _TRAINING or split_of(around) == 'train':
        raise ValueError(f'OODFolderDataset: {files.path} is a training split ({files.names[0]}, ...), expected a test '
                         "set; if its name misleads, take dict(type='ImageFolderDataset', outlier=True, split='test')")
    return files.names
