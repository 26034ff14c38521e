"""VoidClassifierLoss is the wrapped loss on labels whose outliers are the class behind the inlier classes."""
import pytest
import torch
from mmseg.registry import MODELS
from torch.nn.functional import cross_entropy

from mmseg_ood.segmentation.losses import VoidClassifierLoss

CROSS_ENTROPY = dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=0.7)


@pytest.fixture
def batch():
    """Logits of three classes and the outliers."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, 4, 6, generator=generator)
    labels = torch.tensor([0, 1, 2, 254, 255])[torch.randint(5, (2, 4, 6), generator=generator)]
    return logits, labels


def outliers_class_3(labels):
    return torch.where(labels == 254, 3, labels)


def test_is_the_cross_entropy_of_one_class_more(batch):
    logits, labels = batch
    loss = MODELS.build(dict(type='VoidClassifierLoss', num_classes=3, loss=CROSS_ENTROPY))
    expected = 0.7 * cross_entropy(logits, outliers_class_3(labels), ignore_index=255)
    assert loss(logits, labels, ignore_index=255).item() == pytest.approx(expected.item(), rel=1e-6)


def test_class_weights_hold_one_for_the_outliers(batch):
    logits, labels = batch
    weights = [0.5, 1.0, 2.0, 4.0]
    loss = VoidClassifierLoss(3, dict(type='CrossEntropyLoss', class_weight=weights, avg_non_ignore=True))
    expected = cross_entropy(logits, outliers_class_3(labels), torch.tensor(weights), ignore_index=255)
    assert loss(logits, labels, ignore_index=255).item() == pytest.approx(expected.item(), rel=1e-6)


def test_another_ood_and_ignore_index(batch):
    logits, labels = batch
    other = torch.where(labels == 254, 77, torch.where(labels == 255, 99, labels))
    value = VoidClassifierLoss(3, CROSS_ENTROPY, ood_index=77)(logits, other, ignore_index=99)
    assert value == VoidClassifierLoss(3, CROSS_ENTROPY)(logits, labels, ignore_index=255)


def test_samplers_get_the_loss_map(batch):
    logits, labels = batch
    losses = VoidClassifierLoss(3, CROSS_ENTROPY)(logits, labels, ignore_index=255, reduction_override='none')
    assert torch.equal(losses > 0, labels != 255)


def test_labels_are_not_modified(batch):
    before = batch[1].clone()
    VoidClassifierLoss(3, CROSS_ENTROPY)(*batch)
    assert torch.equal(batch[1], before)


def test_name_is_that_of_the_wrapped_loss():
    assert VoidClassifierLoss(3, CROSS_ENTROPY).loss_name == 'loss_ce'


@pytest.mark.parametrize('num_classes', [2, 4])
def test_a_head_of_another_number_of_channels(batch, num_classes):
    with pytest.raises(ValueError, match=rf'expected logits of {num_classes} inlier classes and one of outliers, found '
                                         rf'4 channels: set num_classes={num_classes + 1} in the head'):
        VoidClassifierLoss(num_classes, CROSS_ENTROPY)(*batch)


def test_inliers_that_would_pass_for_outliers(batch):
    logits, labels = batch
    with pytest.raises(ValueError, match=r'labels hold 3, which is the class of the outliers; expected 0..2, 254'):
        VoidClassifierLoss(3, CROSS_ENTROPY)(logits, outliers_class_3(labels))
