"""Figures of ROC and precision-recall curves from counts that arrive in stretches, high scores first.

A cell of several values does not tell in which order its inliers and outliers lie. Each figure is computed for the
likely order and for the extreme ones: the likely one is an even mixture where the neighbouring cells are filled
alike, and a tie where a cell stands out.
"""
from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .score_counts import Cells, to_scores

_NEIGHBOURS = 8  # cells on each side that a cell is compared with
_OUTSTANDING = 16  # times as full as they are on average: a tie


class Step(NamedTuple):
    """One threshold: the lowest score of a cell, and the counts of the prediction ``score >= threshold``."""
    score: float
    tp: float
    fp: float
    outliers: float
    inliers: float
    exact: bool
    smooth: bool


class Steps(NamedTuple):
    """Cells as thresholds, from high to low; all (K,), counts float64."""
    keys: Tensor
    tp: Tensor
    fp: Tensor
    outliers: Tensor
    inliers: Tensor
    exact: Tensor
    """Whether the cell holds one value."""
    smooth: Tensor
    """Whether inliers and outliers are taken to be mixed evenly within the cell; otherwise they are tied."""

    @classmethod
    def of(cls, cells: Cells, tp: float, fp: float, outliers_only: bool) -> Steps:
        """Thresholds at the occupied cells, or at those that hold outliers, below ``tp`` and ``fp`` counts."""
        occupied = cells.outliers if outliers_only else cells.outliers + cells.inliers
        index = occupied.nonzero().squeeze(1)
        true, false = (counts.cumsum(0, dtype=counts.dtype) for counts in (cells.outliers, cells.inliers))
        exact = cells.exact.index_select(0, index)
        smooth = torch.zeros_like(exact) if bool(exact.all()) else ~exact & _is_smooth(true + false, index)
        tp, fp, outliers, inliers = (
            counts.index_select(0, index).double().add_(before)
            for counts, before in ((true, tp), (false, fp), (cells.outliers, 0), (cells.inliers, 0)))
        return cls(cells.keys.index_select(0, index), tp, fp, outliers, inliers, exact, smooth)

    def at(self, index: int) -> Step:
        """One of the thresholds."""
        keys, *rest = self
        return Step(to_scores(keys[index:index + 1]).item(), *(part[index].item() for part in rest))


def _is_smooth(cumulative: Tensor, index: Tensor) -> Tensor:
    """Whether cells are filled about as their neighbours are."""
    first, last = (index - _NEIGHBOURS - 1).clamp_(min=-1), (index + _NEIGHBOURS).clamp_(max=len(cumulative) - 1)
    # What lies before the stretch does not count as a neighbour, nor does its first cell.
    up_to, before, up_to_last, up_to_first = (
        cumulative.index_select(0, place.clamp(min=0)) for place in (index, index - 1, last, first))
    own = up_to - before
    return own * (last - first - 1) <= _OUTSTANDING * (up_to_last - up_to_first - own).long()


class Areas:
    """Areas under both curves."""

    def __init__(self) -> None:
        self._precision = [0.0, 0.0, 0.0]  # sums over outliers: likely, highest, lowest
        self._won = self._tied = self._uncertain = 0.0

    def add(self, steps: Steps) -> None:
        _, tp, fp, outliers, inliers, exact, smooth = steps
        tied = outliers * tp / (tp + fp)
        # Even mixture: as if all were at the middle of the cell.
        middle = tp - (outliers - 1) / 2
        mixed = outliers * middle / (middle + fp - inliers / 2)
        highest = outliers * tp / (tp + fp - inliers)
        # Inliers first, then one outlier after the other. Their precisions rise ever more slowly, so their sum is
        # at least that of the straight line from the first to the last.
        first = tp - outliers + 1
        lowest = outliers / 2 * (first / (first + fp) + tp / (tp + fp))
        for index, values in enumerate((torch.where(smooth, mixed, tied), torch.where(exact, tied, highest),
                                        torch.where(exact, tied, lowest))):
            self._precision[index] += values.sum().item()
        # Pairs: an outlier has won against all inliers but those down to its own cell.
        self._won -= (outliers * fp).sum().item()
        self._tied += (outliers * inliers).sum().item() / 2
        self._uncertain += (outliers * inliers * ~exact).sum().item() / 2

    def average_precision(self, num_outlier: int) -> tuple[float, float]:
        """``sum (R_n - R_{n-1}) P_n`` and its largest error."""
        likely, highest, lowest = (value / num_outlier for value in self._precision)
        return likely, max(highest - likely, likely - lowest, 0.0)

    def auroc(self, num_outlier: int, num_inlier: int) -> tuple[float, float]:
        """Share of pairs in which the outlier scores higher, ties half, and its largest error."""
        pairs = num_outlier * num_inlier
        return (pairs + self._won + self._tied) / pairs, self._uncertain / pairs


