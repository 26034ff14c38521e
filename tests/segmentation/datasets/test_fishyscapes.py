"""The official Static: differences that are added to Cityscapes, wherever that lies."""
import pickle

import cv2
import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

from mmseg_ood.segmentation.datasets import FishyscapesDataset, LostAndFoundDataset
from mmseg_ood.segmentation.transforms import LoadBlendedImage

PIPELINE = [{'type': 'LoadImageFromFile'}, {'type': 'LoadAnnotations'}, {'type': 'PackSegInputs'}]
STREETS = ('frankfurt_000000_000294', 'lindau_000001_000019')


def write_street(root, name, rgb):
    path = root / 'leftImg8bit/val' / name.split('_')[0] / f'{name}_leftImg8bit.png'
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((4, 6, 3), rgb[::-1], np.uint8))


def write_overlay(folder, name, overlay=0, labels=(0, 1, 255)):
    folder.mkdir(parents=True, exist_ok=True)
    overlay = np.broadcast_to(np.asarray(overlay, np.int16), (4, 6, 3))
    np.savez_compressed(folder / f'{name}_rgb.npz', overlay)
    cv2.imwrite(str(folder / f'{name}_labels.png'), np.repeat([labels] * 4, 2, axis=1).astype(np.uint8))


def first_pixels(dataset):
    """The top left pixel of every frame, in RGB."""
    return [dataset[index]['inputs'][[2, 1, 0], 0, 0].tolist() for index in range(len(dataset))]


@pytest.fixture
def cityscapes(tmp_path):
    for name, rgb in zip(STREETS, ((10, 20, 30), (110, 120, 130)), strict=True):
        write_street(tmp_path / 'cityscapes', name, rgb)
    write_street(tmp_path / 'cityscapes', 'munster_000000_000019', (0, 0, 0))
    return tmp_path / 'cityscapes'


@pytest.mark.parametrize('folder', ['', 'fishyscapes_static', 'fs_static'])
def test_everything_in_one_folder(tmp_path, folder, ground_truth):
    street = STREETS[0]
    write_street(tmp_path, street, (10, 20, 30))
    write_overlay(tmp_path / folder, f'0003_{street}', [1, -2, 3])
    dataset = FishyscapesDataset(str(tmp_path), pipeline=PIPELINE)
    assert dataset.subset == 'static'
    assert dataset.check_files() is None
    assert first_pixels(dataset) == [[11, 18, 33]]
    assert ground_truth(dataset) == [0, 254, 255]
    info = dataset.get_data_info(0)
    assert info['img_path'] == str(tmp_path / f'leftImg8bit/val/frankfurt/{street}_leftImg8bit.png')
    assert info['overlay_path'] == str(tmp_path / folder / f'0003_{street}_rgb.npz')


@pytest.mark.parametrize(('root', 'folder'), [
    ('static', 'static'), ('static', 'static/fs_static'), ('', 'fs_static'), ('', 'fishyscapes_static')])
def test_cityscapes_in_or_beside_the_root(tmp_path, cityscapes, root, folder):
    write_overlay(tmp_path / folder, f'0010_{STREETS[1]}', [5, 0, 0])
    write_overlay(tmp_path / folder, f'0002_{STREETS[0]}', [0, 0, 5])
    dataset = FishyscapesDataset(str(tmp_path / root), subset='static', pipeline=PIPELINE)
    assert first_pixels(dataset) == [[10, 20, 35], [115, 120, 130]]


