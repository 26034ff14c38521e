"""Benchmarks by name: each one builds its data set on files that lie as it expects."""
import cv2
import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from mmseg.datasets.transforms import LoadAnnotations, PackSegInputs
from mmseg.registry import DATASETS

from mmseg_ood.segmentation.evaluation import BENCHMARKS, resolve_benchmark


@pytest.fixture
def flat_layout(tmp_path):
    """Two frames as ``images`` + ``labels_masks``, which all benchmarks accept."""
    for folder in ('images', 'labels_masks'):
        (tmp_path / folder).mkdir()
    for name in ('one', 'two'):
        labels = np.zeros((4, 6), np.uint8)
        labels[1, 2], labels[3] = 1, 255
        cv2.imwrite(str(tmp_path / f'images/{name}.png'), np.full((4, 6, 3), 50, np.uint8))
        cv2.imwrite(str(tmp_path / f'labels_masks/{name}.png'), labels)
    return tmp_path


@pytest.mark.parametrize('name', BENCHMARKS)
def test_every_benchmark_builds_its_data_set(name, flat_layout):
    resolved, config = resolve_benchmark(f'{name}={flat_layout}')
    assert resolved == name
    pipeline = [LoadImageFromFile(), LoadAnnotations(), PackSegInputs()]
    dataset = DATASETS.build(dict(config, pipeline=pipeline, test_mode=True))
    assert len(dataset) == 2
    labels = dataset[0]['data_samples'].gt_sem_seg.data
    assert labels.unique().tolist() == [0, 254, 255]
    assert (labels == 254).sum() == 1


@pytest.mark.parametrize('name', BENCHMARKS)
def test_root_by_default(name):
    assert resolve_benchmark(name)[1]['data_root'] == resolve_benchmark(f'{name}=')[1]['data_root'] \
        == BENCHMARKS[name].root


def test_root_may_hold_an_equals_sign():
    assert resolve_benchmark('road-anomaly=/data/a=b')[1]['data_root'] == '/data/a=b'


@pytest.mark.parametrize('argument', ['road_anomaly', '', '=root', 'road-anomaly '])
def test_unknown_names_are_answered_with_the_known(argument):
    with pytest.raises(ValueError, match=r'unknown benchmark .*, expected one of fishyscapes-lost-and-found, '):
        resolve_benchmark(argument)


def test_benchmarks_are_not_modified():
    resolve_benchmark('road-anomaly')[1]['data_root'] = 'elsewhere'
    assert 'data_root' not in BENCHMARKS['road-anomaly'].dataset
