"""Random crops and flips of whole batches, on the device where the images are.

Example:
    >>> import torch
    >>> images = torch.randint(256, (128, 32, 32, 3), dtype=torch.uint8)
    >>> random_crop_flip(images, pad=4, flip_prob=0.5).shape
    torch.Size([128, 32, 32, 3])
"""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def check_crop_flip(pad: int, flip_prob: float) -> None:
    """Refuse settings that :func:`random_crop_flip` cannot work with.

    Raises:
        ValueError: ``pad`` is no integer from 0 on, or ``flip_prob`` no probability.
    """
    if not (isinstance(pad, int) and pad >= 0):
        raise ValueError(f'pad must be a number of pixels from 0 on, found {pad!r}')
    if not 0 <= flip_prob <= 1:
        raise ValueError(f'flip_prob must be between 0 and 1, found {flip_prob}')


def crop_flip(images: Tensor, pad: int, offsets: Tensor, flipped: Tensor) -> Tensor:
    """Mirror some images, pad all with zeros and cut a window of the old size out of each.

    Args:
        images: ``(N, H, W, K)`` of any type.
        pad: Zeros on each side.
        offsets: ``(2, N)`` int64, top and left of the windows in the padded images, ``0..2 * pad``.
        flipped: ``(N,)`` bool, which images are mirrored left to right.

    Returns:
        ``(N, H, W, K)``, a new tensor.

    Example:
        >>> image = torch.tensor([[1, 2], [3, 4]]).reshape(1, 2, 2, 1)
        >>> crop_flip(image, 1, torch.tensor([[2], [1]]), torch.tensor([True])).reshape(2, 2).tolist()
        [[4, 3], [0, 0]]
    """
    num_images, height, width, num_channels = images.shape
    padded_height, padded_width = height + 2 * pad, width + 2 * pad
    padded = F.pad(torch.stack((images, images.flip(2))), (0, 0, pad, pad, pad, pad))
    device = images.device
    image = torch.arange(num_images, device=device) + num_images * flipped
    row = (image * padded_height + offsets[0])[:, None] + torch.arange(height, device=device)
    start = row * padded_width + offsets[1, :, None]
    # The rows of the windows are stretches of memory: they are copied whole, which is quicker than pixel by pixel.
    stretches = padded.view(-1).unfold(0, width * num_channels, num_channels)
    return stretches.index_select(0, start.view(-1)).view(images.shape)


def random_crop_flip(images: Tensor, pad: int, flip_prob: float, generator: torch.Generator | None = None) -> Tensor:
    """The usual augmentation of small images: a random crop after zero padding, and horizontal flips.

    Every image of the batch gets a window and a flip of its own.

    Args:
        images: ``(N, H, W, K)`` of any type.
        pad: Zeros on each side; 0 leaves no choice of windows.
        flip_prob: Probability of a flip.
        generator: Source of the random numbers, on the device of the images; by default that of torch.

    Returns:
        ``(N, H, W, K)``.

    Raises:
        ValueError: A negative ``pad`` or ``flip_prob`` outside [0, 1].

    Source:
        He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2.

    Example:
        >>> images = torch.randint(256, (4, 8, 8, 3), dtype=torch.uint8)
        >>> torch.equal(random_crop_flip(images, pad=0, flip_prob=1.0), images.flip(2))
        True
    """
    check_crop_flip(pad, flip_prob)
    draw = dict(generator=generator, device=images.device)
    offsets = torch.randint(2 * pad + 1, (2, len(images)), **draw)
    return crop_flip(images, pad, offsets, torch.rand(len(images), **draw) < flip_prob)
