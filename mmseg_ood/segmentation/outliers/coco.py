"""Outliers from a set in the COCO instances format."""
from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from mmseg.registry import DATASETS
from pycocotools import mask as coco_mask

from .base import Outlier, OutlierSource
from .coco_masks import encode
from .files import image_size, read_bgr, require_folder

CITYSCAPES_LIKE = ('person', 'bicycle', 'car', 'motorcycle', 'bus', 'train', 'truck',
                   'traffic light', 'stop sign')
"""COCO categories that a street scene network knows: the list of Meta-OoD (Chan et al., ICCV 2021) and train,
which is a Cityscapes class too."""


class _Entry(NamedTuple):
    path: str
    mask: dict  # run-length masks, some hundred bytes each: all of COCO fits into memory
    removed: dict | None


@DATASETS.register_module()
class CocoOutliers(OutlierSource):
    """Whole-image composites or single objects of a COCO set.

    Everything about the annotations and the size of every image used is checked at construction; pixels
    are decoded when an outlier is asked for.

    * ``composite``, the recipe of Meta-OoD and Balanced Energy: of images without any instance of an
      excluded category, the union of all instances (crowds included) is one outlier.
    * ``object``: every instance of a category that is not excluded is one outlier. The image may hold
      excluded categories too, but their pixels are taken out of the mask. Crowds are no single objects
      and are left out.

    Args:
        ann_file: Instances json, with the keys ``images``, ``annotations`` and ``categories``.
        img_dir: Folder that the ``file_name`` of the images is relative to.
        exclude_categories: Names of categories that are no outliers; empty to exclude none.
        min_size: Smallest height and width in px of a used image, 0 for any.
        mode: ``'composite'`` or ``'object'``.
        min_area: Smallest outlier in px.

    Raises:
        FileNotFoundError: ``ann_file`` or ``img_dir`` does not exist.
        ValueError: The json is not in the COCO format, a name in ``exclude_categories`` or the mode is
            unknown, an image is not of the annotated size, or no outlier is left.

    Example:
        >>> import tempfile, cv2, numpy as np
        >>> folder = tempfile.mkdtemp()
        >>> _ = cv2.imwrite(f'{folder}/zoo.png', np.full((8, 10, 3), 90, np.uint8))
        >>> content = dict(
        ...     categories=[dict(id=1, name='zebra')],
        ...     images=[dict(id=7, file_name='zoo.png', height=8, width=10)],
        ...     annotations=[dict(image_id=7, category_id=1, segmentation=[[2, 1, 6, 1, 6, 4, 2, 4]])])
        >>> with open(f'{folder}/instances.json', 'w') as file:
        ...     json.dump(content, file)
        >>> source = CocoOutliers(f'{folder}/instances.json', folder, exclude_categories=(), min_size=0)
        >>> source[0].image.shape
        (3, 4, 3)
    """

    def __init__(self, ann_file: str, img_dir: str, exclude_categories: Sequence[str] = CITYSCAPES_LIKE,
                 min_size: int = 480, mode: str = 'composite', min_area: int = 1) -> None:
        if mode not in ('composite', 'object'):
            raise ValueError(f"CocoOutliers: mode must be 'composite' or 'object', found {mode!r}")
        for name, value in (('min_size', min_size), ('min_area', min_area)):
            if not isinstance(value, int) or value < 0:
                raise ValueError(f'CocoOutliers: {name} must be a number of px, 0 or more, found {value!r}')
        content = _read_instances(ann_file)
        require_folder('CocoOutliers', 'img_dir', img_dir, f"the images that '{ann_file}' names")
        self.img_dir = img_dir
        self.mode = mode
        self.min_size = min_size
        self.min_area = min_area
        self.filtered: Counter[str] = Counter()
        self.broken: Counter[str] = Counter()
        self._excluded = _category_ids(ann_file, content['categories'], exclude_categories)
        entries = [entry for image, annotations in self._annotated_images(content)
                   for entry in self._entries_of(image, annotations)]
        super().__init__(entries, f"'{ann_file}' ({mode})", self.filtered, self.broken)

    def load(self, entry: _Entry) -> Outlier:
        """Decode image and mask of one entry."""
        image = read_bgr(entry.path)
        mask = coco_mask.decode(entry.mask).astype(bool)
        if entry.removed is not None:
            mask &= ~coco_mask.decode(entry.removed).astype(bool)
        return Outlier.cropped(image, mask)

    def _annotated_images(self, content: dict) -> Iterator[tuple[dict, list[dict]]]:
        """Pair every usable image record with its usable annotations."""
        known = {category['id'] for category in content['categories']}
        annotations = defaultdict(list)
        for annotation in content['annotations']:
            if not _holds(annotation, 'image_id', 'category_id'):
                self.broken['annotations without image_id or category_id'] += 1
            elif annotation['category_id'] not in known:
                self.broken['annotations of an unknown category'] += 1
            else:
                annotations[annotation['image_id']].append(annotation)
        for image in content['images']:
            if _holds(image, 'id', 'file_name') and _is_size(image.get('height'), image.get('width')):
                yield image, annotations.pop(image['id'], [])
            else:
                self.broken['image records without id, file_name, height or width'] += 1
        orphans = sum(map(len, annotations.values()))
        if orphans:
            self.broken['annotations without an image record'] += orphans

    def _entries_of(self, image: dict, annotations: list[dict]) -> Iterator[_Entry]:
        outliers, excluded = [], []
        for annotation in annotations:
            (excluded if annotation['category_id'] in self._excluded else outliers).append(annotation)
        if not self._wanted(image, outliers, excluded) or not self._file_usable(image):
            return
        if self.mode == 'composite':
            candidates, removed = [_union(self._masks(image, outliers))], None
        else:
            candidates = self._masks(image, self._without_crowds(outliers))
            removed = _union(self._masks(image, excluded))
        for mask in filter(None, candidates):
            if _area_without(mask, removed) >= max(self.min_area, 1):
                yield _Entry(self._path(image), mask, removed)
            else:
                self.filtered[f'outliers below min_area={self.min_area} px'] += 1

    def _wanted(self, image: dict, outliers: list[dict], excluded: list[dict]) -> bool:
        if min(image['height'], image['width']) < self.min_size:
            self.filtered[f'images below min_size={self.min_size} px'] += 1
        elif excluded and self.mode == 'composite':
            self.filtered['images with an excluded category'] += 1
        elif not outliers:
            self.filtered['images without an outlier instance'] += 1
        else:
            return True
        return False

    def _without_crowds(self, annotations: list[dict]) -> list[dict]:
        single = [annotation for annotation in annotations if not annotation.get('iscrowd')]
        if len(single) < len(annotations):
            self.filtered['crowd annotations'] += len(annotations) - len(single)
        return single

    def _path(self, image: dict) -> str:
        return os.path.join(self.img_dir, image['file_name'])

    def _file_usable(self, image: dict) -> bool:
        path = self._path(image)
        if not os.path.isfile(path):
            self.broken[f"missing image files in '{self.img_dir}'"] += 1
            return False
        try:
            found = image_size(path)
        except OSError:
            self.broken['unreadable image files'] += 1
            return False
        expected = image['height'], image['width']
        if found != expected:
            raise ValueError(f"CocoOutliers: '{path}' is {found} px (height, width); its annotation "
                             f'expects {expected}')
        return True

    def _masks(self, image: dict, annotations: list[dict]) -> list[dict]:
        masks = []
        for annotation in annotations:
            try:
                mask = encode(annotation.get('segmentation'), image['height'], image['width'])
            except ValueError:
                self.broken['malformed segmentations'] += 1
                continue
            if coco_mask.area(mask):
                masks.append(mask)
            else:
                self.broken['segmentations of zero area'] += 1
        return masks


