"""Scores against closed forms and float64 NumPy."""
import numpy as np
import pytest
import torch

from mmseg_ood.core import SCORES, anomaly_score, free_energy


def random_logits(*shape, dtype=torch.float64, scale=5.0):
    return (scale * torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)).to(dtype)


def oracle(logits, method, temperature):
    f = logits.double().numpy()
    shifted = f / temperature - (f / temperature).max(1, keepdims=True)
    p = np.exp(shifted) / np.exp(shifted).sum(1, keepdims=True)
    q = np.exp(f - f.max(1, keepdims=True))
    q = q / q.sum(1, keepdims=True)
    return {
        'energy': -temperature * np.log(np.exp(f / temperature).sum(1)),
        'msp': 1 - p.max(1),
        'max_logit': -f.max(1),
        'entropy': -(q * np.log(q)).sum(1) / np.log(f.shape[1]),
    }[method]


@pytest.mark.parametrize('method', SCORES)
@pytest.mark.parametrize('shape', [(4, 7), (2, 5, 3), (2, 3, 4, 5), (1, 2, 3, 4, 5)])
@pytest.mark.parametrize('temperature', [0.5, 1.0, 3.0])
def test_scores_equal_float64_oracle(method, shape, temperature):
    logits = random_logits(*shape)
    score = anomaly_score(logits, method, temperature)
    assert score.shape == shape[:1] + shape[2:]
    np.testing.assert_allclose(score.numpy(), oracle(logits, method, temperature), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize('method', SCORES)
@pytest.mark.parametrize(('dtype', 'tolerance'), [(torch.float16, 1e-5), (torch.bfloat16, 1e-5), (torch.float32, 1e-5)])
def test_half_precision_is_computed_in_float32(method, dtype, tolerance):
    logits = random_logits(2, 19, 4, 4, dtype=dtype)
    score = anomaly_score(logits, method)
    assert score.dtype == torch.float32
    np.testing.assert_allclose(score.numpy(), oracle(logits, method, 1.0), rtol=tolerance, atol=tolerance)


def test_energy_of_equal_logits():
    assert free_energy(torch.full((1, 8), 2.0)).item() == pytest.approx(-2.0 - np.log(8))


def test_energy_approaches_max_logit_for_small_temperature():
    logits = random_logits(10, 5)
    torch.testing.assert_close(free_energy(logits, temperature=1e-3), -logits.amax(1), atol=1e-2, rtol=0)


def test_energy_moves_with_a_constant_added_to_all_logits():
    logits = random_logits(3, 5, 2)
    torch.testing.assert_close(free_energy(logits + 4.0), free_energy(logits) - 4.0)


@pytest.mark.parametrize('method', SCORES)
def test_sure_prediction_scores_lower_than_an_unsure_one(method):
    sure, unsure = torch.tensor([[12.0, 0, 0]]), torch.tensor([[1.0, 0.9, 0.8]])
    assert anomaly_score(sure, method) < anomaly_score(unsure, method)


def test_msp_keeps_digits_where_the_maximum_rounds_to_one():
    score = anomaly_score(torch.tensor([[30.0, 0.0]]), 'msp')
    assert score.item() == pytest.approx(np.exp(-30.0), rel=1e-5)


def test_entropy_range():
    logits = torch.tensor([[0.0, 0, 0, 0], [200.0, 0, 0, 0]])
    torch.testing.assert_close(anomaly_score(logits, 'entropy'), torch.tensor([1.0, 0.0]))


@pytest.mark.parametrize('dim', [0, -1])
def test_class_dimension(dim):
    logits = random_logits(2, 5, 3)
    torch.testing.assert_close(anomaly_score(logits.movedim(1, dim), dim=dim), anomaly_score(logits))


def test_energy_gradient_is_minus_softmax():
    logits = random_logits(3, 4).requires_grad_()
    free_energy(logits).sum().backward()
    torch.testing.assert_close(logits.grad, -torch.softmax(logits.detach(), 1))


@pytest.mark.parametrize('temperature', [0, -1.0, float('nan'), float('inf')])
def test_bad_temperature(temperature):
    with pytest.raises(ValueError, match='temperature must be positive'):
        free_energy(torch.zeros(1, 2), temperature)


def test_unknown_method_lists_the_known_ones():
    with pytest.raises(ValueError, match="unknown score 'mcd', expected one of energy, msp"):
        anomaly_score(torch.zeros(1, 2), 'mcd')


def test_integer_logits():
    with pytest.raises(TypeError, match='int64'):
        free_energy(torch.zeros(1, 2, dtype=torch.int64))
