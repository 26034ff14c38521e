"""Component metrics against pixel sets and flood fill."""
import itertools
import json
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy import ndimage

from mmseg_ood.core.components import (
    COMPONENT_LIMITS,
    SIOU_THRESHOLDS,
    ComponentAccumulator,
    ComponentLimits,
    component_scores,
    detect_components,
)

NO_LIMITS = ComponentLimits(0, 0)
TWENTIETHS = range(5, 16)  # of 20: the taus


def regions(pixels):
    """8-connected components of a set of (y, x) as a list of sets."""
    pixels, found = set(pixels), []
    while pixels:
        region, front = set(), [pixels.pop()]
        while front:
            y, x = front.pop()
            region.add((y, x))
            around = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & pixels
            pixels -= around
            front.extend(around)
        found.append(region)
    return found


def reference(prediction, labels, limits):
    """sIoUs and PPVs of one frame as sorted lists of fractions."""
    places = list(itertools.product(*map(range, labels.shape)))
    valid = {place for place in places if labels[place] in (0, 1)}
    predicted = regions({place for place in places if prediction[place]} & valid)
    predicted = [region for region in predicted if len(region) >= limits.min_prediction]
    objects = regions({place for place in places if labels[place] == 1})
    small = set().union(*(region for region in objects if len(region) < limits.min_ground_truth))
    objects = [region for region in objects if len(region) >= limits.min_ground_truth]
    predicted = [region - small for region in predicted if region - small]
    truth = set().union(*objects)
    sious = []
    for thing in objects:
        union = set().union(*(region for region in predicted if region & thing))
        sious.append(Fraction(len(thing & union), len((thing | union) - (truth - thing))))
    return sorted(sious), sorted(Fraction(len(region & truth), len(region)) for region in predicted)


def reference_f1(sious, ppvs, tau):
    tp, fn, fp = sum(s >= tau for s in sious), sum(s < tau for s in sious), sum(p < tau for p in ppvs)
    return float(Fraction(2 * tp, 2 * tp + fn + fp)) if tp + fn + fp else math.nan


def mean(values):
    return float(sum(values) / len(values)) if values else math.nan


def assert_equals_reference(prediction, labels, limits):
    sious, ppvs = reference(prediction, labels, limits)
    scores = component_scores(prediction, labels, limits)
    assert sorted(scores.sious.tolist()) == [float(siou) for siou in sious]
    assert sorted(scores.ppvs.tolist()) == [float(ppv) for ppv in ppvs]
    return sious, ppvs


def frame(*rows):
    """``. ^`` inlier, ``o x`` anomaly, ``, v`` void; the second of each pair is predicted."""
    cells = np.array([list(row) for row in rows])
    labels = np.select([np.isin(cells, ['.', '^']), np.isin(cells, ['o', 'x'])], [0, 1], 255).astype(np.uint8)
    return np.isin(cells, ['^', 'x', 'v']), labels


def random_frame(seed, shape=(14, 18)):
    """Rectangles that touch, overlap and contain each other, void through them, and single pixels."""
    rng = np.random.default_rng(seed)
    labels, prediction = np.zeros(shape, np.uint8), np.zeros(shape, bool)

    def rectangle():
        y, x = rng.integers(shape[0]), rng.integers(shape[1])
        return slice(y, y + rng.integers(1, 6)), slice(x, x + rng.integers(1, 7))

    for image, value in ((labels, 1), (prediction, True)):
        for _ in range(rng.integers(0, 8)):
            image[rectangle()] = value
    for _ in range(rng.integers(0, 4)):
        labels[rectangle()] = rng.choice([255, 2])
    speckle = 0.06 * rng.random()
    labels[rng.random(shape) < speckle] = 1
    prediction ^= rng.random(shape) < speckle
    return prediction, labels


def accumulated(frames, limits=(3, 2), **kwargs):
    accumulator = ComponentAccumulator(limits, **kwargs)
    for prediction, labels in frames:
        accumulator.update(prediction, labels)
    return accumulator


