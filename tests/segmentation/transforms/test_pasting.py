import numpy as np
import pytest

from mmseg_ood.segmentation.outliers import Outlier
from mmseg_ood.segmentation.transforms import pasting
from mmseg_ood.segmentation.transforms.pasting import (
    draw_place,
    edge_opacity,
    mirror,
    overlap,
    paste,
    rescale,
)


def random_outlier(rng, height, width):
    mask = rng.random((height, width)) < 0.6
    mask[0, 0] = True
    return Outlier(rng.integers(0, 256, (height, width, 3), dtype=np.uint8), mask)


@pytest.mark.parametrize(('corner', 'shape', 'on_canvas', 'on_object'), [
    ((2, 3), (4, 5), (2, 6, 3, 8), (0, 4, 0, 5)),         # inside
    ((-1, -2), (4, 5), (0, 3, 0, 3), (1, 4, 2, 5)),       # over the top left corner
    ((8, 10), (4, 5), (8, 10, 10, 12), (0, 2, 0, 2)),     # over the bottom right corner
    ((-1, -1), (12, 14), (0, 10, 0, 12), (1, 11, 1, 13)),  # larger than the image
])
def test_overlap_on_10_by_12_px(corner, shape, on_canvas, on_object):
    windows = overlap(corner, shape, (10, 12))
    found = [[end for span in window for end in (span.start, span.stop)] for window in windows]
    assert found == [list(on_canvas), list(on_object)]


@pytest.mark.parametrize('image_type', [np.uint8, np.float32])
@pytest.mark.parametrize('label_type', [np.uint8, np.int64])
def test_paste_is_exact_inside_and_leaves_the_rest(image_type, label_type):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        before = rng.integers(0, 256, (10, 12, 3)).astype(image_type)
        labels_before = rng.integers(0, 19, (10, 12)).astype(label_type)
        outlier = random_outlier(rng, *rng.integers(1, 16, size=2))
        corner = tuple(rng.integers(-3, 8, size=2))
        image, labels = before.copy(), labels_before.copy()
        paste(image, labels, outlier, corner, 254)
        for row in range(10):
            for column in range(12):
                there = row - corner[0], column - corner[1]
                inside = all(0 <= at < side for at, side in zip(there, outlier.mask.shape, strict=True))
                if inside and outlier.mask[there]:
                    assert labels[row, column] == 254
                    np.testing.assert_array_equal(image[row, column], outlier.image[there])
                else:
                    assert labels[row, column] == labels_before[row, column]
                    np.testing.assert_array_equal(image[row, column], before[row, column])
        assert (image.dtype, labels.dtype) == (image_type, label_type)


def test_opacity_rises_linearly_from_the_rim():
    opacity = edge_opacity(np.ones((7, 9), bool), feather=2)
    np.testing.assert_allclose(opacity[3], [1 / 3, 2 / 3, 1, 1, 1, 1, 1, 2 / 3, 1 / 3], rtol=1e-6)
    np.testing.assert_allclose(opacity[:, 4], [1 / 3, 2 / 3, 1, 1, 1, 2 / 3, 1 / 3], rtol=1e-6)


def test_opacity_is_positive_exactly_on_the_mask():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        mask = rng.random((9, 9)) < 0.7
        feather = int(rng.integers(0, 5))
        opacity = edge_opacity(mask, feather)
        np.testing.assert_array_equal(opacity > 0, mask)
        assert (opacity[mask] >= np.float32(1 / (feather + 1))).all()
        assert opacity.max() <= 1


def test_feathering_blends_by_opacity_and_does_not_touch_labels():
    image, labels = np.full((9, 9, 3), 100, np.uint8), np.zeros((9, 9), np.uint8)
    mask = np.ones((5, 5), bool)
    mask[2, 0] = False
    paste(image, labels, Outlier(np.full((5, 5, 3), 200, np.uint8), mask), (2, 2), 254, feather=1)
    np.testing.assert_array_equal(labels[2:7, 2:7] == 254, mask)
    assert np.count_nonzero(labels) == 24
    assert image[2:7, 2:7, 0].tolist() == [
        [150, 150, 150, 150, 150],
        [150, 171, 200, 200, 150],  # sqrt(2) px from the notch: opacity 0.707
        [100, 150, 200, 200, 150],
        [150, 171, 200, 200, 150],
        [150, 150, 150, 150, 150]]
    assert (image[labels == 0] == 100).all()


