"""Image files of folders and zips: order, what does not count, what is not there."""
import os
import zipfile

import pytest

from mmseg_ood.classification.datasets.files import ImageFiles, first_few, shared_folders

NAMES = ['b/1.png', 'a/10.JPEG', 'a/2.jpg', 'top.webp', 'a/deep/er/1.bmp']
CLUTTER = ['.DS_Store', 'a/.hidden.png', '__MACOSX/a/._2.png', '.cache/1.png']
SORTED = ['a/2.jpg', 'a/10.JPEG', 'a/deep/er/1.bmp', 'b/1.png', 'top.webp']


@pytest.fixture(params=['folder', 'zip'])
def source(request, tmp_path):
    """A function that makes a folder or a zip of files whose content is their name."""
    def source(names, folders=()):
        path = tmp_path / f'set{"." if request.param == "zip" else ""}{request.param}'
        if request.param == 'zip':
            with zipfile.ZipFile(path, 'w') as archive:
                for name in names:
                    archive.writestr(name, name)
                for folder in folders:
                    archive.writestr(f'{folder}/', '')
            return path
        for name in names:
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text(name)
        for folder in folders:
            (path / folder).mkdir(parents=True)
        return path
    return source


def test_images_are_sorted_and_read(source):
    path = source(NAMES + CLUTTER, ['empty'])
    with ImageFiles(path) as files:
        assert files.names == SORTED
        assert files.folders == {'a', 'a/deep', 'a/deep/er', 'b', 'empty'}
        assert [files.read(name).decode() for name in files.names] == SORTED
        assert files.full_name('b/1.png') == f'{path}/b/1.png'


def test_other_files_are_counted(source, log):
    path = source([*NAMES, 'list.txt', 'a/b.txt', 'c.csv', 'README'])
    assert ImageFiles(path).names == SORTED
    assert f'{path}: 4 files are no images and left out (1 .csv, 2 .txt, 1 without suffix)' in log.text


def test_only_images_say_nothing(source, log):
    ImageFiles(source(NAMES + CLUTTER))
    assert not log.text


@pytest.mark.parametrize(('names', 'found'), [(['x.heic'], '1 .heic'), (['.DS_Store'], 'nothing')])
def test_no_images(source, names, found):
    path = source(names)
    with pytest.raises(FileNotFoundError, match=f'{path.name} holds no images, .*found there: {found}'):
        ImageFiles(path)


def test_path_that_is_neither(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'nowhere does not exist, expected a folder or a zip'):
        ImageFiles(tmp_path / 'nowhere')
    (tmp_path / 'x.tar').write_bytes(b'no zip')
    with pytest.raises(ValueError, match=r'x\.tar is a file but no zip'):
        ImageFiles(tmp_path / 'x.tar')


def test_zip_whose_paths_start_with_a_dot(tmp_path):
    with zipfile.ZipFile(tmp_path / 'x.zip', 'w') as archive:
        archive.writestr('./cat/1.png', 'content')
    files = ImageFiles(tmp_path / 'x.zip')
    assert [files.read(name) for name in files.names] == [b'content']


def test_folder_that_cannot_be_listed(tmp_path, monkeypatch):
    (tmp_path / 'locked').mkdir()
    (tmp_path / '1.png').touch()
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith('locked'):
            raise PermissionError(13, 'Permission denied', str(path))
        return scandir(path)

    monkeypatch.setattr(os, 'scandir', refuse)
    with pytest.raises(PermissionError, match='locked'):
        ImageFiles(tmp_path)


def test_links_are_followed(tmp_path):
    (tmp_path / 'elsewhere').mkdir()
    (tmp_path / 'elsewhere/1.png').touch()
    (tmp_path / 'set').mkdir()
    (tmp_path / 'set/linked').symlink_to(tmp_path / 'elsewhere')
    assert ImageFiles(tmp_path / 'set').names == ['linked/1.png']


@pytest.mark.parametrize(('names', 'keep', 'shared'), [
    (['train/a/1.png', 'train/b/1.png'], (), ('train',)),
    (['a/1.png', 'b/1.png'], (), ()),
    (['a/1.png', 'a/2.png'], (), ()),
    (['a/x/1.png', 'a/y/1.png'], (), ('a',)),
    (['a/x/1.png', 'a/y/1.png'], ('a',), ()),
    (['top/set/a/1.png', 'top/set/b/1.png'], (), ('top', 'set')),
    (['top/a/1.png', 'top/1.png'], (), ())])
def test_shared_folders(names, keep, shared):
    assert shared_folders(names, keep) == shared


def test_first_few_keeps_the_order():
    assert first_few(['b', 'a']) == 'b, a'
    assert first_few(range(6), separator='; ') == '0; 1; 2; 3; 4 and 1 more'
