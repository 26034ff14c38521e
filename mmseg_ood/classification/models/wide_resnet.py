"""Wide residual networks for images of 32x32 pixels."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor, nn

STEM_CHANNELS = 16


class PreActivationBlock(nn.Module):
    """Two 3x3 convolutions, each after a norm and ReLU, with dropout between them, added to a shortcut.

    The shortcut is the raw input, or a 1x1 projection of the input after its norm and ReLU where the shape changes.

    Args:
        in_channels: Channels of the input.
        channels: Channels of the output.
        stride: Stride of the first convolution.
        dropout: Rate of the dropout.

    Example:
        >>> PreActivationBlock(4, 8, stride=2, dropout=0.3)(torch.zeros(1, 4, 9, 9)).shape
        torch.Size([1, 8, 5, 5])
    """

    def __init__(self, in_channels: int, channels: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.projection = None
        if stride != 1 or in_channels != channels:
            self.projection = nn.Conv2d(in_channels, channels, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, channels, ceil(H / stride), ceil(W / stride))``."""
        out = F.relu(self.bn1(x), inplace=True)
        shortcut = x if self.projection is None else self.projection(out)
        out = self.dropout(F.relu(self.bn2(self.conv1(out)), inplace=True))
        return self.conv2(out) + shortcut


@MODELS.register_module()
class WideResNet(BaseModule):
    """Wide residual network WRN-``depth``-``widen_factor``; images from 8x8 on work.

    Three groups of ``(depth - 4) / 6`` blocks with 16, 32 and 64 channels, times the widening factor, at full, half
    and quarter resolution. WRN-40-2 with a head of 10 classes has 2,243,546 parameters.

    Args:
        depth: Number of layers, 6n + 4.
        widen_factor: Multiplier of the channels.
        dropout: Rate of the dropout inside of the blocks.
        init_cfg: Config of the initialisation; by default that of He et al. for convolutions.

    Attributes:
        num_features: Number of features F.

    Raises:
        ValueError: A depth that is not 6n + 4.

    Source:
        Zagoruyko and Komodakis, "Wide Residual Networks", BMVC 2016, table 1.

    Example:
        >>> backbone = WideResNet(depth=10, widen_factor=1)
        >>> backbone.num_features, backbone(torch.zeros(2, 3, 32, 32)).shape
        (64, torch.Size([2, 64]))
    """

    def __init__(self, depth: int = 40, widen_factor: int = 2, dropout: float = 0.3,
                 init_cfg: dict | list[dict] | None = None) -> None:
        super().__init__(init_cfg or [dict(type='Kaiming', layer='Conv2d'),
                                      dict(type='Constant', val=1, layer='BatchNorm2d')])
        if depth < 10 or depth % 6 != 4:
            raise ValueError(f'WideResNet: depth must be 6n + 4 with n from 1 on (10, 16, ... 40), found {depth}')
        before = STEM_CHANNELS
        self.conv1 = nn.Conv2d(3, before, 3, padding=1, bias=False)
        blocks = []
        for group in range(3):
            channels = STEM_CHANNELS * 2 ** group * widen_factor
            for index in range((depth - 4) // 6):
                stride = 2 if group and not index else 1
                blocks.append(PreActivationBlock(before, channels, stride, dropout))
                before = channels
        self.blocks = nn.Sequential(*blocks)
        self.bn = nn.BatchNorm2d(before)
        self.num_features = before

    def forward(self, x: Tensor) -> Tensor:
        """Features ``(N, F)`` of images ``(N, 3, H, W)``."""
        x = F.relu(self.bn(self.blocks(self.conv1(x))), inplace=True)
        return torch.mean(x, (2, 3))
