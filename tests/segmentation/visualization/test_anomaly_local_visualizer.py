"""AnomalyLocalVisualizer: what is drawn of a data sample, and who gets the picture."""
import itertools

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import VISBACKENDS
from mmengine.structures import PixelData
from mmengine.visualization import BaseVisBackend
from mmseg.registry import VISUALIZERS
from mmseg.structures import SegDataSample
from mmseg.utils import get_palette

from mmseg_ood.core import AnomalyScorer, anomaly_score
from mmseg_ood.segmentation.visualization import AnomalyLocalVisualizer, ScoreScale, anomaly_local_visualizer

HEIGHT, WIDTH = 24, 48
NUMBERS = itertools.count()
IMAGE = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


@VISBACKENDS.register_module(force=True)
class Remembering(BaseVisBackend):
    """Keeps what it was given, as TensorBoard or another service would."""

    def __init__(self, save_dir=None):
        self._save_dir = save_dir
        self.images = []

    def _init_env(self):
        pass

    experiment = property(lambda self: self)

    def add_image(self, name, image, step=0, **kwargs):
        self.images.append((name, image, step))


def visualizer(**arguments):
    # An instance is looked up by its name, so each gets one of its own.
    built = VISUALIZERS.build(dict(type='AnomalyLocalVisualizer', vis_backends=[dict(type='Remembering')],
                                   name=f'visualizer {next(NUMBERS)}', save_dir='unused', **arguments))
    return built, built.get_backend('Remembering').images


def sample(num_channels=19, **fields):
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(num_channels, HEIGHT, WIDTH, generator=generator)
    labels = torch.randint(19, (1, HEIGHT, WIDTH), generator=generator)
    labels[:, :5], labels[:, -5:] = 254, 255
    values = dict(seg_logits=logits, pred_sem_seg=logits.argmax(0, keepdim=True), gt_sem_seg=labels) | fields
    return SegDataSample(metainfo=dict(img_path='folder/street.png'), **{
        name: PixelData(data=data) for name, data in values.items() if data is not None})


def test_registered_for_configs_of_mmseg():
    built, images = visualizer(alpha=0.3)
    assert type(built) is AnomalyLocalVisualizer
    assert built.alpha == 0.3
    assert built.has_backends
    assert images == []
    assert not AnomalyLocalVisualizer('without').has_backends


def test_prepared_maps_are_those_of_the_sample():
    data = sample()
    prepared = visualizer()[0].prepare(IMAGE, data)
    panel = prepared.panel
    np.testing.assert_array_equal(panel.image, IMAGE)
    np.testing.assert_array_equal(panel.ground_truth, data.gt_sem_seg.data[0])
    np.testing.assert_array_equal(panel.prediction, data.pred_sem_seg.data[0])
    np.testing.assert_array_equal(panel.score, -torch.logsumexp(data.seg_logits.data, 0))
    assert panel.components is None
    assert prepared.score_name == 'energy'
    assert prepared.palette.tolist() == get_palette('cityscapes')


@pytest.mark.parametrize('score', ['msp', dict(type='msp'), AnomalyScorer('msp')])
def test_score_by_name_dict_or_scorer(score):
    data = sample(pred_anomaly=torch.zeros(1, HEIGHT, WIDTH))
    prepared = visualizer()[0].prepare(IMAGE, data, score=score)
    assert prepared.score_name == 'msp'
    np.testing.assert_array_equal(prepared.panel.score, anomaly_score(data.seg_logits.data[None], 'msp')[0])


def test_map_of_the_network_is_the_default():
    anomaly = torch.rand(1, HEIGHT, WIDTH)
    prepared = visualizer()[0].prepare(IMAGE, sample(pred_anomaly=anomaly))
    assert prepared.score_name == 'pred_anomaly'
    np.testing.assert_array_equal(prepared.panel.score, anomaly[0])


def test_further_channels_are_no_classes():
    data = sample(num_channels=20)
    data.seg_logits.data[19, :10] = 50  # predicted, but no inlier class
    data.pred_sem_seg.data[:] = data.seg_logits.data.argmax(0)
    prepared = visualizer()[0].prepare(IMAGE, data, num_classes=19)
    np.testing.assert_array_equal(prepared.panel.prediction, data.seg_logits.data[:19].argmax(0))
    np.testing.assert_array_equal(prepared.panel.score, -torch.logsumexp(data.seg_logits.data[:19], 0))
    assert prepared.palette.tolist() == get_palette('cityscapes')


def test_components_at_the_threshold():
    anomaly = torch.zeros(1, HEIGHT, WIDTH)
    anomaly[0, 4:12, 10:30] = 2
    anomaly[0, 20, 40] = 3
    panel = visualizer(min_component=10)[0].prepare(IMAGE, sample(pred_anomaly=anomaly), threshold=1.5).panel
    assert panel.components.boxes == [(10, 4, 20, 8, 2.0)]
    np.testing.assert_array_equal(panel.components.mask, anomaly[0] > 1)


