"""AnomalyEncoderDecoder against scores computed from the logits by hand, through mmseg's own ways of inference."""
import copy

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.apis import MMSegInferencer, inference_model
from mmseg.models import FCNHead, SegTTAModel
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

from mmseg_ood.core import AnomalyScorer, free_energy, gaussian_smoothing
from mmseg_ood.segmentation.evaluation import AnomalyMetric

CHANNELS, INLIERS = 4, 3
SLIDE = dict(mode='slide', crop_size=(16, 16), stride=(8, 8))


@MODELS.register_module()
class OneConvolution(nn.Module):
    """One convolution; with ``stride`` 1 and ``kernel_size`` 1 every pixel is on its own."""

    def __init__(self, kernel_size=4, stride=4):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size, stride)

    def forward(self, inputs):
        return [self.conv(inputs)]


@MODELS.register_module()
class RefiningHead(FCNHead):
    """Has a way of its own from features to full-size logits."""

    def predict(self, inputs, batch_img_metas, test_cfg):
        return super().predict(inputs, batch_img_metas, test_cfg).square()


@MODELS.register_module()
class AbstainingHead(FCNHead):
    """Has a channel more than it has classes."""

    def __init__(self, num_classes, **kwargs):
        super().__init__(num_classes=num_classes + 1, **kwargs)
        self.num_classes = num_classes


def config(kernel_size=4, test_cfg=None, loss=None, auxiliary_head=None, preprocessor=None, **kwargs):
    cross_entropy = dict(type='InlierLoss', loss=dict(type='CrossEntropyLoss', avg_non_ignore=True))
    head = dict(type='FCNHead', in_channels=8, in_index=0, channels=8, num_convs=0, concat_input=False, dropout_ratio=0,
                num_classes=CHANNELS, norm_cfg=None, loss_decode=loss or cross_entropy)
    return Config(dict(model=dict(
        type='AnomalyEncoderDecoder', backbone=dict(type='OneConvolution', kernel_size=kernel_size, stride=kernel_size),
        decode_head=head, auxiliary_head=auxiliary_head and {**head, **auxiliary_head}, train_cfg=dict(),
        test_cfg=test_cfg or dict(mode='whole'),
        data_preprocessor=dict(type='SegDataPreProcessor', mean=[128] * 3, std=[64] * 3, **(preprocessor or {})),
        **kwargs))).model


def build(**kwargs):
    init_default_scope('mmseg')
    torch.manual_seed(0)
    segmentor = MODELS.build(config(**kwargs))
    for parameter in segmentor.parameters():
        nn.init.normal_(parameter, std=0.7)
    return segmentor.eval()


def images(*shapes):
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(256, (3, *shape), generator=generator, dtype=torch.uint8) for shape in shapes]


def samples(inputs, **metainfo):
    """Data samples as a pipeline leaves them."""
    made = []
    for image in inputs:
        shape = tuple(image.shape[1:])
        made.append(SegDataSample(metainfo=dict(img_shape=shape, ori_shape=shape, pad_shape=shape, **metainfo)))
    return made


@torch.no_grad()
def predict(segmentor, inputs, data_samples):
    """Data samples, and the logits at the size of the input by mmseg alone."""
    data = segmentor.data_preprocessor(dict(inputs=inputs, data_samples=copy.deepcopy(data_samples)))
    results = segmentor(**data, mode='predict')
    features = segmentor.extract_feat(data['inputs'])
    logits = segmentor.decode_head.predict(features, [dict(img_shape=data['inputs'].shape[2:])], None)
    return results, logits


def resized(maps, shape):
    return nn.functional.interpolate(maps, shape, mode='bilinear', align_corners=False)


