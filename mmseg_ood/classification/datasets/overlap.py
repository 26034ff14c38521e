"""Is an image that is trained on also tested on? Found by the content of the images.

Exact copies only: an image that was encoded again or scaled differently is another one here.
"""
from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

import numpy as np
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import DATASETS, HOOKS
from mmengine.runner import Runner
from torch.utils.data import Dataset

from ..labels import OOD_LABEL
from .files import first_few
from .images import ImageSet
from .inlier_outlier import InlierOutlierDataset
from .test_sets import TestSetsDataset

_CHUNK = 4096  # images; memory-mapped ones need not all be in memory at once


def find_duplicates(first: ImageSet, second: ImageSet) -> list[tuple[str, str]]:
    """Find the images that two data sets have in common.

    Args:
        first: A data set.
        second: Another one.

    Returns:
        For each image of ``second`` that is in ``first``, too: its name there (the first one of several) and its name
        in ``second``.

    Example:
        >>> grey = np.ones((2, 8, 8, 3), np.uint8) * np.array([10, 20], np.uint8)[:, None, None, None]
        >>> find_duplicates(ImageSet(grey, [0, 0], ['a', 'b']), ImageSet(grey[1:], [0], ['c']))
        [('b', 'c')]
    """
    return _matches(_by_digest([first]), second, image_digests(second))


def check_overlap(train: InlierOutlierDataset | ImageSet, tests: Sequence[TestSetsDataset | ImageSet]) -> None:
    """Make sure that no image is trained on and tested on.

    The log warns where training outliers are among the training inliers, and where outliers of an OOD test set are
    among the inliers of the same test.

    Args:
        train: What is trained on.
        tests: What is tested on.

    Raises:
        ValueError: Training inliers or outliers are among the test images; the first few are named.
    """
    inliers = _by_digest(train.inliers.sets if hasattr(train, 'inliers') else train.sets)
    outliers = _by_digest(train.outliers.sets if hasattr(train, 'outliers') else ())
    _warn([(inliers[digest], name) for digest, name in outliers.items() if digest in inliers],
          'training outliers are among the training inliers')
    for test in tests:
        digests = [image_digests(images) for images in test.sets]
        for kind, known in (('inliers', inliers), ('outliers', outliers)):
            found = [pair for images, of_images in zip(test.sets, digests, strict=True)
                     for pair in _matches(known, images, of_images)]
            if found:
                raise ValueError(f'{len(found)} test images are among the training {kind}: {_listed(found)}. Remove '
                                 'them on one side, the figures would mean nothing.')
        test_inliers = dict(zip(digests[0], test.sets[0].names, strict=True))
        for images, of_images in zip(test.sets[1:], digests[1:], strict=True):
            chosen = np.flatnonzero(images.labels == OOD_LABEL)
            _warn(_matches(test_inliers, images, of_images, chosen), 'outliers are among the inliers of the same test')


@HOOKS.register_module()
class OverlapCheckHook(Hook):
    """Calls :func:`check_overlap` once, before training.

    The data set of the training is compared with those of the validation and of the test. The latter, which MMEngine
    builds when testing begins, is read here and let go again, unless it is configured like that of the validation.
    In a config::

        custom_hooks = [dict(type='OverlapCheckHook')]
    """

    def before_train(self, runner: Runner) -> None:
        """Called by MMEngine.

        Raises:
            ValueError: Training images are among the test images.
            TypeError: A data set is none of this package.
        """
        tests = [] if runner.val_loop is None else [runner.val_dataloader.dataset]
        config = runner._test_dataloader  # the public property would build the whole test loop
        if isinstance(config, Mapping) and config['dataset'] != _dataset_config(runner._val_dataloader):
            tests.append(DATASETS.build(config['dataset']))
        check_overlap(_checked(runner.train_dataloader.dataset), [_checked(test) for test in tests])


def image_digests(images: ImageSet) -> list[bytes]:
    """A number for each image that two different images do not share.

    Args:
        images: N images.

    Returns:
        N digests.
    """
    return [blake2b(image, digest_size=16).digest() for start in range(0, len(images), _CHUNK)
            for image in np.ascontiguousarray(images.images[start:start + _CHUNK])]


def _by_digest(sets: Iterable[ImageSet]) -> dict[bytes, str]:
    """Name of each image; of the first one where several are the same."""
    names: dict[bytes, str] = {}
    for images in sets:
        for digest, name in zip(image_digests(images), images.names, strict=True):
            names.setdefault(digest, name)
    return names


def _matches(known: Mapping[bytes, str], images: ImageSet, digests: Sequence[bytes],
             chosen: Iterable[int] | None = None) -> list[tuple[str, str]]:
    return [(known[digests[index]], images.names[index])
            for index in (range(len(digests)) if chosen is None else chosen) if digests[index] in known]


def _warn(pairs: Sequence[tuple[str, str]], what: str) -> None:
    if pairs:
        print_log(f'{len(pairs)} {what}: {_listed(pairs)}', 'current', logging.WARNING)


def _listed(pairs: Sequence[tuple[str, str]]) -> str:
    return first_few(f'{first} = {second}' for first, second in pairs)


def _dataset_config(dataloader: object) -> object:
    return dataloader['dataset'] if isinstance(dataloader, Mapping) else None


def _checked(dataset: Dataset) -> Dataset:
    if not hasattr(dataset, 'sets'):
        raise TypeError(f'OverlapCheckHook: a data loader has a {type(dataset).__name__}, expected a data set of '
                        'mmseg_ood.classification')
    return dataset
