"""ExtraOutlierFrames: every frame without, a share of frames with outliers, anew each epoch, whoever loads them."""
from collections import Counter
from itertools import islice

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import RepeatDataset, pseudo_collate
from mmengine.registry import DATA_SAMPLERS
from mmengine.runner import Runner
from mmseg.registry import DATASETS
from torch.utils.data import DataLoader

from mmseg_ood.segmentation.datasets import ExtraOutlierFrames
from mmseg_ood.segmentation.transforms.visits import NumberedIndex

NUMBER = 24
META = ('sample_idx', 'outlier_indices')


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp('frames')
    for folder in ('images', 'labels', 'cutouts'):
        (root / folder).mkdir()
    for number in range(NUMBER):
        cv2.imwrite(str(root / 'images' / f'{number:02}.png'), np.full((24, 32, 3), number, np.uint8))
        cv2.imwrite(str(root / 'labels' / f'{number:02}.png'), np.zeros((24, 32), np.uint8))
        cv2.imwrite(str(root / 'cutouts' / f'{number:02}.png'), np.full((4, 3, 4), 255, np.uint8))
    return root


def frames_config(root, **paste):
    pipeline = [
        dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'),
        dict(type='PasteOutliers', source=dict(type='CutoutFolderOutliers', root=str(root / 'cutouts')), **paste),
        dict(type='PackSegInputs', meta_keys=META)]
    return dict(type='BaseSegDataset', data_root=str(root), img_suffix='.png', pipeline=pipeline, metainfo=dict(
        classes=('road',)), data_prefix=dict(img_path='images', seg_map_path='labels'))


def build(root, seed=11, share=0.25, **arguments):
    torch.manual_seed(seed)  # what the Runner does before it builds data sets
    return DATASETS.build(dict(type='ExtraOutlierFrames', share=share, dataset=frames_config(root), **arguments))


def build_loader(root, sampler='DefaultSampler', seed=11, batch_size=5, **loader):
    return Runner.build_dataloader(dict(dataset=build(root, seed), batch_size=batch_size, sampler=dict(
        type=sampler, shuffle=True), **loader), seed=seed)


def plain(batch):
    """Frame, outliers and pixels of the samples of a batch."""
    return [(int(image.max() if not pasted(sample) else image.flatten(1).median()), outliers(sample),
             image.numpy().tolist()) for image, sample in zip(batch['inputs'], batch['data_samples'], strict=True)]


def outliers(sample):
    return sample.metainfo.get('outlier_indices')


def pasted(sample):
    return bool((sample.gt_sem_seg.data == 254).any())


@pytest.mark.parametrize(('share', 'length'), [(0.1, 26), (0.15, 28), (0.25, 30), (1.0, 48), (2, 72)])
def test_length(root, share, length):
    assert len(build(root, share=share)) == length


def test_share_of_the_paper_by_default(root):
    assert len(DATASETS.build(dict(type='ExtraOutlierFrames', dataset=frames_config(root)))) == NUMBER + 2


def test_frames_come_first_without_outliers_then_extra_ones_with(root):
    frames = build(root)
    for index in range(len(frames)):
        packed = frames[index]
        assert pasted(packed['data_samples']) == (index >= NUMBER)
        if index < NUMBER:
            assert (packed['inputs'] == index).all()
            assert outliers(packed['data_samples']) is None
    with pytest.raises(IndexError, match='index 30 of 30 items'):
        frames[len(frames)]


def test_extra_frames_and_their_outliers_are_drawn_anew_each_time(root):
    frames = build(root, share=1)
    draws = [[frames[index]['data_samples'] for index in range(NUMBER, 2 * NUMBER)] for _ in range(40)]
    chosen = [[sample.sample_idx for sample in epoch] for epoch in draws]
    assert len(set(map(tuple, chosen))) == 40
    counts = Counter(number for epoch in chosen for number in epoch)
    # 960 draws of 24 frames: 40 each, standard deviation 6.2.
    assert set(counts) == set(range(NUMBER))
    assert max(abs(count - 40) for count in counts.values()) < 4 * 6.2
    # 960 draws of 24 outliers for 24 frames, each combination 1.7 times on average: independent of the frame.
    combinations = Counter((sample.sample_idx, sample.outlier_indices[0][0]) for epoch in draws for sample in epoch)
    assert len(combinations) == pytest.approx(576 * (1 - np.exp(-960 / 576)), rel=0.06)


def test_number_of_the_pass_decides_the_draw(root):
    frames = build(root)

    def draw(visit):
        sample = frames[NumberedIndex(NUMBER + 1, visit)]['data_samples']
        return sample.sample_idx, sample.outlier_indices
    draws = [draw(visit) for visit in range(5)]
    assert [draw(visit) for visit in range(5)] == draws
    assert len(set(map(str, draws))) == 5


def test_metainfo_is_that_of_the_frames(root):
    assert build(root).metainfo['classes'] == ('road',)


def load_epochs(root, epochs=3, **loader):
    data_loader = build_loader(root, **loader)
    loaded = []
    for epoch in range(epochs):
        data_loader.sampler.set_epoch(epoch)
        loaded.append([sample for batch in data_loader for sample in plain(batch)])
    return loaded


