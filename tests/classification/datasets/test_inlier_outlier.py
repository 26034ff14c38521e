"""Inliers and outliers as one data set."""
import numpy as np
import pytest
from mmengine.registry import DATASETS

from mmseg_ood.classification.datasets import ConcatenatedImages, ImageSet, InlierOutlierDataset


def pixels(batch):
    return batch['images'][:, 0, 0, 0].tolist()


def test_outliers_follow_the_inliers(numbered):
    inliers, outliers = numbered(3, [0, 1, 0], classes=['a', 'b'], split='train'), numbered(4, -1, start=100)
    dataset = InlierOutlierDataset(inliers, outliers)
    assert len(dataset) == 3
    assert (dataset.inliers, dataset.outliers) == (inliers, outliers)
    assert dataset.metainfo == {'classes': ('a', 'b')}
    batch = dataset.__getitems__([6, 1, 3, 0, 6])
    assert pixels(batch) == [103, 1, 100, 0, 103]
    assert batch['labels'].tolist() == [-1, 1, -1, 0, -1]
    assert dataset[4]['labels'] == -1
    assert dataset.labels.tolist() == [0, 1, 0, -1, -1, -1, -1]


def test_several_outlier_sets(numbered):
    dataset = InlierOutlierDataset(numbered(2), [numbered(3, -1, start=100), numbered(2, -1, start=200)])
    assert (len(dataset), len(dataset.outliers)) == (2, 5)
    assert pixels(dataset.__getitems__(range(7))) == [0, 1, 100, 101, 102, 200, 201]
    assert pixels(dataset.outliers.__getitems__([4, 0])) == [201, 100]


def test_from_a_config():
    digits = {'type': 'DigitsDataset', 'classes': (0, 1)}
    outliers = {'type': 'DigitsDataset', 'classes': (2,), 'outlier': True}
    dataset = DATASETS.build({'type': 'InlierOutlierDataset', 'inliers': digits, 'outliers': [outliers, outliers]})
    assert isinstance(dataset.outliers, ConcatenatedImages)
    assert dataset.metainfo == {'classes': ('0', '1')}


@pytest.mark.parametrize('index', [-1, 5])
def test_index_out_of_range(numbered, index):
    with pytest.raises(IndexError, match=f'InlierOutlierDataset: index {index}, expected 0 to 4'):
        InlierOutlierDataset(numbered(2), numbered(3, -1)).__getitems__([0, index])


def test_a_test_split_is_never_trained_on(numbered):
    with pytest.raises(ValueError, match=r"inliers \(image0, \.\.\.\) are a test split.*split='train'"):
        InlierOutlierDataset(numbered(2, split='test'), numbered(2, -1))
    with pytest.raises(ValueError, match=r'outliers \(image100, \.\.\.\) are a test split'):
        InlierOutlierDataset(numbered(2), [numbered(2, -1), numbered(2, -1, start=100, split='test')])


def test_wrong_labels_are_named(numbered):
    with pytest.raises(ValueError, match=r'2 of the 3 inliers do not have the label of a class: image0 \(-1\), image2'):
        InlierOutlierDataset(numbered(3, [-1, 0, -1]), numbered(2, -1))
    with pytest.raises(ValueError, match=r'1 of the 2 outliers do not have the label -1: image1 \(5\)'):
        InlierOutlierDataset(numbered(3), [numbered(3, -1), numbered(2, [-1, 5])])


def test_sizes_must_agree(numbered):
    large = ImageSet(np.zeros((1, 4, 4, 3), np.uint8), [-1], ['large'])
    with pytest.raises(ValueError, match='large is 4 px wide and high, expected 2 like image0; give both the same'):
        InlierOutlierDataset(numbered(2), [numbered(1, -1), large])


def test_wrong_configs(numbered):
    with pytest.raises(ValueError, match='outliers is an empty list'):
        InlierOutlierDataset(numbered(2), [])
    with pytest.raises(TypeError, match='InlierOutlierDataset: outliers is a NoneType, expected the config'):
        InlierOutlierDataset(numbered(2), None)
