"""OODMetric against scikit-learn and numbers by hand, alone and in several processes."""
import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator, metric
from mmengine.registry import METRICS
from sklearn.metrics import accuracy_score, average_precision_score, roc_auc_score, roc_curve

from mmseg_ood.classification.evaluation import (
    OODMetric,
    ScoredImages,
    class_groups,
    inlier_accuracy,
    judge_sets,
    mean_figures,
)
from mmseg_ood.core import SCORES, anomaly_score

META = dict(classes=tuple('abcde'), set_names=('near', 'far'))
COUNTS = [50, 3, 40, 10, 7]  # head: a, c; middle: d, e; tail: b
SOURCES = {'near': 1, 'far': 2}


def predictions(num_images=400):
    """Model outputs with many ties; a third of the images of ``near`` show a class (SC-OOD)."""
    generator = torch.Generator().manual_seed(0)
    sources = torch.tensor([0, 0, 1, 2])[torch.randint(4, (num_images,), generator=generator)]
    labels = torch.randint(5, (num_images,), generator=generator)
    labels[(sources == 2) | ((sources == 1) & (torch.rand(num_images, generator=generator) < 2 / 3))] = -1
    logits = torch.randn(num_images, 5, generator=generator) * torch.where(labels < 0, 1, 2)[:, None]
    logits[torch.arange(num_images), labels.clamp_min(0)] += 2.0 * (labels >= 0)
    return [dict(logits=row, label=label, source=source)
            for row, label, source in zip((2 * logits).round() / 2, labels.tolist(), sources.tolist(), strict=True)]


def run(samples, meta=META, batch_size=64, **kwargs):
    ours = OODMetric(**kwargs)
    ours.dataset_meta = meta
    for start in range(0, len(samples), batch_size):
        ours.process({}, samples[start:start + batch_size])
    return ours.evaluate(len(samples))


def columns(samples):
    return (torch.stack([one['logits'] for one in samples]), np.array([one['label'] for one in samples]),
            np.array([one['source'] for one in samples]))


def fpr95(is_positive, score):
    fpr, tpr, _ = roc_curve(is_positive, score, drop_intermediate=False)
    return fpr[tpr >= 0.95][0]


def reference(samples, score, set_name, temperature=1.0):
    """A row of figures by scikit-learn."""
    logits, labels, sources = columns(samples)
    chosen = (sources == 0) | (sources == SOURCES[set_name])
    scores, outlier = anomaly_score(logits, score, temperature).numpy()[chosen], labels[chosen] == -1
    return {
        'AUROC': 100 * roc_auc_score(outlier, scores), 'AUPR_out': 100 * average_precision_score(outlier, scores),
        'AUPR_in': 100 * average_precision_score(~outlier, -scores), 'FPR95': 100 * fpr95(outlier, scores),
        'FPR95_in': 100 * fpr95(~outlier, -scores)}


@pytest.fixture(scope='module')
def samples():
    return predictions()


@pytest.mark.parametrize('score', ['energy', 'msp', 'max_logit', 'entropy'])
def test_equals_scikit_learn(samples, score):
    assert score in SCORES
    figures = run(samples, scores=[score])
    rows = {name: reference(samples, score, name) for name in SOURCES}
    expected = {f'{set_name}/{score}/{name}': value for set_name, row in rows.items() for name, value in row.items()}
    expected |= {f'mean/{score}/{name}': (rows['near'][name] + rows['far'][name]) / 2 for name in rows['near']}
    logits, labels, sources = columns(samples)
    inlier = sources == 0
    expected['accuracy'] = 100 * accuracy_score(labels[inlier], logits.argmax(1).numpy()[inlier])
    assert figures == pytest.approx(expected, rel=1e-12)


def test_there_are_ties_and_the_two_directions_differ(samples):
    scores = anomaly_score(columns(samples)[0], 'max_logit')
    assert len(scores.unique()) < len(scores) / 4
    row = reference(samples, 'energy', 'near')
    assert row['FPR95'] != row['FPR95_in']
    assert row['AUPR_in'] != row['AUPR_out']