@pytest.mark.parametrize('limits', [NO_LIMITS, (1, 1), (2, 2), (5, 3), (3, 8), (40, 1), (1, 40)])
def test_equals_reference_on_random_frames(limits):
    limits = ComponentLimits(*limits)
    frames = [random_frame(seed) for seed in range(150)]
    sious, ppvs = [], []
    for prediction, labels in frames:
        frame_sious, frame_ppvs = assert_equals_reference(prediction, labels, limits)
        sious += frame_sious
        ppvs += frame_ppvs
    summary = accumulated(frames, limits).summary()
    f1s = [reference_f1(sious, ppvs, Fraction(tau, 20)) for tau in TWENTIETHS]
    assert [summary[f'F1_{5 * tau}'] for tau in TWENTIETHS] == f1s
    assert summary['F1'] == pytest.approx(np.mean(f1s), abs=1e-15)
    assert summary['sIoU'] == pytest.approx(mean(sious), abs=1e-15)
    assert summary['PPV'] == pytest.approx(mean(ppvs), abs=1e-15)
    assert (summary['num_ground_truth'], summary['num_prediction']) == (len(sious), len(ppvs))
    assert summary['num_frames'] == len(frames)


SCENES = {
    'empty frame': (['....', '....'], [], []),
    'empty prediction': (['oo..', 'oo..'], [0], []),
    'empty ground truth': (['.^^.', '....'], [], [0]),
    'prediction covers everything': (['^^^^', '^xx^'], [Fraction(2, 8)], [Fraction(2, 8)]),
    'perfect': (['.xx.', '.xx.'], [1], [1]),
    'diagonal contact joins': (['x...', '.x..', '..o.'], [Fraction(2, 3)], [1]),
    'touching, not overlapping, is no contact': (['oo^^', 'oo^^'], [0], [0]),
    'several predictions on one object': (['^xoox^', '......'], [Fraction(2, 6)], [Fraction(1, 2), Fraction(1, 2)]),
    # Each object is spared the other's pixels, not the three between and beside them.
    'one prediction over several objects': (
        ['xx^xx^^', '.......'], [Fraction(2, 5), Fraction(2, 5)], [Fraction(4, 7)]),
    'two objects share a prediction, the third has its own': (
        ['ox^xo^x', '......^'], [Fraction(1, 3)] * 3, [Fraction(2, 3), Fraction(1, 3)]),
    'void cuts object and prediction in two': (['xx,xx', 'xxvxo'], [1, Fraction(3, 4)], [1, 1]),
    'void takes the false positives': (['xx,vv', 'xxvvv'], [1], [1]),
    'prediction on void alone': (['vvv..', '.....'], [], []),
}


@pytest.mark.parametrize('name', SCENES)
def test_scenes(name):
    rows, sious, ppvs = SCENES[name]
    prediction, labels = frame(*rows)
    assert assert_equals_reference(prediction, labels, NO_LIMITS) == (sorted(sious), sorted(ppvs))


def test_sizes_at_and_below_the_limits():
    rows = ['oooo.ooo.^^^^^.^^^^']  # objects of 4 and 3, predictions of 5 and 4
    prediction, labels = frame(*rows)
    assert assert_equals_reference(prediction, labels, ComponentLimits(5, 4)) == ([0], [0])
    assert assert_equals_reference(prediction, labels, ComponentLimits(4, 3)) == ([0, 0], [0, 0])
    assert assert_equals_reference(prediction, labels, ComponentLimits(6, 5)) == ([], [])


def test_prediction_on_small_ground_truth_alone_disappears():
    prediction, labels = frame('.xxx..oooo')
    assert assert_equals_reference(prediction, labels, ComponentLimits(3, 4)) == ([0], [])


