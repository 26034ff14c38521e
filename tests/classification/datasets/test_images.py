"""Image sets: what they hold, what they refuse, how they hand out batches."""
import pickle

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import FUNCTIONS
from torch.utils.data import ConcatDataset, DataLoader, Subset

from mmseg_ood.classification.datasets import DigitsDataset, ImageSet, take_batch
from mmseg_ood.classification.datasets.images import NumberedNames, build_image_set

IMAGES = np.arange(3 * 2 * 2 * 3, dtype=np.uint8).reshape(3, 2, 2, 3)


def test_batch_is_a_copy_in_the_order_of_the_indices():
    images = ImageSet(IMAGES.copy(), [0, 1, -1], 'abc', classes=['cat', 'dog'], split='train')
    batch = images.__getitems__([2, 0, 2])
    assert batch['images'].dtype == torch.uint8
    assert batch['labels'].dtype == torch.int64
    np.testing.assert_array_equal(batch['images'], IMAGES[[2, 0, 2]])
    assert batch['labels'].tolist() == [-1, 0, -1]
    batch['images'].zero_()
    np.testing.assert_array_equal(images.images, IMAGES)
    assert (len(images), images.image_size, images.num_classes, images.sets) == (3, 2, 2, (images,))
    assert images.metainfo == {'classes': ('cat', 'dog')}


def test_single_image():
    image = ImageSet(IMAGES, [0, 1, -1], 'abc')[1]
    np.testing.assert_array_equal(image['images'], IMAGES[1])
    assert image['labels'].shape == ()
    assert image['labels'] == 1


def test_without_names_classes_are_those_that_occur():
    assert ImageSet(IMAGES, [0, 4, -1], 'abc').num_classes == 5


@pytest.mark.parametrize(('images', 'labels', 'names', 'arguments', 'message'), [
    (IMAGES.astype(float), [0] * 3, 'abc', {}, r'\(3, 2, 2, 3\) of float64, expected \(N, S, S, 3\) of uint8'),
    (IMAGES[..., 0], [0] * 3, 'abc', {}, r'\(3, 2, 2\) of uint8'),
    (IMAGES[:, :1], [0] * 3, 'abc', {}, r'\(3, 1, 2, 3\) of uint8'),
    (IMAGES, [0] * 2, 'abc', {}, '3 images, 2 labels and 3 names'),
    (IMAGES, [0] * 3, 'ab', {}, '3 images, 3 labels and 2 names'),
    (IMAGES[:0], [], '', {}, 'holds no images'),
    (IMAGES, [0., 1., 2.], 'abc', {}, 'of float64, expected one integer'),
    (IMAGES, [[0]] * 3, 'abc', {}, r'labels are \(3, 1\)'),
    (IMAGES, [0, -2, -2], 'abc', {}, r'label -2 of b and of 1 more images, expected a class or -1 \(outlier\)'),
    (IMAGES, [0, 1, 2], 'abc', {'classes': ['cat', 'dog']}, 'label 2 of c and of 0 more images, expected 0 to 1 or -1'),
    (IMAGES, [0] * 3, 'abc', {'split': 'val'}, "split='val', expected one of 'train', 'test', or None"),
])
def test_wrong_content_is_refused(images, labels, names, arguments, message):
    with pytest.raises(ValueError, match=message):
        ImageSet(images, labels, names, **arguments)


@pytest.mark.parametrize('num_workers', [0, 1])
def test_data_loader_takes_whole_batches(num_workers):
    loader = DataLoader(ImageSet(IMAGES, [0, 1, -1], 'abc'), batch_size=2, collate_fn=FUNCTIONS.get('take_batch'),
                        num_workers=num_workers)
    batches = list(loader)
    assert [batch['labels'].tolist() for batch in batches] == [[0, 1], [-1]]
    np.testing.assert_array_equal(torch.cat([batch['images'] for batch in batches]), IMAGES)


def test_other_collate_function_is_told_apart():
    images = ImageSet(IMAGES, [0, 1, -1], 'abc')
    with pytest.raises(KeyError, match="needs collate_fn=dict\\(type='take_batch'\\)"):
        next(iter(DataLoader(images, batch_size=2, collate_fn=pseudo_collate)))
    with pytest.raises(KeyError, match='a batch has no .*label') as raised:
        images.__getitems__([0])['label']
    assert 'take_batch' not in str(raised.value)
    assert images.__getitems__([0]).get('label') is None


def test_wrapper_that_loads_image_by_image_is_refused():
    images = ImageSet(IMAGES, [0, 1, -1], 'abc')
    with pytest.raises(TypeError, match='take_batch got a list, expected a batch'):
        next(iter(DataLoader(ConcatDataset([images, images]), batch_size=2, collate_fn=take_batch)))
    batch = next(iter(DataLoader(Subset(images, [2, 1]), batch_size=2, collate_fn=take_batch)))
    assert batch['labels'].tolist() == [-1, 1]


def test_batch_survives_pickling():
    batch = ImageSet(IMAGES, [0, 1, -1], 'abc').__getitems__([0, 1])
    copied = pickle.loads(pickle.dumps(batch))
    assert take_batch(copied) is copied
    assert torch.equal(copied['images'], batch['images'])


def test_numbered_names():
    names = NumberedNames('x.npy', 3)
    assert (list(names), names[-1], len(names)) == (['x.npy[0]', 'x.npy[1]', 'x.npy[2]'], 'x.npy[2]', 3)
    with pytest.raises(IndexError, match=r'x\.npy has 3 images, no index 3'):
        names[3]


def test_build_names_the_key():
    images = ImageSet(IMAGES, [0, 1, -1], 'abc')
    assert build_image_set(images, 'Owner', 'inliers') is images
    assert isinstance(build_image_set({'type': 'DigitsDataset'}, 'Owner', 'inliers'), DigitsDataset)
    with pytest.raises(TypeError, match='Owner: inliers is a str, expected the config of a data set'):
        build_image_set('DigitsDataset', 'Owner', 'inliers')
