"""Pixel-level anomaly metrics from a segmentor's logits, for MMEngine evaluators.

Beside mmseg's own metric, in one pass over the validation set::

    val_evaluator = [
        dict(type='InlierIoUMetric', iou_metrics=['mIoU']),
        dict(type='AnomalyMetric', score=['energy', 'msp', dict(type='energy', smoothing=True)]),
    ]
"""
from __future__ import annotations

import logging
from typing import Any

from mmengine.dist import all_gather_object
from mmengine.logging import print_log
from mmseg.registry import METRICS

from mmseg_ood.core import FPR_RULES, fpr_column

from .pixel_counts import PixelCounts
from .score_metric import ScoredFrame, ScoreMetric


@METRICS.register_module()
class AnomalyMetric(ScoreMetric):
    """AP, FPR95 and AUROC in percent, over the pixels of all frames pooled.

    Reads ``seg_logits`` and ``gt_sem_seg`` of every data sample: pixels labelled ``ood_index`` are
    anomalies, ``ignore_index`` is void, all other classes are inliers. Scores are counted, never kept:
    memory does not grow with the number of frames.

    Args:
        fpr_rule: How FPR95 is read, see :meth:`mmseg_ood.core.ScoreHistogram.summary`. Under another rule than
            ``first`` the figure is called after it, ``FPR95_nearest``: the rules do not compare.
        per_image: Also ``image_AP``, ``image_FPR95`` and ``image_AUROC``: means over the frames that hold
            anomalies, which do not compare with the pooled figures either (StreetHazards is judged by them).
        **kwargs: As :class:`ScoreMetric`: ``score``, ``temperature``, ``num_classes``, ``ood_index``,
            ``ignore_index``, ``prefix``.

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

    def __init__(self, *args: Any, fpr_rule: str = 'first', per_image: bool = False, **kwargs: Any) -> None:
        if fpr_rule not in FPR_RULES:
            raise ValueError(f'AnomalyMetric: unknown fpr_rule {fpr_rule!r}, expected one of {", ".join(FPR_RULES)}')
        self.fpr_rule = fpr_rule
        self.per_image = per_image
        self.summaries: dict[str, dict[str, float]] = {}
        super().__init__(*args, **kwargs)

    def _start(self) -> None:
        super()._start()
        self._counts = {name: PixelCounts(self.fpr_rule, self.per_image) for name in self.scorers}

    def _count(self, frame: ScoredFrame) -> None:
        for name, scores in frame.scores.items():
            try:
                self._counts[name].update(scores, frame.labels, frame.image)
            except ValueError as error:
                raise ValueError(f'{name}: {error}') from error

    def _figures(self) -> dict[str, dict[str, float]]:
        gathered = all_gather_object(self._counts)
        figures = {}
        for name in self.scorers:
            pooled = PixelCounts.merged([counts[name] for counts in gathered])
            self.summaries[name] = pooled.summary()
            self._warn_if_undefined(self.summaries[name])
            figures[name] = {fpr_column(figure, self.fpr_rule): 100 * self.summaries[name][figure]
                             for figure in ('AP', 'FPR95', 'AUROC')}
            if self.per_image:
                figures[name].update({fpr_column(f'image_{figure}', self.fpr_rule): 100 * value
                                      for figure, value in pooled.image_means().items()})
        return figures

    def _warn_if_undefined(self, summary: dict[str, float]) -> None:
        for kind, what in (('num_outlier', f'no pixel is labelled {self.ood_index} (anomaly)'),
                           ('num_inlier', 'no pixel is labelled as inlier')):
            if summary[kind] == 0:
                print_log(f'AnomalyMetric: {what} in the whole data set: figures that need one are NaN',
                          logger='current', level=logging.WARNING)
