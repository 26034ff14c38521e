"""estimate_prior(): its counts and quantiles against the same draws, predicted by hand."""
import json

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner, set_random_seed

from mmseg_ood.apis import estimate_prior
from mmseg_ood.segmentation.losses import BalancedEnergyLoss


@pytest.fixture
def estimate(world, tmp_path):
    def run(num_images=6, **kwargs):
        return estimate_prior(world.config, world.checkpoint, tmp_path / 'new' / 'prior.json', num_images, **kwargs)
    return run


@torch.no_grad()
def drawn_by_hand(world, num_batches, seed):
    """Logits of outlier and inlier pixels ``(P, 3)`` of the batches that a training run would see."""
    set_random_seed(seed)
    loader = iter(Runner.build_dataloader(Config.fromfile(world.config).train_dataloader, seed=seed))
    segmentor, outliers, inliers = world.segmentor(), [], []
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in ([100.0, 110, 120], [50.0, 60, 70]))
    for _ in range(num_batches):
        batch = next(loader)
        inputs = torch.stack([(image[[2, 1, 0]].float() - mean) / std for image in batch['inputs']])
        labels = torch.stack([sample.gt_sem_seg.data[0] for sample in batch['data_samples']])
        logits = segmentor.encode_decode(inputs, [dict(img_shape=labels.shape[1:])]).movedim(1, -1)
        outliers.append(logits[labels == 254])
        inliers.append(logits[labels < 254])
    return torch.cat(outliers), torch.cat(inliers)


def test_counts_equal_those_by_hand(world, estimate):
    result = estimate(num_images=6, seed=5)
    outliers, _ = drawn_by_hand(world, num_batches=3, seed=5)
    counts = outliers.argmax(1).bincount(minlength=3)
    assert result['counts'] == counts.tolist()
    assert result['prior'] == pytest.approx((counts / counts.sum()).tolist())
    assert result['classes'] == ['road', 'car', 'sky']


def test_energy_quantiles_equal_those_by_hand(world, estimate):
    result = estimate(num_images=2)
    for side, logits in zip(('outlier', 'inlier'), drawn_by_hand(world, num_batches=1, seed=0), strict=True):
        assert len(logits) < 4000  # all pixels enter
        quantiles = result['energy_quantiles'][side]
        expected = np.quantile(-logits.logsumexp(1).double().numpy(), [float(q) for q in quantiles])
        assert list(quantiles.values()) == pytest.approx(expected.tolist(), abs=1e-3)


def test_file_is_a_prior_for_the_loss(estimate, tmp_path):
    result = estimate()
    path = tmp_path / 'new' / 'prior.json'
    assert json.loads(path.read_text()) == result
    assert BalancedEnergyLoss(prior=str(path), num_classes=3).prior.tolist() == pytest.approx(result['prior'])


def test_seed_decides(estimate):
    first, again, other = estimate(seed=1), estimate(seed=1), estimate(seed=2)
    assert first['counts'] == again['counts'] != other['counts']


@pytest.mark.parametrize(('num_images', 'drawn'), [(1, 2), (5, 6), (10, 10)])
def test_images_are_drawn_in_whole_batches_and_pass_after_pass(estimate, num_images, drawn):
    assert estimate(num_images)['num_images'] == drawn


def test_finite_samplers_are_repeated(estimate):
    sampler = dict(type='DefaultSampler', shuffle=True)
    assert estimate(6, cfg_options={'train_dataloader.sampler': sampler})['num_images'] == 6


def test_further_channels_are_no_classes(estimate):
    result = estimate(cfg_options=dict(num_inlier_classes=2))
    assert len(result['prior']) == len(result['classes']) == 2


def test_pipeline_that_pastes_nothing(estimate):
    pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
    with pytest.raises(ValueError, match=r'no pixel of 6 training images is labelled 254: .*toy.py pastes no outliers'):
        estimate(cfg_options={'train_dataloader.dataset.pipeline': pipeline})


def test_missing_training_data(estimate, tmp_path):
    with pytest.raises(FileNotFoundError, match='train_dataloader.dataset'):
        estimate(cfg_options={'train_dataloader.dataset.data_root': str(tmp_path)})
