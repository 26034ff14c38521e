import copy

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmseg.registry import TRANSFORMS

from mmseg_ood.segmentation.outliers import Outlier, OutlierSource
from mmseg_ood.segmentation.transforms import PasteOutliers


class Blobs(OutlierSource):
    """Random masks of a unique colour: 200 and above, by index."""

    def load(self, entry):
        height, width = 2 + entry, 3
        mask = np.random.default_rng(entry).random((height, width)) < 0.7
        mask[0] = True
        return Outlier(np.full((height, width, 3), 200 + entry, np.uint8), mask)


def paster(**arguments):
    return PasteOutliers(**{'source': Blobs([0, 1, 2, 3], place='memory'), 'seed': 0, **arguments})


def frame(height=30, width=40, seed=0, image_type=np.uint8, label_type=np.uint8, **keys):
    rng = np.random.default_rng(seed)
    return {'img': rng.integers(0, 200, (height, width, 3)).astype(image_type),
            'gt_seg_map': rng.integers(0, 19, (height, width)).astype(label_type), **keys}


@pytest.mark.parametrize('arguments', [{}, {'num_objects': 3}, {'scale_range': (0.5, 4)}, {'flip_prob': 1}])
@pytest.mark.parametrize(('image_type', 'label_type'), [(np.uint8, np.uint8), (np.float32, np.int64)])
def test_label_is_ood_exactly_where_a_pixel_was_pasted(arguments, image_type, label_type):
    transform = paster(**arguments)
    for seed in range(30):
        before = frame(seed=seed, image_type=image_type, label_type=label_type, sample_idx=seed, img_path='x')
        after = transform(dict(before))
        pasted = after['gt_seg_map'] == 254
        assert pasted.any()
        np.testing.assert_array_equal(pasted, (after['img'] >= 200).all(axis=2))
        np.testing.assert_array_equal(after['img'][~pasted], before['img'][~pasted])
        np.testing.assert_array_equal(after['gt_seg_map'][~pasted], before['gt_seg_map'][~pasted])
        assert (after['img'].dtype, after['gt_seg_map'].dtype) == (image_type, label_type)
        assert after['img_path'] == 'x'


def test_unscaled_outlier_is_pixel_exact():
    transform = paster(flip_prob=0)
    for sample in range(20):
        after = transform(frame(sample_idx=sample))
        outlier = transform.source[after['outlier_indices'][0][0]]
        rows, columns = np.nonzero(after['gt_seg_map'] == 254)
        box = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
        mask = outlier.mask[:rows.max() - rows.min() + 1]  # the last row may be empty
        np.testing.assert_array_equal(after['gt_seg_map'][box] == 254, mask)
        np.testing.assert_array_equal(after['img'][box][mask], outlier.image[:len(mask)][mask])


def test_inputs_are_not_written_to():
    before = frame()
    image, labels = before['img'].copy(), before['gt_seg_map'].copy()
    after = paster(num_objects=5)(dict(before))
    np.testing.assert_array_equal(before['img'], image)
    np.testing.assert_array_equal(before['gt_seg_map'], labels)
    assert after['img'] is not before['img']


def test_probability():
    counts = {}
    for prob in (0, 0.25, 1):
        transform = paster(prob=prob)
        counts[prob] = sum(bool(transform(frame(4, 4))['outlier_indices'][0]) for _ in range(1000))
    assert counts[0] == 0
    assert abs(counts[0.25] - 250) < 60  # 4.4 standard deviations
    assert counts[1] == 1000


def test_untouched_sample_keeps_its_arrays():
    before = frame()
    after = paster(prob=0)(dict(before))
    assert after['img'] is before['img']
    assert after['gt_seg_map'] is before['gt_seg_map']
    assert after['outlier_indices'] == [[]]


def test_number_of_objects_covers_the_range_evenly():
    transform = paster(num_objects=(1, 3))
    numbers = [len(transform(frame())['outlier_indices'][0]) for _ in range(600)]
    assert set(numbers) == {1, 2, 3}
    assert all(abs(numbers.count(number) - 200) < 55 for number in (1, 2, 3))
    assert {len(paster(num_objects=4)(frame())['outlier_indices'][0])} == {4}


