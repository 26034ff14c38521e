"""Long-tailed selection against the formula and the numbers of the literature."""
from fractions import Fraction

import numpy as np
import pytest
from mmengine.registry import DATASETS

from mmseg_ood.classification.datasets import ImageSet, LongTailDataset, long_tail_counts


def test_published_counts():
    """CIFAR10-LT has 12406 images, CIFAR100-LT 10847 (Cao et al., NeurIPS 2019)."""
    cifar10 = long_tail_counts(10, 5000, 0.01)
    assert cifar10 == (5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50)
    assert sum(cifar10) == 12406
    assert sum(long_tail_counts(100, 500, 0.01)) == 10847


@pytest.mark.parametrize('num_classes', [1, 2, 7, 100])
@pytest.mark.parametrize('ratio', [0.01, 0.1, 1 / 3, 1])
def test_exponential_counts_satisfy_the_formula(num_classes, ratio):
    """``count <= n * r^(k / (C - 1)) < count + 1``, in exact numbers: both sides to the power of ``C - 1``."""
    counts = long_tail_counts(num_classes, 1000, ratio)
    last = max(num_classes - 1, 1)
    for index, count in enumerate(counts):
        exact = Fraction(1000) ** last * Fraction(ratio) ** index
        assert Fraction(count) ** last <= exact * (1 + Fraction(1, 10 ** 9))
        assert exact * (1 - Fraction(1, 10 ** 9)) < Fraction(count + 1) ** last
    assert len(counts) == num_classes
    assert counts[0] == 1000


def test_step_counts():
    assert long_tail_counts(10, 5000, 0.01, 'step') == (5000,) * 5 + (50,) * 5
    assert long_tail_counts(5, 100, 0.1, 'step') == (100, 100, 100, 10, 10)
    assert long_tail_counts(1, 100, 0.1, 'step') == (100,)


@pytest.mark.parametrize(('arguments', 'message'), [
    ((10, 50, 0.01), 'class 8 of 10 would keep no image with num_max=50 and ratio=0.01'),
    ((10, 50, 0), r'ratio=0, expected a share in \(0, 1\]'), ((10, 50, 1.5), 'ratio=1.5'), ((10, 50, -1), 'ratio=-1'),
    ((10, 0, 1.0), 'class 0 of 10 would keep no image'),
    ((10, 50, 0.1, 'linear'), "kind='linear', expected one of 'exponential', 'step'")])
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        long_tail_counts(*arguments)


@pytest.fixture
def balanced():
    """Three classes of 20 images each, interleaved; the pixels of an image are its index."""
    images = np.ascontiguousarray(np.broadcast_to(np.arange(60, dtype=np.uint8)[:, None, None, None], (60, 2, 2, 3)))
    return ImageSet(images, np.arange(60) % 3, [f'n{index}' for index in range(60)], ['a', 'b', 'c'], 'train')


def members(dataset):
    """The indices in ``balanced``, by class."""
    return [dataset.images[dataset.labels == index, 0, 0, 0].tolist() for index in range(3)]


def test_the_first_images_of_each_class(balanced):
    tail = LongTailDataset(balanced, ratio=0.1)
    assert tail.class_counts == (20, 6, 2)
    assert members(tail) == [list(range(0, 60, 3)), list(range(1, 18, 3)), [2, 5]]
    assert tail.images[:, 0, 0, 0].tolist() == sorted(sum(members(tail), []))
    assert tail.names == [f'n{index}' for index in tail.images[:, 0, 0, 0]]
    assert (tail.classes, tail.split) == (('a', 'b', 'c'), 'train')


def test_random_images_depend_on_the_seed(balanced):
    first, again, other = (members(LongTailDataset(balanced, ratio=0.1, num_max=10, order='random', seed=seed))
                           for seed in (0, 0, 1))
    assert first == again != other
    assert list(map(len, first)) == [10, 3, 1]
    assert [set(np.array(found) % 3) for found in first] == [{0}, {1}, {2}]
    assert members(LongTailDataset(balanced, 0.1, order='random'))[0] == list(range(0, 60, 3))


def test_from_a_config():
    config = {'type': 'LongTailDataset', 'ratio': 0.5, 'num_max': 40, 'kind': 'step',
              'dataset': {'type': 'DigitsDataset', 'classes': (4, 5), 'split': 'test'}}
    dataset = DATASETS.build(config)
    assert np.bincount(dataset.labels).tolist() == [40, 20]
    assert (dataset.classes, dataset.split) == (('4', '5'), 'test')


def test_too_few_images(balanced):
    balanced.labels[balanced.labels == 1] = 0
    balanced.labels[1] = 1
    with pytest.raises(ValueError, match=r'class 1 \(b\) has 1 images, expected 12 at least'):
        LongTailDataset(balanced, 0.1)
    with pytest.raises(ValueError, match=r'class 0 \(a\) has 39 images, expected 100 at least'):
        LongTailDataset(balanced, 0.1, num_max=100)


def test_wrong_data_sets(balanced):
    with pytest.raises(ValueError, match="order='last', expected one of 'first', 'random'"):
        LongTailDataset(balanced, order='last')
    with pytest.raises(TypeError, match='LongTailDataset: dataset is a list'):
        LongTailDataset([balanced])
    balanced.labels[7] = -1
    with pytest.raises(ValueError, match='dataset holds outliers'):
        LongTailDataset(balanced)
