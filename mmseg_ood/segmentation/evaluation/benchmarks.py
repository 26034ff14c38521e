"""Anomaly segmentation benchmarks by name, as the command lines know them."""
from __future__ import annotations

from typing import NamedTuple

NATIVE_PIPELINE = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
"""Frames at their own resolution; the commands take a config's ``benchmark_pipeline`` instead, if it has one."""


class Benchmark(NamedTuple):
    """What it takes to build a benchmark's data set.

    Attributes:
        dataset: Config of the data set, without ``data_root``.
        root: Its default ``data_root``.
        obstacles: Component metrics drop predictions below 50 and ground truth below 10 pixels, the limits of
            SegmentMeIfYouCan's obstacle track, instead of 500 and 100, those of its anomaly track.
        submission: What SegmentMeIfYouCan calls the data set in the folders of maps that it reads.
    """
    dataset: dict
    root: str
    obstacles: bool = False
    submission: str | None = None


BENCHMARKS: dict[str, Benchmark] = {
    'fishyscapes-lost-and-found': Benchmark(
        dict(type='FishyscapesDataset', subset='lost_and_found'), 'data/fs_lost_and_found', obstacles=True,
        submission='FishyscapesLAF-val'),
    'fishyscapes-static': Benchmark(dict(type='FishyscapesDataset', subset='static'), 'data/fs_static'),
    'road-anomaly': Benchmark(dict(type='RoadAnomalyDataset'), 'data/road_anomaly'),
    'road-anomaly-21': Benchmark(dict(type='SMIYCDataset', subset='anomaly_track'), 'data/RoadAnomaly21',
                                 submission='AnomalyTrack-validation'),
    'road-obstacle-21': Benchmark(
        dict(type='SMIYCDataset', subset='obstacle_track'), 'data/RoadObstacle21', obstacles=True,
        submission='ObstacleTrack-validation'),
    'lost-and-found': Benchmark(
        dict(type='LostAndFoundDataset', subset='test'), 'data/lost_and_found', obstacles=True,
        submission='LostAndFound-test'),
    'street-hazards': Benchmark(dict(type='StreetHazardsDataset'), 'data/street_hazards'),
    'mini-street': Benchmark(dict(type='FishyscapesDataset'), 'data/mini_street/test'),
}


def resolve_benchmark(argument: str) -> tuple[str, dict]:
    """Name and data set config of ``NAME`` or ``NAME=ROOT``.

    Args:
        argument: A key of :data:`BENCHMARKS`, optionally with the folder of the data.

    Raises:
        ValueError: Unknown name.

    Example:
        >>> resolve_benchmark('road-anomaly=/data/ra')
        ('road-anomaly', {'type': 'RoadAnomalyDataset', 'data_root': '/data/ra'})
    """
    name, _, root = argument.partition('=')
    if name not in BENCHMARKS:
        raise ValueError(f'unknown benchmark {name!r}, expected one of {", ".join(BENCHMARKS)}')
    benchmark = BENCHMARKS[name]
    return name, dict(benchmark.dataset, data_root=root or benchmark.root)
