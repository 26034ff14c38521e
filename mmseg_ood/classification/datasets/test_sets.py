"""The inlier test set and the OOD test sets, as one data set that one pass evaluates."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.registry import DATASETS

from ..labels import OOD_LABEL
from .concatenated import ConcatenatedImages
from .files import first_few
from .images import ImageBatch, ImageSet, build_image_set

_RESERVED = ('mean',)  # what the figures over all sets are called


@DATASETS.register_module()
class TestSetsDataset(ConcatenatedImages):
    """Images to evaluate on: those of the classes, then those of each OOD set.

    An OOD set may hold images that have the label of a class (SC-OOD): they are inliers of that set.

    Args:
        inliers: Config of the test set of the classes.
        ood: Config of each OOD set, by its name in the table of results.

    Attributes:
        inliers: The test set of the classes.
        ood: The OOD sets by name.
        set_names: Their names.

    Raises:
        ValueError: An inlier has the label -1, an OOD set holds no outlier or labels of other classes, a name cannot be
            used, or sizes differ.

    Example:
        >>> dataset = TestSetsDataset(
        ...     inliers={'type': 'DigitsDataset', 'classes': (0, 1, 2), 'split': 'test'},
        ...     ood={'nines': {'type': 'DigitsDataset', 'classes': (9,), 'split': 'test', 'outlier': True}})
        >>> batch = dataset.__getitems__([0, len(dataset) - 1])
        >>> dataset.set_names, batch['labels'], batch['sources']
        (('nines',), tensor([ 2, -1]), tensor([0, 1]))
    """

    __test__ = False  # pytest: no test in spite of its name

    def __init__(self, inliers: Mapping | ImageSet, ood: Mapping[str, Mapping | ImageSet]) -> None:
        wrong = [name for name in ood if name in _RESERVED or '/' in name]
        if not ood or wrong:
            raise ValueError(f'TestSetsDataset: ood names the sets {first_few(ood) or "(none)"}, expected one at '
                             f'least, none of them called {", ".join(_RESERVED)}, no / in the names')
        self.inliers = build_image_set(inliers, 'TestSetsDataset', 'inliers')
        self.ood = {name: build_image_set(config, 'TestSetsDataset', f'ood.{name}') for name, config in ood.items()}
        self.set_names = tuple(self.ood)
        outliers = np.flatnonzero(self.inliers.labels == OOD_LABEL)
        if len(outliers):
            raise ValueError(f'TestSetsDataset: {len(outliers)} of the inliers have the label {OOD_LABEL}: '
                             + first_few(self.inliers.names[index] for index in outliers))
        for name, images in self.ood.items():
            _check_ood_set(name, images, self.inliers.num_classes)
        super().__init__([self.inliers, *self.ood.values()])

    @property
    def metainfo(self) -> dict[str, Any]:
        """That of the inliers and ``set_names``."""
        return {**self.inliers.metainfo, 'set_names': self.set_names}

    def __getitems__(self, indices: Sequence[int]) -> ImageBatch:
        """A batch; PyTorch's data loader asks for it.

        Args:
            indices: B indices.

        Returns:
            ``images`` ``(B, S, S, 3)`` uint8, ``labels`` ``(B,)`` int64 and ``sources`` ``(B,)`` int64: 0 for the
            inliers, 1 for the first OOD set, and so on.

        Raises:
            IndexError: An index is out of range.
        """
        batch = super().__getitems__(indices)
        batch['sources'] = torch.from_numpy(self._sources(np.asarray(indices)))
        return batch


def _check_ood_set(name: str, images: ImageSet, num_classes: int) -> None:
    if not (images.labels == OOD_LABEL).any():
        raise ValueError(f'TestSetsDataset: the OOD set {name} ({images.names[0]}, ...) holds no outlier, expected '
                         f'images with the label {OOD_LABEL}; folders need outlier=True')
    wrong = np.flatnonzero(images.labels >= num_classes)
    if len(wrong):
        named = first_few(f'{images.names[index]} ({images.labels[index]})' for index in wrong)
        raise ValueError(f'TestSetsDataset: {len(wrong)} images of the OOD set {name} have labels of other classes '
                         f'than the {num_classes} of the inliers: {named}')
