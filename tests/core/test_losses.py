"""Energy regularisers against a slow float64 oracle written from the formulas, value and gradient."""
import math

import pytest
import torch

from mmseg_ood.core import (
    balanced_energy_regularization,
    energy_regularization,
    energy_smoothness,
    energy_sparsity,
)

PRIOR = torch.tensor([0.5, 0.3, 0.15, 0.05], dtype=torch.float64)
MARGINS = dict(m_in=-6.0, m_out=-2.0, ood_index=254)
BALANCE = dict(alpha=5.0, gamma_margin=3.0, gamma_weight=1.5)


def batch(*spatial, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(2, 4, *spatial, generator=generator, dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 3, 254, 254, 255])[torch.randint(7, (2, *spatial), generator=generator)]
    labels.view(-1)[:2] = torch.tensor([1, 254])  # neither set is empty, whatever the shape
    return logits.to(dtype), labels


def oracle(logits, labels, prior=None, alpha=0.0, gamma_margin=0.0, gamma_weight=0.0, m_in=-6.0, m_out=-2.0,
           temperature=1.0):
    """One sample after another, in plain Python floats of the autograd graph."""
    rows, flat = logits.movedim(1, -1).reshape(-1, logits.shape[1]), labels.reshape(-1).tolist()
    inlier, weighted, weights = [], [], []
    for row, label in zip(rows, flat, strict=True):
        if label == 255:
            continue
        energy = -temperature * sum(torch.exp(value / temperature) for value in row).log()
        if label != 254:
            inlier.append(max(energy - m_in, 0 * energy) ** 2)
            continue
        probabilities = [torch.exp(value) / sum(torch.exp(other) for other in row) for value in row]

        def z(gamma, probabilities=probabilities):
            if prior is None:
                return 1.0
            total = sum(float(p) ** gamma for p in prior)
            return sum(q * (float(p) ** gamma / total) for q, p in zip(probabilities, prior, strict=True))

        weights.append(z(gamma_weight))
        margin = m_out + alpha * z(gamma_margin)
        weighted.append(z(gamma_weight) * max(margin - energy, 0 * energy) ** 2)
    return sum(inlier) / len(inlier), sum(weighted) / sum(weights)


def gradient(function, logits):
    logits = logits.clone().requires_grad_()
    terms = function(logits)
    (terms[0] + 2 * terms[1]).backward()
    return terms[0].item(), terms[1].item(), logits.grad


@pytest.mark.parametrize('spatial', [(), (5,), (3, 4), (2, 3, 2)])
def test_plain_equals_oracle(spatial):
    logits, labels = batch(*spatial)
    ours = gradient(lambda f: energy_regularization(f, labels, **MARGINS), logits)
    expected = gradient(lambda f: oracle(f, labels), logits)
    assert ours[:2] == pytest.approx(expected[:2], rel=1e-12)
    torch.testing.assert_close(ours[2], expected[2])


@pytest.mark.parametrize('spatial', [(), (5,), (3, 4), (2, 3, 2)])
def test_balanced_equals_oracle(spatial):
    logits, labels = batch(*spatial)
    ours = gradient(lambda f: balanced_energy_regularization(f, labels, prior=PRIOR, **BALANCE, **MARGINS), logits)
    expected = gradient(lambda f: oracle(f, labels, PRIOR, **BALANCE), logits)
    assert ours[:2] == pytest.approx(expected[:2], rel=1e-12)
    torch.testing.assert_close(ours[2], expected[2])


def test_temperature_reaches_the_energy_only():
    logits, labels = batch(3, 4)
    ours = balanced_energy_regularization(logits, labels, prior=PRIOR, temperature=2.0, **BALANCE, **MARGINS)
    expected = oracle(logits, labels, PRIOR, temperature=2.0, **BALANCE)
    assert [term.item() for term in ours] == pytest.approx([float(term) for term in expected], rel=1e-12)


def test_balanced_without_alpha_and_gamma_is_plain():
    logits, labels = batch(6, 6)
    balanced = balanced_energy_regularization(logits, labels, prior=PRIOR, alpha=0, gamma_margin=3, gamma_weight=0,
                                              **MARGINS)
    torch.testing.assert_close(balanced, energy_regularization(logits, labels, **MARGINS))


