"""Statistics of max logits against NumPy over all pixels at once, however they are split; and the file."""
import json
import math

import numpy as np
import pytest
import torch

from mmseg_ood.core import MaxLogitStatistics, PriorEstimator, statistics_path

NUM_CLASSES = 5


def batches(count=6, offset=0.0, dtype=torch.float64, num_classes=NUM_CLASSES):
    """Batches of different sizes and spreads; the last class is never predicted."""
    generator = torch.Generator().manual_seed(0)
    result = []
    for index in range(count):
        shape = (index % 2 + 1, 4 + index, 9)
        logits = (1 + index) * torch.randn(shape[0], num_classes, *shape[1:], generator=generator, dtype=dtype)
        logits = logits + offset
        logits[:, -1] = offset - 100
        choices = torch.tensor([0, 1, num_classes - 1, 254, 255])
        result.append((logits, choices[torch.randint(len(choices), shape, generator=generator)]))
    return result


def reference(all_batches, num_classes=NUM_CLASSES):
    """Counts, means and standard deviations by NumPy, one class after the other, over all pixels."""
    values, classes = [], []
    for logits, labels in all_batches:
        logits = np.moveaxis(logits.double().numpy(), 1, -1)[(labels < 254).numpy()]
        values.append(logits.max(-1))
        classes.append(logits.argmax(-1))
    values, classes = np.concatenate(values), np.concatenate(classes)
    by_class = [values[classes == index] for index in range(num_classes)]
    mean = [part.mean() if len(part) > 1 else values.mean() for part in by_class]
    std = [part.std() if len(part) > 1 else values.std() for part in by_class]
    return [len(part) for part in by_class], mean, std


def measured(all_batches, num_classes=NUM_CLASSES):
    statistics = MaxLogitStatistics(num_classes)
    for logits, labels in all_batches:
        statistics.update(logits, labels)
    return statistics


def assert_equals(statistics, expected, rtol=1e-9):
    counts, mean, std = expected
    assert statistics.counts.tolist() == counts
    np.testing.assert_allclose(statistics.mean().numpy(), mean, rtol=rtol)
    np.testing.assert_allclose(statistics.std().numpy(), std, rtol=rtol)


@pytest.mark.parametrize('offset', [0.0, -1e3, 1e6])
def test_equals_numpy_over_all_pixels(offset):
    assert_equals(measured(batches(offset=offset)), reference(batches(offset=offset)))


@pytest.mark.parametrize('dtype', [torch.float16, torch.float32])
def test_narrow_logits(dtype):
    assert_equals(measured(batches(dtype=dtype)), reference(batches(dtype=dtype)))


def test_split_into_single_pixels_with_sorted_values_and_a_large_offset():
    """The hard case for a running variance: every batch lies elsewhere, far from zero."""
    values = torch.linspace(-3, 3, 400, dtype=torch.float64) + 1e5
    logits = torch.stack([values, torch.zeros(400)], 1)
    one_by_one = measured([(logits[[index]], torch.tensor([0])) for index in range(400)], num_classes=2)
    assert one_by_one.mean()[0].item() == pytest.approx(math.fsum(values.tolist()) / 400, rel=1e-12)
    # Of evenly spaced values the variance is known: step^2 (n^2 - 1) / 12.
    expected = 6 / 399 * math.sqrt((400**2 - 1) / 12)
    assert one_by_one.std()[0].item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize('split', [0, 1, 3, 6])
def test_merge_equals_one_pass(split):
    first, second = measured(batches()[:split]), measured(batches()[split:])
    first.merge(second)
    assert_equals(first, reference(batches()))


def test_order_does_not_matter():
    assert_equals(measured(batches()[::-1]), reference(batches()))