def test_cityscapes_root(tmp_path, cityscapes):
    elsewhere = cityscapes.rename(tmp_path / 'elsewhere')
    write_overlay(tmp_path / 'static', f'0000_{STREETS[0]}')
    arguments = {'data_root': str(tmp_path / 'static'), 'pipeline': PIPELINE}
    looked_for = rf'{tmp_path}/static, {tmp_path}/static/cityscapes, {tmp_path}/cityscapes'
    with pytest.raises(FileNotFoundError, match=rf'leftImg8bit/val/CITY/.* in any of {looked_for}\. .*cityscapes_root'):
        FishyscapesDataset(**arguments)
    assert first_pixels(FishyscapesDataset(**arguments, cityscapes_root=str(elsewhere))) == [[10, 20, 30]]
    # A folder that is named is the only one in which they are looked for.
    write_street(tmp_path / 'cityscapes', STREETS[0], (0, 0, 0))
    with pytest.raises(FileNotFoundError, match=rf'in any of {tmp_path}/nowhere\. '):
        FishyscapesDataset(**arguments, cityscapes_root=str(tmp_path / 'nowhere'))


def test_two_frames_on_one_street(tmp_path, cityscapes):
    write_overlay(tmp_path / 'static', f'0000_{STREETS[0]}', 1)
    write_overlay(tmp_path / 'static', f'0001_{STREETS[0]}', 2)
    write_overlay(tmp_path / 'static', f'0002_{STREETS[1]}_leftImg8bit', 3)
    dataset = FishyscapesDataset(str(tmp_path / 'static'), pipeline=PIPELINE)
    assert first_pixels(dataset) == [[11, 21, 31], [12, 22, 32], [113, 123, 133]]


def test_frames_without_their_street(tmp_path, cityscapes):
    for number, name in enumerate((*STREETS, 'ulm_1_2', 'ulm_3_4')):
        write_overlay(tmp_path / 'static', f'{number:04d}_{name}')
    with pytest.raises(ValueError, match=r'2 frames whose Cityscapes image is not among the 3 of '
                                         r'.*cityscapes/leftImg8bit/val/.*2_ulm_1_2_rgb\.npz, .*3_ulm_3_4_rgb\.npz'):
        FishyscapesDataset(str(tmp_path / 'static'))


def test_overlays_and_labels_that_do_not_pair_up(tmp_path, cityscapes):
    folder = tmp_path / 'static'
    write_overlay(folder, f'0000_{STREETS[0]}')
    write_overlay(folder, f'0001_{STREETS[1]}')
    (folder / f'0001_{STREETS[1]}_rgb.npz').unlink()
    with pytest.raises(ValueError, match=r'1 label maps without an image \(NAME_rgb\.npz\): .*lindau.*_labels\.png'):
        FishyscapesDataset(str(folder))
    write_overlay(folder, f'0001_{STREETS[1]}')
    (folder / f'0000_{STREETS[0]}_labels.png').unlink()
    with pytest.raises(ValueError, match=r'1 images without a label map \(NAME_labels\.png\): .*0000_frank.*_rgb\.npz'):
        FishyscapesDataset(str(folder))
    (folder / f'0001_{STREETS[1]}_labels.png').unlink()
    with pytest.raises(ValueError, match=r'2 images \(NAME_rgb\.npz\) but no label map'):
        FishyscapesDataset(str(folder))


def test_labels_of_another_size(tmp_path, cityscapes, write):
    write_overlay(tmp_path / 'static', f'0000_{STREETS[0]}')
    write(tmp_path / f'static/0000_{STREETS[0]}_labels.png', [[0, 1]])
    dataset = FishyscapesDataset(str(tmp_path / 'static'), pipeline=PIPELINE)
    with pytest.raises(ValueError, match=r'frankfurt_000000_000294_leftImg8bit\.png is 6x4 .*_labels\.png is 2x1'):
        dataset.check_files()


def test_overlay_of_another_size(tmp_path, cityscapes):
    write_overlay(tmp_path / 'static', f'0000_{STREETS[0]}')
    np.savez(tmp_path / f'static/0000_{STREETS[0]}_rgb.npz', np.zeros((6, 4, 3), np.int16))
    dataset = FishyscapesDataset(str(tmp_path / 'static'), pipeline=PIPELINE)
    for act in (dataset.check_files, lambda: dataset[0]):
        with pytest.raises(ValueError, match=r'leftImg8bit\.png is \(4, 6, 3\), but its overlay .*rgb\.npz is \(6, 4'):
            act()