def test_palette_of_the_data_set():
    built, _ = visualizer()
    three = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    built.dataset_meta = dict(classes='abc', palette=three)
    assert built.prepare(IMAGE, sample(3)).palette.tolist() == three
    assert built.prepare(IMAGE, sample(3), palette=three[::-1]).palette.tolist() == three[::-1]
    # A benchmark's palette is not one of the classes.
    assert built.prepare(IMAGE, sample(19)).palette.tolist() == get_palette('cityscapes')
    assert built.prepare(IMAGE, sample(), draw_pred=False, palette=three[:2]).palette.shape == (19, 3)
    built.dataset_meta = None
    assert built.prepare(IMAGE, sample(19)).palette.tolist() == get_palette('cityscapes')


def test_image_is_brought_to_the_size_of_the_maps():
    panel = visualizer()[0].prepare(np.full((12, 24, 3), 77, np.uint8), sample()).panel
    np.testing.assert_array_equal(panel.image, np.full((HEIGHT, WIDTH, 3), 77))


@pytest.mark.parametrize(('draw_gt', 'draw_pred', 'drawn'), [
    (True, False, {'ground_truth'}), (False, True, {'prediction', 'score'}), (False, False, set())])
def test_what_is_not_wanted_is_not_drawn(draw_gt, draw_pred, drawn):
    panel = visualizer()[0].prepare(IMAGE, sample(), draw_gt, draw_pred).panel._asdict()
    assert {name for name, value in panel.items() if value is not None} == {'image', *drawn}


def test_picture_reaches_every_backend():
    built, images = visualizer()
    built.add_datasample('street', IMAGE, sample(), step=7, title='a street')
    (name, picture, step), = images
    assert (name, step) == ('street', 7)
    assert picture.dtype == np.uint8
    assert picture.shape[1] == 1100  # four pictures
    assert built.get_image().shape == picture.shape


def said_scales(monkeypatch, **arguments):
    calls = []

    def draw_panels(panel, palette, score_range, *_, score_range_from):
        calls.append((score_range, score_range_from))
        return IMAGE

    monkeypatch.setattr(anomaly_local_visualizer, 'draw_panels', draw_panels)
    visualizer()[0].add_datasample('street', IMAGE, sample(), **arguments)
    return calls


def test_colour_scale_of_one_frame_or_given(monkeypatch):
    scale = ScoreScale()
    scale.update(-torch.logsumexp(sample().seg_logits.data, 0).numpy())
    assert said_scales(monkeypatch) == [(scale.range(), '1 % to 99.5 % of the scores of 1 frame')]
    assert said_scales(monkeypatch, score_range=(-5, 1)) == [((-5.0, 1.0), 'given')]
    assert said_scales(monkeypatch, draw_pred=False) == [(None, '')]


def test_calls_of_stock_hook_and_inferencer(tmp_path):
    """With the arguments that mmseg's own callers pass in any release."""
    built, images = visualizer()
    built.set_dataset_meta(classes=('a',) * 19, palette=get_palette('cityscapes'))
    built.add_datasample('street', IMAGE, data_sample=sample(), show=False, wait_time=0., step=3)
    assert [(name, step) for name, _, step in images] == [('street', 3)]
    built.add_datasample('street', IMAGE, sample(), show=False, wait_time=0, draw_gt=False, draw_pred=True,
                         out_file=str(tmp_path / 'street.png'), with_labels=True, with_image=False)
    assert len(images) == 1
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / 'street.png'))[..., ::-1].shape[:2], (313, 1650))
    built.add_datasample('image alone', IMAGE)
    assert images[-1][0] == 'image alone'


def test_window(monkeypatch):
    built, images = visualizer()
    shown = []
    monkeypatch.setattr(built, 'show', lambda picture, win_name, wait_time: shown.append((win_name, wait_time)))
    built.add_datasample('street', IMAGE, sample(), show=True, wait_time=2)
    assert shown == [('street', 2)]


@pytest.mark.parametrize(('change', 'message'), [
    (dict(seg_logits=None), r"score 'energy' needs seg_logits, found \['gt_sem_seg', 'pred_sem_seg'"),
    (dict(seg_logits=torch.full((19, HEIGHT, WIDTH), torch.nan)), '1152 of 1152 scores are not finite'),
    (dict(gt_sem_seg=torch.zeros(1, 8, 9, dtype=torch.int64)), r'maps of different sizes.*\(8, 9\)'),
])
def test_bad_samples_are_named(change, message):
    with pytest.raises(ValueError, match=f'folder/street.png: {message}'):
        visualizer()[0].prepare(IMAGE, sample(**change))


def test_unknown_score():
    with pytest.raises(ValueError, match="unknown score 'enrgy'"):
        visualizer()[0].prepare(IMAGE, sample(), score='enrgy')
