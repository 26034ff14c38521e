"""Thresholds: numbers, the one operating point of a results.json that is meant, and quantiles of inliers."""
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from mmseg_ood.apis.thresholds import Threshold, inlier_quantile, read_threshold
from mmseg_ood.core import ScoreHistogram

POINT = {'TPR': 71.24, 'FPR': 3.1, 'precision': 40.0, 'F1': 51.2}
IN_DISTRIBUTION = {'benchmark': 'in-distribution', 'frames': 4, 'mIoU': 50.0}


def row(benchmark, score, best_f1, root='data/x', **thresholds):
    points = {name: {'threshold': value, **POINT} for name, value in {'best_F1': best_f1, **thresholds}.items()}
    return {'benchmark': benchmark, 'root': root, 'score': score, 'AP': 31.5, 'operating_points': points}


ROWS = (row('road-anomaly', 'energy', -6.25, TPR95=-9.5), row('road-anomaly', 'msp', 0.5),
        row('fishyscapes-static', 'energy', -3.0), row('road-anomaly-21', 'msp', 0.25))


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / 'iter_2.pth'
    path.write_bytes(b'weights')
    return path


@pytest.fixture
def write(tmp_path):
    """Writes a results.json of the checkpoint, or with another provenance."""
    def write(*rows, **provenance):
        provenance = provenance or {'checkpoint': 'runs/a.pth',
                                    'checkpoint_sha256': hashlib.sha256(b'weights').hexdigest()}
        path = tmp_path / 'results.json'
        path.write_text(json.dumps({'results': [IN_DISTRIBUTION, *rows], 'protocol': {}, 'provenance': provenance}))
        return path
    return write


@pytest.mark.parametrize(('threshold', 'value'), [('-6.3', -6.3), (-6.3, -6.3), (2, 2.0), ('-1e-3', -0.001)])
def test_numbers(threshold, value):
    assert read_threshold(threshold, 'energy', checkpoint='no.pth') == Threshold(value, 'given as a number')


@pytest.mark.parametrize('threshold', ['nan', 'inf', float('-inf')])
def test_numbers_that_are_not_finite(threshold):
    with pytest.raises(ValueError, match=f'threshold must be finite, found {threshold}'):
        read_threshold(threshold, 'energy', checkpoint='no.pth')


@pytest.mark.parametrize('choice', [{'benchmark': 'road-anomaly'}, {'point': 'TPR95'}])
def test_choices_that_a_number_does_not_leave(choice):
    with pytest.raises(ValueError, match='threshold -1 is a number; a benchmark and an operating point choose among'):
        read_threshold(-1, 'energy', checkpoint='no.pth', **choice)


@pytest.mark.parametrize('kind', [str, Path])
def test_the_only_benchmark(write, checkpoint, kind):
    threshold = read_threshold(kind(write(*ROWS[:2])), 'energy', checkpoint=checkpoint, source='images/')
    assert threshold.value == -6.25
    assert threshold.description.startswith('best_F1 of energy on road-anomaly=data/x in ')
    assert threshold.description.endswith('results.json: TPR 71.2 %, FPR 3.1 %, precision 40.0 %, F1 51.2 %')


@pytest.mark.parametrize(('score', 'choice', 'value'), [
    ('energy', {'source': 'road-anomaly'}, -6.25),
    ('energy', {'source': 'fishyscapes-static=elsewhere'}, -3.0),
    ('energy', {'source': 'road-anomaly', 'benchmark': 'fishyscapes-static'}, -3.0),
    ('energy', {'benchmark': 'road-anomaly=data/x', 'point': 'TPR95'}, -9.5),
    ('msp', {'source': 'road-anomaly-21'}, 0.25),
    ('msp', {'benchmark': 'road-anomaly'}, 0.5),
])
def test_which_of_several(write, checkpoint, score, choice, value):
    assert read_threshold(write(*ROWS), score, checkpoint=checkpoint, **choice).value == value


@pytest.mark.parametrize('key', ['benchmark', 'source'])
def test_one_benchmark_under_two_roots(write, checkpoint, key):
    results = write(row('road-anomaly', 'energy', -1.0, 'a'), row('road-anomaly', 'energy', -2.0, 'b'))
    assert read_threshold(results, 'energy', checkpoint=checkpoint, **{key: 'road-anomaly=b'}).value == -2
    with pytest.raises(ValueError, match='several operating points of energy.*energy on road-anomaly=a, energy on ro'):
        read_threshold(results, 'energy', checkpoint=checkpoint, **{key: 'road-anomaly'})


@pytest.mark.parametrize('source', [None, 'images/', 'road-anomaly-21'])
def test_too_many_benchmarks(write, checkpoint, source):
    """The score of the last source was not evaluated there."""
    with pytest.raises(ValueError, match=r'results.json: several operating points of energy, found: energy on '
                                         r'road-anomaly=data/x, msp on .*; --score chooses the score, '
                                         r'--threshold-benchmark NAME\[=ROOT\] the benchmark'):
        read_threshold(write(*ROWS), 'energy', checkpoint=checkpoint, source=source)


