"""The anomaly benchmarks: every layout, what the labels become, and what is refused."""
import pickle
from pathlib import Path

import pytest
from mmengine.dataset import pseudo_collate
from mmseg.registry import DATASETS
from torch.utils.data import DataLoader

from mmseg_ood.segmentation.datasets import (
    FishyscapesDataset,
    LostAndFoundDataset,
    RoadAnomalyDataset,
    SMIYCDataset,
    StreetHazardsDataset,
)

PIPELINE = [
    {'type': 'LoadImageFromFile'},
    {'type': 'Resize', 'scale': (12, 8), 'keep_ratio': True},
    {'type': 'LoadAnnotations'},
    {'type': 'PackSegInputs'},
]
ID = '04_Maurener_Weg_8_000000_000030'
# An inlier, an anomaly and, where there is one, a void pixel as the files say it.
VALUES = {LostAndFoundDataset: (1, 2, 0), StreetHazardsDataset: (13, 14)}

LAYOUTS = [
    (FishyscapesDataset, 'images/0.png', 'labels_masks/0.png', None),
    (FishyscapesDataset, 'images/0.jpg', 'labels_masks/0.png', None),
    (FishyscapesDataset, 'original/a.b.png', 'labels/a.b.png', None),
    (FishyscapesDataset, 'LostAndFound/original/0.png', 'LostAndFound/labels/0.png', 'lost_and_found'),
    (FishyscapesDataset, 'fs_lost_and_found/original/0.png', 'fs_lost_and_found/labels/0.png',
     'lost_and_found'),
    (FishyscapesDataset, 'Static/original/0.jpg', 'Static/labels/0.png', 'static'),
    (FishyscapesDataset, 'fs_static/original/0.png', 'fs_static/labels/0.png', 'static'),
    (FishyscapesDataset, 'fs_static/images/0.jpg', 'fs_static/labels_masks/0.png', 'static'),
    (FishyscapesDataset, f'leftImg8bit/test/04_Maurener_Weg_8/{ID}_leftImg8bit.png',
     f'fishyscapes_lostandfound/0000_{ID}_labels.png', 'lost_and_found'),
    (FishyscapesDataset, f'leftImg8bit/train/04_Maurener_Weg_8/{ID}_leftImg8bit.png',
     f'fishyscapes_lostandfound/0000_{ID}_leftImg8bit_labels.png', 'lost_and_found'),
    (RoadAnomalyDataset, 'frames/deer.webp', 'frames/deer.labels/labels_semantic.png', None),
    (RoadAnomalyDataset, 'original/deer.jpg', 'labels/deer.png', None),
    (RoadAnomalyDataset, 'images/0.jpg', 'labels_masks/0.png', None),
    (SMIYCDataset, 'images/0.png', 'labels_masks/0.png', None),
    (SMIYCDataset, 'images/validation0.jpg', 'labels_masks/validation0_labels_semantic.png', None),
    (SMIYCDataset, 'dataset_AnomalyTrack/images/v.jpg',
     'dataset_AnomalyTrack/labels_masks/v_labels_semantic.png', 'anomaly_track'),
    (SMIYCDataset, 'dataset_ObstacleTrack/images/v.webp',
     'dataset_ObstacleTrack/labels_masks/v_labels_semantic.png', 'obstacle_track'),
    (SMIYCDataset, 'RoadAnomaly21/images/0.png', 'RoadAnomaly21/labels_masks/0.png', 'anomaly_track'),
    (SMIYCDataset, 'RoadObstacle21/images/0.png', 'RoadObstacle21/labels_masks/0.png', 'obstacle_track'),
    (SMIYCDataset, 'RoadObsticle21/images/0.webp', 'RoadObsticle21/labels_masks/0.png', 'obstacle_track'),
    *((LostAndFoundDataset, f'leftImg8bit/{split}/04_Maurener_Weg_8/{ID}_leftImg8bit.png',
       f'gtCoarse/{split}/04_Maurener_Weg_8/{ID}_gtCoarse_labelIds.png', split) for split in ('train', 'test')),
    (StreetHazardsDataset, 'test/images/t5/1.png', 'test/annotations/t5/1.png', None),
    (StreetHazardsDataset, 'images/t5/1.png', 'annotations/t5/1.png', None),
    (StreetHazardsDataset, 'images/1.png', 'annotations/1.png', None),
]


@pytest.mark.parametrize(('cls', 'image', 'label', 'subset'), LAYOUTS)
def test_layout(tmp_path, cls, image, label, subset, write_frame, ground_truth):
    values = VALUES.get(cls, (0, 1, 255))
    write_frame(tmp_path, image, label, values)
    dataset = DATASETS.build({'type': cls.__name__, 'data_root': str(tmp_path), 'pipeline': PIPELINE})
    assert len(dataset) == 1
    assert dataset.subset == subset
    info = dataset.get_data_info(0)
    assert info['img_path'] == str(tmp_path / image)
    assert info['seg_map_path'] == str(tmp_path / label)
    assert ground_truth(dataset) == [0, 254, 255][:len(values)]
    assert dataset.check_files() is None


