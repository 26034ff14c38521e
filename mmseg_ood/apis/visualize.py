"""Anomaly maps of images as PNG and, at a threshold, what they detect."""
from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset, pseudo_collate
from mmseg.registry import DATASETS
from mmseg.utils import get_palette
from rich.progress import track

from mmseg_ood.core import AnomalyScorer, detect_components
from mmseg_ood.segmentation.evaluation import NATIVE_PIPELINE
from mmseg_ood.segmentation.visualization import Components, Panel, draw_panels

from .frames import find_frames, frame_path, load_ground_truth, load_image
from .runtime import build_segmentor, load_config, provenance
from .scorers import build_scorers
from .thresholds import read_threshold

SCALE_FRAMES = 8
SCALE_QUANTILES = (0.01, 0.995)


def visualize(config: str | Path | Config, checkpoint: str | Path, source: str | Path, score: str = 'energy',
              out: str | Path = 'anomaly_maps', cfg_options: dict[str, Any] | None = None,
              device: str | None = None, *, threshold: float | str | Path | None = None,
              operating_point: str = 'best_F1', threshold_benchmark: str | None = None,
              min_component: int = 50) -> list[Path]:
    """Draw image, prediction, anomaly map and, where there are any, ground truth and the mask at a threshold.

    All pictures of a call share one colour scale: the 1 % and 99.5 % quantiles of the scores of up to 8
    frames spread over the input.

    Args:
        config: Config file or a loaded config.
        checkpoint: Weights.
        source: An image, a folder, a glob, or a benchmark ``NAME[=ROOT]``, which brings its ground truth.
        score: What :meth:`mmseg_ood.core.AnomalyScorer.parse` reads: ``energy``, ``energy:temperature=2``, ...
        out: Folder of the pictures, ``NAME.png``, and of ``visualize.json`` (how they were made). With a threshold
            also of the masks, ``NAME_mask.png`` (255 anomaly, 0 not), and in the json of every
            :class:`mmseg_ood.core.Detection`.
        cfg_options: Overrides as dotted keys.
        device: By default the GPU if there is one.
        threshold: The lowest score of an anomaly: a number, or the ``results.json`` of
            :func:`mmseg_ood.apis.evaluate`, see :func:`mmseg_ood.apis.thresholds.read_threshold`.
        operating_point: Which threshold of the file.
        threshold_benchmark: On which benchmark of the file it was measured.
        min_component: Pixels of the smallest component of the mask that gets a box.

    Returns:
        The pictures.

    Raises:
        FileNotFoundError: No image under ``source``, or no such threshold file.
        ValueError: A file that is not an image, ground truth that does not fit, scores that are not finite, a
            threshold file that does not fit, or see :func:`mmseg_ood.apis.evaluate`.
        OSError: A picture cannot be written.
    """
    source, out = str(source), Path(out)
    cfg = load_config(config, cfg_options)
    (name, scorer), = build_scorers(cfg, [score], checkpoint).items()
    chosen = None
    if threshold is not None:
        chosen = read_threshold(threshold, name, threshold_benchmark, operating_point, checkpoint=checkpoint,
                                source=source)
        print(f'threshold {chosen.value}, {chosen.description}')
    frames = find_frames(source, cfg.get('benchmark_pipeline', NATIVE_PIPELINE))
    segmentor = build_segmentor(cfg, checkpoint, device)
    palette = _palette(segmentor, cfg)
    score_range = _score_range(segmentor, scorer, frames)
    out.mkdir(parents=True, exist_ok=True)
    pictures = _picture_paths(out, [frame_path(frames, index) for index in range(len(frames))], chosen is not None)
    detected = {}
    for index, picture in enumerate(track(pictures, 'anomaly maps')):
        panel = _panel(segmentor, scorer, frames, index)
        if chosen is not None:
            mask, detections = detect_components(panel.score, chosen.value, min_component)
            panel = panel._replace(components=Components(mask, [(*box[:4], box.score) for box in detections]))
            _write(_mask_path(picture), mask * np.uint8(255))
            detected[picture.name] = {'mask': _mask_path(picture).name, 'boxes': [box._asdict() for box in detections]}
        _write(picture, draw_panels(panel, palette, score_range, name, title=frame_path(frames, index).name,
                                    threshold=chosen.value if chosen else None)[..., ::-1])
    at_threshold = {} if chosen is None else {
        'threshold': chosen.value, 'threshold_from': chosen.description, 'min_component': min_component,
        'detections': detected}
    (out / 'visualize.json').write_text(json.dumps({
        'source': source, 'score': name, 'scorer': scorer.describe(), 'score_range': score_range,
        'files': [path.name for path in pictures], **at_threshold,
        'provenance': provenance(cfg, checkpoint)}, indent=2), encoding='utf-8')
    return pictures


