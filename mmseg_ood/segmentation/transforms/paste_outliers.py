"""Outliers pasted into training images: auxiliary out-of-distribution pixels with a label of their own."""
from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.dist import get_rank
from mmseg.registry import DATASETS, TRANSFORMS

from ..outliers import Outlier, OutlierSource
from .pasting import draw_place, mirror, paste, rescale
from .visits import VisitCounter


@TRANSFORMS.register_module()
class PasteOutliers(BaseTransform):
    """Paste objects that the network does not know, labelled ``ood_index``.

    Place it anywhere between LoadAnnotations and PackSegInputs: before the geometric steps outliers are
    resized, cropped and flipped with the image, after them they keep their size in the training crop.

    Every draw follows from the seed, the rank, the sample (``sample_idx``, set by MMEngine data sets) and
    how often the sample was drawn before: not from the number of workers nor from any global random state.
    In iteration based runs this takes ``sampler=dict(type='PassSampler')`` to be exact, see
    :class:`~.visits.VisitCounter`. A resumed epoch based run counts from zero again.

    Args:
        source: Where outliers come from, as an object or as a config of mmseg's ``DATASETS``.
        prob: Probability that an image gets outliers.
        num_objects: How many it then gets, a number or an inclusive range ``(low, high)``.
        scale_range: Range of the factor, drawn log-uniformly, by which they are resized; None pastes them
            unscaled as in Balanced Energy (Choi et al., CVPR 2023).
        flip_prob: Probability that one is flipped horizontally.
        feather: Width of a soft edge in px, inside of the mask; labels do not depend on it.
        ood_index: Label of pasted pixels.
        ignore_index: Label of void pixels.
        min_valid: A place is drawn again while less than this fraction of the pasted pixels falls on pixels
            that are not void. Images that are void all over stay as they are.
        num_classes: If given, labels are checked: ``0..num_classes - 1``, ``ood_index`` and ``ignore_index``.
        seed: Seed of all draws; None takes torch's seed at construction, which is that of MMEngine's Runner.

    Required keys: ``img`` (H, W, 3) uint8 or floating point 0..255; ``gt_seg_map`` (H, W) of an integer type.

    Modified keys: ``img`` and ``gt_seg_map``, as new arrays of the same type.

    Added keys: ``outlier_indices``, for each PasteOutliers of the pipeline the list of the indices pasted.

    Raises:
        TypeError: ``source`` is no OutlierSource.
        ValueError: An argument is out of range.

    Example:
        >>> class Dots(OutlierSource):
        ...     def load(self, entry):
        ...         return Outlier(np.full((2, 2, 3), entry, np.uint8), np.ones((2, 2), bool))
        >>> transform = PasteOutliers(Dots([200], place='memory'), seed=0)
        >>> sample = dict(img=np.zeros((8, 8, 3), np.uint8), gt_seg_map=np.zeros((8, 8), np.uint8))
        >>> pasted = transform(sample)['gt_seg_map'] == 254
        >>> int(pasted.sum()), bool((sample['img'][pasted] == 200).all())
        (4, True)
    """

    def __init__(self, source: OutlierSource | dict, prob: float = 1.0, num_objects: int | Sequence[int] = 1,
                 scale_range: Sequence[float] | None = None, flip_prob: float = 0.5, feather: int = 0,
                 ood_index: int = 254, ignore_index: int = 255, min_valid: float = 0.5,
                 num_classes: int | None = None, seed: int | None = None) -> None:
        self.source = DATASETS.build(source) if isinstance(source, dict) else source
        if not isinstance(self.source, OutlierSource):
            raise TypeError(f'PasteOutliers: source must be an OutlierSource or its config, found {source!r}')
        self.prob = _fraction('prob', prob)
        self.num_objects = _range('num_objects', num_objects, whole=True)
        self.scale_range = None if scale_range is None else _range('scale_range', scale_range)
        self.flip_prob = _fraction('flip_prob', flip_prob)
        self.feather = _integer('feather', feather)
        self.ood_index = _integer('ood_index', ood_index)
        self.ignore_index = _integer('ignore_index', ignore_index)
        self.min_valid = _fraction('min_valid', min_valid)
        self.num_classes = None if num_classes is None else _integer('num_classes', num_classes)
        if self.ood_index == self.ignore_index or self.ood_index < (self.num_classes or 0):
            raise ValueError(f'PasteOutliers: ood_index={ood_index} must differ from ignore_index='
                             f'{ignore_index} and from the classes below num_classes={num_classes}')
        # Taken here, in the main process: workers are seeded apart, and know no rank.
        self.seed = torch.initial_seed() if seed is None else _integer('seed', seed)
        self._rank = get_rank()
        self._visits = VisitCounter()

    def transform(self, results: dict) -> dict:
        """Paste outliers into one sample.

        Args:
            results: Sample of an MMSegmentation pipeline, see the class.

        Returns:
            The same dict.

        Raises:
            KeyError: A required key is missing.
            ValueError: Image or labels are not of the required shape, type or values.
        """
        self._check(results)
        rng = self._generator(results)
        drawn = self._paste_some(rng, results) if rng.random() < self.prob else []
        results['outlier_indices'] = [*results.get('outlier_indices', []), drawn]
        return results

    def _paste_some(self, rng: np.random.Generator, results: dict) -> list[int]:
        valid = results['gt_seg_map'] != self.ignore_index
        if not valid.any():
            return []
        image, labels = results['img'].copy(), results['gt_seg_map'].copy()
        count = rng.integers(*self.num_objects, endpoint=True)
        drawn = [int(index) for index in rng.integers(len(self.source), size=count)]
        for index in drawn:
            outlier = self._vary(rng, self.source[index])
            corner = draw_place(rng, outlier.mask, valid, self.min_valid)
            paste(image, labels, outlier, corner, self.ood_index, self.feather)
        results.update(img=image, gt_seg_map=labels)
        return drawn

    def _generator(self, results: dict) -> np.random.Generator:
        sample = results.get('sample_idx', 0)
        earlier = len(results.get('outlier_indices', []))  # a second PasteOutliers must not repeat the first
        return np.random.default_rng([self.seed, self._rank, sample, self._visits.next(sample), earlier])

    def _vary(self, rng: np.random.Generator, outlier: Outlier) -> Outlier:
        if self.scale_range is not None:
            outlier = rescale(outlier, float(np.exp(rng.uniform(*np.log(self.scale_range)))))
        return mirror(outlier) if rng.random() < self.flip_prob else outlier

    def _check(self, results: dict) -> None:
        missing = [key for key in ('img', 'gt_seg_map') if key not in results]
        if missing:
            raise KeyError(f'PasteOutliers: no {missing} in the sample; place it after LoadImageFromFile and '
                           f'LoadAnnotations and before PackSegInputs (found: {sorted(results)})')
        image, labels = results['img'], results['gt_seg_map']
        name = results.get('seg_map_path') or results.get('img_path') or 'a sample without a path'
        if image.ndim != 3 or image.shape[2] != 3 or not (image.dtype == np.uint8 or image.dtype.kind == 'f'):
            raise ValueError(f'PasteOutliers: {name}: img is {image.shape} {image.dtype}; '
                             'expected (H, W, 3), uint8 or floating point')
        if labels.shape != image.shape[:2] or labels.dtype.kind not in 'iu':
            raise ValueError(f'PasteOutliers: {name}: gt_seg_map is {labels.shape} {labels.dtype}; '
                             f'expected {image.shape[:2]} like img, of an integer type')
        if np.iinfo(labels.dtype).max < self.ood_index:
            raise ValueError(f'PasteOutliers: {name}: gt_seg_map is {labels.dtype}, which cannot hold '
                             f'ood_index={self.ood_index}')
        if self.num_classes is not None:
            self._check_values(labels, name)

    def _check_values(self, labels: np.ndarray, name: str) -> None:
        known = (labels >= 0) & (labels < self.num_classes)
        unexpected = labels[~(known | (labels == self.ood_index) | (labels == self.ignore_index))]
        if unexpected.size:
            found = np.unique(unexpected)[:10].tolist()
            raise ValueError(f'PasteOutliers: {name}: found the labels {found}; expected 0 to '
                             f'num_classes={self.num_classes} exclusive, ood_index={self.ood_index} or '
                             f'ignore_index={self.ignore_index}')

    def __repr__(self) -> str:
        arguments = (f'{name}={value!r}' for name, value in vars(self).items() if not name.startswith('_'))
        return f'{type(self).__name__}({", ".join(arguments)})'


def _fraction(name: str, value: float) -> float:
    if not isinstance(value, Real) or not 0 <= value <= 1:
        raise ValueError(f'PasteOutliers: {name} must be a number in [0, 1], found {value!r}')
    return value


def _integer(name: str, value: int) -> int:
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 0:
        raise ValueError(f'PasteOutliers: {name} must be an integer of 0 or more, found {value!r}')
    return int(value)


def _range(name: str, value: Real | Sequence[Real], whole: bool = False) -> tuple[Real, Real]:
    ends = tuple(value) if isinstance(value, Sequence) else (value, value)
    numbers = all(isinstance(end, Integral if whole else Real) for end in ends)
    if len(ends) != 2 or not numbers or not 0 < ends[0] <= ends[1] < np.inf:
        kind = 'integer' if whole else 'number'
        raise ValueError(f'PasteOutliers: {name} must be a positive {kind} or a range (low, high) of them, '
                         f'found {value!r}')
    return ends
