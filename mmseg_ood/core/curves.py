"""Streaming ROC and precision-recall: exact counts, constant memory, no pixel kept.

Example:
    >>> histogram = ScoreHistogram()
    >>> histogram.update(torch.tensor([0.1, 0.4, 0.35, 0.8]), torch.tensor([0, 0, 1, 1]))
    >>> summary = histogram.summary()
    >>> round(summary['AP'], 4), summary['AUROC']
    (0.8333, 0.75)
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

FPR_RULES = ('first', 'nearest', 'interpolate')


def _to_keys(scores: Tensor) -> Tensor:
    """float32 scores to int32 keys of the same order, one key for each distinct value."""
    bits = (scores + 0.0).view(torch.int32)  # + 0.0 makes -0.0 and 0.0 one value
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


def _to_scores(keys: Tensor) -> Tensor:
    """Inverse of :func:`_to_keys`."""
    return (keys ^ ((keys >> 31) & 0x7FFFFFFF)).view(torch.float32)


class _Counts(NamedTuple):
    """Ascending distinct keys ``(K,)`` int32 and how often each occurred ``(K,)`` int64."""
    keys: Tensor
    counts: Tensor

    @classmethod
    def of(cls, keys: Tensor) -> _Counts:
        return cls(*torch.unique_consecutive(keys.sort().values, return_counts=True))

    def coarsened(self, bits: int) -> _Counts:
        """Counts of the keys without their low ``bits``."""
        if bits == 0:
            return self
        keys, run_lengths = torch.unique_consecutive(self.keys >> bits, return_counts=True)
        return _Counts(keys, _run_sums(self.counts, run_lengths))

    def plus(self, other: _Counts) -> _Counts:
        """Union of two sets of counts by a linear merge: both key lists are sorted already."""
        if not len(self.keys):
            return other
        place = torch.searchsorted(self.keys, other.keys)
        known = self.keys[place.clamp_max(len(self.keys) - 1)] == other.keys
        counts = self.counts.index_add(0, place[known], other.counts[known])
        new_place = place[~known]
        # Every new key moves all later keys one place up.
        inserted = torch.bincount(new_place, minlength=len(self.keys) + 1)
        old_target = torch.arange(len(self.keys), device=place.device) + inserted.cumsum(0)[:-1]
        new_target = new_place + torch.arange(len(new_place), device=place.device)
        size = len(self.keys) + len(new_place)
        merged = _Counts(self.keys.new_empty(size), counts.new_empty(size))
        merged.keys[old_target], merged.counts[old_target] = self.keys, counts
        merged.keys[new_target], merged.counts[new_target] = other.keys[~known], other.counts[~known]
        return merged


def _run_sums(values: Tensor, run_lengths: Tensor) -> Tensor:
    ends = run_lengths.cumsum(0) - 1
    return torch.diff(values.cumsum(0)[ends], prepend=values.new_zeros(1))


class ScoreHistogram:
    """Counts of inliers and outliers at every distinct score, and the curves that follow from them.

    A float32 has 2^32 values. As long as at most ``max_bins`` of them occurred, each is counted on its own
    and every figure is exact. When more occur, all scores lose their lowest mantissa bit, as often as
    needed; figures then come with the largest error that this can have caused. The state depends on the
    scores alone, not on their order, and is the same however they were split and merged.

    Args:
        max_bins: Largest number of bins, 12 bytes each; 2^22 keep 50 MB.

    Example:
        >>> histogram = ScoreHistogram()
        >>> for frame in range(3):                                   # 255 is void and takes no part
        ...     histogram.update(torch.arange(4.0), torch.tensor([0, 0, 1, 255]))
        >>> summary = histogram.summary()
        >>> summary['num_inlier'], summary['num_outlier'], summary['FPR95'], summary['best_threshold']
        (6, 3, 0.0, 2.0)
    """

    def __init__(self, max_bins: int = 2**22) -> None:
        if max_bins < 2:
            raise ValueError(f'max_bins must be at least 2, found {max_bins}')
        self.max_bins = max_bins
        self.dropped_bits = 0
        empty = _Counts(torch.empty(0, dtype=torch.int32), torch.empty(0, dtype=torch.int64))
        self._inlier, self._outlier = empty, empty

    def update(self, scores: Tensor | np.ndarray, labels: Tensor | np.ndarray) -> None:
        """Count the scores of one or several frames.

        Args:
            scores: Anomaly scores of any shape, higher = more anomalous; float16 to float64, counted
                as float32.
            labels: The same shape: 0 inlier, 1 outlier, every other value void (the Fishyscapes rule).

        Raises:
            ValueError: Shapes differ, or scores of inliers or outliers are not finite.
        """
        scores, labels = torch.as_tensor(scores).detach(), torch.as_tensor(labels)
        if scores.shape != labels.shape:
            raise ValueError(f'scores have shape {tuple(scores.shape)}, labels {tuple(labels.shape)}')
        scores = scores.float()
        valid_scores = [scores[labels.to(scores.device) == label] for label in (0, 1)]
        bad = sum(int((~torch.isfinite(values)).sum()) for values in valid_scores)
        if bad:
            raise ValueError(f'{bad} of {sum(map(len, valid_scores))} scores are not finite')
        self._add(*(_Counts.of(_to_keys(values)) for values in valid_scores), dropped_bits=0)

    def merge(self, other: ScoreHistogram) -> None:
        """Add the counts of another histogram, for instance of another process.

        Raises:
            ValueError: The other histogram has a different ``max_bins``.
        """
        if other.max_bins != self.max_bins:
            raise ValueError(f'cannot merge histograms of max_bins {self.max_bins} and {other.max_bins}')
        self._add(other._inlier, other._outlier, other.dropped_bits)

    def __getstate__(self) -> dict:
        """Pickles hold the counts on the CPU: other processes have no room on this one's GPU."""
        state = dict(self.__dict__)
        for name in ('_inlier', '_outlier'):
            state[name] = _Counts(*(part.cpu() for part in state[name]))
        return state

    def _add(self, inlier: _Counts, outlier: _Counts, dropped_bits: int) -> None:
        bits = max(self.dropped_bits, dropped_bits)
        device = inlier.keys.device
        old = [_Counts(*(part.to(device) for part in counts)).coarsened(bits - self.dropped_bits)
               for counts in (self._inlier, self._outlier)]
        new = [counts.coarsened(bits - dropped_bits) for counts in (inlier, outlier)]
        self._inlier, self._outlier = (before.plus(added) for before, added in zip(old, new, strict=True))
        self.dropped_bits = bits
        while len(self._inlier.keys) + len(self._outlier.keys) > self.max_bins:
            self._inlier, self._outlier = self._inlier.coarsened(1), self._outlier.coarsened(1)
            self.dropped_bits += 1

    def _steps(self) -> tuple[Tensor, Tensor, Tensor]:
        """Occupied keys in descending order and the outliers and inliers in each, float64."""
        keys = torch.unique(torch.cat([self._inlier.keys, self._outlier.keys])).cpu()
        counts = []
        for part in (self._outlier, self._inlier):
            at_key = torch.zeros(len(keys), dtype=torch.float64)
            at_key[torch.searchsorted(keys, part.keys.cpu())] = part.counts.cpu().double()
            counts.append(at_key.flip(0))
        return keys.flip(0), counts[0], counts[1]

    def curve(self) -> dict[str, np.ndarray]:
        """Points of both curves, from the highest threshold to the lowest.

        Returns:
            ``threshold`` (K,) float32, and ``tpr`` (= recall), ``fpr``, ``precision`` (K,) float64 of the
            prediction ``score >= threshold``. A rate whose denominator is 0 is NaN.
        """
        keys, outliers, inliers = self._steps()
        tp, fp = outliers.cumsum(0), inliers.cumsum(0)
        # The lowest score of a bin: everything in the bin is at or above it.
        threshold = _to_scores(keys << self.dropped_bits)
        return {'threshold': threshold.numpy(), 'tpr': (tp / outliers.sum()).numpy(),
                'fpr': (fp / inliers.sum()).numpy(), 'precision': (tp / (tp + fp)).numpy()}

    def summary(self, tpr: float = 0.95, fpr_rule: str = 'first') -> dict[str, float]:
        """All figures, as fractions, with the error that dropped bits can have caused.

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
        keys, outliers, inliers = self._steps()
        num_outlier, num_inlier = int(outliers.sum()), int(inliers.sum())
        fpr_name = f'FPR{100 * tpr:g}'
        names = ('AP', 'AP_error', 'AUROC', 'AUROC_error', fpr_name, f'{fpr_name}_error', 'best_F1',
                 'best_threshold')
        figures = dict.fromkeys(names, float('nan'))
        figures.update(num_inlier=num_inlier, num_outlier=num_outlier)
        exact = self.dropped_bits == 0
        if num_outlier:
            figures['AP'], figures['AP_error'] = _average_precision(outliers, inliers, exact)
            figures['best_F1'], best = _best_f1(outliers, inliers)
            figures['best_threshold'] = _to_scores(keys[best:best + 1] << self.dropped_bits).item()
        if num_outlier and num_inlier:
            figures['AUROC'], figures['AUROC_error'] = _auroc(outliers, inliers, exact)
            figures[fpr_name], figures[f'{fpr_name}_error'] = _fpr_at_tpr(outliers, inliers, tpr, fpr_rule, exact)
        return figures


def _average_precision(outliers: Tensor, inliers: Tensor, exact: bool) -> tuple[float, float]:
    """``sum (R_n - R_{n-1}) P_n`` with a bin as one step, or the middle of what its inner order allows."""
    share, tp, fp = outliers / outliers.sum(), outliers.cumsum(0), inliers.cumsum(0)
    if exact:
        return (share * tp / (tp + fp)).sum().item(), 0.0
    # Best order of a bin: its outliers tied and first.
    occupied = outliers > 0
    share, tp, fp, count = share[occupied], tp[occupied], fp[occupied], outliers[occupied]
    best = (share * tp / (tp + fp - inliers[occupied])).sum()
    # Worst: inliers first, then one outlier at a time, sum_{i=1..count} (t + i) / (t + i + fp) with t = tp - count.
    worst_sums = count - fp * (torch.digamma(tp + fp + 1) - torch.digamma(tp - count + fp + 1))
    worst = (worst_sums / outliers.sum()).sum()
    return (0.5 * (best + worst)).item(), (0.5 * (best - worst)).item()


def _auroc(outliers: Tensor, inliers: Tensor, exact: bool) -> tuple[float, float]:
    pairs = outliers.sum() * inliers.sum()
    tied = (outliers * inliers).sum() / 2
    won = (outliers * (inliers.sum() - inliers.cumsum(0))).sum()
    return ((won + tied) / pairs).item(), 0.0 if exact else (tied / pairs).item()


def _best_f1(outliers: Tensor, inliers: Tensor) -> tuple[float, int]:
    tp, fp = outliers.cumsum(0), inliers.cumsum(0)
    f1 = 2 * tp / (tp + fp + outliers.sum())
    best = int(f1.argmax())
    return f1[best].item(), best


def _fpr_at_tpr(outliers: Tensor, inliers: Tensor, tpr: float, rule: str, exact: bool) -> tuple[float, float]:
    tprs, fprs = outliers.cumsum(0) / outliers.sum(), inliers.cumsum(0) / inliers.sum()
    first = int((tprs >= tpr).nonzero()[0])
    if rule == 'first':
        index = first
        value = fprs[index].item()
    elif rule == 'nearest':
        index = int((tprs - tpr).abs().argmin())
        value = fprs[index].item()
    else:
        index = first
        value = float(np.interp(tpr, np.concatenate([[0.0], tprs.numpy()]), np.concatenate([[0.0], fprs.numpy()])))
    # The true threshold lies in this bin or, by the two other rules, in a neighbour of it.
    low = fprs[max(index - 2, 0)].item() if index > 1 else 0.0
    high = fprs[min(index + 1, len(fprs) - 1)].item()
    return value, 0.0 if exact else max(value - low, high - value)
