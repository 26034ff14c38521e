"""WideResNet38: its blocks by hand, its geometry, and checkpointing against plain training."""
import copy

import pytest
import torch
from mmseg.registry import MODELS
from torch import nn

from mmseg_ood.segmentation.backbones import WideResNet38
from mmseg_ood.segmentation.backbones.wide_resnet38 import PreActivationBlock

NARROW = 1 / 32
# Convolutions of a block, blocks, and the dilation of what is not 1x1, by module.
DRAWN = {'module2': (2, 3, 1), 'module3': (2, 3, 1), 'module4': (2, 6, 1), 'module5': (2, 3, 2), 'module6': (3, 1, 4),
         'module7': (3, 1, 4)}


def randomize(network, seed=0):
    torch.manual_seed(seed)
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            nn.init.uniform_(value, 0.5, 1.5) if 'var' in name else nn.init.normal_(value, std=0.3)
    return network


def zeroed_last_conv(*args, **kwargs):
    """A block that returns its shortcut."""
    block = PreActivationBlock(*args, **kwargs).eval()
    nn.init.zeros_(block.get_submodule(f'conv{block.num_convs}').weight)
    return block


@pytest.mark.parametrize('channels', [(3, 4), (3, 2, 4)])
def test_shortcut_is_the_raw_input_where_the_shape_stays(channels):
    block, x = zeroed_last_conv(4, channels, dilation=2), torch.randn(2, 4, 7, 6)
    assert block.projection is None
    torch.testing.assert_close(block(x), x, rtol=0, atol=0)


@pytest.mark.parametrize(('channels', 'stride'), [((3, 4), 2), ((4, 5), 1), ((4, 4, 5), 2)])
def test_shortcut_is_a_projection_of_the_activated_input_where_it_changes(channels, stride):
    block, x = zeroed_last_conv(4, channels, stride=stride), torch.randn(2, 4, 7, 6)
    block.norm1.running_mean.copy_(torch.tensor([1.0, -1.0, 0.5, 0.0]))
    activated = (x - torch.tensor([1.0, -1.0, 0.5, 0.0]).view(1, 4, 1, 1)).clamp(min=0) / (1 + 1e-5) ** 0.5
    weight = block.projection.weight[..., 0, 0]
    expected = torch.einsum('oc,nchw->nohw', weight, activated[..., ::stride, ::stride])
    torch.testing.assert_close(block(x), expected)


def test_residual_branch_by_hand():
    """One channel, convolutions that keep their centre: 3 relu(2 relu(x)) beside x."""
    block, x = PreActivationBlock(1, (1, 1)).eval(), torch.tensor([-1.0, 0.0, 1.0, 2.0]).view(1, 1, 2, 2)
    for conv, factor in ((block.conv1, 2.0), (block.conv2, 3.0)):
        nn.init.zeros_(conv.weight)
        conv.weight.data[..., 1, 1] = factor
    torch.testing.assert_close(block(x).flatten(), torch.tensor([-1.0, 0.0, 7.0, 14.0]), rtol=1e-4, atol=0)
    nn.init.constant_(block.norm2.bias, -3.0)  # relu(2 relu(x) - 3)
    torch.testing.assert_close(block(x).flatten(), torch.tensor([-1.0, 0.0, 1.0, 5.0]), rtol=1e-4, atol=0)


@pytest.mark.parametrize('channels', [(4, 4), (4, 4, 4)])
def test_dropout_takes_whole_channels_before_the_last_convolution(channels):
    block = PreActivationBlock(4, channels, dropout=0.5)
    inputs = []
    block.get_submodule(f'conv{len(channels)}').register_forward_pre_hook(lambda module, args: inputs.append(args[0]))
    block(torch.randn(64, 4, 5, 5))
    dropped = (inputs[0] == 0).flatten(2).all(-1)
    assert 0.3 < dropped.float().mean() < 0.7
    block.dropout.eval()
    block(torch.randn(64, 4, 5, 5))
    assert not (inputs[1] == 0).flatten(2).all(-1).any()


def test_input_of_a_block_is_left_alone():
    block, x = randomize(PreActivationBlock(4, (4, 4))), torch.randn(1, 4, 5, 5)
    before = x.clone()
    block(x)
    assert torch.equal(x, before)


