"""Files of the data set: what goes where, and in which format."""

import json
import multiprocessing
import os
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track

from .anomalies import render_with_anomalies
from .classes import ANOMALY, CLASSES, VOID
from .outlier_shapes import TEST_SHAPES, TRAIN_SHAPES
from .outlier_textures import TEST_TEXTURES, TRAIN_TEXTURES
from .outliers import make_picture
from .polygons import mask_to_polygons
from .scene import HEIGHT, WIDTH, draw_scene, render

VERSION = 1  # of the generator: raise it when the same seed gives other bytes
_STREAMS = {'train': 0, 'val': 1, 'test': 2, 'outliers': 3}
_ENTRIES = ('leftImg8bit', 'gtFine', 'outliers', 'test', 'meta.json')


def prepare_mini_street(
    root,
    seed: int = 0,
    num_train: int = 120,
    num_val: int = 20,
    num_test: int = 30,
    num_test_clean: int = 5,
    num_outliers: int = 150,
    num_workers: int | None = None,
) -> dict:
    """Write the mini street data set.

    The bytes depend on the arguments and the generator's version only, not on the number of processes.

    Args:
        root: Folder to write into; created when missing.
        seed: Seed of everything.
        num_train: Training scenes.
        num_val: Validation scenes.
        num_test: Frames of the anomaly test set.
        num_test_clean: How many of those have no anomaly.
        num_outliers: Pictures of the auxiliary outlier set.
        num_workers: Processes; one per core, at most eight, when omitted. 0 and 1 work in this process.

    Returns:
        What ``meta.json`` holds: seed, version, counts, class frequencies and families of each split.

    Raises:
        FileExistsError: ``root`` holds something that this function did not write.
        ValueError: A count is negative, or there are more clean test frames than test frames.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     meta = prepare_mini_street(root, num_train=1, num_val=0, num_test=1, num_test_clean=0,
        ...                                num_outliers=1, num_workers=0)
        >>> meta['counts']['train'], meta['image_size']
        (1, [512, 256])
    """
    root = Path(root)
    counts = {'train': num_train, 'val': num_val, 'test': num_test, 'outliers': num_outliers}
    if min(counts.values()) < 0 or not 0 <= num_test_clean <= num_test:
        raise ValueError(
            f'counts must not be negative and num_test_clean must be at most num_test, found {counts} '
            f'and num_test_clean={num_test_clean}'
        )
    _refuse_foreign(root)
    _make_folders(root)
    # The clean frames are spread over the set rather than put at its end.
    clean = {int((k + 0.5) * num_test / num_test_clean) for k in range(num_test_clean)}
    jobs = [('outliers', index, 0) for index in range(num_outliers)]
    jobs += [(split, index, 0) for split in ('train', 'val') for index in range(counts[split])]
    jobs += [('test', index, 0 if index in clean else 1 + index % 3) for index in range(num_test)]
    results = _run(partial(_write_one, root, seed), jobs, num_workers)
    by_split = {
        split: [result for job, result in zip(jobs, results, strict=True) if job[0] == split] for split in counts
    }
    _write_annotations(root, by_split['outliers'])
    meta = _summary(root, seed, counts, num_test_clean, by_split)
    (root / 'meta.json').write_text(json.dumps(meta, indent=1) + '\n')
    return meta


def _refuse_foreign(root: Path) -> None:
    if not root.exists():
        return
    if not root.is_dir():
        raise FileExistsError(f'{root} is a file, expected a folder to write mini_street into')
    found = sorted(path.name for path in root.iterdir())
    foreign = [name for name in found if name not in _ENTRIES]
    if foreign or (found and not _is_ours(root / 'meta.json')):
        raise FileExistsError(
            f'{root} exists and was not written by prepare_mini_street: found '
            f'{", ".join((foreign or found)[:5])}, expected an empty or missing folder, or an '
            f'earlier mini_street with its meta.json'
        )


def _is_ours(meta: Path) -> bool:
    try:
        return json.loads(meta.read_text()).get('generator') == 'mini_street'
    except (OSError, ValueError, AttributeError):
        return False


def _make_folders(root: Path) -> None:
    """Make the folders and empty them of what an earlier run wrote, which may have been longer."""
    for folder in (
        'leftImg8bit/train/mini',
        'leftImg8bit/val/mini',
        'gtFine/train/mini',
        'gtFine/val/mini',
        'outliers/train',
        'outliers/annotations',
        'test/images',
        'test/labels_masks',
    ):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for path in (root / folder).glob('*.png'):
            path.unlink()
    # Written first as well as last: an interrupted run may be repeated.
    (root / 'meta.json').write_text(json.dumps({'generator': 'mini_street', 'complete': False}) + '\n')


def _run(work, jobs: list, num_workers: int | None) -> list:
    """Do all jobs, in this process or in several; the results are in the order of the jobs."""
    if num_workers is None:
        available = os.sched_getaffinity(0) if hasattr(os, 'sched_getaffinity') else range(os.cpu_count() or 1)
        num_workers = min(8, len(available))
    # One thread, set before forking: a child of a process with OpenCV threads waits for them for ever.
    threads = cv2.getNumThreads()
    progress = Console(stderr=True)
    cv2.setNumThreads(1)
    try:
        if num_workers < 2 or len(jobs) < 2:
            return [work(job) for job in track(jobs, 'mini_street', console=progress)]
        # Forked children skip importing torch again, which takes longer than their work.
        if sys.platform == 'linux':
            pool = ProcessPoolExecutor(num_workers, multiprocessing.get_context('fork'))
        else:
            spawn = multiprocessing.get_context('spawn')
            pool = ProcessPoolExecutor(num_workers, spawn, initializer=cv2.setNumThreads, initargs=(1,))
        with pool:
            return list(track(pool.map(work, jobs, chunksize=2), 'mini_street', total=len(jobs), console=progress))
    finally:
        cv2.setNumThreads(threads)


