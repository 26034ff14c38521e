"""Anomaly maps on disk: what is written comes back, and every map that cannot be judged is refused by name."""
import multiprocessing
import os
import re
import signal
import stat
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from mmseg_ood.segmentation.evaluation.maps import (
    READABLE_SUFFIXES,
    MapFolder,
    find_map_folder,
    load_map,
    save_map,
)

SCORES = np.array([[-12.25, 0.5, 3.0], [7.75, -0.125, 100.0]], dtype=np.float32)  # float16 holds them exactly


def write_hdf5(path, **arrays):
    with h5py.File(path, 'w') as file:
        for name, array in arrays.items():
            file[name] = array


# ------------------------------------------------------------------ writing
@pytest.mark.parametrize('suffix', ['.npy', '.npz', '.hdf5'])
@pytest.mark.parametrize('dtype', [np.float16, np.float32])
def test_floats_come_back(tmp_path, suffix, dtype):
    path = tmp_path / 'new' / 'folder' / f'frame.0{suffix}'
    save_map(path, SCORES.astype(dtype))
    loaded = load_map(path, SCORES.shape)
    assert loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded, SCORES)
    assert [child.name for child in path.parent.iterdir()] == [path.name]


def test_uint16_comes_back_from_png(tmp_path):
    values = np.array([[0, 1, 255], [256, 40000, 65535]], dtype=np.uint16)
    save_map(tmp_path / 'a.png', values)
    assert Image.open(tmp_path / 'a.png').mode == 'I;16'
    np.testing.assert_array_equal(load_map(tmp_path / 'a.png'), values)


def test_hdf5_is_the_submission_format(tmp_path):
    save_map(tmp_path / 'a.hdf5', SCORES.astype(np.float64))
    with h5py.File(tmp_path / 'a.hdf5') as file:
        assert list(file) == ['value']
        assert file['value'].dtype == np.float16
        assert file['value'].compression == 'gzip'
        np.testing.assert_array_equal(file['value'][()], SCORES)


@pytest.mark.parametrize(('suffix', 'dtype'), [('.npy', np.float16), ('.npz', np.float16), ('.npy', np.float32)])
def test_numpy_files_keep_the_dtype(tmp_path, suffix, dtype):
    save_map(tmp_path / f'a{suffix}', SCORES.astype(dtype))
    content = np.load(tmp_path / f'a{suffix}')
    assert (content['value'] if suffix == '.npz' else content).dtype == dtype


@pytest.mark.parametrize('suffix', ['.npy', '.npz', '.hdf5', '.png'])
def test_same_scores_same_bytes(tmp_path, suffix):
    scores = SCORES if suffix != '.png' else SCORES.astype(np.uint16)
    for name in 'ab':
        save_map(tmp_path / f'{name}{suffix}', scores)
    assert (tmp_path / f'a{suffix}').read_bytes() == (tmp_path / f'b{suffix}').read_bytes()


def test_largest_float16_is_legal(tmp_path):
    save_map(tmp_path / 'a.hdf5', np.array([[65504.0, -65504.0]]))
    np.testing.assert_array_equal(load_map(tmp_path / 'a.hdf5'), [[65504.0, -65504.0]])


@pytest.mark.parametrize(('name', 'scores', 'message'), [
    ('a.hdf5', np.array([[1.0, 65505.0]]), r'scores from 1.0 to 65505.0 do not fit float16 \(-65504 to 65504\)'),
    ('a.hdf5', np.array([[-1e6, 2.0]]), r'scores from -1000000.0 to 2.0 do not fit float16'),
    ('a.npy', np.array([[np.nan, np.inf, 2.0]], dtype=np.float32), '2 of 3 scores are not finite'),
    ('a.png', SCORES, 'a .png file takes uint16, found float32'),
    ('a.npy', SCORES > 0, 'a .npy file takes float16 or float32, found bool'),
    ('a.hdf5', SCORES > 0, 'takes float16 or float32 or float64, found bool'),
    ('a.npy', SCORES[None], r'expected \(H, W\), found an array of shape \(1, 2, 3\)'),
    ('a.npy', SCORES[:0], r'expected \(H, W\), found an array of shape \(0, 3\)'),
    ('a.exr', SCORES, 'expected one of the suffixes .hdf5, .npy, .npz, .png'),
])
def test_what_cannot_be_saved(tmp_path, name, scores, message):
    path = tmp_path / name
    path.write_text('as it was')
    with pytest.raises(ValueError, match=f'^anomaly map {re.escape(str(path))}.*{message}'):
        save_map(path, scores)
    assert path.read_text() == 'as it was'
    assert list(tmp_path.iterdir()) == [path]


