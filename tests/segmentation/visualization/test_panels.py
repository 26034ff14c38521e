"""Pictures of anomaly maps: what is drawn can be found in the pixels."""
import matplotlib
import numpy as np
import pytest
from matplotlib.backends import backend_agg

from mmseg_ood.segmentation.visualization import Components, Panel, draw_panels
from mmseg_ood.segmentation.visualization.panels import ANOMALY_COLORMAP

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
    # 200 anomalous and 768 void pixels, drawn at one scale; the hatching of void covers some of its colour.
    assert 0.4 * 768 / 200 < count(picture, DARK) / count(picture, ORANGE) < 0.9 * 768 / 200


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


def test_void_is_hatched_in_the_ground_truth_and_on_the_map():
    def pictures(labels):
        axes = drawn_axes(panel()._replace(ground_truth=labels.astype(np.uint8)))
        return [[hatch for drawn in one.collections for hatch in drawn.hatches or () if hatch] for one in axes]

    labels = np.zeros((32, 64))
    assert pictures(labels) == [[], [], [], []]
    labels[:10] = 255
    assert pictures(labels) == [[], ['////'], [], ['////']]


def test_hatching_leaves_the_rest_of_the_map_alone():
    frame = panel(ground_truth=True)
    everywhere = frame._replace(ground_truth=np.zeros_like(frame.ground_truth))
    shares = [count(draw_panels(one, PALETTE, RANGE), COLORMAP[0]) for one in (frame, everywhere)]
    # 768 of 2048 pixels are void; at least half of each stays as it is.
    assert 1 - 0.5 * 768 / 2048 < shares[0] / shares[1] < 1 - 0.1 * 768 / 2048


def test_training_frame_is_drawn_in_the_colours_of_its_classes():
    frame = panel(ground_truth=True)
    labels = frame.ground_truth.copy()
    labels[:20, 30:50] = 1
    picture = draw_panels(Panel(frame.image, ground_truth=labels), PALETTE, None)
    for color in (PALETTE[0], PALETTE[1], ORANGE, DARK, (1, 2, 250)):
        assert count(picture, color) > 1000, color
    assert count(picture, PALETTE[2]) == 0
    # 400 pixels of class 1, 680 of class 0.
    assert count(picture, PALETTE[0]) / count(picture, PALETTE[1]) == pytest.approx(680 / 400, rel=0.1)


def test_image_alone():
    assert count(draw_panels(Panel(panel().image), PALETTE, None), (1, 2, 250)) > 100_000


# ------------------------------------------------------------------ threshold and scale
def outlines(axes):
    """Vertices of the outline at the threshold."""
    return [path.vertices for drawn in axes.collections if drawn.get_linewidth()[0] > 0 for path in drawn.get_paths()]


def ramp():
    """Scores that rise by 0.125 from column to column."""
    return np.broadcast_to(np.arange(64) / 8, (32, 64)).astype(np.float32)


def test_outline_lies_at_the_threshold():
    (vertices,), = [outlines(drawn_axes(panel(score=ramp()), threshold=2.0)[-1])]
    np.testing.assert_allclose(vertices[:, 0], 15.5)  # column 16 has the score 2: it is inside
    assert outlines(drawn_axes(panel(score=ramp()))[-1]) == []


def test_outline_is_that_of_the_components():
    mask = np.zeros((32, 64), dtype=bool)
    mask[10:20, 30:] = True
    frame = panel(score=ramp())._replace(components=Components(mask, []))
    for arguments in ({}, dict(threshold=2.0)):
        (vertices,) = outlines(drawn_axes(frame, **arguments)[-1])
        assert vertices[:, 0].min() == 29.5
        assert (vertices[:, 1].min(), vertices[:, 1].max()) == (9.5, 19.5)


@pytest.mark.parametrize('threshold', [-1.0, 100.0])
@pytest.mark.filterwarnings('error')
def test_threshold_that_all_or_none_reach_has_no_outline(threshold):
    assert outlines(drawn_axes(panel(score=ramp()), threshold=threshold)[-1]) == []