def test_prediction_logits_and_map_of_an_image():
    segmentor = build(num_inlier_classes=INLIERS)
    inputs = images((16, 24))
    (result,), logits = predict(segmentor, inputs, samples(inputs))
    torch.testing.assert_close(result.seg_logits.data, logits[0])
    assert torch.equal(result.pred_sem_seg.data, result.seg_logits.data[:INLIERS].argmax(0, keepdim=True))
    assert result.pred_anomaly.data.shape == (1, 16, 24)
    assert result.pred_anomaly.data.dtype == torch.float32
    expected = -torch.logsumexp(result.seg_logits.data[:INLIERS].double(), 0, keepdim=True)
    torch.testing.assert_close(result.pred_anomaly.data, expected.float())


@pytest.mark.parametrize('before', [False, True])
def test_prediction_is_never_a_channel_behind_the_inlier_classes(before):
    segmentor = build(num_inlier_classes=INLIERS, score_before_upsampling=before, score='void')
    with torch.no_grad():
        segmentor.decode_head.conv_seg.bias[INLIERS] += 2.0
    inputs = images((16, 24), (16, 24))
    for result in predict(segmentor, inputs, samples(inputs))[0]:
        assert (result.seg_logits.data.argmax(0) == INLIERS).any()
        assert torch.equal(result.pred_sem_seg.data, result.seg_logits.data[:INLIERS].argmax(0, keepdim=True))


@pytest.mark.parametrize('score', ['msp', 'void', 'energy:temperature=2', dict(type='energy', smoothing=True)], ids=str)
def test_map_is_that_of_the_scorer(score):
    segmentor = build(num_inlier_classes=INLIERS, score=score)
    inputs = images((16, 24))
    (result,), logits = predict(segmentor, inputs, samples(inputs))
    expected = AnomalyScorer.build(score, num_classes=INLIERS)(logits)
    torch.testing.assert_close(result.pred_anomaly.data, expected)


def test_without_num_inlier_classes_all_channels_are_inlier_classes():
    segmentor = build()
    inputs = images((16, 24))
    (result,), logits = predict(segmentor, inputs, samples(inputs))
    torch.testing.assert_close(result.pred_anomaly.data, free_energy(logits))
    assert torch.equal(result.pred_sem_seg.data, logits[0].argmax(0, keepdim=True))


def test_without_num_inlier_classes_those_of_the_head_are():
    segmentor = config()
    segmentor.decode_head.type = 'AbstainingHead'
    segmentor = MODELS.build(segmentor).eval()
    with torch.no_grad():
        segmentor.decode_head.conv_seg.bias[CHANNELS] += 100.0
        result, = segmentor(torch.randn(1, 3, 16, 24), mode='predict')
    assert result.seg_logits.data.shape[0] == CHANNELS + 1
    assert result.pred_sem_seg.data.max() < CHANNELS
    torch.testing.assert_close(result.pred_anomaly.data, free_energy(result.seg_logits.data[None, :CHANNELS]))


def test_void_score_without_a_channel_behind_the_inlier_classes():
    with pytest.raises(ValueError, match="score 'void': expected logits of at least 5 classes, found 4 channels"):
        build(score='void')(torch.randn(1, 3, 16, 24), mode='predict')


def test_original_sizes_differ_in_a_batch():
    segmentor = build(num_inlier_classes=INLIERS)
    inputs = images((16, 24), (16, 24))
    data_samples = samples(inputs)
    sizes = (40, 50), (9, 13)
    for sample, size in zip(data_samples, sizes, strict=True):
        sample.set_metainfo(dict(ori_shape=size))
    results, logits = predict(segmentor, inputs, data_samples)
    for index, (result, size) in enumerate(zip(results, sizes, strict=True)):
        expected = resized(logits[[index]], size)
        torch.testing.assert_close(result.seg_logits.data, expected[0])
        torch.testing.assert_close(result.pred_anomaly.data, free_energy(expected[:, :INLIERS]))


