"""How well a classifier tells OOD images from those of its classes, and the classes from each other.

Two directions are in use, and figures of one do not compare with those of the other:

============ ===================================================== ============================================
figure       what is detected                                      what is counted
============ ===================================================== ============================================
``FPR95``    at least 95 % of the outliers, at the first threshold share of the inliers that are flagged
``FPR95_in`` the other way round: 95 % of the inliers are accepted share of the outliers that are accepted
``AUPR_out`` outliers (the average precision AP)
``AUPR_in``  inliers
``AUROC``    the same in both directions
============ ===================================================== ============================================

Example:
    >>> images = ScoredImages(labels=np.array([0, 1, 1, -1, -1]), sources=np.array([0, 0, 0, 1, 1]),
    ...                       predictions=np.array([0, 1, 0, 1, 1]), scores={'msp': np.array([1, 2, 4, 3, 5])})
    >>> judge_sets(images, ['svhn'])['svhn']['msp'].figures
    {'AUROC': 83.33..., 'AUPR_out': 83.33..., 'AUPR_in': 91.66..., 'FPR95': 33.33..., 'FPR95_in': 50.0}
    >>> inlier_accuracy(images)
    {'accuracy': 66.66...}
"""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.registry import METRICS

from mmseg_ood.core import FPR_RULES, AnomalyScorer, OperatingPoint, ScoreHistogram, fpr_column
from mmseg_ood.core.losses import check_finite, check_labels

from .labels import OOD_LABEL

CURVE_POINTS = 3000
INLIER_SOURCE = 0
"""Source of the images of the inlier test set; those of the OOD sets are 1, 2 and so on."""
MEAN = 'mean'
"""Takes the place of a set's name in the names of the means over all OOD sets."""
_GROUP_NAMES = {2: ('head', 'tail'), 3: ('head', 'middle', 'tail')}


class ScoredImages(NamedTuple):
    """What is known of each image of an evaluation, ``(N,)`` each."""
    labels: np.ndarray
    """Class, or -1 for an outlier."""
    sources: np.ndarray
    """0 for the inlier test set, 1 for the first OOD set and so on."""
    predictions: np.ndarray
    """The class with the largest logit."""
    scores: dict[str, np.ndarray]
    """Anomaly scores by name, higher = more anomalous."""


class SetVerdict(NamedTuple):
    """Everything measured of one score on one OOD set against the inlier test set."""
    figures: dict[str, float]
    """The row of a table, in percent."""
    summary: dict[str, float]
    """Outliers positive, fractions; see :meth:`mmseg_ood.core.ScoreHistogram.summary`."""
    operating_points: dict[str, OperatingPoint]
    curve: dict[str, np.ndarray]
    density: dict[str, np.ndarray]


def class_groups(class_counts: Sequence[int], num_groups: int = 3) -> dict[str, np.ndarray]:
    """Classes from the most to the least frequent, split as evenly as possible, larger groups first.

    Args:
        class_counts: Number of training images of each class; equal ones stay in the order of the classes.
        num_groups: 2 (head, tail) or 3 (head, middle, tail).

    Returns:
        Class indices by name of the group.

    Raises:
        ValueError: Another number of groups, or fewer classes than groups.

    Example:
        >>> {name: classes.tolist() for name, classes in class_groups([5, 90, 30, 8]).items()}
        {'head': [1, 2], 'middle': [3], 'tail': [0]}
    """
    if num_groups not in _GROUP_NAMES:
        raise ValueError(f'num_groups must be one of {", ".join(map(str, _GROUP_NAMES))}, found {num_groups}')
    if len(class_counts) < num_groups:
        raise ValueError(f'class_counts has {len(class_counts)} classes, expected at least one for each of '
                         f'{num_groups} groups')
    by_count = np.argsort(-np.asarray(class_counts), kind='stable')
    return dict(zip(_GROUP_NAMES[num_groups], np.array_split(by_count, num_groups), strict=True))


