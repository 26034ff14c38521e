"""Find what was asked for: images, arrays, videos, a webcam, or the frames of a benchmark."""
from __future__ import annotations

import copy
import glob
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import mmcv.transforms
import numpy as np
from mmengine.config import Config
from mmengine.dataset import Compose
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import DATASETS

from mmseg_ood.segmentation.datasets.labels import check_label_file
from mmseg_ood.segmentation.evaluation import BENCHMARKS, NATIVE_PIPELINE, resolve_benchmark
from mmseg_ood.segmentation.transforms.any_image import LoadAnyImage, to_bgr

from .frames import Frame, Frames, VideoFrames, sample

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.webp', '.bmp', '.tif', '.tiff')
VIDEO_SUFFIXES = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg', '.wmv')
WRITTEN_SUFFIXES = ('.png', '_mask.png', '.npz', '.hdf5', '.mp4', '_detections.jsonl')
"""All that is ever written for a frame or a video, behind its name."""


def open_frames(inputs: Any, loader: Compose, out: Path | None = None, color_order: str = 'bgr') -> Frames:
    """Find what was asked for; nothing is loaded yet.

    Args:
        inputs: Path of an image, folder of images, glob or video; ``NAME[=ROOT]`` of a benchmark, whose frames bring
            their ground truth; the number of a webcam; an array (H, W, 3) uint8 or uint16, also (H, W) or (H, W, 4);
            a list of any of these; or an iterator over any of these, which is followed as frames are asked for.
        loader: Steps that load an image, see :func:`split_pipeline`.
        out: Folder that files are written to; no name of a frame leads to the file of another one.
        color_order: ``bgr`` or ``rgb``, of arrays.

    Raises:
        FileNotFoundError: Nothing there.
        ValueError: An array that is no image, or another kind of input.

    Example:
        >>> open_frames('nowhere/*.png', Compose([]))
        Traceback (most recent call last):
        ...
        FileNotFoundError: no image found for nowhere/*.png: expected an image, a folder of images ...
        >>> [frame.name for frame in open_frames([np.zeros((2, 3, 3), np.uint8)] * 2, Compose([]))]
        ['array', 'array_2']
    """
    if isinstance(inputs, Iterator):
        return Frames([_follow(inputs, loader, color_order)])
    found: list[Frame | VideoFrames] = []
    for one in inputs if isinstance(inputs, list | tuple) else [inputs]:
        found.extend(_find(one, loader, color_order))
    if not found:
        raise FileNotFoundError('no input: the list is empty')
    # Videos stay apart, images that follow one another are one source.
    sources = [list(group) for _, group in itertools.groupby(
        _with_unique_names(found, out), key=lambda one: id(one) if isinstance(one, VideoFrames) else None)]
    return Frames([group[0] if isinstance(group[0], VideoFrames) else group for group in sources])


def _follow(inputs: Iterator[Any], loader: Compose, color_order: str) -> Iterator[Frame]:
    for number, one in enumerate(inputs):
        for frame in open_frames(one, loader, color_order=color_order):
            yield frame._replace(name=f'{frame.name}_{number:06d}')


def _find(one: Any, loader: Compose, color_order: str) -> Iterable[Frame | VideoFrames]:
    if isinstance(one, np.ndarray):
        image = to_bgr(one)
        return [Frame('array', 'array', partial(sample, image if color_order == 'bgr' else image[..., ::-1], 'array'))]
    if isinstance(one, int) and not isinstance(one, bool):
        return [VideoFrames(one, f'webcam_{one}')]
    if not isinstance(one, str | Path):
        raise ValueError(f'expected a path, an array or the number of a webcam, found {type(one).__name__}')
    if str(one).partition('=')[0] in BENCHMARKS:
        return _benchmark_frames(str(one), loader)
    return map(partial(_open_file, loader=_for_any_image(loader)), _find_files(str(one)))


