"""AnomalyVisualizationHook: which frames are drawn, from what, on which scale, under which names."""
import cv2
import numpy as np
import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.registry import VISBACKENDS
from mmengine.visualization import BaseVisBackend
from mmseg.registry import DATASETS, METRICS

from mmseg_ood.segmentation.hooks import AnomalyVisualizationHook, anomaly_visualization
from mmseg_ood.segmentation.visualization import AnomalyLocalVisualizer


@METRICS.register_module(force=True)
class NoMetric(BaseMetric):
    """Looks at nothing."""

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        return {}


@VISBACKENDS.register_module(force=True)
class NamesOnly(BaseVisBackend):
    """Keeps names and steps."""

    def __init__(self, save_dir=None):
        self.images = []
        self._save_dir = save_dir

    def _init_env(self):
        pass

    experiment = property(lambda self: self)

    def add_image(self, name, image, step=0, **kwargs):
        self.images.append((name, step))


@pytest.fixture
def run(build_runner, monkeypatch):
    """Builds a runner on frames with names; what is drawn is noted in ``runner.drawn`` and drawn in no detail."""

    def build(hook, names=None, noted=True, **arguments):
        made_up = DATASETS.get('MadeUpFrames')
        original = made_up.__getitem__

        def named(frames, index):
            frame = original(frames, index)
            if names is not None:
                frame['data_samples'].set_metainfo(dict(img_path=f'somewhere/{names[index]}.png'))
            return frame

        monkeypatch.setattr(made_up, '__getitem__', named)
        loader = dict(batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
                      dataset=dict(type='MadeUpFrames', labels=(0, 1, 2, 254, 255), count=20))
        runner = build_runner(
            visualizer=dict(type='AnomalyLocalVisualizer', vis_backends=[
                dict(type='NamesOnly') if noted else dict(type='LocalVisBackend')]),
            custom_hooks=[dict(type='AnomalyVisualizationHook', **hook)], val_dataloader=loader,
            val_evaluator=dict(type='NoMetric'), test_dataloader=loader, test_evaluator=dict(type='NoMetric'),
            test_cfg=dict(), **arguments)
        runner.drawn = []
        if noted:
            def draw(sample, scale, threshold=None, title=''):
                has_scores = sample.panel.score is not None
                runner.drawn.append(dict(panel=sample.panel, palette=sample.palette, name=sample.score_name,
                                         threshold=threshold, title=title, range=has_scores and scale.range(),
                                         scale_from=has_scores and scale.describe()))
                return sample.panel.image
            monkeypatch.setattr(runner.visualizer, 'draw', draw)
            runner.images = runner.visualizer.get_backend('NamesOnly').images
        return runner
    return build


def expected_scores(runner, index):
    """Energy of a frame by hand: normalise, forward, logsumexp."""
    runner.model.eval()
    inputs = runner.val_dataloader.dataset[index]['inputs']
    with torch.no_grad():
        logits = runner.model.encode_decode((inputs[None].float() - 100) / 60, [dict(img_shape=(16, 32))])
    return -torch.logsumexp(logits[0], 0).numpy()


def test_every_nth_frame_from_the_first_on(run):
    runner = run(dict(interval=7), names=[f'street_{index}' for index in range(20)])
    runner.val()
    assert runner.images == [('val_street_0', 0), ('val_street_7', 0), ('val_street_14', 0)]
    for drawn, index in zip(runner.drawn, (0, 7, 14), strict=True):
        frame = runner.val_dataloader.dataset[index]
        np.testing.assert_array_equal(drawn['panel'].image, frame['inputs'].numpy().transpose(1, 2, 0)[..., ::-1])
        np.testing.assert_array_equal(drawn['panel'].ground_truth, frame['data_samples'].gt_sem_seg.data[0])
        np.testing.assert_allclose(drawn['panel'].score, expected_scores(runner, index), rtol=1e-4)
        assert drawn['panel'].components is None
        assert drawn['palette'].tolist() == [[128, 64, 128], [0, 0, 142], [70, 130, 180]]
        assert (drawn['name'], drawn['title']) == ('energy', f'street_{index}, after 0 iterations')


