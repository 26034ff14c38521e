"""Image, ground truth, prediction, mask and anomaly map side by side."""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from .labels import Box, format_score, place_labels
from .palettes import colorize_classes

if TYPE_CHECKING:  # drawing imports it, not whoever imports the plug-ins
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ANOMALY_COLORMAP = 'inferno'  # perceptually uniform, also for the colour-blind
BOX_COLOR = (86, 180, 233)  # against orange, also for the colour-blind
_GROUND_TRUTH_COLORS = {'inlier': (217, 217, 217), 'anomaly': (230, 85, 13), 'void': (90, 90, 90)}
_DPI = 110
_LABEL_FONT = 7.0  # points
_LABEL_PAD = 1.0

# By number of pictures: how many there are in each row, and the figure's width in inches. The last row is the
# largest: it holds what is looked at.
_ROWS = {1: ((1,), 8), 2: ((2,), 12), 3: ((3,), 15), 4: ((2, 2), 10), 5: ((3, 2), 12)}


class Components(NamedTuple):
    """What is predicted to be anomalous at a threshold."""
    mask: np.ndarray
    """(H, W) bool."""
    boxes: Sequence[Box]
    """x, y, width, height in px and score of each component of the mask."""


class Panel(NamedTuple):
    """What there is to draw of one frame; None is not drawn."""
    image: np.ndarray
    """(H, W, 3) uint8 RGB."""
    prediction: np.ndarray | None = None
    """(H, W) class indices."""
    score: np.ndarray | None = None
    """(H, W) float, higher = more anomalous."""
    ground_truth: np.ndarray | None = None
    """(H, W) 0..C-1 inlier, 254 anomaly, 255 void."""
    components: Components | None = None
    """The prediction at a threshold."""


def _colorize_ground_truth(labels: np.ndarray, ood_index: int, ignore_index: int,
                           palette: np.ndarray | None) -> np.ndarray:
    """Inliers in the colours of their classes, without a palette in one."""
    colors = np.empty((*labels.shape, 3), dtype=np.uint8)
    colors[:] = _GROUND_TRUTH_COLORS['inlier']
    if palette is not None:
        known = labels < len(palette)
        colors[known] = colorize_classes(labels[known], palette)
    colors[labels == ood_index] = _GROUND_TRUTH_COLORS['anomaly']
    colors[labels == ignore_index] = _GROUND_TRUTH_COLORS['void']
    return colors


