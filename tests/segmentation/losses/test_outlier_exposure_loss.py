"""OutlierExposureLoss and EntropyMaximizationLoss against torch's cross-entropy and numbers derived by hand."""
import math

import pytest
import torch
from mmseg.registry import MODELS
from torch.nn.functional import cross_entropy

from mmseg_ood.segmentation.losses import EntropyMaximizationLoss, OutlierExposureLoss

CROSS_ENTROPY = dict(type='CrossEntropyLoss', avg_non_ignore=True)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, 3, 4, 6, generator=generator)
    labels = torch.tensor([0, 1, 2, 254, 255])[torch.randint(5, (2, 4, 6), generator=generator)]
    return logits, labels


def inlier_term(logits, labels):
    return cross_entropy(logits, torch.where(labels == 254, 255, labels), ignore_index=255).item()


def outlier_term(logits, labels):
    """Cross-entropy with the uniform distribution as a soft target."""
    outliers = logits.movedim(1, -1)[labels == 254]
    return cross_entropy(outliers, torch.full_like(outliers, 1 / logits.shape[1])).item()


def without_outliers(labels):
    return torch.where(labels == 254, 255, labels)


def test_outlier_exposure_is_half_the_uniform_cross_entropy(batch):
    loss = MODELS.build(dict(type='OutlierExposureLoss'))
    assert loss(*batch).item() == pytest.approx(0.5 * outlier_term(*batch), rel=1e-6)
    assert OutlierExposureLoss(loss_weight=2.0)(*batch).item() == pytest.approx(2 * outlier_term(*batch), rel=1e-6)


def test_entropy_maximization_combines_both_terms(batch):
    loss = MODELS.build(dict(type='EntropyMaximizationLoss', loss=CROSS_ENTROPY))
    expected = 0.1 * inlier_term(*batch) + 0.9 * outlier_term(*batch)
    assert loss(*batch, ignore_index=255).item() == pytest.approx(expected, rel=1e-6)
    loss = EntropyMaximizationLoss(CROSS_ENTROPY, outlier_weight=0.25)
    expected = 0.75 * inlier_term(*batch) + 0.25 * outlier_term(*batch)
    assert loss(*batch).item() == pytest.approx(expected, rel=1e-6)


def test_entropy_maximization_by_hand():
    # Inlier of class 0 with p = 1/4, outlier with p = (1/4, 3/4).
    logits = torch.tensor([[0.0, math.log(3)], [0.0, math.log(3)]]).T[None, :, None]
    value = EntropyMaximizationLoss(CROSS_ENTROPY)(logits, torch.tensor([[[0, 254]]]))
    assert value.item() == pytest.approx(0.1 * math.log(4) + 0.9 * (math.log(4) + math.log(4 / 3)) / 2, rel=1e-6)


def test_without_outliers(batch):
    logits, labels = batch[0], without_outliers(batch[1])
    assert OutlierExposureLoss()(logits, labels).item() == 0
    expected = 0.1 * inlier_term(logits, labels)
    assert EntropyMaximizationLoss(CROSS_ENTROPY)(logits, labels).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize('label', [254, 255])
@pytest.mark.parametrize('loss', [OutlierExposureLoss(), EntropyMaximizationLoss(CROSS_ENTROPY)])
def test_without_inliers_values_and_gradients_are_finite(loss, label):
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    value = loss(logits, torch.full((1, 2, 2), label))
    value.backward()
    assert (value.item() > 0) == (label == 254)
    assert torch.isfinite(logits.grad).all()
    assert logits.grad.any() == (label == 254)


def test_samplers_rank_by_the_segmentation_loss_alone(batch):
    logits, labels = batch
    assert not OutlierExposureLoss()(logits, labels, reduction_override='none').any()
    losses = EntropyMaximizationLoss(CROSS_ENTROPY)(logits, labels, ignore_index=255, reduction_override='none')
    expected = 0.1 * cross_entropy(logits, without_outliers(labels), ignore_index=255, reduction='none')
    torch.testing.assert_close(losses, expected)


def test_pixel_weights_are_those_of_the_segmentation_loss(batch):
    logits, labels = batch
    loss = EntropyMaximizationLoss(CROSS_ENTROPY)
    none = loss(logits, labels, weight=torch.zeros(labels.shape), ignore_index=255)
    assert none.item() == pytest.approx(0.9 * outlier_term(logits, labels), rel=1e-6)


def test_another_ood_and_ignore_index(batch):
    logits, labels = batch
    other = torch.where(labels == 254, 200, torch.where(labels == 255, 250, labels))
    for build in (OutlierExposureLoss, lambda **kwargs: EntropyMaximizationLoss(CROSS_ENTROPY, **kwargs)):
        assert build(ood_index=200)(logits, other, ignore_index=250) == build()(logits, labels, ignore_index=255)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('loss', [OutlierExposureLoss(), EntropyMaximizationLoss(CROSS_ENTROPY)])
def test_half_precision_logits(batch, loss, dtype):
    logits, labels = batch
    assert loss(logits.to(dtype), labels).item() == pytest.approx(loss(logits, labels).item(), rel=0.02)


@pytest.mark.parametrize('loss', [OutlierExposureLoss(), EntropyMaximizationLoss(CROSS_ENTROPY)])
def test_labels_are_not_modified(batch, loss):
    before = batch[1].clone()
    loss(*batch)
    assert torch.equal(batch[1], before)


def test_names_in_the_log():
    assert OutlierExposureLoss().loss_name == 'loss_outlier_exposure'
    assert EntropyMaximizationLoss(CROSS_ENTROPY).loss_name == 'loss_entropy_maximization'
    assert EntropyMaximizationLoss(CROSS_ENTROPY, loss_name='loss_mine').loss_name == 'loss_mine'


@pytest.mark.parametrize('share', [-0.1, 1.5, math.nan])
def test_shares_beyond_0_and_1(share):
    with pytest.raises(ValueError, match=f'outlier_weight must be between 0 and 1, found {share}'):
        EntropyMaximizationLoss(CROSS_ENTROPY, outlier_weight=share)
