"""Decoding: every kind of file that occurs, and those that cannot be read."""
import io
import zipfile
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image

from mmseg_ood.classification.datasets import decoding
from mmseg_ood.classification.datasets.decoding import decode_all, decode_image, fit_square


def encoded(image, suffix='.png'):
    return cv2.imencode(suffix, image)[1].tobytes()


def saved(image, **arguments):
    buffer = io.BytesIO()
    image.save(buffer, **arguments)
    return buffer.getvalue()


def test_colours_are_rgb():
    picture = Image.new('RGB', (2, 2), (200, 100, 50))
    assert decode_image(saved(picture, format='PNG'), 2)[0, 0].tolist() == [200, 100, 50]


def test_grey_is_repeated_and_transparency_dropped():
    assert decode_image(saved(Image.new('L', (2, 2), 77), format='PNG'), 2)[0, 0].tolist() == [77] * 3
    rgba = saved(Image.new('RGBA', (2, 2), (1, 2, 3, 0)), format='PNG')
    assert decode_image(rgba, 2)[0, 0].tolist() == [1, 2, 3]
    palette = saved(Image.new('RGB', (2, 2), (10, 20, 30)).convert('P', palette=Image.Palette.ADAPTIVE), format='PNG')
    assert decode_image(palette, 2)[0, 0].tolist() == [10, 20, 30]


def test_16_bits_become_8():
    values = np.array([[0, 255], [256, 65535]], np.uint16)
    assert decode_image(encoded(values), 2)[..., 0].tolist() == [[0, 0], [1, 255]]


def test_exif_rotation_is_applied():
    picture = np.zeros((16, 16, 3), np.uint8)
    picture[:8] = 255  # white above
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise: white on the right
    decoded = decode_image(saved(Image.fromarray(picture), format='JPEG', quality=95, exif=exif), 16)
    assert decoded[:, :6].max() < 20
    assert decoded[:, 10:].min() > 235


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.bmp', '.webp', '.tiff', '.ppm'])
def test_formats(suffix):
    decoded = decode_image(encoded(np.full((8, 8, 3), (30, 60, 90), np.uint8), suffix), 8)
    assert np.abs(decoded.astype(int) - (90, 60, 30)).max() <= 3


def test_square_is_cut_out_of_the_middle():
    columns = np.broadcast_to(np.arange(6, dtype=np.uint8)[None, :, None], (2, 6, 3))
    assert fit_square(columns, 2)[0, :, 0].tolist() == [2, 3]
    assert fit_square(columns.transpose(1, 0, 2), 2)[:, 0, 0].tolist() == [2, 3]


def test_reduction_averages_all_pixels():
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    means = picture.reshape(2, 4, 2, 4, 3).mean(axis=(1, 3))
    assert np.abs(fit_square(picture, 2) - means).max() <= 0.5


def test_enlarging():
    assert fit_square(np.full((3, 3, 3), 9, np.uint8), 8).tolist() == np.full((8, 8, 3), 9).tolist()


JPEG = encoded(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8), '.jpg')
PNG = encoded(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))


@pytest.mark.parametrize(('content', 'message'), [
    (b'', 'empty'), (b'no image', 'damaged or no image'), (JPEG[:-20], 'JPEG data end too early'),
    (JPEG[:2], 'JPEG data end too early'), (PNG[:len(PNG) // 2], 'damaged')])
def test_unreadable_content(content, message):
    with pytest.raises(ValueError, match=message):
        decode_image(content, 32)


def test_jpeg_with_a_thumbnail_behind_it():
    np.testing.assert_array_equal(decode_image(JPEG + b'remark', 32), decode_image(JPEG, 32))


def test_every_image_is_in_its_place():
    pictures = np.random.default_rng(0).integers(0, 256, (600, 4, 4, 3), dtype=np.uint8)
    contents = [encoded(picture[..., ::-1]) for picture in pictures]
    np.testing.assert_array_equal(decode_all(list(map(str, range(600))), contents.__getitem__, 4), pictures)


@pytest.mark.parametrize(('number', 'is_terminal', 'shown'), [(600, True, True), (600, False, False), (9, True, False)])
def test_progress_is_shown_for_many_files(monkeypatch, number, is_terminal, shown):
    calls = []

    def track(chunks, description, total, transient):
        calls.append(description)
        assert len(chunks := list(chunks)) == total
        return chunks

    monkeypatch.setattr(decoding, 'track', track)
    monkeypatch.setattr(decoding, '_SHOW_PROGRESS_FROM', 600)
    monkeypatch.setattr('sys.stdout', SimpleNamespace(isatty=lambda: is_terminal))
    images = decode_all(['x'] * number, lambda index: PNG, 4)
    assert (images == images[0]).all()
    assert calls == ([f'Decoding {number} images'] if shown else [])


def test_all_unreadable_files_are_named():
    def read(index):
        if index == 3:
            raise zipfile.BadZipFile('Bad CRC-32')
        if index == 4:
            raise PermissionError('not allowed')
        return b'' if index == 500 else PNG

    with pytest.raises(ValueError, match='3 of 600 images cannot be read; repair or remove them') as raised:
        decode_all([f'image{index}' for index in range(600)], read, 4)
    assert [line.strip() for line in str(raised.value).splitlines()[1:]] == [
        'image3: Bad CRC-32', 'image4: not allowed', 'image500: the file is empty']
