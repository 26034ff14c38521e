"""Component-level metrics of SegmentMeIfYouCan: are objects found, and are findings objects?

Example:
    >>> labels = np.zeros((40, 100), dtype=np.uint8)                     # 0 inlier, 1 anomaly, 255 void
    >>> labels[10:30, 10:30] = 1
    >>> scores = np.zeros((40, 100), dtype=np.float32)
    >>> scores[10:30, 15:40] = 0.9                                       # finds 15 of 20 columns, adds 10
    >>> accumulator = ComponentAccumulator('obstacle')
    >>> accumulator.update(scores, labels, threshold=0.5)
    >>> summary = accumulator.summary()
    >>> summary['sIoU'], summary['PPV'], summary['F1_50']                # 300 / 600, 300 / 500
    (0.5, 0.6, 1.0)
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor


class ComponentLimits(NamedTuple):
    """Smallest components that count, in pixels: one of exactly the limit stays."""
    min_prediction: int
    min_ground_truth: int


COMPONENT_LIMITS = {'anomaly': ComponentLimits(500, 100), 'obstacle': ComponentLimits(50, 10)}
"""Size limits of the benchmark, by track."""

SIOU_THRESHOLDS = tuple(twentieths / 20 for twentieths in range(5, 16))
"""The taus 0.25, 0.30 ... 0.75 over which F1 is averaged."""


class Components(NamedTuple):
    """Figures of the components of one or several frames, in no particular order.

    Each is one division of two pixel counts, and so the float64 nearest to the exact fraction.

    Attributes:
        sious: ``(G,)`` float64, sIoU of every ground-truth component.
        ppvs: ``(P,)`` float64, positive predictive value of every predicted component.
    """
    sious: np.ndarray
    ppvs: np.ndarray


class Detection(NamedTuple):
    """An 8-connected component of a mask: its box in pixels, its pixels, and the highest score among them.

    Up to a threshold of that score, some of it is found.
    """
    x: int
    y: int
    width: int
    height: int
    area: int
    score: float


def _resolved_limits(limits: str | Sequence[int]) -> ComponentLimits:
    if isinstance(limits, str):
        if limits not in COMPONENT_LIMITS:
            raise ValueError(f'unknown track {limits!r}, expected one of {", ".join(COMPONENT_LIMITS)}')
        return COMPONENT_LIMITS[limits]
    limits = ComponentLimits(*limits)
    if min(limits) < 0:
        raise ValueError(f'component limits must not be negative, found {limits}')
    return limits


def _to_array(values: Tensor | np.ndarray) -> np.ndarray:
    return values.cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def _checked_mask(mask: Tensor | np.ndarray) -> np.ndarray:
    if mask.ndim != 2 or 0 in mask.shape:
        raise ValueError(f'prediction has shape {tuple(mask.shape)}, expected one frame (H, W)')
    if mask.dtype not in (torch.bool, np.bool_):
        raise ValueError(f'prediction has dtype {mask.dtype}, expected a boolean mask, or scores with a threshold')
    return _to_array(mask)


def _check_shapes(prediction: Tensor | np.ndarray, labels: Tensor | np.ndarray) -> None:
    if prediction.shape != labels.shape:
        raise ValueError(f'prediction has shape {tuple(prediction.shape)}, labels {tuple(labels.shape)}')


def _connected_components(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Component numbers ``(H, W)`` int32, -1 outside, and a row x, y, width, height, area ``(K, 5)`` for each."""
    import cv2
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    return numbers - 1, stats[1:]


class _Overlaps(NamedTuple):
    """Contingency table, one row for each pair of a ground-truth and a predicted component that overlap."""
    true: np.ndarray
    predicted: np.ndarray
    pixels: np.ndarray

    @classmethod
    def of(cls, true: np.ndarray, predicted: np.ndarray) -> _Overlaps:
        """Table of two maps of component numbers, -1 outside."""
        both = np.flatnonzero((true >= 0) & (predicted >= 0))
        # Listing the pairs that occur bounds the memory by the frame, however many components there are.
        num_predicted = int(predicted.max()) + 1
        pairs, pixels = np.unique(true.ravel()[both].astype(np.int64) * num_predicted + predicted.ravel()[both],
                                  return_counts=True)
        return cls(*np.divmod(pairs, max(num_predicted, 1)), pixels)

    def where(self, keep: np.ndarray) -> _Overlaps:
        return _Overlaps(*(column[keep] for column in self))


