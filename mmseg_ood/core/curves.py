"""Streaming ROC and precision-recall: counts instead of pixels, so memory does not grow with the data.

Example:
    >>> histogram = ScoreHistogram()
    >>> histogram.update(torch.tensor([0.1, 0.4, 0.35, 0.8]), torch.tensor([0, 0, 1, 1]))
    >>> summary = histogram.summary()
    >>> round(summary['AP'], 4), summary['AUROC']
    (0.8333, 0.75)
"""
from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .curve_figures import Areas, BestF1, Crossing, LastAllowed, Steps, spread
from .score_counts import Cells, ScoreCounts, to_scores

FPR_RULES = ('first', 'nearest', 'interpolate')


def fpr_column(figure: str, fpr_rule: str) -> str:
    """Name of a figure's column: figures by different rules never share one.

    Example:
        >>> fpr_column('FPR95', 'first'), fpr_column('FPR95', 'nearest'), fpr_column('AP', 'nearest')
        ('FPR95', 'FPR95_nearest', 'AP')
    """
    return f'{figure}_{fpr_rule}' if 'FPR' in figure and fpr_rule != 'first' else figure


class OperatingPoint(NamedTuple):
    """What the prediction ``score >= threshold`` achieves; rates are fractions."""
    threshold: float
    tpr: float
    fpr: float
    precision: float
    f1: float


