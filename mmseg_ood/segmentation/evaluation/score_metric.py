"""What the anomaly metrics share: scores and ground truth from a segmentor's outputs, each frame once."""
from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from mmengine.dist import get_rank, get_world_size
from mmengine.evaluator import BaseMetric
from torch import Tensor

from mmseg_ood.core import AnomalyScorer

from ..datasets.labels import check_label_values


class ScoredFrame(NamedTuple):
    """A frame as the metrics count it."""
    image: str
    """File name, for errors."""
    scores: dict[str, Tensor]
    """(H, W) anomaly scores by the scorers' names."""
    labels: Tensor
    """(H, W) uint8: 0 inlier, 1 anomaly, 255 void."""


class ScoreMetric(BaseMetric):
    """Base of metrics on anomaly scores; a subclass counts frames and turns counts into figures.

    Args:
        score: A score or several: names of :data:`mmseg_ood.core.SCORES`, or dicts with options, see
            :class:`mmseg_ood.core.AnomalyScorer`. With several, the names of the figures begin with the score's:
            ``energy/AP``.
        temperature: Temperature of scores that name none.
        num_classes: Number of inlier classes, for networks with further channels behind them; by default
            all channels are inlier classes.
        ood_index: Label of the anomalies.
        ignore_index: Label of void.
        prefix: Goes before the names of the figures in the log, with a slash.
    """

    def __init__(self, score: str | dict | Sequence[str | dict] = 'energy', temperature: float = 1.0,
                 num_classes: int | None = None, ood_index: int = 254, ignore_index: int = 255,
                 prefix: str | None = None, collect_device: str = 'cpu') -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self._single_score = isinstance(score, str | dict)
        scorers = [AnomalyScorer.build(one, temperature=temperature, num_classes=num_classes)
                   for one in ([score] if self._single_score else score)]
        self.scorers = {scorer.name: scorer for scorer in scorers}
        if not scorers or len(self.scorers) < len(scorers):
            raise ValueError(f'{type(self).__name__}: expected one or several different scores, found {score!r}')
        self.num_classes = num_classes
        self.ood_index = ood_index
        self.ignore_index = ignore_index
        self._start()

    def _start(self) -> None:
        self._num_frames = 0
        self._held_back: ScoredFrame | None = None

    @abstractmethod
    def _count(self, frame: ScoredFrame) -> None:
        """Count a frame; a ValueError is passed on with the image's name."""

    @abstractmethod
    def _figures(self) -> dict[str, dict[str, float]]:
        """Figures over all processes by score, and an empty metric afterwards."""

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count the pixels of a batch.

        Args:
            data_batch: Not used.
            data_samples: Model outputs as dicts with ``seg_logits`` (C, H, W), ``gt_sem_seg`` (1, H, W) and
                ``img_path``.

        Raises:
            ValueError: A key is missing, labels or scores are not legal; names the image.
        """
        for sample in data_samples:
            self._count_held_back()
            image = str(sample.get('img_path', f'frame {self._num_frames}'))
            for key in ('seg_logits', 'gt_sem_seg'):
                if key not in sample:
                    raise ValueError(f'{image}: {type(self).__name__} needs {key!r}, found {sorted(sample)}')
            logits = sample['seg_logits']['data']
            try:
                scores = {name: scorer(logits[None])[0] for name, scorer in self.scorers.items()}
            except ValueError as error:
                raise ValueError(f'{image}: {error}') from error
            self._held_back = ScoredFrame(image, scores, self._anomaly_labels(sample, len(logits), image))
            self._num_frames += 1

    def _anomaly_labels(self, sample: dict, num_channels: int, image: str) -> Tensor:
        labels = sample['gt_sem_seg']['data'].squeeze(0)
        allowed = (*range(self.num_classes or num_channels), self.ood_index, self.ignore_index)
        check_label_values(labels.cpu().numpy(), allowed, sample.get('seg_map_path', image))
        anomaly_labels = (labels == self.ood_index).to(torch.uint8)
        anomaly_labels[labels == self.ignore_index] = 255
        return anomaly_labels

    def _count_held_back(self) -> None:
        frame, self._held_back = self._held_back, None
        if frame is None:
            return
        try:
            self._count(frame)
        except ValueError as error:
            raise ValueError(f'{frame.image}: {error}') from error

    def evaluate(self, size: int) -> dict[str, float]:
        """Figures over all processes.

        Args:
            size: Number of frames in the data set. A distributed sampler repeats frames until all
                processes have as many; these repetitions come last and are not counted.

        Returns:
            Figures in percent; NaN where the data do not define one.
        """
        # Frame i of a process is frame i * world_size + rank of the data set.
        last_position = (self._num_frames - 1) * get_world_size() + get_rank()
        if last_position < size:
            self._count_held_back()
        figures = self._figures()
        self._start()
        return {'/'.join(filter(None, (self.prefix, '' if self._single_score else name, figure))): value
                for name, of_score in figures.items() for figure, value in of_score.items()}

    def compute_metrics(self, results: list) -> dict:
        """Not used: nothing is kept frame by frame, see :meth:`evaluate`."""
        raise NotImplementedError(f'{type(self).__name__} counts in process(); call evaluate()')
