"""Cityscapes: train ids, label ids, and which of them is read."""
import pytest
from mmseg.datasets import CityscapesDataset
from mmseg.registry import DATASETS

from mmseg_ood.segmentation.datasets import CheckedCityscapesDataset

PIPELINE = [{'type': 'LoadImageFromFile'}, {'type': 'LoadAnnotations'}, {'type': 'PackSegInputs'}]
# https://www.cityscapes-dataset.com: the label ids by class, here in their own order.
LABEL_IDS = {'road': 7, 'sidewalk': 8, 'building': 11, 'wall': 12, 'fence': 13, 'pole': 17, 'traffic light': 19,
             'traffic sign': 20, 'vegetation': 21, 'terrain': 22, 'sky': 23, 'person': 24, 'rider': 25, 'car': 26,
             'truck': 27, 'bus': 28, 'train': 31, 'motorcycle': 32, 'bicycle': 33}


@pytest.fixture
def write_street(tmp_path, write_frame):
    def write_street(ids, values, name='aachen_000000_000019', split='val'):
        folder = f'{split}/{name.split("_")[0]}'
        write_frame(tmp_path, f'leftImg8bit/{folder}/{name}_leftImg8bit.png',
                    f'gtFine/{folder}/{name}_gtFine_{ids}.png', values)
        for other in ('color', 'instanceIds'):
            (tmp_path / f'gtFine/{folder}/{name}_gtFine_{other}.png').write_text('not read')
    return write_street


def test_train_ids(tmp_path, write_street, ground_truth):
    write_street('labelTrainIds', [*range(19), 254, 255])
    dataset = DATASETS.build({'type': 'CheckedCityscapesDataset', 'data_root': str(tmp_path), 'split': 'val',
                              'pipeline': PIPELINE})
    assert ground_truth(dataset) == [*range(19), 254, 255]
    assert dataset.metainfo['classes'] == CityscapesDataset.METAINFO['classes']
    assert dataset.metainfo['palette'] == CityscapesDataset.METAINFO['palette']
    assert dataset.expected_frames == {'val': 500}
    assert dataset.is_partial


def test_label_ids(tmp_path, write_street, ground_truth):
    write_street('labelIds', [*range(34), 254, 255])
    truth = ground_truth(CheckedCityscapesDataset(str(tmp_path), split='val', pipeline=PIPELINE))
    assert truth[34:] == [254, 255]
    classes = CityscapesDataset.METAINFO['classes']
    read = {classes[train_id]: label_id for label_id, train_id in enumerate(truth[:34]) if train_id != 255}
    assert read == LABEL_IDS


def test_train_ids_where_both_exist(tmp_path, write_street, ground_truth):
    write_street('labelIds', (7, 7))
    write_street('labelTrainIds', (3, 3))
    assert ground_truth(CheckedCityscapesDataset(str(tmp_path), split='val', pipeline=PIPELINE)) == [3, 3]


def test_train_ids_that_were_made_for_some(tmp_path, write_street, ground_truth):
    write_street('labelIds', (7, 8), 'ulm_000000_000019')
    write_street('labelIds', (7, 8))
    write_street('labelTrainIds', (0, 1))
    dataset = CheckedCityscapesDataset(str(tmp_path), split='val', pipeline=PIPELINE)
    assert [ground_truth(dataset, index) for index in range(2)] == [[0, 1]] * 2


def test_train_ids_that_are_missing(tmp_path, write, write_street):
    write_street('labelTrainIds', (0, 1))
    write(tmp_path / 'leftImg8bit/val/ulm/ulm_000000_000019_leftImg8bit.png')
    with pytest.raises(ValueError, match=r'1 images without a label map \(gtFine/val/CITY/NAME_gtFine_labelTrainIds'):
        CheckedCityscapesDataset(str(tmp_path), split='val')


@pytest.mark.parametrize(('ids', 'value'), [('labelTrainIds', 19), ('labelTrainIds', 33), ('labelIds', 34)])
def test_unknown_values(tmp_path, ids, value, write_street):
    write_street(ids, (0, value))
    dataset = CheckedCityscapesDataset(str(tmp_path), split='val', pipeline=PIPELINE)
    with pytest.raises(ValueError, match=rf'{ids}\.png holds the values {value}, expected only 0, 1, .*254, 255'):
        dataset[0]


@pytest.mark.parametrize(('ids', 'values'), [('labelTrainIds', (0, 13, 1, 254, 255)), ('labelIds', (7, 26, 8, 254, 0))])
def test_chosen_classes(tmp_path, ids, values, write_street, ground_truth):
    write_street(ids, values)
    dataset = CheckedCityscapesDataset(str(tmp_path), split='val', pipeline=PIPELINE,
                                       metainfo={'classes': ['car', 'road']})
    assert ground_truth(dataset) == [1, 0, 255, 254, 255]


def test_missing_frames(tmp_path, write_street):
    write_street('labelTrainIds', (0, 1), split='train')
    with pytest.raises(FileNotFoundError, match=r'(?s)val/CITY/NAME_gtFine_labelTrainIds.*NAME_gtFine_labelIds'):
        CheckedCityscapesDataset(str(tmp_path), split='val')
    with pytest.raises(ValueError, match="no subset 'test', expected one of train, val"):
        CheckedCityscapesDataset(str(tmp_path), split='test')
    with pytest.raises(TypeError, match='no use for data_prefix'):
        CheckedCityscapesDataset(str(tmp_path), split='train', data_prefix={'img_path': 'leftImg8bit/train'})