def test_scores_with_options(samples):
    figures = run(samples, scores=['energy:temperature=2', dict(type='msp', name='softmax')])
    for key, row in (('energy_t2', reference(samples, 'energy', 'far', 2.0)),
                     ('softmax', reference(samples, 'msp', 'far'))):
        assert {name: figures[f'far/{key}/{name}'] for name in row} == pytest.approx(row, rel=1e-12)


def test_inliers_of_an_ood_set_join_the_inlier_side_of_that_set_only(samples):
    """Without them ``near`` has other figures, ``far`` and the accuracy have not."""
    kept = [one for one in samples if one['source'] == 0 or one['label'] == -1]
    figures, without = run(samples), run(kept)
    assert len(kept) < len(samples)
    assert figures['near/energy/AUROC'] != without['near/energy/AUROC']
    assert figures['accuracy'] == without['accuracy']
    for name in ('AUROC', 'FPR95', 'AUPR_in'):
        assert figures[f'far/energy/{name}'] == without[f'far/energy/{name}']


@pytest.mark.parametrize('rule', ['nearest', 'interpolate'])
def test_other_rules_have_columns_of_their_own(samples, rule):
    figures, first = run(samples, fpr_rule=rule), run(samples)
    assert f'far/energy/FPR95_{rule}' in figures
    assert f'far/energy/FPR95_in_{rule}' in figures
    assert not {'far/energy/FPR95', 'far/energy/FPR95_in'} & set(figures)
    assert figures['far/energy/AUROC'] == first['far/energy/AUROC']


def test_groups_by_hand():
    """Six inliers of three classes, four outliers; the threshold that finds all outliers is 5."""
    images = ScoredImages(
        labels=np.array([0, 0, 0, 1, 1, 2, -1, -1, -1, -1]), sources=np.array([0] * 6 + [1] * 4),
        predictions=np.array([0, 0, 2, 1, 0, 0, 0, 0, 0, 0]),
        scores={'energy': np.array([1, 2, 5, 3, 7, 9, 5, 6, 8, 9], dtype=np.float32)})
    groups = class_groups([100, 30, 10])
    assert inlier_accuracy(images, groups) == pytest.approx(
        {'accuracy': 50.0, 'accuracy_head': 200 / 3, 'accuracy_middle': 50.0, 'accuracy_tail': 0.0})
    verdict = judge_sets(images, ['set'], groups)['set']['energy']
    assert {name: value for name, value in verdict.figures.items() if name.startswith('FPR95')} == pytest.approx(
        {'FPR95': 50.0, 'FPR95_in': 100.0, 'FPR95_head': 100 / 3, 'FPR95_middle': 50.0, 'FPR95_tail': 100.0})


def test_groups_make_up_the_whole(samples):
    """Weighted by their sizes, the figures of the groups are those of all inliers, of an SC-OOD set, too."""
    figures = run(samples, class_counts=COUNTS)
    _, labels, sources = columns(samples)
    groups = {'head': [0, 2], 'middle': [3, 4], 'tail': [1]}
    for prefix, whole, chosen in (('accuracy', 'accuracy', sources == 0),
                                  ('near/energy/FPR95', 'near/energy/FPR95', (sources < 2) & (labels >= 0))):
        sizes = {name: np.isin(labels[chosen], classes).sum() for name, classes in groups.items()}
        total = sum(size * figures[f'{prefix}_{name}'] for name, size in sizes.items())
        assert total / sum(sizes.values()) == pytest.approx(figures[whole], rel=1e-12)


def test_group_figures_have_a_mean(samples):
    figures = run(samples, class_counts=COUNTS, scores=['msp'])
    for name in ('head', 'middle', 'tail'):
        assert figures[f'mean/msp/FPR95_{name}'] == pytest.approx(
            (figures[f'near/msp/FPR95_{name}'] + figures[f'far/msp/FPR95_{name}']) / 2)


