"""InlierLoss is the wrapped loss on labels whose outliers are void."""
import pytest
import torch
from mmseg.registry import MODELS

from mmseg_ood.segmentation.losses import InlierLoss

CROSS_ENTROPY = dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=0.7)
CLASS_WEIGHT = [0.5, 1.0, 2.0]


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 6, 8, generator=generator)
    labels = torch.tensor([0, 1, 2, 254, 255])[torch.randint(5, (2, 6, 8), generator=generator)]
    return logits, labels


def outliers_void(labels):
    return torch.where(labels == 254, 255, labels)


@pytest.mark.parametrize('loss', [
    CROSS_ENTROPY,
    dict(type='CrossEntropyLoss'),
    dict(type='CrossEntropyLoss', use_sigmoid=True),
    dict(type='DiceLoss'),
    dict(type='LovaszLoss', reduction='none'),
    dict(type='LovaszLoss', per_image=True),
    dict(type='TverskyLoss'),
], ids=lambda loss: loss['type'])
def test_equals_the_wrapped_loss_on_void(batch, loss):
    logits, labels = batch
    expected = MODELS.build(loss)(logits, outliers_void(labels), ignore_index=255)
    assert torch.equal(InlierLoss(loss)(logits, labels, ignore_index=255), expected)


def test_is_built_by_the_registry(batch):
    logits, labels = batch
    loss = MODELS.build(dict(type='InlierLoss', loss=CROSS_ENTROPY))
    expected = 0.7 * torch.nn.functional.cross_entropy(logits, outliers_void(labels), ignore_index=255)
    assert loss(logits, labels, ignore_index=255).item() == pytest.approx(expected.item())


@pytest.mark.parametrize('avg_non_ignore', [False, True])
def test_class_weights_do_not_meet_the_void(batch, avg_non_ignore):
    logits, labels = batch
    loss = InlierLoss(dict(type='CrossEntropyLoss', class_weight=CLASS_WEIGHT, avg_non_ignore=avg_non_ignore))
    expected = torch.nn.functional.cross_entropy(logits, outliers_void(labels), torch.tensor(CLASS_WEIGHT),
                                                 ignore_index=255)
    assert loss(logits, labels, ignore_index=255).item() == pytest.approx(expected.item(), rel=1e-6)


def test_class_weights_without_void_are_the_stock_loss(batch):
    logits, labels = batch
    loss = dict(type='CrossEntropyLoss', class_weight=CLASS_WEIGHT)
    torch.testing.assert_close(InlierLoss(loss)(logits, labels % 3), MODELS.build(loss)(logits, labels % 3))


@pytest.mark.parametrize('class_weight', [None, CLASS_WEIGHT])
def test_samplers_get_the_loss_map(batch, class_weight):
    logits, labels = batch
    loss = InlierLoss(dict(type='CrossEntropyLoss', class_weight=class_weight))
    losses = loss(logits, labels, ignore_index=255, reduction_override='none')
    assert losses.shape == labels.shape
    assert not losses[labels >= 254].any()
    assert (losses[labels < 254] > 0).all()


def test_pixel_weights_pass_through(batch):
    logits, labels = batch
    weight = torch.rand(labels.shape)
    losses = InlierLoss(dict(type='CrossEntropyLoss'))(logits, labels, weight=weight, ignore_index=255)
    expected = MODELS.build(dict(type='CrossEntropyLoss'))(logits, outliers_void(labels), weight=weight,
                                                           ignore_index=255)
    assert torch.equal(losses, expected)


def test_avg_factor_passes_through(batch):
    logits, labels = batch
    loss = InlierLoss(dict(type='CrossEntropyLoss', class_weight=CLASS_WEIGHT))
    sums = loss(logits, labels, ignore_index=255, reduction_override='sum')
    assert loss(logits, labels, ignore_index=255, avg_factor=10).item() == pytest.approx(sums.item() / 10)


def test_void_is_255_where_the_head_names_none(batch):
    assert torch.equal(InlierLoss(CROSS_ENTROPY)(*batch), InlierLoss(CROSS_ENTROPY)(*batch, ignore_index=255))


def test_a_loss_that_takes_nothing_but_logits_and_labels(batch):
    logits, labels = batch
    config = dict(type='OhemCrossEntropy', min_kept=5, loss_name='loss_ohem')
    assert torch.equal(InlierLoss(config)(logits, labels), MODELS.build(config)(logits, outliers_void(labels)))


def test_another_void_and_ood_index(batch):
    logits, labels = batch
    other = torch.where(labels == 254, 77, torch.where(labels == 255, 99, labels))
    value = InlierLoss(CROSS_ENTROPY, ood_index=77)(logits, other, ignore_index=99)
    assert torch.equal(value, InlierLoss(CROSS_ENTROPY)(logits, labels, ignore_index=255))


def test_outliers_alone_give_a_zero_with_a_graph():
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    value = InlierLoss(CROSS_ENTROPY)(logits, torch.full((1, 2, 2), 254), ignore_index=255)
    value.backward()
    assert value.item() == 0
    assert not logits.grad.any()


def test_labels_are_not_modified(batch):
    logits, labels = batch
    before = labels.clone()
    InlierLoss(CROSS_ENTROPY)(logits, labels, ignore_index=255)
    assert torch.equal(labels, before)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_logits(batch, dtype):
    logits, labels = batch
    for class_weight in (None, CLASS_WEIGHT):
        loss = InlierLoss({**CROSS_ENTROPY, 'class_weight': class_weight})
        value = loss(logits.to(dtype), labels, ignore_index=255)
        assert value.item() == pytest.approx(loss(logits, labels, ignore_index=255).item(), rel=0.02)


def test_name_is_that_of_the_wrapped_loss():
    assert InlierLoss(dict(type='DiceLoss', loss_name='loss_mine')).loss_name == 'loss_mine'
