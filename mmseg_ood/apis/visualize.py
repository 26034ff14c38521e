"""Anomaly maps of images as PNG."""
from __future__ import annotations

import glob
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmseg.apis import inference_model
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import DATASETS
from mmseg.utils import get_palette
from rich.progress import track

from mmseg_ood.core import anomaly_score
from mmseg_ood.segmentation.datasets.labels import check_label_file
from mmseg_ood.segmentation.evaluation import BENCHMARKS, resolve_benchmark
from mmseg_ood.segmentation.visualization import Panel, draw_panels

from .evaluate import NATIVE_PIPELINE
from .runtime import build_segmentor, load_config, provenance

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.webp', '.bmp', '.tif', '.tiff')
SCALE_FRAMES = 8
SCALE_QUANTILES = (0.01, 0.995)


def visualize(config: str | Path | Config, checkpoint: str | Path, source: str | Path, score: str = 'energy',
              out: str | Path = 'anomaly_maps', cfg_options: dict[str, Any] | None = None,
              device: str | None = None) -> list[Path]:
    """Draw image, prediction, anomaly map and, where there is one, ground truth.

    All pictures of a call share one colour scale: the 1 % and 99.5 % quantiles of the scores of up to 8
    frames spread over the input.

    Args:
        config: Config file or a loaded config.
        checkpoint: Weights.
        source: An image, a folder, a glob, or a benchmark ``NAME[=ROOT]``, which brings its ground truth.
        score: A name of :data:`mmseg_ood.core.SCORES`.
        out: Folder of the PNG files and of ``visualize.json`` (how they were made).
        cfg_options: Overrides as dotted keys.
        device: By default the GPU if there is one.

    Returns:
        The files that were written.

    Raises:
        FileNotFoundError: No image under ``source``.
        ValueError: A file that is not an image, ground truth that does not fit, or see
            :func:`mmseg_ood.apis.evaluate`.
        OSError: A picture cannot be written.
    """
    source = str(source)
    cfg = load_config(config, cfg_options)
    frames = find_frames(source)
    segmentor = build_segmentor(cfg, checkpoint, device)
    segmentor.cfg = Config(dict(test_pipeline=cfg.get('benchmark_pipeline', NATIVE_PIPELINE)))
    palette = _palette(segmentor, cfg)
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    sample = [frames[index] for index in np.linspace(0, len(frames) - 1, min(SCALE_FRAMES, len(frames))).astype(int)]
    score_range = _score_range([_panel(segmentor, frame, score, cfg).score for frame in sample])
    written = []
    for frame in track(frames, 'anomaly maps'):
        picture = draw_panels(_panel(segmentor, frame, score, cfg), palette, score_range, score,
                              title=Path(frame['img_path']).name)
        written.append(_unused_path(out, Path(frame['img_path']).stem, written))
        if not cv2.imwrite(str(written[-1]), picture[..., ::-1]):
            raise OSError(f'{written[-1]} cannot be written')
    (out / 'visualize.json').write_text(json.dumps({
        'source': source, 'score': score, 'score_range': score_range, 'files': [path.name for path in written],
        'provenance': provenance(cfg, checkpoint)}, indent=2), encoding='utf-8')
    return written


def find_frames(source: str) -> list[dict[str, Any]]:
    """Frames of an image, folder, glob or benchmark, each a dict with ``img_path`` and maybe labels.

    Raises:
        FileNotFoundError: Nothing there.

    Example:
        >>> find_frames('nowhere/*.png')
        Traceback (most recent call last):
        ...
        FileNotFoundError: no image found for nowhere/*.png: expected an image, a folder of images ...
    """
    if source.partition('=')[0] in BENCHMARKS:
        dataset = DATASETS.build(dict(resolve_benchmark(source)[1], pipeline=[], test_mode=True))
        return [dataset.get_data_info(index) for index in range(len(dataset))]
    if Path(source).is_dir():
        paths = sorted(path for path in Path(source).iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    elif Path(source).is_file():
        paths = [Path(source)]
    else:
        paths = sorted(path for path in map(Path, glob.glob(source, recursive=True)) if path.is_file())
    if not paths:
        raise FileNotFoundError(f'no image found for {source}: expected an image, a folder of images '
                                f'({", ".join(IMAGE_SUFFIXES)}), a glob, or a benchmark '
                                f'({", ".join(BENCHMARKS)}), optionally with =ROOT')
    return [{'img_path': str(path)} for path in paths]


def _panel(segmentor: torch.nn.Module, frame: dict[str, Any], score: str, cfg: Config) -> Panel:
    image = cv2.imread(frame['img_path'], cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f'{frame["img_path"]} cannot be read as an image')
    result = inference_model(segmentor, image)
    logits = result.seg_logits.data[:cfg.get('num_inlier_classes')]
    return Panel(image[..., ::-1], logits.argmax(0).cpu().numpy(),
                 anomaly_score(logits[None], score)[0].cpu().numpy(), _ground_truth(frame))


def _ground_truth(frame: dict[str, Any]) -> np.ndarray | None:
    if 'seg_map_path' not in frame:
        return None
    check_label_file(frame['seg_map_path'], frame['img_path'])
    return LoadAnnotations()(dict(frame))['gt_seg_map']


def _score_range(scores: Sequence[np.ndarray]) -> tuple[float, float]:
    low, high = np.quantile(np.concatenate([score.ravel() for score in scores]), SCALE_QUANTILES)
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


def _unused_path(out: Path, stem: str, written: Sequence[Path]) -> Path:
    """``out/stem.png``, numbered where two inputs share a name."""
    candidate, number = out / f'{stem}.png', 2
    while candidate in written:
        candidate, number = out / f'{stem}_{number}.png', number + 1
    return candidate