@pytest.mark.parametrize(('counts', 'num_groups', 'expected'), [
    ([100, 90, 80, 70, 60, 50, 40, 30, 20, 10], 3, {'head': [0, 1, 2, 3], 'middle': [4, 5, 6], 'tail': [7, 8, 9]}),
    ([1, 2, 3, 4, 5], 3, {'head': [4, 3], 'middle': [2, 1], 'tail': [0]}),
    ([5, 5, 5, 5], 2, {'head': [0, 1], 'tail': [2, 3]}),
])
def test_class_groups(counts, num_groups, expected):
    assert {name: classes.tolist() for name, classes in class_groups(counts, num_groups).items()} == expected


def test_judge_sets_gives_curves(samples):
    logits, labels, sources = columns(samples)
    scores = {'energy': anomaly_score(logits).numpy(), 'msp': anomaly_score(logits, 'msp').numpy()}
    images = ScoredImages(labels, sources, logits.argmax(1).numpy(), scores)
    verdicts = judge_sets(images, META['set_names'])
    assert list(verdicts) == ['near', 'far']
    verdict = verdicts['far']['msp']
    outlier = (labels == -1)[sources != 1]
    fpr, tpr, thresholds = roc_curve(outlier, scores['msp'][sources != 1], drop_intermediate=False)
    np.testing.assert_allclose(verdict.curve['threshold'], thresholds[1:])
    np.testing.assert_allclose(verdict.curve['tpr'], tpr[1:])
    np.testing.assert_allclose(verdict.curve['fpr'], fpr[1:])
    assert verdict.density['outlier'].sum() == verdict.summary['num_outlier'] == outlier.sum()
    assert verdict.density['inlier'].sum() == verdict.summary['num_inlier'] == (~outlier).sum()
    assert 100 * verdict.operating_points['TPR95'].fpr == pytest.approx(verdict.figures['FPR95'])
    assert set(mean_figures(verdicts)) == {'energy', 'msp'}


def test_verdicts_are_kept(samples):
    ours = OODMetric()
    ours.dataset_meta = META
    ours.process({}, samples)
    figures = ours.evaluate(len(samples))
    assert ours.verdicts['near']['msp'].figures['AUROC'] == figures['near/msp/AUROC']


@pytest.mark.parametrize('num_processes', [2, 3])
def test_several_processes(samples, monkeypatch, num_processes):
    """Image i is seen by process i % n; the last ones repeat some, which are not counted."""
    expected = run(samples, class_counts=COUNTS)
    padded = samples + samples[:-len(samples) % num_processes]
    parts = []
    for rank in range(num_processes):
        ours = OODMetric(class_counts=COUNTS)
        ours.dataset_meta = META
        ours.process({}, padded[rank::num_processes])
        parts.append(ours.results)

    def collect(own, size, *args, **kwargs):
        return [row for rows in zip(*parts, strict=True) for row in rows][:size]

    monkeypatch.setattr(metric, 'collect_results', collect)
    assert ours.evaluate(len(samples)) == expected


def test_built_by_the_registry_and_fed_by_an_evaluator(samples):
    evaluator = Evaluator([METRICS.build(dict(type='OODMetric', prefix='ood'))])
    evaluator.dataset_meta = META
    evaluator.process(samples[:100])
    evaluator.process(samples[100:])
    figures = evaluator.evaluate(len(samples))
    assert figures == {f'ood/{name}': value for name, value in run(samples).items()}


def test_a_plain_test_set_has_an_accuracy_alone(samples):
    inliers = [dict(logits=one['logits'], label=one['label']) for one in samples if one['source'] == 0]
    figures = run(inliers, meta=None, class_counts=COUNTS)
    assert set(figures) == {'accuracy', 'accuracy_head', 'accuracy_middle', 'accuracy_tail'}


