"""Crops and flips of a batch against a loop over its images."""
import numpy as np
import pytest
import torch

from mmseg_ood.classification.models import crop_flip, random_crop_flip


def batch(size=64, height=8, width=8, dtype=torch.uint8):
    """No two pixels of an image are alike, and none is 0: the padding is."""
    images = 1 + torch.stack([torch.randperm(height * width * 3, generator=torch.Generator().manual_seed(index))
                              for index in range(size)])
    return images.view(size, height, width, 3).to(dtype)


def oracle(images, pad, offsets, flipped):
    result = []
    for image, top, left, flip in zip(images.numpy(), *offsets.tolist(), flipped.tolist(), strict=True):
        padded = np.pad(image[:, ::-1] if flip else image, ((pad, pad), (pad, pad), (0, 0)))
        result.append(padded[top:top + image.shape[0], left:left + image.shape[1]])
    return torch.from_numpy(np.stack(result))


def draws(size, pad, generator):
    return torch.randint(2 * pad + 1, (2, size), generator=generator), torch.rand(size, generator=generator) < 0.5


@pytest.mark.parametrize('pad', [0, 1, 4])
@pytest.mark.parametrize('shape', [(8, 8), (5, 8), (1, 1)])
def test_equals_a_loop_over_the_images(pad, shape):
    images = batch(40, *shape)
    offsets, flipped = draws(40, pad, torch.Generator().manual_seed(3))
    assert torch.equal(crop_flip(images, pad, offsets, flipped), oracle(images, pad, offsets, flipped))


def test_random_version_draws_from_the_generator():
    images = batch()
    generator = torch.Generator().manual_seed(5)
    expected = oracle(images, 4, *draws(64, 4, torch.Generator().manual_seed(5)))
    assert torch.equal(random_crop_flip(images, 4, 0.5, generator), expected)
    assert not torch.equal(random_crop_flip(images, 4, 0.5, generator), expected)


def test_by_default_from_the_seed_of_torch():
    images = batch()
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(random_crop_flip(images, 4, 0.5))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_without_pad_and_flips_nothing_changes():
    images = batch()
    result = random_crop_flip(images, 0, 0.0)
    assert torch.equal(result, images)
    assert result.data_ptr() != images.data_ptr()


def test_images_are_not_modified():
    images = batch()
    before = images.clone()
    random_crop_flip(images, 4, 0.5)
    assert torch.equal(images, before)


def test_every_window_and_both_orientations_occur_equally_often():
    """One image many times: which of 9 windows was cut, and whether it was mirrored, is read off the result."""
    images = batch(1, 4, 4).expand(18_000, 4, 4, 3)
    crops = random_crop_flip(images, 1, 0.5, torch.Generator().manual_seed(0))
    found = torch.zeros(2, 3, 3, dtype=torch.long)
    for flip in (0, 1):
        for top in range(3):
            for left in range(3):
                window = oracle(images[:1], 1, torch.tensor([[top], [left]]), torch.tensor([bool(flip)]))
                found[flip, top, left] = (crops == window).flatten(1).all(1).sum()
    assert found.sum() == 18_000
    assert ((found > 850) & (found < 1150)).all()  # 1000 expected, standard deviation 31


@pytest.mark.parametrize('dtype', [torch.uint8, torch.float32])
def test_type_is_kept(dtype):
    assert random_crop_flip(batch(dtype=dtype), 2, 0.5).dtype == dtype


def test_images_that_are_not_contiguous():
    images = batch().transpose(1, 2)
    offsets, flipped = draws(64, 2, torch.Generator().manual_seed(0))
    assert torch.equal(crop_flip(images, 2, offsets, flipped), oracle(images, 2, offsets, flipped))


@pytest.mark.parametrize(('pad', 'flip_prob', 'message'), [
    (-1, 0.5, 'pad must be a number of pixels from 0 on, found -1'),
    (1.5, 0.5, 'pad must be a number of pixels from 0 on, found 1.5'),
    (4, 1.5, 'flip_prob must be between 0 and 1, found 1.5'),
    (4, float('nan'), 'flip_prob must be between 0 and 1, found nan'),
])
def test_bad_settings(pad, flip_prob, message):
    with pytest.raises(ValueError, match=message):
        random_crop_flip(batch(), pad, flip_prob)
