"""judge(): figures of invented maps against scikit-learn and the component core; names of frames; processes."""
import numpy as np
import pytest
import torch
from mmengine.dist import get_rank, get_world_size
from mmengine.registry import init_default_scope
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score

from mmseg_ood.core import ComponentAccumulator
from mmseg_ood.segmentation.evaluation import GroundTruth, judge

init_default_scope('mmseg')
NUM_FRAMES = 5
SIZE = 24, 32


def write_frame(root, image, label, values):
    for path, pixels in ((root / image, np.zeros((*SIZE, 3), np.uint8)), (root / label, values)):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


def label_map(index):
    """Blocks of 8 pixels; the last frame has no anomaly."""
    values = [0, 0, 255] if index == NUM_FRAMES - 1 else [0, 1, 255]
    blocks = np.random.default_rng(index).choice(np.uint8(values), (SIZE[0] // 8, SIZE[1] // 8))
    return blocks.repeat(8, 0).repeat(8, 1)


class InventedMaps:
    """Noise, brighter on anomalies."""
    names = ('good', 'bad')
    num_classes = 4

    def __iter__(self):
        for index in range(get_rank(), NUM_FRAMES, get_world_size()):
            yield index, {name: self.load(index, name) for name in self.names}

    def load(self, index, name):
        noise = torch.randn(SIZE, generator=torch.Generator().manual_seed(index))
        return noise + (3.0 if name == 'good' else 0.5) * torch.from_numpy(label_map(index) == 1)

    def load_prediction(self, index):
        return np.random.default_rng(100 + index).integers(self.num_classes, size=SIZE).astype(np.uint8)


@pytest.fixture
def truth(tmp_path):
    for index in range(NUM_FRAMES):
        write_frame(tmp_path / 'set', f'images/{index}.png', f'labels_masks/{index}.png', label_map(index))
    return GroundTruth(dict(type='FishyscapesDataset', data_root=str(tmp_path / 'set')))


def test_ground_truth(truth):
    assert len(truth) == NUM_FRAMES
    assert truth.names == list('01234')
    np.testing.assert_array_equal(truth.labels(2), label_map(2))


def test_pixel_figures(truth):
    verdicts = judge(InventedMaps(), truth)
    labels = np.stack([label_map(index) for index in range(NUM_FRAMES)])
    for name in InventedMaps.names:
        scores = np.stack([InventedMaps().load(index, name).numpy() for index in range(NUM_FRAMES)])
        valid = labels != 255
        summary = verdicts[name].summary
        assert summary['AP'] == pytest.approx(average_precision_score(labels[valid], scores[valid]), abs=1e-12)
        assert summary['AUROC'] == pytest.approx(roc_auc_score(labels[valid], scores[valid]), abs=1e-12)
        per_image = [average_precision_score(label[label != 255], score[label != 255])
                     for label, score in zip(labels[:-1], scores[:-1], strict=True)]
        assert verdicts[name].image_means['AP'] == pytest.approx(np.mean(per_image), abs=1e-12)
        assert [frame.image for frame in verdicts[name].frames] == list('01234')
        assert np.isnan(verdicts[name].frames[-1].AP)


@pytest.mark.parametrize('track', ['obstacle', (4, 2)])
def test_component_figures(truth, track):
    verdict = judge(InventedMaps(), truth, track)['good']
    accumulator = ComponentAccumulator(track)
    for index in range(NUM_FRAMES):
        accumulator.update(InventedMaps().load(index, 'good') >= verdict.summary['best_threshold'], label_map(index))
    assert verdict.components == accumulator.summary()
    assert verdict.components['num_ground_truth'] > 0


def test_operating_point_of_the_components_is_the_best_f1(truth):
    verdict = judge(InventedMaps(), truth)['good']
    assert verdict.operating_points['best_F1'].threshold == verdict.summary['best_threshold']
    assert verdict.operating_points['best_F1'].f1 == verdict.summary['best_F1']


def all_pixels(name):
    """Scores, labels and classes of all frames."""
    maps = InventedMaps()
    return (np.concatenate([part(index).ravel() for index in range(NUM_FRAMES)]) for part in (
        lambda index: maps.load(index, name).numpy(), label_map, maps.load_prediction))


@pytest.mark.parametrize('name', InventedMaps.names)
def test_predicted_classes_at_the_threshold(truth, name):
    verdict = judge(InventedMaps(), truth)[name]
    scores, labels, prediction = all_pixels(name)
    threshold = verdict.classes['threshold']
    assert threshold == verdict.operating_points['best_F1'].threshold
    chosen = {'predicted': labels == 0, 'false_positives': (labels == 0) & (scores >= threshold),
              'detected': (labels == 1) & (scores >= threshold), 'missed': (labels == 1) & (scores < threshold)}
    for column, mask in chosen.items():
        assert verdict.classes[column] == np.bincount(prediction[mask], minlength=4).tolist()
    point = verdict.operating_points['best_F1']
    assert sum(verdict.classes['false_positives']) == pytest.approx(point.fpr * (labels == 0).sum())


@pytest.mark.parametrize('name', InventedMaps.names)
def test_scores_by_predicted_class(truth, name):
    classes = judge(InventedMaps(), truth)[name].classes
    scores, labels, prediction = all_pixels(name)
    edges = np.array(classes['edges'])
    spans = [np.quantile(scores[labels == kind], [0.001, 0.999], method='inverted_cdf') for kind in (0, 1)]
    assert edges[[0, -1]] == pytest.approx([min(span[0] for span in spans), max(span[1] for span in spans)], abs=1e-6)
    assert len(edges) == 61
    for kind, rows in enumerate((classes['inlier'], classes['outlier'])):
        for index, row in enumerate(rows):
            mask = (labels == kind) & (prediction == index)
            assert row == np.histogram(scores[mask].clip(edges[0], edges[-1]), edges)[0].tolist()


def test_maps_without_classes(truth):
    class OnlyMaps(InventedMaps):
        num_classes = None

        def load_prediction(self, index):
            raise AssertionError

    assert judge(OnlyMaps(), truth)['good'].classes is None


def test_range_of_the_scores(truth):
    for name, verdict in judge(InventedMaps(), truth).items():
        scores, labels, _ = all_pixels(name)
        valid = np.sort(scores[labels != 255])
        low, high = (np.searchsorted(valid, value) for value in verdict.score_range)
        assert low == pytest.approx(0.01 * len(valid), abs=1)
        assert high == pytest.approx(0.995 * len(valid), abs=1)


def test_official_static_needs_no_other_pipeline(tmp_path):
    """Its frames are overlays on images of Cityscapes."""
    name = 'a_000000_000000'
    write_frame(tmp_path, f'leftImg8bit/val/a/{name}_leftImg8bit.png', f'fs_static/0001_{name}_labels.png',
                np.ones(SIZE, np.uint8))
    np.savez(tmp_path / f'fs_static/0001_{name}_rgb.npz', np.full((*SIZE, 3), 7, np.int16))
    truth = GroundTruth(dict(type='FishyscapesDataset', subset='static', data_root=str(tmp_path)))
    assert truth.labels(0).min() == 1
    np.testing.assert_array_equal(truth.image(0), np.full((*SIZE, 3), 7, np.uint8))


def test_images_are_rgb(tmp_path):
    write_frame(tmp_path, 'images/0.png', 'labels_masks/0.png', np.zeros(SIZE, np.uint8))
    Image.new('RGB', SIZE[::-1], (10, 20, 30)).save(tmp_path / 'images/0.png')
    image = GroundTruth(dict(type='FishyscapesDataset', data_root=str(tmp_path))).image(0)
    assert image.dtype == np.uint8
    assert image.reshape(-1, 3).tolist() == [[10, 20, 30]] * (SIZE[0] * SIZE[1])


def test_errors_name_image_and_score(truth):
    class Broken(InventedMaps):
        def load(self, index, name):
            scores = super().load(index, name)
            return torch.where(torch.from_numpy(label_map(index) == 0), torch.nan, scores) if index == 2 else scores

    with pytest.raises(ValueError, match=r'images/2\.png: good: \d+ of \d+ scores are not finite'):
        judge(Broken(), truth)


@pytest.mark.parametrize(('value', 'kind'), [(0, 'anomalous'), (1, 'inlier')])
def test_one_kind_of_pixels_only(tmp_path, value, kind):
    for index in range(NUM_FRAMES):
        write_frame(tmp_path, f'images/{index}.png', f'labels_masks/{index}.png', np.full(SIZE, value, np.uint8))
    with pytest.raises(ValueError, match=f'no {kind} pixel in 5 frames under'):
        judge(InventedMaps(), GroundTruth(dict(type='FishyscapesDataset', data_root=str(tmp_path))))


def test_files_are_looked_at_first(tmp_path):
    write_frame(tmp_path, 'images/0.png', 'labels_masks/0.png', np.zeros((8, 8), np.uint8))
    with pytest.raises(ValueError, match=r'images/0\.png is 32x24'):
        GroundTruth(dict(type='FishyscapesDataset', data_root=str(tmp_path)))


def test_names_of_frames_are_unique(tmp_path):
    for folder in ('t5', 't6'):
        write_frame(tmp_path, f'test/images/{folder}/1.png', f'test/annotations/{folder}/1.png',
                    np.full(SIZE, 14, np.uint8))
    assert GroundTruth(dict(type='StreetHazardsDataset', data_root=str(tmp_path))).names == ['t5/1', 't6/1']


def _process_of_many(rank, world_size, root):
    torch.set_num_threads(1)
    torch.distributed.init_process_group('gloo', init_method=f'file://{root}/store', rank=rank, world_size=world_size)
    truth = GroundTruth(dict(type='FishyscapesDataset', data_root=f'{root}/set'))
    torch.save(repr(judge(InventedMaps(), truth, 'obstacle')), f'{root}/{rank}.pt')
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize('world_size', [2, 3])
def test_several_processes_give_the_same_verdict_bit_for_bit(truth, tmp_path, world_size):
    torch.multiprocessing.start_processes(_process_of_many, (world_size, str(tmp_path)), world_size,
                                          start_method='fork')
    expected = repr(judge(InventedMaps(), truth, 'obstacle'))
    for rank in range(world_size):
        assert torch.load(tmp_path / f'{rank}.pt') == expected
