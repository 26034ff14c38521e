"""Anomaly maps of images as pictures and of videos as videos and, at a threshold, what they detect."""
from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config
from rich.progress import track

from .anomaly_inferencer import AnomalyInferencer, tell_failures
from .anomaly_result import LAYOUTS, AnomalyResult
from .frames import Frame, Outcome, VideoFrames
from .inputs import open_frames, split_pipeline
from .picture_folder import PictureFolder
from .runtime import load_config, provenance
from .scorers import build_scorers
from .thresholds import read_threshold
from .videos import CODECS, VideoFile, choose_codec


def visualize(config: str | Path | Config, checkpoint: str | Path, source: str | Path, score: str = 'energy',
              out: str | Path = 'anomaly_maps', cfg_options: dict[str, Any] | None = None,
              device: str | None = None, *, threshold: float | str | Path | None = None,
              operating_point: str = 'best_F1', threshold_benchmark: str | None = None,
              inliers: str | Path | None = None, quantile: float = 0.95, min_component: int = 50,
              layout: str | None = None, score_range: Sequence[float] | None = None, codec: str | None = None,
              force: bool = False) -> Outcome[Path]:
    """Draw image, prediction, anomaly map and, where there are any, ground truth and the mask at a threshold.

    All pictures of a call share one colour scale: the 1 % and 99.5 % quantiles of the scores of up to 8
    frames spread over the input, unless ``score_range`` gives another one. How many frames were done in a second is
    printed.

    Args:
        config: Config file or a loaded config.
        checkpoint: Weights.
        source: An image, a folder of images, a video, a glob, or a benchmark ``NAME[=ROOT]``, which brings its ground
            truth. Files that cannot be read are listed at the end; the others are done.
        score: What :meth:`mmseg_ood.core.AnomalyScorer.parse` reads: ``energy``, ``energy:temperature=2``, ...
        out: Folder of the pictures, ``NAME.png``, the videos, ``NAME.mp4`` (without sound), and of
            ``visualize.json`` (how they were made). With a threshold also of the masks of pictures, ``NAME_mask.png``
            (255 anomaly, 0 not), and in the json of every :class:`mmseg_ood.core.Detection`; those of a video are in
            ``NAME_detections.jsonl``, a line a frame.
        cfg_options: Overrides as dotted keys.
        device: By default the GPU if there is one.
        threshold: The lowest score of an anomaly: a number, or the ``results.json`` of
            :func:`mmseg_ood.apis.evaluate`, see :func:`mmseg_ood.apis.thresholds.read_threshold`.
        operating_point: Which threshold of the file.
        threshold_benchmark: On which benchmark of the file it was measured.
        inliers: In the place of a threshold: frames without anomalies, to choose it by, see
            :meth:`AnomalyInferencer.fit_threshold`.
        quantile: Share of their pixels that must stay below the threshold.
        min_component: Pixels of the smallest component of the mask that gets a box.
        layout: See :meth:`AnomalyResult.draw`; by default ``panels`` for images, ``side-by-side`` for videos.
        score_range: Scores at the two ends of the colours.
        codec: Of videos, see :func:`mmseg_ood.apis.videos.choose_codec`.
        force: Replace what an earlier call wrote to ``out``; inputs are never replaced.

    Returns:
        The pictures and videos; ``failures`` are the files that could not be read.

    Raises:
        FileExistsError: ``out`` holds results already.
        FileNotFoundError: No image under ``source``, or no such threshold file.
        ValueError: Nothing of the input can be read, ground truth that does not fit, scores that are not finite, a
            threshold file that does not fit, a codec that is missing, or see :func:`mmseg_ood.apis.evaluate`.
        OSError: A picture or video cannot be written.
    """
    source, out = str(source), Path(out)
    if layout not in (None, *LAYOUTS):
        raise ValueError(f'unknown layout {layout!r}, expected one of {", ".join(LAYOUTS)}')
    if threshold is not None and inliers is not None:
        raise ValueError('a threshold is given or chosen by inliers, not both')
    cfg = load_config(config, cfg_options)
    name, = build_scorers(cfg, [score], checkpoint)
    chosen = None
    if threshold is not None:
        chosen = read_threshold(threshold, name, threshold_benchmark, operating_point, checkpoint=checkpoint,
                                source=source)
    frames = open_frames(source, split_pipeline(cfg)[0], out)
    folder = PictureFolder(out, frames, chosen is not None or inliers is not None, force)
    codec = _choose_codec(codec) if any(isinstance(part, VideoFrames) for part in frames.sources) else None
    inferencer = AnomalyInferencer(cfg, checkpoint, device, score, chosen, min_component=min_component,
                                   score_range=score_range)
    if inliers is not None:
        inferencer.fit_threshold(inliers, quantile)
    if inferencer.threshold is not None:
        print(f'threshold {inferencer.threshold.value}, {inferencer.threshold.description}')
    if score_range is None:
        inferencer.fit_score_range(frames)
    folder.clear()
    drawn = _Drawn(Outcome(), {}, {}, [])
    for part in frames.sources:
        if isinstance(part, VideoFrames):
            _draw_video(inferencer, part, out, layout or 'side-by-side', codec, drawn)
        else:
            _draw_images(inferencer, part, out, layout or 'panels', drawn)
    tell_failures(drawn.files)
    _tell_speed(drawn.speeds)
    folder.describe({'source': source, **_description(inferencer, drawn), 'provenance': provenance(cfg, checkpoint)})
    return drawn.files


