import json
from pathlib import Path

import pytest
import torch

from mmseg_ood.core import load_prior, power_prior, propose_margins

PRIORS = Path(__file__).parents[2] / 'configs' / 'balanced_energy' / 'priors'


def test_margins_are_the_quantiles_and_alpha_follows_from_prior_and_gamma():
    prior = torch.tensor([0.8, 0.2])                                # P_2 = 0.64 / 0.68
    margins = propose_margins(-9.0, -4.0, prior, gamma=2.0)
    assert margins[:2] == (-9.0, -4.0)
    assert margins.alpha == pytest.approx(0.24 * 5 * 0.68 / 0.64)


@pytest.mark.parametrize('gamma', [0.0, 1.0, 3.0])
def test_margin_of_the_most_frequent_class_rises_by_the_same_share(gamma):
    prior = load_prior('cityscapes-coco')
    margins = propose_margins(-10.0, -5.0, prior, gamma)
    assert margins.alpha * power_prior(prior, gamma).max().item() == pytest.approx(1.2)


def test_settings_of_the_paper_follow_from_its_prior():
    assert propose_margins(-12.0, -6.0, load_prior('cityscapes-coco')).alpha == pytest.approx(5.0, abs=0.05)


def test_settings_of_the_config_follow_from_its_prior_file():
    content = json.loads((PRIORS / 'cgnet_camvid_coco.json').read_text())
    quantiles = content['energy_quantiles']
    margins = propose_margins(quantiles['inlier']['0.25'], quantiles['outlier']['0.95'], torch.tensor(content['prior']))
    assert [round(value, 1) for value in margins] == [-8.7, -3.6, 3.0]


@pytest.mark.parametrize(('inlier', 'outlier'), [(-4.0, -9.0), (-4.0, -4.0)])
def test_outliers_below_the_inliers(inlier, outlier):
    with pytest.raises(ValueError, match=f'75% of the inliers have an energy above -4, and 95% of the outliers one '
                                         f'below {outlier:g}: the network is surer of outliers'):
        propose_margins(inlier, outlier, torch.tensor([0.5, 0.5]))


@pytest.mark.parametrize(('inlier', 'outlier', 'side'), [
    (float('nan'), -4.0, 'inliers is nan'), (-4.0, float('inf'), 'outliers is inf')])
def test_energies_that_are_not_finite(inlier, outlier, side):
    with pytest.raises(ValueError, match=f'energy of {side}, expected a finite number'):
        propose_margins(inlier, outlier, torch.tensor([0.5, 0.5]))


def test_negative_gamma():
    with pytest.raises(ValueError, match='gamma must not be negative'):
        propose_margins(-9.0, -4.0, torch.tensor([0.5, 0.5]), gamma=-1)
