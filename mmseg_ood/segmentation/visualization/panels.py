"""Image, prediction, anomaly map, mask and ground truth side by side."""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

ANOMALY_COLORMAP = 'inferno'  # perceptually uniform, also for the colour-blind
_GROUND_TRUTH_COLORS = {'inlier': (217, 217, 217), 'anomaly': (230, 85, 13), 'void': (90, 90, 90)}
_BOX_COLOR = '#56B4E9'  # against orange, also for the colour-blind
_SCORED_BOXES = 20  # more labels would cover each other

# By number of pictures: how many there are in each row, and the figure's width in inches. The last row is the
# largest: it holds what is looked at.
_ROWS = {3: ((3,), 15), 4: ((2, 2), 10), 5: ((3, 2), 12)}


class Components(NamedTuple):
    """What is predicted to be anomalous at a threshold."""
    mask: np.ndarray
    """(H, W) bool."""
    boxes: Sequence[tuple[int, int, int, int, float]]
    """x, y, width, height in px and score of each component of the mask."""


class Panel(NamedTuple):
    """What there is to draw of one frame."""
    image: np.ndarray
    """(H, W, 3) uint8 RGB."""
    prediction: np.ndarray
    """(H, W) class indices."""
    score: np.ndarray
    """(H, W) float, higher = more anomalous."""
    ground_truth: np.ndarray | None = None
    """(H, W) 0..C-1 inlier, 254 anomaly, 255 void."""
    components: Components | None = None
    """The prediction at a threshold."""


def colorize_classes(prediction: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Class indices ``(H, W)`` to colours ``(H, W, 3)`` uint8 by a palette ``(C, 3)``."""
    return np.asarray(palette, dtype=np.uint8)[prediction]


def _colorize_ground_truth(labels: np.ndarray, ood_index: int, ignore_index: int) -> np.ndarray:
    colors = np.empty((*labels.shape, 3), dtype=np.uint8)
    colors[:] = _GROUND_TRUTH_COLORS['inlier']
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


def _draw_boxes(axes: Axes, boxes: Sequence[tuple[int, int, int, int, float]], height: int, width: int) -> None:
    for x, y, box_width, box_height, _ in boxes:
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), box_width, box_height, fill=False, edgecolor=_BOX_COLOR,
                                 linewidth=1.0))
    for x, y, box_width, box_height, score in sorted(boxes, key=lambda box: box[-1])[-_SCORED_BOXES:]:
        # Above the left end of the box, unless that leaves the picture.
        below, right = y < 0.06 * height, x > 0.9 * width
        corner = (x + box_width * right - 0.5, y + box_height * below - 0.5)
        label = axes.annotate(_number(score), corner, xytext=(-1 if right else 1, 0), textcoords='offset points',
                              ha='right' if right else 'left', va='top' if below else 'bottom', fontsize=6.5,
                              bbox=dict(facecolor=_BOX_COLOR, linewidth=0, pad=0.8))
        label.set_in_layout(False)


def _number(score: float) -> str:
    return f'{score:.3g}'.replace('-', '\N{MINUS SIGN}')


def _components_title(components: Components, threshold: float | None) -> str:
    shown = f', {_SCORED_BOXES} highest scores shown' if len(components.boxes) > _SCORED_BOXES else ''
    at = '' if threshold is None else f' at threshold {_number(threshold)}'
    return f'mask{at} (components: {len(components.boxes)}{shown})'


def draw_panels(panel: Panel, palette: np.ndarray, score_range: tuple[float, float], score_name: str = 'energy',
                ood_index: int = 254, ignore_index: int = 255, title: str = '',
                threshold: float | None = None) -> np.ndarray:
    """Draw one frame as labelled pictures in one or two rows.

    Args:
        panel: What to draw.
        palette: ``(C, 3)`` colours of the classes.
        score_range: Scores at the two ends of the colour bar; keep it the same over a data set.
        score_name: Goes to the colour bar.
        ood_index: Label of anomalies in the ground truth.
        ignore_index: Label of void in the ground truth.
        title: Line above the pictures.
        threshold: Score above which the mask of ``panel.components`` begins; goes to its title.

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
    pictures = [('image', panel.image), ('prediction', colorize_classes(panel.prediction, palette)),
                (f'anomaly map ({score_name})', None)]
    if panel.components is not None:
        pictures.insert(2, (_components_title(panel.components, threshold),
                            _overlay_mask(panel.image, panel.components.mask)))
    if panel.ground_truth is not None:
        pictures.insert(1, ('ground truth: anomaly orange, void dark',
                            _colorize_ground_truth(panel.ground_truth, ood_index, ignore_index)))
    figure, grid = _figure(len(pictures), panel.score.shape)
    if title:
        figure.suptitle(title, fontsize=9)
    for axes, (name, picture) in zip(grid, pictures, strict=True):
        axes.set_title(name, fontsize=9)
        axes.set_axis_off()
        if picture is not None:
            axes.imshow(picture, interpolation='nearest')
            continue
        shown = axes.imshow(panel.score, cmap=ANOMALY_COLORMAP, vmin=score_range[0], vmax=score_range[1])
        bar = figure.colorbar(shown, ax=axes, fraction=0.035, pad=0.01, extend='both')
        bar.ax.tick_params(labelsize=7)
        bar.set_label('more anomalous →', fontsize=7)
    if panel.components is not None:
        _draw_boxes(grid[-2], panel.components.boxes, *panel.score.shape)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _figure(num_pictures: int, height_width: tuple[int, int]) -> tuple[Figure, list[Axes]]:
    """Axes row by row, each row as wide as the figure."""
    rows, figure_width = _ROWS[num_pictures]
    heights = [figure_width / in_row * height_width[0] / height_width[1] + 0.35 for in_row in rows]
    figure = Figure(figsize=(figure_width, sum(heights)), dpi=110, layout='constrained')
    grid = figure.add_gridspec(len(rows), 6, height_ratios=heights)
    return figure, [figure.add_subplot(grid[row, place * 6 // in_row:(place + 1) * 6 // in_row])
                    for row, in_row in enumerate(rows) for place in range(in_row)]
