"""What a network finds in one frame: to look at, to work with, to keep."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from mmseg_ood.core import Detection, detect_components
from mmseg_ood.segmentation.evaluation.maps import save_map
from mmseg_ood.segmentation.visualization import Components, Panel, ScoreScale, draw_overlay, draw_panels

LAYOUTS = ('panels', 'overlay', 'side-by-side')
FORMATS = ('png', 'npz', 'hdf5')


class ScoreRange(NamedTuple):
    """Scores at the two ends of a colour scale."""
    low: float
    high: float
    description: str = 'given'
    """Where they come from."""

    @classmethod
    def of(cls, maps: Iterable[np.ndarray]) -> ScoreRange:
        """The 1 % and 99.5 % quantiles of anomaly maps, one at a time.

        Example:
            >>> ScoreRange.of([np.arange(1001.0).reshape(7, 143)])
            ScoreRange(low=10.0, high=995.0, description='1 % to 99.5 % of the scores of 1 frame')
        """
        scale = ScoreScale()
        for scores in maps:
            scale.update(scores)
        return cls(*scale.range(), scale.describe())


@dataclass(frozen=True, eq=False)
class AnomalyResult:
    """Anomaly map and prediction of one frame; in a notebook it shows itself as a picture.

    Attributes:
        name: Of the frame, fit for a file.
        origin: File of the frame, or what else it comes from.
        image: ``(H, W, 3)`` uint8 RGB.
        anomaly_map: ``(H, W)`` float32, higher = more anomalous.
        energy: ``(H, W)`` float32, the free energy of the inlier classes at temperature 1; the same array as
            ``anomaly_map`` where that is the score.
        prediction: ``(H, W)`` class indices.
        score_name: What ``anomaly_map`` holds.
        classes: Names of the C inlier classes.
        palette: ``(C, 3)`` their colours, RGB.
        ground_truth: ``(H, W)`` 0..C-1 inlier, 254 anomaly, 255 void, where there is one.
        threshold: The lowest score of an anomaly, compared in float32; None: there are no mask and detections.
        min_component: Pixels of the smallest component of the mask that is a detection.
        score_range: Of the colours, by default that of this frame alone, see :meth:`ScoreRange.of`.

    Example:
        >>> scores = np.zeros((30, 60), np.float32)
        >>> scores[10:20, 10:30] = 2.5
        >>> result = AnomalyResult('frame', 'frame.png', np.zeros((30, 60, 3), np.uint8), scores, scores,
        ...                        np.zeros((30, 60), np.uint8), 'energy', ('road',), np.array([[128, 64, 128]]))
        >>> result.at(1.0)
        AnomalyResult('frame', 60x30, energy 0 to 2.5, 1 detection at threshold 1)
        >>> result.at(1.0).detections
        [Detection(x=10, y=10, width=20, height=10, area=200, score=2.5)]
    """
    name: str
    origin: str
    image: np.ndarray
    anomaly_map: np.ndarray
    energy: np.ndarray
    prediction: np.ndarray
    score_name: str
    classes: tuple[str, ...]
    palette: np.ndarray
    ground_truth: np.ndarray | None = None
    threshold: float | None = None
    min_component: int = 50
    score_range: ScoreRange | None = None

    def at(self, threshold: float | None, min_component: int | None = None) -> AnomalyResult:
        """The same frame at another threshold."""
        return replace(self, threshold=threshold,
                       min_component=self.min_component if min_component is None else min_component)

    @cached_property
    def _detected(self) -> tuple[np.ndarray, list[Detection]] | tuple[None, None]:
        if self.threshold is None:
            return None, None
        return detect_components(self.anomaly_map, self.threshold, self.min_component)

    @property
    def mask(self) -> np.ndarray | None:
        """``(H, W)`` bool, True where the score is at least the threshold; None without one."""
        return self._detected[0]

    @property
    def detections(self) -> list[Detection] | None:
        """The mask's components of at least ``min_component`` pixels, the largest first; None without a threshold."""
        return self._detected[1]

    def draw(self, layout: str = 'panels') -> np.ndarray:
        """Draw the frame.

        Args:
            layout: ``panels``: image, prediction, anomaly map and what else there is, with titles and colour bar;
                ``overlay``: the anomaly map over the image; ``side-by-side``: the image and this.

        Returns:
            ``(H', W', 3)`` uint8 RGB.

        Raises:
            ValueError: Unknown layout.
        """
        if layout not in LAYOUTS:
            raise ValueError(f'unknown layout {layout!r}, expected one of {", ".join(LAYOUTS)}')
        score_range = self.score_range or ScoreRange.of([self.anomaly_map])
        components = None
        if self.mask is not None:
            components = Components(self.mask, [(*found[:4], found.score) for found in self.detections])
        if layout == 'panels':
            panel = Panel(self.image, self.prediction, self.anomaly_map, self.ground_truth, components)
            return draw_panels(panel, self.palette, score_range[:2], self.score_name, title=Path(self.origin).name,
                               threshold=self.threshold, score_range_from=score_range.description)
        overlay = draw_overlay(self.image, self.anomaly_map, score_range[:2], self.threshold, components)
        return overlay if layout == 'overlay' else np.hstack([self.image, overlay])

    def overlay(self) -> np.ndarray:
        """The anomaly map over the image, ``(H, W, 3)`` uint8 RGB."""
        return self.draw('overlay')

    def save(self, folder: str | Path, formats: Sequence[str] = ('png',), force: bool = False,
             layout: str = 'panels') -> list[Path]:
        """Write files named after the frame.

        Args:
            folder: Made where it does not exist.
            formats: ``png``: the picture ``NAME.png`` and, with a threshold, ``NAME_mask.png`` (255 anomaly, 0 not);
                ``npz``: the anomaly map, ``NAME.npz`` with a float32 array ``value``; ``hdf5``: the same as
                SegmentMeIfYouCan wants it, ``NAME.hdf5`` with a float16 data set ``value``.
            force: Replace files that exist.
            layout: Of the picture, see :meth:`draw`.

        Returns:
            The files.

        Raises:
            FileExistsError: A file exists; nothing was written.
            OSError: A file cannot be written.
            ValueError: Unknown format or layout, or scores that do not fit the format.
        """
        files = result_files(folder, self.name, formats, self.threshold is not None)
        existing = [path for path in files if path.exists()]
        if existing and not force:
            raise FileExistsError(f'{existing[0]} exists; save to another folder, or replace it with force=True')
        Path(folder).mkdir(parents=True, exist_ok=True)
        for path in files:
            if path.suffix != '.png':
                save_map(path, self.anomaly_map)
            else:
                is_mask = path.stem != self.name
                write_picture(path, self.mask * np.uint8(255) if is_mask else self.draw(layout)[..., ::-1])
        return files

    def _repr_png_(self) -> bytes:
        return cv2.imencode('.png', self.draw()[..., ::-1])[1].tobytes()

    def __repr__(self) -> str:
        height, width = self.anomaly_map.shape
        found = ''
        if self.threshold is not None:
            found = (f', {len(self.detections)} detection{"s" * (len(self.detections) != 1)} at threshold '
                     f'{self.threshold:.4g}')
        return (f'AnomalyResult({self.name!r}, {width}x{height}, {self.score_name} {self.anomaly_map.min():.4g} to '
                f'{self.anomaly_map.max():.4g}{found})')


def result_files(folder: str | Path, name: str, formats: Sequence[str], with_mask: bool) -> list[Path]:
    """What :meth:`AnomalyResult.save` writes.

    Raises:
        ValueError: Unknown format.

    Example:
        >>> [path.name for path in result_files('maps', 'frame', ['hdf5', 'png'], with_mask=True)]
        ['frame.png', 'frame_mask.png', 'frame.hdf5']
    """
    unknown = set(formats) - set(FORMATS)
    if unknown:
        raise ValueError(f'unknown formats {", ".join(sorted(unknown))}, expected some of {", ".join(FORMATS)}')
    suffixes = [f'.{name}' for name in FORMATS if name in formats]
    if 'png' in formats and with_mask:
        suffixes.insert(1, '_mask.png')
    return [Path(folder) / f'{name}{suffix}' for suffix in suffixes]


def write_picture(path: Path, image: np.ndarray) -> None:
    """Write ``(H, W, 3)`` BGR or ``(H, W)``, uint8; an OSError where that fails."""
    if not cv2.imwrite(str(path), image):
        raise OSError(f'{path} cannot be written')