@pytest.mark.parametrize('before', [False, True])
def test_padding_is_removed(before):
    """Every pixel is on its own, so a padded image has the map of the image."""
    options = dict(num_inlier_classes=INLIERS, kernel_size=1, score_before_upsampling=before)
    inputs = images((13, 18))
    plain, padded = (build(**options, preprocessor=preprocessor) for preprocessor in (
        None, dict(test_cfg=dict(size_divisor=32), pad_val=7)))
    assert padded.data_preprocessor(dict(inputs=inputs, data_samples=samples(inputs)))['inputs'].shape[2:] == (32, 32)
    expected, result = (predict(segmentor, inputs, samples(inputs))[0][0] for segmentor in (plain, padded))
    assert result.pred_anomaly.data.shape == (1, 13, 18)
    torch.testing.assert_close(result.pred_anomaly.data, expected.pred_anomaly.data)


@pytest.mark.parametrize('before', [False, True])
@pytest.mark.parametrize(('direction', 'dim'), [('horizontal', 2), ('vertical', 1)])
def test_flipped_images_are_flipped_back(direction, dim, before):
    segmentor = build(num_inlier_classes=INLIERS, kernel_size=1, score_before_upsampling=before)
    inputs = images((12, 18))
    flipped = [inputs[0].flip(dim)]
    (expected,), _ = predict(segmentor, inputs, samples(inputs))
    (result,), _ = predict(segmentor, flipped, samples(flipped, flip=True, flip_direction=direction))
    torch.testing.assert_close(result.pred_anomaly.data, expected.pred_anomaly.data)


@pytest.mark.parametrize('before', [False, True])
def test_windows_that_cover_the_image_are_the_whole_image(before):
    options = dict(num_inlier_classes=INLIERS, score_before_upsampling=before)
    inputs = images((16, 16), (16, 16))
    whole, slide = (predict(build(**options, test_cfg=test_cfg), inputs, samples(inputs))[0]
                    for test_cfg in (None, SLIDE))
    for one, other in zip(whole, slide, strict=True):
        torch.testing.assert_close(other.seg_logits.data, one.seg_logits.data)
        torch.testing.assert_close(other.pred_anomaly.data, one.pred_anomaly.data)
        assert torch.equal(other.pred_sem_seg.data, one.pred_sem_seg.data)


@pytest.mark.parametrize('before', [False, True])
def test_overlapping_windows(before):
    """Every pixel is on its own, so windows make no difference."""
    options = dict(num_inlier_classes=INLIERS, kernel_size=1, score_before_upsampling=before)
    inputs = images((30, 37))
    whole, slide = (predict(build(**options, test_cfg=test_cfg), inputs, samples(inputs))[0][0]
                    for test_cfg in (None, SLIDE))
    torch.testing.assert_close(slide.pred_anomaly.data, whole.pred_anomaly.data)
    torch.testing.assert_close(slide.seg_logits.data, whole.seg_logits.data)


@pytest.mark.parametrize('smoothing', [False, True])
def test_score_before_upsampling_enlarges_the_map_of_the_network(smoothing):
    score = dict(type='energy', smoothing=smoothing)
    segmentor = build(num_inlier_classes=INLIERS, score=score, score_before_upsampling=True)
    inputs = images((16, 24))
    data_samples = samples(inputs)
    data_samples[0].set_metainfo(dict(ori_shape=(32, 40)))
    (result,), logits = predict(segmentor, inputs, data_samples)
    with torch.no_grad():
        pixels = segmentor.data_preprocessor(dict(inputs=inputs))['inputs']
        small = segmentor.decode_head(segmentor.extract_feat(pixels))
    assert small.shape[2:] == (4, 6)
    expected = resized(resized(free_energy(small[:, :INLIERS])[:, None], (16, 24)), (32, 40))[0]
    torch.testing.assert_close(result.pred_anomaly.data, gaussian_smoothing(expected) if smoothing else expected)
    torch.testing.assert_close(result.seg_logits.data, resized(logits, (32, 40))[0])
    assert result.seg_logits.data.shape[0] == CHANNELS