def _sums(values: np.ndarray, groups: np.ndarray, num_groups: int) -> np.ndarray:
    """Sum of whole ``values`` in each group, ``(num_groups,)`` float64: exact below 2^53."""
    return np.bincount(groups, values, minlength=num_groups)


def component_scores(prediction: Tensor | np.ndarray, labels: Tensor | np.ndarray,
                     limits: str | ComponentLimits = 'anomaly') -> Components:
    """sIoU of every ground-truth component and PPV of every predicted component of one frame.

    In this order, the benchmark's: void pixels leave the prediction; prediction and ground truth fall into
    8-connected components; predicted components smaller than their limit are dropped; the pixels of
    ground-truth components smaller than theirs become void. These take no part from there on: a predicted
    component loses the pixels it has there, and is gone, no false positive, if it has no others. With what
    is left, and ``K`` the union of the predicted components that overlap ``k``::

        sIoU(k) = |k n K| / (|K| + |k| - |k n K| - |K n other ground-truth components|)
        PPV(p)  = |p n ground truth| / |p|

    Args:
        prediction: Boolean mask ``(H, W)``, True where an anomaly is predicted.
        labels: ``(H, W)``: 0 inlier, 1 anomaly, every other value void.
        limits: Smallest components that count, or the name of a track of :data:`COMPONENT_LIMITS`.

    Returns:
        One figure in [0, 1] for each component that counts.

    Raises:
        ValueError: Shapes differ or are not ``(H, W)``, the mask is not boolean, unknown track, negative limits.

    Source:
        Chan et al., "SegmentMeIfYouCan: A Benchmark for Anomaly Segmentation", NeurIPS Datasets and Benchmarks
        2021, component-level metrics.

    Example:
        >>> labels = np.array([[1, 1, 1, 0, 0, 255, 255]])
        >>> prediction = np.array([[0, 1, 1, 1, 0, 1, 1]], dtype=bool)
        >>> component_scores(prediction, labels, ComponentLimits(1, 1))
        Components(sious=array([0.5]), ppvs=array([0.66666667]))
    """
    limits = _resolved_limits(limits)
    prediction = _checked_mask(prediction)
    _check_shapes(prediction, labels)
    anomalies, inliers = _to_array(labels == 1), _to_array(labels == 0)
    true, true_boxes = _connected_components(anomalies)
    predicted, predicted_boxes = _connected_components(prediction & (anomalies | inliers))
    true_sizes, predicted_sizes = true_boxes[:, -1], predicted_boxes[:, -1]
    true_counts = true_sizes >= limits.min_ground_truth
    predicted_counts = predicted_sizes >= limits.min_prediction

    overlaps = _Overlaps.of(true, predicted)
    on_small = overlaps.where(~true_counts[overlaps.true])
    predicted_sizes = predicted_sizes - _sums(on_small.pixels, on_small.predicted, len(predicted_sizes))
    predicted_counts &= predicted_sizes > 0
    overlaps = overlaps.where(true_counts[overlaps.true] & predicted_counts[overlaps.predicted])

    found = _sums(overlaps.pixels, overlaps.true, len(true_sizes))
    correct = _sums(overlaps.pixels, overlaps.predicted, len(predicted_sizes))
    # The denominator of sIoU is k itself and what K has outside all ground truth.
    outside = predicted_sizes - correct
    siou_areas = true_sizes + _sums(outside[overlaps.predicted], overlaps.true, len(true_sizes))
    return Components(found[true_counts] / siou_areas[true_counts],
                      correct[predicted_counts] / predicted_sizes[predicted_counts])


