"""Class prior of the outliers as a bar chart.

Example:
    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / 'prior.png'
    >>> plot_prior([0.7, 0.2, 0.1], ['road', 'car', 'sky'], 'COCO objects on streets', path)
    >>> path.read_bytes()[1:4]
    b'PNG'
"""
from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from .figures import COLORS, DASHED, GUIDE, blank_axes, blank_figure, literal, write_png


def plot_prior(prior: Sequence[float], classes: Sequence[str], title: str, path: str | os.PathLike,
               palette: Sequence[Sequence[int]] | None = None) -> None:
    """Write :func:`prior_figure` as PNG."""
    write_png(prior_figure(prior, classes, title, palette), title, path)


def prior_figure(prior: Sequence[float], classes: Sequence[str], title: str,
                 palette: Sequence[Sequence[int]] | None = None) -> Figure:
    """Share of each class among the predictions on outliers, in percent.

    Classes stand in the order of their indices, so that charts of two networks can be laid side by side; the share
    is written above each bar. The dashed line is the uniform prior.

    Args:
        prior: ``(C,)``, sums to 1.
        classes: Their names.
        title: Line above the axes.
        palette: Colour of each class, RGB 0..255; by default one colour for all.

    Raises:
        ValueError: Lengths that do not fit, or no class.

    Source:
        Choi et al., CVPR 2023, figure 1a.

    Example:
        >>> axes, = prior_figure([0.75, 0.25], ['road', 'car'], '').axes
        >>> [text.get_text() for text in axes.texts]
        ['75.0', '25.0', 'uniform']
    """
    lengths = {'prior': len(prior), 'classes': len(classes), **({} if palette is None else {'palette': len(palette)})}
    if not len(prior) or len(set(lengths.values())) > 1:
        raise ValueError('prior chart: expected one entry for each class, found '
                         + ', '.join(f'{name} {length}' for name, length in lengths.items()))
    colors = COLORS[0] if palette is None else np.asarray(palette) / 255
    percent = 100 * np.asarray(prior, dtype=np.float64)
    figure = blank_figure(max(4.4, 1.2 + 0.32 * len(prior)), 3.6, title, 0)
    axes, = blank_axes(figure, 1, 1)
    axes.grid(visible=False, axis='x')
    bars = axes.bar(range(len(prior)), percent, color=colors, edgecolor='0.25', linewidth=0.6)
    axes.bar_label(bars, [_share(value) for value in percent], fontsize=8, padding=2,
                   bbox=dict(facecolor='white', edgecolor='none', pad=0.5))
    axes.axhline(100 / len(prior), linestyle=DASHED, **GUIDE)
    axes.annotate('uniform', (1, 100 / len(prior)), xycoords=('axes fraction', 'data'), xytext=(3, 0), va='center',
                  textcoords='offset points', fontsize=8, color='0.45')
    axes.set_xticks(range(len(prior)), map(literal, classes), rotation=45, ha='right', rotation_mode='anchor')
    axes.set(xlim=(-0.7, len(prior) - 0.3), ylim=(0, 1.1 * percent.max()), ylabel='share of outlier pixels (%)')
    return figure


def _share(percent: float) -> str:
    """A label that fits above a bar.

    Example:
        >>> _share(15.31), _share(0.1065), _share(0.0), _share(0.0004)
        ('15.3', '0.1', '0.0', '<0.1')
    """
    return '<0.1' if 0 < percent < 0.05 else f'{percent:.1f}'
