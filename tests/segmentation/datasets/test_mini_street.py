"""The embedded data set: layout, labels, determinism, and that its splits have nothing in common."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmseg_ood.segmentation.datasets.mini_street import (
    TEST_SHAPES,
    TEST_TEXTURES,
    TRAIN_SHAPES,
    TRAIN_TEXTURES,
    prepare_mini_street,
)
from mmseg_ood.segmentation.datasets.mini_street.classes import CLASSES
from mmseg_ood.segmentation.datasets.mini_street.outliers import make_object
from mmseg_ood.segmentation.datasets.mini_street.polygons import mask_to_polygons

SMALL = {'num_train': 4, 'num_val': 2, 'num_test': 6, 'num_test_clean': 2, 'num_outliers': 18}
TINY = {'num_train': 1, 'num_val': 1, 'num_test': 2, 'num_test_clean': 1, 'num_outliers': 3}
TOOL = Path(__file__).parents[3] / 'tools' / 'prepare_mini_street.py'


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    root = tmp_path_factory.mktemp('mini') / 'street'
    return root, prepare_mini_street(root, **SMALL)


def _digest(root):
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob('*'))
        if path.is_file()
    }


def _read(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


@pytest.fixture(scope='module')
def coco(written):
    tools = pytest.importorskip('pycocotools.coco')
    return tools.COCO(str(written[0] / 'outliers' / 'annotations' / 'instances_train.json'))


def test_same_bytes_whatever_the_number_of_processes(tmp_path):
    # OpenCV has used its threads in this process before the children are forked: they must survive that.
    cv2.GaussianBlur(np.zeros((2000, 2000, 3), np.uint8), (31, 31), 5)
    first = prepare_mini_street(tmp_path / 'a', num_workers=2, **TINY)
    second = prepare_mini_street(tmp_path / 'b', num_workers=0, **TINY)
    assert first == second
    assert _digest(tmp_path / 'a') == _digest(tmp_path / 'b')


def test_a_scene_does_not_depend_on_how_many_are_made(written, tmp_path):
    prepare_mini_street(tmp_path / 'one', num_train=1, num_val=0, num_test=0, num_test_clean=0, num_outliers=0)
    name = 'leftImg8bit/train/mini/mini_000000_000000_leftImg8bit.png'
    assert (tmp_path / 'one' / name).read_bytes() == (written[0] / name).read_bytes()


def test_another_seed_gives_other_scenes(written, tmp_path):
    few = {'num_train': 1, 'num_val': 0, 'num_test': 0, 'num_test_clean': 0, 'num_outliers': 1}
    prepare_mini_street(tmp_path / 'other', seed=1, **few)
    for name in ('leftImg8bit/train/mini/mini_000000_000000_leftImg8bit.png', 'outliers/train/000000.png'):
        assert (tmp_path / 'other' / name).read_bytes() != (written[0] / name).read_bytes()


def test_no_two_frames_of_different_splits_are_alike(written):
    root, _ = written
    paths = [*root.glob('leftImg8bit/*/mini/*.png'), *root.glob('test/images/*.png')]
    assert len({hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}) == 4 + 2 + 6


def test_layout_counts_and_meta(written):
    root, meta = written
    assert json.loads((root / 'meta.json').read_text()) == meta
    assert meta['complete'] is True
    assert meta['files'] == {'leftImg8bit': 6, 'gtFine': 6, 'outliers': 19, 'test': 12}
    for split, count in (('train', 4), ('val', 2)):
        for index in range(count):
            stem = f'mini_000000_{index:06d}'
            image = _read(root / 'leftImg8bit' / split / 'mini' / f'{stem}_leftImg8bit.png')
            label = _read(root / 'gtFine' / split / 'mini' / f'{stem}_gtFine_labelTrainIds.png')
            assert image.shape == (256, 512, 3)
            assert image.std() > 15
            assert label.shape == (256, 512)
            assert set(np.unique(label)) <= {*range(19), 255}
            assert {0, 10} <= set(np.unique(label))  # every street has a road and a sky
    frequencies = meta['class_frequencies']['train']
    assert list(frequencies) == [*CLASSES, 'void']
    assert sum(frequencies.values()) == pytest.approx(1, abs=1e-4)


def test_anomaly_frames(written):
    root, meta = written
    clean = 0
    for index in range(6):
        image = _read(root / 'test' / 'images' / f'{index:04d}.png')
        label = _read(root / 'test' / 'labels_masks' / f'{index:04d}.png')
        assert image.shape == (256, 512, 3)
        assert label.shape == (256, 512)
        assert set(np.unique(label)) <= {0, 1, 255}
        anomalous = np.count_nonzero(label == 1)
        clean += anomalous == 0
        if anomalous:
            assert anomalous >= 40
            parts = cv2.connectedComponentsWithStats((label == 1).astype(np.uint8))[2][1:]
            assert parts[:, cv2.CC_STAT_HEIGHT].max() <= 240
    assert clean == meta['counts']['test_clean'] == 2


def test_families_of_training_and_test_are_disjoint(written):
    _, meta = written
    assert not TRAIN_SHAPES.keys() & TEST_SHAPES.keys()
    assert not TRAIN_TEXTURES.keys() & TEST_TEXTURES.keys()
    assert not set(TRAIN_SHAPES.values()) & set(TEST_SHAPES.values())
    assert not set(TRAIN_TEXTURES.values()) & set(TEST_TEXTURES.values())
    assert set(meta['used']['outliers']['shapes']) <= set(meta['families']['train']['shapes'])
    assert set(meta['used']['outliers']['textures']) <= set(meta['families']['train']['textures'])
    assert set(meta['used']['test']['shapes']) <= set(meta['families']['test']['shapes'])
    assert set(meta['used']['test']['textures']) <= set(meta['families']['test']['textures'])
    assert not {name.lower() for name in TRAIN_SHAPES} & set(CLASSES)


@pytest.mark.parametrize('split', ['train', 'test'])
def test_every_family_makes_an_object(split):
    for number, shape in enumerate(TRAIN_SHAPES if split == 'train' else TEST_SHAPES):
        for repeat in range(2):
            item = make_object(np.random.default_rng([number, repeat]), split, 96, shape=shape)
            assert item.color.shape == (*item.alpha.shape, 3)
            assert np.isfinite(item.color).all()
            assert (item.alpha > 0.5).mean() > 0.05


def test_outliers_are_valid_coco(written, coco):
    root, _ = written
    assert len(coco.imgs) == 18
    assert {annotation['image_id'] for annotation in coco.anns.values()} == set(coco.imgs)
    for info in coco.imgs.values():
        assert _read(root / 'outliers' / 'train' / info['file_name']).shape == (info['height'], info['width'], 3)
    for annotation in coco.anns.values():
        info, mask = coco.imgs[annotation['image_id']], coco.annToMask(annotation)
        assert annotation['iscrowd'] == 0
        assert annotation['category_id'] in coco.cats
        assert mask.shape == (info['height'], info['width'])
        assert mask.sum() == pytest.approx(annotation['area'], rel=0.08, abs=12)
        x, y, width, height = cv2.boundingRect(mask)
        assert np.abs(np.array([x, y, x + width, y + height]) - _corners(annotation['bbox'])).max() <= 3


def _corners(box):
    return np.array([box[0], box[1], box[0] + box[2], box[1] + box[3]])


def test_polygons_keep_holes_open():
    mask = np.zeros((80, 90), bool)
    mask[10:70, 10:80] = True
    mask[30:50, 30:60] = False
    drawn = np.zeros(mask.shape, np.uint8)
    for polygon in mask_to_polygons(mask):
        points = np.floor(np.array(polygon).reshape(-1, 2)).astype(np.int32)
        cv2.fillPoly(drawn, [points], 1)
    assert np.count_nonzero((drawn > 0) != mask) < 0.02 * mask.sum()
    assert not drawn[35:45, 35:55].any()


def test_refuses_a_folder_it_did_not_write(tmp_path):
    (tmp_path / 'thesis.tex').write_text('mine')
    with pytest.raises(FileExistsError, match=r'thesis\.tex'):
        prepare_mini_street(tmp_path, **TINY)
    assert [path.name for path in tmp_path.iterdir()] == ['thesis.tex']


def test_refuses_a_cityscapes_that_is_not_mini(tmp_path):
    (tmp_path / 'leftImg8bit').mkdir()
    with pytest.raises(FileExistsError, match='leftImg8bit'):
        prepare_mini_street(tmp_path, **TINY)
    (tmp_path / 'leftImg8bit').rmdir()
    tmp_path.joinpath('file').write_text('')
    with pytest.raises(FileExistsError, match='is a file'):
        prepare_mini_street(tmp_path / 'file', **TINY)


def test_writes_over_its_own_folder_and_leaves_nothing_old(tmp_path):
    root = tmp_path / 'street'
    few = {'num_val': 0, 'num_test': 0, 'num_test_clean': 0, 'num_outliers': 0, 'num_workers': 0}
    prepare_mini_street(root, num_train=2, **few)
    prepare_mini_street(root, num_train=1, **few)
    assert len(list(root.glob('leftImg8bit/train/mini/*.png'))) == 1


@pytest.mark.parametrize('wrong', [{'num_train': -1}, {'num_test': 1, 'num_test_clean': 2}])
def test_refuses_impossible_counts(tmp_path, wrong):
    with pytest.raises(ValueError, match='num_test_clean'):
        prepare_mini_street(tmp_path / 'x', **{**TINY, **wrong})
    assert not (tmp_path / 'x').exists()


def test_loads_with_the_stock_cityscapes_dataset(written):
    from mmseg.datasets import CityscapesDataset

    import mmseg_ood.segmentation  # noqa: F401

    for split, count in (('train', 4), ('val', 2)):
        data = CityscapesDataset(
            data_root=str(written[0]),
            data_prefix={'img_path': f'leftImg8bit/{split}', 'seg_map_path': f'gtFine/{split}'},
            pipeline=[{'type': 'LoadImageFromFile'}, {'type': 'mmseg.LoadAnnotations'}],
        )
        assert len(data) == count
        assert data.metainfo['classes'] == CLASSES
        sample = data[0]
        assert sample['img'].shape[:2] == sample['gt_seg_map'].shape == (256, 512)


def test_command_line(tmp_path):
    shown = subprocess.run([sys.executable, str(TOOL), '--help'], capture_output=True, text=True, timeout=20)
    assert shown.returncode == 0
    assert 'ROOT' in shown.stdout
    (tmp_path / 'foreign.txt').write_text('')
    refused = subprocess.run([sys.executable, str(TOOL), str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert refused.returncode == 2
    assert 'foreign.txt' in refused.stderr