def test_small_ground_truth_leaves_the_sizes_after_the_limit_of_the_prediction():
    # 7 predicted pixels, 2 of them on the small object: long enough for the limit, 5 from there on.
    prediction, labels = frame('oxx^^xx^.')
    assert assert_equals_reference(prediction, labels, ComponentLimits(7, 3)) == ([Fraction(2, 6)], [Fraction(2, 5)])


def test_prediction_stays_one_when_small_ground_truth_cuts_it():
    prediction, labels = frame('oxx^x^^^.')
    assert assert_equals_reference(prediction, labels, ComponentLimits(1, 2)) == ([Fraction(2, 7)], [Fraction(2, 6)])


def test_void_leaves_the_prediction_before_its_limit():
    prediction, labels = frame('^^^vv....')
    assert assert_equals_reference(prediction, labels, ComponentLimits(4, 1)) == ([], [])
    assert assert_equals_reference(prediction, labels, ComponentLimits(3, 1)) == ([], [0])


@pytest.mark.parametrize(('track', 'min_prediction', 'min_ground_truth'), [('anomaly', 500, 100), ('obstacle', 50, 10)])
def test_limits_of_the_tracks(track, min_prediction, min_ground_truth):
    assert COMPONENT_LIMITS[track] == (min_prediction, min_ground_truth)
    prediction, labels = np.zeros((7, 600), bool), np.zeros((7, 600), np.uint8)
    prediction[0, :min_prediction] = prediction[2, :min_prediction - 1] = True
    labels[4, :min_ground_truth] = labels[6, :min_ground_truth - 1] = 1
    accumulator = ComponentAccumulator(track)
    accumulator.update(prediction, labels)
    summary = accumulator.summary()
    assert (summary['num_prediction'], summary['num_ground_truth']) == (1, 1)


def test_hand_computed_example():
    """Two frames, three objects, three predictions that count."""
    first = frame(
        'oxx^....,,',
        'oxx^..^^,,',   # right: 2 pixels, too small
        '..........',
        'xxxx.^^^^^')   # left: found whole; right: a false alarm of 5
    second = frame(
        'ooooo.....',   # missed
        '.........o')   # 1 pixel: too small, void
    accumulator = accumulated([first, second], ComponentLimits(3, 2))
    summary = accumulator.summary()
    # sIoU: 4 of 6 pixels and 2 beside them, 4 / 8; then 4 / 4 and 0 / 5. PPV: 4 / 6, 4 / 4, 0 / 5.
    assert summary['sIoU'] == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert summary['PPV'] == pytest.approx((2 / 3 + 1 + 0) / 3)
    # tau <= 0.5: TP 2, FN 1, FP 1; 0.55 ... 0.65: TP 1, FN 2, FP 1; above 2 / 3: TP 1, FN 2, FP 2.
    expected = {5 * tau: 4 / 6 if tau <= 10 else 2 / 5 if tau <= 13 else 2 / 6 for tau in TWENTIETHS}
    assert {tau: summary[f'F1_{tau}'] for tau in expected} == expected
    assert summary['F1'] == pytest.approx((6 * 4 / 6 + 3 * 2 / 5 + 2 * 2 / 6) / 11)
    assert (summary['num_ground_truth'], summary['num_prediction'], summary['num_frames']) == (3, 3, 2)


@pytest.mark.parametrize('scale', [1, 3, 7, 10007])
@pytest.mark.parametrize('numerator', TWENTIETHS)
def test_figures_that_equal_tau_are_hits(numerator, scale):
    """An object of n/20 of the prediction has sIoU = PPV = tau; one pixel fewer is below."""
    labels = np.zeros((1, 20 * scale), np.uint8)
    prediction = np.ones_like(labels, bool)
    for pixels in (numerator * scale, numerator * scale - 1):
        labels[:] = 0
        labels[0, :pixels] = 1
        summary = accumulated([(prediction, labels)], NO_LIMITS).summary()
        for tau in TWENTIETHS:
            assert summary[f'F1_{5 * tau}'] == (pixels >= tau * scale)


