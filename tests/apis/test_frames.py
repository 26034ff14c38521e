"""Frames of images and benchmarks: which, and what is seen of them."""
import cv2
import numpy as np
import pytest
from mmengine.registry import init_default_scope

from mmseg_ood.apis.frames import find_frames, frame_path, load_ground_truth, load_image

PIPELINE = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
STREET = 'frankfurt_000000_000294'


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmseg')


@pytest.fixture
def blended(tmp_path):
    """Two frames of Fishyscapes Static that share an image of Cityscapes."""
    image = tmp_path / 'cityscapes/leftImg8bit/val/frankfurt' / f'{STREET}_leftImg8bit.png'
    image.parent.mkdir(parents=True)
    cv2.imwrite(str(image), np.full((4, 6, 3), (30, 20, 10), np.uint8))
    (tmp_path / 'static').mkdir()
    for number, overlay in enumerate(([1, 2, 3], [-30, 0, 240])):
        np.savez(tmp_path / f'static/{number:04d}_{STREET}_rgb.npz', np.full((4, 6, 3), overlay, np.int16))
        cv2.imwrite(str(tmp_path / f'static/{number:04d}_{STREET}_labels.png'), np.full((4, 6), number, np.uint8))
    return find_frames(f'fishyscapes-static={tmp_path}/static', PIPELINE)


def test_images_need_no_labels(world):
    frames = find_frames(str(world.benchmark / 'images'), PIPELINE)
    assert [frame_path(frames, index).name for index in range(len(frames))] == [f'frame_{i}.png' for i in range(3)]
    np.testing.assert_array_equal(load_image(frames, 1), cv2.imread(str(frame_path(frames, 1)))[..., ::-1])
    np.testing.assert_array_equal(frames[1]['inputs'].permute(1, 2, 0), cv2.imread(str(frame_path(frames, 1))))
    assert load_ground_truth(frames, 1) is None


def test_benchmark_has_labels(world):
    frames = find_frames(world.benchmark_argument, PIPELINE)
    values = cv2.imread(str(world.benchmark / 'labels_masks/frame_2.png'), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(load_ground_truth(frames, 2), np.where(values == 1, 254, values))
    np.testing.assert_array_equal(load_image(frames, 2), cv2.imread(str(frame_path(frames, 2)))[..., ::-1])


def test_overlays_are_seen(blended):
    assert [load_image(blended, index)[0, 0].tolist() for index in range(2)] == [[11, 22, 33], [0, 20, 255]]
    assert [blended[index]['inputs'][[2, 1, 0], 0, 0].tolist() for index in range(2)] == [[11, 22, 33], [0, 20, 255]]
    assert [np.unique(load_ground_truth(blended, index)).tolist() for index in range(2)] == [[0], [254]]


def test_frames_that_share_an_image_are_told_apart(blended):
    assert [frame_path(blended, index).name for index in range(2)] == [f'000{i}_{STREET}_rgb.npz' for i in range(2)]


def test_picture_is_not_resized(world):
    pipeline = [dict(PIPELINE[0], to_float32=True), dict(type='Resize', scale=(128, 64)), *PIPELINE[1:]]
    frames = find_frames(world.benchmark_argument, pipeline)
    assert frames[0]['inputs'].shape == (3, 64, 128)
    assert load_image(frames, 0).dtype == np.uint8
    np.testing.assert_array_equal(load_image(frames, 0), cv2.imread(str(frame_path(frames, 0)))[..., ::-1])


@pytest.mark.parametrize('content', [b'', b'no image', b'\x89PNG\r\n\x1a\n'])
@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
def test_unreadable_image_is_named(tmp_path, content, backend):
    (tmp_path / 'broken.png').write_bytes(content)
    frames = find_frames(str(tmp_path / 'broken.png'), [dict(PIPELINE[0], imdecode_backend=backend)])
    with pytest.raises(ValueError, match='broken.png cannot be read as an image'):
        load_image(frames, 0)
