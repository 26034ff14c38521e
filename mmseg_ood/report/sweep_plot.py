"""AP and FPR95 over swept values, mean and spread over seeds, as a PNG file.

``sweep_figure`` draws, ``plot_sweep`` draws and writes. The same input gives the same bytes.

Example:
    >>> import tempfile
    >>> from pathlib import Path
    >>> runs = [SweptRun({'alpha': alpha}, seed, {'RoadAnomaly': {'AP': 30 + alpha + seed, 'FPR95': 50 - alpha}})
    ...         for alpha in (0, 5) for seed in (0, 1, 2)]
    >>> path = Path(tempfile.mkdtemp()) / 'sweep.png'
    >>> plot_sweep(runs, 'margins', path)
    >>> path.read_bytes()[1:4]
    b'PNG'
"""
from __future__ import annotations

import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .figures import MARKERS, add_legends, blank_axes, blank_figure, literal, styled, write_png

_METRICS = {'AP': 'AP (%), higher is better', 'FPR95': 'FPR95 (%), lower is better'}
# Of the gap between evenly spaced values; closer ones would touch on the axis.
_SMALLEST_GAP = 0.25
_BESIDE = 0.012  # of the axis: error bars of several lines at one value stand side by side


class SweptRun(NamedTuple):
    """One training with its figures."""
    values: Mapping[str, Any]
    """Of the swept keys: numbers, or anything else that is told apart by ``==``."""
    seed: int
    figures: Mapping[str, Mapping[str, float]]
    """``AP`` and ``FPR95`` in percent by name of the benchmark."""


class _Line(NamedTuple):
    name: str
    runs: Sequence[SweptRun]
    benchmark: str


class _Row(NamedTuple):
    """Two panels over one key."""
    key: str
    lines: Sequence[_Line]
    heading: str


def plot_sweep(runs: Sequence[SweptRun], title: str, path: str | os.PathLike) -> None:
    """Write :func:`sweep_figure` as PNG."""
    write_png(sweep_figure(runs, title), title, path)


def sweep_figure(runs: Sequence[SweptRun], title: str) -> Figure:
    """AP on the left and FPR95 on the right over the swept values, with the standard deviation over the seeds.

    Keys of which only one value occurs are left out. What is drawn depends on how many remain:

    * one: a line for each benchmark;
    * two: a row for each benchmark, the first key on the axis and a line for each value of the second;
    * more: a row for each key and a line for each benchmark. A point is the mean over the settings of the other keys,
      taken for each seed by itself. Only settings of which no run is missing count, so that all points of a line
      stand for the same ones.

    The values lie on a linear axis, on a logarithmic one where they would touch there, and evenly spaced where
    they would on both.

    Args:
        runs: At least one; of the same keys and benchmarks.
        title: First line above the axes.

    Raises:
        ValueError: No run, runs of different keys or benchmarks, or two of the same values and seed.
    """
    _check_runs(runs)
    rows = _rows(runs)
    names = [line.name for line in rows[0].lines]
    seeds = len({run.seed for run in runs})
    spread = f'mean ± standard deviation over {seeds} seeds' if seeds > 1 else 'one seed'
    figure = blank_figure(7.2, 0.6 + 2.6 * len(rows), f'{title}\n{spread}', math.ceil(len(names) / 2))
    panels = blank_axes(figure, len(rows), len(_METRICS)).reshape(len(rows), len(_METRICS))
    for row, pair in zip(rows, panels, strict=True):
        values = _ascending(_distinct(run.values[row.key] for run in runs))
        for axes, (metric, label) in zip(pair, _METRICS.items(), strict=True):
            _draw_lines(axes, row, values, metric)
            axes.set_ylabel(label)
        pair[0].set_title(row.heading, loc='left', fontsize=9)
    add_legends(figure, panels[0, 0], math.ceil(len(names) / 2))
    return figure


