"""The same outliers whoever loads them: a stock data set in MMEngine's loaders, with 0 to 3 workers."""
from itertools import islice

import cv2
import numpy as np
import pytest
import torch
from mmengine.runner import Runner
from mmseg.registry import DATASETS, TRANSFORMS
from torch.utils.data import DataLoader

from mmseg_ood.segmentation.outliers import CutoutFolderOutliers
from mmseg_ood.segmentation.transforms import PasteOutliers

NUMBER = 7


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp('frames')
    for folder in ('images', 'labels', 'cutouts'):
        (root / folder).mkdir()
    for number in range(NUMBER):
        cv2.imwrite(str(root / 'images' / f'{number}.png'), np.full((24, 32, 3), number, np.uint8))
        cv2.imwrite(str(root / 'labels' / f'{number}.png'), np.zeros((24, 32), np.uint8))
        cv2.imwrite(str(root / 'cutouts' / f'{number}.png'), np.full((2 + number, 3, 4), 255, np.uint8))
    return root


def build_loader(root, sampler='DefaultSampler', seed=11, **loader):
    torch.manual_seed(seed)  # what the Runner does before it builds loaders
    paste = PasteOutliers(CutoutFolderOutliers(str(root / 'cutouts')), num_objects=(1, 2), scale_range=(0.5, 2))
    load = [TRANSFORMS.build({'type': step}) for step in ('LoadImageFromFile', 'LoadAnnotations')]
    pack = TRANSFORMS.build({'type': 'PackSegInputs', 'meta_keys': ('sample_idx', 'outlier_indices')})
    frames = DATASETS.build({
        'type': 'BaseSegDataset', 'data_root': str(root), 'img_suffix': '.png',
        'data_prefix': {'img_path': 'images', 'seg_map_path': 'labels'}, 'pipeline': [*load, paste, pack]})
    sampler = {'type': sampler, 'shuffle': True}
    return Runner.build_dataloader(
        {'dataset': frames, 'sampler': sampler, 'batch_size': 2, **loader}, seed=seed)


def plain(batches):
    """All samples of some batches: index, outliers and pixels."""
    return [(sample.sample_idx, sample.outlier_indices, image.numpy().tolist()) for batch in batches
            for image, sample in zip(batch['inputs'], batch['data_samples'], strict=True)]


def load_epochs(root, epochs=3, **loader):
    data_loader = build_loader(root, **loader)
    loaded = []
    for epoch in range(epochs):
        data_loader.sampler.set_epoch(epoch)
        loaded.append(plain(data_loader))
    return loaded


@pytest.fixture(scope='module')
def expected(root):
    return load_epochs(root, num_workers=0)


@pytest.mark.filterwarnings('ignore:This DataLoader will create')
@pytest.mark.parametrize('workers', [1, 2, 3])
@pytest.mark.parametrize('persistent', [False, True])
def test_any_number_of_workers_loads_the_same(root, expected, workers, persistent):
    assert load_epochs(root, num_workers=workers, persistent_workers=persistent) == expected


@pytest.mark.filterwarnings('ignore:This DataLoader will create')
@pytest.mark.parametrize('workers', [1, 2, 3])
def test_endless_loading_is_the_same_with_numbered_passes(root, workers):
    """Batches of 2 out of 7 images: workers load the same image at the same time again and again."""
    alone, several = (plain(islice(build_loader(root, 'PassSampler', num_workers=number), 40))
                      for number in (0, workers))
    assert several == alone
    assert len({str(sample) for sample in alone}) == len(alone)


def test_spawned_workers_draw_the_same(root):
    def paster():
        return PasteOutliers(CutoutFolderOutliers(str(root / 'cutouts')), seed=3)

    samples = [{'img': np.zeros((24, 32, 3), np.uint8), 'gt_seg_map': np.zeros((24, 32), np.uint8),
                'sample_idx': number} for number in range(NUMBER)]
    here = paster()
    expected = [here(dict(sample))['gt_seg_map'] for _ in range(2) for sample in samples]
    loader = DataLoader(samples, batch_size=None, collate_fn=paster(), num_workers=1,
                        multiprocessing_context='spawn')
    np.testing.assert_array_equal([result['gt_seg_map'] for _ in range(2) for result in loader], expected)


def test_every_epoch_draws_anew(expected):
    draws = [str(sample) for epoch in expected for sample in epoch]
    assert len(set(draws)) == len(draws) == 3 * NUMBER


def test_another_seed_draws_something_else(root, expected):
    other = load_epochs(root, epochs=1, seed=12, num_workers=0)[0]
    assert not {str(sample) for sample in other} & {str(sample) for sample in expected[0]}