def test_every_outlier_gets_its_turn_and_half_are_flipped():
    class Arrow(OutlierSource):
        def load(self, entry):
            return Outlier(np.full((2, 2, 3), 200 + entry, np.uint8), np.array([[1, 1], [1, 0]], bool))

    transform = PasteOutliers(Arrow(list(range(5)), place='memory'), seed=0)
    drawn, flipped = [], 0
    for _ in range(500):
        after = transform(frame())
        drawn += after['outlier_indices'][0]
        _, columns = np.nonzero(after['gt_seg_map'] == 254)
        flipped += np.count_nonzero(columns == columns.max()) == 2
    assert all(abs(drawn.count(index) - 100) < 45 for index in range(5))
    assert abs(flipped - 250) < 55


def test_scales_are_log_uniform():
    class Square(OutlierSource):
        def load(self, entry):
            return Outlier(np.full((entry, entry, 3), 255, np.uint8), np.ones((entry, entry), bool))

    transform = PasteOutliers(Square([40], place='memory'), scale_range=(0.25, 4), seed=0)
    sides = [np.sqrt(np.count_nonzero(transform(frame(200, 200))['gt_seg_map'] == 254)) for _ in range(300)]
    assert min(sides) >= 10
    assert max(sides) <= 160
    assert abs(np.mean(np.log(np.array(sides) / 40))) < 0.2  # 4.3 standard deviations


def test_outliers_larger_than_the_image():
    transform = paster(scale_range=(30, 40))
    for sample in range(20):
        after = transform(frame(sample_idx=sample))
        assert after['img'].shape == (30, 40, 3)
        assert (after['gt_seg_map'] == 254).any()


def test_feathering_keeps_labels_and_pixels_outside():
    sharp = paster(scale_range=(3, 5))
    for feather in (1, 4, 50):
        soft = paster(scale_range=(3, 5), feather=feather)
        expected, found = copy.deepcopy(sharp)(frame()), soft(frame())
        np.testing.assert_array_equal(found['gt_seg_map'], expected['gt_seg_map'])
        pasted = expected['gt_seg_map'] == 254
        np.testing.assert_array_equal(found['img'][~pasted], expected['img'][~pasted])
        assert (found['img'][pasted] <= expected['img'][pasted]).all()  # bright outlier on a dark frame
        assert (found['img'][pasted] >= frame()['img'][pasted]).all()


def test_void_image_stays_as_it_is():
    before = frame()
    before['gt_seg_map'][:] = 255
    after = paster()(dict(before))
    assert after['img'] is before['img']
    assert after['outlier_indices'] == [[]]


def test_outliers_touch_ground_that_is_not_void():
    for ignore_index in (255, 11):
        transform = paster(num_objects=2, ignore_index=ignore_index)
        for sample in range(50):
            before = frame(sample_idx=sample)
            before['gt_seg_map'][:] = ignore_index
            before['gt_seg_map'][-3:, 10:] = 4
            pasted = transform(dict(before))['gt_seg_map'] == 254
            assert (pasted & (before['gt_seg_map'] == 4)).any()


def test_draws_depend_on_seed_sample_and_visit_only():
    def draws(seed, visits=2):
        transform = paster(seed=seed)
        return [transform(frame(sample_idx=sample))['gt_seg_map']
                for _ in range(visits) for sample in range(3)]

    first = draws(seed=1)
    np.random.seed(99)  # noqa: NPY002 (the global state that must not matter)
    torch.manual_seed(99)
    np.testing.assert_array_equal(first, draws(seed=1))
    distinct = {labels.tobytes() for labels in first + draws(seed=2)}
    assert len(distinct) == 12


def test_seed_is_that_of_torch_at_construction():
    torch.manual_seed(1234)
    transform = paster(seed=None)
    torch.manual_seed(5)
    assert transform.seed == 1234
    np.testing.assert_array_equal(transform(frame())['img'], paster(seed=1234)(frame())['img'])


def test_ranks_draw_apart(monkeypatch):
    here = paster()
    monkeypatch.setattr('mmseg_ood.segmentation.transforms.paste_outliers.get_rank', lambda: 1)
    assert (here(frame())['img'] != paster()(frame())['img']).any()


def test_a_second_one_in_the_pipeline_draws_apart():
    first, second = paster(prob=0.5), paster(prob=0.5)
    pasted = [second(first(frame(sample_idx=sample)))['outlier_indices'] for sample in range(200)]
    agreeing = sum(bool(early) == bool(late) for early, late in pasted)
    assert abs(agreeing - 100) < 35