def test_uniform_prior_shifts_the_margin_by_alpha_over_num_classes():
    logits, labels = batch(6, 6)
    balanced = balanced_energy_regularization(logits, labels, prior=torch.ones(4), **BALANCE, **MARGINS)
    plain = energy_regularization(logits, labels, m_in=-6.0, m_out=-2.0 + 5.0 / 4, ood_index=254)
    torch.testing.assert_close(balanced, plain)


def test_majority_class_is_pushed_harder():
    logits = torch.tensor([[4.0, 0, 0, 0], [0, 0, 0, 4.0]], dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([254, 254])
    balanced_energy_regularization(logits, labels, prior=PRIOR, **BALANCE, **MARGINS).outlier.backward()
    assert logits.grad[0].abs().sum() > 5 * logits.grad[1].abs().sum()


def test_detached_prior_has_the_value_but_not_the_gradient_of_z():
    logits, labels = batch(4, 4)

    def terms(detach):
        return gradient(lambda f: balanced_energy_regularization(f, labels, prior=PRIOR, detach_prior=detach, **BALANCE,
                                                                 **MARGINS), logits)

    attached, detached = terms(False), terms(True)
    assert attached[:2] == detached[:2]
    # With Z constant only the energies remain, whose gradient is a multiple of the softmax.
    outlier_gradient = detached[2].movedim(1, -1)[labels == 254]
    ratio = outlier_gradient / torch.softmax(logits, 1).movedim(1, -1)[labels == 254]
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio))
    assert not torch.allclose(attached[2], detached[2])


def test_gradcheck():
    logits, labels = batch(3)
    assert torch.autograd.gradcheck(
        lambda f: balanced_energy_regularization(f, labels, prior=PRIOR, **BALANCE, **MARGINS),
        logits.requires_grad_())


def test_void_takes_no_part():
    logits, labels = batch(5, 5)
    other = logits.clone()
    other.movedim(1, -1)[labels == 255] += 100.0
    torch.testing.assert_close(energy_regularization(other, labels, **MARGINS),
                               energy_regularization(logits, labels, **MARGINS), rtol=0, atol=0)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
def test_narrow_types_are_reduced_in_float32(dtype):
    logits, labels = batch(32, 32, dtype=dtype)
    terms = balanced_energy_regularization(logits, labels, prior=PRIOR, **BALANCE, **MARGINS)
    exact = balanced_energy_regularization(logits.double(), labels, prior=PRIOR, **BALANCE, **MARGINS)
    for term, reference in zip(terms, exact, strict=True):
        assert term.dtype == torch.float32
        assert term.item() == pytest.approx(reference.item(), rel=1e-5)


@pytest.mark.parametrize('function', [
    lambda f, labels: energy_regularization(f, labels, **MARGINS),
    lambda f, labels: balanced_energy_regularization(f, labels, prior=PRIOR, **BALANCE, **MARGINS),
])
@pytest.mark.parametrize(('label', 'empty'), [(1, ('outlier',)), (254, ('inlier',)), (255, ('inlier', 'outlier'))])
def test_empty_set_is_an_exact_zero_with_a_graph(function, label, empty):
    logits = torch.randn(2, 4, 3, 3, requires_grad=True)
    terms = function(logits, torch.full((2, 3, 3), label))
    for name in empty:
        term = getattr(terms, name)
        assert term.item() == 0.0
        logits.grad = None
        term.backward(retain_graph=True)
        assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_satisfied_margins_cost_nothing():
    logits = torch.tensor([[20.0, 0, 0, 0], [-20.0, -20, -20, -20]])
    assert energy_regularization(logits, torch.tensor([0, 254]), **MARGINS) == (0.0, 0.0)


def test_prior_that_vanishes_on_every_predicted_class_gives_no_nan():
    logits = torch.tensor([[-500.0, 500.0]], requires_grad=True)
    terms = balanced_energy_regularization(logits, torch.tensor([254]), prior=torch.tensor([1.0, 0.0]), **BALANCE,
                                           **MARGINS)
    terms.outlier.backward()
    assert terms.outlier.item() == 0.0
    assert torch.isfinite(logits.grad).all()


def test_labels_are_not_modified():
    logits, labels = batch(4, 4)
    before = labels.clone()
    balanced_energy_regularization(logits, labels, prior=PRIOR, **BALANCE, **MARGINS)
    assert torch.equal(labels, before)