def test_taus_with_the_noise_of_arange():
    labels, prediction = np.zeros((1, 20), np.uint8), np.ones((1, 20), bool)
    for numerator in TWENTIETHS:
        labels[:] = np.arange(20) < numerator
        drifted = [sum([0.05] * numerator), np.nextafter(numerator / 20, 2)]
        for tau in drifted:
            summary = accumulated([(prediction, labels)], NO_LIMITS, thresholds=[tau]).summary()
            assert summary[f'F1_{5 * numerator}'] == summary['F1'] == 1


def test_thresholds_are_the_eleven_taus():
    assert SIOU_THRESHOLDS == (0.25, 0.30, 0.35, 0.40, 0.45, 0.50, 0.55, 0.60, 0.65, 0.70, 0.75)


def test_undefined_figures_are_nan():
    nothing = ComponentAccumulator().summary()
    assert nothing['num_frames'] == nothing['num_ground_truth'] == nothing['num_prediction'] == 0
    without_either = accumulated([frame('....')], NO_LIMITS).summary()
    for summary in (nothing, without_either):
        assert all(math.isnan(value) for name, value in summary.items() if not name.startswith('num_'))
    only_truth = accumulated([frame('oo..')], NO_LIMITS).summary()
    assert (only_truth['sIoU'], only_truth['F1'], only_truth['F1_25']) == (0, 0, 0)
    assert math.isnan(only_truth['PPV'])
    only_prediction = accumulated([frame('^^..')], NO_LIMITS).summary()
    assert (only_prediction['PPV'], only_prediction['F1'], only_prediction['F1_75']) == (0, 0, 0)
    assert math.isnan(only_prediction['sIoU'])


def test_counts_are_summed_over_frames_not_averaged():
    """One frame without any component and one with two objects and one find."""
    summary = accumulated([frame('....'), frame('xx.oo'), frame('.^^..')], NO_LIMITS).summary()
    assert summary['F1'] == pytest.approx(2 / (2 + 1 + 1))
    assert (summary['sIoU'], summary['PPV']) == (0.5, 0.5)


def test_order_and_split_do_not_matter():
    frames = [random_frame(seed) for seed in range(80)]
    whole = accumulated(frames)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(frames))
        merged = ComponentAccumulator(whole.limits)
        for part in np.array_split(order, 3):
            merged.merge(accumulated([frames[index] for index in part]))
        assert merged.summary() == whole.summary()
        assert merged.state_dict() == whole.state_dict()


def test_merge_leaves_the_other_alone_and_takes_empty_ones():
    accumulator, other = accumulated([random_frame(1)]), accumulated([random_frame(2)])
    before = other.state_dict()
    accumulator.merge(other)
    accumulator.merge(ComponentAccumulator(accumulator.limits))
    accumulator.update(*random_frame(3))
    assert other.state_dict() == before
    assert accumulator.summary() == accumulated([random_frame(seed) for seed in (1, 2, 3)]).summary()


def through_json(state, path):
    path.write_text(json.dumps(state))
    return json.loads(path.read_text())


def through_torch(state, path):
    torch.save(state, path)
    return torch.load(path, weights_only=True)


def through_npz(state, path):
    path = path.with_suffix('.npz')
    np.savez(path, **state)
    return np.load(path)


@pytest.mark.parametrize('through', [through_json, through_torch, through_npz])
def test_state_survives_a_file_bit_for_bit(through, tmp_path):
    frames = [random_frame(seed) for seed in range(40)]
    whole = accumulated(frames)
    resumed = accumulated(frames[:3])  # forgotten when the state is loaded
    resumed.load_state_dict(through(accumulated(frames[:17]).state_dict(), tmp_path / 'state'))
    for prediction, labels in frames[17:]:
        resumed.update(prediction, labels)
    assert resumed.summary() == whole.summary()
    assert resumed.state_dict() == whole.state_dict()


