"""The overlay: image below, colours of the scores above, outline and boxes on top."""
import matplotlib
import numpy as np
import pytest

from mmseg_ood.core import detect_components
from mmseg_ood.segmentation.visualization import Components, draw_overlay
from mmseg_ood.segmentation.visualization.panels import ANOMALY_COLORMAP, BOX_COLOR

HEIGHT, WIDTH = 90, 160
COLORMAP = 255 * matplotlib.colormaps[ANOMALY_COLORMAP](np.linspace(0, 1, 256))[:, :3]


def picture(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def square(value=3.0, rest=0.0):
    score = np.full((HEIGHT, WIDTH), rest, np.float32)
    score[30:60, 40:80] = value
    return score


def test_blend_is_that_of_the_colour_map():
    """Opacity rises from 0.35 to 0.75 with the score; the colours are those of the panels."""
    score = np.linspace(-3, 4, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
    level = np.clip((score + 2) / 5, 0, 1)
    opacity = (0.35 + 0.4 * level)[..., None]
    expected = (1 - opacity) * picture() + opacity * COLORMAP[np.round(255 * level).astype(int)]
    overlay = draw_overlay(picture(), score, (-2, 3))
    assert overlay.dtype == np.uint8
    np.testing.assert_allclose(overlay, expected, atol=2.5)


@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.float64])
def test_types_of_scores(dtype):
    np.testing.assert_array_equal(draw_overlay(picture(), square().astype(dtype), (0, 4)),
                                  draw_overlay(picture(), square(), (0, 4)))


def test_constant_score_on_a_scale_of_one_point():
    assert draw_overlay(picture(), square(0.0), (0, 0)).shape == (HEIGHT, WIDTH, 3)


def test_inputs_stay_as_they_are():
    image, score = picture(), square()
    draw_overlay(image, score, (0, 4), 2.0, Components(score > 2, [(40, 30, 40, 30, 3.0)]))
    np.testing.assert_array_equal(image, picture())
    np.testing.assert_array_equal(score, square())


def test_mirrored_image_is_read_right():
    np.testing.assert_array_equal(draw_overlay(picture()[:, ::-1], square(0.0), (0, 4)),
                                  draw_overlay(picture(), square(0.0), (0, 4))[:, ::-1])


def test_outline_runs_along_the_threshold():
    plain, outlined = (draw_overlay(picture(), square(), (0, 4), threshold) for threshold in (None, 3.0))
    white, black = ((outlined == value).all(-1) & (plain != outlined).any(-1) for value in (255, 0))
    inside = np.zeros((HEIGHT, WIDTH), dtype=bool)
    inside[30:60, 40:80] = True
    core, around = np.zeros_like(inside), np.zeros_like(inside)
    core[31:59, 41:79] = True
    around[29:61, 39:81] = True
    np.testing.assert_array_equal(white, inside & ~core)
    np.testing.assert_array_equal(black, around & ~inside)
    np.testing.assert_array_equal(draw_overlay(picture(), square(), (0, 4), 3.001), plain)


def test_outline_of_components():
    score = square()
    mask, _ = detect_components(score, 2.0)
    np.testing.assert_array_equal(draw_overlay(picture(), score, (0, 4), components=Components(mask, [])),
                                  draw_overlay(picture(), score, (0, 4), 2.0))


def test_boxes_and_their_scores():
    score = square()
    box = (40, 30, 40, 30, 3.0)
    without, drawn = (draw_overlay(picture(), score, (0, 4), components=Components(score > 2, boxes))
                      for boxes in ([], [box]))
    blue = (drawn == BOX_COLOR).all(-1)
    edge = np.zeros((HEIGHT, WIDTH), dtype=bool)
    edge[30:60, [40, 79]] = edge[[30, 59], 40:80] = True
    assert blue[edge].all()
    changed = (without != drawn).any(-1) & ~edge
    rows, columns = np.nonzero(changed)
    assert rows.max() < 30  # the label stands above the box, at its left end
    assert columns.min() == 40
    assert blue[changed].mean() > 0.5
    assert (drawn[changed] < 60).all(-1).any()  # dark digits


def test_thickness_is_in_proportion_to_the_frame():
    def white(scale):
        score = square().repeat(scale, 0).repeat(scale, 1)
        image = np.full((*score.shape, 3), 90, np.uint8)
        return (draw_overlay(image, score, (0, 4), 2.0) == 255).all(-1).sum()

    assert white(12) / (12 * 12) == pytest.approx(white(4) / (4 * 4), rel=0.1)
