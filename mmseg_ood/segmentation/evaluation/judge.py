"""From anomaly maps and ground truth to figures, wherever the maps come from."""
from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
import torch
from mmengine.dataset import Compose
from mmengine.dist import all_gather_object
from mmseg.registry import DATASETS
from PIL import Image
from torch import Tensor

from mmseg_ood.core import ComponentAccumulator, ComponentLimits, OperatingPoint

from ..datasets.labels import IGNORE_INDEX, OOD_INDEX
from ..visualization.score_scale import SCALE_QUANTILES
from .class_counts import ClassCounts
from .pixel_counts import FrameFigures, PixelCounts

CURVE_POINTS = 3000
CLASS_BINS = 60
CLASS_COVERAGE = 0.998


class GroundTruth:
    """The frames of a benchmark and their anomaly labels.

    Args:
        dataset: Config of a data set of :mod:`mmseg_ood.segmentation.datasets`, without pipeline.

    Attributes:
        dataset: The data set; its pipeline loads the labels.
        images: Paths of the images.
        names: What the frames are called: the name of the image without suffix; where that is not unique, the
            folder before it, or the name of the label map instead.

    Raises:
        FileNotFoundError: No frames.
        ValueError: Files are unreadable or do not belong together; all of them are looked at.
    """

    def __init__(self, dataset: dict) -> None:
        # Built with both steps: the data set may replace the one that loads images.
        self.dataset = DATASETS.build(dict(dataset, pipeline=[dict(type='LoadImageFromFile'),
                                                              dict(type='LoadAnnotations')], test_mode=True))
        self._load_image, *load_labels = self.dataset.pipeline.transforms
        self.dataset.pipeline = Compose(load_labels)
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

    def image(self, index: int) -> np.ndarray:
        """``(H, W, 3)`` uint8 RGB.

        Raises:
            ValueError: The file cannot be read as an image.
        """
        info = self.dataset.get_data_info(index)
        try:
            return self._load_image(info)['img'][..., ::-1]
        except (AssertionError, OSError, cv2.error) as error:
            raise ValueError(f'{info["img_path"]} cannot be read as an image: {error}') from error

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
    num_classes: int | None
    """Number of the predicted classes, None where nobody knows them."""

    def __iter__(self) -> Iterator[tuple[int, dict[str, Tensor]]]:
        """Indices of frames and their maps ``(H, W)`` float32 by score, each frame once over all processes."""

    def load(self, index: int, name: str) -> Tensor:
        """A map that was handed out before."""

    def load_prediction(self, index: int) -> np.ndarray:
        """The predicted classes ``(H, W)`` of a frame that was handed out before, where there are any."""


class Verdict(NamedTuple):
    """Everything measured of one score on one benchmark; fractions."""
    summary: dict[str, float]
    """See :meth:`mmseg_ood.core.ScoreHistogram.summary`."""
    image_means: dict[str, float]
    frames: list[FrameFigures]
    operating_points: dict[str, OperatingPoint]
    components: dict[str, float]
    """See :meth:`mmseg_ood.core.ComponentAccumulator.summary`, at the threshold of the best pixel F1."""
    classes: dict[str, Any] | None
    """See :meth:`.class_counts.ClassCounts.summary`, at the same threshold; None where classes are not known."""
    curve: dict[str, np.ndarray]
    density: dict[str, np.ndarray]
    score_range: tuple[float, float]
    """Quantiles of the scores of all inliers and anomalies, see :class:`..visualization.score_scale.ScoreScale`."""


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
    at_threshold = _judge_at_threshold(source, truth, seen, {
        name: _AtThreshold(summaries[name]['best_threshold'], track, source.num_classes, part)
        for name, part in pooled.items()})
    return {name: Verdict(summaries[name], part.image_means(), part.frames,
                          part.histogram.operating_points(max_fpr=max_fpr), *at_threshold[name].summaries(),
                          part.histogram.curve(CURVE_POINTS), part.histogram.density(),
                          _score_range(part, summaries[name]))
            for name, part in pooled.items()}


class _AtThreshold:
    """What is counted of one score when its threshold is known."""

    def __init__(self, threshold: float, track: str | ComponentLimits, num_classes: int | None,
                 pixels: PixelCounts) -> None:
        self._threshold = threshold
        self._components = ComponentAccumulator(track)
        self._classes = None
        if num_classes is not None:
            edges = pixels.histogram.density(CLASS_BINS, CLASS_COVERAGE)['edges']
            self._classes = ClassCounts(num_classes, edges, threshold)

    def update(self, scores: Tensor, labels: np.ndarray, prediction: np.ndarray | None) -> None:
        self._components.update((scores >= self._threshold).cpu().numpy(), labels)
        if self._classes is not None:
            self._classes.update(scores, labels, prediction)

    def merge(self, other: _AtThreshold) -> None:
        self._components.merge(other._components)
        if self._classes is not None:
            self._classes.merge(other._classes)

    def summaries(self) -> tuple[dict[str, float], dict[str, Any] | None]:
        """Of components and classes."""
        return self._components.summary(), None if self._classes is None else self._classes.summary()


def _judge_at_threshold(source: MapSource, truth: GroundTruth, frames: Iterable[int],
                        counters: dict[str, _AtThreshold]) -> dict[str, _AtThreshold]:
    """The counters of all processes; ``frames`` are those of this one."""
    whole = copy.deepcopy(counters)
    for index in frames:
        labels = truth.labels(index)
        prediction = None if source.num_classes is None else source.load_prediction(index)
        for name, counter in counters.items():
            counter.update(source.load(index, name), labels, prediction)
    for part in all_gather_object(counters):
        for name, counter in whole.items():
            counter.merge(part[name])
    return whole


def _score_range(pixels: PixelCounts, summary: Mapping[str, float]) -> tuple[float, float]:
    curve = pixels.histogram.curve()
    counts = summary['num_outlier'] * curve['tpr'] + summary['num_inlier'] * curve['fpr']
    # The highest thresholds that leave no more than the quantile below them.
    limits = np.array([1 - quantile for quantile in SCALE_QUANTILES]) * counts[-1]
    low, high = curve['threshold'][np.searchsorted(counts, limits)].tolist()
    return low, high
