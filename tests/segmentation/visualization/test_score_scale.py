"""ScoreScale: quantiles of all frames together, or what was given."""
import math

import numpy as np
import pytest

from mmseg_ood.segmentation.visualization import ScoreScale


def test_quantiles_of_all_frames_together():
    rng = np.random.default_rng(0)
    frames = [rng.normal(index, 1 + index, (40, 50)).astype(np.float32) for index in range(3)]
    scale = ScoreScale()
    for frame in frames:
        scale.update(frame)
    assert scale.range() == pytest.approx(np.quantile(np.stack(frames), [0.01, 0.995]))
    assert len(scale) == 3
    assert scale.describe() == '1 % to 99.5 % of the scores of 3 frames'


def test_large_frames_are_measured_on_a_grid():
    score = np.random.default_rng(0).normal(size=(1024, 2048)).astype(np.float32)
    scale = ScoreScale()
    scale.update(score)
    assert scale.range() == pytest.approx(np.quantile(score, [0.01, 0.995]), abs=0.02)
    assert scale._scores[0].size <= 2 ** 17
    assert scale._scores[0].base is None  # keeps no frame alive


def test_few_extreme_pixels_do_not_matter():
    score = np.linspace(0, 1, 10_000).reshape(100, 100)
    score[0, :3] = 1e6, -1e6, 1e9
    scale = ScoreScale()
    scale.update(score)
    assert scale.range() == pytest.approx((0.01, 0.995), abs=1e-3)


def test_constant_scores():
    scale = ScoreScale()
    scale.update(np.full((4, 4), 7.0))
    low, high = scale.range()
    assert low == 7
    assert 7 < high < 7.001


def test_given_scale_is_not_measured():
    scale = ScoreScale((-9, 2))
    scale.update(np.full((4, 4), 7.0))
    assert scale.range() == (-9.0, 2.0)
    assert scale.describe() == 'given'
    assert len(scale) == 0


@pytest.mark.parametrize('given', [(1, 1), (2, 1), (1,), (1, 2, 3), (math.nan, 1), (0, math.inf)])
def test_bad_scales(given):
    with pytest.raises(ValueError, match='score_range: expected two numbers, the lower first, found'):
        ScoreScale(given)


def test_nothing_measured():
    with pytest.raises(ValueError, match='no frame measured'):
        ScoreScale().range()