class BestF1:
    """The threshold with the highest F1."""

    def __init__(self, num_outlier: int) -> None:
        self._num_outlier, self.value, self.step = num_outlier, -math.inf, None

    def add(self, steps: Steps) -> None:
        f1 = 2 * steps.tp / (steps.tp + steps.fp + self._num_outlier)
        best = int(f1.argmax())
        if f1[best].item() > self.value:
            self.value, self.step = f1[best].item(), steps.at(best)


class Crossing:
    """Where the true positive rate reaches a value."""

    def __init__(self, tpr: float, num_outlier: int) -> None:
        self._tpr, self._num_outlier = tpr, num_outlier
        self.step: Step | None = None
        self._before: Step | None = None
        self._after: Step | None = None

    def add(self, steps: Steps) -> None:
        if self._after is not None:
            return
        if self.step is not None:
            self._after = steps.at(0)
            return
        reached = (steps.tp / self._num_outlier >= self._tpr).nonzero()
        first = int(reached[0]) if len(reached) else len(steps.keys)
        if first:
            self._before = steps.at(first - 1)
        if len(reached):
            self.step = steps.at(first)
            self._after = steps.at(first + 1) if first + 1 < len(steps.keys) else None

    def fpr(self, rule: str, num_inlier: int) -> tuple[float, float]:
        """False positive rate there by one of the rules, and its largest error."""
        step, before = self.step, self._before
        lowest, highest = step.fp - step.inliers, step.fp
        # How many of the cell's outliers are needed, as a share.
        needed = (self._tpr * self._num_outlier - (step.tp - step.outliers)) / step.outliers
        inside = lowest + min(max(needed, 0.0), 1.0) * step.inliers
        value = inside if rule == 'interpolate' or step.smooth else step.fp
        certain = step.exact
        if rule == 'interpolate' and step.tp / self._num_outlier == self._tpr:
            # A whole stretch of the curve has this rate; numpy.interp reads its end.
            after = self._after
            value = highest = num_inlier if after is None else after.fp - after.inliers
            if after is not None and not after.exact:
                certain, highest = False, after.fp
        if rule == 'nearest' and before is not None:
            certain = certain and before.exact
            lowest = before.fp - before.inliers
            distances = [abs(candidate.tp / self._num_outlier - self._tpr) for candidate in (before, step)]
            if not step.smooth and distances[0] <= distances[1]:
                value = before.fp
        error = 0.0 if certain else max(value - lowest, highest - value)
        return value / num_inlier, error / num_inlier


class LastAllowed:
    """The highest true positive rate that costs no more than a number of false positives."""

    def __init__(self, max_fp: float) -> None:
        self._max_fp = max_fp
        self.step: Step | None = None

    def add(self, steps: Steps) -> None:
        allowed = int((steps.fp <= self._max_fp).sum())  # false positives only grow
        if allowed:
            self.step = steps.at(allowed - 1)


def spread(tpr: Tensor, fpr: Tensor, per_axis: int) -> Tensor:
    """Indices of the points where TPR, FPR or its logarithm passes from one of ``per_axis`` intervals to another."""
    log_fpr = fpr.clamp(min=1e-6).log10() / 6 + 1
    places = torch.stack([tpr, fpr, log_fpr]).mul(per_axis).floor()
    new = (places[:, 1:] != places[:, :-1]).any(0)
    ends = torch.ones(len(tpr), dtype=torch.bool)
    ends[1:-1] = (new[1:] | new[:-1])  # both sides of an interval's border, so that steps stay steps
    return ends.nonzero().squeeze(1)
