"""AnomalyComponentMetric: its threshold and figures against the core, alone and in several processes."""
import math
from pathlib import Path

import pytest
import torch
from mmengine.dataset import DefaultSampler
from mmseg.registry import METRICS

from mmseg_ood.core import ComponentAccumulator, ScoreHistogram, free_energy
from mmseg_ood.segmentation.evaluation import AnomalyComponentMetric

NUM_FRAMES = 5
TRACK = (4, 3)


def frame(index):
    """A frame of blocks: anomalies have smaller logits, with noise that breaks them into components."""
    generator = torch.Generator().manual_seed(index)
    labels = torch.tensor([0, 1, 254, 255, 0])[torch.randint(5, (6, 8), generator=generator)]
    labels = labels.repeat_interleave(3, 0).repeat_interleave(3, 1)
    logits = torch.randn(2, *labels.shape, generator=generator) * torch.where(labels == 254, 1.0, 3.0)
    return dict(img_path=f'frame_{index}.png', seg_logits=dict(data=logits), gt_sem_seg=dict(data=labels[None]))


def run(frames, **kwargs):
    metric = AnomalyComponentMetric(track=TRACK, **kwargs)
    for one in frames:
        metric.process({}, [one])
    return metric.evaluate(len(frames)), metric.summaries


def scores_and_labels(one):
    label = one['gt_sem_seg']['data'][0]
    binary = torch.where(label == 254, 1, torch.where(label == 255, 255, 0))
    return free_energy(one['seg_logits']['data'][None])[0], binary


def expected(frames, threshold):
    accumulator = ComponentAccumulator(TRACK)
    for one in frames:
        scores, labels = scores_and_labels(one)
        accumulator.update(scores >= threshold, labels)
    summary = accumulator.summary()
    return {'sIoU': 100 * summary['sIoU'], 'PPV': 100 * summary['PPV'], 'F1*': 100 * summary['F1']}


@pytest.fixture
def frames():
    return [frame(index) for index in range(NUM_FRAMES)]


def test_at_the_threshold_of_the_best_pixel_f1(frames):
    histogram = ScoreHistogram()
    for one in frames:
        histogram.update(*scores_and_labels(one))
    threshold = histogram.summary()['best_threshold']
    figures, summaries = run(frames)
    assert summaries['energy']['threshold'] == threshold
    assert figures == expected(frames, threshold)
    assert 0 < figures['sIoU'] < 100


def test_at_a_given_threshold(frames):
    figures, summaries = run(frames, threshold=-2.5)
    assert figures == expected(frames, -2.5)
    assert summaries['energy']['threshold'] == -2.5
    assert summaries['energy']['num_frames'] == NUM_FRAMES


def test_several_scores(frames):
    figures, _ = run(frames, score=['energy', 'msp'])
    assert set(figures) == {f'{score}/{name}' for score in ('energy', 'msp') for name in ('sIoU', 'PPV', 'F1*')}
    assert figures['energy/sIoU'] == run(frames)[0]['sIoU']


def test_nothing_stays_on_disk(frames):
    metric = METRICS.build(dict(type='AnomalyComponentMetric', track=TRACK))
    metric.process({}, frames)
    folder = Path(metric._waiting.name)
    assert len(list(folder.iterdir())) == NUM_FRAMES - 1  # the last frame is held back
    metric.evaluate(NUM_FRAMES)
    assert not folder.exists()


def test_without_anomalies_nothing_is_to_be_found(frames):
    for one in frames:
        one['gt_sem_seg']['data'][one['gt_sem_seg']['data'] == 254] = 0
    figures, _ = run(frames)
    assert all(math.isnan(value) for value in figures.values())


@pytest.mark.parametrize(('kwargs', 'message'), [
    (dict(track='obstacles'), "'obstacles'"), (dict(score='enrgy'), "unknown score 'enrgy'"),
    (dict(score=['energy', 'msp'], threshold=1.0), 'threshold=1.0 is that of one score, found energy, msp'),
])
def test_bad_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        AnomalyComponentMetric(**kwargs)


def test_scores_that_are_not_finite_name_the_image(frames):
    row, column = (frames[1]['gt_sem_seg']['data'][0] != 255).nonzero()[0]
    frames[1]['seg_logits']['data'][:, row, column] = math.nan
    with pytest.raises(ValueError, match=r'frame_1.png: energy: 1 of \d+ scores are not finite'):
        run(frames)


def _process_of_many(rank, world_size, folder):
    torch.set_num_threads(1)
    torch.distributed.init_process_group('gloo', init_method=f'file://{folder}/store', rank=rank,
                                         world_size=world_size)
    metric = AnomalyComponentMetric(track=TRACK, score=['energy', 'msp'])
    for index in DefaultSampler(range(NUM_FRAMES), shuffle=False):  # pads: some frames come twice
        metric.process({}, [frame(index)])
    torch.save((metric.evaluate(NUM_FRAMES), metric.summaries), f'{folder}/{rank}.pt')
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize('world_size', [2, 3])
def test_several_processes_give_the_same_figures_bit_for_bit(frames, world_size, tmp_path):
    torch.multiprocessing.start_processes(_process_of_many, (world_size, str(tmp_path)), world_size,
                                          start_method='fork')
    for rank in range(world_size):
        assert torch.load(tmp_path / f'{rank}.pt') == run(frames, score=['energy', 'msp'])
