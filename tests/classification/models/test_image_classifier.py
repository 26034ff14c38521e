"""ImageClassifier alone, and through MMEngine's runner: training, validation, resuming."""
import math

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS, DefaultScope
from mmengine.runner import Runner
from torch import nn

from mmseg_ood.classification import losses
from mmseg_ood.classification.models import ImageClassifier
from mmseg_ood.compat import load_checkpoint

LOSSES = [dict(type='InlierCrossEntropyLoss'),
          dict(type='BalancedEnergyLoss', prior=[0.5, 0.3, 0.2], m_in=-3.0, m_out=-1.5, alpha=1.0, gamma_margin=1.0,
               gamma_weight=1.0)]
PREPROCESSOR = dict(type='ClassificationDataPreprocessor', mean=[0.5] * 3, std=[0.25] * 3, pad=1)


@MODELS.register_module()
class MeanColour(nn.Module):
    """Mean colour."""
    num_features = 3

    def forward(self, x):
        return x.mean((2, 3))


@MODELS.register_module()
class SquaredLogitsLoss(nn.Module):
    """A loss that does not look at labels."""
    loss_name = 'loss_squared'

    def forward(self, logits, labels):
        return logits.square().mean()


def build(**kwargs):
    return ImageClassifier(**{'backbone': dict(type='MeanColour'), 'num_classes': 3, 'losses': LOSSES, **kwargs})


@pytest.fixture
def batch():
    return torch.randn(5, 3, 8, 8), torch.tensor([0, 1, 2, -1, -1])


def test_logits(batch):
    model = build()
    torch.testing.assert_close(model(batch[0]), model.fc(batch[0].mean((2, 3))))


def test_losses_by_name_and_accuracy_of_the_inliers(batch):
    model = build()
    values = model(*batch, mode='loss')
    logits = model(batch[0])
    assert set(values) == {'loss_ce', 'loss_energy', 'accuracy'}
    for loss in model.losses:
        torch.testing.assert_close(values[loss.loss_name], loss(logits, batch[1]))
    expected = 100 * (logits[:3].argmax(1) == batch[1][:3]).float().mean()
    torch.testing.assert_close(values['accuracy'], expected)


def test_accuracy_is_logged_and_not_optimised(batch):
    model = build()
    values = model(*batch, mode='loss')
    total, log = model.parse_losses(values)
    torch.testing.assert_close(total, values['loss_ce'] + values['loss_energy'])
    assert 'accuracy' in log
    assert not values['accuracy'].requires_grad


def test_accuracy_without_inliers_is_undefined(batch):
    values = build()(batch[0], torch.full((5,), -1), mode='loss')
    assert math.isnan(values['accuracy'])
    assert values['loss_ce'] == 0


def test_predictions(batch):
    model = build().half()
    found = model(batch[0].half(), batch[1], torch.tensor([0, 0, 2, 1, 2]), mode='predict')
    assert [(one['label'], one['source']) for one in found] == [(0, 0), (1, 0), (2, 2), (-1, 1), (-1, 2)]
    assert all(type(one['label']) is type(one['source']) is int for one in found)
    logits = torch.stack([one['logits'] for one in found])
    assert logits.dtype == torch.float32
    assert not logits.requires_grad
    torch.testing.assert_close(logits, model(batch[0].half()).float())


def test_predictions_without_ground_truth(batch):
    assert [set(one) for one in build()(batch[0], mode='predict')] == [{'logits'}] * 5


@pytest.mark.parametrize('label', [3, -2, -100])
def test_labels_are_checked_whatever_the_losses_do(batch, label):
    with pytest.raises(ValueError, match=rf'values \[{label}\], expected 0..2, -1 \(outlier\)'):
        build(losses=dict(type='SquaredLogitsLoss'))(batch[0], torch.tensor([0, 1, 2, -1, label]), mode='loss')


@pytest.mark.parametrize('scope', ['mmengine', 'mmseg'])
def test_losses_are_those_of_classification_in_every_scope(scope):
    with DefaultScope.overwrite_default_scope(scope):
        assert type(build().losses[1]) is losses.BalancedEnergyLoss


