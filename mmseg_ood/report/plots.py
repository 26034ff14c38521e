"""Precision-recall and ROC curves and score histograms as PNG files.

``precision_recall_figure``, ``roc_figure`` and ``histogram_figure`` draw; ``plot_precision_recall``, ``plot_roc``
and ``plot_histogram`` draw and write. The same input gives the same bytes.

Example:
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> curve = Curve('energy', tpr=np.array([0.5, 1.0, 1.0]), fpr=np.array([0.0, 0.25, 1.0]),
    ...               precision=np.array([1.0, 0.5, 0.2]), ap=0.75, auroc=0.9375, fpr95=0.25,
    ...               points={'best F1': (0.5, 0.0, 1.0)})
    >>> path = Path(tempfile.mkdtemp()) / 'precision_recall.png'
    >>> plot_precision_recall([curve], 'RoadAnomaly', path)
    >>> path.read_bytes()[1:4]
    b'PNG'
"""
from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, PercentFormatter

from .figures import (
    DASHED,
    GUIDE,
    INLIER_COLOR,
    LINE_STYLES,
    MARKERS,
    OUTLIER_COLOR,
    add_legends,
    blank_axes,
    blank_figure,
    literal,
    styled,
    write_png,
)

_TARGET_TPR = 0.95
_SMALLEST_FPR = 1e-5  # below, a curve rests on a handful of pixels


class Curve(NamedTuple):
    """One score on one benchmark; all rates are fractions, a rate without a denominator is NaN."""
    name: str
    """Goes to the legend, for instance ``energy``."""
    tpr: np.ndarray
    """``(K,)`` true positive rate = recall, from the highest threshold to the lowest."""
    fpr: np.ndarray
    """``(K,)`` false positive rate."""
    precision: np.ndarray
    """``(K,)``."""
    ap: float
    """Average precision."""
    auroc: float
    """Area under the ROC curve."""
    fpr95: float
    """False positive rate at 95 % true positive rate."""
    points: Mapping[str, tuple[float, float, float]] = {}
    """Operating points ``(tpr, fpr, precision)`` by name."""


class Histogram(NamedTuple):
    """Scores of inliers and outliers, counted in common bins."""
    name: str
    """Name of the score, goes to the axis."""
    edges: np.ndarray
    """``(B + 1,)`` ascending."""
    inlier: np.ndarray
    """``(B,)`` number of inliers."""
    outlier: np.ndarray
    """``(B,)`` number of outliers."""
    counted: str = 'pixels'
    """What an inlier or outlier is."""


def plot_precision_recall(curves: Sequence[Curve], title: str, path: str | os.PathLike) -> None:
    """Write :func:`precision_recall_figure` as PNG."""
    write_png(precision_recall_figure(curves, title), title, path)


def plot_roc(curves: Sequence[Curve], title: str, path: str | os.PathLike) -> None:
    """Write :func:`roc_figure` as PNG."""
    write_png(roc_figure(curves, title), title, path)


def plot_histogram(histogram: Histogram, title: str, path: str | os.PathLike,
                   thresholds: Mapping[str, float] = {}) -> None:
    """Write :func:`histogram_figure` as PNG."""
    write_png(histogram_figure(histogram, title, thresholds), title, path)


def precision_recall_figure(curves: Sequence[Curve], title: str, size: tuple[float, float] = (6.4, 4.2)) -> Figure:
    """Precision over recall of several scores on one benchmark.

    The curve holds its precision back to the recall of the threshold before: the area under what is drawn is
    the average precision. The dashed line is the chance level, the share of outliers, where a curve reaches the
    lowest threshold.

    Args:
        curves: At least one.
        title: Line above the axes.
        size: Width and height without the legend, in inches.

    Raises:
        ValueError: No curve, or arrays that do not fit together; names the curve.
    """
    _check_curves(curves)
    figure = blank_figure(*size, title, _legend_rows(curves))
    axes, = blank_axes(figure, 1, 1)
    for curve, style in styled(curves):
        axes.plot(_from(0.0, curve.tpr), _from(curve.precision[0], curve.precision), drawstyle='steps-pre',
                  label=literal(f'{curve.name}: AP {percent_text(curve.ap)}'), **style)
    chance = next((curve.precision[-1] for curve in curves if curve.tpr[-1] == curve.fpr[-1] == 1), None)
    if chance is not None:
        axes.axhline(chance, linestyle=DASHED, label=f'chance: AP {percent_text(chance)}', **GUIDE)
    _draw_points(axes, curves, 'tpr', 'precision')
    _percent_axis(axes, 'x', 'recall (%)')
    _percent_axis(axes, 'y', 'precision (%)')
    axes.set(xlim=(0, 1.01), ylim=(0, 1.02))
    add_legends(figure, axes, len(curves), _point_handles(curves))
    return figure


