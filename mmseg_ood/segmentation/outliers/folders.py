"""Outliers from plain folders of pictures."""
from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from mmseg.registry import DATASETS

from .base import Outlier, OutlierSource
from .files import image_size, read_bgr, read_unchanged, require_folder

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.webp', '.bmp')


@DATASETS.register_module()
class MaskFolderOutliers(OutlierSource):
    """A folder of images and a folder of masks, the layout that the Meta-OoD and PEBAL preparation writes.

    ``mask_dir/NAME.png`` belongs to ``img_dir/NAME.jpg`` (or another picture suffix). Masks are 0 and
    ``ood_value``. All masks are read once at construction.

    Args:
        img_dir: Folder of images.
        mask_dir: Folder of single channel png masks.
        ood_value: Mask value of an outlier pixel.

    Raises:
        FileNotFoundError: One of the folders does not exist.
        ValueError: A mask is not single channel, holds another value or is not of its image's size, two files
            share a name, or no outlier is left.

    Example:
        >>> import tempfile, cv2
        >>> images, masks = tempfile.mkdtemp(), tempfile.mkdtemp()
        >>> mask = np.zeros((6, 6), np.uint8)
        >>> mask[2:4, 1:5] = 254
        >>> cv2.imwrite(f'{images}/a.png', np.zeros((6, 6, 3), np.uint8)), cv2.imwrite(f'{masks}/a.png', mask)
        (True, True)
        >>> MaskFolderOutliers(images, masks)[0].mask.shape
        (2, 4)
    """

    def __init__(self, img_dir: str, mask_dir: str, ood_value: int = 254) -> None:
        layout = 'img_dir/NAME.jpg with mask_dir/NAME.png'
        require_folder('MaskFolderOutliers', 'img_dir', img_dir, layout)
        require_folder('MaskFolderOutliers', 'mask_dir', mask_dir, layout)
        self.ood_value = ood_value
        images = _by_stem(img_dir, IMAGE_SUFFIXES)
        masks = _by_stem(mask_dir, ('.png',))
        pairs = [(images[stem], masks[stem]) for stem in masks if stem in images]
        filled = [pair for pair in pairs if self._read_mask(*pair).any()]
        super().__init__(
            filled,
            place=f"'{img_dir}' with masks in '{mask_dir}'",
            filtered=_nonzero({'images without a mask': len(images) - len(pairs)}),
            broken=_nonzero({'masks without an image': len(masks) - len(pairs),
                             'empty masks': len(pairs) - len(filled)}))

    def load(self, entry: tuple[str, str]) -> Outlier:
        """Decode one pair of image and mask."""
        return Outlier.cropped(read_bgr(entry[0]), self._read_mask(*entry))

    def _read_mask(self, image_path: str, mask_path: str) -> np.ndarray:
        mask = read_unchanged(mask_path)
        if mask.ndim != 2:
            raise ValueError(f"MaskFolderOutliers: '{mask_path}' is {mask.shape}; expected one channel")
        unexpected = mask[(mask != 0) & (mask != self.ood_value)]
        if unexpected.size:
            found = np.unique(unexpected)[:10].tolist()
            raise ValueError(f"MaskFolderOutliers: '{mask_path}' holds the values {found}; expected 0 and "
                             f'ood_value={self.ood_value} only')
        if image_size(image_path) != mask.shape:
            raise ValueError(f"MaskFolderOutliers: '{mask_path}' is {mask.shape} px (height, width); "
                             f"expected {image_size(image_path)} like '{image_path}'")
        return mask == self.ood_value


@DATASETS.register_module()
class CutoutFolderOutliers(OutlierSource):
    """A folder (with subfolders) of RGBA png cut-outs; a pixel is an outlier where its alpha is above 127.

    All files are read once at construction.

    Args:
        root: Folder of the cut-outs.

    Raises:
        FileNotFoundError: The folder does not exist.
        ValueError: A file has no alpha channel, is not 8 bit or cannot be decoded, or no outlier is left.

    Example:
        >>> import tempfile, cv2
        >>> root = tempfile.mkdtemp()
        >>> cutout = np.zeros((6, 6, 4), np.uint8)
        >>> cutout[1:4, 2:5] = 255
        >>> cv2.imwrite(f'{root}/a.png', cutout)
        True
        >>> CutoutFolderOutliers(root)[0].mask.shape
        (3, 3)
    """

    def __init__(self, root: str) -> None:
        require_folder('CutoutFolderOutliers', 'root', root, 'root/**/NAME.png with an alpha channel')
        paths = sorted(str(path) for path in Path(root).rglob('*') if path.suffix.lower() == '.png')
        filled = [path for path in paths if _alpha_mask(_read_cutout(path)).any()]
        super().__init__(filled, place=f"'{root}' (*.png)",
                         broken=_nonzero({'fully transparent files': len(paths) - len(filled)}))

    def load(self, entry: str) -> Outlier:
        """Decode one cut-out."""
        cutout = _read_cutout(entry)
        return Outlier.cropped(cutout[..., :3], _alpha_mask(cutout))


def _read_cutout(path: str) -> np.ndarray:
    cutout = read_unchanged(path)
    if cutout.ndim != 3 or cutout.shape[2] != 4 or cutout.dtype != np.uint8:
        raise ValueError(f"CutoutFolderOutliers: '{path}' has shape {cutout.shape} of {cutout.dtype}; "
                         'expected an 8 bit png with an alpha channel')
    return cutout


def _alpha_mask(cutout: np.ndarray) -> np.ndarray:
    return cutout[..., 3] > 127


def _by_stem(folder: str, suffixes: Iterable[str]) -> dict[str, str]:
    paths: dict[str, str] = {}
    for name in sorted(os.listdir(folder)):
        stem, suffix = os.path.splitext(name)
        if suffix.lower() not in suffixes:
            continue
        if stem in paths:
            raise ValueError(f"MaskFolderOutliers: '{paths[stem]}' and '{name}' share a name; expected one")
        paths[stem] = os.path.join(folder, name)
    return paths


def _nonzero(counts: dict[str, int]) -> Counter[str]:
    return +Counter(counts)