@pytest.mark.parametrize(('image', 'label'), [
    ('frames/deer.v1.jpg', 'frames/deer.v1.labels/labels_semantic.png'),
    ('frames/deer.webp', 'frames/deer.labels/labels_semantic.png'),
    ('original/deer.jpg', 'labels/deer.png'),
])
def test_road_anomaly_where_two_is_anomaly(tmp_path, image, label, write_frame, ground_truth):
    write_frame(tmp_path, image, label, (0, 2, 0))
    dataset = RoadAnomalyDataset(str(tmp_path), pipeline=PIPELINE)
    assert ground_truth(dataset) == [0, 254, 0]


def test_road_anomaly_where_both_would_be(tmp_path, write_frame):
    write_frame(tmp_path, 'frames/deer.jpg', 'frames/deer.labels/labels_semantic.png', (0, 1, 2))
    dataset = RoadAnomalyDataset(str(tmp_path), pipeline=PIPELINE)
    with pytest.raises(ValueError, match=r'deer\.labels/labels_semantic\.png holds both 1 and 2, expected one'):
        dataset[0]


def test_frames_in_natural_order(tmp_path, write_frame):
    for name in ('10', '2', '1', 'b2', 'b10', 'a'):
        write_frame(tmp_path, f'images/{name}.png', f'labels_masks/{name}.png')
    dataset = FishyscapesDataset(str(tmp_path))
    paths = [dataset.get_data_info(index)['img_path'] for index in range(6)]
    assert [Path(path).stem for path in paths] == ['1', '2', '10', 'a', 'b2', 'b10']


def test_names_that_contain_each_other(tmp_path, write_frame):
    for name in ('rocks', 'rocks2', 'two_rocks', 'rocks.labels'):
        write_frame(tmp_path, f'frames/{name}.jpg', f'frames/{name}.labels/labels_semantic.png', (0, 2, 2))
    dataset = RoadAnomalyDataset(str(tmp_path))
    for info in map(dataset.get_data_info, range(4)):
        assert info['seg_map_path'] == info['img_path'].removesuffix('.jpg') + '.labels/labels_semantic.png'


def test_arguments_of_base_dataset(tmp_path, write_frame):
    for name in range(4):
        write_frame(tmp_path, f'images/{name}.png', f'labels_masks/{name}.png')
    assert not FishyscapesDataset(str(tmp_path / 'missing'), lazy_init=True)._fully_initialized
    dataset = FishyscapesDataset(tmp_path, indices=[3, 1], serialize_data=False, test_mode=True)
    assert [info['img_path'][-5] for info in map(dataset.get_data_info, range(2))] == ['3', '1']
    assert dataset.metainfo['classes'] == ('inlier', 'anomaly')
    with pytest.raises(TypeError, match='no use for data_prefix'):
        FishyscapesDataset(tmp_path, data_prefix={'img_path': 'leftImg8bit/val'})


def test_works_in_loader_workers(tmp_path, write_frame):
    for name in range(4):
        write_frame(tmp_path, f'images/{name}.png', f'labels_masks/{name}.png')
    dataset = pickle.loads(pickle.dumps(FishyscapesDataset(str(tmp_path), pipeline=PIPELINE)))
    loader = DataLoader(dataset, batch_size=2, num_workers=1, collate_fn=pseudo_collate)
    samples = [sample for batch in loader for sample in batch['data_samples']]
    assert [sample.img_path[-5] for sample in samples] == list('0123')
    assert samples[0].gt_sem_seg.data.unique().tolist() == [0, 254, 255]


def test_partial_set_says_so(tmp_path, log, write_frame):
    write_frame(tmp_path, 'images/0.png', 'labels_masks/0.png')
    dataset = FishyscapesDataset(str(tmp_path))
    assert dataset.is_partial
    assert f'1 frames under {tmp_path}, published are 100 (lost_and_found), 30 (static)' in log.text
    assert FishyscapesDataset(str(tmp_path), subset='static').expected_frames == {'static': 30}


def test_complete_set_is_not_partial(tmp_path, log, write_frame):
    for name in range(10):
        write_frame(tmp_path, f'images/{name}.png', f'labels_masks/{name}.png')
    assert not SMIYCDataset(str(tmp_path), subset='anomaly_track').is_partial
    assert log.text == ''
    assert SMIYCDataset(str(tmp_path), subset='anomaly_track', indices=3).is_partial


def test_lost_and_found_images_need_no_label(tmp_path, write, write_frame):
    folder = 'leftImg8bit/test/04_Maurener_Weg_8'
    write_frame(tmp_path, f'{folder}/{ID}_leftImg8bit.png', f'fishyscapes_lostandfound/0007_{ID}_labels.png')
    write(tmp_path / folder / '04_Maurener_Weg_8_000000_000040_leftImg8bit.png')
    assert len(FishyscapesDataset(str(tmp_path))) == 1


