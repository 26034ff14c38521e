"""The prior of a config: found in its losses, written beside results, never over somebody else's file."""
import json

import pytest
from mmengine.config import Config

from mmseg_ood.apis.prior_copy import find_prior, is_prior_copy, write_prior_copy
from mmseg_ood.core import PRIORS, PriorEstimator


def config(*losses, **further):
    return Config(dict(model=dict(decode_head=dict(loss_decode=list(losses)), **further)))


def balanced(prior, name='BalancedEnergyLoss'):
    return dict(type=name, prior=prior)


CROSS_ENTROPY = dict(type='CrossEntropyLoss')


@pytest.mark.parametrize('cfg', [
    config(CROSS_ENTROPY, balanced([6, 2])),
    config(balanced([6, 2], 'mmseg.BalancedEnergyLoss')),
    Config(dict(model=dict(decode_head=dict(loss_decode=balanced([6, 2]))))),
    Config(dict(model=dict(decode_head=[dict(loss_decode=CROSS_ENTROPY), dict(loss_decode=[balanced([6, 2])])]))),
])
def test_numbers_in_the_config(cfg):
    assert find_prior(cfg, ['a', 'b']) == dict(prior=[0.75, 0.25], classes=['a', 'b'], source='config')


def test_published(capsys):
    names = [f'class {index}' for index in range(19)]
    found = find_prior(config(balanced('cityscapes-coco')), names)
    assert found['source'] == 'cityscapes-coco'
    assert found['prior'] == pytest.approx([value / sum(PRIORS['cityscapes-coco'])
                                            for value in PRIORS['cityscapes-coco']])
    assert capsys.readouterr().out == ''


def test_file(tmp_path):
    path = tmp_path / 'prior.json'
    path.write_text('{"prior": [1, 3]}')
    assert find_prior(config(balanced(str(path))), ['a', 'b']) == dict(prior=[0.25, 0.75], classes=['a', 'b'],
                                                                      source=str(path))


@pytest.mark.parametrize('cfg', [config(CROSS_ENTROPY), Config(dict(model=dict(decode_head=dict(num_classes=2)))),
                                 config(auxiliary_head=dict(loss_decode=balanced([1, 1])))])
def test_none(cfg):
    assert find_prior(cfg, ['a', 'b']) is None


@pytest.mark.parametrize(('prior', 'message'), [
    ('no/prior.json', "'no/prior.json' is neither a file nor a published prior"),
    ('cityscapes-coco', "prior 'cityscapes-coco' has 19 classes, expected 2"),
    ([1, -1], 'must be finite and not negative'),
])
def test_what_cannot_be_shown_is_said_and_no_error(prior, message, capsys):
    assert find_prior(config(balanced(prior)), ['a', 'b']) is None
    assert message in capsys.readouterr().out


def test_own_file_is_replaced(tmp_path):
    for prior in ([0.5, 0.5], [0.25, 0.75]):
        write_prior_copy(dict(prior=prior, classes=['a', 'b'], source='config'), tmp_path)
        assert is_prior_copy(tmp_path / 'prior.json')
        assert json.loads((tmp_path / 'prior.json').read_text())['prior'] == prior


@pytest.mark.parametrize('content', ['[0.5, 0.5]', 'no json', '7', None])
def test_other_files_are_left_alone(tmp_path, content):
    path = tmp_path / 'prior.json'
    if content is None:
        estimator = PriorEstimator(2)
        estimator.counts += 1
        estimator.save(path)
    else:
        path.write_text(content)
    before = path.read_bytes()
    assert not is_prior_copy(path)
    write_prior_copy(dict(prior=[0.25, 0.75], classes=['a', 'b'], source='config'), tmp_path)
    assert path.read_bytes() == before


def test_no_file_is_no_copy(tmp_path):
    assert not is_prior_copy(tmp_path / 'prior.json')