def test_state_of_an_empty_accumulator():
    resumed = ComponentAccumulator()
    resumed.load_state_dict(ComponentAccumulator().state_dict())
    assert resumed.state_dict() == ComponentAccumulator().state_dict()


@pytest.mark.parametrize('change', [
    lambda image: image[::-1], lambda image: image[:, ::-1], lambda image: image.T, np.asfortranarray,
    lambda image: np.pad(image, 3)])
def test_flipping_turning_and_padding_change_nothing(change):
    for seed in range(20):
        frames = [random_frame(seed)]
        changed = [tuple(change(image) for image in frames[0])]
        assert accumulated(changed).state_dict() == accumulated(frames).state_dict()


def test_upscaling_with_the_limits_changes_nothing():
    for seed in range(20):
        images = random_frame(seed)
        upscaled = [np.kron(image, np.ones((4, 4), image.dtype)) for image in images]
        small, large = component_scores(*images, (5, 3)), component_scores(*upscaled, (80, 48))
        for before, after in zip(small, large, strict=True):
            assert np.array_equal(np.sort(before), np.sort(after))


def test_frames_side_by_side_with_void_between_are_two_frames():
    for seed in range(20):
        left, right = random_frame(seed), random_frame(seed + 100)
        gap = (np.ones((14, 1), bool), np.full((14, 1), 255, np.uint8))
        joined = [np.hstack(parts) for parts in zip(left, gap, right, strict=True)]
        together, apart = accumulated([joined]).summary(), accumulated([left, right]).summary()
        assert {**together, 'num_frames': 2} == pytest.approx(apart, rel=0, abs=0, nan_ok=True)


def test_threshold_is_exclusive():
    scores = np.array([[0.2, 0.5, 0.5000001, 0.9]], np.float32)
    labels = np.uint8([[1, 1, 1, 1]])
    accumulator = ComponentAccumulator(NO_LIMITS)
    accumulator.update(scores, labels, threshold=0.5)
    assert accumulator.summary()['sIoU'] == 0.5


@pytest.mark.parametrize('best', [1.0, 0.0, -12.3, 1e-6, 1e6])
def test_float32_below_a_threshold_takes_its_ties_in(best):
    best = np.float32(best)
    scores = np.array([[best, best, np.nextafter(best, np.float32('-inf')), best - 1]], np.float32)
    accumulator = ComponentAccumulator(NO_LIMITS)
    accumulator.update(scores, np.uint8([[1, 1, 0, 0]]), np.nextafter(best, np.float32('-inf')))
    assert accumulator.summary()['F1'] == accumulator.summary()['PPV'] == 1


@pytest.mark.parametrize('threshold', [0.3, np.float64(0.3), np.float32(0.3)])
@pytest.mark.parametrize('convert', [
    np.asarray, np.float64, torch.tensor, lambda scores: torch.tensor(scores, dtype=torch.float64)])
def test_scores_and_threshold_are_compared_in_float32(convert, threshold):
    """float32(0.3) is above 0.3: it must not pass the threshold that it was measured as."""
    accumulator = ComponentAccumulator(NO_LIMITS)
    accumulator.update(convert(np.float32([[0.3, 0.1, 0.4]])), np.uint8([[1, 0, 1]]), threshold)
    assert sorted(accumulator.state_dict()['sious']) == [0, 1]


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_half_precision_scores_do_not_round_the_threshold(dtype):
    scores = torch.tensor([[1.0, 0.0]], dtype=dtype)
    accumulator = ComponentAccumulator(NO_LIMITS)
    accumulator.update(scores, torch.tensor([[1, 0]]), threshold=0.99999)  # 1 in half precision
    assert accumulator.summary()['F1'] == 1


@pytest.mark.parametrize('device', ['cpu', pytest.param('cuda', marks=pytest.mark.skipif(
    not torch.cuda.is_available(), reason='no CUDA device'))])
