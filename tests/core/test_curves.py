"""ScoreHistogram against scikit-learn."""
import pickle

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from mmseg_ood.core import ScoreHistogram

SHAPES = {
    'continuous': lambda rng, shift, n: rng.normal(shift, 1, n),
    'energies': lambda rng, shift, n: -np.log1p(np.exp(rng.normal(8 - 3 * shift, 2, n))),
    'tied': lambda rng, shift, n: np.round(rng.normal(shift, 1, n), 1),
    'two values': lambda rng, shift, n: (rng.random(n) < 0.3 + 0.4 * shift).astype(float),
    'saturated at one': lambda rng, shift, n: 1 / (1 + np.exp(-rng.normal(10 + 4 * shift, 5, n))),
    'saturated at zero': lambda rng, shift, n: 1 / (1 + np.exp(rng.normal(20 - 9 * shift, 9, n))),
    'tiny': lambda rng, shift, n: 1e-6 * rng.normal(shift, 1, n),
    'large': lambda rng, shift, n: 1e6 * rng.normal(shift, 1, n),
    'large offset': lambda rng, shift, n: 1000 + 0.01 * rng.normal(shift, 1, n),
    'signed zeros': lambda rng, shift, n: rng.choice([-0.0, 0.0, shift], n),
}


def sample(shape, num=20000, share=0.03, seed=0):
    rng = np.random.default_rng(seed)
    labels = (rng.random(num) < share).astype(np.uint8)
    scores = np.where(labels, SHAPES[shape](rng, 1, num), SHAPES[shape](rng, 0, num)).astype(np.float32)
    return scores, labels


def fpr_at(scores, labels, tpr, rule):
    fprs, tprs, _ = roc_curve(labels, scores, drop_intermediate=False)
    if rule == 'first':
        return fprs[np.argmax(tprs >= tpr)]
    if rule == 'nearest':
        return fprs[1:][np.argmin(np.abs(tprs[1:] - tpr))]
    return np.interp(tpr, tprs, fprs)


def filled(scores, labels, parts=3, **kwargs):
    histogram = ScoreHistogram(**kwargs)
    for score, label in zip(np.array_split(scores, parts), np.array_split(labels, parts), strict=True):
        histogram.update(score, label)
    return histogram


