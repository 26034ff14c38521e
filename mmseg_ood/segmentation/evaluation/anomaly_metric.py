"""Pixel-level anomaly metrics from a segmentor's logits, for MMEngine evaluators.

Beside mmseg's own metric, in one pass over the validation set::

    val_evaluator = [
        dict(type='IoUMetric', iou_metrics=['mIoU']),
        dict(type='AnomalyMetric', score='energy'),
    ]
"""
from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmseg.registry import METRICS
from torch import Tensor

from mmseg_ood.core import FPR_RULES, SCORES, ScoreHistogram, anomaly_score

from ..datasets.labels import check_label_values

PERCENT_FIGURES = ('AP', 'FPR95', 'AUROC')


@METRICS.register_module()
class AnomalyMetric(BaseMetric):
    """AP, FPR95 and AUROC in percent, over the pixels of all frames pooled.

    Reads ``seg_logits`` and ``gt_sem_seg`` of every data sample: pixels labelled ``ood_index`` are
    anomalies, ``ignore_index`` is void, all other classes are inliers. Scores are counted, never kept:
    memory does not grow with the number of frames.

    Args:
        score: A name of :data:`mmseg_ood.core.SCORES`, or several. With several, the names of the figures
            begin with the score's: ``energy/AP``.
        temperature: Temperature of the scores.
        num_classes: Number of inlier classes, for networks with further channels behind them; by
            default all channels are inlier classes.
        fpr_rule: How FPR95 is read, see :meth:`mmseg_ood.core.ScoreHistogram.summary`.
        ood_index: Label of the anomalies.
        ignore_index: Label of void.
        prefix: Goes before the names of the figures in the log, with a slash.

    Attributes:
        summaries: After :meth:`evaluate`, everything :meth:`mmseg_ood.core.ScoreHistogram.summary` says
            (fractions, counts, thresholds, error bounds), by score.

    Raises:
        ValueError: Unknown score; while running: labels or scores that are not legal, with the image.

    Example:
        >>> import torch
        >>> metric = AnomalyMetric(score='energy')
        >>> logits = torch.tensor([[9.0, 8.0, 1.0, 2.0], [0.0, 0.0, 0.0, 0.0]]).reshape(2, 1, 4)
        >>> label = torch.tensor([[[0, 1, 254, 254]]])
        >>> metric.process({}, [dict(img_path='a.png', seg_logits=dict(data=logits), gt_sem_seg=dict(data=label))])
        >>> metric.evaluate(size=1)
        {'AP': 100.0, 'FPR95': 0.0, 'AUROC': 100.0}
    """

    def __init__(self, score: str | Sequence[str] = 'energy', temperature: float = 1.0,
                 num_classes: int | None = None, fpr_rule: str = 'first', ood_index: int = 254,
                 ignore_index: int = 255, prefix: str | None = None, collect_device: str = 'cpu') -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.scores = (score,) if isinstance(score, str) else tuple(score)
        unknown = [name for name in self.scores if name not in SCORES]
        if unknown or not self.scores:
            raise ValueError(f'AnomalyMetric: unknown score {unknown}, expected some of {", ".join(SCORES)}')
        if fpr_rule not in FPR_RULES:
            raise ValueError(f'AnomalyMetric: unknown fpr_rule {fpr_rule!r}, expected one of {", ".join(FPR_RULES)}')
        self._single_score = isinstance(score, str)
        self.temperature = temperature
        self.num_classes = num_classes
        self.fpr_rule = fpr_rule
        self.ood_index = ood_index
        self.ignore_index = ignore_index
        self.summaries: dict[str, dict[str, float]] = {}
        self._reset()

    def _reset(self) -> None:
        self._histograms = {name: ScoreHistogram() for name in self.scores}
        self._num_frames = 0
        self._last_frame: tuple[dict[str, Tensor], Tensor, str] | None = None

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
            self._count_last_frame()
            image = str(sample.get('img_path', f'frame {self._num_frames}'))
            for key in ('seg_logits', 'gt_sem_seg'):
                if key not in sample:
                    raise ValueError(f'{image}: AnomalyMetric needs {key!r}, found {sorted(sample)}')
            logits = sample['seg_logits']['data'][:self.num_classes]
            if len(logits) < (self.num_classes or 2):
                raise ValueError(f'{image}: expected logits of at least {self.num_classes or 2} classes, found '
                                 f'{len(logits)} channel{"s" * (len(logits) > 1)}')
            scores = {name: anomaly_score(logits[None], name, self.temperature)[0] for name in self.scores}
            self._last_frame = (scores, self._anomaly_labels(sample, len(logits), image), image)
            self._num_frames += 1

    def _anomaly_labels(self, sample: dict, num_classes: int, image: str) -> Tensor:
        """Ground truth as the histogram wants it: 0 inlier, 1 anomaly, 255 void; ``(H, W)`` uint8."""
        labels = sample['gt_sem_seg']['data'].squeeze(0)
        allowed = (*range(num_classes), self.ood_index, self.ignore_index)
        check_label_values(labels.cpu().numpy(), allowed, sample.get('seg_map_path', image))
        anomaly_labels = (labels == self.ood_index).to(torch.uint8)
        anomaly_labels[labels == self.ignore_index] = 255
        return anomaly_labels

    def _count_last_frame(self) -> None:
        if self._last_frame is None:
            return
        scores, labels, image = self._last_frame
        self._last_frame = None
        for name, values in scores.items():
            try:
                self._histograms[name].update(values, labels)
            except ValueError as error:
                raise ValueError(f'{image}: {name}: {error}') from error

    def evaluate(self, size: int) -> dict[str, float]:
        """Figures over all processes.

        Args:
            size: Number of frames in the data set. A distributed sampler repeats frames until all
                processes have as many; these repetitions come last and are not counted.

        Returns:
            AP, FPR95 and AUROC in percent; NaN where there was no anomaly (or nothing else).
        """
        # Frame i of a process is frame i * world_size + rank of the data set.
        last_position = (self._num_frames - 1) * get_world_size() + get_rank()
        if last_position < size:
            self._count_last_frame()
        gathered = all_gather_object(self._histograms)
        self._reset()
        metrics = {}
        for name in self.scores:
            pooled = ScoreHistogram()
            for histograms in gathered:
                pooled.merge(histograms[name])
            self.summaries[name] = pooled.summary(fpr_rule=self.fpr_rule)
            self._warn_if_undefined(self.summaries[name])
            start = '/'.join(filter(None, (self.prefix, '' if self._single_score else name)))
            metrics.update({f'{start}/{figure}' if start else figure: 100 * self.summaries[name][figure]
                            for figure in PERCENT_FIGURES})
        return metrics

    def _warn_if_undefined(self, summary: dict[str, float]) -> None:
        for kind, what in (('num_outlier', f'no pixel is labelled {self.ood_index} (anomaly)'),
                           ('num_inlier', 'no pixel is labelled as inlier')):
            if summary[kind] == 0:
                print_log(f'AnomalyMetric: {what} in the whole data set: figures that need one are NaN',
                          logger='current', level=logging.WARNING)

    def compute_metrics(self, results: list) -> dict:
        """Not used: nothing is kept frame by frame, see :meth:`evaluate`."""
        raise NotImplementedError('AnomalyMetric counts in process(); call evaluate()')