def inlier_accuracy(images: ScoredImages, groups: Mapping[str, np.ndarray] | None = None) -> dict[str, float]:
    """Accuracy on the inlier test set, in percent.

    Args:
        images: The images; those of OOD sets take no part.
        groups: Classes by name, see :func:`class_groups`.

    Returns:
        ``accuracy``, and ``accuracy_GROUP`` over the images of the group's classes.

    Raises:
        ValueError: There is no image in the inlier test set or of a group, or an outlier among them.
    """
    inliers = _inlier_test_set(images)
    correct = (images.predictions == images.labels)[inliers]
    return {'accuracy': 100 * float(correct.mean()),
            **_by_group('accuracy', correct, images.labels[inliers], groups or {})}


def judge_sets(images: ScoredImages, set_names: Sequence[str], groups: Mapping[str, np.ndarray] | None = None,
               fpr_rule: str = 'first', max_fpr: float = 0.05) -> dict[str, dict[str, SetVerdict]]:
    """Figures and curves of each OOD set against the inlier test set.

    Images of an OOD set that show an inlier class (SC-OOD) join the inlier side of that set.

    Args:
        images: All images.
        set_names: Names of the OOD sets, of the sources 1, 2 and so on.
        groups: Classes by name, see :func:`class_groups`. With them the figures also hold ``FPR95_GROUP``: the share
            of the group's inliers that is flagged at the threshold of ``FPR95`` by the rule ``first``.
        fpr_rule: How the two FPR95 are read, see :meth:`mmseg_ood.core.ScoreHistogram.summary`. Under another rule
            than ``first`` they are called after it, ``FPR95_nearest``: the rules do not compare.
        max_fpr: False positive rate of an operating point.

    Returns:
        Verdicts by set and score.

    Raises:
        ValueError: A figure is undefined: no image in the inlier test set or of a group, an outlier among them, an
            OOD set without outliers; sources without a name; scores that are not finite.
    """
    inliers = _inlier_test_set(images)
    if images.sources.min() < 0 or images.sources.max() > len(set_names):
        raise ValueError(f'sources go from {images.sources.min()} to {images.sources.max()}, expected 0 to '
                         f'{len(set_names)}, for the OOD sets {", ".join(set_names) or "(none)"}')
    verdicts: dict[str, dict[str, SetVerdict]] = {}
    for source, set_name in enumerate(set_names, INLIER_SOURCE + 1):
        chosen = inliers | (images.sources == source)
        labels = images.labels[chosen]
        if not (labels == OOD_LABEL).any():
            raise ValueError(f'OOD set {set_name!r}: none of its {int((images.sources == source).sum())} images is an '
                             f'outlier (label {OOD_LABEL})')
        verdicts[set_name] = {}
        for score, values in images.scores.items():
            try:
                verdicts[set_name][score] = _judge(values[chosen], labels, groups or {}, fpr_rule, max_fpr)
            except ValueError as error:
                raise ValueError(f'{set_name}: {score}: {error}') from error
    return verdicts


def mean_figures(verdicts: Mapping[str, Mapping[str, SetVerdict]]) -> dict[str, dict[str, float]]:
    """Means of the figures over all OOD sets, by score."""
    rows = [{score: verdict.figures for score, verdict in of_set.items()} for of_set in verdicts.values()]
    return {score: {name: math.fsum(row[score][name] for row in rows) / len(rows) for name in figures}
            for score, figures in rows[0].items()}


def _inlier_test_set(images: ScoredImages) -> np.ndarray:
    inliers = images.sources == INLIER_SOURCE
    if not inliers.any():
        raise ValueError('there is no image in the inlier test set')
    num_outliers = int((images.labels[inliers] == OOD_LABEL).sum())
    if num_outliers:
        raise ValueError(f'{num_outliers} of {int(inliers.sum())} images in the inlier test set are labelled as '
                         f'outliers ({OOD_LABEL})')
    return inliers


