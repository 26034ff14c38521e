"""AnomalyMetric against scikit-learn, alone and in several processes, and what it says about bad input."""
import logging
import math

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler
from mmengine.evaluator import Evaluator
from mmengine.structures import PixelData
from mmseg.registry import METRICS
from mmseg.structures import SegDataSample
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from mmseg_ood.core import SCORES, AnomalyScorer, anomaly_score
from mmseg_ood.segmentation.evaluation import AnomalyMetric, anomaly_metric
from mmseg_ood.segmentation.evaluation.score_metric import ScoredFrame

NUM_FRAMES = 7


def frame(index, height=12, width=16, channels=3):
    """One model output, another one for every index; outliers have smaller logits, but not all of them."""
    generator = torch.Generator().manual_seed(index)
    labels = torch.tensor([0, 1, 2, 254, 255])[torch.randint(5, (height, width), generator=generator)]
    logits = torch.randn(channels, height, width, generator=generator) * torch.where(labels == 254, 1, 3)
    # Coarse values: ties within and across frames.
    return dict(img_path=f'frame_{index}.png', seg_map_path=f'label_{index}.png',
                seg_logits=dict(data=(4 * logits).round() / 4), gt_sem_seg=dict(data=labels[None]))


def run(frames, **kwargs):
    metric = AnomalyMetric(**kwargs)
    for one in frames:
        metric.process({}, [one])
    return metric.evaluate(len(frames))


def reference(frames, score='energy', channels=None, temperature=1.0):
    """Figures in percent by scikit-learn, over the pooled pixels."""
    scores, labels = [], []
    for one in frames:
        label = one['gt_sem_seg']['data'][0]
        value = anomaly_score(one['seg_logits']['data'][None, :channels], score, temperature)[0]
        scores.append(value[label != 255].numpy())
        labels.append((label == 254)[label != 255].numpy())
    scores, labels = np.concatenate(scores), np.concatenate(labels)
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    return {'AP': 100 * average_precision_score(labels, scores), 'FPR95': 100 * fpr[tpr >= 0.95][0],
            'AUROC': 100 * roc_auc_score(labels, scores)}


@pytest.fixture
def frames():
    return [frame(index, height=10 + index) for index in range(NUM_FRAMES)]


@pytest.mark.parametrize('score', [name for name, score in SCORES.items() if not score.needs_statistics])
def test_equals_scikit_learn(frames, score):
    assert run(frames, score=score) == pytest.approx(reference(frames, score), rel=1e-12)


def test_is_built_by_the_registry_and_fed_by_an_evaluator(frames):
    evaluator = Evaluator([METRICS.build(dict(type='AnomalyMetric'))])
    samples = []
    for one in frames:
        sample = SegDataSample(metainfo=dict(img_path=one['img_path']))
        sample.seg_logits = PixelData(data=one['seg_logits']['data'])
        sample.gt_sem_seg = PixelData(data=one['gt_sem_seg']['data'])
        samples.append(sample)
    evaluator.process(samples[:4])
    evaluator.process(samples[4:])
    assert evaluator.evaluate(len(frames)) == pytest.approx(reference(frames), rel=1e-12)


def test_several_scores_in_one_pass(frames):
    figures = run(frames, score=['energy', 'msp'])
    expected = {f'{score}/{name}': value for score in ('energy', 'msp')
                for name, value in reference(frames, score).items()}
    assert figures == pytest.approx(expected, rel=1e-12)


def test_prefix_goes_first(frames):
    assert set(run(frames, prefix='ood')) == {'ood/AP', 'ood/FPR95', 'ood/AUROC'}
    assert 'ood/msp/AP' in run(frames, prefix='ood', score=['energy', 'msp'])


def test_temperature(frames):
    assert run(frames, temperature=3.0) == pytest.approx(reference(frames, temperature=3.0), rel=1e-12)


def test_further_channels_are_cut():
    frames = [frame(index, channels=5) for index in range(3)]
    assert run(frames, num_classes=3) == pytest.approx(reference(frames, channels=3), rel=1e-12)
    assert run(frames, num_classes=3) != run(frames)


def test_void_takes_no_part(frames):
    expected = run(frames)
    for one in frames:
        one['seg_logits']['data'][:, one['gt_sem_seg']['data'][0] == 255] = math.nan
    assert run(frames) == expected


def test_another_ood_and_ignore_index(frames):
    expected = run(frames)
    for one in frames:
        label = one['gt_sem_seg']['data']
        label[label == 254], label[label == 255] = 77, 99
    assert run(frames, ood_index=77, ignore_index=99) == expected


def test_half_precision_logits(frames):
    for one in frames:
        one['seg_logits']['data'] = one['seg_logits']['data'].half()
    assert run(frames) == pytest.approx(reference(frames), rel=1e-12)


@pytest.mark.parametrize('rule', ['nearest', 'interpolate'])
def test_fpr_rules_differ(frames, rule):
    """Under a name of their own: columns never mix rules."""
    figures, first = run(frames, fpr_rule=rule), run(frames)
    assert set(figures) == {'AP', f'FPR95_{rule}', 'AUROC'}
    assert figures['AP'] == first['AP']
    assert figures[f'FPR95_{rule}'] <= first['FPR95']


def test_means_of_images_stand_beside_pooled_figures(frames):
    frames[2]['gt_sem_seg']['data'][frames[2]['gt_sem_seg']['data'] == 254] = 0  # a frame without anomalies
    figures = run(frames, per_image=True)
    expected = [reference([one]) for index, one in enumerate(frames) if index != 2]
    for name, value in reference(frames).items():
        assert figures[name] == pytest.approx(value, rel=1e-12)
        assert figures[f'image_{name}'] == pytest.approx(np.mean([one[name] for one in expected]), rel=1e-12)
    assert len(figures) == 6