@pytest.mark.parametrize('ood_index', [-1, 254])
def test_classification_and_segmentation_labels(ood_index):
    logits = torch.randn(6, 3)
    labels = torch.tensor([0, 1, 2, ood_index, ood_index, 0])
    terms = energy_regularization(logits, labels, m_in=-5, m_out=1, ood_index=ood_index)
    assert terms.outlier > 0


@pytest.mark.parametrize('value', [float('nan'), float('inf'), float('-inf')])
def test_logits_that_are_not_finite_are_counted(value):
    logits, labels = batch(4, 4)
    logits[0, :2, 1, 1] = value
    with pytest.raises(ValueError, match='2 of 128 logits are not finite'):
        energy_regularization(logits, labels, **MARGINS)


def test_unknown_labels_are_named():
    with pytest.raises(ValueError, match=r'values \[4, 19\], expected 0..3, 254 \(outlier\) or 255 \(void\)'):
        energy_regularization(torch.zeros(3, 4), torch.tensor([0, 19, 4]), **MARGINS)


def test_shape_mismatch():
    with pytest.raises(ValueError, match=r'\(2, 3\), expected \(2, 5\)'):
        energy_regularization(torch.zeros(2, 4, 5), torch.zeros(2, 3, dtype=torch.long), **MARGINS)


def test_floating_point_labels():
    with pytest.raises(TypeError, match='labels must be integers'):
        energy_regularization(torch.zeros(2, 4), torch.zeros(2), **MARGINS)


def test_ood_index_that_is_a_class():
    with pytest.raises(ValueError, match='ood_index=3 is one of the 4 inlier classes'):
        energy_regularization(torch.zeros(2, 4), torch.zeros(2, dtype=torch.long), m_in=-6, m_out=-2, ood_index=3)


def test_prior_of_the_wrong_length():
    with pytest.raises(ValueError, match='prior has 4 classes, logits have 5'):
        balanced_energy_regularization(torch.zeros(1, 5), torch.tensor([254]), prior=PRIOR, **BALANCE, **MARGINS)


def test_smoothness_equals_oracle():
    energies = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    maps = energies.tolist()
    vertical = sum((one[y + 1][x] - one[y][x]) ** 2 for one in maps for y in range(3) for x in range(5))
    horizontal = sum((one[y][x + 1] - one[y][x]) ** 2 for one in maps for y in range(4) for x in range(4))
    assert energy_smoothness(energies).item() == pytest.approx(0.5 * (vertical + horizontal), rel=1e-12)


def test_smoothness_of_one_pixel_and_of_a_constant_is_zero():
    for energies in (torch.randn(3, 1, 1), torch.full((2, 4, 4), -7.0)):
        energies.requires_grad_()
        value = energy_smoothness(energies)
        value.backward()
        assert value.item() == 0
        assert not energies.grad.any()


def test_smoothness_needs_maps():
    with pytest.raises(ValueError, match=r'energy maps of shape \(N, H, W\), found \(4, 5\)'):
        energy_smoothness(torch.zeros(4, 5))


def test_sparsity_is_the_euclidean_norm():
    energies = torch.randn(2, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = math.sqrt(math.fsum(value * value for value in energies.flatten().tolist()))
    assert energy_sparsity(energies).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize('length', [0, 3])
def test_sparsity_has_a_gradient_at_zero(length):
    """The norm of nothing, and of zeros, where its derivative is 0 / 0."""
    energies = torch.zeros(length, requires_grad=True)
    value = energy_sparsity(energies)
    value.backward()
    assert value.item() == 0
    assert torch.equal(energies.grad, torch.zeros(length))


@pytest.mark.parametrize('function', [energy_smoothness, energy_sparsity])
def test_smoothness_and_sparsity_gradcheck(function):
    energies = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.autograd.gradcheck(function, energies.requires_grad_())


@pytest.mark.parametrize('function', [energy_smoothness, energy_sparsity])
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_smoothness_and_sparsity_of_narrow_types(function, dtype):
    # The squares are beyond the range of float16.
    energies = (300 * torch.randn(2, 8, 8, generator=torch.Generator().manual_seed(0))).to(dtype)
    value = function(energies)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(function(energies.double()).item(), rel=1e-5)
