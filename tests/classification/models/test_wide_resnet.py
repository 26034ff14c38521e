"""Wide residual networks: parameters counted by hand, shapes, and blocks in which one branch is silent."""
import pytest
import torch
from mmengine.registry import MODELS
from torch import nn

from mmseg_ood.classification.models import WideResNet
from mmseg_ood.classification.models.wide_resnet import PreActivationBlock


def num_parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def block(before, channels):
    """Two norms of a scale and a shift, two 3x3 convolutions without bias, a projection where the shape changes."""
    projection = before * channels if before != channels else 0
    return 2 * before + 9 * before * channels + 2 * channels + 9 * channels * channels + projection


def test_parameters_of_wrn_40_2():
    groups = sum(block(before, channels) + 5 * block(channels, channels)
                 for before, channels in ((16, 32), (32, 64), (64, 128)))
    backbone = WideResNet(depth=40, widen_factor=2)
    assert num_parameters(backbone) == 9 * 3 * 16 + groups + 2 * 128
    assert num_parameters(backbone) + num_parameters(nn.Linear(backbone.num_features, 10)) == 2_243_546


@pytest.mark.parametrize('size', [8, 32])
def test_features(size):
    backbone = MODELS.build(dict(type='WideResNet', depth=16, widen_factor=2))
    features = backbone(torch.randn(2, 3, size, size))
    assert backbone.num_features == 128
    assert features.shape == (2, 128)
    assert (features >= 0).all()
    features.square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in backbone.parameters())


def test_resolution_of_the_blocks():
    backbone, found = WideResNet(depth=16, widen_factor=1).eval(), []
    for one in backbone.blocks:
        one.register_forward_hook(lambda module, inputs, output: found.append(tuple(output.shape[1:3])))
    backbone(torch.zeros(1, 3, 32, 32))
    assert found == [(16, 32)] * 2 + [(32, 16)] * 2 + [(64, 8)] * 2


def test_block_with_silent_convolutions_is_its_input():
    one = PreActivationBlock(4, 4, 1, 0.3)
    nn.init.zeros_(one.conv2.weight)
    x = torch.randn(2, 4, 6, 6)
    assert torch.equal(one(x), x)


def test_projection_sees_the_activated_input():
    one = PreActivationBlock(4, 8, 2, 0.3).eval()
    nn.init.zeros_(one.conv2.weight)
    one.bn1.bias.data.normal_()
    x = torch.randn(2, 4, 6, 6)
    torch.testing.assert_close(one(x), one.projection(torch.relu(one.bn1(x))))


def test_branch_by_hand():
    one = PreActivationBlock(4, 8, 2, 0.3).eval()
    nn.init.zeros_(one.projection.weight)
    x = torch.randn(2, 4, 6, 6)
    before = x.clone()
    torch.testing.assert_close(one(x), one.conv2(torch.relu(one.bn2(one.conv1(torch.relu(one.bn1(x)))))))
    assert torch.equal(x, before)


def test_dropout_acts_between_the_convolutions_while_training():
    seen = []
    one = PreActivationBlock(4, 64, 1, dropout=0.3)
    one.conv2.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    # All activations are positive, so that a zero is a dropped one.
    one.bn2.bias.data.fill_(100)
    one(torch.randn(4, 4, 16, 16))
    assert (seen[0] == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)
    one.eval()(torch.randn(4, 4, 16, 16))
    assert (seen[1] > 0).all()


@pytest.mark.parametrize('depth', [4, 18, 38])
def test_other_depths(depth):
    with pytest.raises(ValueError, match=f'depth must be 6n . 4 .*, found {depth}'):
        WideResNet(depth=depth)
