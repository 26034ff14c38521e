"""CIFAR from tiny batches: layouts, the pickles of Python 2, and files that want to run code."""
import pickle
import struct

import numpy as np
import pytest
from mmengine.registry import DATASETS

from mmseg_ood.classification.datasets import CIFARDataset
from mmseg_ood.classification.datasets.cifar import read_pickled_arrays

NAMES = [b'airplane', b'automobile', b'bird', b'cat', b'deer', b'dog', b'frog', b'horse', b'ship', b'truck']


class Python2Pickler(pickle._Pickler):
    """Writes what Python 2 wrote, as in the official files: text and bytes are one type, protocol 2."""

    dispatch = dict(pickle._Pickler.dispatch)

    def __init__(self, file):
        super().__init__(file, protocol=2)

    def save_string(self, value):
        value = value.encode() if isinstance(value, str) else value
        self.write(pickle.BINSTRING + struct.pack('<i', len(value)) + value)
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_string


def dump(content, path, pickler=None):
    with open(path, 'wb') as file:
        (pickler or pickle.Pickler)(file).dump(content)


def batch(number, labels_key=b'labels', labels=None, seed=0):
    data = np.random.default_rng(seed).integers(0, 256, (number, 3072), dtype=np.uint8)
    return {b'data': data, labels_key: list(range(number)) if labels is None else labels, b'batch_label': b'x'}


@pytest.fixture
def cifar10(tmp_path):
    folder = tmp_path / 'cifar-10-batches-py'
    folder.mkdir()
    dump({b'label_names': NAMES, b'num_vis': 3072}, folder / 'batches.meta')
    for number in range(1, 6):
        dump(batch(2, seed=number), folder / f'data_batch_{number}')
    dump(batch(10), folder / 'test_batch')
    return folder


@pytest.fixture
def cifar100(tmp_path):
    folder = tmp_path / 'cifar-100-python'
    folder.mkdir()
    dump({b'fine_label_names': [b'c%d' % index for index in range(100)], b'coarse_label_names': []}, folder / 'meta')
    for split, number in (('train', 3), ('test', 2)):
        dump({**batch(number, b'fine_labels', [99] * number), b'coarse_labels': [0] * number}, folder / split)
    return folder


def test_pixels_labels_and_names(cifar10):
    dataset = DATASETS.build({'type': 'CIFARDataset', 'data_root': str(cifar10.parent), 'num_classes': 10,
                              'split': 'train'})
    assert dataset.images.shape == (10, 32, 32, 3)
    assert dataset.labels.tolist() == [0, 1] * 5
    assert dataset.names[3] == str(cifar10 / 'data_batch_2[1]')
    assert (dataset.classes[9], dataset.split) == ('truck', 'train')
    row = batch(2, seed=2)[b'data'][1]  # 1024 red values row by row, then green, then blue
    assert dataset.images[3, 5, 7].tolist() == [row[5 * 32 + 7], row[1024 + 5 * 32 + 7], row[2048 + 5 * 32 + 7]]


def test_the_folder_itself_may_be_given(cifar10):
    test = CIFARDataset(str(cifar10), 10, 'test')
    assert (len(test), test.split, test.labels.tolist()) == (10, 'test', list(range(10)))


def test_fine_labels_of_cifar100(cifar100):
    train, test = (CIFARDataset(str(cifar100.parent), 100, split) for split in ('train', 'test'))
    assert (len(train), len(test), train.num_classes, train.classes[99]) == (3, 2, 100, 'c99')
    assert train.labels.tolist() == [99] * 3


def test_other_numbers_than_published_are_said(cifar10, log):
    CIFARDataset(str(cifar10), 10, 'train')
    assert '10 images in the train split' in log.text
    assert 'published are 50000. Results are not comparable' in log.text