def detect_components(scores: np.ndarray, threshold: float, min_size: int = 1) -> tuple[np.ndarray, list[Detection]]:
    """What an anomaly map finds at a threshold, for drawing.

    Args:
        scores: ``(H, W)`` float32, higher = more anomalous.
        threshold: The lowest score of an anomaly; compared in float32, as it was counted.
        min_size: Pixels of the smallest component to return.

    Returns:
        The mask ``(H, W)`` bool, whole, and its components: the largest first, of equal ones the upper, then the
        left.

    Example:
        >>> scores = np.array([[2.5, 0, 0, 1, 1], [0, 1.5, 0, 0, 0]], dtype=np.float32)
        >>> mask, detections = detect_components(scores, threshold=1)
        >>> int(mask.sum()), detections[0]
        (4, Detection(x=0, y=0, width=2, height=2, area=2, score=2.5))
    """
    mask = scores >= np.float32(threshold)
    numbers, boxes = _connected_components(mask)
    highest = np.full(len(boxes), -np.inf, dtype=np.float32)
    np.maximum.at(highest, numbers[mask], scores[mask])
    found = [Detection(*box, score) for box, score in zip(boxes.tolist(), highest.tolist(), strict=True)
             if box[-1] >= min_size]
    return mask, sorted(found, key=lambda found: (-found.area, found.y, found.x))


def _predict(scores: Tensor | np.ndarray, labels: Tensor | np.ndarray, threshold: float) -> np.ndarray:
    """Mask of ``score > threshold``, on the CPU; only masks leave the device of the scores."""
    _check_shapes(scores, labels)
    if scores.dtype in (torch.bool, np.bool_):
        raise ValueError(f'a boolean mask takes no threshold, found threshold {threshold}')
    if math.isnan(threshold):
        raise ValueError('threshold is NaN, expected a number')
    # Scores and threshold both as float32, whatever they were: ScoreHistogram counts them as such.
    threshold = float(np.float32(threshold))
    scores = scores.detach().float() if isinstance(scores, Tensor) else np.asarray(scores, np.float32)
    finite = _to_array(torch.isfinite(scores) if isinstance(scores, Tensor) else np.isfinite(scores))
    valid = _to_array((labels == 0) | (labels == 1))
    bad = np.count_nonzero(valid & ~finite)
    if bad:
        raise ValueError(f'{bad} of {np.count_nonzero(valid)} scores are not finite')
    return _to_array(scores > threshold)


def _mean(values: np.ndarray) -> float:
    """Mean that does not depend on the order of the values: ``fsum`` rounds once."""
    return math.fsum(values) / len(values) if len(values) else math.nan


def _f1(components: Components, threshold: float) -> float:
    # Exact although in floats: pixel counts are far too small for a quotient to round onto a tau beside it.
    tp = int((components.sious >= threshold).sum())
    fn = len(components.sious) - tp
    fp = int((components.ppvs < threshold).sum())
    return 2 * tp / (2 * tp + fn + fp) if tp + fn + fp else math.nan


