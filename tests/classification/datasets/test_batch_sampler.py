"""Batches of inliers and outliers: shares, rounds, epochs, processes, and MMEngine's runner."""
from collections import Counter

import mmengine.dataset.sampler
import pytest
import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn

from mmseg_ood.classification.datasets import InlierOutlierBatchSampler, InlierOutlierDataset


@pytest.fixture
def dataset(numbered):
    """10 inliers with the indices 0 to 9 and 100 outliers with the indices 10 to 109."""
    return InlierOutlierDataset(numbered(10), numbered(100, -1, start=10))


def make(dataset, batch_size=4, outliers_per_batch=6, seed=0, epoch=0, shuffle=True, **arguments):
    sampler = DefaultSampler(dataset, shuffle=shuffle, seed=seed)
    sampler.set_epoch(epoch)
    return InlierOutlierBatchSampler(sampler, batch_size, outliers_per_batch, **arguments)


def split(batches, num_inliers=10):
    """Inliers and outliers of each batch."""
    return ([[index for index in batch if index < num_inliers] for batch in batches],
            [[index for index in batch if index >= num_inliers] for batch in batches])


def test_shares(dataset):
    batches = list(make(dataset))
    inliers, outliers = split(batches)
    assert [len(batch) for batch in inliers] == [4, 4, 2]
    assert [len(batch) for batch in outliers] == [6, 6, 6]
    assert sum(inliers, []) == list(DefaultSampler(dataset, seed=0))
    assert all(batch == first + second for batch, first, second in zip(batches, inliers, outliers, strict=True))


def test_drop_last(dataset):
    sampler = make(dataset, drop_last=True)
    assert [len(batch) for batch in sampler] == [10, 10]
    assert (len(sampler), len(make(dataset))) == (2, 3)
    assert len(make(dataset, batch_size=5, drop_last=True)) == len(make(dataset, batch_size=5)) == 2


def test_window_is_contiguous_and_shuffled(dataset):
    starts = set()
    for epoch in range(30):
        outliers = sum(split(make(dataset, epoch=epoch))[1], [])
        assert outliers != sorted(outliers)
        places = sorted(index - 10 for index in outliers)
        gaps = [place for place in places if (place - 1) % 100 not in places]
        assert len(set(places)) == 18
        assert len(gaps) == 1  # one run of neighbours, the first of which follows the last
        starts.add(gaps[0])
    assert len(starts) > 20
    assert min(starts) < 15
    assert max(starts) > 85


def test_epochs_differ_and_are_reproducible(dataset):
    epochs = [list(make(dataset, epoch=epoch)) for epoch in range(3)]
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert epochs == [list(make(dataset, epoch=epoch)) for epoch in range(3)]
    sampler = make(dataset)
    assert list(sampler) == list(sampler) == epochs[0]
    sampler.sampler.set_epoch(2)
    assert list(sampler) == epochs[2]
    # DefaultSampler adds the two up: other inliers would follow one another in the next run.
    assert split(make(dataset, seed=1))[1] != split(make(dataset, epoch=1))[1]


@pytest.mark.parametrize('outliers_per_batch', [40, 100, 250])
def test_rounds(dataset, outliers_per_batch):
    """Every outlier is used as often as any other, give or take one, and all before one is used again."""
    outliers = sum(split(make(dataset, outliers_per_batch=outliers_per_batch))[1], [])
    uses = Counter(outliers)
    assert len(outliers) == 3 * outliers_per_batch
    assert max(uses.values()) - min(uses.values()) <= 1
    for start in range(0, len(outliers) - 99, 100):
        used = outliers[start:start + 100]
        assert len(set(used)) == 100
        assert sum(second - first in (1, -99) for first, second in zip(used, used[1:], strict=False)) < 10  # shuffled


