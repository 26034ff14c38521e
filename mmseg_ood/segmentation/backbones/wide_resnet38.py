"""WideResNet38 with pre-activation, output stride 8: the backbone of the paper's segmentation network."""
from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

STEM_CHANNELS = 64


class _Layout(NamedTuple):
    """Blocks of one module, before the width multiplier."""
    num_blocks: int
    channels: tuple[int, ...]  # of the convolutions of each block: two 3x3, or 1x1, 3x3, 1x1
    stride: int = 1  # of the first block
    dilation: int = 1  # of the 3x3 convolutions


_MODULES = {
    'module2': _Layout(3, (128, 128)),
    'module3': _Layout(3, (256, 256)),
    'module4': _Layout(6, (512, 512), stride=2),
    'module5': _Layout(3, (512, 1024), dilation=2),
    'module6': _Layout(1, (512, 1024, 2048), dilation=4),
    'module7': _Layout(1, (1024, 2048, 4096), dilation=4),
}


class PreActivationBlock(nn.Module):
    """Residual block in which norm and ReLU come before each convolution.

    The shortcut is the raw input, or a 1x1 projection of the input after its norm and ReLU where the number of
    channels or the resolution changes. No convolution has a bias.

    Args:
        in_channels: Channels of the input.
        channels: Output channels of the convolutions: two for a pair of 3x3, three for 1x1, 3x3, 1x1.
        stride: Stride of the first convolution and of the projection.
        dilation: Dilation of the 3x3 convolutions.
        dropout: Rate of the channel dropout before the last convolution.
        norm_cfg: Config of the norms.

    Example:
        >>> import torch
        >>> block = PreActivationBlock(4, (8, 8), stride=2)
        >>> block(torch.zeros(1, 4, 9, 9)).shape
        torch.Size([1, 8, 5, 5])
        >>> [name for name, _ in block.named_children()]
        ['norm1', 'conv1', 'norm2', 'conv2', 'dropout', 'projection']
    """

    def __init__(self, in_channels: int, channels: Sequence[int], stride: int = 1, dilation: int = 1,
                 dropout: float = 0.0, norm_cfg: dict | None = None) -> None:
        super().__init__()
        self.num_convs = len(channels)
        kernel_sizes = {2: (3, 3), 3: (1, 3, 1)}[self.num_convs]
        for index, kernel_size in enumerate(kernel_sizes):
            before = channels[index - 1] if index else in_channels
            spread = dilation if kernel_size == 3 else 1
            self.add_module(f'norm{index + 1}', build_norm_layer(norm_cfg or dict(type='BN'), before)[1])
            self.add_module(f'conv{index + 1}', nn.Conv2d(
                before, channels[index], kernel_size, stride=1 if index else stride,
                padding=spread * (kernel_size // 2), dilation=spread, bias=False))
        self.dropout = nn.Dropout2d(dropout)
        self.projection = None
        if stride != 1 or in_channels != channels[-1]:
            self.projection = nn.Conv2d(in_channels, channels[-1], 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, channels[-1], ceil(H / stride), ceil(W / stride))``."""
        out = F.relu(self.norm1(x), inplace=True)
        shortcut = x if self.projection is None else self.projection(out)
        out = self.conv1(out)
        for index in range(2, self.num_convs + 1):
            out = F.relu(self.get_submodule(f'norm{index}')(out), inplace=True)
            if index == self.num_convs:
                out = self.dropout(out)
            out = self.get_submodule(f'conv{index}')(out)
        return out + shortcut


@MODELS.register_module()
class WideResNet38(BaseModule):
    """Wide residual network of 38 layers (variant A2), dilated to output stride 8, without a final norm.

    ======== ====== ================================== ====== ========
    module   blocks channels                           stride dilation
    ======== ====== ================================== ====== ========
    stem            64                                 1
    module2  3      128, 128                           2      1
    module3  3      256, 256                           4      1
    module4  6      512, 512                           8      1
    module5  3      512, 1024                          8      2
    module6  1      512, 1024, 2048 (1x1, 3x3, 1x1)    8      4
    module7  1      1024, 2048, 4096 (1x1, 3x3, 1x1)   8      4
    ======== ====== ================================== ====== ========

    Max pools of 3x3 and stride 2 come before modules 2 and 3; module 4 strides by itself.

    Args:
        width: Multiplier of all channels. Whole numbers must come out: multiples of 1/64.
        dropout: Rates of the channel dropout in modules 6 and 7.
        norm_cfg: Config of the norms.
        with_cp: Keep only the inputs of the blocks while training and compute the rest again in the backward
            pass: less memory, more time, the same gradients and running statistics.
        init_cfg: Config of the initialisation; by default Kaiming for convolutions.

    Attributes:
        out_channels: Channels of the two outputs.

    Raises:
        ValueError: ``width`` does not give whole numbers of channels.

    Source:
        Wu et al., "Wider or Deeper: Revisiting the ResNet Model for Visual Recognition", Pattern Recognition 2019.

    Example:
        >>> import torch
        >>> backbone = WideResNet38(width=1 / 32).eval()
        >>> [tuple(output.shape) for output in backbone(torch.zeros(1, 3, 64, 96))]
        [(1, 4, 32, 48), (1, 128, 8, 12)]
    """

    def __init__(self, width: float = 1.0, dropout: Sequence[float] = (0.3, 0.5), norm_cfg: dict | None = None,
                 with_cp: bool = False, init_cfg: dict | list[dict] | None = None) -> None:
        super().__init__(init_cfg or [dict(type='Kaiming', layer='Conv2d'),
                                      dict(type='Constant', val=1, layer='_BatchNorm')])
        if width <= 0 or width * STEM_CHANNELS != int(width * STEM_CHANNELS):
            raise ValueError(f'WideResNet38: width must be a positive multiple of 1/{STEM_CHANNELS}, found {width}')
        self.with_cp = with_cp
        rates = dict(zip(('module6', 'module7'), dropout, strict=True))
        channels = int(width * STEM_CHANNELS)
        self.stem = nn.Conv2d(3, channels, 3, padding=1, bias=False)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        for name, layout in _MODULES.items():
            module = nn.Sequential()
            widened = [int(width * number) for number in layout.channels]
            for index in range(layout.num_blocks):
                module.add_module(f'block{index + 1}', PreActivationBlock(
                    channels, widened, 1 if index else layout.stride, layout.dilation, rates.get(name, 0.0), norm_cfg))
                channels = widened[-1]
            self.add_module(name, module)
        self.out_channels = tuple(int(width * _MODULES[name].channels[-1]) for name in ('module2', 'module7'))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features of a batch of images.

        Args:
            x: ``(N, 3, H, W)``.

        Returns:
            Output of module 2 ``(N, 128 * width, ceil(H / 2), ceil(W / 2))`` and of module 7
            ``(N, 4096 * width, ceil(H / 8), ceil(W / 8))``.
        """
        low_level = self._run('module2', self.pool(self.stem(x)))
        x = self._run('module3', self.pool(low_level))
        for name in ('module4', 'module5', 'module6', 'module7'):
            x = self._run(name, x)
        return low_level, x

    def _run(self, name: str, x: Tensor) -> Tensor:
        for block in self.get_submodule(name):
            x = _checkpointed(block, x) if self.with_cp and self.training else block(x)
        return x


def _checkpointed(block: nn.Module, x: Tensor) -> Tensor:
    """Output of a block of which only the input is kept."""
    calls = itertools.count()

    def forward(x: Tensor) -> Tensor:
        with _statistics_kept(block) if next(calls) else contextlib.nullcontext():
            return block(x)

    return checkpoint(forward, x, use_reentrant=False)


@contextlib.contextmanager
def _statistics_kept(block: nn.Module) -> Iterator[None]:
    """Norms do not count a batch that is computed again: it entered their running statistics the first time."""
    norms = [norm for norm in block.modules() if isinstance(norm, _BatchNorm) and norm.track_running_stats]
    before = [(norm.momentum, norm.num_batches_tracked.clone()) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, (momentum, num_batches) in zip(norms, before, strict=True):
            norm.momentum = momentum
            norm.num_batches_tracked.copy_(num_batches)