def roc_figure(curves: Sequence[Curve], title: str) -> Figure:
    """True positive rate over false positive rate, the latter linear on the left and logarithmic on the right.

    The dotted line is TPR 95 %: where a curve meets it, it has its FPR95. The dashed line is chance. The
    logarithmic axis begins in the decade of the lowest FPR, but not below 0.001 %.

    Args:
        curves: At least one.
        title: Line above the axes.

    Raises:
        ValueError: No curve, or arrays that do not fit together; names the curve.
    """
    _check_curves(curves)
    figure = blank_figure(7.2, 3.4, title, _legend_rows(curves))
    linear, logarithmic = blank_axes(figure, 1, 2, sharey=True)
    for axes in (linear, logarithmic):
        _draw_roc(axes, curves, axes is logarithmic,
                  lambda curve: f'AUROC {percent_text(curve.auroc)}, FPR95 {percent_text(curve.fpr95)}')
    logarithmic.set_ylabel(None)
    logarithmic.tick_params(labelleft=False)
    add_legends(figure, linear, len(curves), _point_handles(curves))
    return figure


def roc_panel_figure(curves: Sequence[Curve], title: str, logarithmic: bool,
                     size: tuple[float, float] = (6.4, 4.2)) -> Figure:
    """One half of :func:`roc_figure`; the legend gives AUROC on the linear axis, FPR95 on the logarithmic one."""
    _check_curves(curves)
    figure = blank_figure(*size, title, _legend_rows(curves))
    axes, = blank_axes(figure, 1, 1)
    _draw_roc(axes, curves, logarithmic, lambda curve: f'FPR95 {percent_text(curve.fpr95)}' if logarithmic
              else f'AUROC {percent_text(curve.auroc)}')
    add_legends(figure, axes, len(curves), _point_handles(curves))
    return figure


def histogram_figure(histogram: Histogram, title: str, thresholds: Mapping[str, float] = {},
                     size: tuple[float, float] = (6.4, 4.4)) -> Figure:
    """Densities of inlier and outlier scores, linear above and logarithmic below.

    Each of the two is normalised to its own total: the area under each is 1, however rare the outliers are.

    Args:
        histogram: Counts; the empty bins at both ends are not shown.
        title: Line above the axes.
        thresholds: Scores of operating points by name, drawn as lines.
        size: Width and height without the legend, in inches.

    Raises:
        ValueError: The arrays do not fit together or count nothing; names the score.
    """
    _check_histogram(histogram)
    edges = np.asarray(histogram.edges, dtype=np.float64)
    figure = blank_figure(*size, title, max(2, len(thresholds)))
    linear, logarithmic = blank_axes(figure, 2, 1, sharex=True)
    densities = []
    for kind, counts, color in (('inlier', histogram.inlier, INLIER_COLOR),
                                ('outlier', histogram.outlier, OUTLIER_COLOR)):
        total = np.sum(counts)
        densities.append(counts / max(total, 1) / np.diff(edges))
        for axes in (linear, logarithmic):
            axes.stairs(densities[-1], edges, fill=True, facecolor=color, alpha=0.3)
            axes.stairs(densities[-1], edges, color=color, linewidth=1.2,
                        label=f'{kind}: {total:,.0f} {histogram.counted}'.replace(',', '\N{NARROW NO-BREAK SPACE}'))
    for index, (name, threshold) in enumerate(thresholds.items()):
        for axes in (linear, logarithmic):
            axes.axvline(threshold, color='black', linewidth=1.1, linestyle=LINE_STYLES[index % len(LINE_STYLES)],
                         label=literal(f'{name}: {_score(threshold)}'))
    densities = np.concatenate(densities)
    linear.set(ylabel='density', ylim=(0, 1.06 * densities.max()))
    logarithmic.set(yscale='log', ylim=(densities[densities > 0].min() / 2, 2 * densities.max()),
                    ylabel='density, logarithmic', xlim=_shown_scores(histogram, thresholds),
                    xlabel=f'{literal(histogram.name)} (higher = more anomalous)')
    add_legends(figure, linear, 2)
    return figure


def _check_curves(curves: Sequence[Curve]) -> None:
    if not curves:
        raise ValueError('there is no curve to draw')
    for curve in curves:
        shapes = {name: np.shape(getattr(curve, name)) for name in ('tpr', 'fpr', 'precision')}
        if len(set(shapes.values())) > 1 or len(shapes['tpr']) != 1 or shapes['tpr'] == (0,):
            raise ValueError(f'curve {curve.name}: expected three arrays of one length, found '
                             f'{", ".join(f"{name} {shape}" for name, shape in shapes.items())}')


def _check_histogram(histogram: Histogram) -> None:
    edges, inlier, outlier = (np.asarray(values) for values in histogram[1:4])
    if not len(edges) - 1 == len(inlier) == len(outlier):
        raise ValueError(f'histogram of {histogram.name}: {len(edges)} edges need {len(edges) - 1} counts of inliers '
                         f'and of outliers, found {len(inlier)} and {len(outlier)}')
    if not np.isfinite(edges).all() or (np.diff(edges) <= 0).any():
        raise ValueError(f'histogram of {histogram.name}: expected finite edges in ascending order')
    if not (inlier.sum() or outlier.sum()):
        raise ValueError(f'histogram of {histogram.name}: it counts nothing')


