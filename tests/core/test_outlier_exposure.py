"""Uniform cross-entropy of outliers against a slow float64 oracle and numbers derived by hand."""
import math

import pytest
import torch

from mmseg_ood.core import entropy_maximization, outlier_exposure

pytestmark = pytest.mark.parametrize('function', [entropy_maximization, outlier_exposure])


def batch(*spatial, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, 4, *spatial, generator=generator, dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 3, 254, 254, 255])[torch.randint(7, (2, *spatial), generator=generator)]
    labels.view(-1)[0] = 254
    return logits.to(dtype), labels


def oracle(logits, labels):
    """One outlier after another, in plain Python floats of the autograd graph."""
    losses = []
    for row, label in zip(logits.movedim(1, -1).reshape(-1, logits.shape[1]), labels.flatten().tolist(), strict=True):
        if label == 254:
            total = sum(torch.exp(value) for value in row)
            losses.append(-sum(torch.log(torch.exp(value) / total) for value in row) / len(row))
    return sum(losses) / len(losses)


@pytest.mark.parametrize('spatial', [(), (5,), (3, 4), (2, 3, 2)])
def test_equals_oracle(function, spatial):
    logits, labels = batch(*spatial)
    values, gradients = [], []
    for term in (lambda f: function(f, labels, ood_index=254), lambda f: oracle(f, labels)):
        leaf = logits.clone().requires_grad_()
        values.append(term(leaf))
        values[-1].backward()
        gradients.append(leaf.grad)
    assert values[0].item() == pytest.approx(values[1].item(), rel=1e-12)
    torch.testing.assert_close(*gradients)


def test_by_hand(function):
    # softmax of log 1, log 3 is 1/4, 3/4.
    logits = torch.tensor([[0.0, math.log(3)], [50.0, 0.0]], dtype=torch.float64)
    value = function(logits, torch.tensor([254, 0]), ood_index=254)
    assert value.item() == pytest.approx((math.log(4) + math.log(4 / 3)) / 2)


def test_uniform_predictions_are_the_minimum(function):
    logits = torch.zeros(3, 5, dtype=torch.float64, requires_grad=True)
    value = function(logits, torch.full((3,), 254), ood_index=254)
    value.backward()
    assert value.item() == pytest.approx(math.log(5))
    assert logits.grad.abs().max() < 1e-15


def test_only_outliers_have_a_gradient(function):
    logits, labels = batch(5, 5)
    logits.requires_grad_()
    function(logits, labels, ood_index=254).backward()
    assert torch.equal(logits.grad.abs().sum(1) > 0, labels == 254)


def test_gradcheck(function):
    logits, labels = batch(3)
    assert torch.autograd.gradcheck(lambda f: function(f, labels, ood_index=254), logits.requires_grad_())


@pytest.mark.parametrize('label', [0, 255])
def test_without_outliers_an_exact_zero_with_a_graph(function, label):
    logits = torch.randn(2, 4, 3, 3, requires_grad=True)
    value = function(logits, torch.full((2, 3, 3), label), ood_index=254)
    value.backward()
    assert value.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
def test_narrow_types_are_reduced_in_float32(function, dtype):
    logits, labels = batch(16, 16, dtype=dtype)
    value = function(logits, labels, ood_index=254)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(function(logits.double(), labels, ood_index=254).item(), rel=1e-5)


def test_extreme_logits(function):
    logits = torch.tensor([[3e4, -3e4]], dtype=torch.float16, requires_grad=True)
    value = function(logits, torch.tensor([254]), ood_index=254)
    value.backward()
    assert value.item() == pytest.approx(3e4, rel=1e-3)
    assert torch.isfinite(logits.grad).all()


def test_classification_labels_are_not_modified(function):
    logits, labels = torch.randn(4, 3), torch.tensor([0, -1, 2, -1])
    before = labels.clone()
    assert function(logits, labels, ood_index=-1) == function(logits[[3, 1]], labels[[3, 1]], ood_index=-1)
    assert torch.equal(labels, before)


@pytest.mark.parametrize(('labels', 'message'), [
    ([0, 4], r'values \[4\], expected 0..3'),
    ([0], r'shape \(1,\), expected \(2,\)'),
])
def test_labels_that_do_not_fit(function, labels, message):
    with pytest.raises(ValueError, match=message):
        function(torch.zeros(2, 4), torch.tensor(labels), ood_index=254)


def test_logits_that_are_not_finite(function):
    with pytest.raises(ValueError, match='1 of 2 logits are not finite'):
        function(torch.tensor([[0.0, math.inf]]), torch.tensor([0]), ood_index=254)
