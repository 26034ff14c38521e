"""Losses against slow oracles written from the formulas, value and gradient, and what they say about bad input."""
import json
import math

import mmseg.registry
import numpy as np
import pytest
import torch
from mmengine.registry import MODELS

import mmseg_ood.segmentation
from mmseg_ood.classification import losses
from mmseg_ood.classification.losses import (
    BalancedEnergyLoss,
    EnergyLoss,
    InlierCrossEntropyLoss,
    OutlierExposureLoss,
)
from mmseg_ood.core import PRIORS

PRIOR = [0.5, 0.3, 0.15, 0.05]
COUNTS = [100, 30, 9, 2]
MARGINS = dict(m_in=-6.0, m_out=-2.0)
BALANCE = dict(alpha=5.0, gamma_margin=3.0, gamma_weight=1.5)
ALL = {
    'cross-entropy': lambda: InlierCrossEntropyLoss(),
    'adjusted cross-entropy': lambda: InlierCrossEntropyLoss(COUNTS, tau=1.5),
    'energy': lambda: EnergyLoss(**MARGINS),
    'balanced energy': lambda: BalancedEnergyLoss(PRIOR, **MARGINS, **BALANCE),
    'outlier exposure': lambda: OutlierExposureLoss(),
}


def batch(dtype=torch.float64, size=24):
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(size, 4, generator=generator, dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 3, -1, -1])[torch.randint(6, (size,), generator=generator)]
    return logits.to(dtype), labels


def log_softmax(row):
    return row - np.log(np.exp(row).sum())


def energy_oracle(logits, labels, prior=None, alpha=0.0, gamma_margin=0.0, gamma_weight=0.0, temperature=1.0):
    """``L_in + L_out``, one image after another."""
    inlier, weighted, weights = [], [], []
    for row, label in zip(logits.numpy(), labels.tolist(), strict=True):
        energy = -temperature * math.log(sum(math.exp(value / temperature) for value in row))
        if label >= 0:
            inlier.append(max(energy + 6.0, 0.0) ** 2)
            continue
        z = {gamma: sum(math.exp(log_softmax(row)[k]) * prior[k] ** gamma for k in range(4))
             / sum(p ** gamma for p in prior) if prior else 1.0 for gamma in (gamma_margin, gamma_weight)}
        weights.append(z[gamma_weight])
        weighted.append(z[gamma_weight] * max(-2.0 + alpha * z[gamma_margin] - energy, 0.0) ** 2)
    return sum(inlier) / len(inlier) + sum(weighted) / sum(weights)


def cross_entropy_oracle(logits, labels, shift=(0.0, 0.0, 0.0, 0.0)):
    values = [-log_softmax(row + np.array(shift))[label]
              for row, label in zip(logits.numpy(), labels.tolist(), strict=True) if label >= 0]
    return sum(values) / len(values)


def exposure_oracle(logits, labels):
    values = [-log_softmax(row).mean() for row, label in zip(logits.numpy(), labels.tolist(), strict=True)
              if label == -1]
    return sum(values) / len(values)


def test_cross_entropy_of_the_inliers_equals_oracle():
    logits, labels = batch()
    assert InlierCrossEntropyLoss()(logits, labels).item() == pytest.approx(cross_entropy_oracle(logits, labels))


def test_logit_adjustment_equals_oracle():
    logits, labels = batch()
    shift = [1.5 * math.log(count / 141) for count in COUNTS]
    ours = InlierCrossEntropyLoss(COUNTS, tau=1.5)(logits, labels).item()
    assert ours == pytest.approx(cross_entropy_oracle(logits, labels, shift))
    assert ours != pytest.approx(cross_entropy_oracle(logits, labels))


def test_logit_adjustment_by_hand():
    """Equal logits: the loss is that of the training frequencies, -log of 90 % and of 10 %."""
    loss = InlierCrossEntropyLoss(class_counts=[90, 10])
    assert loss(torch.zeros(1, 2), torch.tensor([0])).item() == pytest.approx(-math.log(0.9))
    assert loss(torch.zeros(1, 2), torch.tensor([1])).item() == pytest.approx(-math.log(0.1))