def _panel(segmentor: torch.nn.Module, scorer: AnomalyScorer, frames: BaseDataset, index: int) -> Panel:
    image = load_image(frames, index)
    with torch.inference_mode():
        sample, = segmentor.test_step(pseudo_collate([frames[index]]))
        logits = sample.seg_logits.data
        score = scorer(logits[None])[0].float()
    bad = int((~torch.isfinite(score)).sum())
    if bad:
        raise ValueError(f'{frame_path(frames, index)}: {bad} of {score.numel()} scores are not finite')
    return Panel(image, logits[:scorer.num_classes].argmax(0).cpu().numpy(), score.cpu().numpy(),
                 load_ground_truth(frames, index))


def _score_range(segmentor: torch.nn.Module, scorer: AnomalyScorer, frames: BaseDataset) -> tuple[float, float]:
    sample = np.linspace(0, len(frames) - 1, min(SCALE_FRAMES, len(frames))).astype(int).tolist()
    scores = [_panel(segmentor, scorer, frames, index).score.ravel() for index in sample]
    low, high = np.quantile(np.concatenate(scores), SCALE_QUANTILES)
    return float(low), float(max(high, low + 1e-6))


def _palette(segmentor: torch.nn.Module, cfg: Config) -> np.ndarray:
    """Colours ``(C, 3)`` of the classes from the checkpoint, the config's data set or Cityscapes."""
    num_classes = cfg.get('num_inlier_classes') or segmentor.num_classes
    dataset = (cfg.get('test_dataloader') or {}).get('dataset') or {}
    declared = getattr(DATASETS.get(str(dataset.get('type'))), 'METAINFO', {})
    for palette in ((segmentor.dataset_meta or {}).get('palette'), declared.get('palette'), get_palette('cityscapes')):
        if palette is not None and len(palette) == num_classes:
            return np.asarray(palette)
    # Any distinct colours serve where nobody knows the classes.
    return np.random.default_rng(0).integers(40, 256, (num_classes, 3))


def _picture_paths(out: Path, frame_paths: Sequence[Path], with_masks: bool) -> list[Path]:
    """``out/NAME.png``, numbered where a picture or its mask would be another one's file or that of a frame."""
    taken, pictures = {path.resolve() for path in frame_paths}, []
    for path in frame_paths:
        picture, number = out / f'{path.stem}.png', 2
        while not taken.isdisjoint(files := _files(picture, with_masks)):
            picture, number = out / f'{path.stem}_{number}.png', number + 1
        taken |= files
        pictures.append(picture)
    return pictures


def _files(picture: Path, with_mask: bool) -> set[Path]:
    return {path.resolve() for path in (picture, *([_mask_path(picture)] if with_mask else []))}


def _mask_path(picture: Path) -> Path:
    return picture.with_name(f'{picture.stem}_mask.png')


def _write(path: Path, image: np.ndarray) -> None:
    if not cv2.imwrite(str(path), image):
        raise OSError(f'{path} cannot be written')
