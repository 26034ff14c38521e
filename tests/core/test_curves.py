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


TABLE = dict(max_bins=2**20, max_exact=0)  # the smallest table, and nothing kept beside it


def truth(scores, labels, rule='first'):
    return {'AP': average_precision_score(labels, scores), 'AUROC': roc_auc_score(labels, scores),
            'FPR95': fpr_at(scores, labels, 0.95, rule)}


@pytest.mark.parametrize('shape', SHAPES)
def test_in_a_table_within_1e_5_and_within_its_own_bound(shape):
    """As many scores as cells: the table has to widen them for all continuous shapes."""
    scores, labels = sample(shape, num=2**20)
    summary = filled(scores, labels, max_bins=2**22, max_exact=0).summary()
    for name, value in truth(scores, labels).items():
        assert abs(summary[name] - value) <= min(1e-5, summary[f'{name}_error'] + 1e-12), name
    precision, recall, _ = precision_recall_curve(labels, scores)
    assert summary['best_F1'] == pytest.approx((2 * precision * recall / (precision + recall + 1e-30)).max(), abs=1e-5)


@pytest.mark.parametrize('rule', ['first', 'nearest', 'interpolate'])
@pytest.mark.parametrize('shape', SHAPES)
def test_the_bound_holds_for_few_outliers_in_wide_cells(shape, rule):
    for seed in range(3):
        scores, labels = sample(shape, num=3000, share=0.02, seed=seed)
        summary = filled(scores, labels, **TABLE).summary(fpr_rule=rule)
        for name, value in truth(scores, labels, rule).items():
            assert abs(summary[name] - value) <= summary[f'{name}_error'] + 1e-12, name


@pytest.mark.parametrize('values', [
    lambda rng: rng.normal(size=400000).astype(np.float16), lambda rng: rng.integers(256, size=400000),
    lambda rng: rng.integers(65536, size=400000),
])
def test_maps_of_few_bits_stay_exact(values):
    rng = np.random.default_rng(0)
    scores, labels = values(rng).astype(np.float32), (rng.random(400000) < 0.1).astype(np.uint8)
    summary = filled(scores, labels, **TABLE).summary()
    assert summary['AP_error'] == summary['AUROC_error'] == summary['FPR95_error'] == 0
    for name, value in truth(scores, labels).items():
        assert summary[name] == pytest.approx(value, abs=1e-12)


def test_a_tie_among_scores_that_are_not():
    """Clipped scores: one value in every ten, which mixing would misjudge by far."""
    scores, labels = sample('continuous', num=400000)
    scores = scores.clip(-1.3, 1.7)
    summary = filled(scores, labels, **TABLE).summary()
    for name, value in truth(scores, labels).items():
        assert summary[name] == pytest.approx(value, abs=1e-5)


@pytest.mark.parametrize('sizes', [TABLE, dict(max_exact=8000), {}])
def test_order_and_split_do_not_matter(sizes):
    scores, labels = sample('continuous')
    whole = filled(scores, labels, parts=1, **sizes).summary()
    order = np.random.default_rng(1).permutation(len(scores))
    shuffled = filled(scores[order], labels[order], parts=7, **sizes)
    merged = filled(scores[:5000], labels[:5000], **sizes)
    merged.merge(filled(scores[5000:], labels[5000:], **sizes))
    assert shuffled.summary() == whole
    assert merged.summary() == whole


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
@pytest.mark.parametrize('sizes', [TABLE, {}])
def test_scores_on_a_gpu(sizes):
    scores, labels = sample('continuous')
    histogram = ScoreHistogram(**sizes)
    histogram.update(torch.from_numpy(scores).cuda(), torch.from_numpy(labels).cuda())
    assert histogram.summary() == filled(scores, labels, **sizes).summary()


@pytest.mark.parametrize('sizes', [TABLE, {}])
def test_state_dict_is_plain_and_complete(sizes, tmp_path):
    scores, labels = sample('continuous')
    histogram = filled(scores, labels, **sizes)
    torch.save(histogram.state_dict(), tmp_path / 'state.pth')
    loaded = ScoreHistogram()
    loaded.load_state_dict(torch.load(tmp_path / 'state.pth', weights_only=True))
    for part in (histogram, loaded):
        part.update(scores, labels)
    assert loaded.summary() == histogram.summary()


