"""Two lines to an anomaly map: any network, anything that shows pictures."""
from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.infer import BaseInferencer
from mmseg.structures import SegDataSample
from rich.progress import track

from mmseg_ood.core import ScoreHistogram, free_energy

from .anomaly_result import AnomalyResult, ScoreRange, result_files
from .frames import Failure, Frame, Frames, Outcome
from .inlier_classes import find_inlier_classes
from .inputs import open_frames, split_pipeline
from .runtime import build_segmentor, load_config
from .scorers import build_scorers
from .thresholds import Threshold, inlier_quantile, read_threshold

_SCALE_FRAMES = 8
_VOID, _INLIER = 255, 0  # of ScoreHistogram


class AnomalyInferencer(BaseInferencer):
    """Anomaly maps of images, folders, globs, arrays, videos, webcams and benchmarks.

    Calling it gives a list of :class:`~mmseg_ood.apis.anomaly_result.AnomalyResult`; :meth:`stream` gives one after
    the other, in constant memory. **Arrays are BGR**, as OpenCV, MMCV and MMSegInferencer have it, unless
    ``color_order='rgb'``; the images of the results are RGB. Grey images and arrays count three times, an alpha
    channel is dropped, 16 bits are scaled to 8, photos are turned as their EXIF entry says.

    Checkpoints are loaded without executing code.

    Args:
        config: Config file or a loaded config.
        checkpoint: Weights.
        device: By default the GPU if there is one.
        score: What :meth:`mmseg_ood.core.AnomalyScorer.parse` reads: ``energy``, ``energy:temperature=2``, ...
        threshold: The lowest score of an anomaly: a number, or the ``results.json`` of
            :func:`mmseg_ood.apis.evaluate` for this checkpoint; :meth:`fit_threshold` finds one on inlier frames.
        operating_point: Which threshold of the file: ``best_F1``, ``TPR95``, ``FPR5``, ...
        threshold_benchmark: On which benchmark of the file it was measured.
        min_component: Pixels of the smallest component of the mask that is a detection.
        score_range: Scores at the two ends of the colours; by default each call measures its own.
        color_order: ``bgr`` or ``rgb``, of arrays.
        cfg_options: Overrides as dotted keys.
        show_progress: Whether there is a progress bar.

    Attributes:
        scorer: The :class:`mmseg_ood.core.AnomalyScorer`.
        classes: Names of the inlier classes.
        palette: ``(C, 3)`` their colours.

    Raises:
        FileNotFoundError: Config, checkpoint or threshold file do not exist.
        ValueError: The checkpoint is unsafe or does not fit, unknown score or colour order, or see
            :func:`mmseg_ood.apis.thresholds.read_threshold`.
    """

    def __init__(self, config: str | Path | Config, checkpoint: str | Path, device: str | None = None,
                 score: str = 'energy', threshold: float | str | Path | Threshold | None = None, *,
                 operating_point: str = 'best_F1', threshold_benchmark: str | None = None, min_component: int = 50,
                 score_range: Sequence[float] | None = None, color_order: str = 'bgr',
                 cfg_options: dict[str, Any] | None = None, show_progress: bool = True) -> None:
        if color_order not in ('bgr', 'rgb'):
            raise ValueError(f'color_order must be bgr or rgb, found {color_order!r}')
        self._checkpoint, self._color_order, self.min_component = checkpoint, color_order, min_component
        cfg = load_config(config, cfg_options)
        (self.score_name, self.scorer), = build_scorers(cfg, [score], checkpoint).items()
        if threshold is not None and not isinstance(threshold, Threshold):
            threshold = read_threshold(threshold, self.score_name, threshold_benchmark, operating_point,
                                       checkpoint=checkpoint)
        self._threshold = threshold
        self.score_range = score_range
        super().__init__(cfg, str(checkpoint), device or ('cuda' if torch.cuda.is_available() else 'cpu'),
                         scope=cfg.get('default_scope', 'mmseg'), show_progress=show_progress)
        names, palette = find_inlier_classes(self.model, cfg,
                                             cfg.get('num_inlier_classes') or self.model.num_classes)
        self.classes, self.palette = tuple(names), np.asarray(palette)

    @property
    def threshold(self) -> Threshold | None:
        """The lowest score of an anomaly; takes what the class takes."""
        return self._threshold

    @threshold.setter
    def threshold(self, threshold: float | str | Path | Threshold | None) -> None:
        if threshold is not None and not isinstance(threshold, Threshold):
            threshold = read_threshold(threshold, self.score_name, checkpoint=self._checkpoint)
        self._threshold = threshold

    @property
    def score_range(self) -> ScoreRange | None:
        """Scores at the two ends of the colours; None: each call measures its own."""
        return self._score_range

    @score_range.setter
    def score_range(self, score_range: Sequence[float] | None) -> None:
        if score_range is not None:
            score_range = ScoreRange(*score_range)
            if not score_range.low < score_range.high:
                raise ValueError(f'score_range must go from low to high, found {score_range[:2]}')
        self._score_range = score_range

    def __call__(self, inputs: Any, batch_size: int = 1, save_dir: str | Path | None = None,
                 formats: Sequence[str] = ('png',), force: bool = False) -> Outcome[AnomalyResult]:
        """Anomaly maps of all frames of some inputs, in memory together.

        All have one colour scale, measured on up to 8 of them unless ``score_range`` was given.

        Args:
            inputs: Path of an image, folder of images, glob or video; ``NAME[=ROOT]`` of a benchmark, whose frames
                bring their ground truth; an array (H, W, 3) uint8 or uint16, also (H, W) or (H, W, 4); a list of any
                of these, or an iterator.
            batch_size: Frames of one size that the network sees at a time.
            save_dir: Folder to write files to, see :meth:`AnomalyResult.save`.
            formats: Which: ``png``, ``npz``, ``hdf5``.
            force: Replace files that exist there.

        Returns:
            A list of results; ``failures`` are the inputs that could not be read, which are also listed on stderr.

        Raises:
            FileExistsError: A file exists that would be written.
            FileNotFoundError: Nothing there.
            ValueError: Nothing of it can be read, scores that are not finite, or a webcam, which has no end.
        """
        frames = self._open(inputs, save_dir)
        if frames.is_endless:
            raise ValueError('a webcam has no end: use stream()')
        if save_dir is not None and not force:
            self._refuse_to_replace(frames, Path(save_dir), formats)
        outcome: Outcome[AnomalyResult] = Outcome()
        outcome.extend(track(self.infer(frames, batch_size, outcome.failures), 'anomaly maps', total=frames.count,
                             disable=not self.show_progress))
        tell_failures(outcome)
        if self.score_range is None:
            positions = np.linspace(0, len(outcome) - 1, min(_SCALE_FRAMES, len(outcome))).astype(int)
            score_range = ScoreRange.of(outcome[position].anomaly_map for position in positions)
            outcome[:] = [replace(result, score_range=score_range) for result in outcome]
        if save_dir is not None:
            for result in outcome:
                result.save(save_dir, formats, force)
        return outcome

    def stream(self, inputs: Any, batch_size: int = 1, failures: list[Failure] | None = None,
               ) -> Iterator[AnomalyResult]:
        """Anomaly maps one after the other, for videos, webcams and other long inputs.

        Each result has a colour scale of its own unless ``score_range`` was given or measured with
        :meth:`fit_score_range`.

        Args:
            inputs: As for a call, or the number of a webcam.
            batch_size: Frames of one size that the network sees at a time, and that are in memory.
            failures: Inputs that cannot be read are added to this list, and the others go on.

        Yields:
            One result for each frame, in order.

        Raises:
            FileNotFoundError: Nothing there.
            ValueError: Without ``failures``: an input cannot be read; scores that are not finite.
        """
        return self.infer(self._open(inputs), batch_size, failures)

    def fit_score_range(self, inputs: Any) -> ScoreRange:
        """Measure the colour scale on up to 8 frames spread over some inputs, and keep it.

        Raises:
            FileNotFoundError: Nothing there.
            ValueError: None of them can be read.
        """
        frames = inputs if isinstance(inputs, Frames) else self._open(inputs)
        failures: list[Failure] = []
        results = list(self.infer(frames.spread(_SCALE_FRAMES), failures=failures))
        if not results:  # the first one that is not broken has to do
            results = list(itertools.islice(self.infer(frames, failures=failures), 1))
        _require_some(results, failures)
        self.score_range = ScoreRange.of(result.anomaly_map for result in results)
        return self.score_range

    def fit_threshold(self, inputs: Any, quantile: float = 0.95, batch_size: int = 1) -> Threshold:
        """Choose the threshold that calls few pixels of inlier frames anomalous, and keep it.

        No anomalies are needed. Pixels are counted, not kept: memory does not grow with the number of frames.

        Args:
            inputs: Frames without anomalies, as for a call. Of a benchmark the pixels that its ground truth calls
                inliers count.
            quantile: Share of inlier pixels that must stay below the threshold, in (0, 1).
            batch_size: Frames of one size that the network sees at a time.

        Returns:
            The lowest threshold that does.

        Raises:
            FileNotFoundError: Nothing there.
            ValueError: A quantile outside (0, 1), an input that cannot be read, or no inlier pixel.
        """
        frames, histogram = self._open(inputs), ScoreHistogram()
        if not 0 < quantile < 1:
            raise ValueError(f'quantile must be in (0, 1), found {quantile}')
        count = 0
        for result in track(self.infer(frames, batch_size), 'threshold', total=frames.count,
                            disable=not self.show_progress):
            labels = np.full(result.anomaly_map.shape, _INLIER, np.uint8)
            if result.ground_truth is not None:
                labels[result.ground_truth >= len(self.classes)] = _VOID
            histogram.update(result.anomaly_map, labels)
            count += 1
        value = inlier_quantile(histogram, quantile)
        where = inputs if isinstance(inputs, str | Path) else 'inlier frames'
        self.threshold = Threshold(value, f'{quantile:g} quantile of {self.score_name} on {count} frames of {where}')
        return self.threshold

    def infer(self, frames: Iterable[Frame], batch_size: int = 1,
              failures: list[Failure] | None = None) -> Iterator[AnomalyResult]:
        """What :meth:`stream` does, of frames that were found already."""
        for batch in self.preprocess(frames, batch_size, failures=failures):
            yield from self.postprocess(self.forward(self.collate_fn([packed for _, _, packed in batch])), batch)

    def preprocess(self, inputs: Iterable[Frame], batch_size: int = 1,
                   failures: list[Failure] | None = None) -> Iterator[list[tuple[Frame, np.ndarray, dict]]]:
        """Load frames and bring them through the pipeline.

        Yields:
            Up to ``batch_size`` frames of one size: each with its image (H, W, 3) uint8 RGB and what the network
            takes.
        """
        if batch_size < 1:
            raise ValueError(f'batch_size must be at least 1, found {batch_size}')
        batch: list[tuple[Frame, np.ndarray, dict]] = []
        for frame in inputs:
            try:
                results = frame.load()
            except ValueError as error:
                if failures is None:
                    raise
                failures.append(Failure(frame.origin, str(error)))
                continue
            image = np.ascontiguousarray(results['img'][..., ::-1]).astype(np.uint8)
            packed = self.pipeline(results)
            if batch and packed['inputs'].shape != batch[0][2]['inputs'].shape:
                yield batch
                batch = []
            batch.append((frame, image, packed))
            if len(batch) == batch_size:
                yield batch
                batch = []
        if batch:
            yield batch

    def postprocess(self, preds: Sequence[SegDataSample],
                    batch: Sequence[tuple[Frame, np.ndarray, dict]]) -> Iterator[AnomalyResult]:
        """Results of what :meth:`forward` returned for a batch."""
        for (frame, image, _), sample in zip(batch, preds, strict=True):
            yield self._result(frame, image, sample.seg_logits.data)

    def visualize(self, inputs: Any, preds: Sequence[AnomalyResult], show: bool = False) -> list[np.ndarray]:
        """Pictures (H', W', 3) uint8 RGB of results."""
        return [result.draw() for result in preds]

    @torch.no_grad()
    def _result(self, frame: Frame, image: np.ndarray, logits: torch.Tensor) -> AnomalyResult:
        score = self.scorer(logits[None])[0].float()
        bad = int((~torch.isfinite(score)).sum())
        if bad:
            raise ValueError(f'{frame.origin}: {bad} of {score.numel()} scores are not finite')
        inlier_logits = logits[:len(self.classes)]
        anomaly_map = energy = score.cpu().numpy()
        if not self._score_is_energy():
            energy = free_energy(inlier_logits[None])[0].float().cpu().numpy()
        prediction = inlier_logits.argmax(0).cpu().numpy().astype(np.min_scalar_type(len(self.classes) - 1))
        return AnomalyResult(
            frame.name, frame.origin, image, anomaly_map, energy, prediction, self.score_name, self.classes,
            self.palette, frame.load_ground_truth(), None if self.threshold is None else self.threshold.value,
            self.min_component, self.score_range)

    def _score_is_energy(self) -> bool:
        scorer = self.scorer
        return ((scorer.method, scorer.temperature, scorer.smoothing) == ('energy', 1.0, False)
                and scorer.num_classes in (None, len(self.classes)))

    def _open(self, inputs: Any, out: str | Path | None = None) -> Frames:
        return open_frames(inputs, self._loader, None if out is None else Path(out), self._color_order)

    def _refuse_to_replace(self, frames: Frames, folder: Path, formats: Sequence[str]) -> None:
        """Look for what is there before anything expensive starts; frames of a video check when they are saved."""
        named = itertools.chain.from_iterable(source for source in frames.sources if isinstance(source, Sequence))
        existing = [path for frame in named
                    for path in result_files(folder, frame.name, formats, self.threshold is not None) if path.exists()]
        if existing:
            raise FileExistsError(f'{folder} holds {len(existing)} of the files already ({existing[0].name}, ...); '
                                  f'name another folder, or replace them with force=True')

    def _init_model(self, cfg: Config, weights: str, device: str = 'cpu') -> torch.nn.Module:
        return build_segmentor(cfg, weights, device)

    def _init_pipeline(self, cfg: Config) -> Compose:
        self._loader, steps = split_pipeline(cfg)
        return steps

    def _init_collate(self, cfg: Config) -> Callable:
        return pseudo_collate

    def _init_visualizer(self, cfg: Config) -> None:
        """Results draw themselves."""


def tell_failures(outcome: Outcome) -> None:
    """List what could not be read on stderr.

    Raises:
        ValueError: Nothing could.
    """
    _require_some(outcome, outcome.failures)
    if outcome.failures:
        reasons = '\n'.join(f'  {failure.reason}' for failure in outcome.failures)
        count = len(outcome.failures)
        print(f'{count} input{"s" * (count != 1)} could not be read:\n{reasons}', file=sys.stderr)


def _require_some(made: Sequence[Any], failures: Sequence[Failure]) -> None:
    if not made:
        reasons = '; '.join(dict.fromkeys(failure.reason for failure in failures))
        raise ValueError(f'no input could be read: {reasons or "there is none"}')
