"""DeepLabV3PlusWideHead: its structure, its outputs beside the classes, and its place in a stock segmentor."""
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

from mmseg_ood.core import balanced_energy_regularization, load_prior
from mmseg_ood.segmentation.decode_heads import DeepLabV3PlusWideHead

CONFIG = Path(__file__).parents[3] / 'configs/_base_/models/deeplabv3plus_wrn38.py'
NARROW = dict(in_channels=(4, 128), channels=8, low_level_channels=3)
LOSSES = [
    dict(type='InlierLoss', loss=dict(type='CrossEntropyLoss', avg_non_ignore=True)),
    dict(type='BalancedEnergyLoss', prior='cityscapes-coco', num_classes=19),
]


def features(height=9, width=13, num_images=2):
    torch.manual_seed(0)
    return torch.randn(num_images, 4, 4 * height - 1, 4 * width), torch.randn(num_images, 128, height, width)


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmseg')


def narrow_segmentor(**head):
    config = Config.fromfile(CONFIG).model
    config.backbone.update(width=1 / 32)
    config.decode_head.update(**NARROW, **head)
    config.data_preprocessor.size = (48, 64)
    torch.manual_seed(0)
    segmentor = MODELS.build(config)
    for parameter in segmentor.parameters():
        if parameter.ndim > 1:
            nn.init.kaiming_normal_(parameter)
    return segmentor


def test_parameters_of_the_full_network():
    with torch.device('meta'):
        segmentor = MODELS.build(Config.fromfile(CONFIG).model)
    assert sum(parameter.numel() for parameter in segmentor.parameters()) == 137_104_192
    assert len(segmentor.state_dict()) == 268  # with num_batches_tracked of the 43 norms
    assert (segmentor.num_classes, segmentor.out_channels) == (19, 20)


def test_logits_have_the_resolution_of_the_low_level_features():
    head = DeepLabV3PlusWideHead(**NARROW, num_classes=19).eval()
    assert head(features()).shape == (2, 19, 35, 52)


def test_inputs_are_chosen_by_position():
    head = DeepLabV3PlusWideHead(**NARROW, num_classes=19, in_index=(1, 3)).eval()
    low_level, high_level = features()
    chosen = head([None, low_level, None, high_level])
    head.in_index = [0, 1]
    assert torch.equal(chosen, head([low_level, high_level]))


def test_image_pool_comes_first():
    """With a projection that keeps the first branch alone, the context is one value an image."""
    head = DeepLabV3PlusWideHead(**NARROW, num_classes=19).eval()
    inputs = []
    head.final.register_forward_pre_hook(lambda module, args: inputs.append(args[0]))
    head.project.weight.data = torch.eye(8, 40).view(8, 40, 1, 1)
    low_level, high_level = features()
    head((low_level, high_level))
    pooled = head.image_pool(high_level.mean((2, 3), keepdim=True))
    torch.testing.assert_close(inputs[0][:, 3:], pooled.expand(-1, -1, *low_level.shape[2:]))
    torch.testing.assert_close(inputs[0][:, :3], head.low_level(low_level))


def test_branches_are_as_drawn():
    head = DeepLabV3PlusWideHead(num_classes=19, **NARROW)
    assert [(branch.conv.kernel_size[0], branch.conv.dilation[0]) for branch in head.aspp] == [
        (1, 1), (3, 12), (3, 24), (3, 36)]
    assert all(module.bias is None for module in head.modules() if isinstance(module, nn.Conv2d))
    assert head.dropout is None


def test_upsampling_aligns_corners():
    """What reaches the corners of the low-level grid are the corners of the context."""
    head = DeepLabV3PlusWideHead(**NARROW, num_classes=19).eval()
    inputs, context = [], []
    head.final.register_forward_pre_hook(lambda module, args: inputs.append(args[0]))
    head.project.register_forward_hook(lambda module, args, output: context.append(output))
    head(features())
    torch.testing.assert_close(inputs[0][:, 3:, ::34, ::51], context[0][..., ::8, ::12])
    assert head.align_corners


