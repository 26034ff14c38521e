"""scikit-learn's digits: halves that never mix, labels in the order asked for."""
import numpy as np
import pytest
from mmengine.registry import DATASETS
from sklearn.datasets import load_digits

from mmseg_ood.classification.datasets import DigitsDataset


def indices(dataset):
    """Which of the 1797 images these are."""
    return [int(name.removeprefix('digits[').removesuffix(']')) for name in dataset.names]


def test_pixels_and_labels():
    dataset = DATASETS.build({'type': 'DigitsDataset', 'classes': [7, 2], 'split': 'test'})
    original, chosen = load_digits(), indices(dataset)
    assert dataset.images.shape[1:] == (8, 8, 3)
    expected = np.rint(original.images[chosen] * 255 / 16)
    for channel in range(3):
        np.testing.assert_array_equal(dataset.images[..., channel], expected)
    assert [(7, 2)[label] for label in dataset.labels] == original.target[chosen].tolist()
    assert (dataset.classes, dataset.split) == (('7', '2'), 'test')
    assert dataset.images.max() == 255


@pytest.mark.parametrize('seed', [0, 1])
def test_halves_are_complete_disjoint_and_stratified(seed):
    train, test = (DigitsDataset(split=split, seed=seed) for split in ('train', 'test'))
    assert sorted(indices(train) + indices(test)) == list(range(1797))
    differences = np.bincount(train.labels) - np.bincount(test.labels)
    assert set(differences.tolist()) <= {0, 1}


def test_half_depends_on_the_seed_alone():
    train = set(indices(DigitsDataset(split='train')))
    for classes in ((3,), (9, 3, 1), tuple(range(10))):
        assert train >= set(indices(DigitsDataset(classes=classes, split='train')))
        assert not train & set(indices(DigitsDataset(classes=classes, split='test', outlier=True)))
    assert train != set(indices(DigitsDataset(split='train', seed=1)))


def test_outliers():
    dataset = DigitsDataset(classes=(8, 9), split='test', outlier=True)
    assert (set(dataset.labels.tolist()), dataset.classes) == ({-1}, None)
    assert set(load_digits().target[indices(dataset)]) == {8, 9}


@pytest.mark.parametrize(('arguments', 'message'), [
    ({'classes': (0, 10)}, r'classes=\(0, 10\), expected different digits'), ({'classes': (1, 1)}, r'classes=\(1, 1\)'),
    ({'classes': ()}, r'classes=\(\)'), ({'split': 'val'}, "split='val', expected one of 'train', 'test'")])
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=f'DigitsDataset: {message}'):
        DigitsDataset(**arguments)
