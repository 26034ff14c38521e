"""EnergyLoss and BalancedEnergyLoss against the core functions and against numbers derived by hand."""
import json
import math

import pytest
import torch
from mmseg.registry import MODELS

from mmseg_ood.core import PRIORS, balanced_energy_regularization, energy_regularization
from mmseg_ood.segmentation.losses import BalancedEnergyLoss, EnergyLoss

PRIOR = [0.5, 0.3, 0.2]
MARGINS = dict(m_in=-4.0, m_out=-1.0)


def batch(channels=3, dtype=torch.float32):
    """Logits and labels that hold every class, outliers and void."""
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, channels, 4, 6, generator=generator)
    labels = torch.tensor([0, 1, 2, 254, 255])[torch.randint(5, (2, 4, 6), generator=generator)]
    return logits.to(dtype), labels


def without_outliers(labels):
    return torch.where(labels == 254, 255, labels)


def pixels(*rows):
    """Logits ``(1, C, 1, W)`` from the logits of each pixel."""
    return torch.tensor(rows).T[None, :, None]


@pytest.fixture(params=['EnergyLoss', 'BalancedEnergyLoss'])
def build(request):
    """Builds either loss from a config, as a decode head does."""
    prior = dict(prior=PRIOR) if request.param == 'BalancedEnergyLoss' else {}
    return lambda **kwargs: MODELS.build(dict(type=request.param, **prior, **{**MARGINS, **kwargs}))


def test_plain_value_by_hand():
    # Energy of n equal logits a: -(a + log n). Two classes, m_in = -5, m_out = -2.
    logits = pixels([4.0, 4.0], [3.0, 3.0], [9.0, 9.0], [7.0, 7.0])
    labels = torch.tensor([[[0, 254, 1, 255]]])
    inlier = ((5 - (4 + math.log(2))) ** 2 + 0) / 2
    outlier = (3 + math.log(2) - 2) ** 2
    value = EnergyLoss(m_in=-5, m_out=-2, loss_weight=0.1)(logits, labels)
    assert value.item() == pytest.approx(0.1 * 0.5 * (inlier + outlier), rel=1e-6)


def test_balanced_value_by_hand():
    # The first outlier is surely class 0, the second wavers: Z = P_g(0) = 0.9^2 / (0.9^2 + 0.1^2), and 1 / 2.
    logits = pixels([40.0, -40.0], [0.0, 0.0])
    labels = torch.tensor([[[254, 254]]])
    z_sure, z_unsure = 0.81 / 0.82, 0.5
    sure = (-2 + 3 * z_sure + 40) ** 2
    unsure = (-2 + 3 * z_unsure + math.log(2)) ** 2
    expected = (z_sure * sure + z_unsure * unsure) / (z_sure + z_unsure)
    loss = BalancedEnergyLoss(prior=[0.9, 0.1], m_in=-5, m_out=-2, alpha=3, gamma_margin=2, gamma_weight=2,
                              loss_weight=1.0)
    assert loss(logits, labels).item() == pytest.approx(0.5 * expected, rel=1e-6)


def test_plain_equals_core():
    logits, labels = batch()
    inlier, outlier = energy_regularization(logits, labels, ood_index=254, temperature=2.0, **MARGINS)
    loss = EnergyLoss(temperature=2.0, loss_weight=0.3, **MARGINS)
    assert loss(logits, labels).item() == pytest.approx(0.3 * 0.5 * (inlier + outlier).item())


def test_balanced_equals_core():
    logits, labels = batch()
    balance = dict(alpha=2.0, gamma_margin=3.0, gamma_weight=1.5)
    inlier, outlier = balanced_energy_regularization(logits, labels, prior=torch.tensor(PRIOR), ood_index=254,
                                                     **balance, **MARGINS)
    loss = BalancedEnergyLoss(prior=PRIOR, loss_weight=0.3, **balance, **MARGINS)
    assert loss(logits, labels).item() == pytest.approx(0.3 * 0.5 * (inlier + outlier).item())


def test_without_outliers_the_inlier_term_counts_whole(build):
    logits, labels = batch()
    labels = without_outliers(labels)
    inlier, _ = energy_regularization(logits, labels, ood_index=254, **MARGINS)
    assert build(loss_weight=0.3)(logits, labels).item() == pytest.approx(0.3 * inlier.item())


def test_void_alone_is_an_exact_zero_with_a_graph(build):
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    value = build()(logits, torch.full((1, 2, 2), 255))
    value.backward()
    assert value.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_gradient_pushes_inliers_down_and_outliers_up(build):
    logits = pixels([1.0, 0.0, 0.0], [6.0, 0.0, 0.0]).requires_grad_()
    build()(logits, torch.tensor([[[0, 254]]])).backward()
    inlier, outlier = logits.grad[0, :, 0].T
    assert (inlier < 0).all()  # larger logits: lower energy
    assert outlier[0] > 0


def test_num_classes_cuts_further_channels(build):
    logits, labels = batch(channels=5)
    assert build(num_classes=3)(logits, labels).item() == build()(logits[:, :3], labels).item()