def _write_one(root: Path, seed: int, job: tuple[str, int, int]) -> dict:
    """Make and write one picture; returns what the summary needs to know about it."""
    split, index, anomalies = job
    stream = (seed, _STREAMS[split], index)
    if split == 'outliers':
        return _write_outlier(root, stream, index)
    if split == 'test':
        image, label, added = render_with_anomalies(draw_scene, stream, anomalies)
        mask = np.where(label == ANOMALY, 1, np.where(label == VOID, VOID, 0)).astype(np.uint8)
        _write_png(root / 'test' / 'images' / f'{index:04d}.png', image)
        _write_png(root / 'test' / 'labels_masks' / f'{index:04d}.png', mask)
        return {
            'pixels': np.bincount(label.ravel(), minlength=256).tolist(),
            'shapes': [item.shape for item in added],
            'textures': [item.texture for item in added],
        }
    rng = np.random.default_rng(stream)
    image, label = render(draw_scene(rng), rng)
    stem = f'mini_{0:06d}_{index:06d}'
    _write_png(root / 'leftImg8bit' / split / 'mini' / f'{stem}_leftImg8bit.png', image)
    _write_png(root / 'gtFine' / split / 'mini' / f'{stem}_gtFine_labelTrainIds.png', label)
    return {'pixels': np.bincount(label.ravel(), minlength=256).tolist()}


def _write_outlier(root: Path, stream: tuple[int, ...], index: int) -> dict:
    shapes = sorted(TRAIN_SHAPES)
    picture = make_picture(np.random.default_rng(stream), shapes[index % len(shapes)])
    _write_png(root / 'outliers' / 'train' / f'{index:06d}.png', picture.image)
    objects = []
    for mask, shape in zip(picture.masks, picture.shapes, strict=True):
        rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        box = [cols[0], rows[0], cols[-1] - cols[0] + 1, rows[-1] - rows[0] + 1]
        objects.append(
            {
                'shape': shape,
                'segmentation': mask_to_polygons(mask),
                'area': int(mask.sum()),
                'bbox': [int(v) for v in box],
            }
        )
    return {'size': picture.image.shape[:2], 'objects': objects, 'shapes': picture.shapes, 'textures': picture.textures}


def _write_png(path: Path, picture: np.ndarray) -> None:
    if not cv2.imwrite(str(path), picture, [cv2.IMWRITE_PNG_COMPRESSION, 1]):
        raise OSError(f'could not write {path}')


def _write_annotations(root: Path, pictures: list[dict]) -> None:
    """Write the instances file of the outlier set."""
    categories = {name: number for number, name in enumerate(sorted(TRAIN_SHAPES), start=1)}
    images, annotations = [], []
    for index, picture in enumerate(pictures):
        height, width = picture['size']
        images.append({'id': index, 'file_name': f'{index:06d}.png', 'width': width, 'height': height})
        for item in picture['objects']:
            annotations.append(
                {
                    'id': len(annotations) + 1,
                    'image_id': index,
                    'category_id': categories[item['shape']],
                    'segmentation': item['segmentation'],
                    'area': item['area'],
                    'bbox': item['bbox'],
                    'iscrowd': 0,
                }
            )
    content = {
        'info': {'description': 'mini_street auxiliary outliers'},
        'images': images,
        'annotations': annotations,
        'categories': [{'id': number, 'name': name, 'supercategory': 'object'} for name, number in categories.items()],
    }
    (root / 'outliers' / 'annotations' / 'instances_train.json').write_text(json.dumps(content) + '\n')


def _summary(root: Path, seed: int, counts: dict, num_test_clean: int, by_split: dict) -> dict:
    """What meta.json says."""
    frequencies = {}
    for split in ('train', 'val', 'test'):
        pixels = np.sum([result['pixels'] for result in by_split[split]] or [[0] * 256], axis=0)
        total = max(1, int(pixels.sum()))
        named = {name: round(float(pixels[number]) / total, 6) for number, name in enumerate(CLASSES)}
        frequencies[split] = {**named, 'void': round(float(pixels[VOID]) / total, 6)}
        if split == 'test':
            frequencies[split]['anomaly'] = round(float(pixels[ANOMALY]) / total, 6)
    used = {
        split: {
            kind: dict(
                sorted(
                    Counter(
                        name for result in by_split[split] for item in result[kind] for name in item.split('+')
                    ).items()
                )
            )
            for kind in ('shapes', 'textures')
        }
        for split in ('outliers', 'test')
    }
    files = {
        folder: sum(1 for path in (root / folder).rglob('*') if path.is_file())
        for folder in ('leftImg8bit', 'gtFine', 'outliers', 'test')
    }
    return {
        'generator': 'mini_street',
        'version': VERSION,
        'complete': True,
        'seed': seed,
        'image_size': [WIDTH, HEIGHT],
        'counts': {**counts, 'test_clean': num_test_clean},
        'files': files,
        'families': {
            'train': {'shapes': sorted(TRAIN_SHAPES), 'textures': sorted(TRAIN_TEXTURES)},
            'test': {'shapes': sorted(TEST_SHAPES), 'textures': sorted(TEST_TEXTURES)},
        },
        'used': used,
        'class_frequencies': frequencies,
    }
