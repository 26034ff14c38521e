"""Overlays: arithmetic by hand, order of channels, and files that are none."""
import cv2
import numpy as np
import pytest
from mmengine.registry import init_default_scope
from mmseg.registry import TRANSFORMS

from mmseg_ood.segmentation.transforms import LoadBlendedImage
from mmseg_ood.segmentation.transforms.loading import blend, check_overlay, read_overlay

init_default_scope('mmseg')


@pytest.fixture
def sample(tmp_path):
    """An image of one row, (10, 20, 30) and (200, 210, 220) in RGB, and an overlay for it."""
    def sample(overlay, **named):
        cv2.imwrite(str(tmp_path / 'street.png'), np.array([[[30, 20, 10], [220, 210, 200]]], np.uint8))
        np.savez(tmp_path / 'overlay.npz', **named, **({} if overlay is None else {'any': np.array(overlay)}))
        return {'img_path': str(tmp_path / 'street.png'), 'overlay_path': str(tmp_path / 'overlay.npz')}
    return sample


def loaded(sample, **arguments):
    """The image in RGB."""
    return LoadBlendedImage(**arguments)(sample)['img'][..., ::-1].tolist()


def test_red_is_added_to_red(sample):
    assert loaded(sample([[[1, 2, 3], [-1, -2, -3]]])) == [[[11, 22, 33], [199, 208, 217]]]


def test_results_are_those_of_the_stock_step(sample):
    files = sample(np.zeros((1, 2, 3), np.int8))
    blended = TRANSFORMS.build({'type': 'LoadBlendedImage'})(dict(files))
    stock = TRANSFORMS.build({'type': 'LoadImageFromFile'})(dict(files))
    np.testing.assert_array_equal(blended.pop('img'), stock.pop('img'))
    assert blended == stock
    assert blended['img_shape'] == blended['ori_shape'] == (1, 2)


def test_signed_numbers_are_clipped(sample):
    overlay = [[[-11, -20, 40], [56, 45, 30000]]]
    for dtype in (np.int16, np.int64, np.float32, np.float64):
        assert loaded(sample(np.array(overlay, dtype))) == [[[0, 0, 70], [255, 255, 255]]]


def test_unsigned_numbers_wrap_around(sample):
    assert loaded(sample(np.array([[[0, 236, 226], [56, 45, 255]]], np.uint8))) == [[[10, 0, 0], [0, 255, 219]]]
    # -1 as a difference of 16 bits is -1 of 8 bits
    overlay = np.array([[[65535, 0, 256], [65535 - 9, 1, 2]]], np.uint16)
    assert loaded(sample(overlay)) == [[[9, 20, 30], [190, 211, 222]]]


def test_every_difference_of_eight_bits_restores_the_target():
    image, target = (grid.astype(np.uint8)[..., None] for grid in np.indices((256, 256)))
    for overlay in (target - image, target.astype(np.int16) - image, target.astype(np.float32) - image):
        blended = blend(image, overlay)
        np.testing.assert_array_equal(blended, target)
        assert blended.dtype == np.uint8


def test_fractions_are_rounded(sample):
    assert loaded(sample([[[0.4, 0.6, -0.6], [55.4, 60.0, -0.4]]])) == [[[10, 21, 29], [255, 255, 220]]]


def test_float_images_stay_float_and_whole(sample):
    image = LoadBlendedImage(to_float32=True)(sample([[[0.6, -90, 0], [0, 90, 0]]]))['img']
    assert image.dtype == np.float32
    assert image[..., ::-1].tolist() == [[[11, 0, 30], [200, 255, 220]]]
    wrapped = LoadBlendedImage(to_float32=True)(sample(np.full((1, 2, 3), 250, np.uint8)))['img']
    assert wrapped[..., ::-1].tolist() == [[[4, 14, 24], [194, 204, 214]]]