def test_num_classes_above_the_channels_is_named(build):
    with pytest.raises(ValueError, match='num_classes=3, but the logits have 2 channels'):
        build(num_classes=3)(torch.zeros(1, 2, 1, 1), torch.zeros(1, 1, 1, dtype=torch.long))


def test_another_ood_and_ignore_index(build):
    logits, labels = batch()
    other = torch.where(labels == 254, 200, torch.where(labels == 255, 250, labels))
    assert build(ood_index=200)(logits, other, ignore_index=250).item() == build()(logits, labels).item()


def test_samplers_get_a_map_of_zeros(build):
    logits, labels = batch()
    losses = build()(logits, labels, reduction_override='none')
    assert losses.shape == labels.shape
    assert not losses.any()


def test_pixel_weights_take_no_part(build):
    logits, labels = batch()
    assert torch.equal(build()(logits, labels, weight=torch.zeros(labels.shape)), build()(logits, labels))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_logits(build, dtype):
    logits, labels = batch(dtype=dtype)
    value = build()(logits, labels)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(build()(logits.double(), labels).item(), rel=1e-5)


def test_mixed_precision_changes_nothing(build):
    logits, labels = batch()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        mixed = build()(logits, labels)
    assert mixed.item() == build()(logits, labels).item()


def test_labels_are_not_modified(build):
    logits, labels = batch()
    before = labels.clone()
    build()(logits, labels)
    assert torch.equal(labels, before)


def test_unknown_labels_and_infinite_logits_raise(build):
    logits, labels = batch()
    with pytest.raises(ValueError, match=r'values \[19\]'):
        build()(logits, torch.full_like(labels, 19))
    logits[0, 1, 2, 3] = math.nan
    with pytest.raises(ValueError, match='1 of 144 logits are not finite'):
        build()(logits, labels)


def test_name_in_the_log(build):
    assert build().loss_name == 'loss_energy'
    assert build(loss_name='loss_ood').loss_name == 'loss_ood'


@pytest.mark.parametrize(('m_in', 'm_out'), [(-6, -12), (-6, -6), (math.nan, -6)])
def test_margins_in_the_wrong_order(build, m_in, m_out):
    with pytest.raises(ValueError, match=f'EnergyLoss: m_in={m_in} must be below m_out={m_out}'):
        build(m_in=m_in, m_out=m_out)


@pytest.mark.parametrize('name', ['gamma_margin', 'gamma_weight'])
def test_negative_gamma(name):
    with pytest.raises(ValueError, match=f'{name} must not be negative, found -1'):
        BalancedEnergyLoss(prior=PRIOR, **{name: -1})


def test_alpha_and_gamma_zero_are_the_plain_loss():
    logits, labels = batch()
    balanced = BalancedEnergyLoss(prior=PRIOR, alpha=0, gamma_weight=0, **MARGINS)
    torch.testing.assert_close(balanced(logits, labels), EnergyLoss(**MARGINS)(logits, labels))


def test_detached_prior_changes_the_gradient_only():
    labels = batch()[1]
    values, gradients = [], []
    for detach in (False, True):
        logits = batch()[0].requires_grad_()
        values.append(BalancedEnergyLoss(prior=PRIOR, detach_prior=detach, **MARGINS)(logits, labels))
        values[-1].backward()
        gradients.append(logits.grad)
    assert values[0].item() == values[1].item()
    assert not torch.allclose(*gradients)


def test_prior_by_name_by_file_and_by_numbers(tmp_path):
    published = PRIORS['cityscapes-coco']
    (tmp_path / 'prior.json').write_text(json.dumps(dict(prior=published)))
    for prior in ('cityscapes-coco', str(tmp_path / 'prior.json'), published):
        buffer = BalancedEnergyLoss(prior=prior, num_classes=19).prior
        torch.testing.assert_close(buffer, torch.tensor(published).double() / sum(published))


def test_prior_travels_with_the_module_but_not_with_the_checkpoint():
    loss = BalancedEnergyLoss(prior=PRIOR)
    assert not loss.state_dict()
    assert loss.to('meta').prior.device.type == 'meta'
    loss = BalancedEnergyLoss(prior=PRIOR).half()
    assert loss.prior.dtype == torch.float16
    logits, labels = batch()
    assert torch.isfinite(loss(logits, labels))


@pytest.mark.parametrize(('prior', 'message'), [
    (PRIOR[:2], r'prior has 2 classes, expected 3'),
    ([0.5, -0.1, 0.6], r'not negative, found -0.1 for class 1'),
    ([0, 0, 0], r'zero for all 3 classes'),
])
def test_illegal_priors_are_named_at_construction(prior, message):
    with pytest.raises(ValueError, match=message):
        BalancedEnergyLoss(prior=prior, num_classes=3)


def test_prior_of_the_wrong_length_without_num_classes():
    with pytest.raises(ValueError, match='prior has 3 classes, logits have 4'):
        BalancedEnergyLoss(prior=PRIOR)(torch.zeros(1, 4, 1, 1), torch.full((1, 1, 1), 254))