@pytest.fixture(scope='module')
def expected(root):
    return load_epochs(root, num_workers=0)


@pytest.mark.filterwarnings('ignore:This DataLoader will create')
@pytest.mark.parametrize('workers', [1, 3])
@pytest.mark.parametrize('persistent', [False, True])
def test_any_number_of_workers_loads_the_same(root, expected, workers, persistent):
    assert load_epochs(root, num_workers=workers, persistent_workers=persistent) == expected


def test_an_epoch_holds_every_frame_once_and_the_share_more(expected):
    for epoch in expected:
        assert sorted(number for number, drawn, _ in epoch if not drawn) == list(range(NUMBER))
        assert sum(bool(drawn) for _, drawn, _ in epoch) == 6
    extra = [[str(sample) for sample in epoch if sample[1]] for epoch in expected]
    assert len({sample for epoch in extra for sample in epoch}) == 18


def test_another_seed_draws_something_else(root, expected):
    other, = load_epochs(root, epochs=1, seed=12, num_workers=0)
    assert not {str(sample) for sample in other if sample[1]} & {str(sample) for sample in expected[0]}


@pytest.mark.filterwarnings('ignore:This DataLoader will create')
@pytest.mark.parametrize('workers', [1, 3])
def test_endless_loading_is_the_same_with_numbered_passes(root, workers):
    alone, several = ([plain(batch) for batch in islice(build_loader(
        root, 'PassSampler', num_workers=number, batch_size=4), 40)] for number in (0, workers))
    assert several == alone
    extra = [str(sample) for batch in alone for sample in batch if sample[1]]
    assert len(set(extra)) == len(extra) > 30


def test_processes_draw_apart(root, monkeypatch):
    drawn = []
    for rank in (0, 1):
        monkeypatch.setattr('mmseg_ood.segmentation.datasets.extra_outlier_frames.get_rank', lambda rank=rank: rank)
        monkeypatch.setattr('mmseg_ood.segmentation.transforms.paste_outliers.get_rank', lambda rank=rank: rank)
        frames = build(root)
        drawn.append([frames[index]['data_samples'].sample_idx for index in range(NUMBER, NUMBER + 6)])
    assert drawn[0] != drawn[1]


def test_two_processes_share_an_epoch(root, monkeypatch):
    """Of what their samplers give them, every frame comes once and every extra item once."""
    indices = []
    for rank in (0, 1):
        monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda rank=rank: (rank, 2))
        indices += list(DATA_SAMPLERS.build(dict(type='DefaultSampler', dataset=build(root), shuffle=True, seed=3)))
    assert sorted(indices) == list(range(30))


def test_spawned_workers_draw_the_same(root):
    here, spawned = ([plain(batch) for batch in DataLoader(build(root), collate_fn=pseudo_collate, **workers)]
                     for workers in ({}, dict(num_workers=1, multiprocessing_context='spawn')))
    assert spawned == here


@pytest.mark.parametrize('by_epoch', [False, True])
def test_training_loops(root, tmp_path, by_epoch):
    """The Runner's own loops, from a config."""
    config = dict(type='ExtraOutlierFrames', share=0.25, dataset=dict(frames_config(root), lazy_init=True))
    sampler = dict(type='DefaultSampler' if by_epoch else 'InfiniteSampler', shuffle=True)
    loop = dict(type='EpochBasedTrainLoop', max_epochs=2) if by_epoch else dict(type='IterBasedTrainLoop', max_iters=20)
    runner = Runner(
        Counting(), str(tmp_path), train_dataloader=dict(batch_size=3, num_workers=0, dataset=config, sampler=sampler),
        train_cfg=loop, optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)), log_level='ERROR',
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=-1, save_last=False)),
        experiment_name=f'{tmp_path}', default_scope='mmseg')
    runner.train()
    assert runner.model.seen == {False: 2 * NUMBER, True: 2 * 6}


class Counting(torch.nn.Module):
    """A model that counts what it is trained with."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen = Counter()

    def train_step(self, data, optim_wrapper):
        self.seen.update(map(pasted, data['data_samples']))
        return dict(loss=self.weight)


@pytest.mark.parametrize(('paste', 'found'), [(dict(prob=0.1), 'prob=0.1'), (None, 'none')])
def test_pipeline_must_paste_always(root, paste, found):
    config = frames_config(root, **(paste or {}))
    if paste is None:
        del config['pipeline'][2]
    with pytest.raises(ValueError, match=f'must hold PasteOutliers with prob=1, found {found}; how many'):
        ExtraOutlierFrames(config)


@pytest.mark.parametrize('share', [0, -1, 0.01])
def test_share_that_gives_no_frame(root, share):
    with pytest.raises(ValueError, match=f'share={share} of 24 frames is none'):
        build(root, share=share)


def test_repeated_data_sets_are_refused(root):
    frames = DATASETS.build(frames_config(root))
    with pytest.raises(TypeError, match='found RepeatDataset; wrap data sets before they are repeated'):
        ExtraOutlierFrames(RepeatDataset(frames, 2))
