"""From batches of decoded images to the input of a network, on its device."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseDataPreprocessor
from mmengine.registry import MODELS
from torch import Tensor

from .augmentation import check_crop_flip, random_crop_flip


@MODELS.register_module()
class ClassificationDataPreprocessor(BaseDataPreprocessor):
    """Moves a batch to the device, augments it there while training, and normalises it.

    Args:
        mean: Mean of red, green and blue, of values from 0 to 1.
        std: Standard deviation of the same.
        pad: Zeros around an image before a random crop of its size; 0 switches the crops off.
        flip_prob: Probability of a horizontal flip; 0 switches the flips off.
        non_blocking: Whether the copy to the device may overlap with computation, for pinned memory.

    Raises:
        ValueError: Statistics that are not three, or of values from 0 to 255; an impossible augmentation; while
            running: images of another type or shape.

    Example:
        >>> preprocess = ClassificationDataPreprocessor(mean=[0.5, 0.5, 0.5], std=[0.25, 0.25, 0.25])
        >>> images = torch.full((2, 8, 8, 3), 255, dtype=torch.uint8)
        >>> batch = preprocess(dict(images=images, labels=torch.tensor([0, -1])))
        >>> batch['inputs'].shape, batch['inputs'].max().item(), batch['labels'].tolist()
        (torch.Size([2, 3, 8, 8]), 2.0, [0, -1])
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], pad: int = 4, flip_prob: float = 0.5,
                 non_blocking: bool = False) -> None:
        super().__init__(non_blocking)
        for name, values, low in (('mean', mean, 0), ('std', std, 1e-6)):
            if len(values) != 3 or not all(low <= value <= 1 for value in values):
                raise ValueError(f'{type(self).__name__}: {name} must be three numbers from {low:g} to 1, found '
                                 f'{list(values)}')
        check_crop_flip(pad, flip_prob)
        self.pad = pad
        self.flip_prob = flip_prob
        # Not persistent: they belong to the config, and weights of other origin must load strictly.
        self.register_buffer('mean', 255 * torch.tensor(mean, dtype=torch.float32).view(3, 1, 1), persistent=False)
        self.register_buffer('std', 255 * torch.tensor(std, dtype=torch.float32).view(3, 1, 1), persistent=False)

    def forward(self, data: dict[str, Tensor], training: bool = False) -> dict[str, Tensor]:
        """The input of a network.

        Args:
            data: ``images`` ``(B, S, S, 3)`` uint8 RGB and what goes with them: ``labels`` ``(B,)``,
                ``sources`` ``(B,)``.
            training: Whether to augment.

        Returns:
            ``inputs`` ``(B, 3, S, S)`` float32 and the rest of ``data``, all on the device.
        """
        data = self.cast_data(data)
        images = data.pop('images')
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[-1] != 3:
            raise ValueError(f'images are {images.dtype} of shape {tuple(images.shape)}, expected torch.uint8 of '
                             f'shape (B, S, S, 3)')
        if training and (self.pad or self.flip_prob):
            images = random_crop_flip(images, self.pad, self.flip_prob)
        # Rearranged before they are widened: a quarter of the memory to go through.
        inputs = images.permute(0, 3, 1, 2).contiguous().float().sub_(self.mean).div_(self.std)
        return {'inputs': inputs, **data}
