"""Residual networks: parameters counted by hand, shapes, and blocks in which one branch is silent."""
import pytest
import torch
from mmengine.registry import MODELS
from torch import nn

from mmseg_ood.classification.models import CIFARResNet
from mmseg_ood.classification.models.cifar_resnet import BasicBlock, SubsampledShortcut


def num_parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def block(before, channels):
    """Two 3x3 convolutions without bias and two norms of a scale and a shift."""
    return 9 * before * channels + 9 * channels * channels + 4 * channels


def test_parameters_of_resnet18():
    stem = 9 * 3 * 64 + 2 * 64
    stages = 2 * block(64, 64)
    for channels in (128, 256, 512):
        half = channels // 2
        stages += block(half, channels) + half * channels + 2 * channels + block(channels, channels)
    backbone = CIFARResNet(depth=18)
    assert num_parameters(backbone) == stem + stages
    assert num_parameters(backbone) + num_parameters(nn.Linear(backbone.num_features, 10)) == 11_173_962


def test_parameters_of_resnet20():
    stem = 9 * 3 * 16 + 2 * 16
    stages = 3 * block(16, 16) + sum(block(channels // 2, channels) + 2 * block(channels, channels)
                                     for channels in (32, 64))
    backbone = CIFARResNet(depth=20)
    assert num_parameters(backbone) == stem + stages
    assert num_parameters(backbone) + num_parameters(nn.Linear(backbone.num_features, 10)) == 269_722


@pytest.mark.parametrize(('depth', 'num_layers'), [(18, 20), (20, 19)])
def test_convolutions_and_the_head_make_the_depth(depth, num_layers):
    """ResNet-18 does not count the three convolutions of its shortcuts, nor either the head."""
    assert sum(isinstance(module, nn.Conv2d) for module in CIFARResNet(depth).modules()) == num_layers


@pytest.mark.parametrize(('depth', 'num_features'), [(18, 512), (20, 64)])
@pytest.mark.parametrize('size', [8, 32])
def test_features(depth, num_features, size):
    backbone = MODELS.build(dict(type='CIFARResNet', depth=depth))
    features = backbone(torch.randn(2, 3, size, size))
    assert backbone.num_features == num_features
    assert features.shape == (2, num_features)
    features.square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in backbone.parameters())


@pytest.mark.parametrize(('depth', 'sizes'), [(18, [32, 16, 8, 4]), (20, [32, 16, 8])])
def test_resolution_of_the_stages(depth, sizes):
    backbone, found = CIFARResNet(depth).eval(), []
    for stage in range(len(sizes)):
        backbone.get_submodule(f'layer{stage + 1}').register_forward_hook(
            lambda module, inputs, output: found.append(output.shape[-1]))
    backbone(torch.zeros(1, 3, 32, 32))
    assert found == sizes


def test_shortcut_without_parameters_by_hand():
    x = torch.arange(2 * 5 * 4.0).reshape(1, 2, 5, 4) + 1
    out = SubsampledShortcut(further_channels=4, stride=2)(x)
    assert out.shape == (1, 6, 3, 2)
    for channel in range(6):
        for row in range(3):
            for column in range(2):
                expected = x[0, channel - 2, 2 * row, 2 * column] if channel in (2, 3) else 0
                assert out[0, channel, row, column] == expected


@pytest.mark.parametrize('projects', [True, False])
@pytest.mark.parametrize(('before', 'channels', 'stride'), [(4, 4, 1), (4, 8, 2)])
def test_block_with_silent_convolutions_is_its_shortcut(projects, before, channels, stride):
    one = BasicBlock(before, channels, stride, projects).eval()
    nn.init.zeros_(one.bn2.weight)
    x = torch.randn(2, before, 6, 6)
    torch.testing.assert_close(one(x), torch.relu(one.shortcut(x)))
    assert isinstance(one.shortcut, nn.Identity) == (stride == 1)
    assert bool(list(one.shortcut.parameters())) == (projects and stride == 2)


def test_block_with_a_silent_shortcut_by_hand():
    one = BasicBlock(4, 8, 2, projects=True).eval()
    nn.init.zeros_(one.shortcut[1].weight)
    x = torch.randn(2, 4, 6, 6)
    expected = torch.relu(one.bn2(one.conv2(torch.relu(one.bn1(one.conv1(x))))))
    torch.testing.assert_close(one(x), expected)


def test_initialisation_of_he():
    torch.manual_seed(0)
    backbone = CIFARResNet(depth=20)
    backbone.init_weights()
    weight = backbone.layer3[2].conv2.weight
    assert weight.std().item() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.02)
    assert (backbone.bn1.weight == 1).all()


def test_other_depths():
    with pytest.raises(ValueError, match='depth must be one of 18, 20, found 50'):
        CIFARResNet(depth=50)