@pytest.mark.parametrize('shape', SHAPES)
def test_equals_scikit_learn(shape):
    scores, labels = sample(shape)
    summary = filled(scores, labels).summary()
    assert summary['AP'] == pytest.approx(average_precision_score(labels, scores), abs=1e-12)
    assert summary['AUROC'] == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert summary['FPR95'] == pytest.approx(fpr_at(scores, labels, 0.95, 'first'), abs=1e-12)
    precision, recall, thresholds = precision_recall_curve(labels, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
    assert summary['best_F1'] == pytest.approx(f1.max(), abs=1e-12)
    predicted = scores >= np.float32(summary['best_threshold'])
    assert 2 * (predicted & (labels == 1)).sum() / (predicted.sum() + labels.sum()) == pytest.approx(f1.max())
    assert (summary['num_inlier'], summary['num_outlier']) == ((labels == 0).sum(), labels.sum())
    assert summary['AP_error'] == summary['AUROC_error'] == summary['FPR95_error'] == 0


@pytest.mark.parametrize('rule', ['first', 'nearest', 'interpolate'])
@pytest.mark.parametrize('tpr', [0.8, 0.95, 1.0])
@pytest.mark.parametrize('shape', ['continuous', 'tied', 'two values'])
def test_fpr_rules(rule, tpr, shape):
    scores, labels = sample(shape, num=2000)
    summary = filled(scores, labels).summary(tpr=tpr, fpr_rule=rule)
    assert summary[f'FPR{100 * tpr:g}'] == pytest.approx(fpr_at(scores, labels, tpr, rule), abs=1e-12)


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize('max_bins', [2**8, 2**12])
def test_error_bound_holds_when_bits_are_dropped(shape, max_bins):
    scores, labels = sample(shape)
    histogram = filled(scores, labels, max_bins=max_bins)
    summary = histogram.summary()
    truth = {'AP': average_precision_score(labels, scores), 'AUROC': roc_auc_score(labels, scores),
             'FPR95': fpr_at(scores, labels, 0.95, 'first')}
    for name, value in truth.items():
        assert abs(summary[name] - value) <= summary[f'{name}_error'] + 1e-12
    assert len(histogram.curve()['threshold']) <= max_bins


def test_few_bins_still_serve_a_smooth_distribution():
    scores, labels = sample('continuous', num=200000)
    histogram = filled(scores, labels, max_bins=2**14)
    assert histogram.dropped_bits > 0
    summary = histogram.summary()
    assert summary['AP'] == pytest.approx(average_precision_score(labels, scores), abs=1e-3)
    assert summary['AUROC'] == pytest.approx(roc_auc_score(labels, scores), abs=1e-5)


@pytest.mark.parametrize('max_bins', [2**8, 2**22])
def test_order_and_split_do_not_matter(max_bins):
    scores, labels = sample('continuous')
    whole = filled(scores, labels, parts=1, max_bins=max_bins).summary()
    order = np.random.default_rng(1).permutation(len(scores))
    shuffled = filled(scores[order], labels[order], parts=7, max_bins=max_bins)
    merged = filled(scores[:5000], labels[:5000], max_bins=max_bins)
    merged.merge(filled(scores[5000:], labels[5000:], max_bins=max_bins))
    assert shuffled.summary() == whole
    assert merged.summary() == whole


def test_merge_with_an_empty_histogram():
    scores, labels = sample('tied', num=100)
    merged = ScoreHistogram()
    merged.merge(filled(scores, labels))
    merged.merge(ScoreHistogram())
    assert merged.summary() == filled(scores, labels).summary()


def test_pickle_keeps_every_count():
    scores, labels = sample('continuous')
    histogram = filled(scores, labels, max_bins=2**12)
    copied = pickle.loads(pickle.dumps(histogram))
    assert copied.summary() == histogram.summary()
    copied.merge(histogram)
    assert copied.summary()['num_outlier'] == 2 * labels.sum()


def test_curve_equals_scikit_learn():
    scores, labels = sample('tied', num=3000)
    curve = filled(scores, labels).curve()
    fprs, tprs, thresholds = roc_curve(labels, scores, drop_intermediate=False)
    np.testing.assert_allclose(curve['fpr'], fprs[1:])
    np.testing.assert_allclose(curve['tpr'], tprs[1:])
    np.testing.assert_array_equal(curve['threshold'], thresholds[1:])
    precision, recall, _ = precision_recall_curve(labels, scores)
    np.testing.assert_allclose(curve['precision'][::-1], precision[:-1])
    np.testing.assert_allclose(curve['tpr'][::-1], recall[:-1])


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_dtypes_and_shapes(dtype):
    scores = torch.tensor([[0.5, 2.0], [1.0, -1.0]], dtype=dtype)
    histogram = ScoreHistogram()
    histogram.update(scores, torch.tensor([[0, 1], [1, 0]]))
    assert histogram.summary()['AP'] == 1.0


def test_every_label_but_zero_and_one_is_void():
    histogram = ScoreHistogram()
    histogram.update(torch.tensor([1.0, 2.0, float('nan'), 9.0, 9.0]), torch.tensor([0, 1, 255, 254, 2]))
    assert (histogram.summary()['num_inlier'], histogram.summary()['num_outlier']) == (1, 1)


def test_undefined_figures_are_nan():
    only_inliers = filled(np.float32([1, 2, 3]), np.uint8([0, 0, 0]), parts=1).summary()
    assert np.isnan([only_inliers[name] for name in ('AP', 'AUROC', 'FPR95', 'best_F1')]).all()
    only_outliers = filled(np.float32([1, 2, 3]), np.uint8([1, 1, 1]), parts=1).summary()
    assert only_outliers['AP'] == 1.0
    assert np.isnan([only_outliers[name] for name in ('AUROC', 'FPR95')]).all()
    assert np.isnan(ScoreHistogram().summary()['AP'])


def test_inverted_detector():
    summary = filled(np.float32([3, 2, 1, 0]), np.uint8([0, 0, 1, 1]), parts=1).summary()
    assert summary['AUROC'] == 0.0
    assert summary['FPR95'] == 1.0
    assert summary['AP'] == pytest.approx((1 / 3 + 2 / 4) / 2)


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_scores_that_are_not_finite_are_counted(value):
    with pytest.raises(ValueError, match='2 of 4 scores are not finite'):
        ScoreHistogram().update(torch.tensor([value, 1.0, value, 0.0]), torch.tensor([0, 0, 1, 1]))


def test_shape_mismatch():
    with pytest.raises(ValueError, match=r'scores have shape \(4,\), labels \(2, 2\)'):
        ScoreHistogram().update(torch.zeros(4), torch.zeros(2, 2))


def test_bad_arguments():
    with pytest.raises(ValueError, match="unknown fpr_rule 'last', expected one of first, nearest, interpolate"):
        ScoreHistogram().summary(fpr_rule='last')
    with pytest.raises(ValueError, match='tpr must be in'):
        ScoreHistogram().summary(tpr=0)
    with pytest.raises(ValueError, match='max_bins must be at least 2'):
        ScoreHistogram(max_bins=1)
    with pytest.raises(ValueError, match='max_bins 4 and 8'):
        ScoreHistogram(4).merge(ScoreHistogram(8))