def test_tau_0_and_equal_counts_adjust_nothing():
    logits, labels = batch()
    plain = InlierCrossEntropyLoss()(logits, labels)
    torch.testing.assert_close(InlierCrossEntropyLoss(COUNTS, tau=0.0)(logits, labels), plain)
    torch.testing.assert_close(InlierCrossEntropyLoss([7, 7, 7, 7])(logits, labels), plain)


@pytest.mark.parametrize('temperature', [1.0, 2.0])
def test_energy_is_the_sum_of_both_terms(temperature):
    logits, labels = batch()
    ours = EnergyLoss(**MARGINS, temperature=temperature)(logits, labels)
    assert ours.item() == pytest.approx(0.1 * energy_oracle(logits, labels, temperature=temperature))


@pytest.mark.parametrize('temperature', [1.0, 2.0])
def test_balanced_energy_equals_oracle(temperature):
    logits, labels = batch()
    ours = BalancedEnergyLoss(PRIOR, **MARGINS, **BALANCE, temperature=temperature)(logits, labels)
    expected = energy_oracle(logits, labels, PRIOR, **BALANCE, temperature=temperature)
    assert ours.item() == pytest.approx(0.1 * expected)


def test_balanced_energy_without_alpha_and_gamma_is_plain():
    logits, labels = batch()
    balanced = BalancedEnergyLoss(PRIOR, **MARGINS, alpha=0.0, gamma_margin=3.0, gamma_weight=0.0)
    torch.testing.assert_close(balanced(logits, labels), EnergyLoss(**MARGINS)(logits, labels))


def test_outlier_exposure_equals_oracle():
    logits, labels = batch()
    assert OutlierExposureLoss()(logits, labels).item() == pytest.approx(0.5 * exposure_oracle(logits, labels))


@pytest.mark.parametrize('name', ALL)
def test_gradcheck(name):
    logits, labels = batch(size=10)
    assert torch.autograd.gradcheck(lambda f: ALL[name]()(f, labels), logits.requires_grad_())


def test_detached_prior_changes_the_gradient_alone():
    logits, labels = batch()
    values, gradients = [], []
    for detach in (False, True):
        f = logits.clone().requires_grad_()
        value = BalancedEnergyLoss(PRIOR, **MARGINS, **BALANCE, detach_prior=detach)(f, labels)
        value.backward()
        values.append(value.item())
        gradients.append(f.grad)
    assert values[0] == values[1]
    assert not torch.allclose(*gradients)


@pytest.mark.parametrize('name', ALL)
def test_weight_is_a_factor_and_the_name_is_kept(name):
    logits, labels = batch()
    loss = ALL[name]()
    before, loss.loss_weight = loss(logits, labels) / loss.loss_weight, 3.0
    torch.testing.assert_close(loss(logits, labels), 3 * before)
    assert loss.loss_name.startswith('loss_')


@pytest.mark.parametrize('name', ALL)
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
def test_narrow_types_are_reduced_in_float32(name, dtype):
    logits, labels = batch(dtype)
    value = ALL[name]()(logits, labels)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(ALL[name]()(logits.double(), labels).item(), rel=1e-5)


@pytest.mark.parametrize(('name', 'label'), [('cross-entropy', -1), ('adjusted cross-entropy', -1),
                                             ('outlier exposure', 2)])
def test_nothing_to_do_is_an_exact_zero_with_a_graph(name, label):
    logits = torch.randn(3, 4, requires_grad=True)
    value = ALL[name]()(logits, torch.full((3,), label))
    value.backward()
    assert value.item() == 0.0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


@pytest.mark.parametrize('name', ['energy', 'balanced energy'])
def test_energy_of_a_batch_without_outliers_is_the_inlier_term(name):
    logits, labels = batch()
    inliers = labels >= 0
    alone = ALL[name]()(logits[inliers], labels[inliers]).item()
    energies = -torch.logsumexp(logits[inliers], 1)
    assert alone == pytest.approx(0.1 * torch.relu(energies + 6.0).square().mean().item())


