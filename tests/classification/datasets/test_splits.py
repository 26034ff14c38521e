"""Splits, given and found in names."""
import pytest

from mmseg_ood.classification.datasets.splits import check_split, split_folder, split_of


@pytest.mark.parametrize(('names', 'split'), [
    (['train.zip'], 'train'), (['Training'], 'train'), (['data.zip', 'val'], 'test'), (['validation'], 'test'),
    (['test_256'], 'test'), (['outliers-test.zip', 'test'], 'test'), (['TEST'], 'test'),
    (['train', 'val'], None), (['contest'], None), (['constraint'], None), ([], None)])
def test_split_of(names, split):
    assert split_of(names) == split


@pytest.mark.parametrize(('name', 'split'), [('train', 'train'), ('Test', 'test'), ('val_256', 'test'),
                                             ('train_station', None), ('outliers_train', None), ('cat', None),
                                             ('256', None)])
def test_split_folder(name, split):
    assert split_folder(name) == split


def test_check_split():
    assert [check_split(split, 'Owner') for split in ('train', 'test', None)] == ['train', 'test', None]
    with pytest.raises(ValueError, match="Owner: split='', expected one of 'train', 'test', or None"):
        check_split('', 'Owner')