def _find_files(source: str) -> list[Path]:
    if Path(source).is_dir():
        paths = sorted(path for path in Path(source).iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    elif Path(source).is_file():
        paths = [Path(source)]
    else:
        paths = sorted(path for path in map(Path, glob.glob(source, recursive=True)) if path.is_file())
    if not paths:
        raise FileNotFoundError(f'no image found for {source}: expected an image, a folder of images '
                                f'({", ".join(IMAGE_SUFFIXES)}), a video, a glob, or a benchmark '
                                f'({", ".join(BENCHMARKS)}), optionally with =ROOT')
    return paths


def _open_file(path: Path, loader: Compose) -> Frame | VideoFrames:
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return VideoFrames(path, path.stem)
    return Frame(path.stem, str(path), partial(_load, loader, {'img_path': str(path)}))


def _benchmark_frames(argument: str, loader: Compose) -> Iterator[Frame]:
    dataset = DATASETS.build(dict(resolve_benchmark(argument)[1], pipeline=loader.transforms, test_mode=True))
    # Replaced as late as this: the data set may have put loaders of its own in the place of the one it knows.
    own_loader = _for_any_image(dataset.pipeline)
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        # The file that tells a frame from all others is what is added to an image that several share.
        origin = info.get('overlay_path') or info['img_path']
        yield Frame(Path(origin).stem, origin, partial(_load, own_loader, info), partial(_load_ground_truth, info))


def _for_any_image(loader: Compose) -> Compose:
    return Compose([LoadAnyImage.replacing(step) for step in loader.transforms])


def _load(loader: Compose, info: dict) -> dict:
    path = info['img_path']
    try:
        results = loader(copy.deepcopy(info))
    except (AssertionError, OSError, SyntaxError, cv2.error) as error:
        raise ValueError(f'{path} cannot be read as an image: {error}') from error
    if results is None:
        raise ValueError(f'{path} cannot be read as an image')
    return results


def _load_ground_truth(info: dict) -> np.ndarray:
    """Labels of a frame of a benchmark; a ValueError where they do not fit the image."""
    check_label_file(info['seg_map_path'], info['img_path'])
    return LoadAnnotations()(copy.deepcopy(info))['gt_seg_map']


def _with_unique_names(found: Sequence[Frame | VideoFrames], out: Path | None) -> list[Frame | VideoFrames]:
    """Number names where what is written for one would be what is written for another, or an input."""
    folder = (out or Path()).resolve()
    taken = {Path(one.origin).resolve() for one in found} if out is not None else set()
    used: Counter[str] = Counter()
    named = []
    for one in found:
        while True:
            used[one.name] += 1
            name = one.name if used[one.name] == 1 else f'{one.name}_{used[one.name]}'
            files = {folder / f'{name}{suffix}' for suffix in WRITTEN_SUFFIXES}
            if taken.isdisjoint(files):
                break
        taken |= files
        if isinstance(one, VideoFrames):
            one.name = name
            named.append(one)
        else:
            named.append(one._replace(name=name))
    return named


def split_pipeline(cfg: Config) -> tuple[Compose, Compose]:
    """The steps that load an image, and those that it then goes through on its way to the network.

    They are those of ``benchmark_pipeline`` of the config, without loading annotations.

    Raises:
        ValueError: No step loads an image from a file.

    Example:
        >>> from mmseg_ood.apis.runtime import load_config
        >>> loader, steps = split_pipeline(load_config(Config(dict(benchmark_pipeline=[
        ...     dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]))))
        >>> [type(step).__name__ for step in (*loader.transforms, *steps.transforms)]
        ['LoadImageFromFile', 'PackSegInputs']
    """
    transforms = Compose([dict(step) for step in cfg.get('benchmark_pipeline', NATIVE_PIPELINE)]).transforms
    transforms = [step for step in transforms if not isinstance(step, mmcv.transforms.LoadAnnotations)]
    loading = [index for index, step in enumerate(transforms) if isinstance(step, mmcv.transforms.LoadImageFromFile)]
    if not loading:
        raise ValueError('benchmark_pipeline: no step is a LoadImageFromFile, found '
                         f'{", ".join(type(step).__name__ for step in transforms) or "none"}')
    return Compose(transforms[:loading[0] + 1]), Compose(transforms[loading[0] + 1:])
