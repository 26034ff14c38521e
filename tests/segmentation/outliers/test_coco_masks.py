import numpy as np
import pytest
from pycocotools import mask as coco_mask

from mmseg_ood.segmentation.outliers.coco_masks import encode

# Column-major runs of this mask: 5 off, 2 on, 2 off, 2 on, 2 off, 2 on, 5 off.
MASK = np.array([[0, 0, 0, 0, 0],
                 [0, 1, 1, 1, 0],
                 [0, 1, 1, 1, 0],
                 [0, 0, 0, 0, 0]], np.uint8)
RUNS = [5, 2, 2, 2, 2, 2, 5]
COMPRESSED = coco_mask.encode(np.asfortranarray(MASK))['counts']


@pytest.mark.parametrize('segmentation', [
    [[1, 1, 4, 1, 4, 3, 1, 3]],
    [[1, 1, 2, 1, 2, 3, 1, 3], [2, 1, 4, 1, 4, 3, 2, 3]],
    {'size': [4, 5], 'counts': RUNS},
    {'size': [4, 5], 'counts': COMPRESSED},
    {'size': [4, 5], 'counts': COMPRESSED.decode()},
], ids=['polygon', 'two polygons', 'runs', 'compressed bytes', 'compressed string'])
def test_all_forms_give_the_mask(segmentation):
    np.testing.assert_array_equal(coco_mask.decode(encode(segmentation, 4, 5)), MASK)


def test_compressed_runs_of_random_masks():
    rng = np.random.default_rng(0)
    for _ in range(50):
        mask = (rng.random(rng.integers(1, 90, size=2)) < rng.choice([0.01, 0.5, 0.99])).astype(np.uint8)
        runs = coco_mask.encode(np.asfortranarray(mask))
        np.testing.assert_array_equal(coco_mask.decode(encode(runs, *mask.shape)), mask)


@pytest.mark.parametrize('segmentation', [
    None, [], 'text', [[]], [[1, 1, 2, 2]], [[1, 1, 2, 2, 3, 3, 4]], [[1, 1, 2, 2, 3, float('nan')]],
    [[1, 1, 2, 2, 3, 1e9]], [['a', 'b', 'c', 'd', 'e', 'f']], [[[1, 1], [2, 2], [3, 3]]],
], ids=str)
def test_malformed_polygons(segmentation):
    with pytest.raises(ValueError, match='polygon'):
        encode(segmentation, 4, 5)


@pytest.mark.parametrize('segmentation', [
    {}, {'size': [4, 5]}, {'counts': RUNS}, {'size': [5, 4], 'counts': RUNS},
    {'size': [4, 5], 'counts': []}, {'size': [4, 5], 'counts': [5, 5, 5]},
    {'size': [4, 5], 'counts': [30, -10]}, {'size': [4, 5], 'counts': [1.5, 18.5]},
    {'size': [4, 5], 'counts': COMPRESSED[:-1]}, {'size': [4, 5], 'counts': COMPRESSED + b'1'},
    {'size': [4, 5], 'counts': 'zzzz'}, {'size': [4, 5], 'counts': 'a b'}, {'size': [4, 5], 'counts': 'é'},
], ids=str)
def test_malformed_runs(segmentation):
    with pytest.raises(ValueError, match='run lengths'):
        encode(segmentation, 4, 5)
