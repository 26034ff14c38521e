"""A long-tailed selection: a few classes have many images, many classes have a few."""
from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from mmengine.registry import DATASETS

from .images import ImageSet, build_image_set

_KINDS = ('exponential', 'step')
_ORDERS = ('first', 'random')


def long_tail_counts(num_classes: int, num_max: int, ratio: float, kind: str = 'exponential') -> tuple[int, ...]:
    """How many images each class keeps (Cao et al., NeurIPS 2019).

    Class k of C keeps ``int(num_max * ratio ** (k / (C - 1)))`` images. With ``'step'`` the first half of the classes
    (the larger one if C is odd) keep ``num_max``, the others ``int(num_max * ratio)``.

    Args:
        num_classes: C.
        num_max: Images of the first class.
        ratio: Images of the last class as a share of those of the first one, in (0, 1].
        kind: ``'exponential'`` or ``'step'``.

    Returns:
        C numbers of images.

    Raises:
        ValueError: An argument is out of range, or a class would keep no image.

    Example:
        >>> long_tail_counts(10, 5000, 0.01)
        (5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50)
        >>> long_tail_counts(4, 500, 0.1, kind='step')
        (500, 500, 50, 50)
    """
    if kind not in _KINDS:
        raise ValueError(f'long tail: {kind=}, expected one of {", ".join(map(repr, _KINDS))}')
    if not 0 < ratio <= 1:
        raise ValueError(f'long tail: {ratio=}, expected a share in (0, 1]')
    if kind == 'step':
        exponents = [2 * index >= num_classes for index in range(num_classes)]
    else:
        exponents = [index / max(num_classes - 1, 1) for index in range(num_classes)]
    counts = tuple(int(num_max * ratio ** exponent) for exponent in exponents)
    if min(counts) < 1:
        raise ValueError(f'long tail: class {counts.index(0)} of {num_classes} would keep no image with {num_max=} and '
                         f'{ratio=}, expected one at least')
    return counts


@DATASETS.register_module()
class LongTailDataset(ImageSet):
    """Some images of each class of a data set, see :func:`long_tail_counts`.

    Args:
        dataset: Config of the data set to choose from.
        ratio: Images of the last class as a share of those of the first one, in (0, 1].
        num_max: Images of the first class; None: as many as it has.
        kind: ``'exponential'`` or ``'step'``.
        order: Which images of a class are kept: the ``'first'`` ones, or ``'random'`` ones.
        seed: Of the random ones.

    Attributes:
        class_counts: How many images each class has here.

    Raises:
        ValueError: A class has fewer images than it is to keep, the data set holds outliers, or an argument is out of
            range.

    Example:
        >>> LongTailDataset({'type': 'DigitsDataset', 'classes': (0, 1, 2)}, ratio=0.25, num_max=80).class_counts
        (80, 40, 20)
    """

    def __init__(self, dataset: Mapping | ImageSet, ratio: float = 0.01, num_max: int | None = None,
                 kind: str = 'exponential', order: str = 'first', seed: int = 0) -> None:
        if order not in _ORDERS:
            raise ValueError(f'LongTailDataset: {order=}, expected one of {", ".join(map(repr, _ORDERS))}')
        dataset = build_image_set(dataset, 'LongTailDataset', 'dataset')
        if dataset.labels.min() < 0:
            raise ValueError('LongTailDataset: dataset holds outliers, expected images of classes only')
        members = [np.flatnonzero(dataset.labels == index) for index in range(dataset.num_classes)]
        self.class_counts = long_tail_counts(len(members), len(members[0]) if num_max is None else num_max, ratio, kind)
        generator = np.random.default_rng(seed)
        for index, (count, found) in enumerate(zip(self.class_counts, members, strict=True)):
            if len(found) < count:
                name = index if dataset.classes is None else f'{index} ({dataset.classes[index]})'
                raise ValueError(f'LongTailDataset: class {name} has {len(found)} images, expected {count} at least')
            if order == 'random':
                members[index] = generator.permutation(found)
        kept = np.sort(np.concatenate([found[:count]
                                       for found, count in zip(members, self.class_counts, strict=True)]))
        super().__init__(dataset.images[kept], dataset.labels[kept], [dataset.names[index] for index in kept],
                         dataset.classes, dataset.split)
