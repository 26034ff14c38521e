"""In-distribution IoU on frames that also hold outliers."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS


@METRICS.register_module()
class InlierIoUMetric(IoUMetric):
    """mmseg's ``IoUMetric``, for which outlier pixels are void.

    mmseg's own metric knows one void label and counts every prediction on an outlier pixel as a false
    positive. Use it where no label is ``ood_index``, and this one where outliers are pasted into the
    validation set.

    Args:
        ood_index: Label of the outlier pixels.
        **kwargs: As mmseg's ``IoUMetric``.
    """

    def __init__(self, ood_index: int = 254, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ood_index = ood_index

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Add a batch; see mmseg's ``IoUMetric``."""
        super().process(data_batch, [self._outliers_void(sample) for sample in data_samples])

    def _outliers_void(self, sample: dict) -> dict:
        if self.format_only:  # a test set without ground truth
            return sample
        labels = sample['gt_sem_seg']['data']
        labels = torch.where(labels == self.ood_index, self.ignore_index, labels)
        return {**sample, 'gt_sem_seg': {**sample['gt_sem_seg'], 'data': labels}}