def _read_instances(ann_file: str) -> dict[str, Any]:
    if not os.path.isfile(ann_file):
        raise FileNotFoundError(f"CocoOutliers: no file ann_file='{ann_file}'; expected an instances json of "
                                'the COCO layout: annotations/instances_train2017.json, train2017/*.jpg')
    with open(ann_file, encoding='utf-8') as file:
        try:
            content = json.load(file)
        except ValueError as error:
            raise ValueError(f"CocoOutliers: '{ann_file}' is not valid json: {error}") from error
    keys = ('images', 'annotations', 'categories')
    if not isinstance(content, dict) or not all(isinstance(content.get(key), list) for key in keys):
        found = sorted(content) if isinstance(content, dict) else type(content).__name__
        raise ValueError(f"CocoOutliers: '{ann_file}' must hold the lists {', '.join(keys)}; found {found}")
    return content


def _holds(record: Any, *keys: str) -> bool:
    return isinstance(record, dict) and all(key in record for key in keys)


def _is_size(*sides: Any) -> bool:
    return all(isinstance(side, int) and side > 0 for side in sides)


def _category_ids(ann_file: str, categories: list[dict], names: Sequence[str]) -> set[int]:
    if not all(_holds(category, 'id', 'name') for category in categories):
        raise ValueError(f"CocoOutliers: '{ann_file}' has categories without id or name")
    ids = {category['name']: category['id'] for category in categories}
    unknown = sorted(set(names) - ids.keys())
    if unknown:
        raise ValueError(f"CocoOutliers: exclude_categories holds {unknown}, unknown to '{ann_file}'; "
                         f'expected some of {sorted(ids)}')
    return {ids[name] for name in names}


def _union(masks: list[dict]) -> dict | None:
    return coco_mask.merge(masks) if masks else None


def _area_without(mask: dict, removed: dict | None) -> int:
    area = int(coco_mask.area(mask))
    if removed is not None:
        area -= int(coco_mask.area(coco_mask.merge([mask, removed], intersect=True)))
    return area
