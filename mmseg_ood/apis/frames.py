"""What there is to look at: images, or the frames of a benchmark."""
from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

import cv2
import mmcv.transforms
import numpy as np
from mmengine.dataset import BaseDataset
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import DATASETS

from mmseg_ood.segmentation.datasets.labels import check_label_file
from mmseg_ood.segmentation.evaluation import BENCHMARKS, resolve_benchmark

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.webp', '.bmp', '.tif', '.tiff')


class ImageFiles(BaseDataset):
    """Images without labels.

    Args:
        paths: The files.
        pipeline: As of a data set with labels; steps that load these are left out.
    """

    def __init__(self, paths: Sequence[Path], pipeline: Sequence[dict]) -> None:
        self._paths = paths
        super().__init__(pipeline=pipeline, test_mode=True)
        self.pipeline.transforms = [step for step in self.pipeline.transforms
                                    if not isinstance(step, mmcv.transforms.LoadAnnotations)]

    def load_data_list(self) -> list[dict]:
        """One entry an image; called by MMEngine."""
        return [{'img_path': str(path)} for path in self._paths]


def find_frames(source: str, pipeline: Sequence[dict] = ()) -> BaseDataset:
    """Frames of an image, folder, glob or benchmark.

    Args:
        source: The image, ...; a benchmark is ``NAME`` or ``NAME=ROOT``.
        pipeline: What each frame goes through on its way to the network.

    Returns:
        A data set, with ``seg_map_path`` in the entries of a benchmark.

    Raises:
        FileNotFoundError: Nothing there.

    Example:
        >>> find_frames('nowhere/*.png')
        Traceback (most recent call last):
        ...
        FileNotFoundError: no image found for nowhere/*.png: expected an image, a folder of images ...
    """
    pipeline = [dict(step) for step in pipeline]
    if source.partition('=')[0] in BENCHMARKS:
        return DATASETS.build(dict(resolve_benchmark(source)[1], pipeline=pipeline, test_mode=True))
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
    return ImageFiles(paths, pipeline)


def frame_path(frames: BaseDataset, index: int) -> Path:
    """The file that tells a frame from all others: its image, or what is added to an image that several share."""
    info = frames.get_data_info(index)
    return Path(info.get('overlay_path') or info['img_path'])


def load_image(frames: BaseDataset, index: int) -> np.ndarray:
    """The picture ``(H, W, 3)`` uint8 RGB of a frame, loaded by the pipeline: blended, where it has to be.

    Raises:
        ValueError: The file is not an image.
    """
    results = frames.get_data_info(index)
    steps = iter(frames.pipeline.transforms)
    try:
        while 'img' not in results:
            results = next(steps)(results)
    except (AssertionError, OSError, cv2.error) as error:
        raise ValueError(f'{results["img_path"]} cannot be read as an image: {error}') from error
    return results['img'][..., ::-1].astype(np.uint8)


def load_ground_truth(frames: BaseDataset, index: int) -> np.ndarray | None:
    """Labels ``(H, W)`` of a frame, None where it has none: 0..C-1 inlier, 254 anomaly, 255 void.

    Raises:
        ValueError: The label map does not fit the image.
    """
    info = frames.get_data_info(index)
    if 'seg_map_path' not in info:
        return None
    check_label_file(info['seg_map_path'], info['img_path'])
    return LoadAnnotations()(info)['gt_seg_map']
