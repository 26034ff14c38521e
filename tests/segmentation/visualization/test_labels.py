"""Labels of boxes: inside the picture, beside their box, none over another."""
import numpy as np
import pytest

from mmseg_ood.segmentation.visualization.labels import MOST_LABELS, format_score, place_labels

SIZE = (20.0, 8.0)


def place(*boxes, size=SIZE, height=100, width=200):
    return place_labels(boxes, [size] * len(boxes), height, width)


@pytest.mark.parametrize(('box', 'corner'), [
    ((50, 40, 30, 10, 1.0), (50, 32)),      # above
    ((50, 3, 30, 10, 1.0), (50, 13)),       # below, where there is no room above
    ((195, 40, 5, 10, 1.0), (180, 32)),     # moved into the picture
    ((0, 0, 200, 100, 1.0), (0, 0)),        # inside, where the box is the picture
    ((50, 8, 30, 10, 1.0), (50, 0)),        # just enough room above
])
def test_best_place(box, corner):
    assert place(box) == {0: corner}


def test_higher_score_chooses_first():
    low, high = (50, 40, 30, 10, 1.0), (50, 40, 30, 10, 2.0)
    # The other one goes to the right end of the box if the two labels fit beside each other, else below.
    assert place(low, high) == {1: (50, 32), 0: (50, 50)}
    assert place(low, high, size=(15.0, 8.0)) == {1: (50, 32), 0: (65, 32)}


def test_labels_without_room_are_left_out():
    assert place((0, 0, 3, 3, 1.0), (0, 0, 3, 3, 2.0), height=9, width=20) == {1: (0, 0)}
    assert place((0, 0, 3, 3, 1.0), height=5, width=20) == {}


def test_most_labels():
    boxes = [(30 * (index % 6), 10 * (index // 6 + 1), 5, 2, float(index)) for index in range(30)]
    placed = place(*boxes, size=(1.0, 1.0))
    assert sorted(placed) == list(range(30 - MOST_LABELS, 30))


@pytest.mark.parametrize('seed', range(5))
def test_no_overlap_on_random_boxes(seed):
    rng = np.random.default_rng(seed)
    boxes = [(*map(int, rng.integers(0, 90, 2)), 10, 10, float(rng.random())) for _ in range(40)]
    sizes = [tuple(rng.integers(5, 40, 2)) for _ in boxes]
    covered = np.zeros((100, 100), dtype=int)
    placed = place_labels(boxes, sizes, 100, 100)
    assert len(placed) > 3
    for index, (left, top) in placed.items():
        width, height = sizes[index]
        assert min(left, top) >= 0
        assert left + width <= 100
        assert top + height <= 100
        covered[int(top):int(top + height), int(left):int(left + width)] += 1
    assert covered.max() == 1


@pytest.mark.parametrize(('score', 'text'), [(-2.6262, '-2.63'), (0.00012345, '0.000123'), (5.0, '5')])
def test_format(score, text):
    assert format_score(score) == text
