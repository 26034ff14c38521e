"""ClassCounts against a count pixel by pixel."""
import numpy as np
import pytest
import torch

from mmseg_ood.segmentation.evaluation.class_counts import ClassCounts

NUM_CLASSES, EDGES, THRESHOLD = 3, np.linspace(-1, 1, 6), 0.25


def invented_frame(seed):
    """Scores beyond both ends of the edges and at the threshold, all kinds of labels, and classes."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 1, (12, 9)).astype(np.float32)
    scores[0] = THRESHOLD
    return torch.from_numpy(scores), rng.choice(np.uint8([0, 1, 254, 255]), (12, 9)), rng.integers(
        NUM_CLASSES, size=(12, 9)).astype(np.uint8)


def slow_counts(frames):
    """The summary, pixel by pixel."""
    names = ('predicted', 'false_positives', 'missed', 'detected')
    summary = {name: [0] * NUM_CLASSES for name in names}
    summary |= {kind: [[0] * (len(EDGES) - 1) for _ in range(NUM_CLASSES)] for kind in ('inlier', 'outlier')}
    for frame in frames:
        for score, label, predicted in zip(*(np.asarray(part).ravel() for part in frame), strict=True):
            if label > 1:
                continue
            place = min(max(int(np.digitize(score, EDGES)) - 1, 0), len(EDGES) - 2)
            summary['outlier' if label else 'inlier'][predicted][place] += 1
            if label:
                summary['detected' if score >= THRESHOLD else 'missed'][predicted] += 1
            else:
                summary['predicted'][predicted] += 1
                summary['false_positives'][predicted] += int(score >= THRESHOLD)
    return {'threshold': THRESHOLD, 'edges': EDGES.tolist(), **summary}


def counted(frames):
    counts = ClassCounts(NUM_CLASSES, EDGES, THRESHOLD)
    for frame in frames:
        counts.update(*frame)
    return counts


def test_equals_a_count_pixel_by_pixel():
    frames = [invented_frame(seed) for seed in range(4)]
    assert counted(frames).summary() == slow_counts(frames)


def test_merged_equals_counted_together():
    frames = [invented_frame(seed) for seed in range(4)]
    whole = counted(frames[:1])
    whole.merge(counted(frames[1:]))
    assert whole.summary() == counted(frames).summary()


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.int64])
def test_classes_of_any_type(dtype):
    scores, labels, prediction = invented_frame(0)
    frames = [(scores, labels, prediction.astype(dtype))]
    assert counted(frames).summary() == slow_counts(frames)


def test_many_classes_do_not_overflow():
    counts = ClassCounts(300, np.linspace(-1, 1, 61), THRESHOLD)
    counts.update(torch.full((1, 2), 5.0), np.uint8([[0, 1]]), np.uint16([[299, 299]]))
    summary = counts.summary()
    assert summary['predicted'][299] == summary['false_positives'][299] == summary['detected'][299] == 1
    assert summary['outlier'][299] == [0] * 59 + [1]
    assert sum(map(sum, summary['inlier'])) == 1


def test_a_score_is_in_the_bin_that_begins_with_it():
    counts = ClassCounts(1, [0.0, 1.0, 2.0, 3.0], 0.0)
    counts.update(torch.tensor([[0.0, 1.0, 2.0, 3.0]]), np.uint8([[0, 0, 0, 0]]), np.uint8([[0, 0, 0, 0]]))
    assert counts.summary()['inlier'] == [[1, 1, 2]]
