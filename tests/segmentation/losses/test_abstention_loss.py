"""AbstentionLoss against the core function, and PEBAL's whole objective against a slow oracle in plain floats."""
import math

import pytest
import torch
from mmseg.registry import MODELS

from mmseg_ood.core import abstention_loss
from mmseg_ood.segmentation.losses import AbstentionLoss

PRIOR = [0.5, 0.375, 0.125]
MARGINS = dict(m_in=-5.0, m_out=-1.0)


def batch(dtype=torch.float32):
    """Logits of three classes and the abstention; outliers in the first of two images only."""
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, 4, 4, 6, generator=generator)
    labels = torch.tensor([0, 1, 2, 254, 255])[torch.randint(5, (2, 4, 6), generator=generator)]
    labels[1][labels[1] == 254] = 2
    return logits.to(dtype), labels


def blurred(rows):
    """Gaussian kernel 7, sigma 1, reflect padding, as a sum over its 49 weights."""
    height, width = len(rows), len(rows[0])
    offsets = [(dy, dx, math.exp(-(dy * dy + dx * dx) / 2)) for dy in range(-3, 4) for dx in range(-3, 4)]
    total = sum(weight for _, _, weight in offsets)

    def mirrored(index, length):
        return -index if index < 0 else 2 * (length - 1) - index if index >= length else index

    return [[sum(weight * rows[mirrored(y + dy, height)][mirrored(x + dx, width)] for dy, dx, weight in offsets) / total
             for x in range(width)] for y in range(height)]


def pebal_oracle(logits, labels, prior=None, alpha=0.0, gamma=0.0):
    """Total of PEBAL, or of its balanced variant: one pixel after another."""
    inlier_bets, outlier_bets = {True: [], False: []}, []
    inlier_hinges, outlier_hinges, weights, outlier_energies = [], [], [], []
    smoothness = 0.0
    for image, label in zip(logits.permute(0, 2, 3, 1).tolist(), labels.tolist(), strict=True):
        energies = [[-math.log(sum(math.exp(f) for f in pixel[:-1])) for pixel in row] for row in image]
        rewards = blurred([[energy ** 2 for energy in row] for row in energies])
        for y, row in enumerate(image):
            for x, pixel in enumerate(row):
                energy = energies[y][x]
                smoothness += 0.5 * (energies[y + 1][x] - energy) ** 2 if y + 1 < len(image) else 0.0
                smoothness += 0.5 * (energies[y][x + 1] - energy) ** 2 if x + 1 < len(row) else 0.0
                if label[y][x] == 255:
                    continue
                *bets, abstention = (math.exp(f) / sum(map(math.exp, pixel)) for f in pixel)
                hedge = abstention / rewards[y][x]
                if label[y][x] != 254:
                    inlier_bets[any(254 in values for values in label)].append(-math.log(bets[label[y][x]] + hedge))
                    inlier_hinges.append(max(energy - MARGINS['m_in'], 0) ** 2)
                    continue
                outlier_bets.append(-0.1 * sum(math.log(max(bet + hedge, 1e-7)) for bet in bets) / len(bets))
                z = 1.0
                if prior:
                    z = sum(bet * p ** gamma for bet, p in zip(bets, prior, strict=True)) / sum(bets)
                    z /= sum(p ** gamma for p in prior)
                weights.append(z)
                outlier_hinges.append(z * max(MARGINS['m_out'] + alpha * z - energy, 0) ** 2)
                outlier_energies.append(energy - alpha * z)
    abstention = sum(sum(bets) / len(bets) for bets in (*inlier_bets.values(), outlier_bets))
    energy = 0.5 * (sum(inlier_hinges) / len(inlier_hinges) + sum(outlier_hinges) / sum(weights))
    sparsity = math.sqrt(sum(value ** 2 for value in outlier_energies))
    return abstention + 0.1 * (energy + 3e-6 * smoothness + 5e-4 * sparsity)


PEBAL = dict(**MARGINS, num_classes=3, loss_weight=0.1, smoothness_weight=3e-6, sparsity_weight=5e-4)


@pytest.mark.parametrize(('regulariser', 'oracle_options'), [
    (dict(type='EnergyLoss', **PEBAL), {}),
    (dict(type='BalancedEnergyLoss', prior=PRIOR, alpha=5.0, gamma_margin=3.0, gamma_weight=3.0, **PEBAL),
     dict(prior=PRIOR, alpha=5.0, gamma=3.0)),
], ids=['pebal', 'balanced'])
def test_total_of_pebal_equals_oracle(regulariser, oracle_options):
    logits, labels = batch(torch.float64)
    losses = [MODELS.build(config) for config in (dict(type='AbstentionLoss'), regulariser)]
    total = sum(loss(logits, labels) for loss in losses)
    assert total.item() == pytest.approx(pebal_oracle(logits, labels, **oracle_options), rel=1e-12)


def test_equals_core():
    logits, labels = batch()
    expected = abstention_loss(logits, labels, ood_index=254, outlier_weight=0.3)
    loss = MODELS.build(dict(type='AbstentionLoss', outlier_weight=0.3, loss_weight=0.5))
    assert loss(logits, labels).item() == pytest.approx(0.5 * expected.item())
    # The paper's weight is the default.
    assert AbstentionLoss()(logits, labels) == abstention_loss(logits, labels, ood_index=254, outlier_weight=0.1)


def test_a_detached_reward_changes_the_gradient_only():
    logits, labels = batch()
    logits.requires_grad_()
    values = [AbstentionLoss(detach_reward=detach)(logits, labels) for detach in (False, True)]
    assert values[0].item() == values[1].item()
    assert not torch.allclose(*(torch.autograd.grad(value, logits)[0] for value in values))


def test_another_ood_and_ignore_index():
    logits, labels = batch()
    other = torch.where(labels == 254, 200, torch.where(labels == 255, 250, labels))
    assert AbstentionLoss(ood_index=200)(logits, other, ignore_index=250) == AbstentionLoss()(logits, labels)


def test_samplers_get_a_map_of_zeros_and_their_weights_take_no_part():
    logits, labels = batch()
    losses = AbstentionLoss()(logits, labels, reduction_override='none')
    assert losses.shape == labels.shape
    assert not losses.any()
    assert AbstentionLoss()(logits, labels, weight=torch.zeros(labels.shape)) == AbstentionLoss()(logits, labels)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_logits(dtype):
    logits, labels = batch(dtype)
    value = AbstentionLoss()(logits, labels)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(AbstentionLoss()(logits.double(), labels).item(), rel=1e-5)


def test_mixed_precision_changes_nothing():
    logits, labels = batch()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        mixed = AbstentionLoss()(logits, labels)
    assert mixed == AbstentionLoss()(logits, labels)


def test_labels_are_not_modified():
    logits, labels = batch()
    before = labels.clone()
    AbstentionLoss()(logits, labels)
    assert torch.equal(labels, before)


def test_name_in_the_log():
    assert AbstentionLoss().loss_name == 'loss_abstention'
    assert AbstentionLoss(loss_name='loss_mine').loss_name == 'loss_mine'