def test_arguments_of_the_stock_step(sample):
    assert loaded(sample(np.ones((1, 2, 3), np.int8)), imdecode_backend='pillow') == [[[11, 21, 31], [201, 211, 221]]]
    files = dict(sample(np.ones((1, 2, 3), np.int8)), img_path='nowhere.png')
    assert LoadBlendedImage(ignore_empty=True)(files) is None
    with pytest.raises(FileNotFoundError):
        LoadBlendedImage()(files)


def test_one_array_or_that_named_rgb(sample):
    one = np.ones((1, 2, 3), np.int8)
    assert read_overlay(sample(None, rgb=one, mask=0 * one)['overlay_path']).all()
    with pytest.raises(ValueError, match=r"overlay\.npz .* it holds the arrays \['a\.npy', 'b\.npy'\], expected"):
        read_overlay(sample(None, a=one, b=one)['overlay_path'])
    with pytest.raises(ValueError, match=r'it holds the arrays \[\]'):
        read_overlay(sample(None)['overlay_path'])


@pytest.mark.parametrize('shape', [(2, 1, 3), (1, 2, 4), (1, 2, 1), (1, 2), (3, 1, 2), ()])
def test_shapes_that_differ(sample, shape):
    files = sample(np.zeros(shape, np.int8))
    for act in (LoadBlendedImage(), lambda sample: check_overlay(sample['overlay_path'], sample['img_path'])):
        with pytest.raises(ValueError, match=r'street\.png is \(1, 2, 3\), but its overlay .*overlay\.npz is \('):
            act(files)


def test_grey_images_are_refused(sample):
    with pytest.raises(ValueError, match=r'street\.png is \(1, 2\), .*expected \(height, width, 3\) of both'):
        LoadBlendedImage(color_type='grayscale')(sample(np.zeros((1, 2), np.int8)))


@pytest.mark.parametrize('dtype', [bool, complex, 'U3'])
def test_arrays_that_are_no_numbers(sample, dtype):
    files = sample(np.zeros((1, 2, 3), dtype))
    for act in (LoadBlendedImage(), lambda sample: check_overlay(sample['overlay_path'], sample['img_path'])):
        with pytest.raises(ValueError, match=r'overlay\.npz holds .*, expected integers or floating point numbers'):
            act(files)


def test_numbers_that_are_not_finite(sample):
    overlay = np.zeros((1, 2, 3))
    overlay[0, 0, :2] = np.nan, np.inf
    with pytest.raises(ValueError, match=r'overlay\.npz holds 2 values that are not finite'):
        LoadBlendedImage()(sample(overlay))


def test_objects_are_never_unpickled(sample, tmp_path):
    np.savez(tmp_path / 'objects.npz', np.array([print], object))
    with pytest.raises(ValueError, match=r'objects\.npz cannot be read as an npz file: Object arrays cannot be loaded'):
        read_overlay(tmp_path / 'objects.npz')


@pytest.mark.parametrize('content', [b'', b'Not Found', b'half', b'pixels', None])
def test_files_that_are_no_overlays(sample, content, tmp_path):
    rng = np.random.default_rng(0)
    np.savez_compressed(tmp_path / 'overlay.npz', rng.integers(-9, 9, (64, 64, 3)))
    whole = (tmp_path / 'overlay.npz').read_bytes()
    middle = len(whole) // 2
    content = {b'half': whole[:middle],
               b'pixels': whole[:middle] + bytes(100) + whole[middle + 100:]}.get(content, content)
    (tmp_path / 'overlay.npz').unlink()
    if content is not None:
        (tmp_path / 'overlay.npz').write_bytes(content)
    with pytest.raises(ValueError, match=r'overlay .*overlay\.npz cannot be read as an npz file: '):
        read_overlay(tmp_path / 'overlay.npz')


def test_sample_without_overlay(sample):
    files = sample([0])
    del files['overlay_path']
    with pytest.raises(KeyError, match=r"no overlay_path in the sample \(found: \['img_path'\]\)"):
        LoadBlendedImage()(files)