def test_score_before_upsampling_is_the_same_without_upsampling():
    options = dict(num_inlier_classes=INLIERS, kernel_size=1)
    inputs = images((12, 18))
    maps = [predict(build(**options, score_before_upsampling=before), inputs, samples(inputs))[0][0].pred_anomaly.data
            for before in (False, True)]
    torch.testing.assert_close(*maps)


def test_score_before_upsampling_needs_a_plain_head():
    segmentor = config(score_before_upsampling=True)
    segmentor.decode_head.type = 'RefiningHead'
    with pytest.raises(ValueError, match='a decode head that predicts as .*BaseDecodeHead does, RefiningHead does not'):
        MODELS.build(segmentor)


def test_without_data_samples():
    segmentor = build(num_inlier_classes=INLIERS)
    with torch.no_grad():
        result, = segmentor(torch.randn(1, 3, 16, 24), mode='predict')
    torch.testing.assert_close(result.pred_anomaly.data, free_energy(result.seg_logits.data[None, :INLIERS]))


@pytest.mark.parametrize('before', [False, True])
@pytest.mark.parametrize('test_cfg', [None, SLIDE])
@pytest.mark.parametrize('dtype', [torch.float64, torch.bfloat16])
def test_maps_are_float32_whatever_the_network(dtype, test_cfg, before):
    segmentor = build(num_inlier_classes=INLIERS, test_cfg=test_cfg, score_before_upsampling=before).to(dtype)
    with torch.no_grad():
        result, = segmentor(torch.randn(1, 3, 16, 24, dtype=dtype), mode='predict')
    assert result.pred_anomaly.data.dtype == torch.float32
    assert torch.isfinite(result.pred_anomaly.data).all()


def test_mixed_precision():
    segmentor = build(num_inlier_classes=INLIERS, score_before_upsampling=True)
    with torch.no_grad(), torch.autocast('cpu', dtype=torch.bfloat16):
        result, = segmentor(torch.randn(1, 3, 16, 24), mode='predict')
    assert result.pred_anomaly.data.dtype == torch.float32


@pytest.mark.parametrize('before', [False, True])
def test_training_is_that_of_an_encoder_decoder(before):
    """PEBAL's losses in the decode head, a plain auxiliary head of the inlier classes."""
    pebal = [dict(type='AbstentionLoss'),
             dict(type='EnergyLoss', m_in=-5.0, m_out=-1.0, num_classes=INLIERS, smoothness_weight=3e-6,
                  sparsity_weight=5e-4)]
    cross_entropy = dict(type='InlierLoss', loss=dict(type='CrossEntropyLoss', avg_non_ignore=True))
    options = dict(loss=pebal, auxiliary_head=dict(num_classes=INLIERS, loss_decode=cross_entropy))
    ours = build(**options, num_inlier_classes=INLIERS, score_before_upsampling=before)
    stock = MODELS.build(dict(config(**options), type='EncoderDecoder'))
    stock.load_state_dict(ours.state_dict(), strict=True)
    data_samples = samples(images((16, 24)))
    labels = torch.randint(INLIERS, (1, 16, 24), generator=torch.Generator().manual_seed(2))
    labels[..., 4:8, 4:8], labels[..., :2] = 254, 255
    data_samples[0].gt_sem_seg = PixelData(data=labels)
    inputs = torch.randn(1, 3, 16, 24)
    losses = ours(inputs, data_samples, mode='loss')
    assert losses.keys() == {'decode.loss_abstention', 'decode.loss_energy', 'decode.acc_seg', 'aux.loss_ce',
                             'aux.acc_seg'}
    for name, value in stock(inputs, data_samples, mode='loss').items():
        assert torch.equal(losses[name], value)
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in ours.parameters())
    assert ours.decode_head.conv_seg.weight.grad[INLIERS].any()  # the abstention learns