def test_stock_pipeline_early_and_late(tmp_path):
    cv2.imwrite(str(tmp_path / 'image.png'), frame(60, 80)['img'])
    cv2.imwrite(str(tmp_path / 'labels.png'), frame(60, 80)['gt_seg_map'])
    load = [{'type': 'LoadImageFromFile'}, {'type': 'LoadAnnotations'}]
    vary = [{'type': 'RandomResize', 'scale': (80, 60), 'ratio_range': (0.8, 1.5), 'keep_ratio': True},
            {'type': 'RandomCrop', 'crop_size': (32, 48), 'cat_max_ratio': 0.75},
            {'type': 'RandomFlip', 'prob': 0.5}, {'type': 'PhotoMetricDistortion'}]
    step = paster(num_objects=8, scale_range=(3, 6), num_classes=19)
    for steps in ([step, *vary], [*vary, step]):
        pipeline = Compose([TRANSFORMS.build(part) if isinstance(part, dict) else part
                            for part in [*load, *steps, {'type': 'PackSegInputs'}]])
        packed = pipeline({'img_path': str(tmp_path / 'image.png'), 'sample_idx': 0, 'seg_fields': [],
                           'seg_map_path': str(tmp_path / 'labels.png'), 'reduce_zero_label': False})
        labels = packed['data_samples'].gt_sem_seg.data
        assert packed['inputs'].shape == (3, *labels.shape[1:])
        assert (labels == 254).any()


@pytest.mark.parametrize(('arguments', 'message'), [
    ({'prob': 1.5}, r'prob must be a number in \[0, 1\], found 1.5'),
    ({'flip_prob': 'often'}, r"flip_prob must be a number in \[0, 1\], found 'often'"),
    ({'min_valid': -0.1}, 'min_valid must be a number'),
    ({'num_objects': 0}, r'num_objects must be a positive integer or a range \(low, high\) of them, found 0'),
    ({'num_objects': (3, 1)}, r'num_objects .* found \(3, 1\)'),
    ({'num_objects': 1.5}, 'num_objects .* found 1.5'),
    ({'scale_range': (0, 1)}, r'scale_range must be a positive number or a range .* found \(0, 1\)'),
    ({'scale_range': (1, 2, 3)}, 'scale_range .* found'),
    ({'scale_range': 'large'}, "scale_range .* found 'large'"),
    ({'feather': -1}, 'feather must be an integer of 0 or more, found -1'),
    ({'seed': -5}, 'seed must be an integer'),
    ({'num_classes': 2.0}, 'num_classes must be an integer'),
    ({'ood_index': 255}, 'ood_index=255 must differ from ignore_index=255'),
    ({'num_classes': 255}, 'ood_index=254 must differ from .* the classes below num_classes=255'),
])
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=f'PasteOutliers: {message}'):
        paster(**arguments)


def test_source_must_be_one():
    with pytest.raises(TypeError, match=r'source must be an OutlierSource or its config, found \[1, 2\]'):
        paster(source=[1, 2])


@pytest.mark.parametrize(('changes', 'message'), [
    ({'img': np.zeros((30, 40), np.uint8)}, r'a\.png: img is \(30, 40\) uint8; expected \(H, W, 3\)'),
    ({'img': np.zeros((30, 40, 3), np.int32)}, r'img is \(30, 40, 3\) int32'),
    ({'gt_seg_map': np.zeros((30, 41), np.uint8)}, r'gt_seg_map is \(30, 41\) uint8; .* \(30, 40\) like'),
    ({'gt_seg_map': np.zeros((30, 40), np.float32)}, r'gt_seg_map is \(30, 40\) float32; .*integer type'),
    ({'gt_seg_map': np.zeros((30, 40), np.int8)}, r'gt_seg_map is int8, which cannot hold ood_index=254'),
    ({'gt_seg_map': np.full((30, 40), -1)}, r'a\.png: found the labels \[-1\]; expected 0 to num_classes=19'),
    ({'gt_seg_map': np.full((30, 40), 19, np.uint8)}, r'labels \[19\]; .* ood_index=254 or ignore_index=255'),
])
def test_wrong_samples_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        paster(num_classes=19)({**frame(seg_map_path='a.png'), **changes})


def test_known_labels_pass():
    sample = frame()
    sample['gt_seg_map'][0, :4] = [0, 18, 254, 255]
    paster(num_classes=19)(sample)
    with pytest.raises(ValueError, match=r'the labels \[18\]'):
        paster(num_classes=18)(sample)


def test_missing_keys_say_where_it_belongs():
    with pytest.raises(KeyError, match=r"no \['gt_seg_map'\].* after LoadImageFromFile and LoadAnnotations"):
        paster()({'img': frame()['img']})


def test_repr_names_source_and_arguments():
    text = repr(paster(prob=0.3))
    assert text.startswith('PasteOutliers(source=Blobs(4 outliers in memory), prob=0.3, num_objects=(1, 1)')