@pytest.mark.parametrize('dtype', [np.uint8, np.int64, np.int32, np.float32])
def test_tensors_and_arrays_agree(dtype, device):
    rng = np.random.default_rng(0)
    expected, found = (ComponentAccumulator(ComponentLimits(2, 2)) for _ in range(2))
    for seed in range(10):
        prediction, labels = random_frame(seed)
        scores = (prediction + 0.3 * rng.random(prediction.shape)).astype(np.float32)
        expected.update(prediction, labels)
        labels = torch.tensor(labels.astype(dtype), device=device)
        found.update(torch.tensor(scores, device=device, requires_grad=True), labels, threshold=0.5)
        expected.update(scores, labels.cpu().numpy(), threshold=0.5)
        found.update(torch.tensor(prediction, device=device), labels)
    assert found.state_dict() == expected.state_dict()


def test_inputs_are_left_as_they_were():
    prediction, labels = random_frame(0)
    prediction.flags.writeable = labels.flags.writeable = False
    component_scores(prediction, labels, NO_LIMITS)
    scores = prediction.astype(np.float32)
    scores.flags.writeable = False
    ComponentAccumulator(NO_LIMITS).update(scores, labels, threshold=0.5)


def hand_made(score, threshold, smallest):
    """Mask and detections, the largest first, with scipy."""
    mask = score >= np.float32(threshold)
    numbers, count = ndimage.label(mask, np.ones((3, 3)))
    found = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(numbers), 1):
        area = int((numbers == number).sum())
        if area >= smallest:
            found.append((columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start, area,
                          float(ndimage.maximum(score, numbers, number))))
    return mask, sorted(found, key=lambda box: (-box[4], box[1], box[0]))


@pytest.mark.parametrize('smallest', [1, 2, 5])
@pytest.mark.parametrize('quantile', [0.3, 0.55, 0.8])
def test_detections_equal_those_of_scipy(smallest, quantile):
    """At these densities, components reach into each other's boxes."""
    score = np.random.default_rng(0).normal(-6, 2, (40, 60)).astype(np.float32)
    threshold = np.quantile(score, quantile)
    mask, detections = detect_components(score, threshold, smallest)
    expected_mask, expected = hand_made(score, threshold, smallest)
    np.testing.assert_array_equal(mask, expected_mask)
    assert detections == expected
    assert len(expected) > 1 or quantile == 0.3


@pytest.mark.parametrize('value', [-6.3, 0.1, 0.7, 1e6 + 0.1])
@pytest.mark.parametrize('kind', [float, np.float64, np.float32])
def test_scores_of_the_threshold_are_detected(value, kind):
    """As float32, which is below the float64 for some of these values and above it for others."""
    border = np.float32(value)
    score = np.array([[np.nextafter(border, np.float32(-np.inf)), border, np.nextafter(border, np.float32(np.inf))]])
    assert detect_components(score, kind(value))[0].tolist() == [[False, True, True]]


@pytest.mark.parametrize(('threshold', 'detections'), [(1.5, []), (0.0, [(0, 0, 4, 3, 12, 1.0)])])
def test_nothing_and_everything(threshold, detections):
    mask, found = detect_components(np.ones((3, 4), np.float32), threshold)
    assert mask.all() == mask.any() == bool(detections)
    assert found == detections


ZEROS = np.zeros((2, 3), np.float32)
LABELS = np.zeros((2, 3), np.uint8)


