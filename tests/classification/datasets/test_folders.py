"""Class folders and outlier folders, unpacked and zipped."""
from pathlib import Path

import pytest
from mmengine.registry import DATASETS

from mmseg_ood.classification.datasets import ImageFolderDataset

COLOURS = {'cat/1.png': (10, 0, 0), 'cat/2.PNG': (20, 0, 0), 'cat/10.png': (30, 0, 0), 'dog/x/1.jpg': (40, 0, 0)}


@pytest.fixture
def pets(tmp_path, write_image):
    for name, colour in COLOURS.items():
        write_image(f'pets/{name}', colour)
    return tmp_path / 'pets'


def reds(dataset):
    return dataset.images[:, 0, 0, 0].tolist()


@pytest.mark.parametrize('pack', ['folder', 'zip'])
def test_classes_order_and_names(pets, zipped, pack):
    path = str(pets) if pack == 'folder' else zipped(pets)
    dataset = DATASETS.build({'type': 'ImageFolderDataset', 'path': path, 'image_size': 4})
    assert dataset.images.shape == (4, 4, 4, 3)
    assert reds(dataset) == [10, 20, 30, 40]
    assert dataset.labels.tolist() == [0, 0, 0, 1]
    assert (dataset.classes, dataset.split) == (('cat', 'dog'), None)
    assert dataset.names[2] == f'{path}/{"pets/" if pack == "zip" else ""}cat/10.png'


def test_order_of_the_classes_may_be_given(pets):
    dataset = ImageFolderDataset(str(pets), 4, classes=['dog', 'cat'])
    assert dataset.labels.tolist() == [1, 1, 1, 0]
    assert dataset.classes == ('dog', 'cat')


@pytest.mark.parametrize(('classes', 'message'), [
    (['cat'], 'folders of 2 classes, expected the 1 of the argument classes; missing: none; not expected: dog'),
    (['cat', 'dog', 'emu'], 'missing: emu; not expected: none'),
    (['cat', 'dogs'], 'missing: dogs; not expected: dog'),
    (['cat', 'dog', 'dog'], 'of 2 classes, expected the 3')])
def test_other_classes_are_refused(pets, classes, message):
    with pytest.raises(ValueError, match=f'pets holds .*{message}'):
        ImageFolderDataset(str(pets), classes=classes)


def test_classes_can_be_left_out(pets):
    dataset = ImageFolderDataset(str(pets), 4, exclude_classes=['cat'])
    assert (reds(dataset), dataset.labels.tolist(), dataset.classes) == ([40], [0], ('dog',))
    assert reds(ImageFolderDataset(str(pets), 4, exclude_classes=['x'], outlier=True)) == [10, 20, 30]
    with pytest.raises(ValueError, match='has no folders emu, fox that exclude_classes names'):
        ImageFolderDataset(str(pets), exclude_classes=['fox', 'emu', 'cat'])
    with pytest.raises(FileNotFoundError, match='nothing is left of .*pets without exclude_classes cat, dog'):
        ImageFolderDataset(str(pets), exclude_classes=['cat', 'dog'])


def test_wrapping_folders_are_looked_through(tmp_path, pets, zipped):
    (tmp_path / 'top').mkdir()
    pets.rename(tmp_path / 'top/train')
    for path in (str(tmp_path / 'top'), zipped(tmp_path / 'top')):
        dataset = ImageFolderDataset(path, 4)
        assert (dataset.classes, dataset.split, reds(dataset)) == (('cat', 'dog'), 'train', [10, 20, 30, 40])


def test_one_class_with_inner_folders(tmp_path, write_image):
    write_image('set/cat/old/1.png')
    write_image('set/cat/new/1.png')
    assert ImageFolderDataset(str(tmp_path / 'set')).classes == ('new', 'old')
    assert ImageFolderDataset(str(tmp_path / 'set'), classes=['cat']).labels.tolist() == [0, 0]


@pytest.mark.parametrize(('name', 'given', 'split'), [
    ('train', None, 'train'), ('cifar_test', None, 'test'), ('val', 'train', 'train'), ('pets', 'test', 'test')])
