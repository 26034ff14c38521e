"""OOD test sets by layout."""
import numpy as np
import pytest
from mmengine.registry import DATASETS
from scipy.io import savemat

from mmseg_ood.classification.datasets import OODFolderDataset


def reds(dataset):
    return dataset.images[:, 0, 0, 0].tolist()


@pytest.fixture
def svhn(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    savemat(tmp_path / 'test_32x32.mat', {'X': pixels.transpose(1, 2, 3, 0), 'y': np.ones((5, 1), np.uint8)})
    return tmp_path, pixels


def test_svhn(svhn):
    folder, pixels = svhn
    savemat(folder / 'train_32x32.mat', {'X': pixels[:1].transpose(1, 2, 3, 0)})
    for path in (folder, folder / 'test_32x32.mat'):
        dataset = DATASETS.build({'type': 'OODFolderDataset', 'path': str(path)})
        np.testing.assert_array_equal(dataset.images, pixels)
        assert (set(dataset.labels.tolist()), dataset.split) == ({-1}, 'test')
        assert dataset.names[4] == f'{folder}/test_32x32.mat[4]'
    small = OODFolderDataset(str(folder), image_size=16).images
    assert np.abs(small - pixels.reshape(5, 16, 2, 16, 2, 3).mean((2, 4))).max() <= 0.5


@pytest.mark.parametrize('part', ['train', 'extra'])
def test_training_part_of_svhn_is_refused(svhn, part):
    folder, _ = svhn
    (folder / 'test_32x32.mat').rename(folder / f'{part}_32x32.mat')
    for path in (folder, folder / f'{part}_32x32.mat'):
        with pytest.raises(ValueError, match=f'{part}_32x32.mat is a training split, expected test_32x32.mat'):
            OODFolderDataset(str(path))


def test_unusable_mat_files(tmp_path):
    path = tmp_path / 'test_32x32.mat'
    with pytest.raises(FileNotFoundError, match=r'test_32x32\.mat does not exist'):
        OODFolderDataset(str(path))
    path.write_bytes(b'no MATLAB file')
    with pytest.raises(ValueError, match=r'test_32x32\.mat cannot be read as a MATLAB file with the variable X'):
        OODFolderDataset(str(path))
    savemat(path, {'y': np.zeros(3)})
    with pytest.raises(ValueError, match='variable X'):
        OODFolderDataset(str(path))
    savemat(path, {'X': np.zeros((32, 32, 3, 2))})
    with pytest.raises(ValueError, match=r'is \(32, 32, 3, 2\) of float64, expected \(S, S, 3, N\) of uint8'):
        OODFolderDataset(str(path))


@pytest.mark.parametrize(('names', 'taken'), [
    (['images/banded/1.jpg', 'images/woven/2.jpg'], [10, 20]),                                   # Textures
    (['LSUN_resize/1.png', 'LSUN_resize/2.png'], [10, 20]),                                      # LSUN, iSUN
    (['1.jpg', '2.JPG'], [10, 20]),                                                              # flat
    (['val_256/1.jpg', 'test_256/2.jpg', 'data_256/a/abbey/3.jpg'], [10]),                       # Places365
    (['test_256/1.jpg', 'data_256/a/abbey/2.jpg'], [10]),
    (['val/images/1.JPEG', 'test/images/2.JPEG', 'train/n01/images/3.JPEG'], [10]),              # Tiny-ImageNet
    (['train/n01/images/1.JPEG', 'test/images/2.JPEG'], [20]),
    (['test/1.png', 'test/2.png'], [10, 20]),
    (['test/test/1.png', 'test/val/2.png'], [20]),
], ids=lambda value: value[0] if isinstance(value[0], str) else '')
@pytest.mark.parametrize('pack', ['folder', 'zip'])
def test_layouts(tmp_path, write_image, zipped, names, taken, pack):
    for index, name in enumerate(names, 1):
        write_image(f'set/{name}', (10 * index, 0, 0))
    dataset = OODFolderDataset(str(tmp_path / 'set') if pack == 'folder' else zipped(tmp_path / 'set'), 4)
    assert reds(dataset) == taken
    assert (set(dataset.labels.tolist()), dataset.split) == ({-1}, 'test')


def test_what_is_left_out_is_said(tmp_path, write_image, log):
    for part in ('val', 'test', 'train'):
        write_image(f'tiny/{part}/images/1.JPEG')
    OODFolderDataset(str(tmp_path / 'tiny'))
    assert 'val is the test set; test, train left out' in log.text


@pytest.mark.parametrize('name', ['tiny/train/n01/1.JPEG', 'places/data_256/a/1.jpg', 'places/data_256/1.jpg',
                                  'data_large/1.jpg', 'outliers_train/1.png'])
def test_training_parts_are_refused(tmp_path, write_image, zipped, name):
    write_image(name)
    root = tmp_path / name.split('/')[0]
    for path in (str(root), zipped(root)):
        with pytest.raises(ValueError, match=f'{root.name}.* is a training split'):
            OODFolderDataset(path)


def test_class_called_train_is_no_split(tmp_path, write_image):
    write_image('cifar100/train/1.png', (10, 0, 0))
    write_image('cifar100/bus/1.png', (20, 0, 0))
    assert reds(OODFolderDataset(str(tmp_path / 'cifar100'), 4)) == [20, 10]
