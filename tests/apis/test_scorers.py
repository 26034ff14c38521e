"""build_scorers(): what it fills in, and statistics of which network it accepts."""
import hashlib

import pytest
import torch
from mmengine.config import Config

from mmseg_ood.apis.scorers import build_scorers
from mmseg_ood.core import MaxLogitStatistics, statistics_path


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / 'iter_2.pth'
    path.write_bytes(b'weights')
    return path


def write_statistics(path, sha256=None, num_classes=3, offset=0.0):
    """Statistics of two pixels a class: max logits k + offset and k + offset + 2, mean k + offset + 1, deviation 1."""
    statistics = MaxLogitStatistics(num_classes)
    logits = torch.full((2 * num_classes, num_classes), -9.0)
    for pixel in range(2 * num_classes):
        logits[pixel, pixel // 2] = pixel // 2 + offset + 2 * (pixel % 2)
    statistics.update(logits, torch.zeros(2 * num_classes, dtype=torch.long))
    details = {} if sha256 is None else {'provenance': {'checkpoint': 'runs/other.pth', 'checkpoint_sha256': sha256}}
    statistics.save(path, **details)
    return path


def build(checkpoint, *scores, **config):
    return build_scorers(Config(config), scores, checkpoint)


def test_names_and_order(checkpoint):
    scorers = build(checkpoint, 'msp', 'energy:temperature=2', 'energy', 'entropy:name=H')
    assert list(scorers) == ['msp', 'energy_t2', 'energy', 'H']
    assert [scorer.method for scorer in scorers.values()] == ['msp', 'energy', 'energy', 'entropy']
    assert all(scorer.num_classes is None and scorer.statistics is None for scorer in scorers.values())


def test_number_of_classes_is_that_of_the_config(checkpoint):
    scorers = build(checkpoint, 'energy', 'msp:num_classes=2', num_inlier_classes=3)
    assert [scorer.num_classes for scorer in scorers.values()] == [3, 2]


def test_statistics_beside_the_checkpoint(checkpoint):
    write_statistics(statistics_path(checkpoint))
    scorers = build(checkpoint, 'energy', 'sml')
    assert scorers['energy'].statistics is None
    # The largest logit, 5, is that of class 1, whose mean is 2: -(5 - 2) / 1.
    assert scorers['sml'](torch.tensor([[0.0, 5.0, 1.0]])).tolist() == [-3.0]


def test_statistics_that_are_named_win(checkpoint, tmp_path):
    write_statistics(statistics_path(checkpoint))
    other = write_statistics(tmp_path / 'other.json', offset=1.0)
    assert build(checkpoint, f'sml:statistics={other}')['sml'](torch.tensor([[0.0, 5.0, 1.0]])).tolist() == [-2.0]


def test_no_statistics_says_how_to_measure(checkpoint):
    with pytest.raises(ValueError, match=r"score 'sml' needs statistics .* tools/measure_statistics.py CONFIG CHECKP"):
        build(checkpoint, 'energy', 'sml')


def test_named_statistics_that_do_not_exist(checkpoint, tmp_path):
    write_statistics(statistics_path(checkpoint))
    with pytest.raises(FileNotFoundError, match='no.json do not exist'):
        build(checkpoint, f'sml:statistics={tmp_path}/no.json')


@pytest.mark.parametrize('named', [True, False])
def test_statistics_of_another_checkpoint(checkpoint, tmp_path, named):
    path = write_statistics(tmp_path / 's.json' if named else statistics_path(checkpoint), sha256='12ab' * 16)
    with pytest.raises(ValueError, match=rf"'sml': {path} was measured with another checkpoint than {checkpoint}, "
                                         r'namely runs/other.pth \(sha256 12ab12ab12ab'):
        build(checkpoint, f'sml:statistics={path}' if named else 'sml')


def test_statistics_of_the_same_checkpoint_wherever_it_was(checkpoint):
    write_statistics(statistics_path(checkpoint), sha256=hashlib.sha256(b'weights').hexdigest())
    assert build(checkpoint, 'sml')['sml'].statistics.path == statistics_path(checkpoint)


def test_statistics_of_another_number_of_classes(checkpoint):
    write_statistics(statistics_path(checkpoint), num_classes=4)
    with pytest.raises(ValueError, match='4 classes, expected 3'):
        build(checkpoint, 'sml', num_inlier_classes=3)


@pytest.mark.parametrize(('scores', 'name'), [
    (('energy', 'msp', 'energy'), 'energy'), (('msp:name=best', 'energy:name=best'), 'best'),
])
def test_two_of_one_name(checkpoint, scores, name):
    with pytest.raises(ValueError, match=f"scores '{scores[0]}' and '{scores[-1]}' have the same name '{name}'"):
        build(checkpoint, *scores)


def test_no_score(checkpoint):
    with pytest.raises(ValueError, match='no score was named, expected some of energy, msp'):
        build(checkpoint)


def test_unknown_score(checkpoint):
    with pytest.raises(ValueError, match="unknown score 'enrgy', expected one of energy"):
        build(checkpoint, 'msp', 'enrgy')
