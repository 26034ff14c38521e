"""CamVid: label values, splits, chosen classes."""
import numpy as np
import pytest
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS
from PIL import Image

from mmseg_ood.segmentation.datasets import CamVidDataset

init_default_scope('mmseg')

PIPELINE = [{'type': 'LoadImageFromFile'}, {'type': 'LoadAnnotations'}, {'type': 'PackSegInputs'}]


@pytest.fixture
def root(tmp_path):
    for folder in ('train', 'trainannot', 'val', 'valannot'):
        (tmp_path / folder).mkdir()
    write_frame(tmp_path, 'train', 'b_2.png')
    write_frame(tmp_path, 'train', 'a_1.png')
    write_frame(tmp_path, 'val', 'c_3.jpg')
    return tmp_path


def write_frame(root, split, name, labels=range(12)):
    labels = np.array([labels] * 2, np.uint8)
    Image.new('RGB', labels.shape[::-1]).save(root / split / name)
    Image.fromarray(labels).save((root / f'{split}annot' / name).with_suffix('.png'))


def ground_truth(dataset, index=0):
    return dataset[index]['data_samples'].gt_sem_seg.data[0, 1].tolist()


def test_split(root):
    config = {'type': 'CamVidDataset', 'data_root': str(root), 'split': 'train', 'pipeline': PIPELINE}
    dataset = DATASETS.build(config)
    assert [info['img_path'][-7:] for info in map(dataset.get_data_info, range(2))] == ['a_1.png', 'b_2.png']
    assert ground_truth(dataset) == [*range(11), 255]
    assert dataset.expected_frames == {'train': 367}
    assert dataset.is_partial


def test_data_prefix_is_the_same(root):
    by_split = CamVidDataset(str(root), split='val', pipeline=PIPELINE)
    by_prefix = CamVidDataset(str(root), data_prefix={'img_path': './val/', 'seg_map_path': 'valannot'})
    assert by_split.get_data_info(0) == by_prefix.get_data_info(0)


def test_classes_and_palette():
    meta = CamVidDataset('data/camvid', split='val', lazy_init=True).metainfo
    assert [meta['classes'][index] for index in (0, 3, 10)] == ['sky', 'road', 'bicyclist']
    assert len({tuple(color) for color in meta['palette']}) == len(meta['classes']) == 11


def test_chosen_classes(root):
    dataset = CamVidDataset(str(root), split='val', metainfo={'classes': ['road', 'car']}, pipeline=PIPELINE)
    assert ground_truth(dataset) == [255, 255, 255, 0, 255, 255, 255, 255, 1, 255, 255, 255]
    assert dataset.metainfo['palette'] == [[128, 64, 128], [64, 0, 128]]


def test_unknown_label_values(root):
    write_frame(root, 'val', 'd_4.png', [0, 12, 254, 255])
    dataset = CamVidDataset(str(root), split='val', pipeline=PIPELINE)
    with pytest.raises(ValueError, match=r'd_4\.png holds the values 12, expected only 0, .*10, 11, 254, 255'):
        dataset[1]


@pytest.mark.parametrize('arguments', [{}, {'split': 'val', 'data_prefix': {'img_path': 'val'}}])
def test_wants_split_or_prefix(root, arguments):
    with pytest.raises(ValueError, match='wants split or data_prefix'):
        CamVidDataset(str(root), **arguments)


def test_missing_frames(root):
    with pytest.raises(ValueError, match="no subset 'tst', expected one of train, val, test"):
        CamVidDataset(str(root), split='tst')
    with pytest.raises(FileNotFoundError, match=r'test/NAME\.\{png,jpg,jpeg,webp\} \+ testannot/NAME\.png'):
        CamVidDataset(str(root), split='test')
    (root / 'valannot/c_3.png').unlink()
    write_frame(root, 'val', 'd_4.png')
    with pytest.raises(ValueError, match=r'1 images without a label map \(valannot/NAME\.png\): .*val/c_3\.jpg'):
        CamVidDataset(str(root), split='val')
