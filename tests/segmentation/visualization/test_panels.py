"""Pictures of anomaly maps: what is drawn can be found in the pixels."""
import matplotlib
import numpy as np
import pytest

from mmseg_ood.segmentation.visualization import Panel, draw_panels
from mmseg_ood.segmentation.visualization.panels import ANOMALY_COLORMAP, colorize_classes

PALETTE = np.array([[128, 64, 128], [10, 200, 30], [70, 130, 180]])
COLORMAP = matplotlib.colormaps[ANOMALY_COLORMAP](np.linspace(0, 1, 256), bytes=True)[:, :3]
ORANGE, DARK = (230, 85, 13), (90, 90, 90)
RANGE = (-2.0, 5.0)


def panel(ground_truth=False, score=None, height=32, width=64):
    prediction = np.zeros((height, width), dtype=np.int64)
    prediction[:, 20:40], prediction[:, 40:] = 1, 2
    labels = np.zeros((height, width), dtype=np.uint8)
    labels[:10, :20], labels[20:] = 254, 255
    score = np.full((height, width), RANGE[0]) if score is None else score
    return Panel(np.full((height, width, 3), (1, 2, 250), np.uint8), prediction, score,
                 labels if ground_truth else None)


def count(picture, color):
    return int((picture == np.asarray(color, dtype=np.uint8)).all(-1).sum())


def test_picture_without_ground_truth_holds_all_colours():
    picture = draw_panels(panel(), PALETTE, RANGE)
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert picture.shape[2] == 3
    assert picture.shape[1] > 2 * picture.shape[0]  # a row of three
    for color in (*PALETTE, (1, 2, 250), COLORMAP[0]):
        assert count(picture, color) > 1000, color
    assert count(picture, ORANGE) == 0


def test_picture_with_ground_truth_holds_its_colours():
    picture = draw_panels(panel(ground_truth=True), PALETTE, RANGE)
    for color in (*PALETTE, ORANGE, DARK):
        assert count(picture, color) > 1000, color
    # 200 anomalous and 768 void pixels, drawn at one scale.
    assert count(picture, DARK) / count(picture, ORANGE) == pytest.approx(768 / 200, rel=0.1)


def test_other_indices_of_the_ground_truth():
    frame = panel(ground_truth=True)
    moved = frame._replace(ground_truth=np.where(frame.ground_truth == 254, 7, np.where(
        frame.ground_truth == 255, 9, 0)))
    np.testing.assert_array_equal(draw_panels(moved, PALETTE, RANGE, ood_index=7, ignore_index=9),
                                  draw_panels(frame, PALETTE, RANGE))


def test_scale_is_that_of_the_call_not_of_the_frame():
    low, high = (draw_panels(panel(score=np.full((32, 64), value)), PALETTE, RANGE) for value in RANGE)
    assert count(low, COLORMAP[0]) > 10 * count(high, COLORMAP[0])
    assert count(high, COLORMAP[-1]) > 10 * count(low, COLORMAP[-1])


def test_scores_beyond_the_scale_take_its_ends():
    beyond = draw_panels(panel(score=np.full((32, 64), RANGE[1] + 100)), PALETTE, RANGE)
    at_end = draw_panels(panel(score=np.full((32, 64), RANGE[1])), PALETTE, RANGE)
    np.testing.assert_array_equal(beyond, at_end)


def test_constant_score_on_a_scale_of_one_point():
    assert draw_panels(panel(score=np.zeros((32, 64))), PALETTE, (0.0, 1e-6)).std() > 0


def test_title_changes_the_picture_only_above():
    plain, titled = (draw_panels(panel(), PALETTE, RANGE, title=title) for title in ('', 'frame_17.png'))
    assert plain.shape == titled.shape
    assert (plain != titled).any()


def test_tall_frames():
    assert draw_panels(panel(height=90, width=30), PALETTE, RANGE).shape[0] > 500


def test_classes_become_their_colours():
    colors = colorize_classes(np.array([[2, 0]]), PALETTE)
    assert colors.dtype == np.uint8
    np.testing.assert_array_equal(colors[0], PALETTE[[2, 0]])
