"""Pictures of data samples for every visualization backend of MMEngine."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import mmcv
import numpy as np
import torch
from mmengine.dist import master_only
from mmseg.registry import VISUALIZERS
from mmseg.structures import SegDataSample
from mmseg.visualization import SegLocalVisualizer

from mmseg_ood.core import AnomalyScorer, detect_components

from .palettes import choose_palette
from .panels import Components, Panel, draw_panels
from .score_scale import ScoreScale


class PreparedSample(NamedTuple):
    """What is drawn of a data sample; without its logits, which take far more memory."""
    panel: Panel
    palette: np.ndarray
    """(C, 3) colours of the classes."""
    score_name: str
    """What the anomaly map shows."""


@VISUALIZERS.register_module()
class AnomalyLocalVisualizer(SegLocalVisualizer):
    """Image, ground truth, prediction, mask and anomaly map in one picture, in the place of mmseg's mask on the image.

    In a config, with any backends; :class:`mmseg_ood.segmentation.hooks.AnomalyVisualizationHook` feeds it::

        visualizer = dict(type='AnomalyLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')])

    It takes the calls of mmseg's own ``SegVisualizationHook`` and ``MMSegInferencer``, too; each of their pictures
    has a colour scale of its own, and says so.

    Classes have the colours of the data set, those of Cityscapes where its palette is not one of the network's
    classes, as that of a benchmark.

    Args:
        name: A runner's visualizer is looked up by it.
        *args: As ``SegLocalVisualizer``.
        ood_index: Label of anomalies in the ground truth.
        ignore_index: Label of void in the ground truth.
        min_component: Pixels of the smallest component that gets a box.
        **kwargs: As ``SegLocalVisualizer``.

    Example:
        >>> from mmengine.structures import PixelData
        >>> sample = SegDataSample(
        ...     seg_logits=PixelData(data=torch.zeros(19, 32, 64)),
        ...     pred_sem_seg=PixelData(data=torch.zeros(1, 32, 64, dtype=torch.int64)))
        >>> visualizer = AnomalyLocalVisualizer('example')
        >>> visualizer.add_datasample('frame', np.zeros((32, 64, 3), np.uint8), sample, score='msp')
        >>> visualizer.get_image().shape
        (313, 1650, 3)
    """

    def __init__(self, name: str = 'visualizer', *args: Any, ood_index: int = 254, ignore_index: int = 255,
                 min_component: int = 50, **kwargs: Any) -> None:
        super().__init__(name, *args, **kwargs)
        self.ood_index = ood_index
        self.ignore_index = ignore_index
        self.min_component = min_component

    @property
    def has_backends(self) -> bool:
        """Whether pictures are kept anywhere."""
        return bool(self._vis_backends)

    @master_only
    def add_datasample(self, name: str, image: np.ndarray, data_sample: SegDataSample | None = None,
                       draw_gt: bool = True, draw_pred: bool = True, show: bool = False, wait_time: float = 0,
                       out_file: str | None = None, step: int = 0, with_labels: bool | None = None, *,
                       score: str | dict | AnomalyScorer | None = None,
                       score_range: tuple[float, float] | None = None, threshold: float | None = None,
                       title: str = '', **unused: Any) -> None:
        """Draw a data sample and hand the picture to all backends.

        Args:
            name: What the backends call the picture.
            image: ``(H, W, 3)`` uint8 RGB.
            data_sample: See :meth:`prepare`.
            draw_gt: Whether its ground truth is drawn.
            draw_pred: Whether its prediction and anomaly map are drawn.
            show: Whether to open a window.
            wait_time: For how many seconds.
            out_file: A file for the picture, in the place of the backends.
            step: Iteration, for the backends.
            with_labels: Not used: names of the classes would hide the maps.
            score: See :meth:`prepare`.
            score_range: Scores at the two ends of the colour bar; by default quantiles of this frame.
            threshold: The lowest score of an anomaly; by default there is no mask.
            title: Line above the pictures.
            **unused: Options that some releases of mmseg have for their own picture.

        Raises:
            ValueError: See :meth:`prepare`.
            OSError: ``out_file`` cannot be written.
        """
        sample = self.prepare(image, data_sample, draw_gt, draw_pred, score=score, threshold=threshold)
        scale = ScoreScale(score_range)
        if sample.panel.score is not None:
            scale.update(sample.panel.score)
        picture = self.draw(sample, scale, threshold, title)
        if show:
            self.show(picture, win_name=name, wait_time=wait_time)
        if out_file is None:
            self.add_image(name, picture, step)
        elif not mmcv.imwrite(mmcv.rgb2bgr(picture), out_file):
            raise OSError(f'{out_file} cannot be written')

    def prepare(self, image: np.ndarray, data_sample: SegDataSample | None = None, draw_gt: bool = True,
                draw_pred: bool = True, *, score: str | dict | AnomalyScorer | None = None,
                num_classes: int | None = None, threshold: float | None = None,
                palette: Sequence[Sequence[int]] | None = None) -> PreparedSample:
        """What there is to draw of a data sample.

        Args:
            image: ``(H', W', 3)`` uint8 RGB; brought to the size of the maps.
            data_sample: With any of ``gt_sem_seg`` (1, H, W), ``pred_sem_seg`` (1, H, W), ``seg_logits`` (C, H, W)
                and ``pred_anomaly`` (1, H, W).
            draw_gt: Whether the ground truth is wanted.
            draw_pred: Whether the prediction and the anomaly map are wanted.
            score: What :meth:`mmseg_ood.core.AnomalyScorer.build` takes, applied to ``seg_logits``. By default the
                map is ``pred_anomaly`` where there is one and the energy elsewhere.
            num_classes: Number of inlier classes, for logits with further channels behind them.
            threshold: The lowest score of a component; by default there are none.
            palette: Colours of the classes, in preference to those of the data set.

        Raises:
            ValueError: A prediction without what its scores follow from, scores that are not finite, or maps of
                different sizes; names the image.
        """
        found = data_sample if data_sample is not None else SegDataSample()
        frame = found.get('img_path', 'data sample')
        maps: dict[str, np.ndarray] = {}
        score_name = ''
        if draw_gt and 'gt_sem_seg' in found:
            maps['ground_truth'] = _to_map(found.gt_sem_seg.data)
        if draw_pred and 'pred_sem_seg' in found:
            try:
                maps['score'], score_name = _scores(found, score, num_classes)
            except ValueError as error:
                raise ValueError(f'{frame}: {error}') from error
            maps['prediction'] = _prediction(found, num_classes)
        sizes = {name: values.shape for name, values in maps.items()}
        if len(set(sizes.values())) > 1:
            raise ValueError(f'{frame}: maps of different sizes: {sizes}')
        for height, width in set(sizes.values()) - {image.shape[:2]}:
            image = cv2.resize(np.ascontiguousarray(image), (width, height))
        components = None
        if threshold is not None and 'score' in maps:
            mask, detections = detect_components(maps['score'], threshold, self.min_component)
            components = Components(mask, [(*box[:4], box.score) for box in detections])
        return PreparedSample(Panel(image, **maps, components=components),
                              self._palette(found, num_classes, palette), score_name)

    def _palette(self, sample: SegDataSample, num_classes: int | None,
                 palette: Sequence[Sequence[int]] | None) -> np.ndarray:
        palettes = [palette, (self.dataset_meta or {}).get('palette')]
        if num_classes is None and 'seg_logits' in sample:
            num_classes = len(sample.seg_logits.data)
        return choose_palette(num_classes or len(palettes[0] or palettes[1] or ()), *palettes)

    def draw(self, sample: PreparedSample, scale: ScoreScale, threshold: float | None = None,
             title: str = '') -> np.ndarray:
        """The picture, ``(H', W', 3)`` uint8 RGB; :meth:`get_image` returns it, too.

        Args:
            sample: From :meth:`prepare`.
            scale: The colour scale; keep it the same over a data set.
            threshold: That of ``prepare``.
            title: Line above the pictures.
        """
        has_scores = sample.panel.score is not None
        picture = draw_panels(
            sample.panel, sample.palette, scale.range() if has_scores else None, sample.score_name, self.ood_index,
            self.ignore_index, title, threshold, score_range_from=scale.describe() if has_scores else '')
        self.set_image(picture)
        return picture


def _to_map(data: torch.Tensor) -> np.ndarray:
    """Indices ``(1, H, W)`` as ``(H, W)`` int16, an eighth of what they are sometimes kept in."""
    return data.squeeze(0).to('cpu', torch.int16).numpy()


def _scores(sample: SegDataSample, score: str | dict | AnomalyScorer | None,
            num_classes: int | None) -> tuple[np.ndarray, str]:
    """Anomaly map ``(H, W)`` float32 and its name."""
    if score is None and 'pred_anomaly' in sample:
        values, name = sample.pred_anomaly.data.squeeze(0), 'pred_anomaly'
    else:
        scorer = AnomalyScorer.build('energy' if score is None else score, num_classes=num_classes)
        if 'seg_logits' not in sample:
            raise ValueError(f'score {scorer.name!r} needs seg_logits, found {sorted(sample.keys())}')
        values, name = scorer(sample.seg_logits.data[None])[0], scorer.name
    bad = int((~torch.isfinite(values)).sum())
    if bad:
        raise ValueError(f'{bad} of {values.numel()} scores are not finite')
    return values.float().cpu().numpy(), name


def _prediction(sample: SegDataSample, num_classes: int | None) -> np.ndarray:
    """The most likely inlier class, ``(H, W)``."""
    prediction = sample.pred_sem_seg.data
    if num_classes is not None and 'seg_logits' in sample and len(sample.seg_logits.data) > num_classes:
        prediction = sample.seg_logits.data[:num_classes].argmax(0, keepdim=True)
    return _to_map(prediction)