def test_a_second_evaluation_starts_anew(samples):
    ours = OODMetric()
    ours.dataset_meta = META
    results = []
    for _ in range(2):
        ours.process({}, samples)
        results.append(ours.evaluate(len(samples)))
    assert results[0] == results[1]


def changed(samples, index, **kwargs):
    return [*samples[:index], {**samples[index], **kwargs}, *samples[index + 1:]]


def first_of(samples, source):
    return next(index for index, one in enumerate(samples) if one['source'] == source)


@pytest.mark.parametrize(('change', 'message'), [
    (lambda s: [one for one in s if one['source'] != 2], "OOD set 'far': none of its 0 images is an outlier"),
    (lambda s: [one for one in s if one['source'] != 0], 'no image in the inlier test set'),
    (lambda s: [one for one in s if one['source'] != 1 or one['label'] >= 0], "OOD set 'near': none of its .* images"),
    (lambda s: changed(s, first_of(s, 0), label=-1), '1 of .* images in the inlier test set are labelled as outliers'),
    (lambda s: changed(s, 0, source=3), 'sources go from 0 to 3, expected 0 to 2, for the OOD sets near, far'),
    (lambda s: changed(s, 0, source=-1), 'sources go from -1 to 2'),
    (lambda s: changed(s, 0, label=5), r'values \[5\], expected 0..4, -1'),
    (lambda s: changed(s, 0, label=-100), r'values \[-100\], expected 0..4, -1'),
    (lambda s: changed(s, 0, logits=torch.full((5,), torch.nan)), '5 of 320 logits are not finite'),
    (lambda s: [{'logits': one['logits']} for one in s], r"OODMetric needs 'label' of each image, found \['logits'\]"),
    (lambda s: [], 'no image was evaluated'),
])
def test_bad_input(samples, change, message):
    with pytest.raises(ValueError, match=message):
        run(change(samples))


def test_sources_without_names(samples):
    with pytest.raises(ValueError, match=r'sources go from 0 to 2, expected 0 to 0, for the OOD sets \(none\)'):
        run(samples, meta=dict(classes=META['classes']))


def test_a_group_without_images(samples):
    kept = [one for one in samples if one['label'] != 1]
    with pytest.raises(ValueError, match=r'accuracy_tail: the inlier test set has no image of the classes \[1\]'):
        run(kept, class_counts=COUNTS)


@pytest.mark.parametrize(('meta', 'kwargs', 'message'), [
    (META, dict(class_counts=[3, 2, 1]), 'class_counts has 3 classes, the logits have 5'),
    ({**META, 'classes': ('a', 'b')}, {}, 'the data set has 2 classes, the logits have 5'),
    ({**META, 'set_names': ('near', 'mean')}, {}, "no OOD set can be called 'mean'"),
])
def test_what_does_not_fit_together(samples, meta, kwargs, message):
    with pytest.raises(ValueError, match=message):
        run(samples, meta=meta, **kwargs)


@pytest.mark.parametrize(('kwargs', 'message'), [
    (dict(scores=[]), r'expected one or several different scores, found \[\]'),
    (dict(scores=['msp', 'msp']), 'several different scores'),
    (dict(scores=['energy:smoothing']), "score 'energy_smoothed': smoothing is for maps"),
    (dict(scores=['enrgy']), "unknown score 'enrgy'"),
    (dict(fpr_rule='last'), "unknown fpr_rule 'last', expected one of first, nearest, interpolate"),
    (dict(class_counts=[1, 2], num_groups=3), 'class_counts has 2 classes, expected at least one for each of 3 groups'),
    (dict(class_counts=[1, 2, 3, 4], num_groups=4), 'num_groups must be one of 2, 3, found 4'),
])
def test_bad_configs(kwargs, message):
    with pytest.raises(ValueError, match=message):
        OODMetric(**kwargs)