def test_feathering_follows_the_object_not_the_border_of_the_image():
    image, labels = np.zeros((3, 9, 3), np.float32), np.zeros((3, 9), np.uint8)
    outlier = Outlier(np.full((9, 9, 3), 90, np.uint8), np.ones((9, 9), bool))
    paste(image, labels, outlier, (-3, 0), 254, feather=2)
    np.testing.assert_allclose(image[:, :, 0], [[30, 60, 90, 90, 90, 90, 90, 60, 30]] * 3, rtol=1e-6)


def test_mirror():
    outlier = random_outlier(np.random.default_rng(0), 4, 5)
    np.testing.assert_array_equal(mirror(outlier).image, outlier.image[:, ::-1])
    np.testing.assert_array_equal(mirror(outlier).mask, outlier.mask[:, ::-1])


def test_rescaling_keeps_the_shape_of_the_mask():
    mask = np.zeros((20, 30), bool)
    mask[:, :12] = True
    outlier = Outlier(np.full((20, 30, 3), 77, np.uint8), mask)
    for factor, shape, columns in [(0.5, (10, 15), 6), (2, (40, 60), 24), (1, (20, 30), 12)]:
        scaled = rescale(outlier, factor)
        assert scaled.image.shape == (*shape, 3)
        assert scaled.mask.shape == shape
        assert scaled.mask[:, :columns].all()
        assert not scaled.mask[:, columns:].any()
        assert (scaled.image == 77).all()


def test_rescaling_never_loses_an_outlier():
    lonely = np.zeros((40, 40), bool)
    lonely[0, 7] = True
    outlier = Outlier(np.zeros((40, 40, 3), np.uint8), lonely)
    for factor in (1e-3, 0.1, 0.3, 0.9, 1.7):
        assert rescale(outlier, factor).mask.any()


def test_places_are_uniform_over_all_that_fit():
    rng = np.random.default_rng(0)
    mask, valid = np.ones((3, 2), bool), np.ones((5, 4), bool)
    places = [draw_place(rng, mask, valid, 0.5) for _ in range(1800)]
    counts = {place: places.count(place) for place in set(places)}
    assert set(counts) == {(row, column) for row in range(3) for column in range(3)}
    assert all(abs(count - 200) < 60 for count in counts.values())  # 4.5 standard deviations


def test_larger_objects_cover_the_image_by_any_of_their_windows():
    rng = np.random.default_rng(0)
    places = {draw_place(rng, np.ones((7, 4), bool), np.ones((5, 4), bool), 0.5) for _ in range(100)}
    assert places == {(-2, 0), (-1, 0), (0, 0)}


def test_places_respect_the_valid_fraction():
    valid = np.zeros((20, 40), bool)
    valid[:, 15:] = True
    mask = np.ones((4, 4), bool)
    for seed in range(100):
        row, column = draw_place(np.random.default_rng(seed), mask, valid, 0.75)
        assert valid[row:row + 4, column:column + 4].mean() >= 0.75


def test_an_object_is_anchored_on_a_valid_pixel_when_chance_fails():
    valid = np.zeros((50, 50), bool)
    valid[17, 31] = True
    for seed in range(30):
        rng = np.random.default_rng(seed)
        mask = random_outlier(rng, 3, 5).mask
        on_canvas, on_object = overlap(draw_place(rng, mask, valid, 1.0), mask.shape, valid.shape)
        assert (mask[on_object] & valid[on_canvas]).any()


def test_a_hole_larger_than_the_image_is_no_place(monkeypatch):
    monkeypatch.setattr(pasting, 'MAX_TRIES', 0)
    frame = np.ones((30, 30), bool)
    frame[1:-1, 1:-1] = False
    for seed in range(30):
        corner = draw_place(np.random.default_rng(seed), frame, np.ones((8, 8), bool), 0.0)
        assert frame[overlap(corner, frame.shape, (8, 8))[1]].any()