def test_damaged_overlay(tmp_path, cityscapes):
    write_overlay(tmp_path / 'static', f'0000_{STREETS[0]}')
    path = tmp_path / f'static/0000_{STREETS[0]}_rgb.npz'
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r'overlay .*0000_frankfurt_000000_000294_rgb\.npz cannot be read'):
        FishyscapesDataset(str(tmp_path / 'static')).check_files()


def test_pipeline_is_blended_only_where_needed(tmp_path, cityscapes, write_frame):
    write_overlay(tmp_path / 'static', f'0000_{STREETS[0]}')
    write_frame(tmp_path, 'flat/images/0.png', 'flat/labels_masks/0.png')
    pipeline = [dict(PIPELINE[0], to_float32=True, imdecode_backend='pillow'), *PIPELINE[1:]]
    flat, static = (FishyscapesDataset(str(tmp_path / folder), pipeline=pipeline).pipeline.transforms
                    for folder in ('flat', 'static'))
    assert [type(step) for step in (flat[0], static[0])] == [LoadImageFromFile, LoadBlendedImage]
    assert vars(static[0]) == vars(flat[0])
    assert static[0].to_float32
    assert [type(step) for step in flat[1:]] == [type(step) for step in static[1:]]


def test_pipeline_that_would_not_blend(tmp_path, cityscapes):
    write_overlay(tmp_path / 'static', f'0000_{STREETS[0]}')
    with pytest.raises(ValueError, match='no step of the pipeline is a LoadImageFromFile'):
        FishyscapesDataset(str(tmp_path / 'static'), pipeline=PIPELINE[1:])
    own = FishyscapesDataset(str(tmp_path / 'static'), pipeline=[{'type': 'LoadBlendedImage'}, *PIPELINE[1:]])
    assert first_pixels(own) == [[10, 20, 30]]


def test_lazy_data_set_in_loader_workers(tmp_path, cityscapes):
    for number, name in enumerate(STREETS):
        write_overlay(tmp_path / 'static', f'{number:04d}_{name}', -10 * number - 15)
    lazy = FishyscapesDataset(str(tmp_path / 'static'), pipeline=PIPELINE, lazy_init=True)
    dataset = pickle.loads(pickle.dumps(lazy))
    dataset.full_init()
    loader = DataLoader(pickle.loads(pickle.dumps(dataset)), num_workers=1, collate_fn=pseudo_collate)
    assert [batch['inputs'][0][:, 0, 0].tolist() for batch in loader] == [[15, 5, 0], [105, 95, 85]]


def test_both_official_sets_in_one_folder(tmp_path, write_frame):
    name = '04_Maurener_Weg_8_000000_000030'
    write_frame(tmp_path, f'leftImg8bit/test/04_Maurener_Weg_8/{name}_leftImg8bit.png',
                f'fishyscapes_lostandfound/0000_{name}_labels.png')
    write_street(tmp_path, STREETS[0], (10, 20, 30))
    write_overlay(tmp_path / 'fishyscapes_static', f'0000_{STREETS[0]}', 1)
    with pytest.raises(ValueError, match=r'(?s)2 data sets, which one.*Lost & Found: .*Static: .*name the subset'):
        FishyscapesDataset(str(tmp_path))
    assert first_pixels(FishyscapesDataset(str(tmp_path), subset='static', pipeline=PIPELINE)) == [[11, 21, 31]]
    lost_and_found = FishyscapesDataset(str(tmp_path), subset='lost_and_found', pipeline=PIPELINE)
    assert first_pixels(lost_and_found) == [[0, 0, 0]]
    with pytest.raises(ValueError, match=r'1 images \(leftImg8bit/test/.* but no label map \(gtCoarse'):
        LostAndFoundDataset(str(tmp_path))
