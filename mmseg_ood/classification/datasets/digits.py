"""scikit-learn's digits: real images that need no download."""
from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from mmengine.registry import DATASETS

from ..labels import OOD_LABEL
from .images import ImageSet
from .splits import SPLITS

_NUM_DIGITS = 10
_SIZE = 8
_HIGHEST = 16  # of the values in the file


@DATASETS.register_module()
class DigitsDataset(ImageSet):
    """The 1797 handwritten digits of scikit-learn (Alpaydin and Kaynak, UCI, 1998), 8x8 px.

    Each digit is divided in halves; which images are in which one depends on ``seed`` alone, so that no image is in
    the train split of one data set and in the test split of another.

    Args:
        classes: The digits to take, in the order of their labels.
        split: ``'train'`` or ``'test'``.
        outlier: Label all images -1.
        seed: Of the division.
        image_size: Height and width in px, to which the digits are enlarged with linear interpolation.

    Raises:
        ValueError: ``classes`` are no digits or name one twice, or an unknown ``split``.

    Example:
        >>> digits = DigitsDataset(classes=(3, 8), split='train')
        >>> digits.classes, digits[0]['images'].shape, np.bincount(digits.labels)
        (('3', '8'), torch.Size([8, 8, 3]), array([92, 87]))
    """

    def __init__(self, classes: Sequence[int] = tuple(range(_NUM_DIGITS)), split: str = 'train', outlier: bool = False,
                 seed: int = 0, image_size: int = _SIZE) -> None:
        if not classes or len(set(classes)) < len(classes) or not set(classes) <= set(range(_NUM_DIGITS)):
            raise ValueError(f'DigitsDataset: classes={tuple(classes)}, expected different digits from 0 to 9')
        if split not in SPLITS:
            raise ValueError(f'DigitsDataset: {split=}, expected one of {", ".join(map(repr, SPLITS))}')
        if image_size < _SIZE:
            raise ValueError(f'DigitsDataset: {image_size=}, expected at least {_SIZE}')
        from sklearn.datasets import load_digits
        digits = load_digits()
        indices = np.array([index for index in _half(digits.target, split, seed) if digits.target[index] in classes])
        scaled = np.rint(digits.images[indices] * (255 / _HIGHEST)).astype(np.uint8)
        enlarged = np.stack([cv2.resize(image, (image_size, image_size)) for image in scaled])
        labels = [OOD_LABEL if outlier else list(classes).index(digit) for digit in digits.target[indices]]
        super().__init__(np.repeat(enlarged[..., None], 3, axis=3), labels, [f'digits[{index}]' for index in indices],
                         None if outlier else [str(digit) for digit in classes], split)


def _half(target: np.ndarray, split: str, seed: int) -> np.ndarray:
    halves, generator = [], np.random.default_rng(seed)
    for digit in range(_NUM_DIGITS):
        shuffled = generator.permutation(np.flatnonzero(target == digit))
        middle = (len(shuffled) + 1) // 2
        halves.append(shuffled[:middle] if split == 'train' else shuffled[middle:])
    return np.sort(np.concatenate(halves))