def test_threshold_is_marked_on_the_colour_bar():
    def marks(threshold):
        bar = drawn_axes(panel(score=ramp()), threshold=threshold)[-1].get_images()[0].colorbar
        return [line.get_ydata()[0] for line in bar.ax.lines]

    assert marks(2.0) == [2.0]
    assert marks(100.0) == marks(None) == []


def test_origin_of_the_scale_is_said():
    assert [text.get_text() for text in drawn_axes(panel(), score_range_from='of the sky')[-1].texts] == [
        'colour scale: of the sky']
    assert len(drawn_axes(panel())[-1].texts) == 0


# ------------------------------------------------------------------ mask and boxes
WHITE = np.full((320, 640, 3), 255, dtype=np.uint8)


def components_panel(boxes=(), mask=None, image=WHITE, ground_truth=None):
    height, width = image.shape[:2]
    mask = np.zeros((height, width), dtype=bool) if mask is None else mask
    return Panel(image, np.zeros((height, width), dtype=np.int64), np.full((height, width), RANGE[0]), ground_truth,
                 Components(mask, boxes))


def draw_components(**arguments):
    return draw_panels(components_panel(**arguments), PALETTE, RANGE, threshold=1.5)


def square(height=320, width=640, size=100):
    mask = np.zeros((height, width), dtype=bool)
    mask[60:60 + size, 200:200 + size] = True
    return mask


def drawn_axes(frame, **arguments):
    """What matplotlib was asked to draw: the axes of the pictures."""
    figures = []

    class Canvas(backend_agg.FigureCanvasAgg):
        def __init__(self, figure):
            figures.append(figure)
            super().__init__(figure)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backend_agg, 'FigureCanvasAgg', Canvas)
        draw_panels(frame, PALETTE, RANGE, **arguments)
    return [axes for axes in figures[0].axes if axes.get_title()]


@pytest.mark.parametrize(('ground_truth', 'with_components', 'rows', 'width'), [
    (False, False, (3,), 15), (True, False, (2, 2), 10), (False, True, (2, 2), 10), (True, True, (3, 2), 12),
])
def test_layouts(ground_truth, with_components, rows, width):
    frame = panel(ground_truth)
    if with_components:
        frame = frame._replace(components=Components(np.zeros((32, 64), dtype=bool), []))
    picture = draw_panels(frame, PALETTE, RANGE)
    height = sum(width / in_row / 2 + 0.35 for in_row in rows)
    np.testing.assert_allclose(picture.shape[:2], (110 * height, 110 * width), atol=2)
    in_rows = [axes.get_subplotspec().rowspan.start for axes in drawn_axes(frame)]
    assert in_rows == np.repeat(range(len(rows)), rows).tolist()
    for color in (*PALETTE, (1, 2, 250), COLORMAP[0]):  # the pictures of before are all there
        assert count(picture, color) > 1000, color


def test_mask_is_translucent_on_grey():
    picture = draw_components(mask=square())
    # White becomes 0.7 * 255 grey; inside the mask half of that and half of orange.
    outside, inside = (178, 178, 178), np.round(0.5 * 0.7 * 255 + 0.5 * np.array(ORANGE))
    assert count(picture, ORANGE) > 100  # the outline
    # The outline, 2 px thick, is part of the mask.
    shares = np.array([count(picture, color) for color in (outside, inside, ORANGE)])
    expected = np.array([640 * 320 - 100 * 100, 96 * 96, 100 * 100 - 96 * 96])
    np.testing.assert_allclose(shares / shares.sum(), expected / expected.sum(), atol=0.005)