def test_split_by_name_or_argument(tmp_path, write_image, zipped, name, given, split):
    write_image(f'{name}/cat/1.png')
    assert ImageFolderDataset(str(tmp_path / name), split=given).split == split
    assert ImageFolderDataset(zipped(tmp_path / name), split=given).split == split
    assert ImageFolderDataset(f'{tmp_path / name}/', split=given).split == split


def test_unknown_split_is_refused_before_reading():
    with pytest.raises(ValueError, match="split='val', expected"):
        ImageFolderDataset('nowhere', split='val')


@pytest.mark.parametrize('outlier', [False, True])
def test_several_splits_are_refused(tmp_path, write_image, zipped, outlier):
    for split in ('train', 'test'):
        write_image(f'set/{split}/cat/1.png')
    for path in (str(tmp_path / 'set'), zipped(tmp_path / 'set')):
        with pytest.raises(ValueError, match='holds the splits test, train, expected one'):
            ImageFolderDataset(path, outlier=outlier)


def test_classes_may_be_called_like_splits(tmp_path, write_image):
    for name in ('train_station', 'test_tube', 'train'):
        write_image(f'set/{name}/1.png')
    assert ImageFolderDataset(str(tmp_path / 'set')).classes == ('test_tube', 'train', 'train_station')


def test_images_outside_of_class_folders(pets, write_image):
    write_image('pets/stray.png')
    with pytest.raises(ValueError, match=r'1 images lie outside of class folders: .*pets/stray\.png; expected CLASS'):
        ImageFolderDataset(str(pets))


def test_class_folder_without_images(pets):
    (pets / 'bird').mkdir()
    with pytest.raises(ValueError, match='no images in the class folders bird of .*pets'):
        ImageFolderDataset(str(pets))
    (pets / 'bird/notes.txt').touch()
    with pytest.raises(ValueError, match='no images in the class folders bird'):
        ImageFolderDataset(str(pets))


@pytest.mark.parametrize('pack', ['folder', 'zip'])
def test_outliers_lie_anywhere(pets, write_image, zipped, pack):
    write_image('pets/stray.png', (50, 0, 0))
    write_image('pets/a/b/c/1.png', (5, 0, 0))
    path = str(pets) if pack == 'folder' else zipped(pets)
    dataset = ImageFolderDataset(path, 4, outlier=True)
    assert reds(dataset) == [5, 10, 20, 30, 40, 50]
    assert (set(dataset.labels.tolist()), dataset.classes) == ({-1}, None)


def test_classes_mean_nothing_for_outliers(pets):
    with pytest.raises(ValueError, match='classes has no effect with outlier=True'):
        ImageFolderDataset(str(pets), outlier=True, classes=['cat', 'dog'])


def test_images_are_scaled(tmp_path, write_image):
    write_image('set/cat/1.png', (9, 8, 7), size=(20, 50))
    assert ImageFolderDataset(str(tmp_path / 'set')).images[0].reshape(-1, 3).tolist() == [[9, 8, 7]] * 32 * 32


@pytest.mark.parametrize('pack', ['folder', 'zip'])
def test_all_damaged_images_are_named(pets, zipped, pack):
    (pets / 'dog/x/2.jpg').write_bytes(b'')
    (pets / 'cat/2.PNG').write_bytes(b'no image')
    path = str(pets) if pack == 'folder' else zipped(pets)
    with pytest.raises(ValueError, match=r'2 of 5 images cannot.*\n.*cat/2\.PNG: .*\n.*dog/x/2\.jpg: .*empty'):
        ImageFolderDataset(str(path))


def test_damaged_zip_entry_is_named(pets, zipped):
    path = Path(zipped(pets))
    content = path.read_bytes()
    header = content.index(b'cat/10.png')
    path.write_bytes(content[:header + 40] + bytes(10) + content[header + 50:])
    with pytest.raises(ValueError, match=r'1 of 4 images cannot be read[\s\S]*zip/pets/cat/10\.png: '):
        ImageFolderDataset(str(path))
