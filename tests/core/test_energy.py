"""Free energy against closed forms and float64 NumPy."""
import numpy as np
import pytest
import torch

from mmseg_ood.core import free_energy


def random_logits(*shape):
    return 5 * torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize('temperature', [0.5, 1.0, 3.0])
def test_energy_equals_definition(temperature):
    logits = random_logits(2, 3, 4, 5)
    expected = -temperature * np.log(np.exp(logits.numpy() / temperature).sum(1))
    np.testing.assert_allclose(free_energy(logits, temperature).numpy(), expected, rtol=1e-12)


def test_energy_of_equal_logits():
    assert free_energy(torch.full((1, 8), 2.0)).item() == pytest.approx(-2.0 - np.log(8))


def test_energy_approaches_max_logit_for_small_temperature():
    logits = random_logits(10, 5)
    torch.testing.assert_close(free_energy(logits, temperature=1e-3), -logits.amax(1), atol=1e-2, rtol=0)


def test_energy_moves_with_a_constant_added_to_all_logits():
    logits = random_logits(3, 5, 2)
    torch.testing.assert_close(free_energy(logits + 4.0), free_energy(logits) - 4.0)


def test_energy_gradient_is_minus_softmax():
    logits = random_logits(3, 4).requires_grad_()
    free_energy(logits).sum().backward()
    torch.testing.assert_close(logits.grad, -torch.softmax(logits.detach(), 1))


@pytest.mark.parametrize('temperature', [0, -1.0, float('nan'), float('inf')])
def test_bad_temperature(temperature):
    with pytest.raises(ValueError, match='temperature must be positive'):
        free_energy(torch.zeros(1, 2), temperature)


def test_integer_logits():
    with pytest.raises(TypeError, match='int64'):
        free_energy(torch.zeros(1, 2, dtype=torch.int64))