class _Drawn(NamedTuple):
    """What was drawn so far."""
    files: Outcome[Path]
    detected: dict[str, dict[str, Any]]
    videos: dict[str, dict[str, Any]]
    speeds: list[_Timed]


class _Timed:
    """Hands results on; counts them and the seconds that they, and all that is done with them, take."""

    def __init__(self, results: Iterator[AnomalyResult]) -> None:
        self._results = results
        self.num_frames, self.inference, self.total = 0, 0.0, 0.0

    def __iter__(self) -> Iterator[AnomalyResult]:
        start = asked = time.perf_counter()
        for result in self._results:
            self.num_frames += 1
            self.inference += time.perf_counter() - asked
            yield result
            asked = time.perf_counter()
            self.total = asked - start


def _draw_images(inferencer: AnomalyInferencer, images: Sequence[Frame], out: Path, layout: str,
                 drawn: _Drawn) -> None:
    timed = _Timed(inferencer.infer(images, failures=drawn.files.failures))
    drawn.speeds.append(timed)
    for result in track(timed, 'anomaly maps', total=len(images)):
        picture, *mask = result.save(out, force=True, layout=layout)
        drawn.files.append(picture)
        if mask:
            drawn.detected[picture.name] = {'mask': mask[0].name, 'boxes': _boxes(result)}


def _draw_video(inferencer: AnomalyInferencer, video: VideoFrames, out: Path, layout: str, codec: str,
                drawn: _Drawn) -> None:
    timed = _Timed(inferencer.infer(video, failures=drawn.files.failures))
    drawn.speeds.append(timed)
    written, lines = out / f'{video.name}.mp4', out / f'{video.name}_detections.jsonl'
    with VideoFile(written, codec, video.frames_per_second) as file:
        for result in track(timed, video.name, total=video.count):
            if result.detections is not None:
                with lines.open('a' if file.num_frames else 'w', encoding='utf-8') as detections:
                    print(json.dumps({'frame': file.num_frames, 'boxes': _boxes(result)}), file=detections)
            file.write(result.draw(layout))
    if file.num_frames:
        drawn.files.append(written)
        drawn.videos[written.name] = {'codec': codec, 'frames_per_second': video.frames_per_second,
                                      'frames': file.num_frames}
        if lines.exists():
            drawn.detected[written.name] = {'file': lines.name}


def _boxes(result: AnomalyResult) -> list[dict[str, Any]]:
    return [found._asdict() for found in result.detections]


def _description(inferencer: AnomalyInferencer, drawn: _Drawn) -> dict[str, Any]:
    description = {
        'score': inferencer.score_name, 'scorer': inferencer.scorer.describe(),
        'score_range': inferencer.score_range[:2], 'score_range_from': inferencer.score_range.description,
        'files': [path.name for path in drawn.files],
        'failures': [failure._asdict() for failure in drawn.files.failures]}
    if drawn.videos:
        description['videos'] = drawn.videos
    if inferencer.threshold is not None:
        description.update(threshold=inferencer.threshold.value, threshold_from=inferencer.threshold.description,
                           min_component=inferencer.min_component, detections=drawn.detected)
    return description


def _choose_codec(codec: str | None) -> str:
    chosen = choose_codec(codec)
    fallback = '' if codec or chosen == 'avc1' else '; this OpenCV cannot write H.264, and browsers may not play this'
    print(f'codec of videos: {chosen} ({CODECS.get(chosen, "not named here")}){fallback}')
    return chosen


def _tell_speed(speeds: Sequence[_Timed]) -> None:
    num_frames, total = sum(timed.num_frames for timed in speeds), sum(timed.total for timed in speeds)
    inference = sum(timed.inference for timed in speeds)
    print(f'{num_frames} frames in {total:.1f} s: {num_frames / total:.2f} frames per second '
          f'({num_frames / inference:.2f} without drawing and writing)')