def _save_and_die(path):
    def write_half(self, content):
        with self.open('wb') as file:
            file.write(content[:len(content) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    Path.write_bytes = write_half
    save_map(path, SCORES)


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs fork')
def test_killed_while_writing(tmp_path):
    path = tmp_path / 'a.hdf5'
    process = multiprocessing.get_context('fork').Process(target=_save_and_die, args=(path,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not path.exists()
    assert list(tmp_path.iterdir())  # the half file lies beside it ...
    with pytest.raises(FileNotFoundError, match='no anomaly map'):  # ... and is no map
        MapFolder(tmp_path, ['a'])
    save_map(path, SCORES)
    np.testing.assert_array_equal(load_map(path), SCORES)


def test_failed_writing_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = tmp_path / 'a.npy'
    save_map(path, SCORES)

    def full(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'replace', full)
    with pytest.raises(OSError, match='No space left'):
        save_map(path, SCORES + 1)
    assert list(tmp_path.iterdir()) == [path]
    np.testing.assert_array_equal(load_map(path), SCORES)


def test_others_may_read_what_they_may_read(tmp_path):
    (tmp_path / 'plain').touch()
    save_map(tmp_path / 'a.npy', SCORES)
    assert stat.S_IMODE((tmp_path / 'a.npy').stat().st_mode) == stat.S_IMODE((tmp_path / 'plain').stat().st_mode)


# ------------------------------------------------------------------ reading
@pytest.mark.parametrize('dtype', ['>f4', '<f8', 'u1', 'i4', 'u8'])
def test_other_numbers(tmp_path, dtype):
    values = np.asfortranarray(np.array([[0, 1, 200], [3, 4, 5]], dtype=dtype))
    np.save(tmp_path / 'a.npy', values)
    write_hdf5(tmp_path / 'a.h5', value=values)
    for name in ('a.npy', 'a.h5'):
        loaded = load_map(tmp_path / name, (2, 3))
        assert loaded.dtype == np.float32
        np.testing.assert_array_equal(loaded, values)


def test_leading_dimensions_of_length_1(tmp_path):
    np.save(tmp_path / 'a.npy', SCORES[None, None])
    np.testing.assert_array_equal(load_map(tmp_path / 'a.npy', SCORES.shape), SCORES)
    np.save(tmp_path / 'b.npy', SCORES[:1])  # a frame one pixel high
    np.testing.assert_array_equal(load_map(tmp_path / 'b.npy', (1, 3)), SCORES[:1])


@pytest.mark.parametrize(('name', 'values'), [
    ('a.png', np.array([[0, 1], [128, 255]], dtype=np.uint8)),
    ('a.tif', np.array([[0, 1], [128, 255]], dtype=np.uint8)),
    ('a.tiff', np.array([[0, 300], [40000, 65535]], dtype=np.uint16)),
    ('a.TIF', np.array([[-7.5, 1e-3], [1e6, 2]], dtype=np.float32)),
])
def test_pictures_are_taken_as_they_are(tmp_path, name, values):
    Image.fromarray(values).save(tmp_path / name)
    loaded = load_map(tmp_path / name, (2, 2))
    assert loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded, values)


def test_the_array_called_value(tmp_path):
    np.savez(tmp_path / 'a.npz', other=SCORES + 1, value=SCORES)
    np.savez(tmp_path / 'b.npz', anything=SCORES)
    write_hdf5(tmp_path / 'a.hdf5', other=SCORES + 1, value=SCORES)
    write_hdf5(tmp_path / 'b.hdf5', **{'group/anything': SCORES})
    for name in ('a.npz', 'b.npz', 'a.hdf5', 'b.hdf5'):
        np.testing.assert_array_equal(load_map(tmp_path / name), SCORES)


def _several(path):
    arrays = dict(a=SCORES, b=SCORES)
    write_hdf5(path, **arrays) if path.suffix == '.hdf5' else np.savez(path, **arrays)


def _truncated(path):
    noise = np.random.default_rng(0).normal(size=(50, 60)).astype(np.float32)
    if path.suffix in ('.tif', '.png'):
        Image.fromarray((noise * 9000 + 30000).astype(np.uint16)).save(path)
    else:
        save_map(path, noise)
    path.write_bytes(path.read_bytes()[:-len(path.read_bytes()) // 3])


UNREADABLE = [(f'a{suffix}', _truncated, 'cannot be read') for suffix in ('.npy', '.npz', '.hdf5', '.png', '.tif')]
UNREADABLE += [(f'a{suffix}', lambda path: path.write_text('nothing of that'), 'cannot be read')
               for suffix in READABLE_SUFFIXES]
UNREADABLE += [
    ('a.npy', lambda path: None, 'cannot be read: .*No such file'),
    ('a.npy', lambda path: np.save(path, np.array([[dict()]])), 'cannot be read: .*allow_pickle'),
    ('a.npz', _several, r"it holds 2 arrays \(a, b\), expected one, or one called 'value'"),
    ('a.hdf5', _several, r"it holds 2 arrays \(a, b\), expected one, or one called 'value'"),
    ('a.hdf5', write_hdf5, 'it holds 0 arrays, expected one'),
    ('a.npz', lambda path: np.savez(path, **{f'a{i}': SCORES for i in range(7)}), r'a0, a1, a2, a3, a4 and 2 more'),
    ('a.npy', lambda path: np.save(path, SCORES[0]), r'expected \(H, W\), found an array of shape \(3,\)'),
    ('a.npy', lambda path: np.save(path, np.float32(3)), r'expected \(H, W\), found an array of shape \(\)'),
    ('a.npy', lambda path: np.save(path, np.stack([SCORES] * 2)), r'found an array of shape \(2, 2, 3\)'),
    ('a.npy', lambda path: np.save(path, SCORES[..., None]), r'found an array of shape \(2, 3, 1\)'),
    ('a.npy', lambda path: np.save(path, SCORES[:, :0]), r'found an array of shape \(2, 0\)'),
    ('a.npy', lambda path: np.save(path, SCORES > 0), 'expected real numbers, found bool'),
    ('a.hdf5', lambda path: write_hdf5(path, value=SCORES > 0), 'expected real numbers, found bool'),
    ('a.npy', lambda path: np.save(path, SCORES * 1j), 'expected real numbers, found complex64'),
    ('a.npy', lambda path: np.save(path, SCORES.astype(str)), 'expected real numbers, found <U32'),
    ('a.npy', lambda path: np.save(path, [[1, np.nan, np.inf]]), '2 of 3 scores are not finite'),
    ('a.npy', lambda path: np.save(path, [[1e39, 0]]), '1 of 2 scores are not finite as float32'),
    ('a.png', lambda path: Image.new('RGB', (3, 2)).save(path), 'a picture of mode RGB, expected one channel'),
    ('a.png', lambda path: Image.new('P', (3, 2)).save(path), 'a picture of mode P, expected one channel'),
    ('a.png', lambda path: Image.new('1', (3, 2)).save(path), 'a picture of mode 1, expected one channel'),
    ('a.png', lambda path: Image.new('L', (3, 2)).save(path, 'JPEG'), 'cannot be read'),
    ('a.tif', lambda path: Image.new('L', (3, 2)).save(path, save_all=True, append_images=[Image.new('L', (3, 2))]),
     'it holds 2 pictures, expected one'),
    ('a.jpg', lambda path: None, 'expected one of the suffixes .hdf5, .h5, .npy, .npz, .png, .tif, .tiff'),
]


@pytest.mark.parametrize(('name', 'write', 'message'), UNREADABLE)
def test_maps_that_are_refused(tmp_path, name, write, message):
    path = tmp_path / name
    write(path)
    with pytest.raises(ValueError, match=f'^anomaly map {re.escape(str(path))}.*{message}'):
        load_map(path)


def test_map_of_another_size(tmp_path):
    save_map(tmp_path / 'a.npy', SCORES)
    with pytest.raises(ValueError, match=r'a.npy is 2x3 \(height x width\), but its frame is 3x2'):
        load_map(tmp_path / 'a.npy', (3, 2))


# ------------------------------------------------------------------ folders
@pytest.fixture
def folder(tmp_path):
    for name in ('a.npy', 'a.b.hdf5', '10.PNG'):
        (tmp_path / name).touch()
    return tmp_path


def test_maps_by_name(folder):
    maps = MapFolder(folder, ['10', 'a', 'a.b'])
    assert [maps.path(name).name for name in ('a', 'a.b', '10')] == ['a.npy', 'a.b.hdf5', '10.PNG']
    assert maps.path('a').parent == folder
    assert maps.unused == 0


def test_maps_of_other_frames_are_counted(folder):
    for name in ('x.npy', 'x.png', 'notes.txt', '.a.npy.1234.tmp'):
        (folder / name).touch()
    (folder / 'b.npy').mkdir()
    assert MapFolder(folder, ['a.b']).unused == 4  # a, 10, and x twice


@pytest.mark.parametrize(('names', 'error', 'message'), [
    (['a', 'c', 'a.b', 'd'], ValueError, '2 of 4 frames have no anomaly map: c, d$'),
    ([f'f{i}' for i in range(7)], ValueError, '7 of 7 frames have no anomaly map: f0, f1, f2, f3, f4 and 2 more'),
    (['a', 'a.b', 'a'], ValueError, 'found by the names of the frames, but 1 names belong to several: a$'),
])
def test_frames_without_a_map_of_their_own(folder, names, error, message):
    with pytest.raises(error, match=message):
        MapFolder(folder, names)


def test_two_maps_for_a_frame(folder):
    (folder / 'a.b.png').touch()
    with pytest.raises(ValueError, match=r'two maps for the frame a\.b: .*a\.b\.hdf5 and .*a\.b\.png'):
        MapFolder(folder, ['a', 'a.b'])


def test_no_folder_and_no_map(tmp_path):
    with pytest.raises(FileNotFoundError, match='missing is not a folder'):
        MapFolder(tmp_path / 'missing', ['a'])
    (tmp_path / 'a.jpg').touch()
    with pytest.raises(FileNotFoundError, match=r'holds no anomaly map \(.hdf5, .h5, .npy'):
        MapFolder(tmp_path, ['a'])


def test_first_candidate_that_exists(tmp_path):
    for child in ('second', 'third'):
        (tmp_path / child).mkdir()
        (tmp_path / child / 'a.npy').touch()
    (tmp_path / 'a.npy').touch()

    def find(*candidates):
        return find_map_folder(tmp_path, candidates, ['a']).path('a').parent

    assert find('first', 'second', 'third') == tmp_path / 'second'
    assert find('third', 'second') == tmp_path / 'third'
    assert find('first') == tmp_path
    assert find() == tmp_path


def test_neither_candidate_nor_map(tmp_path):
    with pytest.raises(FileNotFoundError, match='holds no anomaly map .* folders road-anomaly, RoadAnomaly in it'):
        find_map_folder(tmp_path, ['road-anomaly', 'RoadAnomaly'], ['a'])
    (tmp_path / 'road-anomaly').mkdir()
    (tmp_path / 'a.npy').touch()  # the folder of the benchmark is meant, though it is empty
    with pytest.raises(FileNotFoundError, match='road-anomaly holds no anomaly map'):
        find_map_folder(tmp_path, ['road-anomaly'], ['a'])