def test_smiyc_reads_validation_frames_only(tmp_path, log, write, write_frame):
    write_frame(tmp_path, 'images/validation_1.webp', 'labels_masks/validation_1_labels_semantic.png')
    write(tmp_path / 'labels_masks/validation_1_labels_semantic_color.png')
    write(tmp_path / 'images/gravel_1.webp')
    assert len(SMIYCDataset(str(tmp_path), subset='obstacle_track')) == 1
    assert '1 images without public labels are left out' in log.text
    write(tmp_path / 'images/validation_2.webp')
    with pytest.raises(ValueError, match=r'1 images without a label map \(.*\): .*validation_2\.webp'):
        SMIYCDataset(str(tmp_path), subset='obstacle_track')


def test_test_split_without_labels_is_refused(tmp_path, write):
    write(tmp_path / 'images/0.png')
    with pytest.raises(ValueError, match='holds 1 images .* but no label map .* cannot be scored'):
        SMIYCDataset(str(tmp_path))


def test_subset_chooses_between_two_sets(tmp_path, write_frame):
    for name in ('LostAndFound', 'Static'):
        write_frame(tmp_path, f'{name}/original/{name}.png', f'{name}/labels/{name}.png')
    with pytest.raises(ValueError, match=r'(?s)2 data sets, which one.*\{LostAndFound,.*\{Static,.*subset'):
        FishyscapesDataset(str(tmp_path))
    static = FishyscapesDataset(str(tmp_path), subset='static')
    assert static.get_data_info(0)['img_path'].endswith('Static.png')
    with pytest.raises(ValueError, match="no subset 'web', expected one of lost_and_found, static"):
        FishyscapesDataset(str(tmp_path), subset='web')


def test_missing_data_draws_the_layouts(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'(?s)nowhere is not a folder.*frames/NAME\.labels'):
        RoadAnomalyDataset(str(tmp_path / 'nowhere'))
    (tmp_path / 'photos').mkdir()
    with pytest.raises(FileNotFoundError, match=r'(?s)found there: photos/.*frames/NAME.*labels_masks'):
        RoadAnomalyDataset(str(tmp_path))


def test_frames_that_do_not_pair_up(tmp_path, write, write_frame):
    write_frame(tmp_path, 'images/0.png', 'labels_masks/0.png')
    write(tmp_path / 'images/1.png')
    with pytest.raises(ValueError, match=r'1 images without a label map \(labels_masks/NAME\.png\): .*images/1\.png'):
        FishyscapesDataset(str(tmp_path))
    write(tmp_path / 'labels_masks/1.png', [[0]])
    write(tmp_path / 'labels_masks/2.png', [[0]])
    with pytest.raises(ValueError, match=r'1 label maps without an image \(images/NAME.*\): .*labels_masks/2\.png'):
        FishyscapesDataset(str(tmp_path))


def test_no_name_in_common(tmp_path, write):
    write(tmp_path / 'images/0.png')
    write(tmp_path / 'labels_masks/0_gt.png', [[0]])
    with pytest.raises(ValueError, match=r'1 images without a label map \(.*\): .*images/0\.png'):
        FishyscapesDataset(str(tmp_path))


def test_two_images_of_one_frame(tmp_path, write, write_frame):
    write_frame(tmp_path, 'images/0.png', 'labels_masks/0.png')
    write(tmp_path / 'images/0.jpg')
    with pytest.raises(ValueError, match=r'two files for the frame 0: .*0\.jpg and .*0\.png'):
        FishyscapesDataset(str(tmp_path))


@pytest.mark.parametrize(('cls', 'values', 'unknown'), [
    (FishyscapesDataset, (0, 2, 1), '2, expected only 0, 1, 255'),
    (FishyscapesDataset, (0, 254, 1), '254, expected only 0, 1, 255'),
    (RoadAnomalyDataset, (3, 0, 4), '3, 4, expected only 0, 1, 2, 255'),
    (SMIYCDataset, (0, 128, 255), '128, expected only 0, 1, 255'),
])
def test_unknown_label_values(tmp_path, cls, values, unknown, write_frame):
    write_frame(tmp_path, 'images/0.png', 'labels_masks/0.png', values)
    with pytest.raises(ValueError, match=rf'labels_masks/0\.png holds the values {unknown}'):
        cls(str(tmp_path), pipeline=PIPELINE)[0]


def test_one_of_two_tracks(tmp_path, write_frame):
    for folder in ('dataset_AnomalyTrack', 'dataset_ObstacleTrack'):
        write_frame(tmp_path, f'{folder}/images/v.jpg', f'{folder}/labels_masks/v_labels_semantic.png')
    with pytest.raises(ValueError, match=r'(?s)2 data sets, which one.*AnomalyTrack.*ObstacleTrack'):
        SMIYCDataset(str(tmp_path))
    assert len(SMIYCDataset(str(tmp_path), subset='obstacle_track')) == 1