@pytest.mark.parametrize(('prediction', 'labels', 'threshold', 'message'), [
    (ZEROS > 0, LABELS[:1], None, r'prediction has shape \(2, 3\), labels \(1, 3\)'),
    (ZEROS, LABELS.T, 0.5, r'prediction has shape \(2, 3\), labels \(3, 2\)'),
    (ZEROS[None] > 0, LABELS[None], None, r'prediction has shape \(1, 2, 3\), expected one frame \(H, W\)'),
    (ZEROS[None], LABELS[None], 0.5, r'prediction has shape \(1, 2, 3\), expected one frame \(H, W\)'),
    (ZEROS[:0] > 0, LABELS[:0], None, r'prediction has shape \(0, 3\), expected one frame \(H, W\)'),
    (ZEROS, LABELS, None, 'prediction has dtype float32, expected a boolean mask, or scores with a threshold'),
    (torch.zeros(2, 3, dtype=torch.uint8), LABELS, None, 'prediction has dtype torch.uint8, expected a boolean mask'),
    (ZEROS > 0, LABELS, 0.5, 'a boolean mask takes no threshold, found threshold 0.5'),
    (torch.zeros(2, 3, dtype=torch.bool), LABELS, 0.0, 'a boolean mask takes no threshold, found threshold 0.0'),
    (ZEROS, LABELS, float('nan'), 'threshold is NaN, expected a number'),
])
def test_bad_frames(prediction, labels, threshold, message):
    accumulator = ComponentAccumulator()
    with pytest.raises(ValueError, match=message):
        accumulator.update(prediction, labels, threshold)
    assert accumulator.num_frames == 0


@pytest.mark.parametrize('convert', [np.asarray, torch.tensor])
def test_scores_that_are_not_finite_are_counted(convert):
    labels = np.uint8([[0, 0, 1, 1, 255, 2]])
    scores = np.float32([[np.nan, 0, np.inf, -np.inf, np.nan, np.inf]])
    with pytest.raises(ValueError, match='3 of 4 scores are not finite'):
        ComponentAccumulator().update(convert(scores), labels, threshold=0.5)
    scores[0, :4] = [0, 0, 1, 1]  # those on void do not matter
    accumulator = ComponentAccumulator(NO_LIMITS)
    accumulator.update(convert(scores), labels, threshold=0.5)
    assert (accumulator.summary()['sIoU'], accumulator.summary()['PPV']) == (1, 1)


@pytest.mark.parametrize(('arguments', 'message'), [
    (dict(track='roads'), "unknown track 'roads', expected one of anomaly, obstacle"),
    (dict(track=(10, -1)), r'must not be negative, found ComponentLimits\(min_prediction=10, min_ground_truth=-1\)'),
    (dict(thresholds=[]), r'thresholds must be in \(0, 1\], found \[\]'),
    (dict(thresholds=[0.5, 0]), r'thresholds must be in \(0, 1\], found \[0.5, 0.0\]'),
    (dict(thresholds=[1.5]), r'thresholds must be in \(0, 1\], found \[1.5\]'),
])
def test_bad_settings(arguments, message):
    with pytest.raises(ValueError, match=message):
        ComponentAccumulator(**arguments)


def test_functional_twin_checks_its_limits():
    with pytest.raises(ValueError, match="unknown track 'roads'"):
        component_scores(ZEROS > 0, LABELS, 'roads')
    with pytest.raises(ValueError, match='must not be negative'):
        component_scores(ZEROS > 0, LABELS, ComponentLimits(-1, 0))


def test_components_under_different_settings_do_not_mix():
    accumulator = ComponentAccumulator('anomaly')
    with pytest.raises(ValueError, match=r'limits \[50, 10\], expected \[500, 100\]'):
        accumulator.merge(ComponentAccumulator('obstacle'))
    with pytest.raises(ValueError, match=r'limits \[50, 10\], expected \[500, 100\]'):
        accumulator.load_state_dict(ComponentAccumulator('obstacle').state_dict())
    with pytest.raises(ValueError, match=r'thresholds \[0.5\], expected \[0.25, 0.3'):
        accumulator.merge(ComponentAccumulator('anomaly', thresholds=[0.5]))
    with pytest.raises(ValueError, match=r"lacks \['num_frames', 'ppvs'\]"):
        accumulator.load_state_dict(dict(limits=[500, 100], thresholds=SIOU_THRESHOLDS, sious=[]))
