"""Files that are no frames: found when a frame is loaded, and all at once before."""
import re

import numpy as np
import pytest
from PIL import Image

from mmseg_ood.segmentation.datasets import FishyscapesDataset

PIPELINE = [{'type': 'LoadImageFromFile'}, {'type': 'LoadAnnotations'}, {'type': 'PackSegInputs'}]


@pytest.fixture
def refused(tmp_path):
    """The same error from a frame that is loaded and from the check of all files."""
    def refused(message):
        dataset = FishyscapesDataset(str(tmp_path), pipeline=PIPELINE)
        for act in (dataset.check_files, lambda: dataset[0]):
            with pytest.raises(ValueError, match=message):
                act()
    return refused


def test_sizes_that_differ(tmp_path, write, write_frame, refused):
    write_frame(tmp_path, 'images/0.png', 'labels_masks/0.png')
    write(tmp_path / 'images/0.png', size=(8, 4))
    refused(r'images/0\.png is 8x4 .*labels_masks/0\.png is 6x4')


def test_deep_label_map(tmp_path, write, refused):
    write(tmp_path / 'images/0.png')
    write(tmp_path / 'labels_masks/0.png')
    refused(r'labels_masks/0\.png is an image of mode RGB, expected one channel of 8 bits')


@pytest.mark.parametrize('name', ['images/0.png', 'labels_masks/0.png'])
def test_files_that_are_no_images(tmp_path, name, write_frame, refused):
    write_frame(tmp_path, 'images/0.png', 'labels_masks/0.png')
    (tmp_path / name).write_text('Not Found')
    refused(re.escape(name) + ' cannot be read as an image: ')
    (tmp_path / name).write_text('')
    refused(re.escape(name) + ' cannot be read as an image: ')


@pytest.mark.parametrize('suffix', ['png', 'jpg', 'webp'])
def test_download_that_broke_off(tmp_path, suffix, write, refused):
    image = tmp_path / f'images/0.{suffix}'
    write(tmp_path / 'labels_masks/0.png', [[0] * 64] * 64)
    image.parent.mkdir()
    Image.effect_noise((64, 64), 50).convert('RGB').save(image)
    dataset = FishyscapesDataset(str(tmp_path), pipeline=PIPELINE)
    dataset.check_files()
    assert dataset[0]['inputs'].shape == (3, 64, 64)
    content = image.read_bytes()
    image.write_bytes(content[:len(content) // 2])
    refused(rf'images/0\.{suffix} cannot be read as an image: ')


def test_label_map_with_damaged_pixels(tmp_path, write):
    write(tmp_path / 'images/0.png', size=(64, 64))
    Image.effect_noise((64, 64), 50).save(tmp_path / 'images' / 'noise.png')
    content = bytearray((tmp_path / 'images' / 'noise.png').read_bytes())
    content[len(content) // 2] ^= 255
    (tmp_path / 'images' / 'noise.png').unlink()
    (tmp_path / 'labels_masks').mkdir()
    (tmp_path / 'labels_masks/0.png').write_bytes(content)
    with pytest.raises(ValueError, match=r'labels_masks/0\.png cannot be read as an image: '):
        FishyscapesDataset(str(tmp_path), pipeline=PIPELINE)[0]


def test_all_bad_files_are_counted(tmp_path, write, write_frame):
    for name in range(9):
        write_frame(tmp_path, f'images/{name}.png', f'labels_masks/{name}.png')
    dataset = FishyscapesDataset(str(tmp_path), pipeline=PIPELINE)
    assert dataset.check_files() is None
    for name in range(1, 8):
        write(tmp_path / f'images/{name}.png', size=(8, 4))
    with pytest.raises(ValueError) as error:  # noqa: PT011  (all lines are asserted below)
        dataset.check_files()
    lines = str(error.value).splitlines()
    assert lines[0] == '7 of 9 frames cannot be used:'
    assert all(f'images/{name}.png is 8x4' in lines[name] for name in range(1, 6))
    assert lines[5].endswith('and 2 more')
    assert len(lines) == 6


def test_check_wants_frames(tmp_path, write):
    write(tmp_path / 'images/0.png')
    dataset = FishyscapesDataset(str(tmp_path), lazy_init=True)
    with pytest.raises(ValueError, match='no label map'):
        dataset.check_files()


def test_label_maps_of_one_bit_and_of_a_palette(tmp_path, write, ground_truth):
    columns = np.repeat([(0, 1, 1)] * 4, 2, axis=1).astype(np.uint8)
    (tmp_path / 'labels_masks').mkdir()
    Image.fromarray(columns.astype(bool)).save(tmp_path / 'labels_masks/0.png')
    palette = Image.fromarray(columns)
    palette.putpalette([255, 0, 0] * 256)
    palette.save(tmp_path / 'labels_masks/1.png')
    for name in range(2):
        write(tmp_path / f'images/{name}.png')
        with Image.open(tmp_path / f'labels_masks/{name}.png') as labels:
            assert labels.mode == '1P'[name]
    dataset = FishyscapesDataset(str(tmp_path), pipeline=PIPELINE)
    assert [ground_truth(dataset, index) for index in range(2)] == [[0, 254, 254]] * 2