def test_image_below_the_mask_stays_visible():
    image = WHITE.copy()
    image[:, :250] = (200, 30, 30)
    inside = {tuple(color) for color in draw_components(mask=square(), image=image).reshape(-1, 3)}
    grey = 0.299 * 200 + 0.587 * 30 + 0.114 * 30
    dark = np.array(ORANGE) / 2 + 0.35 * grey
    assert any(np.abs(np.array(color, dtype=float) - dark).max() <= 1 for color in inside)


def test_outline_is_in_proportion_to_the_frame():
    """2 px of 640 and 5 px of 1920, drawn at one size."""
    small, large = (draw_components(mask=square().repeat(scale, 0).repeat(scale, 1),
                                    image=WHITE.repeat(scale, 0).repeat(scale, 1)) for scale in (1, 3))
    assert count(large, ORANGE) / count(small, ORANGE) == pytest.approx(5 / 1920 / (2 / 640), rel=0.15)


def test_boxes_lie_around_their_pixels():
    image = np.zeros((20, 40, 3), dtype=np.uint8)
    axes = drawn_axes(components_panel(boxes=[(0, 0, 40, 20, 1.0), (3, 5, 7, 2, 2.0)], image=image))[2]
    assert [patch.get_bbox().bounds for patch in axes.patches] == [(-0.5, -0.5, 40, 20), (2.5, 4.5, 7, 2)]
    assert tuple(axes.get_images()[0].get_extent()) == (-0.5, 39.5, 19.5, -0.5)
    # The lines are as wide on small frames as on large ones: points, not pixels of the frame.
    assert {patch.get_linewidth() for patch in axes.patches} == {1.0}


def test_every_box_is_drawn_and_no_score_covers_another():
    boxes = [(20 * index, 100 + index % 3, 8, 9, float(index) - 7) for index in range(25)]
    axes = drawn_axes(components_panel(boxes=boxes))[2]
    assert len(axes.patches) == 25
    written = [text.get_text() for text in axes.texts]
    assert '17' in written
    assert 5 < len(written) <= 20
    assert all(written.count(text) == 1 for text in written)
    extents = [text.get_bbox_patch().get_window_extent() for text in axes.texts]
    assert not any(one.overlaps(other) for index, one in enumerate(extents) for other in extents[:index])
    assert axes.get_title().endswith(f'(components: 25, scores of {len(written)} shown)')


@pytest.mark.parametrize('size', [(90, 160), (512, 1024), (300, 100)])
@pytest.mark.parametrize('corner', [(0, 0), (0, 1), (1, 1)])
def test_scores_stay_inside_the_picture(size, corner):
    image = np.zeros((*size, 3), dtype=np.uint8)
    (height, width), (down, right) = size, corner
    box_width, box_height = width // 20, height // 20
    box = (right * (width - box_width), down * (height - box_height), box_width, box_height, -12.5)
    axes = drawn_axes(components_panel(boxes=[box], image=image))[2]
    picture, label = axes.get_window_extent(), axes.texts[0].get_window_extent()
    assert label.width > 15
    assert picture.x0 <= label.x0
    assert label.x1 <= picture.x1
    assert picture.y0 <= label.y0
    assert label.y1 <= picture.y1


def test_titles():
    def titles(boxes=(), ground_truth=None, **arguments):
        frame = components_panel(boxes=boxes, ground_truth=ground_truth)
        return [axes.get_title() for axes in drawn_axes(frame, **arguments)]

    box = (1, 2, 3, 4, 5.0)
    assert titles(threshold=-6.25) == ['image', 'prediction', 'mask at threshold \u22126.25 (components: 0)',
                                       'anomaly map (energy)']
    assert titles([box])[2] == 'mask (components: 1)'
    # In this corner there is room for the label of one of them.
    assert titles([box] * 21)[2] == 'mask (components: 21, scores of 1 shown)'
    assert titles(ground_truth=np.zeros((320, 640), dtype=np.uint8), score_name='msp') == [
        'image', 'ground truth: anomaly orange, void hatched', 'prediction', 'mask (components: 0)',
        'anomaly map (msp)']
