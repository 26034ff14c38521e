"""The abstention loss against a slow float64 oracle, pixel by pixel from the formula, value and gradient."""
import math

import pytest
import torch

from mmseg_ood.core import abstention_loss, free_energy

HEIGHT, WIDTH = 5, 6


def batch(dtype=torch.float64, seed=0, channels=4, outlier_images=(0, 2)):
    """Three images; all hold inliers and void, those of ``outlier_images`` outliers as well."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(3, channels, HEIGHT, WIDTH, generator=generator, dtype=torch.float64)
    values = torch.tensor([*range(channels - 1), 254, 254, 255])
    labels = values[torch.randint(len(values), (3, HEIGHT, WIDTH), generator=generator)]
    for image in set(range(3)) - set(outlier_images):
        labels[image][labels[image] == 254] = 0
    return logits.to(dtype), labels


def mirrored(index, length):
    return -index if index < 0 else 2 * (length - 1) - index if index >= length else index


def blurred(rows):
    """Gaussian kernel 7, sigma 1, as a sum over its 49 weights."""
    height, width = len(rows), len(rows[0])
    kernel = [[math.exp(-(dy * dy + dx * dx) / 2) for dx in range(-3, 4)] for dy in range(-3, 4)]
    total = sum(map(sum, kernel))
    return [[sum(kernel[dy + 3][dx + 3] / total * rows[mirrored(y + dy, height)][mirrored(x + dx, width)]
                 for dy in range(-3, 4) for dx in range(-3, 4)) for x in range(width)] for y in range(height)]


def mean(values):
    return sum(values) / len(values) if values else 0.0


def oracle(logits, labels, ood_index=254, ignore_index=255, outlier_weight=0.1, detach_reward=False):
    """One pixel after another, in plain Python floats of the autograd graph."""
    inlier = {True: [], False: []}
    outlier = []
    for image, label in zip(logits, labels.tolist(), strict=True):
        rows = [[[image[k, y, x] for k in range(len(image))] for x in range(len(label[0]))] for y in range(len(label))]
        reward = blurred([[sum(torch.exp(f) for f in pixel[:-1]).log() ** 2 for pixel in row] for row in rows])
        with_outliers = any(ood_index in row for row in label)
        for y, row in enumerate(rows):
            for x, pixel in enumerate(row):
                w = reward[y][x].detach() if detach_reward else reward[y][x]
                *p, r = (torch.exp(f) / sum(torch.exp(other) for other in pixel) for f in pixel)
                if label[y][x] == ood_index:
                    gains = [torch.clamp(p_k + r / w, min=1e-7) for p_k in p]
                    outlier.append(-outlier_weight * mean([torch.log(gain) for gain in gains]))
                elif label[y][x] != ignore_index:
                    inlier[with_outliers].append(-torch.log(p[label[y][x]] + r / w))
    return mean(inlier[True]) + mean(outlier) + mean(inlier[False])


def gradient(function, logits):
    logits = logits.clone().requires_grad_()
    value = function(logits)
    value.backward()
    return value.item(), logits.grad


def constant(*logits, height=4, width=4):
    """Logits ``(1, C + 1, H, W)``, the same at every pixel, and so is the blurred reward."""
    return torch.tensor(logits, dtype=torch.float64).reshape(1, -1, 1, 1).repeat(1, 1, height, width)


def everywhere(label, *shape):
    return torch.full(shape or (1, 4, 4), label)


@pytest.mark.parametrize('outlier_images', [(0, 2), (1,), (), (0, 1, 2)], ids=str)
@pytest.mark.parametrize('options', [{}, dict(outlier_weight=0.7), dict(detach_reward=True)], ids=str)
def test_equals_oracle(outlier_images, options):
    logits, labels = batch(outlier_images=outlier_images)
    ours = gradient(lambda f: abstention_loss(f, labels, ood_index=254, **options), logits)
    expected = gradient(lambda f: oracle(f, labels, **options), logits)
    assert ours[0] == pytest.approx(expected[0], rel=1e-12)
    torch.testing.assert_close(ours[1], expected[1])


def test_value_by_hand():
    # softmax of log(4), log(3), log(2), log(1) is 0.4, 0.3, 0.2, 0.1; the reward is log(9)^2.
    logits, labels = constant(*(math.log(value) for value in (4, 3, 2, 1))), everywhere(1)
    hedge = 0.1 / math.log(9) ** 2
    assert abstention_loss(logits, labels, ood_index=254).item() == pytest.approx(-math.log(0.3 + hedge))
    outlier = -0.1 * sum(math.log(p + hedge) for p in (0.4, 0.3, 0.2)) / 3
    assert abstention_loss(logits, everywhere(254), ood_index=254).item() == pytest.approx(outlier)


def test_images_with_and_without_outliers_are_averaged_apart():
    """A second image without outliers does not dilute the inliers of the first, however many it has."""
    first, second = constant(2.0, 1.0, 0.0), constant(0.0, 3.0, 1.0)
    mixed = everywhere(0)
    mixed[0, 0] = 254
    alone = [abstention_loss(logits, labels, ood_index=254).item()
             for logits, labels in ((first, mixed), (second, everywhere(1)))]
    together = abstention_loss(torch.cat([first, second, second]), torch.cat([mixed, everywhere(1), everywhere(1)]),
                               ood_index=254)
    assert together.item() == pytest.approx(sum(alone))


def test_images_of_a_kind_are_pooled():
    """Within a kind every pixel counts the same, whatever its image."""
    logits, labels = torch.cat([constant(2.0, 1.0, 0.0), constant(0.0, 3.0, 1.0)]), everywhere(1, 2, 4, 4)
    labels[0, 1:] = 255
    few, many = (abstention_loss(logits[[image]], labels[[image]], ood_index=254).item() for image in (0, 1))
    assert abstention_loss(logits, labels, ood_index=254).item() == pytest.approx((4 * few + 16 * many) / 20)


def test_without_abstention_inliers_have_the_plain_cross_entropy():
    logits, labels = batch(outlier_images=())
    logits[:, -1] = -200.0
    expected = torch.nn.functional.cross_entropy(logits[:, :-1], labels, ignore_index=255)
    assert abstention_loss(logits, labels, ood_index=254).item() == pytest.approx(expected.item(), rel=1e-12)


def test_a_sure_abstention_costs_less_than_a_wrong_bet_and_more_than_a_right_one():
    right, wrong, abstaining = (
        abstention_loss(constant(*logits), everywhere(0), ood_index=254).item()
        for logits in ((9.0, 0.0, 0.0), (0.0, 9.0, 0.0), (4.0, 4.0, 15.0)))
    assert right < abstaining < wrong


def test_outliers_have_a_floor():
    # p = (1, e^-60, e^-60): two of three gains are below 1e-7.
    value = abstention_loss(constant(60.0, 0.0, 0.0, 0.0), everywhere(254), ood_index=254)
    assert value.item() == pytest.approx(-0.1 * 2 / 3 * math.log(1e-7))


def test_order_of_the_images_does_not_matter():
    logits, labels = batch()
    order = [2, 0, 1]
    assert abstention_loss(logits[order], labels[order], ood_index=254).item() == pytest.approx(
        abstention_loss(logits, labels, ood_index=254).item(), rel=1e-12)


def test_void_has_a_part_in_the_reward_of_its_neighbours_only():
    logits, labels = constant(1.0, 0.0, 1.0, height=4, width=12).requires_grad_(), everywhere(0, 1, 4, 12)
    labels[..., 6:] = 255
    abstention_loss(logits, labels, ood_index=254).backward()
    moved = logits.grad[0].abs().amax((0, 1)) > 0
    assert moved.tolist() == [True] * 9 + [False] * 3  # the kernel reaches 3 px
    _, without_reward = gradient(lambda f: abstention_loss(f, labels, ood_index=254, detach_reward=True),
                                 logits.detach())
    assert not without_reward[..., 6:].any()


def test_a_detached_reward_changes_the_gradient_only():
    logits, labels = batch()
    attached, detached = (gradient(lambda f, detach=detach: abstention_loss(f, labels, ood_index=254,
                                                                            detach_reward=detach), logits)
                          for detach in (False, True))
    assert attached[0] == detached[0]
    assert not torch.allclose(attached[1], detached[1])


def test_gradcheck():
    logits, labels = batch()
    assert torch.autograd.gradcheck(lambda f: abstention_loss(f, labels, ood_index=254), logits.requires_grad_())


@pytest.mark.parametrize('label', [254, 0])
def test_empty_sets_are_exact_zeros(label):
    """Only outliers and only inliers: the value is that of the one term, and every gradient is finite."""
    logits = 3 * torch.randn(2, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    labels = everywhere(label, 2, 5, 5)
    value, grad = gradient(lambda f: abstention_loss(f, labels, ood_index=254), logits)
    expected = oracle(logits.double(), labels)
    assert value == pytest.approx(float(expected), rel=1e-5)
    assert torch.isfinite(grad).all()


def test_void_alone_is_an_exact_zero_with_a_graph():
    value, grad = gradient(lambda f: abstention_loss(f, everywhere(255, 2, 5, 5), ood_index=254),
                           torch.randn(2, 4, 5, 5))
    assert value == 0
    assert torch.equal(grad, torch.zeros_like(grad))


@pytest.mark.parametrize('scale', [1e3, 1e6, 1e15])
def test_extreme_logits_give_finite_losses_and_gradients(scale):
    """Probabilities underflow here, and their logarithms must not be taken."""
    logits, labels = batch(torch.float32)
    value, grad = gradient(lambda f: abstention_loss(f, labels, ood_index=254), logits * scale)
    assert math.isfinite(value)
    assert torch.isfinite(grad).all()


def test_energy_zero_has_no_reward_and_yet_a_finite_loss():
    # logsumexp(-log 2, -log 2) = 0 at every pixel.
    logits = constant(-math.log(2), -math.log(2), 0.0).float()
    assert free_energy(logits[:, :-1]).abs().max() < 1e-7
    for label in (0, 254):
        value, grad = gradient(lambda f, label=label: abstention_loss(f, everywhere(label), ood_index=254), logits)
        assert math.isfinite(value)
        assert torch.isfinite(grad).all()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
def test_narrow_types_are_reduced_in_float32(dtype):
    logits, labels = batch(dtype)
    value, grad = gradient(lambda f: abstention_loss(f, labels, ood_index=254), logits)
    assert abstention_loss(logits, labels, ood_index=254).dtype == torch.float32
    assert value == pytest.approx(abstention_loss(logits.double(), labels, ood_index=254).item(), rel=1e-5)
    assert torch.isfinite(grad).all()


@pytest.mark.parametrize('dtype', [torch.uint8, torch.int32, torch.int64])
def test_types_of_labels(dtype):
    logits, labels = batch()
    assert abstention_loss(logits, labels.to(dtype), ood_index=254) == abstention_loss(logits, labels, ood_index=254)


def test_another_ood_and_ignore_index():
    logits, labels = batch()
    other = torch.where(labels == 254, -1, torch.where(labels == 255, 77, labels))
    expected = abstention_loss(logits, labels, ood_index=254)
    assert abstention_loss(logits, other, ood_index=-1, ignore_index=77) == expected


def test_labels_are_not_modified():
    logits, labels = batch()
    before = labels.clone()
    abstention_loss(logits, labels, ood_index=254)
    assert torch.equal(labels, before)


@pytest.mark.parametrize('shape', [(2, 4), (2, 4, 5), (2, 1, 5, 5)])
def test_shapes_of_logits(shape):
    with pytest.raises(ValueError, match=r'expected logits of shape \(N, C \+ 1, H, W\), the inlier classes and'):
        abstention_loss(torch.zeros(shape), torch.zeros(shape[:1] + shape[2:], dtype=torch.long), ood_index=254)


def test_the_abstention_is_no_label():
    with pytest.raises(ValueError, match=r'values \[3\], expected 0..2, 254 \(outlier\) or 255 \(void\)'):
        abstention_loss(torch.zeros(1, 4, 4, 4), everywhere(3), ood_index=254)


@pytest.mark.parametrize('channel', [0, 3])
def test_logits_that_are_not_finite(channel):
    logits, labels = batch()
    logits[1, channel, 2, 2] = math.nan
    with pytest.raises(ValueError, match='1 of 360 logits are not finite'):
        abstention_loss(logits, labels, ood_index=254)


def test_images_that_are_smaller_than_the_blur():
    with pytest.raises(ValueError, match='maps of 3x8 .* too small'):
        abstention_loss(torch.zeros(1, 3, 3, 8), torch.zeros(1, 3, 8, dtype=torch.long), ood_index=254)
