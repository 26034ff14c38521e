"""An encoder-decoder that hands out an anomaly map beside its prediction.

In a config, in the place of ``EncoderDecoder``; here for PEBAL, 19 inlier classes and the abstention::

    model = dict(
        type='AnomalyEncoderDecoder',
        num_inlier_classes=19,
        score=dict(type='energy', smoothing=True),
        decode_head=dict(num_classes=20, ...),
        ...)
"""
from __future__ import annotations

import copy
from typing import Any

import torch
from mmengine.structures import PixelData
from mmseg.models import EncoderDecoder
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from mmseg_ood.core import AnomalyScorer, gaussian_smoothing


@MODELS.register_module()
class AnomalyEncoderDecoder(EncoderDecoder):
    """mmseg's ``EncoderDecoder`` whose data samples also hold ``pred_anomaly``.

    ==================== ============= =======================================================================
    of a data sample     shape         what it is
    ==================== ============= =======================================================================
    ``seg_logits``       (C', H, W)    all channels of the decode head
    ``pred_sem_seg``     (1, H, W)     the most likely of the inlier classes
    ``pred_anomaly``     (1, H, W)     float32, higher = more anomalous
    ==================== ============= =======================================================================

    at the original size of the image. Training is that of ``EncoderDecoder``. mmseg's ``SegTTAModel`` merges what it
    knows, the prediction, and that over all channels; the map beside it is the one of the last augmentation.

    Args:
        *args: As ``EncoderDecoder``.
        num_inlier_classes: Number of inlier classes, for a decode head with further channels behind them; by default
            the ``num_classes`` of the head.
        score: A score with its options, see :meth:`mmseg_ood.core.AnomalyScorer.build`.
        score_before_upsampling: Score the logits at the resolution of the network and enlarge the map, instead of the
            other way round. Saves the scoring of full-size logits. Enlarged scores of logits are not the scores of
            enlarged logits, so maps and metrics differ slightly: AP 29.5 in the place of 30.0 on RoadAnomaly21 (CGNet
            of ``configs/energy``, output stride 8). With smoothing, the enlarged map is smoothed.
            :meth:`encode_decode` and :meth:`inference` then return the score as a further, last channel.
        **kwargs: As ``EncoderDecoder``.

    Raises:
        ValueError: More inlier classes than channels, less than two of them, a score that is none, or
            ``score_before_upsampling`` for a decode head with a way of its own from features to full-size logits.
    """

    def __init__(self, *args: Any, num_inlier_classes: int | None = None, score: str | dict = 'energy',
                 score_before_upsampling: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.num_inlier_classes = self.num_classes if num_inlier_classes is None else num_inlier_classes
        if not 2 <= self.num_inlier_classes <= self.out_channels:
            raise ValueError(f'AnomalyEncoderDecoder: num_inlier_classes={self.num_inlier_classes}, expected 2 to '
                             f'{self.out_channels} (the channels of the decode head)')
        self.scorer = AnomalyScorer.build(score, num_classes=self.num_inlier_classes)
        self.score_before_upsampling = score_before_upsampling
        if score_before_upsampling:
            self._check_head()
            # The score travels as a further channel: whatever happens to the logits (windows, padding, flips,
            # resizing) happens to it. Windows are put together by this number.
            self.out_channels += 1

    def _check_head(self) -> None:
        head = type(self.decode_head)
        if head.predict is not BaseDecodeHead.predict:
            raise ValueError(f'AnomalyEncoderDecoder: score_before_upsampling needs a decode head that predicts as '
                             f'mmseg.models.decode_heads.BaseDecodeHead does, {head.__name__} does not')

    def encode_decode(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """Logits at the size of the input, see :class:`AnomalyEncoderDecoder` for what may be behind them."""
        if not self.score_before_upsampling:
            return super().encode_decode(inputs, batch_img_metas)
        logits = self.decode_head(self.extract_feat(inputs))
        scorer = copy.copy(self.scorer)
        scorer.smoothing = False  # its kernel is in pixels of the image
        return self.decode_head.predict_by_feat(torch.cat([logits, scorer(logits)[:, None]], 1), batch_img_metas)

    def postprocess_result(self, seg_logits: Tensor,
                           data_samples: list[SegDataSample] | None = None) -> list[SegDataSample]:
        """Predictions and anomaly maps at the original size of the images.

        Args:
            seg_logits: What :meth:`inference` returned, ``(N, C', H, W)``.
            data_samples: Those of the images, which are filled.
        """
        data_samples = super().postprocess_result(seg_logits, data_samples)
        for sample in data_samples:
            logits, anomaly = self._split(sample.seg_logits.data)
            sample.set_data({
                'seg_logits': PixelData(data=logits),
                'pred_sem_seg': PixelData(data=self._inlier_prediction(sample.pred_sem_seg.data, logits)),
                'pred_anomaly': PixelData(data=anomaly.float()),
            })
        return data_samples

    def _split(self, channels: Tensor) -> tuple[Tensor, Tensor]:
        """Logits ``(C', H, W)`` and anomaly map ``(1, H, W)`` of an image at its original size."""
        if not self.score_before_upsampling:
            return channels, self.scorer(channels[None])
        logits, anomaly = channels[:-1], channels[-1:]
        return logits, gaussian_smoothing(anomaly) if self.scorer.smoothing else anomaly

    def _inlier_prediction(self, prediction: Tensor, logits: Tensor) -> Tensor:
        """The prediction over all channels, where it is no inlier class replaced by the most likely one."""
        others = prediction >= self.num_inlier_classes
        # A second argmax over all pixels would cost more than scoring them.
        prediction[others] = logits[:self.num_inlier_classes, others[0]].argmax(0)
        return prediction
