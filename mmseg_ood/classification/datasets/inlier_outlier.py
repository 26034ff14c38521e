"""Training images of the classes and auxiliary outliers."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.registry import DATASETS

from ..labels import OOD_LABEL
from .concatenated import ConcatenatedImages
from .files import first_few
from .images import ImageSet, build_image_set


@DATASETS.register_module()
class InlierOutlierDataset(ConcatenatedImages):
    """Images to train on: those of the classes and outliers.

    It is as long as there are inliers, so that an epoch is a pass over them; the outliers have the indices that follow.
    ``batch_sampler=dict(type='InlierOutlierBatchSampler')`` of the data loader puts both into a batch; without it there
    are no outliers.

    Args:
        inliers: Config of the data set of the classes.
        outliers: Config of the data set of outliers, or a list of several.

    Attributes:
        inliers: The data set of the classes.
        outliers: The data set of outliers; all of them as one.

    Raises:
        ValueError: A data set is a test split, an inlier has the label -1 or an outlier that of a class, or sizes
            differ.

    Example:
        >>> dataset = InlierOutlierDataset(
        ...     inliers={'type': 'DigitsDataset', 'classes': (0, 1, 2)},
        ...     outliers={'type': 'DigitsDataset', 'classes': (7,), 'outlier': True})
        >>> len(dataset), len(dataset.outliers), dataset[len(dataset)]['labels']
        (269, 90, tensor(-1))
    """

    def __init__(self, inliers: Mapping | ImageSet,
                 outliers: Mapping | ImageSet | Sequence[Mapping | ImageSet]) -> None:
        self.inliers = build_image_set(inliers, 'InlierOutlierDataset', 'inliers')
        configs = outliers if isinstance(outliers, Sequence) else [outliers]
        outlier_sets = [build_image_set(config, 'InlierOutlierDataset', 'outliers') for config in configs]
        if not outlier_sets:
            raise ValueError('InlierOutlierDataset: outliers is an empty list, expected a data set')
        _refuse(self.inliers, 'inliers', 'the label of a class', self.inliers.labels == OOD_LABEL)
        for images in outlier_sets:
            _refuse(images, 'outliers', f'the label {OOD_LABEL}', images.labels != OOD_LABEL)
        super().__init__([self.inliers, *outlier_sets])
        self.outliers = outlier_sets[0] if len(outlier_sets) == 1 else ConcatenatedImages(outlier_sets)

    @property
    def metainfo(self) -> dict[str, Any]:
        """Of the inliers."""
        return self.inliers.metainfo

    def __len__(self) -> int:
        return len(self.inliers)


def _refuse(images: ImageSet, key: str, expected: str, wrong: np.ndarray) -> None:
    if images.split == 'test':
        raise ValueError(f'InlierOutlierDataset: {key} ({images.names[0]}, ...) are a test split, expected images to '
                         "train on; if they are, say so: split='train'")
    wrong = np.flatnonzero(wrong)
    if len(wrong):
        named = first_few(f'{images.names[index]} ({images.labels[index]})' for index in wrong)
        raise ValueError(f'InlierOutlierDataset: {len(wrong)} of the {len(images)} {key} do not have {expected}: '
                         f'{named}')
