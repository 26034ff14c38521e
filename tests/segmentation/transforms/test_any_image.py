"""Images of every kind: what the network and the eye get of them."""
import io

import cv2
import mmcv
import numpy as np
import pytest
from PIL import Image, ImageOps

from mmseg_ood.segmentation.transforms.any_image import LoadAnyImage, decode_image, to_bgr

RNG = np.random.default_rng(0)
# Large patches: JPEG keeps them nearly as they are.
PATCHES = RNG.integers(0, 256, (6, 10, 3)).astype(np.uint8).repeat(16, 0).repeat(16, 1)


def as_file(picture, suffix, **options):
    file = io.BytesIO()
    picture.save(file, suffix, **options)
    return file.getvalue()


def rgb(content):
    return decode_image(content)[..., ::-1].astype(int)


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('suffix', ['JPEG', 'PNG', 'WEBP', 'TIFF'])
def test_orientation_is_that_which_one_sees(suffix, orientation):
    picture = Image.fromarray(PATCHES)
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = as_file(picture, suffix, exif=exif)
    picture.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(picture)).astype(int)
    assert rgb(content).shape == expected.shape
    assert np.abs(rgb(content) - expected).mean() < 8  # lossy; any other turn differs by 60


def test_orientation_of_webp_does_not_depend_on_opencv(monkeypatch):
    """Some releases of OpenCV ignore it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    content = as_file(Image.fromarray(PATCHES), 'WEBP', exif=exif)
    monkeypatch.setattr(cv2, 'imdecode', lambda *_: PATCHES)
    assert decode_image(content).shape == (160, 96, 3)


@pytest.mark.parametrize('suffix', ['PNG', 'TIFF'])
def test_grey(suffix):
    content = as_file(Image.fromarray(PATCHES[..., 0]), suffix)
    np.testing.assert_array_equal(decode_image(content), PATCHES[..., :1].repeat(3, 2))


def test_grey_with_alpha():
    content = as_file(Image.fromarray(PATCHES[..., :2], 'LA'), 'PNG')
    np.testing.assert_array_equal(decode_image(content), PATCHES[..., :1].repeat(3, 2))


@pytest.mark.parametrize(('suffix', 'options'), [('PNG', {}), ('TIFF', {}), ('WEBP', dict(lossless=True, exact=True))])
def test_alpha_is_dropped(suffix, options):
    alpha = np.linspace(0, 255, PATCHES[..., 0].size).reshape(PATCHES.shape[:2]).astype(np.uint8)
    content = as_file(Image.fromarray(np.dstack([PATCHES, alpha])), suffix, **options)
    np.testing.assert_array_equal(rgb(content), PATCHES)


@pytest.mark.parametrize('suffix', ['.png', '.tiff'])
@pytest.mark.parametrize('channels', [1, 3])
def test_sixteen_bits_are_scaled(suffix, channels):
    deep = RNG.integers(0, 65536, (7, 9, channels)).astype(np.uint16)
    deep[0, 0], deep[0, 1], deep[0, 2], deep[0, 3] = 65535, 128, 129, 0xFF7F
    decoded = decode_image(cv2.imencode(suffix, deep)[1].tobytes())
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, np.rint(deep / 257).repeat(3 // channels, 2))
    assert decoded[0, :4, 0].tolist() == [255, 0, 1, 255]


def test_palette():
    picture = Image.fromarray(PATCHES).quantize(16)
    np.testing.assert_array_equal(rgb(as_file(picture, 'PNG')), np.asarray(picture.convert('RGB')))


@pytest.mark.parametrize('suffix', ['JPEG', 'PNG', 'WEBP', 'BMP', 'TIFF'])
def test_eight_bits_are_those_of_mmcv(suffix, tmp_path):
    path = tmp_path / f'image.{suffix.lower()}'
    Image.fromarray(RNG.integers(0, 256, (30, 40, 3)).astype(np.uint8)).save(path)
    results = LoadAnyImage(to_float32=True)(dict(img_path=str(path)))
    np.testing.assert_array_equal(results['img'], mmcv.imread(path))
    assert results['img'].dtype == np.float32
    assert results['img_shape'] == results['ori_shape'] == (30, 40)


@pytest.mark.parametrize('share', [0, 0.1, 0.6, 0.98])
@pytest.mark.parametrize('suffix', ['JPEG', 'PNG', 'WEBP', 'BMP', 'TIFF'])
def test_incomplete_files(suffix, share):
    content = as_file(Image.fromarray(RNG.integers(0, 256, (400, 600, 3)).astype(np.uint8)), suffix)
    with pytest.raises(ValueError, match=r'too early|unknown format|cannot identify|could not create decoder'):
        decode_image(content[:int(share * len(content))])


def test_remarks_behind_a_jpeg():
    content = as_file(Image.fromarray(PATCHES), 'JPEG')
    np.testing.assert_array_equal(decode_image(content + b'remarks' * 100), decode_image(content))


@pytest.mark.parametrize('picture', [np.ones((4, 4), np.float32), np.ones((4, 4), np.int32)])
def test_neither_eight_nor_sixteen_bits(picture):
    with pytest.raises(ValueError, match=r'unknown format|expected 8 or 16 bits'):
        decode_image(as_file(Image.fromarray(picture), 'TIFF'))


def test_missing_file():
    with pytest.raises(FileNotFoundError, match=r'nowhere\.png'):
        LoadAnyImage()(dict(img_path='nowhere.png'))


@pytest.mark.parametrize('shape', [(4, 6), (4, 6, 1), (4, 6, 3), (4, 6, 4)])
def test_arrays_of_all_shapes(shape):
    array = RNG.integers(0, 256, shape).astype(np.uint8)
    image = to_bgr(array)
    assert image.shape == (4, 6, 3)
    np.testing.assert_array_equal(image, np.broadcast_to(array.reshape(4, 6, -1)[..., :3], (4, 6, 3)))
    image[:] = 0
    assert array.any()  # it was a copy


@pytest.mark.parametrize(('array', 'found'), [
    (np.zeros((4, 6, 2), np.uint8), r'found \(4, 6, 2\)'), (np.zeros((1, 4, 6, 3), np.uint8), r'found \(1, 4, 6, 3\)'),
    (np.zeros((0, 6, 3), np.uint8), r'found \(0, 6, 3\)'), (np.zeros((4, 6, 3)), 'found float64'),
])
def test_arrays_that_are_no_images(array, found):
    with pytest.raises(ValueError, match=found):
        to_bgr(array)
