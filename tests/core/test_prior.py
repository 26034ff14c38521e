"""Power prior, Z, the published priors and the estimator."""
import json

import numpy as np
import pytest
import torch

from mmseg_ood.core import PRIORS, PriorEstimator, load_prior, power_prior, prior_weight


@pytest.mark.parametrize('gamma', [0.0, 0.05, 1.0, 3.0])
def test_power_prior_equals_definition(gamma):
    prior = torch.tensor(PRIORS['cityscapes-coco'], dtype=torch.float64)
    expected = prior.numpy() ** gamma / (prior.numpy() ** gamma).sum()
    np.testing.assert_allclose(power_prior(prior, gamma).numpy(), expected, rtol=1e-12)


def test_power_prior_of_a_huge_gamma_is_the_arg_max():
    assert power_prior(torch.tensor([1e-3, 2e-3]), gamma=2000.0).tolist() == [0.0, 1.0]


def test_power_prior_does_not_need_a_sum_of_one():
    torch.testing.assert_close(power_prior(torch.tensor([6.0, 2.0]), 2.0), torch.tensor([0.9, 0.1]))


def test_prior_weight_equals_definition():
    logits = torch.randn(2, 4, 3, 5, dtype=torch.float64)
    prior = torch.tensor([0.4, 0.3, 0.2, 0.1])
    expected = np.einsum('nchw,c->nhw', torch.softmax(logits, 1).numpy(),
                         (prior.double() ** 3 / (prior.double() ** 3).sum()).numpy())
    np.testing.assert_allclose(prior_weight(logits, prior, 3.0).numpy(), expected, rtol=1e-7)


def test_prior_weight_limits():
    prior = torch.tensor([0.9, 0.1])
    sure = torch.tensor([[50.0, 0.0], [0.0, 50.0]])
    torch.testing.assert_close(prior_weight(sure, prior, 1.0), prior)
    torch.testing.assert_close(prior_weight(sure, prior, 0.0), torch.tensor([0.5, 0.5]))


@pytest.mark.parametrize(('name', 'length'), [('cityscapes-coco', 19), ('cifar10-300k', 10), ('cifar10-lt-300k', 10)])
def test_published_priors(name, length):
    prior = load_prior(name, num_classes=length)
    assert prior.sum().item() == pytest.approx(1.0)
    assert sum(PRIORS[name]) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize('content', [{'prior': [1, 3]}, [0.25, 0.75]])
def test_prior_file(tmp_path, content):
    (tmp_path / 'prior.json').write_text(json.dumps(content))
    assert load_prior(str(tmp_path / 'prior.json')).tolist() == [0.25, 0.75]


@pytest.mark.parametrize('content', ['{"counts": [1, 2]}', 'not json', '{"prior": "road"}', '7'])
def test_file_that_is_no_prior_is_named(tmp_path, content):
    (tmp_path / 'p.json').write_text(content)
    with pytest.raises(ValueError, match=r'p\.json'):
        load_prior(tmp_path / 'p.json')


def test_numbers_keep_their_digits():
    assert load_prior([0.5, 0.3, 0.2]).tolist() == [0.5, 0.3, 0.2]


def test_unknown_name_lists_the_published_ones():
    with pytest.raises(FileNotFoundError, match="prior 'cityscape' is neither a file nor .*cityscapes-coco"):
        load_prior('cityscape')


@pytest.mark.parametrize(('prior', 'message'), [
    ([0.5, -0.5], 'not negative, found -0.5 for class 1'),
    ([0.5, float('nan')], 'nan for class 1'),
    ([0.0, 0.0], 'zero for all 2 classes'),
    ([[0.5, 0.5]], r'shape \(1, 2\)'),
    ([], r'shape \(0,\)'),
])
def test_impossible_priors(prior, message):
    with pytest.raises(ValueError, match=message):
        load_prior(prior)


def test_wrong_length_is_named():
    with pytest.raises(ValueError, match="prior 'cityscapes-coco' has 19 classes, expected 11"):
        load_prior('cityscapes-coco', num_classes=11)


def test_negative_gamma():
    with pytest.raises(ValueError, match='gamma must not be negative, found -1'):
        power_prior(torch.tensor([0.5, 0.5]), -1)


def test_estimator_counts_predictions_on_outliers_over_batches(tmp_path):
    estimator = PriorEstimator(num_classes=3)
    logits = torch.zeros(1, 3, 2, 2)
    logits[0, 2, 0] = 1.0   # upper row: class 2
    logits[0, 1, 1] = 1.0   # lower row: class 1
    estimator.update(logits, torch.tensor([[[254, 254], [254, 0]]]))
    estimator.update(logits, torch.tensor([[[255, 0], [254, 1]]]))
    assert estimator.counts.tolist() == [0, 2, 2]
    estimator.save(tmp_path / 'prior.json')
    assert load_prior(tmp_path / 'prior.json').tolist() == [0.0, 0.5, 0.5]
    loaded = PriorEstimator.load(tmp_path / 'prior.json')
    assert torch.equal(loaded.counts, estimator.counts)
    assert loaded.ood_index == 254


@pytest.mark.parametrize('dtype', [torch.uint8, torch.int16, torch.int64])
def test_void_is_no_outlier_whatever_the_type_of_the_labels(dtype):
    estimator = PriorEstimator(num_classes=2, ood_index=-1)
    estimator.update(torch.eye(2), torch.tensor([255, 1]).to(dtype))
    assert estimator.counts.tolist() == [0, 0]
    if dtype.is_signed:
        estimator.update(torch.eye(2), torch.tensor([255, -1]).to(dtype))
        assert estimator.counts.tolist() == [0, 1]


def test_estimator_of_another_number_of_classes():
    with pytest.raises(ValueError, match='logits have 3 classes, expected 2'):
        PriorEstimator(num_classes=2).update(torch.eye(3), torch.tensor([254, 1, 2]))


def test_estimator_without_outliers():
    estimator = PriorEstimator(num_classes=2)
    estimator.update(torch.zeros(1, 2), torch.tensor([1]))
    with pytest.raises(ValueError, match='prior of 0 outliers'):
        estimator.prior()