class ScoreHistogram:
    """Counts of inliers and outliers by score, and the curves and figures that follow from them.

    The scores of up to ``max_exact`` pixels are kept, and every figure is exact. Those of more are counted in
    a table of ``max_bins`` bins, which are made as narrow as the table allows: while each of them holds one
    value (always so for float16 scores or 8-bit and 16-bit maps), all figures stay exact, and otherwise they
    come with the largest error that the width of the bins can have caused. The state depends on the set of
    scores alone: not on their order, nor on how they were split over processes and merged.

    Args:
        max_bins: Size of the table, 8 bytes a bin (16 beyond 2^31 pixels): 17 MB.
        max_exact: Number of pixels up to which scores are kept, 5 bytes each: 10 MB.

    Raises:
        ValueError: ``max_bins`` is below 2^20.

    Example:
        >>> histogram = ScoreHistogram()
        >>> for frame in range(3):                                   # 255 is void and takes no part
        ...     histogram.update(torch.arange(4.0), torch.tensor([0, 0, 1, 255]))
        >>> summary = histogram.summary()
        >>> summary['num_inlier'], summary['num_outlier'], summary['FPR95'], summary['best_threshold']
        (6, 3, 0.0, 2.0)
    """

    def __init__(self, max_bins: int = 2**21, max_exact: int = 2**21) -> None:
        self.max_bins, self.max_exact = max_bins, max_exact
        self._counts = ScoreCounts(max_bins, max_exact)

    def update(self, scores: Tensor | np.ndarray, labels: Tensor | np.ndarray) -> None:
        """Count the scores of one or several frames, on the device where the scores are.

        Args:
            scores: Anomaly scores of any shape, higher = more anomalous; float16 to float64, counted
                as float32.
            labels: The same shape: 0 inlier, 1 outlier, every other value void (the Fishyscapes rule).

        Raises:
            ValueError: Shapes differ, or scores of inliers or outliers are not finite; nothing was counted.
        """
        scores, labels = torch.as_tensor(scores).detach(), torch.as_tensor(labels)
        if scores.shape != labels.shape:
            raise ValueError(f'scores have shape {tuple(scores.shape)}, labels {tuple(labels.shape)}')
        scores = scores.float().reshape(-1)
        labels = _as_bytes(labels.to(scores.device).reshape(-1))
        if len(scores) and not math.isfinite(sum(map(float, torch.aminmax(scores)))):
            _check_finite(scores, labels)
        self._counts.add(scores, labels)

    def merge(self, other: ScoreHistogram) -> None:
        """Add the counts of another histogram, for instance of another process.

        Raises:
            ValueError: The other histogram has other sizes.
        """
        for name in ('max_bins', 'max_exact'):
            if getattr(self, name) != getattr(other, name):
                raise ValueError(f'cannot merge histograms of {name} {getattr(self, name)} and {getattr(other, name)}')
        self._counts.merge(other._counts)

    def state_dict(self) -> dict[str, Any]:
        """Tensors on the CPU and numbers: all that :meth:`load_state_dict` needs; equal for equal scores."""
        return self._counts.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Become the histogram whose :meth:`state_dict` this is."""
        self._counts = ScoreCounts.from_state_dict(state)
        self.max_bins, self.max_exact = self._counts.max_cells, self._counts.max_kept

    def __getstate__(self) -> dict[str, Any]:
        return self.state_dict()  # other processes have no room on this one's GPU

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.load_state_dict(state)

    def summary(self, tpr: float = 0.95, fpr_rule: str = 'first') -> dict[str, float]:
        """All figures, as fractions, with the error that the width of the bins can have caused.

        Args:
            tpr: True positive rate at which the false positive rate is read.
            fpr_rule: ``first`` threshold with ``TPR >= tpr`` (Fishyscapes), ``nearest`` TPR (PEBAL), or
                ``interpolate`` linearly between thresholds. Figures of different rules do not compare.

        Returns:
            ``AP``, ``AUROC``, ``FPR95`` (named after ``tpr``), ``best_F1``, ``best_threshold`` (predict
            ``score >= best_threshold``), ``num_inlier``, ``num_outlier``, and ``AP_error``,
            ``AUROC_error``, ``FPR95_error``: the true value lies within +- error, 0 while all bins hold
            one value. NaN where a figure is undefined because outliers or inliers are missing.

        Raises:
            ValueError: Unknown rule, or ``tpr`` outside (0, 1].
        """
        if fpr_rule not in FPR_RULES:
            raise ValueError(f'unknown fpr_rule {fpr_rule!r}, expected one of {", ".join(FPR_RULES)}')
        if not 0 < tpr <= 1:
            raise ValueError(f'tpr must be in (0, 1], found {tpr}')
        num_inlier, num_outlier = self._counts.totals()
        fpr_name = f'FPR{100 * tpr:g}'
        figures = dict.fromkeys(('AP', 'AP_error', 'AUROC', 'AUROC_error', fpr_name, f'{fpr_name}_error',
                                 'best_F1', 'best_threshold'), math.nan)
        figures.update(num_inlier=num_inlier, num_outlier=num_outlier)
        if not num_outlier:
            return figures
        areas, f1, crossing = Areas(), BestF1(num_outlier), Crossing(tpr, num_outlier)
        for steps in self._steps():
            for part in (areas, f1, crossing):
                part.add(steps)
        figures['AP'], figures['AP_error'] = areas.average_precision(num_outlier)
        figures['best_F1'], figures['best_threshold'] = f1.value, f1.step.score
        if num_inlier:
            figures['AUROC'], figures['AUROC_error'] = areas.auroc(num_outlier, num_inlier)
            figures[fpr_name], figures[f'{fpr_name}_error'] = crossing.fpr(fpr_rule, num_inlier)
        return figures

    def operating_points(self, tpr: float = 0.95, max_fpr: float = 0.05) -> dict[str, OperatingPoint]:
        """Thresholds to choose from; each predicts ``score >= threshold``.

        Args:
            tpr: The highest threshold with at least this true positive rate.
            max_fpr: The threshold with the highest true positive rate at no more than this false positive rate.

        Returns:
            ``best_F1``, ``TPR95`` and ``FPR5`` (named after the arguments). A point that no threshold reaches,
            for want of outliers, inliers or scores that are high enough, is missing.

        Example:
            >>> histogram = ScoreHistogram()
            >>> histogram.update(torch.arange(10.0), torch.tensor([0, 0, 0, 0, 0, 0, 0, 1, 0, 1]))
            >>> points = histogram.operating_points(max_fpr=0.1)
            >>> points['TPR95'].threshold, points['TPR95'].fpr, points['FPR10'].threshold
            (7.0, 0.125, 9.0)
        """
        num_inlier, num_outlier = self._counts.totals()
        if not (num_inlier and num_outlier):
            return {}
        f1, crossing, allowed = BestF1(num_outlier), Crossing(tpr, num_outlier), LastAllowed(max_fpr * num_inlier)
        for steps in self._steps():
            for part in (f1, crossing, allowed):
                part.add(steps)
        found = {'best_F1': f1.step, f'TPR{100 * tpr:g}': crossing.step, f'FPR{100 * max_fpr:g}': allowed.step}
        return {name: OperatingPoint(step.score, step.tp / num_outlier, step.fp / num_inlier,
                                     step.tp / (step.tp + step.fp), 2 * step.tp / (step.tp + step.fp + num_outlier))
                for name, step in found.items() if step is not None}

    def curve(self, max_points: int | None = None) -> dict[str, np.ndarray]:
        """Points of both curves, from the highest threshold to the lowest.

        Args:
            max_points: Keep about that many, close together where a curve is steep and, in the false positive
                rate, on a logarithmic axis, too. By default all.

        Returns:
            ``threshold`` (K,) float32, and ``tpr`` (= recall), ``fpr``, ``precision`` (K,) float64 of the
            prediction ``score >= threshold``. A rate whose denominator is 0 is NaN.
        """
        num_inlier, num_outlier = self._counts.totals()
        parts = []
        for steps in self._steps(outliers_only=False):
            kept = torch.arange(len(steps.keys)) if max_points is None else spread(
                steps.tp / max(num_outlier, 1), steps.fp / max(num_inlier, 1), max_points // 3)
            parts.append([to_scores(steps.keys[kept]), steps.tp[kept], steps.fp[kept]])
        threshold, tp, fp = (torch.cat(column).numpy() for column in zip(*parts, strict=True)) if parts else (
            np.empty(0, np.float32), np.empty(0), np.empty(0))
        with np.errstate(invalid='ignore'):
            return {'threshold': threshold, 'tpr': tp / np.float64(num_outlier), 'fpr': fp / np.float64(num_inlier),
                    'precision': tp / (tp + fp)}

    def density(self, num_bins: int = 200, coverage: float = 0.999) -> dict[str, np.ndarray]:
        """How the scores of both kinds are distributed, for a plot.

        Args:
            num_bins: Number of bins of equal width.
            coverage: The bins span this share of the inliers and of the outliers; the outermost two also hold
                what lies beyond.

        Returns:
            ``edges`` (B + 1,), and ``inlier`` and ``outlier`` (B,) counts.
        """
        low, high = self._span(coverage)
        edges = np.linspace(low, high, num_bins + 1)
        counts = {'inlier': np.zeros(num_bins), 'outlier': np.zeros(num_bins)}
        for cells in self._counts.cells():
            scores = to_scores(cells.keys.cpu()).flip(0).double().numpy().clip(low, high)
            # The cells are sorted: it is quicker to look up the edges among them than them among the edges.
            ends = np.append(np.searchsorted(scores, edges[:-1]), len(scores))
            for name, numbers in (('inlier', cells.inliers), ('outlier', cells.outliers)):
                up_to = np.append(0, numbers.cpu().flip(0).numpy().cumsum(dtype=np.int64))
                counts[name] += np.diff(up_to[ends])
        return {'edges': edges, **counts}

    def _span(self, coverage: float) -> tuple[float, float]:
        """Lowest and highest of the central quantiles of inliers and outliers, a little apart if they are equal."""
        num_inlier, num_outlier = self._counts.totals()
        ends: list[float] = []
        for steps in self._steps(outliers_only=False):
            for cumulative, total in ((steps.tp, num_outlier), (steps.fp, num_inlier)):
                limits = torch.tensor([(1 - coverage) / 2, (1 + coverage) / 2], dtype=torch.float64) * total
                before = cumulative - (steps.outliers if cumulative is steps.tp else steps.inliers)
                inside = (cumulative >= limits[0]) & (before <= limits[1]) & (cumulative > before)
                ends.extend(to_scores(steps.keys[inside])[[0, -1]].tolist() if inside.any() else [])
        low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
        return (low, high) if high > low else (low - 0.5, high + 0.5)

    def _steps(self, outliers_only: bool = True) -> Iterator[Steps]:
        tp = fp = 0.0
        for cells in self._counts.cells():
            steps = Steps.of(Cells(*(part.cpu() for part in cells)), tp, fp, outliers_only)
            tp, fp = tp + cells.outliers.sum().item(), fp + cells.inliers.sum().item()
            if len(steps.keys):
                yield steps


def _as_bytes(labels: Tensor) -> Tensor:
    """0 inlier, 1 outlier, 255 void, whatever else the void labels are."""
    if labels.dtype in (torch.uint8, torch.bool):
        return labels.to(torch.uint8)
    return torch.where((labels == 0) | (labels == 1), labels, 255).to(torch.uint8)


def _check_finite(scores: Tensor, labels: Tensor) -> None:
    valid = scores[labels <= 1]
    bad = int((~torch.isfinite(valid)).sum())
    if bad:
        raise ValueError(f'{bad} of {len(valid)} scores are not finite')
