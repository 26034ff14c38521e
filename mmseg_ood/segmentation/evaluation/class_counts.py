"""Which classes a network predicts where its scores are right, and where they are wrong."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

_INLIER, _OUTLIER, _VOID = range(3)


class ClassCounts:
    """Inliers and anomalies by predicted class, score, and side of a threshold.

    Args:
        num_classes: Number of classes C that a network predicts.
        edges: ``(B + 1,)`` edges of bins of equal width; the outermost two bins also hold what lies beyond.
        threshold: The lowest score of a detection.

    Example:
        >>> import torch
        >>> counts = ClassCounts(num_classes=2, edges=[0.0, 0.5, 1.0], threshold=0.6)
        >>> scores = torch.tensor([0.1, 0.7, 0.9, 0.2])
        >>> counts.update(scores, np.array([0, 0, 1, 255]), np.array([1, 0, 0, 0], np.uint8))
        >>> summary = counts.summary()
        >>> summary['predicted'], summary['false_positives'], summary['detected'], summary['missed']
        ([1, 1], [1, 0], [1, 0], [0, 0])
        >>> summary['inlier']
        [[0, 1], [1, 0]]
    """

    def __init__(self, num_classes: int, edges: Sequence[float] | np.ndarray, threshold: float) -> None:
        self.edges, self.threshold = np.asarray(edges, dtype=np.float64), threshold
        # By class, kind of pixel, side of the threshold, bin.
        self.counts = np.zeros((num_classes, 3, 2, len(self.edges) - 1), dtype=np.int64)

    def update(self, scores: Tensor, labels: np.ndarray, prediction: np.ndarray) -> None:
        """Count a frame.

        Args:
            scores: ``(H, W)``, finite.
            labels: ``(H, W)`` 0 inlier, 1 anomaly, every other value void.
            prediction: ``(H, W)`` classes.
        """
        scores = scores.cpu()
        num_classes, kinds, sides, num_bins = self.counts.shape
        low, high = self.edges[[0, -1]].tolist()
        # Float64: what float32 rounds up at an edge would be in the next bin.
        bins = ((scores.double() - low) * (num_bins / (high - low))).clamp_(0, num_bins - 1).int().numpy()
        kind = np.where(labels <= _OUTLIER, labels, _VOID)
        index = ((prediction.astype(np.int32) * kinds + kind) * sides + (scores >= self.threshold).numpy())
        counts = np.bincount((index * num_bins + bins).ravel(), minlength=self.counts.size)
        self.counts += counts.reshape(self.counts.shape)

    def merge(self, other: ClassCounts) -> None:
        """Add the counts of another process."""
        self.counts += other.counts

    def summary(self) -> dict[str, Any]:
        """Numbers of pixels as lists.

        Returns:
            ``threshold``; by class ``predicted`` (inliers), ``false_positives`` (those among them that are
            detections), ``detected`` and ``missed`` (anomalies); ``edges``, and by class and bin ``inlier`` and
            ``outlier``.
        """
        inlier, outlier = self.counts[:, _INLIER], self.counts[:, _OUTLIER]
        numbers = {'predicted': inlier.sum((1, 2)), 'false_positives': inlier[:, 1].sum(1),
                   'missed': outlier[:, 0].sum(1), 'detected': outlier[:, 1].sum(1), 'edges': self.edges,
                   'inlier': inlier.sum(1), 'outlier': outlier.sum(1)}
        return {'threshold': self.threshold, **{name: values.tolist() for name, values in numbers.items()}}
