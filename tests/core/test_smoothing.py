"""Gaussian smoothing against SciPy, its properties and its gradient."""
import pytest
import torch
from scipy.ndimage import gaussian_filter

from mmseg_ood.core import gaussian_smoothing


def random_maps(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(('kernel_size', 'sigma'), [(7, 1.0), (7, 0.4), (7, 30.0), (3, 1.0), (11, 2.0), (1, 1.0)])
@pytest.mark.parametrize('shape', [(2, 9, 14), (1, 6, 6)])
def test_equals_scipy(kernel_size, sigma, shape):
    maps = random_maps(*shape)
    smoothed = gaussian_smoothing(maps, kernel_size, sigma)
    for found, one in zip(smoothed, maps, strict=True):
        # `radius` and `truncate` name the same thing; mirror is SciPy's word for reflection about the border pixel.
        expected = gaussian_filter(one.numpy(), sigma, mode='mirror', radius=kernel_size // 2)
        torch.testing.assert_close(found, torch.from_numpy(expected), rtol=1e-12, atol=1e-12)


def test_default_is_kernel_7_and_sigma_1():
    maps = random_maps(1, 12, 9)
    assert torch.equal(gaussian_smoothing(maps), gaussian_smoothing(maps, kernel_size=7, sigma=1.0))


def test_response_to_a_single_pixel_by_hand():
    scores = torch.zeros(1, 9, 9, dtype=torch.float64)
    scores[0, 4, 4] = 1.0
    weights = torch.exp(-torch.tensor([9.0, 4, 1, 0, 1, 4, 9], dtype=torch.float64) / 2)
    weights /= weights.sum()
    expected = torch.zeros(9, 9, dtype=torch.float64)
    expected[1:8, 1:8] = torch.outer(weights, weights)
    torch.testing.assert_close(gaussian_smoothing(scores)[0], expected)


@pytest.mark.parametrize('value', [1.0, -3e5, 0.1])
def test_constant_map_stays_constant(value):
    maps = torch.full((2, 4, 11), value)
    torch.testing.assert_close(gaussian_smoothing(maps), maps, rtol=5e-7, atol=0)


def test_maps_of_a_batch_do_not_mix():
    maps = random_maps(3, 8, 8)
    torch.testing.assert_close(gaussian_smoothing(maps)[1], gaussian_smoothing(maps[1:2])[0])


def test_gradients():
    maps = random_maps(2, 5, 4).requires_grad_()
    assert torch.autograd.gradcheck(gaussian_smoothing, maps)
    assert torch.autograd.gradgradcheck(gaussian_smoothing, maps)


def test_result_is_a_plain_tensor_and_the_input_left_alone():
    maps = random_maps(1, 5, 5)
    before = maps.clone()
    assert gaussian_smoothing(maps).is_contiguous()
    assert torch.equal(maps, before)


@pytest.mark.parametrize(('dtype', 'expected'), [
    (torch.float16, torch.float32), (torch.bfloat16, torch.float32), (torch.float32, torch.float32),
    (torch.float64, torch.float64),
])
def test_types(dtype, expected):
    maps = random_maps(1, 6, 6).to(dtype)
    smoothed = gaussian_smoothing(maps)
    assert smoothed.dtype == expected
    torch.testing.assert_close(smoothed.double(), gaussian_smoothing(maps.double()), rtol=1e-5, atol=1e-6)


def test_autocast_does_not_narrow_the_blur():
    maps = random_maps(1, 6, 6).float()
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(gaussian_smoothing(maps), gaussian_smoothing(maps.clone()))
        assert gaussian_smoothing(maps).dtype == torch.float32


@pytest.mark.parametrize(('shape', 'kwargs', 'message'), [
    ((1, 3, 9), {}, r'maps of 3x9 \(height x width\) are too small .* kernel_size=7, expected at least 4 px a side'),
    ((1, 9, 3), {}, 'maps of 9x3'),
    ((1, 9, 9), dict(kernel_size=6), 'kernel_size must be a positive odd integer, found 6'),
    ((1, 9, 9), dict(kernel_size=-1), 'kernel_size must be a positive odd integer, found -1'),
    ((1, 9, 9), dict(sigma=0.0), 'sigma must be positive and finite, found 0.0'),
    ((1, 9, 9), dict(sigma=float('nan')), 'sigma must be positive and finite, found nan'),
    ((9, 9), {}, r'maps of shape \(N, H, W\), found \(9, 9\)'),
    ((1, 1, 9, 9), {}, r'found \(1, 1, 9, 9\)'),
])
def test_bad_input(shape, kwargs, message):
    with pytest.raises(ValueError, match=message):
        gaussian_smoothing(torch.zeros(shape), **kwargs)


def test_smallest_legal_map():
    assert gaussian_smoothing(torch.zeros(1, 4, 4)).shape == (1, 4, 4)


def test_integer_maps():
    with pytest.raises(TypeError, match='int64'):
        gaussian_smoothing(torch.zeros(1, 8, 8, dtype=torch.int64))
