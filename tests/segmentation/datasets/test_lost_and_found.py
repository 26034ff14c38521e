"""Lost and Found: label ids, the non-hazards, splits, and Fishyscapes beside it."""
import numpy as np
import pytest

from mmseg_ood.segmentation.datasets import FishyscapesDataset, LostAndFoundDataset

PIPELINE = [{'type': 'LoadImageFromFile'}, {'type': 'LoadAnnotations'}, {'type': 'PackSegInputs'}]
NAME = '02_Hanns_Klemm_Str_44_000006_000190'


@pytest.fixture
def write_scene(tmp_path, write_frame):
    """A frame with all that the archive holds for it."""
    def write_scene(split, values, name=NAME):
        scene = f'{split}/{name.rsplit("_", 2)[0]}'
        labels = f'gtCoarse/{scene}/{name}_gtCoarse'
        write_frame(tmp_path, f'leftImg8bit/{scene}/{name}_leftImg8bit.png', f'{labels}_labelIds.png', values)
        for other in ('color', 'instanceIds', 'labelTrainIds'):
            (tmp_path / f'{labels}_{other}.png').write_text('not read')
    return write_scene


@pytest.mark.parametrize(('ignore_non_hazards', 'non_hazard'), [(True, 255), (False, 254)])
def test_every_label_id(tmp_path, write_scene, ground_truth, ignore_non_hazards, non_hazard):
    write_scene('test', range(256))
    dataset = LostAndFoundDataset(str(tmp_path), ignore_non_hazards=ignore_non_hazards, pipeline=PIPELINE)
    expected = np.full(256, 254)
    expected[[0, 1, 255]] = 255, 0, 255
    expected[[31, 33, 34, 36, 37, 38, 39]] = non_hazard
    assert ground_truth(dataset) == expected.tolist()


def test_non_hazards_are_ignored_by_default(tmp_path, write_scene, ground_truth):
    write_scene('test', (1, 31, 32, 40))
    assert ground_truth(LostAndFoundDataset(str(tmp_path), pipeline=PIPELINE)) == [0, 255, 254, 254]


def test_splits(tmp_path, write_scene):
    write_scene('train', (0, 1, 2))
    write_scene('test', (0, 1, 2))
    write_scene('test', (0, 1, 2), '02_Hanns_Klemm_Str_44_000006_000200')
    with pytest.raises(ValueError, match=r'(?s)2 data sets, which one.*gtCoarse/train/.*gtCoarse/test/.*subset'):
        LostAndFoundDataset(str(tmp_path))
    dataset = LostAndFoundDataset(str(tmp_path), subset='test')
    assert len(dataset) == 2
    assert dataset.expected_frames == {'test': 1203}
    assert dataset.is_partial
    train = LostAndFoundDataset(str(tmp_path), subset='train')
    assert len(train) == 1
    assert train.expected_frames == {'train': 1036}
    with pytest.raises(ValueError, match="no subset 'val', expected one of train, test"):
        LostAndFoundDataset(str(tmp_path), subset='val')


def test_image_without_label(tmp_path, write_scene):
    write_scene('test', (0, 1, 2))
    write_scene('test', (0, 1, 2), '05_Schafgasse_1_000000_000150')
    next((tmp_path / 'gtCoarse').rglob('05*labelIds.png')).unlink()
    with pytest.raises(ValueError, match=r'1 images without a label map \(gtCoarse/test/.*05_Schafgasse_1'):
        LostAndFoundDataset(str(tmp_path))


def test_fishyscapes_in_the_same_folder(tmp_path, write_scene, write, ground_truth):
    write_scene('test', (0, 1, 2))
    write_scene('test', (0, 1, 2), '05_Schafgasse_1_000000_000150')
    write(tmp_path / f'fishyscapes_lostandfound/0000_{NAME}_labels.png', [[0, 0, 1, 1, 255, 255]] * 4)
    lost_and_found = LostAndFoundDataset(str(tmp_path), pipeline=PIPELINE)
    assert len(lost_and_found) == 2
    assert ground_truth(lost_and_found) == [255, 0, 254]
    fishyscapes = FishyscapesDataset(str(tmp_path), pipeline=PIPELINE)
    assert len(fishyscapes) == 1
    assert ground_truth(fishyscapes) == [0, 254, 255]


def test_fishyscapes_alone_is_refused(tmp_path, write):
    write(tmp_path / f'leftImg8bit/test/02_Hanns_Klemm_Str_44/{NAME}_leftImg8bit.png')
    write(tmp_path / f'fishyscapes_lostandfound/0000_{NAME}_labels.png', [[0] * 6] * 4)
    with pytest.raises(ValueError, match=r'1 images .* but no label map \(gtCoarse/test/SCENE/NAME_gtCoarse_labelIds'):
        LostAndFoundDataset(str(tmp_path))
