"""Pictures of training composites and of what validation and testing find."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import mmcv
import numpy as np
import torch
from mmengine import fileio
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmseg.registry import DATASETS, HOOKS
from mmseg.structures import SegDataSample

from mmseg_ood.core import AnomalyScorer

from ..visualization import AnomalyLocalVisualizer, ScoreScale
from ..visualization.anomaly_local_visualizer import PreparedSample

SCALE_FRAMES = 8


@HOOKS.register_module()
class AnomalyVisualizationHook(Hook):
    """Draw every n-th frame of validation and testing, and every n-th training iteration what it trained on.

    In a config, beside the line that imports the plug-ins::

        visualizer = dict(type='AnomalyLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')])
        custom_hooks = [dict(type='AnomalyVisualizationHook', interval=10)]

    The pictures go to all backends of the visualizer. The one above writes
    ``WORK_DIR/TIMESTAMP/vis_data/vis_image/val_FRAME_ITERATION.png``, ``test_FRAME_0.png`` and
    ``train_composite_ITERATION.png``; in TensorBoard each frame is a series over the iterations.

    *Validation and testing*: image, ground truth, prediction and anomaly map, at a threshold also the mask with its
    components. All pictures of a pass over the data share one colour scale: the 1 % and 99.5 % quantiles of the scores
    of the first 8 frames that are drawn, which wait for it. The scores of a network that trains move, so each
    validation measures its own; ``score_range`` keeps one for all. The image is what the network was given, with
    whatever was pasted into it.

    *Training*: image and labels of one frame as they leave the pipeline: the first in the batch that holds outliers.

    With several processes the first one draws its share of the frames. The benchmarks of ``BenchmarkHook`` are not
    drawn: it runs the network itself, after the validation.

    Args:
        interval: Every how many frames of validation and testing one is drawn, from the first on.
        train_interval: Every how many iterations a training frame is drawn, from the first on; 0 draws none.
        max_frames: The most frames of a pass over the data to draw; by default there is no limit.
        score: What :meth:`mmseg_ood.core.AnomalyScorer.build` takes. By default the map of an
            ``AnomalyEncoderDecoder``, and the energy of any other network.
        score_range: Scores at the two ends of the colour bar, by default measured.
        threshold: The lowest score of an anomaly; by default there is no mask.

    Raises:
        ValueError: An argument is out of range, the score is none, or the visualizer has no backend.
        TypeError: When the run starts: the visualizer is not an ``AnomalyLocalVisualizer``.
    """

    def __init__(self, interval: int = 50, train_interval: int = 500, max_frames: int | None = None,
                 score: str | dict | None = None, score_range: tuple[float, float] | None = None,
                 threshold: float | None = None) -> None:
        for name, value, least in (('interval', interval, 1), ('train_interval', train_interval, 0),
                                   ('max_frames', max_frames, 1)):
            if value is not None and value < least:
                raise ValueError(f'AnomalyVisualizationHook: {name} must be at least {least}, found {value}')
        self.interval = interval
        self.train_interval = train_interval
        self.max_frames = max_frames
        self.score = score
        self.score_range = score_range
        self.threshold = threshold
        self._start_pass()

    def _start_pass(self) -> None:
        self._scale = ScoreScale(self.score_range)
        self._num_frames = 0
        self._names: set[str] = set()
        self._waiting: list[tuple[str, PreparedSample]] = []

    def before_run(self, runner: Runner) -> None:
        """Find out what the network and its visualizer are."""
        if not isinstance(runner.visualizer, AnomalyLocalVisualizer):
            raise TypeError(f"AnomalyVisualizationHook needs visualizer=dict(type='AnomalyLocalVisualizer'), found "
                            f'{type(runner.visualizer).__name__}')
        if not runner.visualizer.has_backends:
            raise ValueError("AnomalyVisualizationHook: the visualizer keeps no picture, expected some vis_backends: "
                             "[dict(type='LocalVisBackend')]")
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        self._num_classes = runner.cfg.get('num_inlier_classes') or getattr(model, 'num_inlier_classes', None)
        self._palette = _training_palette(runner.cfg)
        # None is the network's own map, or the energy.
        self._scorer = None if self.score is None else AnomalyScorer.build(self.score, num_classes=self._num_classes)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Draw a frame of the batch."""
        if not self.train_interval or runner.iter % self.train_interval or not is_main_process():
            return
        samples = data_batch['data_samples']
        ood_index = runner.visualizer.ood_index
        index = next((index for index, sample in enumerate(samples)
                      if (sample.gt_sem_seg.data == ood_index).any()), 0)
        palette = getattr(runner.train_dataloader.dataset, 'metainfo', {}).get('palette')
        drawn = runner.visualizer.prepare(_image(data_batch, index, samples[index]), samples[index], draw_pred=False,
                                          palette=palette)
        iteration = runner.iter + 1
        title = f'{_stem(samples[index], index)}, as trained on in iteration {iteration}'
        picture = runner.visualizer.draw(drawn, self._scale, title=title)
        runner.visualizer.add_image('train_composite', picture, iteration)

    def before_val_epoch(self, runner: Runner) -> None:
        """Begin anew."""
        self._start_pass()

    def before_test_epoch(self, runner: Runner) -> None:
        """Begin anew."""
        self._start_pass()

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                       outputs: Sequence[SegDataSample] | None = None) -> None:
        """Draw every n-th frame."""
        self._add(runner, 'val', data_batch, outputs)

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                        outputs: Sequence[SegDataSample] | None = None) -> None:
        """Draw every n-th frame."""
        self._add(runner, 'test', data_batch, outputs)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Draw the frames that still wait for the colour scale."""
        self._draw_waiting(runner, 'val')

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Draw the frames that still wait for the colour scale."""
        self._draw_waiting(runner, 'test')

    def _add(self, runner: Runner, stage: str, data_batch: dict, outputs: Sequence[SegDataSample]) -> None:
        if not is_main_process():
            return
        for index, sample in enumerate(outputs):
            number, self._num_frames = self._num_frames, self._num_frames + 1
            if number % self.interval or len(self._names) == self.max_frames:
                continue
            prepared = runner.visualizer.prepare(_image(data_batch, index, sample), sample, score=self._scorer,
                                                 num_classes=self._num_classes, threshold=self.threshold,
                                                 palette=self._palette)
            self._waiting.append((self._name(sample, number), prepared))
            is_fixed = self.score_range is not None or len(self._scale) == SCALE_FRAMES
            if not is_fixed:
                self._scale.update(prepared.panel.score)
            if is_fixed or len(self._scale) == SCALE_FRAMES:
                self._draw_waiting(runner, stage)

    def _name(self, sample: SegDataSample, number: int) -> str:
        """Name of the frame's file, numbered where another frame has it; the same in each pass."""
        stem = name = _stem(sample, number)
        count = 1
        while name in self._names:
            count += 1
            name = f'{stem}_{count}'
        self._names.add(name)
        return name

    def _draw_waiting(self, runner: Runner, stage: str) -> None:
        # Asking for the iteration builds the training loop, and with it data that a test does not need.
        iteration = runner.iter if stage == 'val' else 0
        for name, sample in self._waiting:
            title = f'{name}, after {iteration} iterations' if stage == 'val' else name
            picture = runner.visualizer.draw(sample, self._scale, self.threshold, title)
            runner.visualizer.add_image(f'{stage}_{name}', picture, iteration)
        self._waiting.clear()


