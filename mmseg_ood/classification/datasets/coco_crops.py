"""Objects of a COCO data set as OOD images."""
from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.registry import DATASETS

from ..labels import OOD_LABEL
from .decoding import fit_square
from .files import first_few
from .images import ImageSet


@DATASETS.register_module()
class COCOCropsDataset(ImageSet):
    """Square cut-outs around annotated objects, all of them outliers, for testing.

    The square has the longer side of the object's box, is centred on it and moved into the image where it would leave
    it. Crowds and objects smaller than ``min_size`` are left out. What stands beside an object is seen, too: leave out
    every category that looks like an inlier class.

    Args:
        ann_file: Annotations in COCO's format.
        img_dir: Folder of the images.
        image_size: Height and width of the cut-outs in px.
        exclude_categories: Names of categories that show inliers.
        min_size: Shorter side in px that the box of an object must have.

    Raises:
        FileNotFoundError: The annotations do not exist.
        ValueError: They are not in COCO's format, a category that is to be excluded is not among them, no object is
            left, or images cannot be read; names them.
    """

    def __init__(self, ann_file: str, img_dir: str, image_size: int = 32, exclude_categories: Sequence[str] = (),
                 min_size: int = 32) -> None:
        boxes = _read_boxes(Path(ann_file), exclude_categories, min_size)
        crops, names = _cut(boxes, Path(img_dir), image_size)
        super().__init__(crops, np.full(len(crops), OOD_LABEL), names, split='test')


def _read_boxes(path: Path, exclude_categories: Sequence[str],
                min_size: int) -> dict[str, list[tuple[int, list[float]]]]:
    """Annotation ids and boxes by image file."""
    if not path.is_file():
        raise FileNotFoundError(f'ann_file {path} does not exist')
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
        categories = {category['id']: category['name'] for category in content['categories']}
        files = {image['id']: image['file_name'] for image in content['images']}
        found = [(files[annotation['image_id']], categories[annotation['category_id']], annotation['id'],
                  [float(value) for value in annotation['bbox']])
                 for annotation in content['annotations'] if not annotation.get('iscrowd')]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f'{path}: expected annotations in the format of COCO, found {type(error).__name__}: '
                         f'{error}') from error
    unknown = sorted(set(exclude_categories) - set(categories.values()))
    if unknown:
        raise ValueError(f'exclude_categories: {path} has no {", ".join(unknown)}; found '
                         f'{", ".join(sorted(categories.values()))}')
    boxes = defaultdict(list)
    for file, category, number, box in found:
        if category not in exclude_categories and min(box[2:]) >= min_size:
            boxes[file].append((number, box))
    if not boxes:
        raise ValueError(f'{path}: none of {len(found)} objects is of another category than excluded and at least '
                         f'{min_size} px on both sides')
    return dict(sorted(boxes.items()))


def _cut(boxes: dict[str, list[tuple[int, list[float]]]], folder: Path,
         image_size: int) -> tuple[np.ndarray, list[str]]:
    crops, names, unreadable = [], [], []
    for file, objects in boxes.items():
        image = cv2.imread(str(folder / file)) if (folder / file).is_file() else None
        if image is None:
            unreadable.append(folder / file)
            continue
        for number, box in objects:
            crops.append(fit_square(_square(image, *box)[..., ::-1], image_size))
            names.append(f'{folder / file} (annotation {number})')
    if unreadable:
        raise ValueError(f'{len(unreadable)} of {len(boxes)} images are missing or unreadable: '
                         f'{first_few(unreadable)}')
    return np.stack(crops), names


def _square(image: np.ndarray, x: float, y: float, width: float, height: float) -> np.ndarray:
    """The part of an image around a box."""
    side = min(round(max(width, height)), *image.shape[:2])
    top, left = (int(np.clip(round(start + length / 2 - side / 2), 0, limit - side))
                 for start, length, limit in ((y, height, image.shape[0]), (x, width, image.shape[1])))
    return image[top:top + side, left:left + side]