def _judge(scores: np.ndarray, labels: np.ndarray, groups: Mapping[str, np.ndarray], fpr_rule: str,
           max_fpr: float) -> SetVerdict:
    outliers = labels == OOD_LABEL
    histogram, reverse = ScoreHistogram(), ScoreHistogram()
    histogram.update(scores, outliers)
    reverse.update(-scores, ~outliers)
    summary, reverse_summary = (side.summary(fpr_rule=fpr_rule) for side in (histogram, reverse))
    points = histogram.operating_points(max_fpr=max_fpr)
    flagged = (scores >= points['TPR95'].threshold)[~outliers]
    figures = {'AUROC': 100 * summary['AUROC'], 'AUPR_out': 100 * summary['AP'], 'AUPR_in': 100 * reverse_summary['AP'],
               fpr_column('FPR95', fpr_rule): 100 * summary['FPR95'],
               fpr_column('FPR95_in', fpr_rule): 100 * reverse_summary['FPR95'],
               **_by_group('FPR95', flagged, labels[~outliers], groups)}
    return SetVerdict(figures, summary, points, histogram.curve(CURVE_POINTS), histogram.density())


def _by_group(figure: str, hits: np.ndarray, labels: np.ndarray, groups: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Percentage of hits among the inliers of each group."""
    shares = {}
    for name, classes in groups.items():
        members = np.isin(labels, classes)
        if not members.any():
            raise ValueError(f'{figure}_{name}: the inlier test set has no image of the classes {classes.tolist()}')
        shares[f'{figure}_{name}'] = 100 * float(hits[members].mean())
    return shares


@METRICS.register_module()
class OODMetric(BaseMetric):
    """AUROC, AUPR and FPR95 on each OOD set and their mean, and the accuracy on the inlier test set; in percent.

    The figures are called ``SET/SCORE/FIGURE``, for instance ``svhn/energy/AUROC`` or ``mean/msp/FPR95``, and
    ``accuracy``; what they mean is said at the head of this module. The names of the sets are ``set_names`` of the
    data set (:class:`TestSetsDataset`). With an inlier test set alone there is the accuracy alone.

    Args:
        scores: Names of :data:`mmseg_ood.core.SCORES`, with options ``energy:temperature=2``, or dicts, see
            :class:`mmseg_ood.core.AnomalyScorer`.
        class_counts: Number of training images of each class. With it there are also, for a long-tailed training set,
            ``accuracy_head``, ``accuracy_middle`` and ``accuracy_tail`` and, for each set, ``FPR95_head`` and so on:
            the share of inliers of these classes that is flagged.
        num_groups: Number of groups that the classes are split into, see :func:`class_groups`.
        fpr_rule: How FPR95 is read, see :func:`judge_sets`.
        max_fpr: False positive rate of an operating point, see :func:`judge_sets`.
        prefix: Goes before the names of the figures in the log, with a slash.
        collect_device: Device that the results of several processes are collected on.

    Attributes:
        verdicts: After :meth:`evaluate`, in the main process: everything :func:`judge_sets` says.

    Raises:
        ValueError: No score, two of one name, a score of maps or an unknown one; an unknown rule; while running:
            logits that are not finite, labels that are not legal, numbers of classes that differ, and all that
            :func:`judge_sets` refuses.

    Example:
        >>> metric = OODMetric(scores=['msp'])
        >>> metric.dataset_meta = dict(classes=('cat', 'dog'), set_names=('svhn',))
        >>> rows = [([4.0, 0.0], 0, 0), ([0.0, 3.0], 1, 0), ([2.0, 0.0], 1, 0), ([0.0, 1.0], -1, 1)]
        >>> metric.process({}, [dict(logits=torch.tensor(logits), label=label, source=source)
        ...                     for logits, label, source in rows])
        >>> figures = metric.evaluate(size=4)
        >>> figures['accuracy'], figures['svhn/msp/AUROC'], figures['mean/msp/FPR95']
        (66.66..., 100.0, 0.0)
    """

    def __init__(self, scores: Sequence[str | dict] = ('energy', 'msp'), class_counts: Sequence[int] | None = None,
                 num_groups: int = 3, fpr_rule: str = 'first', max_fpr: float = 0.05,
                 prefix: str | None = None, collect_device: str = 'cpu') -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        scorers = [AnomalyScorer.build(score) for score in scores]
        self.scorers = {scorer.name: scorer for scorer in scorers}
        if not scorers or len(self.scorers) < len(scorers):
            raise ValueError(f'OODMetric: expected one or several different scores, found {list(scores)!r}')
        for scorer in scorers:
            if scorer.smoothing:
                raise ValueError(f'OODMetric: score {scorer.name!r}: smoothing is for maps, images have one score')
        if fpr_rule not in FPR_RULES:
            raise ValueError(f'OODMetric: unknown fpr_rule {fpr_rule!r}, expected one of {", ".join(FPR_RULES)}')
        self.fpr_rule = fpr_rule
        self.max_fpr = max_fpr
        self.num_classes = None if class_counts is None else len(class_counts)
        self.groups = {} if class_counts is None else class_groups(class_counts, num_groups)
        self.verdicts: dict[str, dict[str, SetVerdict]] = {}

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Score a batch.

        Args:
            data_batch: Not used.
            data_samples: Predictions of :class:`ImageClassifier`: ``logits`` (C,), ``label`` and ``source``; without
                a source it is the inlier test set.

        Raises:
            ValueError: See the class.
        """
        for key in ('logits', 'label'):
            if key not in data_samples[0]:
                raise ValueError(f'OODMetric needs {key!r} of each image, found {sorted(data_samples[0])}')
        logits = torch.stack([sample['logits'] for sample in data_samples])
        labels = [sample['label'] for sample in data_samples]
        self._check(logits, torch.tensor(labels))
        scores = [scorer(logits).tolist() for scorer in self.scorers.values()]
        sources = [sample.get('source', INLIER_SOURCE) for sample in data_samples]
        self.results.extend(zip(labels, sources, logits.argmax(1).tolist(), *scores, strict=True))

    def _check(self, logits: torch.Tensor, labels: torch.Tensor) -> None:
        check_finite(logits)
        check_labels(logits, labels, OOD_LABEL, ignore_index=OOD_LABEL)  # images are never void
        classes = (self.dataset_meta or {}).get('classes')
        for name, number in (('class_counts', self.num_classes), ('the data set', classes and len(classes))):
            if number is not None and number != logits.shape[1]:
                raise ValueError(f'OODMetric: {name} has {number} classes, the logits have {logits.shape[1]}')

    def compute_metrics(self, results: list[tuple[float, ...]]) -> dict[str, float]:
        """All figures, from one row an image.

        Raises:
            ValueError: There is no image, or see :func:`judge_sets`.
        """
        if not results:
            raise ValueError('OODMetric: no image was evaluated')
        labels, sources, predictions, *scores = (np.array(column) for column in zip(*results, strict=True))
        images = ScoredImages(labels, sources, predictions, {
            name: values.astype(np.float32) for name, values in zip(self.scorers, scores, strict=True)})
        set_names = tuple((self.dataset_meta or {}).get('set_names', ()))
        if MEAN in set_names:
            raise ValueError(f'OODMetric: no OOD set can be called {MEAN!r}, which is what the mean of all is called')
        figures = inlier_accuracy(images, self.groups)
        self.verdicts = judge_sets(images, set_names, self.groups, self.fpr_rule, self.max_fpr)
        tables = {set_name: {score: verdict.figures for score, verdict in of_set.items()}
                  for set_name, of_set in self.verdicts.items()}
        if tables:
            tables[MEAN] = mean_figures(self.verdicts)
        for set_name, rows in tables.items():
            for score, row in rows.items():
                figures.update({f'{set_name}/{score}/{name}': value for name, value in row.items()})
        return figures