@pytest.mark.parametrize(('interval', 'measured'), [(1, range(8)), (2, range(0, 16, 2)), (7, (0, 7, 14))])
def test_one_scale_measured_on_the_first_frames_drawn(run, interval, measured):
    runner = run(dict(interval=interval))
    runner.val()
    assert len(runner.drawn) == len(range(0, 20, interval))
    scores = [expected_scores(runner, index) for index in measured]
    for drawn in runner.drawn:
        assert drawn['range'] == pytest.approx(np.quantile(scores, [0.01, 0.995]), rel=1e-4)
        assert drawn['scale_from'] == f'1 % to 99.5 % of the scores of {len(measured)} frames'


def test_frames_wait_no_longer_than_for_the_scale(run, monkeypatch):
    runner = run(dict(interval=1))
    waiting = []
    original = AnomalyVisualizationHook.after_val_iter

    def noted(hook, *arguments, **named):
        original(hook, *arguments, **named)
        waiting.append(len(hook._waiting))

    monkeypatch.setattr(AnomalyVisualizationHook, 'after_val_iter', noted)
    runner.val()
    assert waiting == [2, 4, 6, 0, 0, 0, 0, 0, 0, 0]
    assert [name for name, _ in runner.images] == [f'val_frame_{index}' for index in range(20)]


def test_given_scale_threshold_score_and_limit(run):
    runner = run(dict(interval=1, max_frames=3, score='msp:temperature=2', score_range=(0.2, 0.6), threshold=0.5))
    runner.val()
    assert len(runner.images) == 3
    for drawn in runner.drawn:
        assert drawn['range'] == (0.2, 0.6)
        assert (drawn['scale_from'], drawn['name'], drawn['threshold']) == ('given', 'msp_t2', 0.5)
        np.testing.assert_array_equal(drawn['panel'].components.mask, drawn['panel'].score >= np.float32(0.5))


def test_test_needs_no_training_data(run):
    runner = run(dict(interval=10), names=list('abcdefghijklmnopqrst'))
    runner._train_loop = dict(type='loop that cannot be built')
    runner.test()
    assert runner.images == [('test_a', 0), ('test_k', 0)]
    assert [drawn['title'] for drawn in runner.drawn] == ['a', 'k']


def test_equal_names_are_told_apart(run):
    runner = run(dict(interval=4), names=['street'] * 20)
    runner.val()
    assert [name for name, _ in runner.images] == ['val_street', *(f'val_street_{number}' for number in range(2, 6))]


def test_each_validation_begins_anew_with_the_same_names(run):
    runner = run(dict(interval=10, train_interval=0), max_iters=4,
                 train_cfg=dict(val_begin=1, val_interval=2))
    runner.train()
    assert runner.images == [(f'val_frame_{index}', step) for step in (2, 4) for index in (0, 10)]
    ranges = [drawn['range'] for drawn in runner.drawn]
    assert ranges[0] == ranges[1] != ranges[2] == ranges[3]  # the network has changed
    assert runner.drawn[2]['title'] == 'frame_0, after 4 iterations'


