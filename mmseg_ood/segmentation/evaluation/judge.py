"""From anomaly maps and ground truth to figures, wherever the maps come from."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from mmengine.dist import all_gather_object
from mmseg.registry import DATASETS
from PIL import Image
from torch import Tensor

from mmseg_ood.core import ComponentAccumulator, ComponentLimits, OperatingPoint

from ..datasets.labels import IGNORE_INDEX, OOD_INDEX
from .pixel_counts import FrameFigures, PixelCounts

CURVE_POINTS = 3000


class GroundTruth:
    """The frames of a benchmark and their anomaly labels.

    Args:
        dataset: Config of a data set of :mod:`mmseg_ood.segmentation.datasets`, without pipeline.

    Attributes:
        dataset: The data set.
        images: Paths of the images.
        names: What the frames are called: the name of the image without suffix; where that is not unique, the
            folder before it, or the name of the label map instead.

    Raises:
        FileNotFoundError: No frames.
        ValueError: Files are unreadable or do not belong together; all of them are looked at.
    """

    def __init__(self, dataset: dict) -> None:
        self.dataset = DATASETS.build(dict(dataset, pipeline=[dict(type='LoadAnnotations')], test_mode=True))
        self.dataset.check_files()
        infos = [self.dataset.get_data_info(index) for index in range(len(self.dataset))]
        self.images = [Path(info['img_path']) for info in infos]
        candidates = ([image.stem for image in self.images],
                      [f'{image.parent.name}/{image.stem}' for image in self.images],
                      [Path(info['seg_map_path']).stem for info in infos])
        self.names = next(names for names in candidates if len(set(names)) == len(names))

    def __len__(self) -> int:
        return len(self.images)

    def size(self, index: int) -> tuple[int, int]:
        """Height and width, from the header of the image."""
        with Image.open(self.images[index]) as image:
            return image.height, image.width

    def labels(self, index: int) -> np.ndarray:
        """``(H, W)`` uint8: 0 inlier, 1 anomaly, 255 void.

        Raises:
            ValueError: The label map holds values without a meaning.
        """
        labels = self.dataset.prepare_data(index)['gt_seg_map']
        return np.select([labels == OOD_INDEX, labels == IGNORE_INDEX], [np.uint8(1), np.uint8(255)], np.uint8(0))


class MapSource(Protocol):
    """Where anomaly maps come from; of several processes, each sees its share of the frames."""
    names: Sequence[str]
    """Names of the scores."""

    def __iter__(self) -> Iterator[tuple[int, dict[str, Tensor]]]:
        """Indices of frames and their maps ``(H, W)`` float32 by score, each frame once over all processes."""

    def load(self, index: int, name: str) -> Tensor:
        """A map that was handed out before."""


class Verdict(NamedTuple):
    """Everything measured of one score on one benchmark; fractions."""
    summary: dict[str, float]
    """See :meth:`mmseg_ood.core.ScoreHistogram.summary`."""
    image_means: dict[str, float]
    frames: list[FrameFigures]
    operating_points: dict[str, OperatingPoint]
    components: dict[str, float]
    """See :meth:`mmseg_ood.core.ComponentAccumulator.summary`, at the threshold of the best pixel F1."""
    curve: dict[str, np.ndarray]
    density: dict[str, np.ndarray]


def judge(source: MapSource, truth: GroundTruth, track: str | ComponentLimits = 'anomaly', fpr_rule: str = 'first',
          max_fpr: float = 0.05) -> dict[str, Verdict]:
    """Pixel-level and component-level figures of maps, over all processes.

    The maps are read twice: the threshold of the component metrics is that of the best pixel F1.

    Args:
        source: The maps.
        truth: The ground truth of the same frames.
        track: Limits of the component sizes, see :data:`mmseg_ood.core.COMPONENT_LIMITS`.
        fpr_rule: How FPR95 is read, see :meth:`mmseg_ood.core.ScoreHistogram.summary`.
        max_fpr: False positive rate of an operating point.

    Returns:
        A verdict a score, the same in all processes.

    Raises:
        ValueError: Maps or labels that are not legal, with the image; or there are no anomalies.
    """
    counts = {name: PixelCounts(fpr_rule, per_image=True) for name in source.names}
    seen = []
    for index, maps in source:
        labels = torch.from_numpy(truth.labels(index))
        for name, scores in maps.items():
            try:
                counts[name].update(scores, labels, truth.names[index])
            except ValueError as error:
                raise ValueError(f'{truth.images[index]}: {name}: {error}') from error
        seen.append(index)
    gathered = all_gather_object(counts)
    pooled = {name: PixelCounts.merged([part[name] for part in gathered]) for name in source.names}
    summaries = {name: part.summary() for name, part in pooled.items()}
    for summary in summaries.values():
        if not (summary['num_outlier'] and summary['num_inlier']):
            kind = 'inlier' if summary['num_outlier'] else 'anomalous'
            raise ValueError(f'no {kind} pixel in {len(truth)} frames under {truth.dataset.data_root}')
    components = _judge_components(source, truth, seen, {name: summary['best_threshold']
                                                         for name, summary in summaries.items()}, track)
    return {name: Verdict(summaries[name], part.image_means(), part.frames,
                          part.histogram.operating_points(max_fpr=max_fpr), components[name],
                          part.histogram.curve(CURVE_POINTS), part.histogram.density())
            for name, part in pooled.items()}


def _judge_components(source: MapSource, truth: GroundTruth, frames: Iterable[int], thresholds: dict[str, float],
                      track: str | ComponentLimits) -> dict[str, dict[str, float]]:
    accumulators = {name: ComponentAccumulator(track) for name in thresholds}
    for index in frames:
        labels = truth.labels(index)
        for name, accumulator in accumulators.items():
            accumulator.update((source.load(index, name) >= thresholds[name]).cpu().numpy(), labels)
    gathered = all_gather_object(accumulators)
    whole = {}
    for name in thresholds:
        whole[name] = ComponentAccumulator(track)
        for part in gathered:
            whole[name].merge(part[name])
    return {name: accumulator.summary() for name, accumulator in whole.items()}
