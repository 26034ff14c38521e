"""Palettes: the first that fits the classes."""
import numpy as np
import pytest
from mmseg.utils import get_palette

from mmseg_ood.segmentation.visualization import choose_palette
from mmseg_ood.segmentation.visualization.palettes import colorize_classes

TWO, OTHER_TWO, THREE = [[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [0, 0, 0]], [[9, 9, 9]] * 3


@pytest.mark.parametrize(('num_classes', 'candidates', 'expected'), [
    (2, [TWO, OTHER_TWO], TWO), (2, [None, THREE, OTHER_TWO], OTHER_TWO), (3, [TWO, THREE], THREE),
    (19, [TWO], get_palette('cityscapes')), (19, [], get_palette('cityscapes')),
])
def test_first_that_fits(num_classes, candidates, expected):
    palette = choose_palette(num_classes, *candidates)
    assert palette.dtype == np.uint8
    assert palette.tolist() == expected


def test_any_distinct_colours_where_none_fits():
    palette = choose_palette(11, TWO)
    assert len(set(map(tuple, palette.tolist()))) == 11
    np.testing.assert_array_equal(palette, choose_palette(11))


def test_classes_become_their_colours():
    colors = colorize_classes(np.array([[1, 0]]), TWO)
    assert colors.dtype == np.uint8
    assert colors.tolist() == [[[4, 5, 6], [1, 2, 3]]]
