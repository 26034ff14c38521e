"""Inputs: which frames they have, what these are called, and what is loaded of them."""
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmseg_ood.apis.inputs import open_frames, split_pipeline

PIPELINE = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
STREET = 'frankfurt_000000_000294'


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmseg')


@pytest.fixture
def found():
    """Frames of inputs as a list."""
    def find(inputs, pipeline=PIPELINE, **kwargs):
        return list(open_frames(inputs, split_pipeline(Config(dict(benchmark_pipeline=pipeline)))[0], **kwargs))
    return find


def names(frames):
    return [frame.name for frame in frames]


@pytest.fixture
def blended(tmp_path, found):
    """Two frames of Fishyscapes Static that share an image of Cityscapes."""
    image = tmp_path / 'cityscapes/leftImg8bit/val/frankfurt' / f'{STREET}_leftImg8bit.png'
    image.parent.mkdir(parents=True)
    cv2.imwrite(str(image), np.full((4, 6, 3), (30, 20, 10), np.uint8))
    (tmp_path / 'static').mkdir()
    for number, overlay in enumerate(([1, 2, 3], [-30, 0, 240])):
        np.savez(tmp_path / f'static/{number:04d}_{STREET}_rgb.npz', np.full((4, 6, 3), overlay, np.int16))
        cv2.imwrite(str(tmp_path / f'static/{number:04d}_{STREET}_labels.png'), np.full((4, 6), number, np.uint8))
    return found(f'fishyscapes-static={tmp_path}/static')


def test_images(world, found):
    frames = found(str(world.benchmark / 'images'))
    assert names(frames) == ['frame_0', 'frame_1', 'frame_2']
    expected = cv2.imread(frames[1].origin)
    np.testing.assert_array_equal(frames[1].load()['img'], expected)
    assert Path(frames[1].origin) == world.benchmark / 'images/frame_1.png'
    assert frames[1].load_ground_truth() is None


def test_benchmark_has_labels(world, found):
    frames = found(world.benchmark_argument)
    values = cv2.imread(str(world.benchmark / 'labels_masks/frame_2.png'), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(frames[2].load_ground_truth(), np.where(values == 1, 254, values))
    np.testing.assert_array_equal(frames[2].load()['img'], cv2.imread(frames[2].origin))


def test_overlays_are_seen(blended):
    assert [frame.load()['img'][0, 0, ::-1].tolist() for frame in blended] == [[11, 22, 33], [0, 20, 255]]
    assert [np.unique(frame.load_ground_truth()).tolist() for frame in blended] == [[0], [254]]


def test_frames_that_share_an_image_are_told_apart(blended):
    assert [Path(frame.origin).name for frame in blended] == [f'000{i}_{STREET}_rgb.npz' for i in range(2)]


def test_sixteen_bits_of_a_benchmark_are_scaled(world, found, tmp_path):
    shutil.copytree(world.benchmark, tmp_path / 'deep')
    cv2.imwrite(str(tmp_path / 'deep/images/frame_0.png'), np.full((32, 64, 3), 0xFF7F, np.uint16))
    assert (found(f'mini-street={tmp_path}/deep')[0].load()['img'] == 255).all()


@pytest.mark.parametrize('content', [b'', b'no image', b'\x89PNG\r\n\x1a\n'])
@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
def test_unreadable_image_is_named(tmp_path, found, content, backend):
    (tmp_path / 'broken.png').write_bytes(content)
    frame, = found(tmp_path / 'broken.png', [dict(PIPELINE[0], imdecode_backend=backend)])
    with pytest.raises(ValueError, match=r'broken.png cannot be read as an image'):
        frame.load()


def test_lists_and_globs_keep_their_order(world, found):
    images = world.benchmark / 'images'
    assert names(found([str(images / 'frame_2.png'), images / 'frame_0.png'])) == ['frame_2', 'frame_0']
    assert names(found(f'{images}/*_[02].png')) == ['frame_0', 'frame_2']


def test_arrays(found):
    array = np.random.default_rng(0).integers(0, 256, (4, 6, 3)).astype(np.uint8)
    bgr, = found(array)
    rgb, = found(array, color_order='rgb')
    np.testing.assert_array_equal(bgr.load()['img'], array)
    np.testing.assert_array_equal(rgb.load()['img'], array[..., ::-1])
    assert bgr.load()['ori_shape'] == (4, 6)


def test_names_are_those_of_different_files(world, found, tmp_path):
    image = world.benchmark / 'images/frame_0.png'
    for path in ('a/x.png', 'b/x.png', 'c/x_mask.png', 'd/x_2.png'):
        (tmp_path / path).parent.mkdir()
        shutil.copy(image, tmp_path / path)
    # x_mask.png would be the mask of x, x_2.png the picture of the second x.
    assert names(found(f'{tmp_path}/*/*.png')) == ['x', 'x_2', 'x_mask_2', 'x_2_2']


def test_names_lead_to_no_input(world, found):
    images = world.benchmark / 'images'
    assert names(found(images, out=images)) == ['frame_0_2', 'frame_1_2', 'frame_2_2']


def test_many_files_of_one_name(tmp_path, found):
    for index in range(300):
        (tmp_path / str(index)).mkdir()
        (tmp_path / str(index) / 'same.png').touch()
    assert len(set(names(found(f'{tmp_path}/*/same.png')))) == 300


def test_iterators_are_followed():
    def endless():
        while True:
            yield np.zeros((4, 6, 3), np.uint8)

    loader, _ = split_pipeline(Config(dict(benchmark_pipeline=PIPELINE)))
    frames = open_frames(endless(), loader)
    assert frames.count is None
    with pytest.raises(ValueError, match='an iterator can be read only once'):
        next(frames.spread(8))
    following = iter(frames)
    assert names([next(following), next(following)]) == ['array_000000', 'array_000001']


def test_videos_stay_apart(world, found, tmp_path):
    for name in ('a.mp4', 'b.MP4'):
        (tmp_path / name).touch()
    shutil.copy(world.benchmark / 'images/frame_0.png', tmp_path / 'a.png')
    loader, _ = split_pipeline(Config(dict(benchmark_pipeline=PIPELINE)))
    frames = open_frames([f'{tmp_path}/*', tmp_path / 'a.png'], loader)
    first, images, second, more = frames.sources
    assert (first.name, names(images), second.name, names(more)) == ('a', ['a_2'], 'b', ['a_3'])


@pytest.mark.parametrize('source', ['empty', 'empty/*.png', 'nothing.png', 'nothing.mp4'])
def test_nothing_there(found, tmp_path, source):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(FileNotFoundError, match='no image found for .*expected an image, a folder of images'):
        found(tmp_path / source)


@pytest.mark.parametrize(('inputs', 'error'), [
    ([], FileNotFoundError), (1.5, ValueError), (True, ValueError), ([None], ValueError),
])
def test_other_inputs(found, inputs, error):
    with pytest.raises(error, match=r'list is empty|expected a path, an array or the number of a webcam, found'):
        found(inputs)


def test_pipeline_without_a_loader():
    with pytest.raises(ValueError, match='no step is a LoadImageFromFile, found PackSegInputs'):
        split_pipeline(Config(dict(benchmark_pipeline=PIPELINE[1:])))