def test_merge_with_an_empty_histogram():
    scores, labels = sample('tied', num=100)
    merged = ScoreHistogram()
    merged.merge(filled(scores, labels))
    merged.merge(ScoreHistogram())
    assert merged.summary() == filled(scores, labels).summary()


def test_pickle_keeps_every_count():
    scores, labels = sample('continuous')
    histogram = filled(scores, labels, **TABLE)
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


@pytest.mark.parametrize('sizes', [TABLE, {}])
def test_thinned_curve_keeps_the_shape(sizes):
    scores, labels = sample('continuous', num=200000)
    histogram = filled(scores, labels, **sizes)
    curve, thin = histogram.curve(), histogram.curve(max_points=600)
    assert len(thin['tpr']) < 2000 < len(curve['tpr'])
    fpr = np.geomspace(1e-4, 1, 50)
    np.testing.assert_allclose(np.interp(fpr, thin['fpr'], thin['tpr']), np.interp(fpr, curve['fpr'], curve['tpr']),
                               atol=0.006)
    assert thin['threshold'][[0, -1]].tolist() == curve['threshold'][[0, -1]].tolist()
    assert np.isin(thin['threshold'], curve['threshold']).all()


@pytest.mark.parametrize('sizes', [TABLE, {}])
def test_density_counts_every_score(sizes):
    scores, labels = sample('continuous')
    density = filled(scores, labels, **sizes).density(num_bins=50)
    low, high = density['edges'][[0, -1]]
    for name, label in (('inlier', 0), ('outlier', 1)):
        part = scores[labels == label]
        expected, _ = np.histogram(part.clip(low, high), density['edges'])
        assert density[name].sum() == len(part)
        assert np.abs(density[name] - expected).sum() <= 0.01 * len(part)  # cells at the edges of bins
        assert ((part >= low) & (part <= high)).mean() >= 0.998
    for width in (50, 1):
        assert len(filled(np.float32([3, 3]), np.uint8([0, 1]), parts=1).density(width)['edges']) == width + 1


@pytest.mark.parametrize('sizes', [TABLE, {}])
def test_operating_points_do_what_they_say(sizes):
    scores, labels = sample('continuous')
    points = filled(scores, labels, **sizes).operating_points(tpr=0.9, max_fpr=0.01)
    assert set(points) == {'best_F1', 'TPR90', 'FPR1'}
    for point in points.values():
        predicted = scores >= np.float32(point.threshold)
        tp, fp = (predicted & (labels == 1)).sum(), (predicted & (labels == 0)).sum()
        assert point.tpr == pytest.approx(tp / labels.sum(), abs=1e-12)
        assert point.fpr == pytest.approx(fp / (labels == 0).sum(), abs=1e-12)
        assert point.precision == pytest.approx(tp / (tp + fp), abs=1e-12)
        assert point.f1 == pytest.approx(2 * tp / (tp + fp + labels.sum()), abs=1e-12)
    fprs, tprs, _ = roc_curve(labels, scores, drop_intermediate=False)
    assert points['FPR1'].tpr == pytest.approx(tprs[fprs <= 0.01].max(), abs=1e-3 * bool(sizes) + 1e-12)
    assert points['TPR90'].fpr == pytest.approx(fprs[tprs >= 0.9].min(), abs=1e-3 * bool(sizes) + 1e-12)
    precision, recall, _ = precision_recall_curve(labels, scores)
    assert points['best_F1'].f1 == pytest.approx((2 * precision * recall / (precision + recall)).max(), abs=1e-4)


def test_operating_points_that_do_not_exist():
    best = filled(np.float32([1, 2, 3]), np.uint8([1, 0, 0]), parts=1).operating_points()
    assert 'FPR5' not in best
    assert best['TPR95'].fpr == 1
    assert filled(np.float32([1, 2]), np.uint8([0, 0]), parts=1).operating_points() == {}


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
    with pytest.raises(ValueError, match='max_bins must be at least 1048576, found 1024'):
        ScoreHistogram(max_bins=1024)
    with pytest.raises(ValueError, match='max_exact 4 and 8'):
        ScoreHistogram(max_exact=4).merge(ScoreHistogram(max_exact=8))


def test_nothing_is_counted_of_a_bad_frame():
    histogram = ScoreHistogram(**TABLE)
    histogram.update(torch.tensor([1.0, 2.0]), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match='1 of 300000 scores are not finite'):
        histogram.update(torch.cat([torch.ones(299999), torch.tensor([float('nan')])]), torch.zeros(300000))
    assert histogram.summary()['num_inlier'] == 1
