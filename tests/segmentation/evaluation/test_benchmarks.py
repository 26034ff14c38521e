"""Benchmarks by name: each one builds its data set on files that lie as it expects."""
import cv2
import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from mmseg.datasets.transforms import LoadAnnotations, PackSegInputs
from mmseg.registry import DATASETS

from mmseg_ood.segmentation.evaluation import BENCHMARKS, resolve_benchmark

# Image, label map and the values of an inlier, an anomaly and, where there is one, void.
FLAT = ('images/{}.png', 'labels_masks/{}.png', (0, 1, 255))
OTHERS = {
    'lost-and-found': ('leftImg8bit/test/s/{}_leftImg8bit.png', 'gtCoarse/test/s/{}_gtCoarse_labelIds.png', (1, 2, 0)),
    'street-hazards': ('test/images/t5/{}.png', 'test/annotations/t5/{}.png', (3, 14)),
}


@pytest.mark.parametrize('name', BENCHMARKS)
def test_every_benchmark_builds_its_data_set(name, tmp_path):
    image, label, values = OTHERS.get(name, FLAT)
    for frame in ('one', 'two'):
        label_map = np.repeat([values] * 4, 6 // len(values), axis=1)
        for path, pixels in ((image, np.full((4, 6, 3), 50)), (label, label_map)):
            path = tmp_path / path.format(frame)
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), pixels.astype(np.uint8))
    resolved, config = resolve_benchmark(f'{name}={tmp_path}')
    assert resolved == name
    pipeline = [LoadImageFromFile(), LoadAnnotations(), PackSegInputs()]
    dataset = DATASETS.build(dict(config, pipeline=pipeline, test_mode=True))
    assert len(dataset) == 2
    dataset.check_files()
    labels = dataset[0]['data_samples'].gt_sem_seg.data
    assert labels.unique().tolist() == [0, 254, 255][:len(values)]
    assert (labels == 254).sum() == 24 // len(values)


def test_size_limits_of_obstacles():
    assert {name for name, benchmark in BENCHMARKS.items() if benchmark.obstacles} == {
        'fishyscapes-lost-and-found', 'lost-and-found', 'road-obstacle-21'}


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
