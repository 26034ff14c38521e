"""Residual networks for images of 32x32 pixels: a 3x3 stem without pooling."""
from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor, nn


class _Layout(NamedTuple):
    channels: tuple[int, ...]  # of the stages; each but the first halves the resolution
    num_blocks: int  # of each stage
    projects: bool  # whether shortcuts between stages have weights


_LAYOUTS = {
    18: _Layout((64, 128, 256, 512), 2, projects=True),
    20: _Layout((16, 32, 64), 3, projects=False),
}


class SubsampledShortcut(nn.Module):
    """Shortcut without weights: every ``stride``-th pixel, and zeros for the further channels.

    Half of the zeros come before the channels, half behind, as public weights of ResNet-20 expect.

    Args:
        further_channels: Number of channels to add, even.
        stride: Step between pixels.

    Source:
        He et al., CVPR 2016, section 3.3, option A.

    Example:
        >>> SubsampledShortcut(2, stride=2)(torch.ones(1, 1, 4, 4)).flatten(2).sum(-1)
        tensor([[0., 4., 0.]])
    """

    def __init__(self, further_channels: int, stride: int) -> None:
        super().__init__()
        self.further_channels = further_channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """``(N, K, H, W)`` to ``(N, K + further_channels, ceil(H / stride), ceil(W / stride))``."""
        half = self.further_channels // 2
        return F.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, half, half))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with norms, added to a shortcut; ReLU after the first norm and after the sum.

    Args:
        in_channels: Channels of the input.
        channels: Channels of the output.
        stride: Stride of the first convolution.
        projects: Whether a shortcut that changes the shape is a 1x1 convolution with a norm; otherwise it is a
            :class:`SubsampledShortcut`.

    Example:
        >>> BasicBlock(4, 8, stride=2, projects=True)(torch.zeros(1, 4, 9, 9)).shape
        torch.Size([1, 8, 5, 5])
    """

    def __init__(self, in_channels: int, channels: int, stride: int, projects: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels),
            ) if projects else SubsampledShortcut(channels - in_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, channels, ceil(H / stride), ceil(W / stride))``."""
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(out)) + self.shortcut(x), inplace=True)


@MODELS.register_module()
class CIFARResNet(BaseModule):
    """ResNet-18 or ResNet-20 for 32x32 images; other sizes from 8x8 on work, too.

    ===== ================== ====== ================== ========================================
    depth channels           blocks shortcuts          parameters with a head of 10 classes
    ===== ================== ====== ================== ========================================
    18    64, 128, 256, 512  2 each 1x1 convolutions   11,173,962
    20    16, 32, 64         3 each without parameters 269,722
    ===== ================== ====== ================== ========================================

    Args:
        depth: 18 or 20.
        init_cfg: Config of the initialisation; by default that of He et al. for convolutions.

    Attributes:
        num_features: Number of features F.

    Raises:
        ValueError: Another depth.

    Source:
        He et al., "Deep Residual Learning for Image Recognition", CVPR 2016: ResNet-20 in section 4.2; ResNet-18 of
        table 1 with the stem of section 4.2.

    Example:
        >>> backbone = CIFARResNet(depth=20)
        >>> backbone.num_features, backbone(torch.zeros(2, 3, 32, 32)).shape
        (64, torch.Size([2, 64]))
    """

    def __init__(self, depth: int = 18, init_cfg: dict | list[dict] | None = None) -> None:
        super().__init__(init_cfg or [dict(type='Kaiming', layer='Conv2d'),
                                      dict(type='Constant', val=1, layer='BatchNorm2d')])
        if depth not in _LAYOUTS:
            raise ValueError(f'CIFARResNet: depth must be one of {", ".join(map(str, _LAYOUTS))}, found {depth}')
        layout = _LAYOUTS[depth]
        before = layout.channels[0]
        self.conv1 = nn.Conv2d(3, before, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(before)
        self.num_stages = len(layout.channels)
        for stage, channels in enumerate(layout.channels):
            blocks = [BasicBlock(channels if index else before, channels, 1 if index or not stage else 2,
                                 layout.projects) for index in range(layout.num_blocks)]
            self.add_module(f'layer{stage + 1}', nn.Sequential(*blocks))
            before = channels
        self.num_features = before

    def forward(self, x: Tensor) -> Tensor:
        """Features ``(N, F)`` of images ``(N, 3, H, W)``."""
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        for stage in range(self.num_stages):
            x = self.get_submodule(f'layer{stage + 1}')(x)
        return torch.mean(x, (2, 3))
