"""measure_statistics(): its figures against the training frames and labels, read and predicted by hand."""
import hashlib
import json

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmseg_ood.apis.measure_statistics import measure_statistics
from mmseg_ood.core import AnomalyScorer, statistics_path


@pytest.fixture
def measure(world, tmp_path):
    def run(**kwargs):
        return measure_statistics(world.config, world.checkpoint, tmp_path / 'new' / 'statistics.json', **kwargs)
    return run


def by_hand(world, frames, images='streets/images'):
    """Counts, means and standard deviations over the inlier pixels of some training frames."""
    segmentor, values, classes = world.segmentor(), [], []
    for index in frames:
        logits = world.logits(segmentor, world.root / images / f'frame_{index}.png')
        logits = torch.nn.functional.interpolate(logits[None], (32, 64), mode='bilinear')[0]
        labels = cv2.imread(str(world.root / f'streets/labels/frame_{index}.png'), cv2.IMREAD_UNCHANGED)
        values.append(logits.amax(0).double().numpy()[labels != 255])
        classes.append(logits.argmax(0).numpy()[labels != 255])
    values, classes = np.concatenate(values), np.concatenate(classes)
    parts = [values[classes == index] for index in range(3)]
    return {'counts': [len(part) for part in parts],
            'mean': [(part if len(part) > 1 else values).mean() for part in parts],
            'std': [(part if len(part) > 1 else values).std() for part in parts]}


def assert_equals(result, expected, repeated=1):
    assert result['counts'] == [repeated * count for count in expected['counts']]
    assert result['mean'] == pytest.approx(expected['mean'], rel=1e-5)
    assert result['std'] == pytest.approx(expected['std'], rel=1e-4)


def streets(folder, labels):
    """Config of a training data set of black frames with given labels."""
    for name in ('images', 'labels'):
        (folder / name).mkdir(parents=True)
    for index, label in enumerate(labels):
        cv2.imwrite(str(folder / f'images/{index}.png'), np.zeros((*label.shape, 3), np.uint8))
        cv2.imwrite(str(folder / f'labels/{index}.png'), label.astype(np.uint8))
    return {'train_dataloader.dataset.data_root': str(folder)}


def test_figures_equal_those_by_hand(world, measure):
    """All frames once and as they are: the training pipeline would paste outliers."""
    result = measure()
    assert_equals(result, by_hand(world, range(4)))
    assert result['num_images'] == 4
    assert result['classes'] == ['road', 'car', 'sky']


def test_file_is_one_for_the_score(world, measure, tmp_path):
    result, path = measure(), tmp_path / 'new' / 'statistics.json'
    assert json.loads(path.read_text()) == result
    assert result['provenance']['checkpoint_sha256'] == hashlib.sha256(world.checkpoint.read_bytes()).hexdigest()
    logits = torch.randn(1, 3, 4, 5)
    mean, std = (torch.tensor(result[name])[logits.argmax(1)] for name in ('mean', 'std'))
    torch.testing.assert_close(AnomalyScorer('sml', statistics=path)(logits), (mean - logits.amax(1)) / std)


def test_default_file_is_beside_the_checkpoint(world, tmp_path):
    checkpoint = tmp_path / 'iter_2.pth'
    checkpoint.write_bytes(world.checkpoint.read_bytes())
    result = measure_statistics(world.config, str(checkpoint))
    assert json.loads((tmp_path / 'iter_2.statistics.json').read_text()) == result
    assert statistics_path(checkpoint) == tmp_path / 'iter_2.statistics.json'


@pytest.mark.parametrize(('num_images', 'frames'), [(1, [0]), (2, [0, 3]), (3, [0, 2, 3]), (9, [0, 1, 2, 3])])
def test_frames_are_spread_evenly(world, measure, num_images, frames):
    result = measure(num_images=num_images)
    assert_equals(result, by_hand(world, frames))
    assert result['num_images'] == len(frames)


@pytest.mark.parametrize('wrap', [
    lambda dataset: dict(type='RepeatDataset', times=3, dataset=dataset),
    lambda dataset: dict(type='MultiImageMixDataset', dataset=dataset, pipeline=[dict(type='RandomFlip', prob=1.0)]),
])
def test_wrappers_that_repeat_or_mix_are_taken_off(world, measure, wrap):
    dataset = Config.fromfile(world.config).train_dataloader.dataset
    result = measure(cfg_options={'train_dataloader.dataset': dict(wrap(dataset), _delete_=True)})
    assert_equals(result, by_hand(world, range(4)))


