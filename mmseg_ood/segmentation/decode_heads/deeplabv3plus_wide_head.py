"""The DeepLabV3+ decoder of the paper's segmentation network, for the outputs of ``WideResNet38``."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmseg.models.decode_heads.aspp_head import ASPPModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn

CLASSIFIER_STD = 0.01
"""Standard deviation of the classifier's weights before training, that of every MMSegmentation head."""


@MODELS.register_module()
class DeepLabV3PlusWideHead(BaseDecodeHead):
    """Atrous spatial pyramid pooling, joined with low-level features at their resolution, and two convolutions.

    * ``aspp`` and ``image_pool``: 1x1, three dilated 3x3 and the image's mean, each with norm and ReLU;
      ``project``: 1x1 over all of them, the image's mean first
    * ``low_level``: 1x1 over the low-level features
    * ``final``: two 3x3 with norm and ReLU over the low-level features and then the upsampled others
    * ``conv_seg``: the classifier, 1x1 without bias

    The paper's fine-tuning trains ``final`` and ``conv_seg``.

    Args:
        in_channels: Channels of the low-level and of the high-level features.
        channels: Channels of every branch and of ``final``.
        num_classes: Number of inlier classes.
        out_channels: Number of outputs, by default ``num_classes``; further ones stand behind the classes, such as
            the abstention of PEBAL.
        low_level_channels: Channels that the low-level features are reduced to.
        dilations: Dilations of the three 3x3 convolutions.
        norm_cfg: Config of the norms.
        in_index: Positions of the two features among the outputs of the backbone.
        align_corners: How features are upsampled, here and by the segmentor.
        **kwargs: ``loss_decode``, ``ignore_index``, ``sampler``, ... of MMSegmentation's ``BaseDecodeHead``.

    Raises:
        ValueError: Less outputs than classes.

    Source:
        Chen et al., "Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation", ECCV 2018.

    Example:
        >>> head = DeepLabV3PlusWideHead((4, 128), channels=8, num_classes=19, out_channels=20).eval()
        >>> head((torch.zeros(1, 4, 32, 48), torch.zeros(1, 128, 8, 12))).shape
        torch.Size([1, 20, 32, 48])
        >>> head.num_classes
        19
    """

    def __init__(self, in_channels: Sequence[int] = (128, 4096), channels: int = 256, *, num_classes: int,
                 out_channels: int | None = None, low_level_channels: int = 48,
                 dilations: Sequence[int] = (12, 24, 36), norm_cfg: dict | None = None,
                 in_index: Sequence[int] = (0, 1), align_corners: bool = True, dropout_ratio: float = 0.0,
                 **kwargs: Any) -> None:
        out_channels = num_classes if out_channels is None else out_channels
        if out_channels < num_classes:
            raise ValueError(f'DeepLabV3PlusWideHead: out_channels={out_channels} is less than '
                             f'num_classes={num_classes}')
        kwargs.setdefault('init_cfg', dict(type='Normal', std=CLASSIFIER_STD, override=dict(name='conv_seg')))
        # The base class allows no outputs beside those of the classes.
        super().__init__(
            in_channels=list(in_channels), channels=channels, num_classes=out_channels, out_channels=out_channels,
            in_index=list(in_index), input_transform='multiple_select', norm_cfg=norm_cfg or dict(type='BN'),
            align_corners=align_corners, dropout_ratio=dropout_ratio, **kwargs)
        self.num_classes = num_classes
        low_level, high_level = self.in_channels
        self.image_pool = self._conv_module(high_level, channels, 1)
        self.aspp = ASPPModule((1, *dilations), high_level, channels, self.conv_cfg, self.norm_cfg, self.act_cfg)
        self.project = nn.Conv2d((2 + len(dilations)) * channels, channels, 1, bias=False)
        self.low_level = nn.Conv2d(low_level, low_level_channels, 1, bias=False)
        self.final = nn.Sequential(self._conv_module(low_level_channels + channels, channels, 3),
                                   self._conv_module(channels, channels, 3))
        self.conv_seg = nn.Conv2d(channels, out_channels, 1, bias=False)

    def _conv_module(self, in_channels: int, out_channels: int, kernel_size: int) -> ConvModule:
        return ConvModule(in_channels, out_channels, kernel_size, padding=kernel_size // 2, conv_cfg=self.conv_cfg,
                          norm_cfg=self.norm_cfg, act_cfg=self.act_cfg)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Logits at the resolution of the low-level features.

        Args:
            inputs: Outputs of the backbone; those at ``in_index`` are ``(N, in_channels[0], H, W)`` and
                ``(N, in_channels[1], h, w)``.

        Returns:
            ``(N, out_channels, H, W)``.
        """
        low_level, high_level = self._transform_inputs(inputs)
        # Upsampling a single value is repeating it.
        image = self.image_pool(F.adaptive_avg_pool2d(high_level, 1)).expand(-1, -1, *high_level.shape[2:])
        context = self.project(torch.cat([image, *self.aspp(high_level)], dim=1))
        context = F.interpolate(context, low_level.shape[2:], mode='bilinear', align_corners=self.align_corners)
        return self.cls_seg(self.final(torch.cat([self.low_level(low_level), context], dim=1)))