class ComponentAccumulator:
    """Components of any number of frames, and the figures that follow from them.

    Keeps one float64 for each component and no pixel. A threshold that is itself measured on the data set
    takes two passes: :class:`~mmseg_ood.core.ScoreHistogram` first, then this. State and figures are the same,
    bit for bit, in whatever order frames arrived and however they were split and merged.

    Args:
        track: A name of :data:`COMPONENT_LIMITS`, or limits.
        thresholds: The taus of F1, in (0, 1], taken to 6 decimals; an sIoU that equals tau is found.

    Attributes:
        limits: Smallest components that count.
        thresholds: The taus.
        num_frames: Number of frames so far.

    Raises:
        ValueError: Unknown track, negative limits, no tau or one outside (0, 1].

    Example:
        >>> accumulator = ComponentAccumulator(ComponentLimits(min_prediction=2, min_ground_truth=1))
        >>> accumulator.update(torch.tensor([[True, True, False, False]]), torch.tensor([[0, 1, 1, 255]]))
        >>> summary = accumulator.summary()
        >>> round(summary['sIoU'], 3), summary['PPV'], summary['F1_30'], summary['F1_50']
        (0.333, 0.5, 1.0, 0.0)
    """

    def __init__(self, track: str | ComponentLimits = 'anomaly',
                 thresholds: Sequence[float] = SIOU_THRESHOLDS) -> None:
        self.limits = _resolved_limits(track)
        # What np.arange makes of 0.30 must not be beside what 3 / 10 pixels give.
        self.thresholds = tuple(round(float(threshold), 6) for threshold in thresholds)
        if not self.thresholds or not all(0 < threshold <= 1 for threshold in self.thresholds):
            raise ValueError(f'thresholds must be in (0, 1], found {list(self.thresholds)}')
        self.num_frames = 0
        self._parts: list[Components] = []

    def update(self, scores_or_mask: Tensor | np.ndarray, labels: Tensor | np.ndarray,
               threshold: float | None = None) -> None:
        """Add the components of one frame, see :func:`component_scores`.

        Args:
            scores_or_mask: ``(H, W)``, a boolean mask, or scores, higher = more anomalous.
            labels: ``(H, W)``: 0 inlier, 1 anomaly, every other value void.
            threshold: For scores: the prediction is ``score > threshold``, compared in float32. What a
                :class:`~mmseg_ood.core.ScoreHistogram` predicts, ``score >= best``, ties included, is had
                with the float32 below: ``np.nextafter(np.float32(best), np.float32('-inf'))``.

        Raises:
            ValueError: Shapes differ or are not ``(H, W)``; scores without a threshold, or a mask with one;
                scores of inliers or anomalies are not finite.
        """
        mask = scores_or_mask if threshold is None else _predict(scores_or_mask, labels, threshold)
        self._parts.append(component_scores(mask, labels, self.limits))
        self.num_frames += 1

    def merge(self, other: ComponentAccumulator) -> None:
        """Add the components of another accumulator, for instance of another process.

        Raises:
            ValueError: The other one has different limits or thresholds.
        """
        self._check_settings(other.limits, other.thresholds)
        self._parts = self._parts + other._parts
        self.num_frames += other.num_frames

    def _check_settings(self, limits: Sequence[int], thresholds: Sequence[float]) -> None:
        for name, own, found in (('limits', self.limits, limits), ('thresholds', self.thresholds, thresholds)):
            if tuple(found) != tuple(own):
                raise ValueError(f'cannot add components with {name} {list(found)}, expected {list(own)}')

    def _components(self) -> Components:
        """All components so far, ascending."""
        if not self._parts:
            return Components(np.empty(0), np.empty(0))
        return Components(*(np.sort(np.concatenate(values)) for values in zip(*self._parts, strict=True)))

    def state_dict(self) -> dict[str, Any]:
        """Everything counted so far as lists and numbers: fit for JSON and for ``torch.load(weights_only=True)``."""
        components = self._components()
        return {'limits': list(self.limits), 'thresholds': list(self.thresholds), 'num_frames': self.num_frames,
                'sious': components.sious.tolist(), 'ppvs': components.ppvs.tolist()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a :meth:`state_dict`; what was counted here before is forgotten.

        Raises:
            ValueError: A key is missing, or limits or thresholds differ.
        """
        missing = sorted({'limits', 'thresholds', 'num_frames', 'sious', 'ppvs'} - set(state))
        if missing:
            raise ValueError(f'state of a ComponentAccumulator lacks {missing}, found {sorted(state)}')
        self._check_settings(state['limits'], state['thresholds'])
        self._parts = [Components(np.array(state['sious'], np.float64), np.array(state['ppvs'], np.float64))]
        self.num_frames = int(state['num_frames'])

    def summary(self) -> dict[str, float]:
        """All figures, as fractions.

        Returns:
            ``sIoU``: mean over all ground-truth components of all frames. ``PPV``: mean over all predicted ones.
            ``F1_25`` ... ``F1_75``: ``2 TP / (2 TP + FN + FP)`` at each tau (named after it, in percent), with
            TP the sIoUs of at least tau, FN those below, FP the PPVs below, over all frames. ``F1``: their mean,
            F1*. ``num_ground_truth``, ``num_prediction``: components that count; ``num_frames``.
            NaN where there is no component to average: sIoU without ground truth, PPV without prediction, F1
            without either. With only one of the two, F1 is 0.
        """
        components = self._components()
        f1s = [_f1(components, threshold) for threshold in self.thresholds]
        return {
            'sIoU': _mean(components.sious), 'PPV': _mean(components.ppvs), 'F1': _mean(np.array(f1s)),
            **{f'F1_{100 * threshold:g}': f1 for threshold, f1 in zip(self.thresholds, f1s, strict=True)},
            'num_ground_truth': len(components.sious), 'num_prediction': len(components.ppvs),
            'num_frames': self.num_frames,
        }
