"""What all plots share: colours, empty figures and axes, legends, and the files they become.

Example:
    >>> figure = blank_figure(4, 3, 'a title', legend_rows=1)
    >>> axes, = blank_axes(figure, 1, 1)
    >>> for name, look in styled(['energy', 'msp']):
    ...     line, = axes.plot([0, 1], [0, 1], label=name, **look)
    >>> add_legends(figure, axes, count=1)
    >>> line.get_color()
    '#D55E00'
"""
from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator, Sequence
from typing import TypeVar

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mmseg_ood.version import __version__

# Okabe and Ito's palette, which the colour-blind tell apart, without its yellow: too light for a line on white.
COLORS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000')
INLIER_COLOR, OUTLIER_COLOR = COLORS[:2]
LINE_STYLES = ('-', '--', '-.', ':')
DASHED = (0, (4, 3))
MARKERS = 'osD^vP*X'
GUIDE = dict(color='0.45', linewidth=1.0, zorder=1.9)  # behind the curves
GRID_COLOR = '0.9'

Item = TypeVar('Item')

_DPI = 200
# An SVG leaves out what is not seen of a line: points within this distance, in points of which a page shows about one
# a pixel. The first tolerance that gives a small file counts.
_TOLERANCES = (0.2, 0.4, 0.8)
_LARGEST_SVG = 60_000
# By the colour that is drawn: light and dark. On dark ground the palette is lighter, for the same contrast.
_THEMES = {'#000000': ('#1c1e21', '#e8e6e3'), '#ffffff': ('#ffffff', '#1b1e23'), '#e6e6e6': ('#e6e6e6', '#343942'),
           '#737373': ('#6a6a6a', '#9a9fa8'), '#404040': ('#404040', '#c4c8ce'),
           '#0072b2': ('#0072b2', '#4aa8e8'), '#d55e00': ('#d55e00', '#ff8b45'), '#009e73': ('#009e73', '#2cc79b'),
           '#cc79a7': ('#cc79a7', '#e79ac6'), '#e69f00': ('#e69f00', '#f2b62e'), '#56b4e9': ('#56b4e9', '#9bd7ff')}
_VARIABLES = {color: f'--c{color[1:]}' for color in _THEMES}
_LIGHT, _DARK = (';'.join(f'{_VARIABLES[color]}:{pair[index]}' for color, pair in _THEMES.items()) for index in (0, 1))
_STYLE = (f':root{{{_LIGHT}}}@media (prefers-color-scheme:dark){{:root{{{_DARK}}}}}svg{{background:var(--cffffff)}}'
          'text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;'
          'fill:var(--c000000)}')


def blank_figure(width: float, height: float, title: str, legend_rows: int) -> Figure:
    """An empty figure, in inches; the legend below does not take from the height of the axes."""
    legend_row = 0.021 * matplotlib.rcParams['font.size']
    figure = Figure(figsize=(width, height + legend_row * legend_rows), dpi=_DPI, layout='constrained')
    figure.get_layout_engine().set(w_pad=0.1)
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(literal(title), fontsize=11)
    return figure


def blank_axes(figure: Figure, rows: int, columns: int, **shared: bool) -> np.ndarray:
    """Axes with a light grid and no frame, ``(rows * columns,)``."""
    grid = figure.subplots(rows, columns, squeeze=False, **shared).ravel()
    for axes in grid:
        axes.grid(color=GRID_COLOR, linewidth=0.7)
        axes.set_axisbelow(True)
        axes.spines[['top', 'right']].set_visible(False)
    return grid


def add_legends(figure: Figure, axes: Axes, count: int, further: Sequence[Line2D] = ()) -> None:
    """Below the axes: the first ``count`` entries on the left, the others on the right."""
    handles = [*axes.get_legend_handles_labels()[0], *further]
    left, right = handles[:count], handles[count:]
    for side, entries in (('left', left), ('right', right)):
        # Both columns begin at one height.
        blank = [Line2D([], [], linestyle='none', label=' ')] * (max(len(left), len(right)) - len(entries))
        figure.legend(handles=[*entries, *blank], loc=f'outside lower {side}', frameon=False)


def styled(items: Sequence[Item]) -> Iterator[tuple[Item, dict]]:
    """Every item with the look of its line: seven colours, then the same ones in the next line style."""
    for index, item in enumerate(items):
        line_style = LINE_STYLES[index // len(COLORS) % len(LINE_STYLES)]
        yield item, dict(color=COLORS[index % len(COLORS)], linestyle=line_style, linewidth=1.6)


def literal(text: str) -> str:
    r"""A text for matplotlib, to which two dollars would mean a formula.

    Example:
        >>> print(literal('a$b$'))
        a\$b\$
    """
    return text.replace('$', r'\$')


def write_png(figure: Figure, title: str, path: str | os.PathLike) -> None:
    """Write a figure as PNG; the same figure gives the same bytes."""
    figure.savefig(path, format='png', metadata={'Software': f'mmseg-ood {__version__}', 'Title': title})


def write_svg(figure: Figure, title: str, path: str | os.PathLike, description: str = '') -> tuple[int, int]:
    """Write a figure as SVG whose colours follow the reader's light or dark theme, with text as text.

    Lines keep the points that are seen. The same figure gives the same bytes.

    Args:
        figure: Drawn in the colours of this module; others stay as they are in both themes.
        title: Goes to the metadata.
        path: Of the file.
        description: Goes to the metadata, for instance the command that the figure comes from.

    Returns:
        Width and height in points.
    """
    for tolerance in _TOLERANCES:
        svg = _svg(figure, title, description, tolerance)
        if len(svg) <= _LARGEST_SVG:
            break
    with open(path, 'w', encoding='utf-8') as file:
        file.write(svg)
    width, height = figure.get_size_inches() * 72
    return round(width), round(height)


def _svg(figure: Figure, title: str, description: str, tolerance: float) -> str:
    buffer = io.StringIO()
    with matplotlib.rc_context({'svg.fonttype': 'none', 'svg.hashsalt': 'mmseg-ood',
                                'path.simplify_threshold': tolerance}):
        for line in figure.findobj(Line2D):
            line.recache(always=True)  # a path keeps the tolerance with which it was made
        figure.savefig(buffer, format='svg', transparent=True,
                       metadata={'Title': title, 'Description': description, 'Date': None,
                                 'Creator': f'mmseg-ood {__version__}'})
    head, body = buffer.getvalue().split('<g id="figure_1">', 1)
    return f'{head}<style>{_STYLE}</style><g id="figure_1">{re.sub("<[^>]*>", _themed_tag, body)}'


def _themed_tag(match: re.Match) -> str:
    """A tag with colours by name, coordinates to a hundredth of a point and without fonts of its own."""
    tag = re.sub('(?<=: )#[0-9a-f]{6}', lambda color: f'var({_VARIABLES[color[0]]})' if color[0] in _VARIABLES
                 else color[0], match[0])
    return re.sub(r' font-family: [^;"]*;?', '', re.sub(r'(\d\.\d\d)\d+', r'\1', tag))