def test_outputs_beside_the_classes():
    head = DeepLabV3PlusWideHead(**NARROW, num_classes=19, out_channels=20)
    assert (head.num_classes, head.out_channels, head.conv_seg.out_channels) == (19, 20, 20)
    with pytest.raises(ValueError, match='out_channels=18 is less than num_classes=19'):
        DeepLabV3PlusWideHead(**NARROW, num_classes=19, out_channels=18)


def test_classifier_is_initialised_as_in_every_head():
    head = DeepLabV3PlusWideHead(in_channels=(4, 128), channels=256, num_classes=19, out_channels=20)
    torch.manual_seed(0)
    head.init_weights()
    assert head.conv_seg.weight.std().item() == pytest.approx(0.01, rel=0.05)


def batch(labels):
    """Random images and their samples, as a data preprocessor gives them."""
    samples = []
    for label in labels:
        sample = SegDataSample(gt_sem_seg=PixelData(data=label[None]))
        sample.set_metainfo(dict(img_shape=label.shape, ori_shape=label.shape, pad_shape=label.shape))
        samples.append(sample)
    return torch.randn(len(labels), 3, *labels.shape[1:]), samples


@pytest.fixture
def labels():
    torch.manual_seed(3)
    labels = torch.randint(0, 19, (2, 45, 61))
    labels[0, 10:20, 10:30] = 254
    labels[:, :5] = 255
    return labels


def test_losses_by_hand(labels):
    segmentor = narrow_segmentor(loss_decode=LOSSES).eval()
    images, samples = batch(labels)
    losses = segmentor.loss(images, samples)
    logits = segmentor.decode_head(segmentor.backbone(images))
    logits = F.interpolate(logits, labels.shape[1:], mode='bilinear', align_corners=True)
    cross_entropy = F.cross_entropy(logits, torch.where(labels == 254, 255, labels), ignore_index=255)
    energy = balanced_energy_regularization(
        logits[:, :19], labels, prior=load_prior('cityscapes-coco'), m_in=-12.0, m_out=-6.0, alpha=5.0,
        gamma_margin=3.0, gamma_weight=3.0, ood_index=254)
    torch.testing.assert_close(losses['decode.loss_ce'], cross_entropy)
    torch.testing.assert_close(losses['decode.loss_energy'], 0.1 * 0.5 * (energy.inlier + energy.outlier))
    # MMSegmentation counts outlier pixels as wrong.
    expected = 100 * (logits.argmax(1) == labels)[labels != 255].float().mean()
    torch.testing.assert_close(losses['decode.acc_seg'].squeeze(), expected)


def test_the_further_output_learns_from_the_cross_entropy_alone(labels):
    segmentor = narrow_segmentor(loss_decode=LOSSES).train()
    losses = segmentor.loss(*batch(labels))
    losses['decode.loss_energy'].backward(retain_graph=True)
    gradient = segmentor.decode_head.conv_seg.weight.grad.flatten(1)
    assert (gradient[19] == 0).all()
    assert (gradient[:19] != 0).any(1).all()
    losses['decode.loss_ce'].backward()
    assert (segmentor.decode_head.conv_seg.weight.grad[19] != 0).any()
    assert all(parameter.grad is not None for parameter in segmentor.parameters())


def test_prediction_has_all_outputs_at_full_resolution(labels):
    segmentor = narrow_segmentor(loss_decode=LOSSES).eval()
    images, samples = batch(labels)
    with torch.no_grad():
        logits = F.interpolate(segmentor.decode_head(segmentor.backbone(images)), images.shape[2:], mode='bilinear',
                               align_corners=True)
        predicted = segmentor.predict(images, samples)
    for sample, expected in zip(predicted, logits, strict=True):
        torch.testing.assert_close(sample.seg_logits.data, expected)
        assert torch.equal(sample.pred_sem_seg.data[0], expected.argmax(0))


def test_slide_inference(labels):
    segmentor = narrow_segmentor(loss_decode=LOSSES).eval()
    segmentor.test_cfg = Config(dict(mode='slide', crop_size=(32, 32), stride=(16, 16)))
    images, samples = batch(labels)
    with torch.no_grad():
        predicted = segmentor.predict(images, samples)
    assert predicted[0].seg_logits.data.shape == (20, 45, 61)
