"""Component-level anomaly metrics from a segmentor's logits, for MMEngine evaluators."""
from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_gather_object
from mmseg.registry import METRICS

from mmseg_ood.core import ComponentAccumulator, ComponentLimits, ScoreHistogram

from .score_metric import ScoredFrame, ScoreMetric

COMPONENT_FIGURES = {'sIoU': 'sIoU', 'PPV': 'PPV', 'F1*': 'F1'}
"""Names of the figures, and what :meth:`mmseg_ood.core.ComponentAccumulator.summary` calls them."""


@METRICS.register_module()
class AnomalyComponentMetric(ScoreMetric):
    """sIoU, PPV and F1* of SegmentMeIfYouCan in percent.

    Without ``threshold`` the one of the best pixel-level F1 over the same frames is used. It is known after the
    last frame only, so scores and labels wait in temporary files, 5 bytes a pixel and score, and are read a
    second time.

    Args:
        track: Limits of the component sizes: ``'anomaly'``, ``'obstacle'`` or a pair of numbers of pixels
            (prediction, ground truth), see :data:`mmseg_ood.core.COMPONENT_LIMITS`.
        threshold: Predict ``score >= threshold``; needs a single score.
        **kwargs: As :class:`ScoreMetric`: ``score``, ``temperature``, ``num_classes``, ``ood_index``,
            ``ignore_index``, ``prefix``.

    Attributes:
        summaries: After :meth:`evaluate`, everything :meth:`mmseg_ood.core.ComponentAccumulator.summary` says,
            and the ``threshold``, by score.

    Raises:
        ValueError: Unknown score or track; while running: labels or scores that are not legal, with the image.

    Example:
        >>> metric = AnomalyComponentMetric(track=(1, 1), threshold=-2.0)
        >>> logits = torch.tensor([[9.0, 8.0, 1.0, 2.0], [0.0, 0.0, 0.0, 0.0]]).reshape(2, 1, 4)
        >>> label = torch.tensor([[[0, 1, 254, 254]]])
        >>> metric.process({}, [dict(img_path='a.png', seg_logits=dict(data=logits), gt_sem_seg=dict(data=label))])
        >>> {name: round(value, 1) for name, value in metric.evaluate(size=1).items()}
        {'sIoU': 50.0, 'PPV': 100.0, 'F1*': 54.5}
    """

    def __init__(self, *args: Any, track: str | tuple[int, int] = 'anomaly', threshold: float | None = None,
                 **kwargs: Any) -> None:
        self.track = track if isinstance(track, str) else ComponentLimits(*track)
        ComponentAccumulator(self.track)  # an unknown track is said now
        self.threshold = threshold
        self.summaries: dict[str, dict[str, float]] = {}
        super().__init__(*args, **kwargs)
        if threshold is not None and len(self.scorers) > 1:
            raise ValueError(f'AnomalyComponentMetric: threshold={threshold} is that of one score, found '
                             f'{", ".join(self.scorers)}')

    def _start(self) -> None:
        super()._start()
        self._histograms = {name: ScoreHistogram() for name in self.scorers}
        self._waiting = tempfile.TemporaryDirectory(prefix='anomaly_scores_')
        self._files: list[Path] = []

    def _count(self, frame: ScoredFrame) -> None:
        for name, scores in frame.scores.items():
            try:
                self._histograms[name].update(scores, frame.labels)
            except ValueError as error:
                raise ValueError(f'{name}: {error}') from error
        self._files.append(Path(self._waiting.name) / f'{len(self._files)}.pth')
        torch.save({'labels': frame.labels.cpu(), **{f'score {name}': scores.cpu()
                                                     for name, scores in frame.scores.items()}}, self._files[-1])

    def _figures(self) -> dict[str, dict[str, float]]:
        thresholds = {name: self._best_threshold(name) for name in self.scorers}
        accumulators = {name: ComponentAccumulator(self.track) for name in self.scorers}
        for file in self._files:
            frame = torch.load(file, weights_only=True)
            for name, accumulator in accumulators.items():
                accumulator.update(frame[f'score {name}'] >= thresholds[name], frame['labels'])
        self._waiting.cleanup()
        gathered = all_gather_object(accumulators)
        for name in self.scorers:
            whole = ComponentAccumulator(self.track)
            for part in gathered:
                whole.merge(part[name])
            self.summaries[name] = {**whole.summary(), 'threshold': thresholds[name]}
        return {name: {figure: 100 * self.summaries[name][key] for figure, key in COMPONENT_FIGURES.items()}
                for name in self.scorers}

    def _best_threshold(self, name: str) -> float:
        if self.threshold is not None:
            return self.threshold
        pooled = ScoreHistogram()
        for histogram in all_gather_object(self._histograms[name]):
            pooled.merge(histogram)
        best = pooled.summary()['best_threshold']
        return math.inf if math.isnan(best) else best  # without anomalies nothing is to be found
