"""The bars are the prior, in percent and in the order of the classes; the file is the same every time."""
import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from mmseg_ood.report.prior_plot import plot_prior, prior_figure

PRIOR = [0.153, 0.0, 0.8466, 0.0004]
CLASSES = ['road', 'traffic light', 'car', 'sky']
PALETTE = [[128, 64, 128], [250, 170, 30], [0, 0, 142], [70, 130, 180]]


def test_bars():
    axes, = prior_figure(PRIOR, CLASSES, 'COCO on streets', PALETTE).axes
    assert [bar.get_height() for bar in axes.patches] == pytest.approx([15.3, 0.0, 84.66, 0.04])
    assert [bar.get_x() + bar.get_width() / 2 for bar in axes.patches] == pytest.approx([0, 1, 2, 3])
    assert [label.get_text() for label in axes.get_xticklabels()] == CLASSES
    assert [text.get_text() for text in axes.texts] == ['15.3', '0.0', '84.7', '<0.1', 'uniform']
    assert [to_hex(bar.get_facecolor()) for bar in axes.patches] == ['#804080', '#faaa1e', '#00008e', '#4682b4']
    assert axes.figure.get_suptitle() == 'COCO on streets'


def test_uniform_line():
    line, = prior_figure(PRIOR, CLASSES, '').axes[0].get_lines()
    assert set(line.get_ydata()) == {25.0}


def test_one_colour_without_a_palette():
    assert len({bar.get_facecolor() for bar in prior_figure(PRIOR, CLASSES, '').axes[0].patches}) == 1


def test_all_names_and_figures_of_many_classes_are_within_the_picture_and_apart():
    names = [f'a long name {index}' for index in range(19)]
    figure = prior_figure(np.full(19, 0.153), names, '')
    figure.canvas.draw()
    axes, = figure.axes
    picture = figure.bbox
    for text in [*axes.get_xticklabels(), *axes.texts]:
        box = text.get_window_extent()
        assert picture.x0 <= box.x0 < box.x1 <= picture.x1
        assert picture.y0 <= box.y0 < box.y1 <= picture.y1
    labels = [text.get_window_extent() for text in axes.texts[:-1]]
    assert all(left.x1 < right.x0 for left, right in zip(labels, labels[1:], strict=False))


def test_files_are_the_same_every_time(tmp_path):
    for name in ('a.png', 'b.png'):
        plot_prior(PRIOR, CLASSES, 'title', tmp_path / name, PALETTE)
    assert (tmp_path / 'a.png').read_bytes() == (tmp_path / 'b.png').read_bytes()
    assert Image.open(tmp_path / 'a.png').info['Title'] == 'title'


@pytest.mark.parametrize(('arguments', 'message'), [
    (([0.5, 0.5], ['road']), 'found prior 2, classes 1'),
    (([0.5, 0.5], ['road', 'car'], '', [[0, 0, 0]]), 'found prior 2, classes 2, palette 1'),
    (([], []), 'found prior 0, classes 0'),
])
def test_what_does_not_fit_together(arguments, message):
    arguments = (*arguments, '') if len(arguments) == 2 else arguments
    with pytest.raises(ValueError, match=f'expected one entry for each class, {message}'):
        prior_figure(*arguments)