def test_class_predicted_once_takes_the_pooled_statistics():
    statistics = measured([(torch.tensor([[1.0, 0, 0], [3.0, 0, 0], [0, 5.0, 0]]), torch.tensor([0, 0, 0]))], 3)
    assert statistics.counts.tolist() == [2, 1, 0]
    # Of all three: mean 3, variance (4 + 0 + 4) / 3.
    assert statistics.mean().tolist() == pytest.approx([2.0, 3.0, 3.0])
    assert statistics.std().tolist() == pytest.approx([1.0, math.sqrt(8 / 3), math.sqrt(8 / 3)])


def test_class_of_equal_values_takes_the_pooled_standard_deviation_alone():
    value = 0.1  # of which ten add up to less than 1
    logits = torch.tensor([[value, 0]] * 10 + [[0, 7.0], [0, 9.0]], dtype=torch.float64)
    labels = torch.zeros(12, dtype=torch.int64)
    statistics = measured([(logits, labels), (logits[:3], labels[:3])], 2)
    assert statistics.mean().tolist() == [value, 8.0]
    pooled = np.std([value] * 13 + [7, 9])
    assert statistics.std().tolist() == pytest.approx([pooled, 1.0])


def test_prediction_decides_and_not_the_label():
    statistics = measured([(torch.tensor([[4.0, 0], [6.0, 0]]), torch.tensor([1, 1]))], 2)
    assert statistics.counts.tolist() == [2, 0]


def test_outliers_and_void_take_no_part():
    logits = torch.tensor([[1.0, 0], [3.0, 0], [50.0, 0], [math.nan, 0]])
    for ood_index, labels in ((254, [0, 1, 254, 255]), (-1, [0, 1, -1, 255])):
        statistics = MaxLogitStatistics(2, ood_index)
        statistics.update(logits, torch.tensor(labels))
        assert statistics.counts.tolist() == [2, 0]
        assert statistics.mean()[0].item() == 2.0


def test_void_in_bytes_is_not_taken_for_minus_one():
    statistics = MaxLogitStatistics(2, ood_index=-1, ignore_index=7)
    with pytest.raises(ValueError, match='labels hold the values 255'):
        statistics.update(torch.zeros(1, 2), torch.tensor([255], dtype=torch.uint8))


def test_batch_without_inliers_changes_nothing():
    statistics = measured(batches())
    statistics.update(torch.full((1, NUM_CLASSES, 2, 2), math.inf), torch.full((1, 2, 2), 255))
    assert_equals(statistics, reference(batches()))


def test_constant_offset_moves_the_mean_alone():
    plain, moved = measured(batches()), measured(batches(offset=8.0))
    torch.testing.assert_close(moved.mean(), plain.mean() + 8)
    torch.testing.assert_close(moved.std(), plain.std())


@pytest.mark.parametrize(('logits', 'labels', 'message'), [
    (torch.zeros(1, 3, 2, 2), torch.zeros(1, 2, 2), 'logits have 3 classes, expected 2'),
    (torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 3), r'shape \(1, 2, 2, 2\), labels \(1, 2, 3\)'),
    (torch.zeros(2, 2), torch.tensor([1, 2]), r'labels hold the values 2, expected 0 to 1, 254 \(outlier\) or 255'),
    (torch.zeros(2, 2), torch.tensor([-1, 9]), 'labels hold the values -1, 9'),
    (torch.tensor([[math.inf, 0], [1.0, 0]]), torch.tensor([0, 0]), '1 of 2 max logits are not finite'),
    (torch.tensor([[math.nan, 0], [1.0, 0]]), torch.tensor([0, 0]), '1 of 2 max logits are not finite'),
])
def test_bad_batches_leave_the_statistics_as_they_were(logits, labels, message):
    statistics = measured([(torch.tensor([[1.0, 0], [2.0, 0]]), torch.tensor([0, 0]))], 2)
    with pytest.raises(ValueError, match=message):
        statistics.update(logits, labels)
    assert statistics.counts.tolist() == [2, 0]
    assert statistics.mean()[0].item() == 1.5


def test_merge_of_other_classes():
    with pytest.raises(ValueError, match='cannot merge statistics of 2 and 3 classes'):
        MaxLogitStatistics(2).merge(MaxLogitStatistics(3))