def _training_palette(cfg: Config) -> Sequence[Sequence[int]] | None:
    """Colours of the classes that the network knows: a benchmark that it is tested on has others."""
    dataset = (cfg.get('train_dataloader') or {}).get('dataset') or {}
    while 'dataset' in dataset:
        dataset = dataset['dataset']
    declared = getattr(DATASETS.get(str(dataset.get('type'))), 'METAINFO', {})
    return {**declared, **(dataset.get('metainfo') or {})}.get('palette')


def _stem(sample: SegDataSample, number: int) -> str:
    return Path(sample.get('img_path') or f'frame_{number}').stem


def _image(data_batch: dict, index: int, sample: SegDataSample) -> np.ndarray:
    """What the network was given, ``(H, W, 3)`` uint8 RGB: before its preprocessor normalises it."""
    inputs = data_batch['inputs'][index]
    if not isinstance(inputs, torch.Tensor):  # test-time augmentation: several of one image
        return mmcv.imfrombytes(fileio.get(sample.img_path), channel_order='rgb')
    image = inputs.permute(1, 2, 0).cpu().numpy()
    if image.min() < 0 or image.max() > 255:
        raise ValueError(f'images must be 0 to 255 when they leave the pipeline, found {image.min():.3g} to '
                         f'{image.max():.3g}; to normalise them is the task of data_preprocessor')
    return image[..., ::-1].round().astype(np.uint8)
