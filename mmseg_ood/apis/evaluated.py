"""What is evaluated: a network, or maps of any methods. Both hand out maps, and say what they are."""
from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmseg.registry import DATASETS

from mmseg_ood.segmentation.evaluation import BENCHMARKS, NATIVE_PIPELINE, GroundTruth
from mmseg_ood.segmentation.evaluation.maps import MapFolder, find_map_folder
from mmseg_ood.version import __version__

from .inlier_classes import InlierClasses, find_inlier_classes
from .inliers import evaluate_inliers
from .map_sources import NetworkMaps, SavedMaps, prediction_type
from .prior_copy import find_prior
from .runtime import build_dataloader, build_segmentor, checkpoint_sha256, provenance
from .scorers import build_scorers

_BYTES_PER_SCORE = 4


class BenchmarkFrames(NamedTuple):
    """A benchmark that was asked for, and its frames."""
    label: str
    """Its name, with a number where the same one is evaluated under several roots."""
    name: str
    dataset: dict
    """Config of the data set."""
    truth: GroundTruth


class EvaluatedNetwork:
    """A network with some scores.

    Args:
        cfg: A loaded config.
        checkpoint: Weights.
        scores: As on the command line.
        device: By default the GPU if there is one.

    Attributes:
        classes: What the network predicts.
        prior: What it was trained with, see :func:`.prior_copy.find_prior`.
    """

    def __init__(self, cfg: Config, checkpoint: str | Path, scores: Sequence[str], device: str | None) -> None:
        self._cfg, self._checkpoint, self._device = cfg, checkpoint, device
        self._scorers = build_scorers(cfg, scores, checkpoint)
        self._pipeline = [dict(step) for step in cfg.get('benchmark_pipeline', NATIVE_PIPELINE)]

    def prepare(self, benchmarks: Sequence[BenchmarkFrames]) -> None:
        """Build everything that can fail before the first frame.

        Raises:
            FileNotFoundError: Data or the checkpoint do not exist.
            ValueError: Nothing to evaluate, or the checkpoint does not fit.
        """
        has_test_set = bool(self._cfg.get('test_dataloader') and self._cfg.get('test_evaluator'))
        if not benchmarks and not has_test_set:
            raise ValueError('nothing to evaluate: no benchmark was named, and the config has no test_dataloader and '
                             'test_evaluator')
        self._test_loader = build_dataloader(self._cfg.test_dataloader, 'test_dataloader.dataset') \
            if has_test_set else None
        self._datasets: dict[str, BaseDataset] = {
            benchmark.label: DATASETS.build(dict(benchmark.dataset, pipeline=self._pipeline, test_mode=True))
            for benchmark in benchmarks}
        self._benchmarks = benchmarks
        self._segmentor = build_segmentor(self._cfg, self._checkpoint, self._device)
        declared = [scorer.num_classes for scorer in self._scorers.values() if scorer.num_classes]
        self.classes: InlierClasses = find_inlier_classes(self._segmentor, self._cfg,
                                                          min(declared, default=self._segmentor.num_classes))
        self.prior = find_prior(self._cfg, self.classes.names)

    def describe(self) -> dict[str, Any]:
        """What the figures depend on, for the files of results and to recognise an interrupted evaluation."""
        return {'config_sha256': hashlib.sha256(self._cfg.pretty_text.encode()).hexdigest(),
                'checkpoint_sha256': checkpoint_sha256(self._checkpoint), 'mmseg_ood': __version__,
                'scores': [scorer.describe() for scorer in self._scorers.values()],
                'benchmark_pipeline': self._pipeline}

    def provenance(self) -> dict[str, Any]:
        return provenance(self._cfg, self._checkpoint)

    def work_dir(self) -> Path | None:
        """The folder of the checkpoint, if the training left its log there."""
        folder = Path(self._checkpoint).parent
        return folder if any(folder.glob('*/vis_data/scalars.json')) else None

    def check_space(self, folder: Path) -> None:
        """Refuse to start what would fill the disk.

        Raises:
            OSError: The maps of all frames do not fit; names the space that is needed.
        """
        pixels = sum(len(benchmark.truth) * math.prod(benchmark.truth.size(0))
                     for benchmark in self._benchmarks)
        kept = sum(path.stat().st_size for path in folder.rglob('*.npy'))
        bytes_per_pixel = len(self._scorers) * _BYTES_PER_SCORE + prediction_type(len(self.classes.names)).itemsize
        needed = pixels * bytes_per_pixel - kept
        free = shutil.disk_usage(folder).free
        if needed > free:
            raise OSError(f'{folder}: the maps of all frames take {needed / 1e9:.1f} GB until the evaluation ends, '
                          f'{free / 1e9:.1f} GB are free; name another folder with --out, or fewer benchmarks or '
                          f'scores at a time')

    def inlier_rows(self, folder: Path) -> list[dict[str, Any]]:
        """A row with the figures of the config's own test set, if it has one."""
        if self._test_loader is None:
            return []
        figures, seconds = evaluate_inliers(self._segmentor, self._test_loader, self._cfg.test_evaluator,
                                            folder / 'in-distribution')
        return [{'benchmark': 'in-distribution', 'frames': len(self._test_loader.dataset), 'seconds': seconds,
                 **figures}]

    def maps(self, benchmark: BenchmarkFrames, folder: Path) -> NetworkMaps:
        """The maps of a benchmark's frames, kept in a folder."""
        loader = self._cfg.get('test_dataloader') or {}
        return NetworkMaps(self._segmentor, self._scorers, self._datasets[benchmark.label], benchmark.truth,
                           folder / benchmark.label, len(self.classes.names), loader.get('num_workers', 2))


class EvaluatedMaps:
    """Maps from files; the name of a method is that of its folder.

    Args:
        folders: A folder a method, each with ``BENCHMARK/NAME.SUFFIX`` or ``NAME.SUFFIX``.

    Raises:
        ValueError: Folders of one name.
    """

    classes = prior = None  # maps do not tell

    def __init__(self, folders: Sequence[str | Path]) -> None:
        self._folders = {Path(folder).resolve().name: Path(folder) for folder in folders}
        if len(self._folders) < len(folders):
            raise ValueError(f'folders of maps need different names, found {", ".join(map(str, folders))}')

    def prepare(self, benchmarks: Sequence[BenchmarkFrames]) -> None:
        """Look for the maps of all frames.

        Raises:
            FileNotFoundError: A folder does not exist or has no maps.
            ValueError: Nothing to evaluate, maps are missing, or two have one name.
        """
        if not benchmarks:
            raise ValueError('nothing to evaluate: no benchmark was named')
        self._found: dict[str, dict[str, MapFolder]] = {}
        for benchmark in benchmarks:
            names = dict.fromkeys([benchmark.label, benchmark.name, BENCHMARKS[benchmark.name].submission])
            candidates = [name for name in names if name]
            self._found[benchmark.label] = {
                method: find_map_folder(folder, candidates, benchmark.truth.names)
                for method, folder in self._folders.items()}

    def describe(self) -> dict[str, Any]:
        return {'maps': {method: str(folder) for method, folder in self._folders.items()}}

    def provenance(self) -> dict[str, Any]:
        return provenance()

    def work_dir(self) -> None:
        """Maps were not trained."""

    def check_space(self, folder: Path) -> None:
        """Maps that are there take no more space."""

    def inlier_rows(self, folder: Path) -> list[dict[str, Any]]:
        """Maps know no classes."""
        return []

    def maps(self, benchmark: BenchmarkFrames, folder: Path) -> SavedMaps:
        return SavedMaps(self._found[benchmark.label], benchmark.truth)