def test_prior_file_that_is_missing():
    with pytest.raises(FileNotFoundError, match="'nowhere.json' is neither a file nor a published prior"):
        BalancedEnergyLoss(prior='nowhere.json')


def energies_of(logits):
    return [[[-math.log(sum(math.exp(f) for f in pixel)) for pixel in row] for row in image]
            for image in logits.double().permute(0, 2, 3, 1).tolist()]


def smoothness_oracle(maps):
    vertical = sum((low - high) ** 2 for one in maps for upper, lower in zip(one, one[1:], strict=False)
                   for high, low in zip(upper, lower, strict=True))
    horizontal = sum((right - left) ** 2 for one in maps for row in one
                     for left, right in zip(row, row[1:], strict=False))
    return 0.5 * (vertical + horizontal)


@pytest.mark.parametrize('outliers', [True, False])
def test_smoothness_of_all_pixels_is_added(build, outliers):
    logits, labels = batch()
    labels = labels if outliers else without_outliers(labels)
    added = (build(loss_weight=0.3, smoothness_weight=0.02)(logits, labels)
             - build(loss_weight=0.3)(logits, labels)).item()
    assert added == pytest.approx(0.3 * 0.02 * smoothness_oracle(energies_of(logits)), rel=1e-4)


def test_sparsity_of_outlier_energies_is_added():
    logits, labels = batch()
    added = (EnergyLoss(loss_weight=0.3, sparsity_weight=0.2, **MARGINS)(logits, labels)
             - EnergyLoss(loss_weight=0.3, **MARGINS)(logits, labels)).item()
    squares = [energy ** 2 for one, label in zip(energies_of(logits), labels.tolist(), strict=True)
               for energies, values in zip(one, label, strict=True)
               for energy, value in zip(energies, values, strict=True) if value == 254]
    assert added == pytest.approx(0.3 * 0.2 * math.sqrt(sum(squares)), rel=1e-4)


def test_balanced_sparsity_leaves_out_the_share_of_the_prior():
    # The outlier of the test above: Z = 0.81 / 0.82, energy -40; the margin's gamma counts, not the weight's.
    logits, labels = pixels([40.0, -40.0]), torch.tensor([[[254]]])
    options = dict(prior=[0.9, 0.1], m_in=-5, m_out=-2, alpha=3, gamma_margin=2, gamma_weight=1, loss_weight=1.0)
    added = (BalancedEnergyLoss(**options, sparsity_weight=0.5)(logits, labels)
             - BalancedEnergyLoss(**options)(logits, labels)).item()
    assert added == pytest.approx(0.5 * (40 + 3 * 0.81 / 0.82), rel=1e-4)


def test_sparsity_without_outliers_is_zero(build):
    logits, labels = batch()
    labels = without_outliers(labels)
    assert build(sparsity_weight=1.0)(logits, labels).item() == build()(logits, labels).item()


def test_sparsity_respects_detach_prior():
    """With Z constant only the energies remain, whose gradient is a multiple of the softmax."""
    logits = torch.tensor([[0.3, -0.2, 0.1]]).T[None, :, None].requires_grad_()
    labels = torch.tensor([[[254]]])
    gradients = []
    for detach in (False, True):
        # The hinge is satisfied: all of the gradient is the sparsity's.
        loss = BalancedEnergyLoss(prior=PRIOR, m_in=-400.0, m_out=-300.0, sparsity_weight=1.0, detach_prior=detach)
        gradients.append(torch.autograd.grad(loss(logits, labels), logits)[0])
    ratios = [gradient / torch.softmax(logits, 1) for gradient in gradients]
    torch.testing.assert_close(ratios[1], ratios[1].mean().expand_as(ratios[1]))
    assert not torch.allclose(ratios[0], ratios[0].mean().expand_as(ratios[0]))


def test_smoothness_and_sparsity_see_the_inlier_classes_at_the_temperature(build):
    logits, labels = batch(channels=5)
    options = dict(temperature=2.0, smoothness_weight=0.02, sparsity_weight=0.2)
    assert build(num_classes=3, **options)(logits, labels).item() == build(**options)(logits[:, :3], labels).item()
    added = build(temperature=2.0, smoothness_weight=0.02, loss_weight=1.0)(logits[:, :3], labels) - build(
        temperature=2.0, loss_weight=1.0)(logits[:, :3], labels)
    halves = [[[2 * energy for energy in row] for row in one] for one in energies_of(logits[:, :3] / 2)]
    assert added.item() == pytest.approx(0.02 * smoothness_oracle(halves), rel=1e-4)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_smoothness_and_sparsity_of_half_precision_logits(build, dtype):
    logits, labels = batch(dtype=dtype)
    loss = build(smoothness_weight=0.02, sparsity_weight=0.2)
    value = loss(logits.requires_grad_(), labels)
    value.backward()
    assert value.item() == pytest.approx(loss(logits.double(), labels).item(), rel=1e-5)
    assert torch.isfinite(logits.grad).all()
