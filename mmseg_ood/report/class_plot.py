"""Scores of inliers and outliers by the class they were predicted as.

Example:
    >>> import numpy as np
    >>> scores = ClassScores(['road', 'car'], np.array([0.0, 0.5, 1.0]), inlier=np.array([[8, 2], [0, 0]]),
    ...                      outlier=np.array([[0, 1], [0, 0]]), thresholds={'best F1': 0.5})
    >>> axes, = class_scores_figure(scores, 'msp').axes
    >>> [label.get_text() for label in axes.get_yticklabels()]
    ['road']
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from .figures import INLIER_COLOR, LINE_STYLES, OUTLIER_COLOR, add_legends, blank_axes, blank_figure, literal

_RIDGE = 0.9  # of the distance between two classes


class ClassScores(NamedTuple):
    """Counts of scores by predicted class, in common bins."""
    classes: Sequence[str]
    """``C`` names."""
    edges: np.ndarray
    """``(B + 1,)`` ascending."""
    inlier: np.ndarray
    """``(C, B)`` number of inliers."""
    outlier: np.ndarray
    """``(C, B)`` number of outliers."""
    thresholds: Mapping[str, float] = {}
    """Scores of operating points by name."""


def class_scores_figure(scores: ClassScores, name: str, title: str = '', width: float = 4.4) -> Figure:
    """A row for each class: distribution of the scores of the inliers and of the outliers predicted as it.

    Each distribution is scaled to its own maximum. Classes that were never predicted have no row.

    Args:
        scores: Counts.
        name: Name of the score.
        title: Line above the axes.
        width: In inches; the height follows from the number of classes.

    Raises:
        ValueError: The arrays do not fit together or count nothing.
    """
    edges, inlier, outlier = (np.asarray(values, dtype=np.float64) for values in scores[1:4])
    expected = len(scores.classes), len(edges) - 1
    if not expected == inlier.shape == outlier.shape:
        raise ValueError(f'scores by class of {name}: {len(scores.classes)} classes and {len(edges)} edges need counts '
                         f'{expected}, found inlier {inlier.shape} and outlier {outlier.shape}')
    rows = np.flatnonzero((inlier + outlier).any(axis=1))
    if not len(rows):
        raise ValueError(f'scores by class of {name}: they count nothing')
    figure = blank_figure(width, 0.8 + 0.26 * len(rows), title, max(2, len(scores.thresholds)))
    axes, = blank_axes(figure, 1, 1)
    axes.grid(visible=False, axis='y')
    for kind, counts, color in (('inlier', inlier, INLIER_COLOR), ('outlier', outlier, OUTLIER_COLOR)):
        axes.plot([], [], color=color, linewidth=4, label=kind)  # the entry of the legend
        for height, row in enumerate(rows[::-1]):
            _draw_ridge(axes, edges, counts[row], height, color)
    for index, (point, threshold) in enumerate(scores.thresholds.items()):
        axes.axvline(threshold, color='black', linewidth=1.1, linestyle=LINE_STYLES[index % len(LINE_STYLES)],
                     label=literal(f'{point}: {threshold:.4g}'))
    axes.set_yticks(range(len(rows)), [literal(scores.classes[row]) for row in rows[::-1]], va='bottom')
    axes.tick_params(axis='y', length=0)
    axes.spines['left'].set_visible(False)
    axes.set(ylim=(-0.1, len(rows)), xlabel=f'{literal(name)} (higher = more anomalous)')
    add_legends(figure, axes, 2)
    return figure


def _draw_ridge(axes: Axes, edges: np.ndarray, counts: np.ndarray, height: float, color: str) -> None:
    occupied = np.flatnonzero(counts)
    if not len(occupied):
        return
    shown = slice(occupied[0], occupied[-1] + 1)
    middles = ((edges[1:] + edges[:-1]) / 2)[shown]
    x = np.concatenate([[edges[occupied[0]]], middles, [edges[occupied[-1] + 1]]])
    y = np.concatenate([[0], counts[shown] / counts.max(), [0]])
    axes.fill(x, height + _RIDGE * y, facecolor=to_rgba(color, 0.3), edgecolor=color, linewidth=1.1)
