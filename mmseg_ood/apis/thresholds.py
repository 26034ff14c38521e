"""Thresholds of anomaly scores: a number, an operating point of an evaluation, or a quantile of inliers."""
from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmseg_ood.core import ScoreHistogram

from .runtime import checkpoint_sha256


class Threshold(NamedTuple):
    """What is anomalous: ``score >= value``, compared in float32."""
    value: float
    description: str
    """Where it comes from."""


class _Row(NamedTuple):
    """What an evaluation found for one score on one benchmark."""
    benchmark: str
    root: str
    score: str
    points: dict[str, dict[str, float]]
    """Operating points by name: ``threshold``, and rates in percent."""

    @property
    def argument(self) -> str:
        return f'{self.benchmark}={self.root}'


def read_threshold(threshold: float | str | Path, score: str, benchmark: str | None = None, point: str = 'best_F1', *,
                   checkpoint: str | Path, source: str | None = None) -> Threshold:
    """A threshold from a number or a ``results.json`` of an evaluation.

    Scores of different networks are not on one scale, and a mask at a threshold of another network looks no less
    plausible than one at its own: a file that is not of the same checkpoint is refused. The number itself is always
    accepted.

    Args:
        threshold: A number, also as text, or the file.
        score: Name of the score.
        benchmark: On which benchmark of the file it was measured, ``NAME`` or ``NAME=ROOT``. By default that of
            ``source``; the only one where the file does not hold that.
        point: Which operating point of the file: ``best_F1``, ``TPR95``, ``FPR5``, ...
        checkpoint: Weights of the network whose scores are compared with the threshold.
        source: What the threshold is for: ``NAME[=ROOT]`` of a benchmark, or anything else.

    Raises:
        FileNotFoundError: No such file.
        ValueError: A number that is not finite, or with a benchmark or operating point; another kind of file; one
            of another checkpoint; no or several benchmarks to choose from; an unknown operating point.

    Example:
        >>> read_threshold('-6.3', 'energy', checkpoint='iter_300.pth')
        Threshold(value=-6.3, description='given as a number')
    """
    try:
        value = float(threshold)
    except (TypeError, ValueError):
        return _read_operating_point(Path(threshold), score, benchmark, point, checkpoint, source)
    if not math.isfinite(value):
        raise ValueError(f'threshold must be finite, found {threshold}')
    if benchmark is not None or point != 'best_F1':
        raise ValueError(f'threshold {threshold} is a number; a benchmark and an operating point choose among those of '
                         f'a results.json')
    return Threshold(value, 'given as a number')


def inlier_quantile(histogram: ScoreHistogram, quantile: float) -> float:
    """The lowest threshold below which at least a share of the inliers stays.

    Args:
        histogram: Scores of inliers.
        quantile: The share, in (0, 1).

    Returns:
        A float32: one of the scores, or the next number above the highest of them.

    Raises:
        ValueError: There is no inlier.

    Example:
        >>> histogram = ScoreHistogram()
        >>> histogram.update(np.arange(100, dtype=np.float32), np.zeros(100, np.uint8))
        >>> inlier_quantile(histogram, 0.95), inlier_quantile(histogram, 0.999)    # 5 reach the one, none the other
        (95.0, 99.00000762939453)
    """
    curve = histogram.curve()
    scores, reached = curve['threshold'], curve['fpr']
    if not len(reached) or not np.isfinite(reached[-1]):
        raise ValueError('no inlier pixel to take a quantile of')
    # Shares of pixels lie further apart than 1e-12, rounding errors do not.
    allowed = int(np.searchsorted(reached, 1 - quantile + 1e-12, side='right'))
    return float(scores[allowed - 1] if allowed else np.nextafter(scores[0], np.float32('inf')))


def _read_operating_point(path: Path, score: str, benchmark: str | None, point: str, checkpoint: str | Path,
                          source: str | None) -> Threshold:
    if not path.is_file():
        raise FileNotFoundError(f'threshold {path}: neither a number nor a file that exists')
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        rows = [_row(row) for row in content['results'] if 'operating_points' in row]
        tested_with = dict(content['provenance'])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f'{path}: expected a results.json as tools/evaluate.py writes it, found '
                         f'{type(error).__name__}: {error}') from error
    _check_checkpoint(path, tested_with, checkpoint)
    row = _choose_row(rows, score, benchmark, source, path)
    if point not in row.points:
        raise ValueError(f'{path}: no operating point {point!r} of {score} on {row.benchmark}, found '
                         f'{", ".join(row.points) or "none"}')
    rates = ', '.join(f'{name} {rate:.1f} %' for name, rate in row.points[point].items() if name != 'threshold')
    return Threshold(row.points[point]['threshold'], f'{point} of {score} on {row.argument} in {path}: {rates}')


def _row(row: dict[str, Any]) -> _Row:
    points = {name: {key: float(value) for key, value in point.items()}
              for name, point in row['operating_points'].items()}
    for name, point in points.items():
        if not math.isfinite(point['threshold']):
            raise ValueError(f'threshold {point["threshold"]} of {name}')
    return _Row(row['benchmark'], row['root'], row['score'], points)


def _check_checkpoint(path: Path, tested_with: dict[str, Any], checkpoint: str | Path) -> None:
    tested = tested_with.get('checkpoint_sha256')
    if tested is None:
        raise ValueError(f'{path} was made from anomaly maps and does not tell whether they are those of '
                         f'{checkpoint}; give the threshold as a number if they are')
    used = checkpoint_sha256(checkpoint)
    if tested != used:
        raise ValueError(f'{path} holds thresholds of checkpoint {tested_with.get("checkpoint")} (sha256 '
                         f'{tested[:12]}...), which mean nothing for {checkpoint} (sha256 {used[:12]}...); evaluate '
                         f'this one, or give the threshold as a number')


def _choose_row(rows: Sequence[_Row], score: str, benchmark: str | None, source: str | None, path: Path) -> _Row:
    of_score = [row for row in rows if row.score == score]
    if benchmark is not None:
        chosen = _of_benchmark(of_score, benchmark)
    else:
        source = source or ''
        chosen = _of_benchmark(of_score, source) or _of_benchmark(of_score, source.partition('=')[0]) or of_score
    if len(chosen) == 1:
        return chosen[0]
    found = ', '.join(f'{row.score} on {row.argument}' for row in rows) or 'none'
    where = '' if benchmark is None else f' on {benchmark}'
    raise ValueError(f'{path}: {"several" if chosen else "no"} operating points of {score}{where}, found: {found}; '
                     f'--score chooses the score, --threshold-benchmark NAME[=ROOT] the benchmark')


def _of_benchmark(rows: Sequence[_Row], argument: str) -> list[_Row]:
    return [row for row in rows if argument in (row.benchmark, row.argument)]