def test_training_composites_are_what_the_network_gets(run, monkeypatch):
    batches = []

    class Batches(AnomalyVisualizationHook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            batches.append(data_batch)

    runner = run(dict(train_interval=3), max_iters=7, labels=(0, 1))
    runner.register_hook(Batches(train_interval=0))
    dataset = runner.train_dataloader.dataset
    get = type(dataset).__getitem__

    def outliers_in_odd_frames(frames, index):
        frame = get(frames, index)
        frame['data_samples'].gt_sem_seg.data[0, :4] = 254 if index % 2 else 0
        return frame

    monkeypatch.setattr(type(dataset), '__getitem__', outliers_in_odd_frames)
    runner.train()
    assert runner.images == [('train_composite', 1), ('train_composite', 4), ('train_composite', 7)]
    for drawn, batch in zip(runner.drawn, batches[::3], strict=True):
        holds = [bool((sample.gt_sem_seg.data == 254).any()) for sample in batch['data_samples']]
        index = holds.index(True) if any(holds) else 0
        image = batch['inputs'][index].numpy().transpose(1, 2, 0)[..., ::-1]
        np.testing.assert_array_equal(drawn['panel'].image, image)
        np.testing.assert_array_equal(drawn['panel'].ground_truth, batch['data_samples'][index].gt_sem_seg.data[0])
        assert drawn['panel'].score is None
        assert drawn['palette'].tolist() == [[128, 64, 128], [0, 0, 142], [70, 130, 180]]


def test_training_is_the_same_with_and_without_pictures(run):
    weights = []
    for folder, interval in (('with', 1), ('without', 0)):
        runner = run(dict(train_interval=interval, interval=1), folder=folder)
        runner.train()
        weights.append(torch.cat([value.flatten().double() for value in runner.model.state_dict().values()]))
    assert torch.equal(*weights)


def test_map_of_an_anomaly_encoder_decoder(run):
    runner = run(dict(interval=10), model=dict(type='AnomalyEncoderDecoder', num_inlier_classes=2, score='max_logit'))
    runner.val()
    drawn = runner.drawn[0]
    assert drawn['name'] == 'pred_anomaly'
    assert drawn['panel'].prediction.max() <= 1
    assert drawn['palette'].shape == (2, 3)


def test_number_of_inlier_classes_of_the_config(run):
    runner = run(dict(interval=10), num_inlier_classes=2)
    runner.val()
    assert runner.drawn[0]['panel'].prediction.max() <= 1
    assert runner.drawn[0]['palette'].shape == (2, 3)


def test_pictures_lie_in_the_work_dir(run, tmp_path):
    runner = run(dict(interval=10, threshold=-1.0), names=[f'street_{index}' for index in range(20)], noted=False,
                 max_iters=1, train_cfg=dict(val_begin=1, val_interval=1))
    runner.train()
    pictures = {path.name: cv2.imread(str(path)).shape for path in (tmp_path / 'run').rglob('vis_data/vis_image/*')}
    assert pictures == {
        'train_composite_1.png': (368, 1320, 3), 'val_street_0_1.png': pictures['val_street_10_1.png'],
        'val_street_10_1.png': (627, 1320, 3)}


def test_image_of_test_time_augmentation_is_that_of_the_file(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / 'street.png'), image)
    sample = type('Sample', (), dict(img_path=str(tmp_path / 'street.png')))
    batch = dict(inputs=[[torch.zeros(3, 8, 12)], [torch.zeros(3, 16, 24)]])
    np.testing.assert_array_equal(anomaly_visualization._image(batch, 0, sample), image[..., ::-1])


def test_float_images():
    image = torch.tensor([[[0.4, 254.6]], [[1.0, 2.0]], [[3.0, 4.0]]])
    assert anomaly_visualization._image(dict(inputs=[image]), 0, None).tolist() == [[[3, 1, 0], [4, 2, 255]]]
    with pytest.raises(ValueError, match='must be 0 to 255 when they leave the pipeline, found -1 to 253'):
        anomaly_visualization._image(dict(inputs=[image - 1.4]), 0, None)


@pytest.mark.parametrize(('arguments', 'message'), [
    (dict(interval=0), 'interval must be at least 1, found 0'),
    (dict(train_interval=-1), 'train_interval must be at least 0, found -1'),
    (dict(max_frames=0), 'max_frames must be at least 1, found 0'),
    (dict(score_range=(3, 2)), r'score_range: expected two numbers, the lower first, found \(3, 2\)'),
])
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        AnomalyVisualizationHook(**arguments)


def test_unknown_score_is_said_before_anything_runs(run):
    with pytest.raises(ValueError, match="unknown score 'enrgy'"):
        run(dict(score='enrgy')).val()


def test_other_visualizers_are_refused(run):
    runner = run(dict())
    runner.visualizer = type('SegLocalVisualizer', (), {})()
    with pytest.raises(TypeError, match=r"needs visualizer=dict\(type='AnomalyLocalVisualizer'.*found SegLocalVisual"):
        runner.call_hook('before_run')


def test_visualizer_without_backends_is_refused(run):
    runner = run(dict())
    runner.visualizer = AnomalyLocalVisualizer('without backends')
    with pytest.raises(ValueError, match='keeps no picture, expected some vis_backends'):
        runner.call_hook('before_run')