def test_pickles_of_python_2(tmp_path):
    dump(batch(4, labels=[3, 1, 0, 2]), tmp_path / 'old', Python2Pickler)
    content = (tmp_path / 'old').read_bytes().replace(b'numpy._core.multiarray', b'numpy.core.multiarray')
    assert b'_codecs' not in content
    (tmp_path / 'old').write_bytes(content)
    read = read_pickled_arrays(tmp_path / 'old')
    np.testing.assert_array_equal(read[b'data'], batch(4)[b'data'])
    assert read[b'labels'] == [3, 1, 0, 2]


def test_keys_may_be_text(cifar10):
    dump({'label_names': [name.decode() for name in NAMES]}, cifar10 / 'batches.meta')
    assert CIFARDataset(str(cifar10), 10, 'test').classes[0] == 'airplane'


class Malicious:
    """A pickle of it would create a file when read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), 'w')


@pytest.mark.parametrize('wrap', [lambda bad: bad, lambda bad: {b'data': bad}, lambda bad: np.array([bad], object)],
                         ids=['alone', 'in a dict', 'in an array'])
def test_code_is_not_executed(cifar10, tmp_path, wrap):
    dump(wrap(Malicious(tmp_path / 'created')), cifar10 / 'test_batch')
    with pytest.raises(ValueError, match=r'test_batch was refused: .*It was not executed.*io\.open is not allowed'):
        CIFARDataset(str(cifar10), 10, 'test')
    assert not (tmp_path / 'created').exists()


@pytest.mark.parametrize('content', [b'', b'no pickle', pickle.dumps(batch(9))[:-3000]])
def test_damaged_files_are_named(cifar10, content):
    (cifar10 / 'data_batch_4').write_bytes(content)
    with pytest.raises(ValueError, match='data_batch_4 was refused: it is damaged'):
        CIFARDataset(str(cifar10), 10, 'train')


@pytest.mark.parametrize(('content', 'message'), [
    ([1], 'holds a list, expected a dict'),
    ({b'labels': [0]}, r'data is a NoneType, expected \(N, 3072\) of uint8'),
    ({**batch(2), b'data': np.zeros((2, 3072))}, r'data is \(2, 3072\) of float64'),
    ({**batch(2), b'data': np.zeros((2, 784), np.uint8)}, r'data is \(2, 784\) of uint8'),
    (batch(3, labels=[0, 1]), 'labels holds 2 entries, expected a list of 3'),
    (batch(2, b'fine_labels'), 'labels holds a NoneType|labels holds a'),
    (batch(3, labels=[0, 10, -1]), '2 labels such as 10, expected 0 to 9'),
    (batch(2, labels=[0, 0.5]), '1 labels such as 0.5'),
])
def test_wrong_content_is_named(cifar10, content, message):
    dump(content, cifar10 / 'test_batch')
    with pytest.raises(ValueError, match=f'test_batch.*({message})'):
        CIFARDataset(str(cifar10), 10, 'test')


def test_wrong_number_of_class_names(cifar10):
    dump({b'label_names': NAMES[:9]}, cifar10 / 'batches.meta')
    with pytest.raises(ValueError, match=r'batches\.meta: label_names holds 9 names, expected the names of 10 classes'):
        CIFARDataset(str(cifar10), 10, 'test')


def test_missing_files(cifar10):
    (cifar10 / 'data_batch_3').unlink()
    with pytest.raises(FileNotFoundError, match='cifar-10-batches-py has no file data_batch_3, expected batches.m'):
        CIFARDataset(str(cifar10.parent), 10, 'train')
    with pytest.raises(FileNotFoundError, match=r'holds no cifar-100-python/\{meta,train\}.*must be unpacked'):
        CIFARDataset(str(cifar10.parent), 100, 'train')


def test_wrong_arguments(cifar10):
    with pytest.raises(ValueError, match='num_classes=20, expected 10 or 100'):
        CIFARDataset(str(cifar10), 20, 'train')
    with pytest.raises(ValueError, match="split=None, expected one of 'train', 'test'"):
        CIFARDataset(str(cifar10), 10, None)
