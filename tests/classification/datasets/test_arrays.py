"""Numpy files: memory-mapped outliers, labelled archives, and what they may not hold."""
import numpy as np
import pytest
from mmengine.registry import DATASETS

from mmseg_ood.classification.datasets import ArrayDataset

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), dtype=np.uint8)


@pytest.fixture
def saved(tmp_path):
    def saved(name, *arrays, **named):
        path = str(tmp_path / name)
        (np.savez if name.endswith('.npz') else np.save)(path, *arrays, **named)
        return path
    return saved


def test_npy_is_memory_mapped(saved):
    path = saved('x.npy', IMAGES)
    dataset = DATASETS.build({'type': 'ArrayDataset', 'path': path, 'num_images': 4})
    assert isinstance(dataset.images, np.memmap)
    assert (len(dataset), set(dataset.labels.tolist()), dataset.split) == (4, {-1}, None)
    assert dataset.names[3] == f'{path}[3]'
    np.testing.assert_array_equal(dataset.__getitems__([3, 0])['images'], IMAGES[[3, 0]])
    assert len(ArrayDataset(path, split='train')) == 6


@pytest.mark.parametrize(('name', 'given', 'split'), [
    ('300K_random_images.npy', None, None), ('svhn_test.npy', None, 'test'), ('test.npy', 'train', 'train')])
def test_split(saved, name, given, split):
    assert ArrayDataset(saved(name, IMAGES), split=given).split == split


def test_channels_first_is_transposed(saved):
    dataset = ArrayDataset(saved('x.npy', IMAGES.transpose(0, 3, 1, 2)))
    batch = dataset.__getitems__([5, 2])['images']
    np.testing.assert_array_equal(batch, IMAGES[[5, 2]])
    assert batch.is_contiguous()


def test_images_of_3_px_are_channels_last(saved):
    images = IMAGES[:, :3, :3]
    np.testing.assert_array_equal(ArrayDataset(saved('x.npy', images)).images, images)


def test_npz(saved):
    path = saved('x.npz', images=IMAGES, labels=np.array([0, 1, -1, 2, 0, 1], np.int8))
    dataset = ArrayDataset(path, labels_key='labels', num_images=5)
    np.testing.assert_array_equal(dataset.images, IMAGES[:5])
    assert dataset.labels.tolist() == [0, 1, -1, 2, 0]
    assert dataset.labels.dtype == np.int64
    assert ArrayDataset(path, key='images').labels.tolist() == [-1] * 6
    assert len(ArrayDataset(saved('y.npz', IMAGES))) == 6


@pytest.mark.parametrize(('arguments', 'message'), [
    ({}, r'holds the arrays images, labels; name the images with key'),
    ({'key': 'image'}, 'no array image, only images, labels'),
    ({'labels_key': 'label', 'key': 'images'}, 'no array label, only images, labels'),
    ({'key': 'labels'}, r'holds \(6,\) of int64, expected \(N, S, S, 3\)'),
    ({'key': 'images', 'labels_key': 'images'}, r'images in .* is \(6, 4, 4, 3\) of uint8, expected \(6,\)'),
    ({'key': 'images', 'labels_key': 'labels', 'num_images': 7}, 'num_images=7, expected 1 to 6'),
    ({'key': 'images', 'labels_key': 'labels', 'num_images': 0}, 'num_images=0, expected 1 to 6')])
def test_wrong_arguments(saved, arguments, message):
    path = saved('x.npz', images=IMAGES, labels=np.zeros(6, np.int64))
    with pytest.raises(ValueError, match=message):
        ArrayDataset(path, **arguments)


def test_labels_below_minus_one(saved):
    path = saved('x.npz', images=IMAGES, labels=np.full(6, -2))
    with pytest.raises(ValueError, match=r'label -2 of .*x\.npz\[0\]'):
        ArrayDataset(path, labels_key='labels')


@pytest.mark.parametrize(('content', 'found'), [
    (IMAGES.astype(np.float32), r'\(6, 4, 4, 3\) of float32'), (IMAGES[:, :2], r'\(6, 2, 4, 3\) of uint8'),
    (IMAGES[..., 0], r'\(6, 4, 4\) of uint8'), (IMAGES[..., :1], r'\(6, 4, 4, 1\) of uint8')])
def test_other_arrays_are_refused(saved, content, found):
    with pytest.raises(ValueError, match=rf'x\.npy holds {found}, expected \(N, S, S, 3\) or \(N, 3, S, S\) of uint8'):
        ArrayDataset(saved('x.npy', content))


def test_unusable_files(saved, tmp_path):
    with pytest.raises(FileNotFoundError, match=r'nowhere\.npy does not exist'):
        ArrayDataset(str(tmp_path / 'nowhere.npy'))
    with pytest.raises(ValueError, match=r"key='images' and labels_key=None have no effect on .*x\.npy"):
        ArrayDataset(saved('x.npy', IMAGES), key='images')
    with pytest.raises(ValueError, match=r'objects\.npy cannot be used: .*(pickle|object)'):
        ArrayDataset(saved('objects.npy', np.array([{}], object)))
    for name in ('x.npy', 'x.npz'):
        path = tmp_path / name
        saved(name, IMAGES)
        path.write_bytes(path.read_bytes()[:150])
        with pytest.raises(ValueError, match=f'{name} cannot be used'):
            ArrayDataset(str(path))