def _overlay_mask(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The image in dark grey with the mask in a translucent colour and its outline, ``(H, W, 3)`` uint8."""
    grey = 0.7 * cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    overlay = np.repeat(grey[..., None], 3, axis=2)
    # In proportion to the frame: as thick in a picture of a small frame as in that of a large one.
    thickness = max(1, round(mask.shape[1] / 400))
    inside = cv2.erode(mask.astype(np.uint8), np.ones((2 * thickness + 1,) * 2)).astype(bool)
    color = np.array(_GROUND_TRUTH_COLORS['anomaly'])
    overlay[inside] = 0.5 * overlay[inside] + 0.5 * color
    overlay[mask & ~inside] = color
    return overlay.round().astype(np.uint8)


def draw_panels(panel: Panel, palette: np.ndarray, score_range: tuple[float, float] | None,
                score_name: str = 'energy', ood_index: int = 254, ignore_index: int = 255, title: str = '',
                threshold: float | None = None, *, score_range_from: str = '') -> np.ndarray:
    """Draw one frame as labelled pictures in one or two rows.

    The anomaly map has an outline at the threshold, and light hatching where the ground truth is void. Ground truth
    without a prediction beside it, as of a training image, is drawn in the colours of the classes.

    Args:
        panel: What to draw.
        palette: ``(C, 3)`` colours of the classes.
        score_range: Scores at the two ends of the colour bar; keep it the same over a data set. None without scores.
        score_name: Goes to the title of the anomaly map.
        ood_index: Label of anomalies in the ground truth.
        ignore_index: Label of void in the ground truth.
        title: Line above the pictures.
        threshold: The lowest score of ``panel.components``, or of the outline where there are none.
        score_range_from: Where ``score_range`` comes from; goes below the anomaly map.

    Returns:
        ``(H', W', 3)`` uint8 RGB.

    Example:
        >>> score = np.zeros((30, 60))
        >>> score[10:20, 10:30] = 2.5
        >>> panel = Panel(np.zeros((30, 60, 3), np.uint8), np.zeros((30, 60), int), score,
        ...               components=Components(score > 1, boxes=[(10, 10, 20, 10, 2.5)]))
        >>> draw_panels(panel, palette=np.array([[128, 64, 128]]), score_range=(0, 3), threshold=1).shape
        (627, 1100, 3)
    """
    pictures: list[tuple[str, np.ndarray | None]] = [('image', panel.image)]
    if panel.ground_truth is not None:
        classes = palette if panel.prediction is None else None
        pictures.append(('ground truth: anomaly orange, void hatched',
                         _colorize_ground_truth(panel.ground_truth, ood_index, ignore_index, classes)))
    if panel.prediction is not None:
        pictures.append(('prediction', colorize_classes(panel.prediction, palette)))
    if panel.components is not None:
        pictures.append(('', _overlay_mask(panel.image, panel.components.mask)))
    if panel.score is not None:
        pictures.append((f'anomaly map ({score_name})', None))
    figure, grid = _figure(len(pictures), panel.image.shape[:2], title)
    for axes, (name, picture) in zip(grid, pictures, strict=True):
        axes.set_title(name, fontsize=9)
        axes.set_axis_off()
        if picture is not None:
            axes.imshow(picture, interpolation=None if picture is panel.image else 'nearest')
    if panel.score is not None:
        _draw_map(grid[-1], panel, score_range, threshold, score_range_from)
    if panel.components is not None:
        _draw_boxes(grid[-2], panel.components.boxes, threshold, *panel.image.shape[:2])
    if panel.ground_truth is not None:
        void = panel.ground_truth == ignore_index
        _hatch(grid[1], void, opacity=0.6)
        if panel.score is not None:
            _hatch(grid[-1], void, opacity=0.45)
    return _rendered(figure)


def _figure(num_pictures: int, height_width: tuple[int, int], title: str) -> tuple[Figure, list[Axes]]:
    """Axes row by row, each row as wide as the figure."""
    from matplotlib.figure import Figure
    rows, figure_width = _ROWS[num_pictures]
    heights = [figure_width / in_row * height_width[0] / height_width[1] + 0.35 for in_row in rows]
    figure = Figure(figsize=(figure_width, sum(heights)), dpi=_DPI, layout='constrained')
    if title:
        figure.suptitle(title, fontsize=9)
    grid = figure.add_gridspec(len(rows), 6, height_ratios=heights)
    return figure, [figure.add_subplot(grid[row, place * 6 // in_row:(place + 1) * 6 // in_row])
                    for row, in_row in enumerate(rows) for place in range(in_row)]


def _draw_map(axes: Axes, panel: Panel, score_range: tuple[float, float], threshold: float | None,
              score_range_from: str) -> None:
    shown = axes.imshow(panel.score, cmap=ANOMALY_COLORMAP, vmin=score_range[0], vmax=score_range[1],
                        interpolation='nearest')
    bar = axes.figure.colorbar(shown, ax=axes, fraction=0.035, pad=0.01, extend='both')
    bar.ax.tick_params(labelsize=7)
    bar.set_label('more anomalous →', fontsize=7)
    if score_range_from:
        axes.text(0.5, -0.015, f'colour scale: {score_range_from}', transform=axes.transAxes, ha='center', va='top',
                  fontsize=7)
    mask = panel.components.mask if panel.components is not None else None
    if threshold is not None:
        mask = panel.score >= np.float32(threshold) if mask is None else mask
        if score_range[0] < threshold < score_range[1]:
            bar.ax.axhline(threshold, color='white', linewidth=1.0, path_effects=_black_edge())
    if mask is not None and 0 < np.count_nonzero(mask) < mask.size:
        axes.contour(mask, levels=[0.5], colors='white', linewidths=0.8).set(path_effects=_black_edge())


def _black_edge() -> list:
    """White lines with it stand out from any colour."""
    from matplotlib.patheffects import withStroke
    return [withStroke(linewidth=2.2, foreground='black')]


def _hatch(axes: Axes, mask: np.ndarray, opacity: float) -> None:
    if mask.any():
        hatched = axes.contourf(mask, levels=[0.5, 1.5], colors='none', hatches=['////'])
        hatched.set(edgecolor=(1, 1, 1, opacity), linewidth=0)


def _draw_boxes(axes: Axes, boxes: Sequence[Box], threshold: float | None, height: int, width: int) -> None:
    from matplotlib.patches import Rectangle
    color = tuple(channel / 255 for channel in BOX_COLOR)
    for x, y, box_width, box_height, _ in boxes:
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), box_width, box_height, fill=False, edgecolor=color,
                                 linewidth=1.0))
    texts = [_with_minus(format_score(box[-1])) for box in boxes]
    # The labels' size follows from that of the axes, of which the layout is not known yet: half the figure, nearly.
    pixels_of_point = width / (0.9 * 72 * axes.figure.get_figwidth() / 2)
    line = (1.1 * _LABEL_FONT + 2 * _LABEL_PAD) * pixels_of_point
    sizes = [((0.64 * _LABEL_FONT * len(text) + 2 * _LABEL_PAD) * pixels_of_point, line) for text in texts]
    placed = place_labels(boxes, sizes, height, width)
    for index, (left, top) in placed.items():
        corner = left - 0.5 + _LABEL_PAD * pixels_of_point, top - 0.5 + line / 2
        axes.text(*corner, texts[index], ha='left', va='center', fontsize=_LABEL_FONT,
                  bbox=dict(facecolor=color, linewidth=0, pad=_LABEL_PAD)).set_in_layout(False)
    axes.set_title(_components_title(len(boxes), len(placed), threshold), fontsize=9)


def _components_title(num_boxes: int, num_labels: int, threshold: float | None) -> str:
    shown = f', scores of {num_labels} shown' if num_labels < num_boxes else ''
    at = '' if threshold is None else f' at threshold {_with_minus(format_score(threshold))}'
    return f'mask{at} (components: {num_boxes}{shown})'


def _with_minus(number: str) -> str:
    return number.replace('-', '\N{MINUS SIGN}')


def _rendered(figure: Figure) -> np.ndarray:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