def _draw_roc(axes: Axes, curves: Sequence[Curve], logarithmic: bool, figures: Callable[[Curve], str]) -> None:
    curve_on = _roc_on_logarithmic_axis if logarithmic else _roc
    for curve, style in styled(curves):
        axes.plot(*curve_on(curve.fpr, curve.tpr), label=literal(f'{curve.name}: {figures(curve)}'), **style)
    axes.axhline(_TARGET_TPR, linestyle=':', label='TPR 95 %', **GUIDE)
    axes.plot(*curve_on(np.ones(1), np.ones(1)), linestyle=DASHED, label='chance: AUROC 50 %', **GUIDE)
    _draw_points(axes, curves, 'fpr', 'tpr')
    _percent_axis(axes, 'y', 'true positive rate (%)')
    if logarithmic:
        axes.set(xscale='log', xlim=(_first_decade(curves), 1.1), xlabel='false positive rate (%), logarithmic')
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f'{100 * value:g}'))
    else:
        _percent_axis(axes, 'x', 'false positive rate (%)')
        axes.set(xlim=(-0.01, 1.02))
    axes.set(ylim=(0, 1.025))


def _point_markers(curves: Sequence[Curve]) -> dict[str, str]:
    """The marker of every operating point that a curve has."""
    names = dict.fromkeys(name for curve in curves for name in curve.points)
    return {name: MARKERS[index % len(MARKERS)] for index, name in enumerate(names)}


def _look(marker: str, color: str) -> dict:
    return dict(marker=marker, markersize=6, color=color, markeredgecolor='white', markeredgewidth=0.8,
                linestyle='none')


def _draw_points(axes: Axes, curves: Sequence[Curve], x: str, y: str) -> None:
    for curve, style in styled(curves):
        for name, marker in _point_markers(curves).items():
            if name in curve.points:
                point = dict(zip(('tpr', 'fpr', 'precision'), curve.points[name], strict=True))
                axes.plot(point[x], point[y], zorder=4, gid=name, **_look(marker, style['color']))


def _legend_rows(curves: Sequence[Curve]) -> int:
    return max(len(curves), 2 + len(_point_markers(curves)))


def _point_handles(curves: Sequence[Curve]) -> list[Line2D]:
    return [Line2D([], [], label=literal(name), **_look(marker, '0.45'))
            for name, marker in _point_markers(curves).items()]


def _from(start: float, values: np.ndarray) -> np.ndarray:
    """A curve that begins above the highest threshold, where nothing is predicted."""
    return np.concatenate([[start], values])


def _roc(fpr: np.ndarray, tpr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return _from(0.0, fpr), _from(0.0, tpr)


def _roc_on_logarithmic_axis(fpr: np.ndarray, tpr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """More points on the same curve: between two thresholds it is straight, but not on a logarithmic axis."""
    fpr, tpr = _roc(fpr, tpr)
    between = np.geomspace(_SMALLEST_FPR, 1, 200)
    between = between[between <= fpr[-1]]
    places = np.searchsorted(fpr, between, side='right')
    return np.insert(fpr, places, between), np.insert(tpr, places, np.interp(between, fpr, tpr))


def percent_text(fraction: float) -> str:
    """A figure of the legend.

    Example:
        >>> percent_text(0.4156), percent_text(float('nan'))
        ('41.6 %', 'undefined')
    """
    return 'undefined' if math.isnan(fraction) else f'{100 * fraction:.1f} %'


def _score(value: float) -> str:
    return 'undefined' if math.isnan(value) else f'{value:.4g}'.replace('-', '\N{MINUS SIGN}')


def _percent_axis(axes: Axes, which: str, label: str) -> None:
    axis = getattr(axes, f'{which}axis')
    axis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=''))
    axis.set_label_text(label)
    axis.set_ticks(np.linspace(0, 1, 6))
    axis.set_ticks(np.linspace(0, 1, 11), minor=True)


def _first_decade(curves: Sequence[Curve]) -> float:
    """Left end of the logarithmic axis; at least three decades are shown."""
    positive = [fpr[fpr > 0].min() for fpr in (np.asarray(curve.fpr) for curve in curves) if (fpr > 0).any()]
    return 10.0 ** np.clip(math.floor(math.log10(min(positive, default=1))), math.log10(_SMALLEST_FPR), -3)


def _shown_scores(histogram: Histogram, thresholds: Mapping[str, float]) -> tuple[float, float]:
    """From the first to the last occupied bin or threshold, with a margin."""
    occupied = np.flatnonzero(np.asarray(histogram.inlier) + np.asarray(histogram.outlier))
    shown = [histogram.edges[occupied[0]], histogram.edges[occupied[-1] + 1],
             *(value for value in thresholds.values() if math.isfinite(value))]
    margin = 0.02 * (max(shown) - min(shown))
    return min(shown) - margin, max(shown) + margin
