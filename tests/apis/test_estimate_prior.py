"""estimate_prior(): its counts and quantiles against the same draws, predicted by hand; margins, description, plots."""
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform
from mmengine.config import Config
from mmengine.runner import Runner, set_random_seed
from mmseg.registry import MODELS, TRANSFORMS
from PIL import Image

from mmseg_ood.apis import estimate_prior, prior_report
from mmseg_ood.apis.prior_report import loss_snippet
from mmseg_ood.core import PriorEstimator, power_prior
from mmseg_ood.segmentation.losses import BalancedEnergyLoss


@TRANSFORMS.register_module(force=True)
class Outside(BaseTransform):
    """All pixels are outliers of label 7."""

    def transform(self, results):
        results['gt_seg_map'] = np.full_like(results['gt_seg_map'], 7)
        return results


class Estimated(NamedTuple):
    folder: Path
    result: dict


@pytest.fixture(scope='module')
def estimated(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp('estimated') / 'new'
    return Estimated(folder, estimate_prior(world.config, world.checkpoint, folder / 'prior.json', 6))


@pytest.fixture
def estimate(world, tmp_path, monkeypatch):
    for plot in ('plot_prior', 'plot_histogram'):  # half of the time
        monkeypatch.setattr(prior_report, plot, lambda *args: None)

    def run(num_images=6, **kwargs):
        return estimate_prior(world.config, world.checkpoint, tmp_path / 'prior.json', num_images, **kwargs)
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


def test_file_is_a_prior_for_the_loss(estimated):
    path, result = estimated.folder / 'prior.json', estimated.result
    assert json.loads(path.read_text()) == result
    assert BalancedEnergyLoss(prior=str(path), num_classes=3).prior.tolist() == pytest.approx(result['prior'])
    loaded = PriorEstimator.load(path)
    assert (loaded.counts.tolist(), loaded.ood_index) == (result['counts'], 254)


def test_margins_are_quantiles_of_its_own_energies(estimate):
    result = estimate(gamma=0.5)
    m_in, m_out = result['energy_quantiles']['inlier']['0.25'], result['energy_quantiles']['outlier']['0.95']
    largest = power_prior(torch.tensor(result['prior']), 0.5).max().item()
    assert result['margins'] == dict(
        m_in=m_in, m_out=m_out, alpha=pytest.approx(0.24 * (m_out - m_in) / largest, abs=1e-3), gamma=0.5)


def test_no_margins_where_outliers_look_surer_than_inliers(world, monkeypatch, tmp_path):
    segmentor_type = type(world.segmentor())
    encode_decode = segmentor_type.encode_decode

    def sure_of_outliers(self, inputs, metas):
        # Pasted rectangles are grey, frames are noise.
        image = inputs * self.data_preprocessor.std + self.data_preprocessor.mean
        grey = image.amax(1, keepdim=True) - image.amin(1, keepdim=True) < 0.5
        return encode_decode(self, inputs, metas) + 1000 * grey
    monkeypatch.setattr(segmentor_type, 'encode_decode', sure_of_outliers)
    seen = []
    monkeypatch.setattr(prior_report, 'print_log', lambda message, *args: seen.append(message))
    result = estimate_prior(world.config, world.checkpoint, tmp_path / 'prior.json', 6)
    assert result['margins'] is None
    assert 'There are no margins to propose: 75% of the inliers have an energy above' in seen[0]
    assert sum(result['counts'])
    assert (tmp_path / 'prior_energies.png').is_file()


def test_description_of_network_and_outliers(world, estimated):
    result = estimated.result
    parameters = sum(parameter.numel() for parameter in world.segmentor().parameters())
    assert result['network'] == dict(segmentor='EncoderDecoder', backbone='CGNet', decode_head='FCNHead', num_classes=3,
                                     parameters=parameters)
    assert result['outliers'] == [dict(type='PasteOutliers', num_classes=3, source=dict(
        type='CocoOutliers', ann_file=f'{world.root}/outliers/instances.json', img_dir=f'{world.root}/outliers',
        exclude_categories=[], min_size=0))]
    assert len(result['provenance']['checkpoint_sha256']) == 64


def test_plots_beside_the_file(estimated):
    for name, title in (('prior.png', 'What pasted outliers are taken for'),
                        ('prior_energies.png', 'Free energy of a sample of the pixels')):
        assert Image.open(estimated.folder / name).info['Title'] == f'{title}\nCGNet, FCNHead'


def test_snippet_is_a_list_of_losses(estimated):
    result = estimated.result
    losses = eval(f'[{loss_snippet(result, estimated.folder / "prior.json")}]')
    balanced, plain = map(MODELS.build, losses)
    assert (type(balanced).__name__, type(plain).__name__) == ('BalancedEnergyLoss', 'EnergyLoss')
    assert balanced.prior.tolist() == pytest.approx(result['prior'])
    margins = pytest.approx([result['margins'][name] for name in ('m_in', 'm_out', 'alpha')], abs=0.006)
    assert [balanced.m_in, balanced.m_out, balanced.alpha] == margins
    assert (plain.m_in, plain.m_out) == (balanced.m_in, balanced.m_out)
    assert (balanced.gamma_margin, balanced.gamma_weight, balanced.num_classes) == (3.0, 3.0, None)


def test_extra_frames_with_outliers_are_the_only_ones_drawn(world, estimate, estimated):
    dataset = Config.fromfile(world.config).train_dataloader.dataset.to_dict()
    wrapped = dict(_delete_=True, type='ExtraOutlierFrames', share=0.5, dataset=dataset)
    result = estimate(cfg_options={'train_dataloader.dataset': wrapped})
    assert result['counts'] == estimated.result['counts']
    assert len(result['outliers']) == 1


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
    assert loss_snippet(dict(result, margins=dict(m_in=-2, m_out=-1, alpha=3, gamma=3)), 'p').count(
        'num_classes=2') == 2


def test_pipeline_that_pastes_nothing(estimate):
    pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
    with pytest.raises(ValueError, match=r'no pixel of 6 training images is labelled 254: .*toy.py pastes no outliers'):
        estimate(cfg_options={'train_dataloader.dataset.pipeline': pipeline})


def test_pipeline_that_leaves_no_inlier(estimate):
    pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='Outside'),
                dict(type='PackSegInputs')]
    with pytest.raises(ValueError, match='no pixel of 2 training images is labelled as a class'):
        estimate(2, ood_index=7, cfg_options={'train_dataloader.dataset.pipeline': pipeline})


def test_number_of_images_must_be_positive(estimate):
    with pytest.raises(ValueError, match='num_images must be at least 1, found 0'):
        estimate(0)


def test_negative_gamma(estimate):
    with pytest.raises(ValueError, match='gamma must not be negative, found -1'):
        estimate(2, gamma=-1)


def test_missing_training_data(estimate, tmp_path):
    with pytest.raises(FileNotFoundError, match='train_dataloader.dataset'):
        estimate(cfg_options={'train_dataloader.dataset.data_root': str(tmp_path)})