def test_concatenated_data_sets(world, measure):
    dataset = Config.fromfile(world.config).train_dataloader.dataset
    both = dict(type='ConcatDataset', _delete_=True,
                datasets=[dataset, dict(type='RepeatDataset', times=5, dataset=dataset)])
    result = measure(cfg_options={'train_dataloader.dataset': both})
    assert_equals(result, by_hand(world, range(4)), repeated=2)
    assert result['num_images'] == 8
    assert result['classes'] == ['road', 'car', 'sky']


def test_benchmark_pipeline_of_the_config(world, measure, tmp_path):
    """Predicted at twice the size, counted at the size of the labels."""
    pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=(128, 64)), dict(type='LoadAnnotations'),
                dict(type='PackSegInputs')]
    for index in range(4):
        image = cv2.imread(str(world.root / f'streets/images/frame_{index}.png'))
        cv2.imwrite(str(tmp_path / f'frame_{index}.png'), cv2.resize(image, (128, 64)))
    assert_equals(measure(cfg_options=dict(benchmark_pipeline=pipeline)), by_hand(world, range(4), tmp_path))


def test_labels_that_were_scaled_are_refused(world, measure):
    pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='Resize', scale=(128, 64)),
                dict(type='PackSegInputs')]
    with pytest.raises(ValueError, match=r'frame_0.png: logits have shape \(1, 3, 32, 64\), labels \(1, 64, 128\)'):
        measure(cfg_options=dict(benchmark_pipeline=pipeline))


def test_pipeline_without_labels(measure):
    with pytest.raises(ValueError, match='frame_0.png: no labels were loaded, .* needs LoadAnnotations'):
        measure(cfg_options=dict(benchmark_pipeline=[dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]))


def test_further_channels_are_no_classes(world, measure, tmp_path):
    options = streets(tmp_path / 'two', [np.arange(32 * 64).reshape(32, 64) % 2] * 2)
    result = measure(cfg_options=dict(num_inlier_classes=2, **options))
    assert len(result['mean']) == len(result['counts']) == 2
    assert result['classes'] == ['road', 'car']
    assert sum(result['counts']) == 2 * 32 * 64


def test_frames_without_inliers_count_but_contribute_nothing(measure, tmp_path):
    labels = [np.full((32, 64), 255), np.zeros((32, 64)), np.full((32, 64), 254)]
    result = measure(cfg_options=streets(tmp_path / 'some', labels))
    assert result['num_images'] == 3
    assert sum(result['counts']) == 32 * 64


def test_data_without_inliers(measure, tmp_path):
    with pytest.raises(ValueError, match='train_dataloader.dataset: none of 2 frames has an inlier pixel'):
        measure(cfg_options=streets(tmp_path / 'void', [np.full((32, 64), 255)] * 2))
    assert not (tmp_path / 'new').exists()


def test_unknown_labels_name_the_file(measure, tmp_path):
    labels = np.zeros((32, 64))
    labels[3, 4] = 19
    with pytest.raises(ValueError, match=r'labels.1.png: labels hold the values 19, expected 0 to 2, 254'):
        measure(cfg_options=streets(tmp_path / 'odd', [np.zeros((32, 64)), labels]))
    assert not (tmp_path / 'new').exists()


def test_missing_training_data(measure, tmp_path):
    with pytest.raises(FileNotFoundError, match='train_dataloader.dataset .*no folder'):
        measure(cfg_options={'train_dataloader.dataset.data_root': str(tmp_path)})


def test_config_without_training_data(world, measure):
    with pytest.raises(ValueError, match=r'config .*toy.py has no train_dataloader.dataset'):
        measure(cfg_options=dict(train_dataloader=None))


def test_missing_config_and_checkpoint(world):
    with pytest.raises(FileNotFoundError, match='config no.py does not exist'):
        measure_statistics('no.py', world.checkpoint)
    with pytest.raises(FileNotFoundError, match='no.pth'):
        measure_statistics(world.config, 'no.pth')


@pytest.mark.parametrize('num_images', [0, -3])
def test_impossible_number_of_images(measure, num_images):
    with pytest.raises(ValueError, match=f'num_images must be at least 1, found {num_images}'):
        measure(num_images=num_images)