def test_a_score_with_options(frames):
    scorer = dict(type='energy', temperature=3.0, smoothing=True)
    figures = run(frames, score=['energy', scorer])
    assert {name.split('/')[0] for name in figures} == {'energy', 'energy_t3_smoothed'}
    for one in frames:
        one['seg_logits']['data'] = -AnomalyScorer.build(scorer)(one['seg_logits']['data'][None]).expand(3, -1, -1)
    assert figures['energy_t3_smoothed/AP'] == pytest.approx(reference(frames, 'max_logit')['AP'], rel=1e-12)


def test_second_evaluation_starts_empty(frames):
    metric = AnomalyMetric()
    for part in (frames[:3], frames[3:]):
        for one in part:
            metric.process({}, [one])
        assert metric.evaluate(len(part)) == pytest.approx(reference(part), rel=1e-12)


def test_memory_does_not_grow_with_the_frames(frames):
    metric = AnomalyMetric()
    metric.process({}, frames * 3)
    assert metric.results == []
    assert isinstance(metric._held_back, ScoredFrame)  # one frame, no more


def test_summaries_hold_the_counts(frames):
    metric = AnomalyMetric()
    metric.process({}, frames)
    metric.evaluate(len(frames))
    labels = torch.cat([one['gt_sem_seg']['data'].flatten() for one in frames])
    assert metric.summaries['energy']['num_outlier'] == int((labels == 254).sum())
    assert metric.summaries['energy']['num_inlier'] == int((labels < 254).sum())


@pytest.mark.parametrize(('label', 'nan', 'message'), [
    (0, {'AP', 'FPR95', 'AUROC'}, 'no pixel is labelled 254 (anomaly)'),
    (254, {'FPR95', 'AUROC'}, 'no pixel is labelled as inlier'),
])
def test_undefined_figures_are_nan_with_a_warning(frames, monkeypatch, label, nan, message):
    warnings = []
    monkeypatch.setattr(anomaly_metric, 'print_log', lambda text, logger, level: warnings.append((level, text)))
    frames[0]['gt_sem_seg']['data'].fill_(label)
    figures = run(frames[:1])
    assert {name for name, value in figures.items() if math.isnan(value)} == nan
    assert [level for level, text in warnings if message in text] == [logging.WARNING]


def test_logits_that_are_not_finite_name_the_image(frames):
    row, column = (frames[2]['gt_sem_seg']['data'][0] != 255).nonzero()[0]
    frames[2]['seg_logits']['data'][:, row, column] = math.nan
    with pytest.raises(ValueError, match=r'frame_2.png: energy: 1 of \d+ scores are not finite'):
        run(frames)


def test_unknown_labels_name_the_file(frames):
    frames[1]['gt_sem_seg']['data'][0, 0, 0] = 19
    with pytest.raises(ValueError, match='label_1.png holds the values 19, expected only 0, 1, 2, 254, 255'):
        run(frames)


@pytest.mark.parametrize('key', ['seg_logits', 'gt_sem_seg'])
def test_missing_keys_are_named(frames, key):
    del frames[0][key]
    with pytest.raises(ValueError, match=f"frame_0.png: AnomalyMetric needs '{key}', found"):
        run(frames)


def test_a_single_channel_is_refused():
    with pytest.raises(ValueError, match="frame_0.png: .* logits of at least 2 classes, found 1 channel"):
        run([frame(0, channels=1)])


def test_more_classes_than_channels_are_refused():
    with pytest.raises(ValueError, match="frame_0.png: score 'energy': expected .* at least 19 classes, found 3"):
        run([frame(0)], num_classes=19)


def test_sizes_that_differ_name_the_image(frames):
    frames[0]['gt_sem_seg']['data'] = frames[0]['gt_sem_seg']['data'][:, 1:]
    with pytest.raises(ValueError, match=r'frame_0.png: energy: scores have shape \(10, 16\), labels \(9, 16\)'):
        run(frames[:1])


@pytest.mark.parametrize(('kwargs', 'message'), [
    (dict(score='enrgy'), "unknown score 'enrgy', expected one of energy, msp"),
    (dict(score=[]), r'expected one or several different scores, found \[\]'),
    (dict(score=['energy', 'energy']), 'expected one or several different scores'),
    (dict(fpr_rule='last'), "unknown fpr_rule 'last', expected one of first"),
])
def test_unknown_names(kwargs, message):
    with pytest.raises(ValueError, match=message):
        AnomalyMetric(**kwargs)


def _process_of_many(rank, world_size, num_frames, folder):
    torch.set_num_threads(1)
    torch.distributed.init_process_group('gloo', init_method=f'file://{folder}/store', rank=rank,
                                         world_size=world_size)
    metric = AnomalyMetric(score=['energy', 'msp'])
    # The sampler pads: with 7 frames and 3 processes, two of them see a frame again.
    for index in DefaultSampler(range(num_frames), shuffle=False):
        metric.process({}, [frame(index)])
    torch.save((metric.evaluate(num_frames), metric.summaries), f'{folder}/{rank}.pt')
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize(('world_size', 'num_frames'), [(2, NUM_FRAMES), (3, NUM_FRAMES), (3, 1)])
def test_several_processes_give_the_same_figures_bit_for_bit(world_size, num_frames, tmp_path):
    torch.multiprocessing.start_processes(_process_of_many, (world_size, num_frames, str(tmp_path)), world_size,
                                          start_method='fork')
    metric = AnomalyMetric(score=['energy', 'msp'])
    for index in range(num_frames):
        metric.process({}, [frame(index)])
    expected = metric.evaluate(num_frames), metric.summaries
    for rank in range(world_size):
        assert torch.load(tmp_path / f'{rank}.pt') == expected
