"""Inlier and OOD test sets in one pass."""
import numpy as np
import pytest
import torch
from mmengine.registry import DATASETS
from mmengine.runner import Runner

from mmseg_ood.classification.datasets import ImageSet, TestSetsDataset


@pytest.fixture
def dataset(numbered):
    return TestSetsDataset(numbered(3, [0, 1, 0], classes=['a', 'b'], split='test'),
                           {'far': numbered(2, -1, start=100), 'near': numbered(3, [-1, 1, -1], start=200)})


def test_all_images_one_after_the_other(dataset):
    assert (len(dataset), dataset.set_names, list(dataset.ood)) == (8, ('far', 'near'), ['far', 'near'])
    assert dataset.metainfo == {'classes': ('a', 'b'), 'set_names': ('far', 'near')}
    batch = dataset.__getitems__(range(8))
    assert batch['images'][:, 0, 0, 0].tolist() == [0, 1, 2, 100, 101, 200, 201, 202]
    assert batch['labels'].tolist() == [0, 1, 0, -1, -1, -1, 1, -1]
    assert batch['sources'].tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    assert batch['sources'].dtype == torch.int64
    assert dataset.__getitems__([7, 0, 3])['sources'].tolist() == [2, 0, 1]
    assert dataset[6]['sources'] == 2


@pytest.mark.parametrize('num_workers', [0, 1])
def test_data_loader(dataset, num_workers):
    loader = Runner.build_dataloader(dict(dataset=dataset, batch_size=5, num_workers=num_workers,
                                          sampler=dict(type='DefaultSampler', shuffle=False),
                                          collate_fn=dict(type='take_batch')))
    assert [batch['sources'].tolist() for batch in loader] == [[0, 0, 0, 1, 1], [2, 2, 2]]


def test_from_a_config():
    digits = {'type': 'DigitsDataset', 'split': 'test'}
    dataset = DATASETS.build({'type': 'TestSetsDataset', 'inliers': {**digits, 'classes': (0, 1)}, 'ood': {
        'eights': {**digits, 'classes': (8,), 'outlier': True}}})
    assert dataset.metainfo == {'classes': ('0', '1'), 'set_names': ('eights',)}


def test_set_without_outliers(numbered):
    with pytest.raises(ValueError, match=r'OOD set far \(image5, \.\.\.\) holds no outlier.*outlier=True'):
        TestSetsDataset(numbered(2), {'near': numbered(2, -1), 'far': numbered(2, 0, start=5)})


def test_inliers_without_a_class(numbered):
    with pytest.raises(ValueError, match='1 of the inliers have the label -1: image1'):
        TestSetsDataset(numbered(2, [0, -1]), {'far': numbered(2, -1)})


def test_labels_of_other_classes(numbered):
    with pytest.raises(ValueError, match=r'1 images of the OOD set far have labels of other classes than the 2 of the '
                                         r'inliers: image1 \(2\)'):
        TestSetsDataset(numbered(2, classes=['a', 'b']), {'far': numbered(2, [-1, 2])})


@pytest.mark.parametrize('ood', [{}, {'mean': None}, {'a/b': None}])
def test_names(numbered, ood):
    with pytest.raises(ValueError, match=r'ood names the sets (\(none\)|mean|a/b), expected one at least'):
        TestSetsDataset(numbered(2), ood)


def test_wrong_config_names_its_key(numbered):
    with pytest.raises(TypeError, match=r'TestSetsDataset: ood\.far is a list'):
        TestSetsDataset(numbered(2), {'far': []})


def test_sizes_must_agree(numbered):
    large = ImageSet(np.zeros((1, 4, 4, 3), np.uint8), [-1], ['large'])
    with pytest.raises(ValueError, match='TestSetsDataset: large is 4 px wide and high, expected 2 like image0'):
        TestSetsDataset(numbered(2), {'far': large})