@pytest.mark.parametrize('size', [(64, 96), (65, 97), (71, 90), (8, 8)])
def test_strides(size):
    low_level, high_level = WideResNet38(NARROW).eval()(torch.zeros(2, 3, *size))
    assert low_level.shape == (2, 4, *(-(-length // 2) for length in size))
    assert high_level.shape == (2, 128, *(-(-length // 8) for length in size))


def test_outputs_are_those_of_modules_2_and_7():
    backbone = randomize(WideResNet38(NARROW)).eval()
    outputs = {}
    for name in ('module2', 'module7'):
        backbone.get_submodule(name)[-1].register_forward_hook(
            lambda module, args, output, name=name: outputs.update({name: output}))
    low_level, high_level = backbone(torch.randn(1, 3, 40, 40))
    assert low_level is outputs['module2']
    assert high_level is outputs['module7']
    assert high_level.min() < 0  # no norm and ReLU behind it


def test_blocks_are_as_drawn():
    backbone = WideResNet38(NARROW)
    strided = []
    for name, (num_convs, num_blocks, dilation) in DRAWN.items():
        blocks = backbone.get_submodule(name)
        assert len(blocks) == num_blocks
        for index, block in enumerate(blocks):
            convs = [block.get_submodule(f'conv{number + 1}') for number in range(num_convs)]
            assert block.num_convs == num_convs
            for conv in convs:
                assert conv.dilation == ((dilation,) * 2 if conv.kernel_size == (3, 3) else (1, 1))
                assert conv.bias is None
            strided += [(name, index) for conv in convs if conv.stride != (1, 1)]
            assert (block.projection is not None) == (index == 0)
    assert strided == [('module4', 0)]


def test_dropout_rates():
    for backbone, last in ((WideResNet38(NARROW), [0.3, 0.5]), (WideResNet38(NARROW, dropout=(0.1, 0.0)), [0.1, 0.0])):
        rates = [module.p for module in backbone.modules() if isinstance(module, nn.Dropout2d)]
        assert rates == [0.0] * 15 + last


def test_width():
    assert WideResNet38(NARROW).out_channels == (4, 128)
    with torch.device('meta'):
        assert WideResNet38().out_channels == (128, 4096)
    for width in (0, -1, 0.3, 1 / 128):
        with pytest.raises(ValueError, match=f'WideResNet38: width must be a positive multiple of 1/64, found {width}'):
            WideResNet38(width)


def test_registered_with_initialisation():
    backbone = MODELS.build(dict(type='WideResNet38', width=NARROW, norm_cfg=dict(type='SyncBN')))
    backbone.init_weights()
    norms = [module for module in backbone.modules() if isinstance(module, nn.SyncBatchNorm)]
    assert len(norms) == 15 * 2 + 2 * 3
    assert all((norm.weight == 1).all() and (norm.bias == 0).all() for norm in norms)
    weight = backbone.module7.block1.conv2.weight  # Kaiming by the number of outputs
    assert weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.05)
    assert backbone.eval()(torch.zeros(1, 3, 16, 16))[1].shape == (1, 128, 2, 2)


def test_training_drops_channels():
    backbone, x = randomize(WideResNet38(NARROW)).train(), torch.randn(2, 3, 32, 32)
    torch.manual_seed(0)
    (low_level, first), (again, second) = backbone(x), backbone(x)
    assert torch.equal(low_level, again)  # no dropout before module 6
    assert not torch.allclose(first, second)
    backbone.eval()
    assert torch.equal(backbone(x)[1], backbone(x)[1])


def trained(backbone, x, steps=2):
    """State, gradients and calls of each block after some steps."""
    calls = dict.fromkeys(DRAWN, 0)
    for name in DRAWN:
        backbone.get_submodule(name)[0].conv1.register_forward_hook(
            lambda module, args, output, name=name: calls.update({name: calls[name] + 1}))
    torch.manual_seed(1)
    for _ in range(steps):
        low_level, high_level = backbone(x)
        (low_level.square().mean() + high_level.square().mean()).backward()
    return backbone.state_dict(), {name: weight.grad for name, weight in backbone.named_parameters()}, calls


@pytest.mark.parametrize('momentum', [0.1, None])
def test_checkpointing_changes_neither_gradients_nor_running_statistics(momentum):
    x = torch.randn(2, 3, 33, 40)
    plain = randomize(WideResNet38(NARROW, norm_cfg=dict(type='BN', momentum=momentum))).train()
    saving = copy.deepcopy(plain)
    saving.with_cp = True
    state, gradients, calls = trained(plain, x)
    other_state, other_gradients, other_calls = trained(saving, x)
    assert set(calls.values()) == {2}
    assert set(other_calls.values()) == {4}  # once more for each backward pass
    torch.testing.assert_close(other_gradients, gradients)
    torch.testing.assert_close(other_state, state)
    assert state['module7.block1.norm1.num_batches_tracked'] == 2
    assert {module.momentum for module in saving.modules() if isinstance(module, nn.BatchNorm2d)} == {momentum}


def test_checkpointing_is_for_training_alone():
    backbone = randomize(WideResNet38(NARROW, with_cp=True)).eval()
    assert set(trained(backbone, torch.randn(2, 3, 33, 40))[2].values()) == {2}


def test_checkpointing_of_a_frozen_backbone():
    backbone = randomize(WideResNet38(NARROW, with_cp=True)).train().requires_grad_(False)
    low_level, high_level = backbone(torch.randn(2, 3, 32, 32))
    assert not low_level.requires_grad
    assert not high_level.requires_grad