@pytest.mark.parametrize(('score', 'benchmark', 'message'), [
    ('energy_t2', None, 'no operating points of energy_t2, found: energy on road-anomaly'),
    ('energy', 'lost-and-found', 'no operating points of energy on lost-and-found, found: energy on road-anomaly'),
    ('energy', 'road-anomaly=data/y', 'no operating points of energy on road-anomaly=data/y, found: energy on road-a'),
    ('energy', 'in-distribution', 'no operating points of energy on in-distribution'),
])
def test_what_was_not_evaluated(write, checkpoint, score, benchmark, message):
    with pytest.raises(ValueError, match=message):
        read_threshold(write(*ROWS), score, benchmark, checkpoint=checkpoint, source='road-anomaly')


def test_results_without_operating_points(write, checkpoint):
    with pytest.raises(ValueError, match='no operating points of energy, found: none'):
        read_threshold(write(), 'energy', checkpoint=checkpoint)


def test_unknown_operating_point(write, checkpoint):
    with pytest.raises(ValueError, match="no operating point 'FPR5' of energy on road-anomaly, found best_F1, TPR95"):
        read_threshold(write(*ROWS), 'energy', point='FPR5', checkpoint=checkpoint, source='road-anomaly')


def test_thresholds_of_another_checkpoint(write, checkpoint):
    results = write(*ROWS, checkpoint='runs/b.pth', checkpoint_sha256='12ab' * 16)
    used = hashlib.sha256(b'weights').hexdigest()[:12]
    with pytest.raises(ValueError, match=rf'{results} holds thresholds of checkpoint runs/b.pth \(sha256 12ab12ab12ab'
                                         rf'\.\.\.\), which mean nothing for {checkpoint} \(sha256 {used}\.'):
        read_threshold(results, 'msp', 'road-anomaly', checkpoint=checkpoint)


def test_thresholds_of_maps(write, checkpoint):
    with pytest.raises(ValueError, match='results.json was made from anomaly maps and does not tell whether they are'):
        read_threshold(write(*ROWS, command='evaluate.py'), 'msp', 'road-anomaly', checkpoint=checkpoint)


@pytest.mark.parametrize('threshold', ['-6,3', 'no/results.json', '.'])
def test_neither_number_nor_file(threshold):
    with pytest.raises(FileNotFoundError, match=f'threshold {threshold}: neither a number nor a file that exists'):
        read_threshold(threshold, 'energy', checkpoint='no.pth')


@pytest.mark.parametrize('content', [
    '', '[]', '{}', '"text"', '{"results": [3], "provenance": {}}', '{"results": []}', '{"results": {"a": 1}}',
    json.dumps({'results': [{**ROWS[0], 'operating_points': 3}], 'provenance': {}}),
    json.dumps({'results': [{**ROWS[0], 'operating_points': {'best_F1': {'TPR': 1}}}], 'provenance': {}}),
    json.dumps({'results': [row('road-anomaly', 'energy', None)], 'provenance': {}}),
    json.dumps({'results': [row('road-anomaly', 'energy', float('nan'))], 'provenance': {}}),
    json.dumps({'results': list(ROWS), 'provenance': 3}),
])
def test_another_kind_of_file(tmp_path, checkpoint, content):
    (tmp_path / 'other.json').write_text(content)
    with pytest.raises(ValueError, match='other.json: expected a results.json as tools/evaluate.py writes it, found '):
        read_threshold(tmp_path / 'other.json', 'energy', checkpoint=checkpoint)


def test_a_picture_is_another_kind_of_file(tmp_path, checkpoint):
    (tmp_path / 'other.png').write_bytes(b'\x89PNG\xff\xfe')
    with pytest.raises(ValueError, match='other.png: expected a results.json'):
        read_threshold(tmp_path / 'other.png', 'energy', checkpoint=checkpoint)


def histogram_of(scores, labels=None, **sizes):
    histogram = ScoreHistogram(**sizes)
    histogram.update(scores, np.zeros(scores.shape, np.uint8) if labels is None else labels)
    return histogram


@pytest.mark.parametrize('quantile', [0.001, 0.05, 0.5, 0.95, 0.999, 0.99999])
@pytest.mark.parametrize('decimals', [0, 1, 6])
def test_quantile_is_the_lowest_threshold_that_does(quantile, decimals):
    """By definition, on scores with many ties, few and none."""
    scores = np.random.default_rng(0).normal(size=5000).round(decimals).astype(np.float32)
    candidates = np.append(np.unique(scores), np.nextafter(scores.max(), np.float32('inf')))
    expected = min(value for value in candidates if (scores < value).sum() >= quantile * len(scores))
    assert inlier_quantile(histogram_of(scores), quantile) == expected


def test_quantile_counts_inliers_alone():
    scores = np.arange(40, dtype=np.float32)
    labels = np.repeat(np.array([0, 1, 255, 0], np.uint8), 10)
    assert 9 < inlier_quantile(histogram_of(scores, labels), 0.5) <= 30
    assert inlier_quantile(histogram_of(scores, labels), 0.9) == 38


def test_quantile_of_more_pixels_than_are_kept():
    scores = np.random.default_rng(0).normal(size=200000).astype(np.float32)
    value = inlier_quantile(histogram_of(scores, max_exact=1000), 0.95)
    assert (scores < value).mean() == pytest.approx(0.95, abs=1e-3)


@pytest.mark.parametrize('label', [1, 255])
def test_quantile_of_nothing(label):
    with pytest.raises(ValueError, match='no inlier pixel'):
        inlier_quantile(histogram_of(np.zeros(3, np.float32), np.full(3, label)), 0.9)