def test_loss_of_another_scope():
    assert type(build(losses=dict(type='mmseg.FocalLoss')).losses[0]).__module__.startswith('mmseg.')


@pytest.mark.parametrize(('kwargs', 'message'), [
    (dict(mode='logits'), "mode must be tensor, loss or predict, found 'logits'"),
    (dict(mode='loss'), 'mode loss needs labels'),
])
def test_bad_calls(batch, kwargs, message):
    with pytest.raises(ValueError, match=message):
        build()(batch[0], **kwargs)


@pytest.mark.parametrize(('kwargs', 'message'), [
    (dict(num_classes=1), 'num_classes must be at least 2, found 1'),
    (dict(losses=[]), r'one or several losses of different loss_name, found \[\]'),
    (dict(losses=[LOSSES[0], LOSSES[0]]), r"different loss_name, found \['loss_ce', 'loss_ce'\]"),
])
def test_bad_configs(kwargs, message):
    with pytest.raises(ValueError, match=message):
        build(**kwargs)


@DATASETS.register_module()
class ColouredImages(torch.utils.data.Dataset):
    """Three colours are classes, grey is the outlier."""

    def __init__(self, with_sources):
        self.with_sources = with_sources
        self.metainfo = dict(classes=('red', 'green', 'blue'), set_names=('grey',)) if with_sources else {}

    def __len__(self):
        return 16

    def __getitem__(self, index):
        label = index % 4
        image = torch.randint(60, (8, 8, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(index))
        image[..., slice(None) if label == 3 else label] += 150
        item = dict(images=image, labels=torch.tensor(-1 if label == 3 else label))
        return {**item, 'sources': torch.tensor(int(label == 3))} if self.with_sources else item


def loader(with_sources):
    return dict(batch_size=8, num_workers=0, dataset=dict(type='ColouredImages', with_sources=with_sources),
                sampler=dict(type='DefaultSampler', shuffle=not with_sources),
                collate_fn=dict(type='default_collate'))


@pytest.fixture
def scope_is_left_as_it_was():
    """A runner's scope outlives it, and the tests of segmentation live in another."""
    with DefaultScope.overwrite_default_scope('mmengine'):
        yield


def runner(tmp_path, **kwargs):
    return Runner.from_cfg(Config(dict(
        default_scope='mmengine', work_dir=str(tmp_path), experiment_name=tmp_path.name, log_level='WARNING',
        model=dict(type='ImageClassifier', backbone=dict(type='CIFARResNet', depth=20), num_classes=3, losses=LOSSES,
                   data_preprocessor=PREPROCESSOR),
        train_dataloader=loader(False), val_dataloader=loader(True), train_cfg=dict(by_epoch=True, max_epochs=1),
        val_cfg=dict(), val_evaluator=dict(type='OODMetric', class_counts=[8, 6, 2]),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01, momentum=0.9)),
        default_hooks=dict(logger=dict(type='LoggerHook', interval=1), checkpoint=dict(type='CheckpointHook')),
        randomness=dict(seed=0), **kwargs)))


@pytest.mark.usefixtures('scope_is_left_as_it_was')
def test_runner_trains_validates_and_resumes(tmp_path):
    first = runner(tmp_path / 'first')
    model = first.train()
    scalars = {name: buffer.data[0] for name, buffer in first.message_hub.log_scalars.items()}
    for name in ('loss', 'loss_ce', 'loss_energy', 'accuracy'):
        assert len(scalars[f'train/{name}']) == 2
    for name in ('accuracy', 'accuracy_tail', 'grey/energy/AUROC', 'grey/msp/FPR95', 'grey/msp/FPR95_tail',
                 'mean/energy/AUPR_in'):
        assert 0 <= scalars[f'val/{name}'][0] <= 100
    saved = load_checkpoint(tmp_path / 'first' / 'epoch_1.pth')['state_dict']
    assert {name.split('.')[0] for name in saved} == {'backbone', 'fc'}

    second = runner(tmp_path / 'second', load_from=str(tmp_path / 'first' / 'epoch_1.pth'), resume=True)
    second.load_or_resume()
    assert second.epoch == 1
    for name, value in second.model.state_dict().items():
        assert torch.equal(value, model.state_dict()[name])