def test_no_outliers_is_plain_training(dataset, numbered):
    assert list(make(dataset, outliers_per_batch=0, shuffle=False)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(list(make(numbered(10), outliers_per_batch=0))) == 3


@pytest.fixture
def rank(monkeypatch):
    def rank(rank, world_size):
        monkeypatch.setattr(mmengine.dataset.sampler, 'get_dist_info', lambda: (rank, world_size))
    return rank


@pytest.mark.parametrize('epoch', [0, 1])
@pytest.mark.parametrize(('world_size', 'num_batches'), [(2, 2), (3, 1), (4, 1)])
def test_processes_share_the_window(dataset, rank, epoch, world_size, num_batches):
    shares = []
    for index in range(world_size):
        rank(index, world_size)
        batches = list(make(dataset, epoch=epoch))
        assert len(batches) == num_batches
        shares.append(sum(split(batches)[1], []))
    together = sum(shares, [])
    assert len(set(together)) == len(together) == 6 * world_size * num_batches
    rank(0, 1)
    # The window is that of one process that needs as many.
    alone = make(dataset, batch_size=10, outliers_per_batch=len(together), epoch=epoch)
    assert sorted(together) == sorted(sum(split(alone)[1], []))


def test_processes_with_unequal_shares_have_the_same_window(numbered, rank):
    dataset = InlierOutlierDataset(numbered(9), numbered(100, -1, start=9))
    shares = []
    for index in range(2):
        rank(index, 2)
        sampler = DefaultSampler(dataset, seed=0, round_up=False)
        shares.append(split(InlierOutlierBatchSampler(sampler, 4, 6), 9)[1])
    assert [len(share) for share in shares] == [2, 1]
    assert not set(sum(shares[0], [])) & set(sum(shares[1], []))


def test_wrong_arguments(dataset, numbered):
    with pytest.raises(ValueError, match='batch_size=0 and outliers_per_batch=6, expected 1 and 0 at least'):
        make(dataset, batch_size=0)
    with pytest.raises(ValueError, match='outliers_per_batch=-1'):
        make(dataset, outliers_per_batch=-1)
    with pytest.raises(TypeError, match='sampler is a InfiniteSampler without epoch, expected .*DefaultSampler'):
        InlierOutlierBatchSampler(InfiniteSampler(dataset, seed=0), 4)
    with pytest.raises(TypeError, match='data set is a ImageSet without outliers, expected .*InlierOutlierDataset'):
        make(numbered(3))


class Recorder(BaseModel):
    """Keeps what it is given."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.seen = []

    def forward(self, images, labels, mode='tensor'):
        self.seen.append((images[:, 0, 0, 0].tolist(), labels.tolist()))
        return {'loss': self.weight.sum()}


def loader_config(dataset, num_workers=0, **arguments):
    return dict(dataset=dataset, batch_size=4, num_workers=num_workers, collate_fn=dict(type='take_batch'),
                sampler=dict(type='DefaultSampler', shuffle=True),
                batch_sampler=dict(type='InlierOutlierBatchSampler', outliers_per_batch=6), **arguments)


def run(dataset, folder, loop, **arguments):
    model = Recorder()
    runner = Runner(model, str(folder), loader_config(dataset, **arguments), train_cfg=loop,
                    optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)), randomness=dict(seed=3),
                    default_hooks=dict(checkpoint=None), log_level='ERROR', experiment_name=folder.name)
    runner.train()
    return model.seen


@pytest.mark.parametrize('num_workers', [0, 1])
def test_runner_trains_on_another_window_each_epoch(dataset, tmp_path, num_workers):
    seen = run(dataset, tmp_path, dict(by_epoch=True, max_epochs=2), num_workers=num_workers)
    assert len(seen) == 6
    assert [labels for _, labels in seen] == [[0] * 4 + [-1] * 6, [0] * 4 + [-1] * 6, [0] * 2 + [-1] * 6] * 2
    for epoch in range(2):  # the pixels are the indices
        assert [pixels for pixels, _ in seen[3 * epoch:3 * epoch + 3]] == list(make(dataset, seed=3, epoch=epoch))


def test_epoch_cannot_be_longer_than_the_inliers(dataset):
    assert len(Runner.build_dataloader(loader_config(dataset, num_batch_per_epoch=2), seed=0)) == 2
    with pytest.raises(ValueError, match='an epoch of 12 images, but there are only 10 inliers; reduce num_batch_per'):
        Runner.build_dataloader(loader_config(dataset, num_batch_per_epoch=3), seed=0)