def test_no_inlier(tmp_path):
    statistics = MaxLogitStatistics(2)
    for call in (statistics.mean, statistics.std, lambda: statistics.save(tmp_path / 's.json')):
        with pytest.raises(ValueError, match='no inlier was counted'):
            call()
    assert not (tmp_path / 's.json').exists()


def test_no_spread_at_all(tmp_path):
    statistics = measured([(torch.tensor([[4.0, 0], [0, 4.0], [4.0, 0]]), torch.tensor([0, 0, 0]))], 2)
    with pytest.raises(ValueError, match='the max logit of all 3 inliers is 4'):
        statistics.save(tmp_path / 's.json')
    assert not (tmp_path / 's.json').exists()


def test_file_holds_what_the_score_uses_and_more(tmp_path):
    statistics = measured(batches())
    details = dict(classes=list('abcde'), num_images=6, provenance=dict(checkpoint_sha256='0f'))
    written = statistics.save(tmp_path / 's.json', **details)
    content = json.loads((tmp_path / 's.json').read_text())
    assert content == written
    assert content['mean'] == statistics.mean().tolist()
    assert content['std'] == statistics.std().tolist()
    assert content['counts'] == statistics.counts.tolist()
    assert content['provenance']['checkpoint_sha256'] == '0f'
    loaded = MaxLogitStatistics.load(str(tmp_path / 's.json'))
    assert loaded.details == details
    assert loaded.path == tmp_path / 's.json'


def test_loaded_statistics_count_on(tmp_path):
    first = MaxLogitStatistics(NUM_CLASSES, ood_index=77, ignore_index=99)
    relabelled = [(logits, torch.where(labels == 254, 77, torch.where(labels == 255, 99, labels)))
                  for logits, labels in batches()]
    for logits, labels in relabelled[:2]:
        first.update(logits, labels)
    first.save(tmp_path / 's.json')
    loaded = MaxLogitStatistics.load(tmp_path / 's.json')
    assert torch.equal(loaded.mean(), first.mean())
    assert torch.equal(loaded.std(), first.std())
    for logits, labels in relabelled[2:]:
        loaded.update(logits, labels)
    assert_equals(loaded, reference(batches()))


def edited(**changes):
    def write(path):
        measured(batches()).save(path)
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return write


def a_prior(path):
    estimator = PriorEstimator(2)
    estimator.update(torch.zeros(1, 2), torch.tensor([254]))
    estimator.save(path)


@pytest.mark.parametrize(('write', 'message'), [
    (lambda path: path.write_text('not json'), 'JSONDecodeError'),
    (lambda path: path.write_text('[1, 2]'), 'TypeError'),
    (lambda path: path.write_bytes(b'\xff\xfe\x00'), 'UnicodeDecodeError'),
    (a_prior, "KeyError: 'measured'"),
    (edited(std=[1.0] * NUM_CLASSES), "'std' does not follow from what was measured"),
    (edited(mean=[1.0]), "'mean' does not follow from what was measured"),
    (edited(counts=[1, 2]), 'ValueError'),
    (edited(measured=dict(mean=[None] * NUM_CLASSES, squared_deviations=[1.0] * NUM_CLASSES)), 'Error'),
])
def test_other_files_are_named(tmp_path, write, message):
    write(tmp_path / 's.json')
    with pytest.raises(ValueError, match=rf's\.json: expected statistics as tools/measure.* writes them, .*{message}'):
        MaxLogitStatistics.load(tmp_path / 's.json')


def test_missing_file_names_the_command():
    with pytest.raises(FileNotFoundError, match='statistics no.json do not exist; tools/measure_statistics.py CONFIG'):
        MaxLogitStatistics.load('no.json')


def test_path_is_beside_the_checkpoint(tmp_path):
    assert statistics_path(tmp_path / 'best_mIoU.iter_7.pth') == tmp_path / 'best_mIoU.iter_7.statistics.json'