@pytest.mark.parametrize('name', ALL)
def test_labels_are_not_modified(name):
    logits, labels = batch()
    before = labels.clone()
    ALL[name]()(logits, labels)
    assert torch.equal(labels, before)


@pytest.mark.parametrize('name', ALL)
def test_nothing_is_added_to_a_checkpoint(name):
    assert not ALL[name]().state_dict()


def test_prior_by_name_and_file(tmp_path):
    assert BalancedEnergyLoss('cifar10-lt-300k', **MARGINS, **BALANCE).prior.tolist() == pytest.approx(
        PRIORS['cifar10-lt-300k'])
    (tmp_path / 'prior.json').write_text(json.dumps({'prior': PRIOR}))
    assert BalancedEnergyLoss(str(tmp_path / 'prior.json'), **MARGINS, **BALANCE).prior.tolist() == PRIOR


@pytest.mark.parametrize('name', ['EnergyLoss', 'BalancedEnergyLoss', 'OutlierExposureLoss'])
def test_registered_beside_those_of_segmentation(name):
    """Both wings are imported here: each scope has its own losses of the same names."""
    assert MODELS.get(name) is getattr(losses, name)
    assert mmseg.registry.MODELS.get(name) is getattr(mmseg_ood.segmentation.losses, name)


@pytest.mark.parametrize('name', ALL)
@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_logits_that_are_not_finite(name, value):
    logits, labels = batch()
    logits[labels.argmax(), 1] = value
    with pytest.raises(ValueError, match='1 of 96 logits are not finite'):
        ALL[name]()(logits, labels)


@pytest.mark.parametrize('name', ALL)
@pytest.mark.parametrize('label', [4, -2, 254])
def test_unknown_labels(name, label):
    with pytest.raises(ValueError, match=rf'values \[{label}\], expected 0..3, -1 \(outlier\)'):
        ALL[name]()(torch.zeros(2, 4), torch.tensor([0, label]))


@pytest.mark.parametrize(('name', 'message'), [
    ('balanced energy', 'BalancedEnergyLoss: prior has 4 classes, the logits have 10'),
    ('adjusted cross-entropy', 'InlierCrossEntropyLoss: class_counts has 4 classes, the logits have 10'),
])
def test_wrong_number_of_classes(name, message):
    with pytest.raises(ValueError, match=message):
        ALL[name]()(torch.zeros(2, 10), torch.tensor([0, -1]))


@pytest.mark.parametrize(('build', 'message'), [
    (lambda: InlierCrossEntropyLoss([5, 0, 3]), 'class_counts must be positive, found 0 for class 1'),
    (lambda: InlierCrossEntropyLoss([5, 3], tau=-1.0), 'tau must not be negative, found -1.0'),
    (lambda: EnergyLoss(m_in=-5.0, m_out=-23.0), 'EnergyLoss: m_in=-5.0 must be below m_out=-23.0'),
    (lambda: BalancedEnergyLoss(PRIOR, -2.0, -6.0, **BALANCE), 'BalancedEnergyLoss: m_in=-2.0 must be below'),
    (lambda: BalancedEnergyLoss(PRIOR, **MARGINS, alpha=1.0, gamma_margin=-1.0, gamma_weight=1.0),
     'gamma_margin must not be negative, found -1.0'),
    (lambda: BalancedEnergyLoss(PRIOR, **MARGINS, alpha=1.0, gamma_margin=1.0, gamma_weight=-1.0),
     'gamma_weight must not be negative, found -1.0'),
    (lambda: BalancedEnergyLoss([0.5, -0.5], **MARGINS, **BALANCE), 'must be finite and not negative'),
])
def test_bad_configs(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_unknown_prior():
    with pytest.raises(FileNotFoundError, match='cifar10-300K.* is neither a file nor a published prior'):
        BalancedEnergyLoss('cifar10-300K', **MARGINS, **BALANCE)
