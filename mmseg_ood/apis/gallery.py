"""Small pictures of every frame of a benchmark: image, ground truth and anomaly maps."""
from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
from mmengine.dist import all_gather_object, get_rank
from PIL import Image
from rich.progress import track

from mmseg_ood.segmentation.evaluation import MapSource, Verdict
from mmseg_ood.segmentation.visualization.panels import ANOMALY_COLORMAP

from .evaluated import BenchmarkFrames
from .map_sources import own_frames

GALLERY = 'gallery'
MAX_WIDTH = 800
_JPEG_QUALITY = 80
_HATCH = 8  # px from one stripe to the next
# Inlier, anomaly, void and the stripes on it: red, green, blue, opacity.
_TRUTH_COLORS = np.array([(255, 255, 255, 0), (230, 85, 13, 255), (90, 90, 90, 150), (170, 170, 170, 255)], np.uint8)
_INLIER, _ANOMALY, _VOID, _STRIPE = range(4)


def draw_gallery(source: MapSource, benchmark: BenchmarkFrames, verdicts: Mapping[str, Verdict],
                 out: Path) -> list[dict[str, Any]]:
    """Draw the frames of a benchmark, each in the process that has its maps.

    Args:
        source: The maps.
        benchmark: The frames.
        verdicts: By score; each has one colour scale for all frames.
        out: Gets ``gallery/BENCHMARK/NAME.jpg`` (image), ``NAME_truth.png`` (inliers transparent) and
            ``NAME_SCORE.jpg``, all of one size and at most 800 px wide.

    Returns:
        An entry a frame, of all processes, in the order of the frames: ``benchmark``, ``image`` (its name), ``size``
        of the pictures, width and height in px, and ``files``, relative to ``out``.

    Raises:
        ValueError: A file is not an image.
        OSError: A picture cannot be written.
    """
    truth = benchmark.truth
    folder = out / GALLERY / benchmark.label
    folder.mkdir(parents=True, exist_ok=True)
    colors = (matplotlib.colormaps[ANOMALY_COLORMAP](np.arange(256))[:, :3] * 255).round().astype(np.uint8)
    entries = {}
    for index in track(own_frames(len(truth)), f'{benchmark.label}: gallery', disable=get_rank() != 0):
        height, width = truth.size(index)
        size = _picture_size(width, height)
        # Numbered: names that differ in capitals or end in that of a score stay apart.
        stem = f'{index:05d}_{_legal(truth.names[index])[:80]}'
        files = {'image': folder / f'{stem}.jpg', 'truth': folder / f'{stem}_truth.png',
                 'maps': {name: folder / f'{stem}_{_legal(name)}.jpg' for name in source.names}}
        _write_jpeg(files['image'], cv2.resize(truth.image(index), size, interpolation=cv2.INTER_AREA))
        _write_truth(files['truth'], shrink_labels(truth.labels(index), size))
        for name, path in files['maps'].items():
            scores = cv2.resize(source.load(index, name).cpu().numpy(), size, interpolation=cv2.INTER_AREA)
            _write_jpeg(path, colors[_shades(scores, *verdicts[name].score_range)])
        entries[index] = {'benchmark': benchmark.label, 'image': truth.names[index], 'size': list(size),
                          'files': _relative(files, out)}
    gathered = {index: entry for part in all_gather_object(entries) for index, entry in part.items()}
    return [gathered[index] for index in sorted(gathered)]


def shrink_labels(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Labels of a smaller picture, in which no anomaly gets lost.

    Args:
        labels: ``(H, W)`` 0 inlier, 1 anomaly, others void.
        size: Width and height in px, none of them larger.

    Returns:
        ``(height, width)`` uint8: 1 where a pixel covers any anomaly; 2 where half of it or more is void, 0 elsewhere.

    Example:
        >>> shrink_labels(np.array([[0, 0, 1, 0, 255, 255], [0, 0, 0, 0, 0, 255]]), (3, 1))
        array([[0, 1, 2]], dtype=uint8)
    """
    anomaly, void = (cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
                     for mask in (labels == 1, labels > 1))
    return np.where(anomaly > 0, _ANOMALY, np.where(void >= 0.5, _VOID, _INLIER)).astype(np.uint8)


def _picture_size(width: int, height: int) -> tuple[int, int]:
    scale = min(1, MAX_WIDTH / width)
    return round(width * scale), max(1, round(height * scale))


def _legal(name: str) -> str:
    """A name of ASCII letters, digits and ``_ . - ~``, another one for every name."""
    return re.sub(r'[^\w.-]', lambda found: ''.join(f'~{byte:02x}' for byte in found[0].encode()), name,
                  flags=re.ASCII)


def _shades(scores: np.ndarray, low: float, high: float) -> np.ndarray:
    """Scores as 0..255, ``low`` and less to ``high`` and more."""
    return ((scores - low) * (255 / max(high - low, 1e-6))).round().clip(0, 255).astype(np.uint8)


def _write_jpeg(path: Path, picture: np.ndarray) -> None:
    _, content = cv2.imencode('.jpg', picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    path.write_bytes(content.tobytes())


def _write_truth(path: Path, labels: np.ndarray) -> None:
    rows, columns = np.indices(labels.shape)
    stripes = (rows + columns) % _HATCH < _HATCH // 4
    picture = Image.fromarray(np.where((labels == _VOID) & stripes, _STRIPE, labels).astype(np.uint8), 'P')
    picture.putpalette(_TRUTH_COLORS[:, :3].tobytes())
    picture.save(path, transparency=_TRUTH_COLORS[:, 3].tobytes(), bits=2, optimize=True)


def _relative(files: Any, out: Path) -> Any:
    if isinstance(files, Mapping):
        return {key: _relative(value, out) for key, value in files.items()}
    return files.relative_to(out).as_posix()