def test_anomaly_metric_reads_the_logits():
    segmentor = build(num_inlier_classes=INLIERS)
    inputs = images((16, 24))
    (result,), _ = predict(segmentor, inputs, samples(inputs, img_path='a.png'))
    labels = torch.zeros(1, 16, 24, dtype=torch.long)
    labels[..., :4, :4] = 254
    result.gt_sem_seg = PixelData(data=labels)
    metric = AnomalyMetric(num_classes=INLIERS)
    metric.process({}, [result.to_dict()])
    assert 0 < metric.evaluate(1)['AP'] <= 100
    assert torch.equal(metric.scorers['energy'](result.seg_logits.data[None]), result.pred_anomaly.data)


PIPELINE = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=(24, 16)), dict(type='PackSegInputs')]
META = dict(classes=('road', 'car', 'sky'), palette=[[128, 64, 128], [0, 0, 142], [70, 130, 180]])


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / 'picture.png'
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8))
    return str(path)


def whole_config(model):
    """A config as the commands of mmseg read it."""
    return Config(dict(model=model, default_scope='mmseg', test_pipeline=PIPELINE,
                       test_dataloader=dict(dataset=dict(pipeline=PIPELINE)),
                       visualizer=dict(type='SegLocalVisualizer', name='anomaly_encoder_decoder')))


@pytest.mark.parametrize('before', [False, True])
def test_inference_model_of_mmseg(picture, before):
    segmentor = build(num_inlier_classes=INLIERS, score_before_upsampling=before)
    segmentor.cfg = whole_config(None)
    result = inference_model(segmentor, picture)
    assert result.pred_anomaly.data.shape == result.pred_sem_seg.data.shape == (1, 20, 30)
    assert result.pred_sem_seg.data.max() < INLIERS


def test_inferencer_of_mmseg(picture, tmp_path):
    segmentor = build(num_inlier_classes=INLIERS)
    torch.save(dict(meta=dict(dataset_meta=META), state_dict=segmentor.state_dict()), tmp_path / 'toy.pth')
    cfg = whole_config(config(num_inlier_classes=INLIERS))
    result = MMSegInferencer(cfg, str(tmp_path / 'toy.pth'), device='cpu')(picture, return_datasamples=True)
    segmentor.cfg = whole_config(None)
    torch.testing.assert_close(result.pred_anomaly.data, inference_model(segmentor, picture).pred_anomaly.data)


@pytest.mark.parametrize('before', [False, True])
def test_test_time_augmentation_of_mmseg(before):
    """The map is that of the last augmentation, at its place in the image."""
    segmentor = build(num_inlier_classes=INLIERS, kernel_size=1, score_before_upsampling=before)
    inputs = images((12, 18))
    augmented = [inputs, [inputs[0].flip(2)]]
    data_samples = [samples(inputs, flip=False, img_path='a.png'),
                    samples(inputs, flip=True, flip_direction='horizontal', img_path='a.png')]
    with torch.no_grad():
        result, = SegTTAModel(module=segmentor).test_step(dict(inputs=augmented, data_samples=data_samples))
    (expected,), _ = predict(segmentor, inputs, samples(inputs))
    torch.testing.assert_close(result.pred_anomaly.data, expected.pred_anomaly.data)
    assert torch.equal(result.pred_sem_seg.data.squeeze(), expected.seg_logits.data.argmax(0))


@pytest.mark.parametrize('num_inlier_classes', [1, 5, 0])
def test_impossible_numbers_of_inlier_classes(num_inlier_classes):
    with pytest.raises(ValueError, match=f'num_inlier_classes={num_inlier_classes}, expected 2 to 4'):
        MODELS.build(config(num_inlier_classes=num_inlier_classes))


def test_unknown_score():
    with pytest.raises(ValueError, match="unknown score 'enrgy'"):
        MODELS.build(config(score='enrgy'))
