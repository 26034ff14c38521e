"""Image, prediction, anomaly map and ground truth side by side."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

ANOMALY_COLORMAP = 'inferno'  # perceptually uniform, also for the colour-blind
_GROUND_TRUTH_COLORS = {'inlier': (217, 217, 217), 'anomaly': (230, 85, 13), 'void': (90, 90, 90)}


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


def colorize_classes(prediction: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Class indices ``(H, W)`` to colours ``(H, W, 3)`` uint8 by a palette ``(C, 3)``."""
    return np.asarray(palette, dtype=np.uint8)[prediction]


def _colorize_ground_truth(labels: np.ndarray, ood_index: int, ignore_index: int) -> np.ndarray:
    colors = np.empty((*labels.shape, 3), dtype=np.uint8)
    colors[:] = _GROUND_TRUTH_COLORS['inlier']
    colors[labels == ood_index] = _GROUND_TRUTH_COLORS['anomaly']
    colors[labels == ignore_index] = _GROUND_TRUTH_COLORS['void']
    return colors


def draw_panels(panel: Panel, palette: np.ndarray, score_range: tuple[float, float], score_name: str = 'energy',
                ood_index: int = 254, ignore_index: int = 255, title: str = '') -> np.ndarray:
    """Draw one frame as a row (or two by two with ground truth) of labelled pictures.

    Args:
        panel: What to draw.
        palette: ``(C, 3)`` colours of the classes.
        score_range: Scores at the two ends of the colour bar; keep it the same over a data set.
        score_name: Goes to the colour bar.
        ood_index: Label of anomalies in the ground truth.
        ignore_index: Label of void in the ground truth.
        title: Line above the pictures.

    Returns:
        ``(H', W', 3)`` uint8 RGB.
    """
    pictures = [('image', panel.image), ('prediction', colorize_classes(panel.prediction, palette)),
                (f'anomaly map ({score_name})', None)]
    if panel.ground_truth is not None:
        pictures.insert(1, ('ground truth: anomaly orange, void dark',
                            _colorize_ground_truth(panel.ground_truth, ood_index, ignore_index)))
    columns = 2 if len(pictures) == 4 else 3
    rows = -(-len(pictures) // columns)
    height, width = panel.score.shape
    figure = Figure(figsize=(5 * columns, rows * (5 * height / width + 0.35)), dpi=110, layout='constrained')
    if title:
        figure.suptitle(title, fontsize=9)
    for index, (name, picture) in enumerate(pictures, start=1):
        axes = figure.add_subplot(rows, columns, index)
        axes.set_title(name, fontsize=9)
        axes.set_axis_off()
        if picture is not None:
            axes.imshow(picture, interpolation='nearest')
            continue
        shown = axes.imshow(panel.score, cmap=ANOMALY_COLORMAP, vmin=score_range[0], vmax=score_range[1])
        bar = figure.colorbar(shown, ax=axes, fraction=0.035, pad=0.01, extend='both')
        bar.ax.tick_params(labelsize=7)
        bar.set_label('more anomalous →', fontsize=7)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
