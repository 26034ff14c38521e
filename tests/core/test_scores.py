"""Scores and scorers against closed forms, float64 NumPy and SciPy; names, options and bad input."""
import json
import pickle

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from mmseg_ood.core import (
    SCORES,
    AnomalyScorer,
    MaxLogitStatistics,
    anomaly_score,
    free_energy,
    register_score,
)

WITH_TEMPERATURE = ('energy', 'msp', 'void')
BUILT_IN = ('energy', 'msp', 'max_logit', 'entropy', 'sml', 'void')


def random_logits(*shape, dtype=torch.float64, scale=5.0):
    return (scale * torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)).to(dtype)


def some_statistics(num_classes):
    """Statistics of random logits, every class predicted often."""
    statistics = MaxLogitStatistics(num_classes)
    logits = 3 * torch.randn(500, num_classes, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    statistics.update(logits, torch.zeros(500, dtype=torch.int64))
    return statistics


def oracle(logits, method, temperature, statistics=None):
    f = logits.double().numpy()
    shifted = f / temperature - (f / temperature).max(1, keepdims=True)
    p = np.exp(shifted) / np.exp(shifted).sum(1, keepdims=True)
    q = np.exp(f - f.max(1, keepdims=True))
    q = q / q.sum(1, keepdims=True)
    if method == 'sml':
        mean, std = statistics.mean().numpy(), statistics.std().numpy()
        return -(f.max(1) - mean[f.argmax(1)]) / std[f.argmax(1)]
    return {
        'energy': -temperature * np.log(np.exp(f / temperature).sum(1)),
        'msp': 1 - p.max(1),
        'max_logit': -f.max(1),
        'entropy': -(q * np.log(q)).sum(1) / np.log(f.shape[1]),
        'void': p[:, -1],
    }[method]


@pytest.fixture
def registry():
    """Scores that a test registers are gone after it."""
    before = dict(SCORES)
    yield SCORES
    SCORES.clear()
    SCORES.update(before)


@pytest.fixture
def statistics_file(tmp_path):
    some_statistics(3).save(tmp_path / 'stats.json')
    return tmp_path / 'stats.json'


@pytest.mark.parametrize('method', BUILT_IN)
@pytest.mark.parametrize('shape', [(4, 7), (2, 5, 3), (2, 3, 4, 5), (1, 2, 3, 4, 5)])
@pytest.mark.parametrize('temperature', [0.5, 1.0, 3.0])
def test_scores_equal_float64_oracle(method, shape, temperature):
    logits, statistics = random_logits(*shape), some_statistics(shape[1])
    score = anomaly_score(logits, method, temperature, statistics=statistics)
    assert score.shape == shape[:1] + shape[2:]
    np.testing.assert_allclose(score.numpy(), oracle(logits, method, temperature, statistics), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize('method', BUILT_IN)
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
def test_half_precision_is_computed_in_float32(method, dtype):
    logits, statistics = random_logits(2, 19, 4, 4, dtype=dtype), some_statistics(19)
    score = anomaly_score(logits, method, statistics=statistics)
    assert score.dtype == torch.float32
    np.testing.assert_allclose(score.numpy(), oracle(logits, method, 1.0, statistics), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('method', BUILT_IN)
def test_sure_prediction_scores_lower_than_an_unsure_one(method):
    sure, unsure = torch.tensor([[12.0, 0, 0]]), torch.tensor([[1.0, 0.9, 0.8]])
    statistics = some_statistics(3)
    assert anomaly_score(sure, method, statistics=statistics) < anomaly_score(unsure, method, statistics=statistics)


@pytest.mark.parametrize('method', ['msp', 'entropy'])
def test_probabilities_do_not_see_a_constant_added_to_all_logits(method):
    logits = random_logits(3, 5, 2)
    torch.testing.assert_close(anomaly_score(logits + 4.0, method), anomaly_score(logits, method))


def test_max_logit_moves_with_a_constant_added_to_all_logits():
    logits = random_logits(3, 5, 2)
    torch.testing.assert_close(anomaly_score(logits + 4.0, 'max_logit'), anomaly_score(logits, 'max_logit') - 4.0)


@pytest.mark.parametrize('method', [name for name in BUILT_IN if name not in WITH_TEMPERATURE])
def test_scores_without_temperature(method):
    logits, statistics = random_logits(3, 5), some_statistics(5)
    assert torch.equal(anomaly_score(logits, method, 7.0, statistics=statistics),
                       anomaly_score(logits, method, 1.0, statistics=statistics))


def test_msp_keeps_digits_where_the_maximum_rounds_to_one():
    score = anomaly_score(torch.tensor([[30.0, 0.0]]), 'msp')
    assert score.item() == pytest.approx(np.exp(-30.0), rel=1e-5)


def test_entropy_range():
    logits = torch.tensor([[0.0, 0, 0, 0], [200.0, 0, 0, 0]])
    torch.testing.assert_close(anomaly_score(logits, 'entropy'), torch.tensor([1.0, 0.0]))


def test_standardised_max_logits_by_hand():
    statistics = MaxLogitStatistics(2)
    # Class 0: 6 and 10, mean 8, deviation 2; class 1: 1 and 2, mean 1.5, deviation 0.5.
    statistics.update(torch.tensor([[6.0, 0], [10.0, 0], [0, 1.0], [0, 2.0]]), torch.tensor([0, 0, 0, 0]))
    score = anomaly_score(torch.tensor([[12.0, 0], [7.0, 0], [0.5, 1.0]]), 'sml', statistics=statistics)
    assert score.tolist() == pytest.approx([-2.0, 0.5, 1.0])


def test_standardised_max_logits_have_mean_0_and_deviation_1_in_every_class():
    """Normal max logits of another mean and spread in each class: what SML is made to undo."""
    generator = torch.Generator().manual_seed(2)
    classes = torch.arange(4).repeat(500)
    values = 10.0 * (classes + 1) + (classes + 1) * torch.randn(2000, generator=generator, dtype=torch.float64)
    logits = torch.full((2000, 4), -100.0, dtype=torch.float64).scatter(1, classes[:, None], values[:, None])
    statistics = MaxLogitStatistics(4)
    statistics.update(logits, classes)
    score = anomaly_score(logits, 'sml', statistics=statistics)
    for index in range(4):
        assert score[classes == index].mean().item() == pytest.approx(0, abs=1e-9)
        assert score[classes == index].std(unbiased=False).item() == pytest.approx(1)


@pytest.mark.parametrize('method', BUILT_IN)
@pytest.mark.parametrize('dim', [0, -1])
def test_class_dimension(method, dim):
    logits, statistics = random_logits(2, 5, 3), some_statistics(5)
    torch.testing.assert_close(anomaly_score(logits.movedim(1, dim), method, dim=dim, statistics=statistics),
                               anomaly_score(logits, method, statistics=statistics))


def test_unknown_method_lists_the_known_ones():
    with pytest.raises(ValueError, match="unknown score 'mcd', expected one of energy, msp, max_logit, entropy, sml"):
        anomaly_score(torch.zeros(1, 2), 'mcd')


@pytest.mark.parametrize('method', BUILT_IN)
def test_bad_temperature(method):
    with pytest.raises(ValueError, match='temperature must be positive'):
        anomaly_score(torch.zeros(1, 2), method, temperature=0, statistics=some_statistics(2))


def test_missing_statistics_name_the_command():
    with pytest.raises(ValueError, match="'sml' needs statistics .* tools/measure_statistics.py CONFIG CHECKPOINT"):
        anomaly_score(torch.zeros(1, 2), 'sml')


def test_statistics_of_other_classes():
    with pytest.raises(ValueError, match="'sml': statistics: 3 classes, expected 2"):
        anomaly_score(torch.zeros(1, 2), 'sml', statistics=some_statistics(3))


def test_table_holds_every_score_and_its_formula():
    for name in BUILT_IN:
        row, = (line for line in anomaly_score.__doc__.splitlines() if line.strip().startswith(f'``{name}``'))
        assert f'``{SCORES[name].formula}``' in row


def test_registry_reads_like_a_dict_of_names():
    assert tuple(SCORES)[:len(BUILT_IN)] == BUILT_IN
    assert ', '.join(SCORES).startswith('energy, msp')
    assert {'energy', 'mcd'} - SCORES.keys() == {'mcd'}


def test_registered_score(registry):
    @register_score('margin', formula='f2 - f1')
    def margin(logits, temperature, dim):
        assert logits.dtype == torch.float32
        first, second = (logits / temperature).topk(2, dim).values.unbind(dim)
        return second - first

    logits = torch.tensor([[8.0, 2.0, 0.0]], dtype=torch.float16)
    assert anomaly_score(logits, 'margin', temperature=2.0).item() == -3.0
    assert AnomalyScorer.parse('margin:temperature=2')(logits).item() == -3.0
    assert AnomalyScorer('margin').describe()['formula'] == 'f2 - f1'
    assert margin(logits.float(), 1.0, 1).item() == -6.0  # the decorator returns the function itself


def test_registered_score_with_statistics(registry):
    @register_score('centred', needs_statistics=True)
    def centred(logits, temperature, dim, statistics):
        return statistics.mean().max() - logits.amax(dim)

    statistics = some_statistics(2)
    expected = statistics.mean().max().item() - 5.0
    assert AnomalyScorer('centred', statistics=statistics)(torch.tensor([[5.0, 0]])).item() == pytest.approx(expected)
    with pytest.raises(ValueError, match="'centred' needs statistics"):
        AnomalyScorer('centred')


def test_void_sees_the_channel_behind_the_inlier_classes():
    # softmax of log 1, log 2, log 5 is 1/8, 2/8, 5/8.
    logits = torch.tensor([1.0, 2.0, 5.0]).log()[None]
    for scorer in (AnomalyScorer('void'), AnomalyScorer('void', num_classes=2),
                   AnomalyScorer.parse('void', num_classes=2)):
        assert scorer(logits).item() == pytest.approx(5 / 8)
    assert AnomalyScorer('msp', num_classes=2)(logits).item() == pytest.approx(1 / 3)
    # At T = 1/2 the odds are squared.
    assert AnomalyScorer('void', temperature=0.5)(logits).item() == pytest.approx(25 / 30)


def test_void_without_a_channel_behind_the_inlier_classes():
    with pytest.raises(ValueError, match="score 'void': expected logits of at least 4 classes, found 3 channels$"):
        AnomalyScorer('void', num_classes=3)(torch.zeros(1, 3, 4, 4))


def test_registered_score_of_all_channels(registry):
    @register_score('width', all_channels=True)
    def width(logits, temperature, dim):
        return torch.full_like(logits.select(dim, 0), logits.shape[dim])

    assert AnomalyScorer('width', num_classes=2)(torch.zeros(1, 5)).item() == 5


def test_name_can_be_taken_once(registry):
    with pytest.raises(ValueError, match="score 'energy' is registered already"):
        register_score('energy')(free_energy)
    assert SCORES['energy'].function is free_energy


@pytest.mark.parametrize('name', ['', '../energy', 'a/b', r'a\b', 'energy:t', 'a,b', '.', 'a b'])
def test_names_that_are_no_folders(registry, name):
    for call in (lambda: register_score(name)(free_energy), lambda: AnomalyScorer('energy', name=name)):
        with pytest.raises(ValueError, match='name of a score: expected letters, digits'):
            call()


@pytest.mark.parametrize(('text', 'name'), [
    ('energy', 'energy'), ('energy:temperature=2', 'energy_t2'), ('energy:temperature=0.5', 'energy_t0.5'),
    ('energy:smoothing', 'energy_smoothed'), ('energy:smoothing,temperature=2', 'energy_t2_smoothed'),
    ('msp:temperature=1', 'msp'), ('entropy:smoothing', 'entropy_smoothed'), ('energy:num_classes=19', 'energy'),
    ('energy:temperature=2,name=mine', 'mine'),
])
def test_names(text, name):
    assert AnomalyScorer.parse(text).name == name


def test_parsed_options_equal_those_of_the_class(statistics_file):
    logits = random_logits(2, 4, 8, 9, dtype=torch.float32)
    for text, scorer in (
            ('energy:temperature=2,smoothing,num_classes=3',
             AnomalyScorer(temperature=2, smoothing=True, num_classes=3)),
            (f'sml:statistics={statistics_file},num_classes=3,name=x',
             AnomalyScorer('sml', statistics=statistics_file, num_classes=3, name='x')),
            ('max_logit', AnomalyScorer('max_logit'))):
        parsed = AnomalyScorer.parse(text)
        assert parsed.describe() == scorer.describe()
        assert torch.equal(parsed(logits), scorer(logits))


def test_windows_paths_survive(monkeypatch):
    opened = []
    monkeypatch.setattr(MaxLogitStatistics, 'load', lambda path: opened.append(path) or some_statistics(3))
    AnomalyScorer.parse(r'sml:statistics=C:\x\y.json,smoothing')
    assert opened == [r'C:\x\y.json']


@pytest.mark.parametrize(('text', 'message'), [
    ('enrgy', "unknown score 'enrgy', expected one of energy, msp"),
    ('', "unknown score ''"),
    ('energy:', "score 'energy:': unknown option '', expected some of temperature, num_classes, smoothing"),
    ('energy:temprature=2', "score 'energy:temprature=2': unknown option 'temprature', expected some of temperature"),
    ('energy:type=msp', "unknown option 'type'"),
    ('energy:temperature', "score 'energy:temperature': option 'temperature' needs a value: temperature=..."),
    ('energy:temperature=', "option 'temperature' needs a value"),
    ('energy:temperature=warm', "score 'energy:temperature=warm': temperature must be a number, found 'warm'"),
    ('energy:num_classes=2.5', "num_classes must be an integer, found '2.5'"),
    ('energy:temperature=-1', 'temperature must be positive and finite, found -1'),
    ('energy:temperature=2,temperature=3', "option 'temperature' is given twice"),
    ('energy:smoothing=yes', "option 'smoothing' takes no value, found 'yes'"),
    ('energy:num_classes=1', 'num_classes must be at least 2, found 1'),
    ('entropy:temperature=2', "score 'entropy' has no temperature, found temperature=2.0"),
    ('energy:statistics=s.json', "score 'energy' uses no statistics, found statistics=s.json"),
    ('sml', r'needs statistics .*statistics=FILE \(command line: sml:statistics=FILE\)'),
])
def test_command_lines_with_mistakes(text, message):
    with pytest.raises(ValueError, match=message):
        AnomalyScorer.parse(text)


def test_missing_statistics_file():
    with pytest.raises(FileNotFoundError, match='no.json do not exist; tools/measure_statistics.py CONFIG CHECKPOINT'):
        AnomalyScorer.parse('sml:statistics=no.json')


def test_statistics_file_of_other_classes(statistics_file):
    with pytest.raises(ValueError, match=r'stats.json: 3 classes, expected 19'):
        AnomalyScorer('sml', statistics=statistics_file, num_classes=19)
    scorer = AnomalyScorer('sml', statistics=statistics_file)
    with pytest.raises(ValueError, match=r'stats.json: 3 classes, expected 4'):
        scorer(torch.zeros(1, 4, 2, 2))


def test_build_from_a_config(statistics_file):
    scorer = AnomalyScorer.build(dict(type='energy', temperature=2.0, smoothing=True))
    assert scorer.name == 'energy_t2_smoothed'
    assert AnomalyScorer.build(scorer, temperature=3.0) is scorer
    assert AnomalyScorer.build('energy:temperature=2').name == 'energy_t2'
    assert AnomalyScorer.build(dict(type='sml', statistics=str(statistics_file))).statistics.num_classes == 3


def test_build_leaves_the_config_alone():
    config = dict(type='energy', temperature=2.0)
    AnomalyScorer.build(config, num_classes=3)
    assert config == dict(type='energy', temperature=2.0)


def test_defaults_apply_where_they_have_an_effect(statistics_file):
    defaults = dict(temperature=2.0, num_classes=3, statistics=statistics_file)
    described = {name: AnomalyScorer.build(name, **defaults).describe() for name in BUILT_IN}
    assert [described[name]['temperature'] for name in BUILT_IN] == [2.0, 2.0, 1.0, 1.0, 1.0, 2.0]
    assert [described[name]['statistics'] for name in BUILT_IN] == [None] * 4 + [str(statistics_file), None]
    assert {one['num_classes'] for one in described.values()} == {3}
    # A default that has no effect is not even looked at.
    assert AnomalyScorer.build('energy', statistics='no.json').statistics is None


def test_given_options_come_before_defaults():
    assert AnomalyScorer.parse('energy:temperature=3', temperature=2.0).temperature == 3.0
    assert AnomalyScorer.build(dict(type='energy', num_classes=4), num_classes=3).num_classes == 4


@pytest.mark.parametrize(('config', 'message'), [
    (dict(temperature=2.0), 'expected a name or a dict with the name as type'),
    (7, 'score 7: expected a name or a dict'),
    (dict(type='enrgy'), "unknown score 'enrgy', expected one of energy, msp"),
    (dict(type='energy', smooth=True, t=1), "unknown option 'smooth', 't', expected some of temperature"),
])
def test_configs_with_mistakes(config, message):
    with pytest.raises(ValueError, match=message):
        AnomalyScorer.build(config)


def test_pebal_inference_equals_scipy():
    """Free energy of the first C of C + 1 channels, then a blur of kernel 7 and sigma 1."""
    logits = random_logits(2, 4, 9, 12)
    expected = [gaussian_filter(one, 1.0, mode='mirror', radius=3)
                for one in oracle(logits[:, :3], 'energy', 1.0)]
    maps = AnomalyScorer('energy', num_classes=3, smoothing=True)(logits)
    np.testing.assert_allclose(maps.numpy(), expected, rtol=1e-10)


@pytest.mark.parametrize('method', BUILT_IN)
@pytest.mark.parametrize('smoothing', [False, True])
@pytest.mark.parametrize(('dtype', 'expected'), [
    (torch.float16, torch.float32), (torch.float32, torch.float32), (torch.float64, torch.float64)])
def test_types_and_shape_of_maps(method, smoothing, dtype, expected):
    scorer = AnomalyScorer.build(dict(type=method, smoothing=smoothing), statistics=some_statistics(3))
    maps = scorer(random_logits(2, 3, 5, 6, dtype=dtype))
    assert maps.dtype == expected
    assert maps.shape == (2, 5, 6)


def test_samples_without_place():
    logits = random_logits(4, 3)
    torch.testing.assert_close(AnomalyScorer('msp')(logits), anomaly_score(logits, 'msp'))
    with pytest.raises(ValueError, match=r'energy_smoothed.*shape \(N, C, H, W\), found \(4, 3\)'):
        AnomalyScorer(smoothing=True)(logits)


@pytest.mark.parametrize(('num_classes', 'channels', 'message'), [
    (None, 1, "score 'energy': expected logits of at least 2 classes, found 1 channel$"),
    (19, 3, 'expected logits of at least 19 classes, found 3 channels$'),
])
def test_too_few_channels(num_classes, channels, message):
    with pytest.raises(ValueError, match=message):
        AnomalyScorer(num_classes=num_classes)(torch.zeros(1, channels, 4, 4))


def test_description_can_be_written_down(statistics_file):
    described = AnomalyScorer('sml', smoothing=True, statistics=statistics_file, num_classes=3).describe()
    assert json.loads(json.dumps(described)) == described == {
        'name': 'sml_smoothed', 'method': 'sml', 'temperature': 1.0, 'smoothing': True,
        'statistics': str(statistics_file), 'num_classes': 3,
        'formula': 'gaussian_smoothing(-(max f - mu_k) / sigma_k, k = argmax f)',
    }
    assert AnomalyScorer('sml', statistics=some_statistics(3)).describe()['statistics'] is None


def test_travels_to_other_processes(statistics_file):
    scorer = AnomalyScorer('sml', statistics=statistics_file, smoothing=True)
    logits = random_logits(1, 3, 6, 6)
    assert torch.equal(pickle.loads(pickle.dumps(scorer))(logits), scorer(logits))


def test_is_printed_as_it_is_made():
    assert repr(AnomalyScorer('energy', temperature=2, smoothing=True, name='x')) == (
        "AnomalyScorer('energy', temperature=2.0, smoothing=True, name='x')")
    assert repr(AnomalyScorer('sml', statistics=some_statistics(3))) == (
        "AnomalyScorer('sml', statistics=MaxLogitStatistics(num_classes=3, inliers=500))")
