"""The input of a network from a batch of images, by hand."""
import pytest
import torch
from mmengine.registry import MODELS

from mmseg_ood.classification.models import random_crop_flip

MEAN, STD = [0.5, 0.4, 0.3], [0.25, 0.2, 0.1]


def build(**kwargs):
    return MODELS.build(dict(type='ClassificationDataPreprocessor', **{'mean': MEAN, 'std': STD, **kwargs}))


@pytest.fixture
def data():
    images = torch.randint(256, (6, 8, 8, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return dict(images=images, labels=torch.tensor([0, 1, 2, -1, -1, -1]))


def normalised(images):
    return ((images.double() / 255 - torch.tensor(MEAN, dtype=torch.float64)) / torch.tensor(STD, dtype=torch.float64)
            ).permute(0, 3, 1, 2).float()


def test_evaluation_normalises_and_nothing_else(data):
    batch = build()(data)
    torch.testing.assert_close(batch['inputs'], normalised(data['images']))
    assert batch['inputs'].is_contiguous()
    assert torch.equal(batch['labels'], data['labels'])
    assert set(batch) == {'inputs', 'labels'}
    assert set(data) == {'images', 'labels'}


def test_sources_are_passed_on(data):
    assert build()({**data, 'sources': torch.arange(6)})['sources'].tolist() == list(range(6))


def test_training_augments(data):
    torch.manual_seed(7)
    ours = build(pad=2, flip_prob=0.3)(data, training=True)['inputs']
    torch.manual_seed(7)
    torch.testing.assert_close(ours, normalised(random_crop_flip(data['images'], 2, 0.3)))
    assert not torch.equal(ours, normalised(data['images']))


def test_padding_is_black_before_it_is_normalised():
    white = torch.full((50, 4, 4, 3), 255, dtype=torch.uint8)
    inputs = build(pad=4, flip_prob=0)(dict(images=white), training=True)['inputs'][:, 0]
    torch.testing.assert_close(inputs.unique(), torch.tensor([-2.0, 2.0]))


def test_augmentation_can_be_switched_off(data):
    torch.testing.assert_close(build(pad=0, flip_prob=0.0)(data, training=True)['inputs'], normalised(data['images']))


def test_nothing_is_added_to_a_checkpoint():
    assert not build().state_dict()


@pytest.mark.parametrize(('kwargs', 'message'), [
    (dict(mean=[123.675, 116.28, 103.53]), 'mean must be three numbers from 0 to 1, found'),
    (dict(std=[58.4, 57.1, 57.4]), 'std must be three numbers from 1e-06 to 1, found'),
    (dict(std=[0.2, 0.0, 0.2]), 'std must be three numbers'),
    (dict(mean=[0.5]), 'mean must be three numbers'),
    (dict(pad=-1), 'pad must be'),
    (dict(flip_prob=2), 'flip_prob must be'),
])
def test_bad_settings(kwargs, message):
    with pytest.raises(ValueError, match=message):
        build(**kwargs)


@pytest.mark.parametrize('images', [torch.zeros(2, 8, 8, 3), torch.zeros(2, 3, 8, 8, dtype=torch.uint8),
                                    torch.zeros(8, 8, 3, dtype=torch.uint8)])
def test_images_of_another_kind(images):
    with pytest.raises(ValueError, match=r'expected torch.uint8 of shape \(B, S, S, 3\)'):
        build()(dict(images=images))