def mean_and_spread(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation, NaN where there are too few values for them.

    Example:
        >>> mean_and_spread([1.0, 3.0]), mean_and_spread([2.0])
        ((2.0, 1.4142135623730951), (2.0, nan))
    """
    return (float(np.mean(values)) if len(values) else math.nan,
            float(np.std(values, ddof=1)) if len(values) > 1 else math.nan)


def _check_runs(runs: Sequence[SweptRun]) -> None:
    if not runs:
        raise ValueError('there is no run to draw')
    for index, run in enumerate(runs):
        for what, found, expected in (('keys', run.values, runs[0].values),
                                      ('benchmarks', run.figures, runs[0].figures)):
            if set(found) != set(expected) or not found:
                raise ValueError(f'run {index} has the {what} {sorted(found)}, the first one {sorted(expected)}')
        if any(run.values == other.values and run.seed == other.seed for other in runs[:index]):
            raise ValueError(f'there are two runs of {dict(run.values)} with seed {run.seed}')


def _rows(runs: Sequence[SweptRun]) -> list[_Row]:
    keys = [key for key in runs[0].values if len(_distinct(run.values[key] for run in runs)) > 1]
    benchmarks = list(runs[0].figures)
    if len(keys) < 2:
        key = next(iter(keys or runs[0].values))
        return [_Row(key, [_Line(name, runs, name) for name in benchmarks], '')]
    if len(keys) == 2:
        first, second = keys
        of_value = {f'{second} = {value}': [run for run in runs if run.values[second] == value]
                    for value in _ascending(_distinct(run.values[second] for run in runs))}
        return [_Row(first, [_Line(name, some, benchmark) for name, some in of_value.items()], benchmark)
                for benchmark in benchmarks]
    rows = []
    for key in keys:
        complete, count = _complete_settings(runs, key)
        others = ', '.join(other for other in keys if other != key)
        heading = f'mean over {count} setting{"s" * (count != 1)} of {others}'
        rows.append(_Row(key, [_Line(name, complete, name) for name in benchmarks], heading))
    return rows


def _complete_settings(runs: Sequence[SweptRun], key: str) -> tuple[list[SweptRun], int]:
    """Runs of those settings of the other keys that were run with every value of this one and every seed, and their
    number."""
    settings = [repr([value for other, value in run.values.items() if other != key]) for run in runs]
    expected = len(_distinct(run.values[key] for run in runs)) * len({run.seed for run in runs})
    complete = {setting for setting, count in Counter(settings).items() if count == expected}
    return [run for run, setting in zip(runs, settings, strict=True) if setting in complete], len(complete)


def _draw_lines(axes: Axes, row: _Row, values: Sequence[Any], metric: str) -> None:
    positions, scale = _positions(values)
    for index, (line, style) in enumerate(styled(row.lines)):
        means, spreads = np.transpose([mean_and_spread(_figures(line, row.key, value, metric)) for value in values])
        beside = _BESIDE * (index - (len(row.lines) - 1) / 2)
        axes.errorbar(positions + beside, means, yerr=spreads, label=literal(line.name),
                      marker=MARKERS[index % len(MARKERS)], markersize=4.5, capsize=2.5, elinewidth=1.0, **style)
    axes.set(xlim=(-0.1, 1.1), xlabel=f'{row.key}{scale}')
    labels = [str(value) for value in values]
    crowded = max(map(len, labels)) > 8
    axes.set_xticks(positions, labels, rotation=30 if crowded else 0, ha='right' if crowded else 'center')


def _figures(line: _Line, key: str, value: Any, metric: str) -> list[float]:
    """One figure a seed."""
    by_seed = defaultdict(list)
    for run in line.runs:
        if run.values[key] == value:
            by_seed[run.seed].append(run.figures[line.benchmark][metric])
    return [float(np.mean(figures)) for figures in by_seed.values()]


def _distinct(values: Iterable[Any]) -> list[Any]:
    """Each value once; lists cannot be members of a set."""
    distinct: list[Any] = []
    for value in values:
        if value not in distinct:
            distinct.append(value)
    return distinct


def _ascending(values: list[Any]) -> list[Any]:
    return sorted(values) if _are_numbers(values) else values


def _are_numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _positions(values: Sequence[Any]) -> tuple[np.ndarray, str]:
    """Where ascending values lie between the ends of the axis, 0 and 1, and what that is called.

    Example:
        >>> _positions([0, 1, 4])
        (array([0.  , 0.25, 1.  ]), '')
        >>> _positions([0.01, 1, 100])
        (array([0. , 0.5, 1. ]), ', logarithmic')
        >>> _positions([0, 0.01, 100])
        (array([0. , 0.5, 1. ]), ', not to scale')
    """
    if len(values) == 1:
        return np.array([0.5]), ''
    even = np.linspace(0, 1, len(values))
    if not _are_numbers(values):
        return even, ''
    scales = {'': np.asarray(values, dtype=np.float64)}
    if values[0] > 0:
        scales[', logarithmic'] = np.log10(scales[''])
    for name, scaled in scales.items():
        positions = (scaled - scaled[0]) / (scaled[-1] - scaled[0])
        if np.diff(positions).min() >= _SMALLEST_GAP * even[1]:
            return positions, name
    return even, ', not to scale'
