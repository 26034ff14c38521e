"""Images on both sides of the training."""
from itertools import count

import numpy as np
import pytest
import torch
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.model import BaseModel
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import nn

from mmseg_ood.classification.datasets import (
    ArrayDataset,
    ImageSet,
    InlierOutlierDataset,
    TestSetsDataset,
    check_overlap,
    find_duplicates,
)


def test_duplicates_against_a_comparison_of_all_pairs():
    generator = np.random.default_rng(0)
    first, second = (generator.integers(0, 2, (40, 1, 1, 3), dtype=np.uint8) * np.uint8(200) for _ in range(2))
    found = find_duplicates(ImageSet(first, [0] * 40, [f'a{index}' for index in range(40)]),
                            ImageSet(second, [0] * 40, [f'b{index}' for index in range(40)]))
    expected = []
    for index, image in enumerate(second):
        same = [other for other in range(40) if (first[other] == image).all()]
        expected += [(f'a{same[0]}', f'b{index}')] if same else []
    assert found == expected
    assert len(found) > 0


def test_no_duplicates(numbered):
    assert find_duplicates(numbered(5), numbered(5, start=5)) == []


def test_transposed_files_are_the_same_images(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)
    np.save(tmp_path / 'last.npy', images)
    np.save(tmp_path / 'first.npy', images.transpose(0, 3, 1, 2))
    last, first = (ArrayDataset(str(tmp_path / name)) for name in ('last.npy', 'first.npy'))
    assert len(find_duplicates(last, first)) == 3


@pytest.fixture
def train(numbered):
    """Inliers 0 to 9, outliers 100 to 104 and 110 to 114."""
    return InlierOutlierDataset(numbered(10, name='train'),
                                [numbered(5, -1, start=100, name='aux'), numbered(5, -1, start=110, name='aux')])


def sets(numbered, inliers=50, outliers=150):
    return TestSetsDataset(numbered(3, start=inliers, name='test'),
                           {'far': numbered(2, -1, start=200), 'ood': numbered(7, -1, start=outliers, name='ood')})


def test_disjoint_sets_pass(train, numbered, log):
    check_overlap(train, [sets(numbered), numbered(4, start=60)])
    check_overlap(train, [])
    assert not log.text


@pytest.mark.parametrize(('places', 'message'), [
    ({'inliers': 8}, '2 test images are among the training inliers: train8 = test8, train9 = test9'),
    ({'outliers': 3}, '7 test images are among the training inliers: train3 = ood3, .*train7 = ood7 and 2 more'),
    ({'outliers': 114}, '1 test images are among the training outliers: aux114 = ood114'),
    ({'inliers': 104}, '1 test images are among the training outliers: aux104 = test104')])
def test_leaks_are_named(train, numbered, places, message):
    with pytest.raises(ValueError, match=message):
        check_overlap(train, [sets(numbered), sets(numbered, **places)])


def test_plain_data_sets(numbered):
    with pytest.raises(ValueError, match='1 test images are among the training inliers: image4 = image4'):
        check_overlap(numbered(5), [numbered(3, start=4)])


def test_outliers_among_the_training_inliers_are_warned_of(numbered, log):
    check_overlap(InlierOutlierDataset(numbered(10, name='train'), numbered(4, -1, start=8, name='aux')), [])
    assert 'WARNING' in log.text
    assert '2 training outliers are among the training inliers: train8 = aux8, train9 = aux9' in log.text


def test_contradictory_test_images_are_warned_of(train, numbered, log):
    near = numbered(3, [0, -1, -1], start=51, name='near')
    check_overlap(train, [TestSetsDataset(numbered(3, start=50, name='test'), {'near': near})])
    assert '1 outliers are among the inliers of the same test: test52 = near52' in log.text


class Nothing(BaseModel):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, images, labels, sources=None, mode='tensor'):
        return {'loss': self.weight.sum()} if mode == 'loss' else [None]


class NoMetric(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.append(1)

    def compute_metrics(self, results):
        return {}


@pytest.fixture
def run(tmp_path):
    runs = count()

    """Train an epoch with the hook."""
    def run(train, val=None, test=None):
        def loader(dataset):
            return dict(dataset=dataset, batch_size=8, num_workers=0, collate_fn=dict(type='take_batch'),
                        sampler=dict(type='DefaultSampler', shuffle=False))

        arguments = {}
        for name, dataset in (('val', val), ('test', test)):
            if dataset is not None:
                arguments |= {f'{name}_dataloader': loader(dataset), f'{name}_cfg': {},
                              f'{name}_evaluator': Evaluator(NoMetric())}
        Runner(Nothing(), str(tmp_path), loader(train), train_cfg=dict(by_epoch=True, max_epochs=1),
               optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)), default_hooks=dict(checkpoint=None),
               custom_hooks=[dict(type='OverlapCheckHook')], log_level='ERROR', randomness=dict(seed=0),
               experiment_name=f'{tmp_path.name}{next(runs)}', **arguments).train()
    return run


DIGITS = {'type': 'DigitsDataset', 'classes': (0, 1)}
OTHERS = {'type': 'DigitsDataset', 'classes': (8, 9), 'outlier': True}


def judged_on(split, outlier_split):
    return {'type': 'TestSetsDataset', 'inliers': {**DIGITS, 'split': split},
            'ood': {'others': {**OTHERS, 'split': outlier_split}}}


TRAIN = {'type': 'InlierOutlierDataset', 'inliers': DIGITS, 'outliers': OTHERS}
CLEAN = judged_on('test', 'test')


def test_hook_lets_clean_runs_pass(run):
    run(TRAIN)
    run(TRAIN, CLEAN, CLEAN)


@pytest.mark.parametrize('leaky', [judged_on('train', 'test'), judged_on('test', 'train')],
                         ids=['inliers', 'outliers'])
def test_hook_stops_leaks(run, leaky):
    for arguments in ({'val': leaky}, {'test': leaky}, {'val': CLEAN, 'test': leaky}):
        with pytest.raises(ValueError, match='test images are among the training'):
            run(TRAIN, **arguments)


def test_hook_checks_plain_training(run):
    with pytest.raises(ValueError, match='180 test images are among the training inliers'):
        run(DIGITS, DIGITS)


def test_hook_reads_the_test_set_once(run, monkeypatch):
    built, original = [], TestSetsDataset.__init__

    def counted(self, *arguments, **named):
        built.append(self)
        original(self, *arguments, **named)

    monkeypatch.setattr(TestSetsDataset, '__init__', counted)
    run(TRAIN, CLEAN, CLEAN)
    assert len(built) == 1
    run(TRAIN, CLEAN, judged_on('test', 'test') | {'inliers': {**DIGITS, 'split': 'test', 'classes': (1, 0)}})
    assert len(built) == 3


def test_hook_refuses_other_data_sets():
    hook = HOOKS.build({'type': 'OverlapCheckHook'})

    class FakeRunner:
        val_loop = _test_dataloader = None
        train_dataloader = torch.utils.data.DataLoader([1, 2])

    with pytest.raises(TypeError, match='a data loader has a list, expected a data set of mmseg_ood.classification'):
        hook.before_train(FakeRunner())
