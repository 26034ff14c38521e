"""StreetHazards: values that count from one, frames of the same name, the training split beside it."""
import pytest

from mmseg_ood.segmentation.datasets import StreetHazardsDataset

PIPELINE = [{'type': 'LoadImageFromFile'}, {'type': 'LoadAnnotations'}, {'type': 'PackSegInputs'}]


def test_every_class(tmp_path, write_frame, ground_truth):
    write_frame(tmp_path, 'images/t5/1.png', 'annotations/t5/1.png', range(1, 15))
    assert ground_truth(StreetHazardsDataset(str(tmp_path), pipeline=PIPELINE)) == [0] * 13 + [254]


@pytest.mark.parametrize('value', [0, 15, 254, 255])
def test_unknown_values(tmp_path, value, write_frame):
    write_frame(tmp_path, 'images/1.png', 'annotations/1.png', (1, value, 14))
    dataset = StreetHazardsDataset(str(tmp_path), pipeline=PIPELINE)
    with pytest.raises(ValueError, match=rf'annotations/1\.png holds the values {value}, expected only 1, .*13, 14$'):
        dataset[0]


def test_frames_of_the_same_name(tmp_path, write_frame, ground_truth):
    for scene, values in (('t5', (1, 14)), ('t10', (14, 1)), ('t6', (14, 14))):
        write_frame(tmp_path, f'test/images/{scene}/7.png', f'test/annotations/{scene}/7.png', values)
    dataset = StreetHazardsDataset(str(tmp_path), pipeline=PIPELINE)
    assert [ground_truth(dataset, index) for index in range(3)] == [[0, 254], [254, 254], [254, 0]]
    for info in map(dataset.get_data_info, range(3)):
        assert info['img_path'].replace('images', 'annotations') == info['seg_map_path']


def test_whole_download(tmp_path, write_frame):
    write_frame(tmp_path, 'test/images/t5/1.png', 'test/annotations/t5/1.png', (1, 14))
    for part in ('training', 'validation'):
        write_frame(tmp_path, f'train/images/{part}/t1/1.png', f'train/annotations/{part}/t1/1.png', (1, 2))
        write_frame(tmp_path, f'train/images/{part}/1.png', f'train/annotations/{part}/1.png', (1, 2))
    dataset = StreetHazardsDataset(str(tmp_path))
    assert [info['img_path'] for info in map(dataset.get_data_info, range(len(dataset)))] == [
        str(tmp_path / 'test/images/t5/1.png')]


def test_training_split_alone(tmp_path, write_frame):
    write_frame(tmp_path, 'train/images/training/t1/1.png', 'train/annotations/training/t1/1.png', (1, 2))
    for root in (tmp_path, tmp_path / 'train'):
        with pytest.raises(FileNotFoundError, match=r'(?s)no labelled frame; .*test/annotations/FOLDER/NAME\.png'):
            StreetHazardsDataset(str(root))


def test_frame_in_one_scene_only(tmp_path, write, write_frame):
    write_frame(tmp_path, 'images/t5/1.png', 'annotations/t5/1.png', (1, 14))
    write(tmp_path / 'images/t6/1.png')
    with pytest.raises(ValueError, match=r'1 images without a label map \(annotations/FOLDER/NAME.*images/t6/1\.png'):
        StreetHazardsDataset(str(tmp_path))
    write(tmp_path / 'annotations/t6/1.png', [[1]])
    write(tmp_path / 'annotations/t7/1.png', [[1]])
    with pytest.raises(ValueError, match=r'1 label maps without an image .*annotations/t7/1\.png'):
        StreetHazardsDataset(str(tmp_path))


def test_two_layouts_at_once(tmp_path, write_frame):
    write_frame(tmp_path, 'images/t5/1.png', 'annotations/t5/1.png', (1, 14))
    write_frame(tmp_path, 'test/images/t5/1.png', 'test/annotations/t5/1.png', (1, 14))
    with pytest.raises(ValueError, match=r'(?s)2 data sets, which one.*test/images/FOLDER.* images/FOLDER'):
        StreetHazardsDataset(str(tmp_path))
