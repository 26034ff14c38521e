"""Pixel-level counts of a data set: pooled over all frames and, beside them, frame by frame."""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from mmseg_ood.core import ScoreHistogram

IMAGE_FIGURES = ('AP', 'FPR95', 'AUROC')


class FrameFigures(NamedTuple):
    """Figures of one frame, as fractions; NaN where the frame does not define one."""
    image: str
    AP: float
    FPR95: float
    AUROC: float
    num_inlier: int
    num_outlier: int


class PixelCounts:
    """A histogram of all frames, and the figures of each.

    Args:
        fpr_rule: How FPR95 is read, see :meth:`mmseg_ood.core.ScoreHistogram.summary`.
        per_image: Whether the figures of each frame are computed, too.
    """

    def __init__(self, fpr_rule: str = 'first', per_image: bool = False) -> None:
        self.fpr_rule, self.per_image = fpr_rule, per_image
        self.histogram = ScoreHistogram()
        self.frames: list[FrameFigures] = []

    def update(self, scores: Tensor, labels: Tensor, image: str) -> None:
        """Count a frame: scores ``(H, W)``, labels ``(H, W)`` 0 inlier, 1 outlier, others void.

        Raises:
            ValueError: Shapes differ, or scores are not finite.
        """
        self.histogram.update(scores, labels)
        if self.per_image:
            frame = ScoreHistogram()
            frame.update(scores, labels)
            summary = frame.summary(fpr_rule=self.fpr_rule)
            self.frames.append(FrameFigures(image, **{name: summary[name] for name in FrameFigures._fields[1:]}))

    @classmethod
    def merged(cls, parts: Sequence[PixelCounts]) -> PixelCounts:
        """One from those of all processes; frames in the order of their names."""
        whole = cls(parts[0].fpr_rule, parts[0].per_image)
        for part in parts:
            whole.histogram.merge(part.histogram)
            whole.frames.extend(part.frames)
        whole.frames.sort()
        return whole

    def summary(self) -> dict[str, float]:
        """The pooled figures, see :meth:`mmseg_ood.core.ScoreHistogram.summary`."""
        return self.histogram.summary(fpr_rule=self.fpr_rule)

    def image_means(self) -> dict[str, float]:
        """Means of the frames' figures over the frames that hold anomalies; NaN if there is none."""
        frames = [frame for frame in self.frames if frame.num_outlier and frame.num_inlier]
        return {name: math.fsum(getattr(frame, name) for frame in frames) / len(frames) if frames else math.nan
                for name in IMAGE_FIGURES}
