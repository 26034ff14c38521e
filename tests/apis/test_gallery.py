"""The gallery: sizes, colours, names and small anomalies of its pictures; several processes."""
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from PIL import Image

from mmseg_ood.apis.evaluated import BenchmarkFrames
from mmseg_ood.apis.gallery import draw_gallery, shrink_labels
from mmseg_ood.segmentation.evaluation import GroundTruth, Verdict

init_default_scope('mmseg')
HEIGHT, WIDTH = 90, 1600
NAMES = ('a', 'a_energy', 'ä #1', 'A')
RANGES = {'energy': (-10.0, -5.0), 'my score': (0.0, 1.0)}
ORANGE = (230, 85, 13, 255)


def labels_of(index):
    """A single anomalous pixel in a field of inliers, void on the right."""
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[:, WIDTH // 2:] = 255
    labels[41, 300 + index] = 1
    return labels


@pytest.fixture
def benchmark(tmp_path):
    root = tmp_path / 'data'
    for folder in ('images', 'labels_masks'):
        (root / folder).mkdir(parents=True)
    for index, name in enumerate(NAMES):
        image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        image[:, :] = 40 * index, 120, 200
        Image.fromarray(image).save(root / f'images/{name}.png')
        Image.fromarray(labels_of(index)).save(root / f'labels_masks/{name}.png')
    return benchmark_under(root)


def benchmark_under(root):
    dataset = dict(type='FishyscapesDataset', data_root=str(root))
    return BenchmarkFrames('mini-street-2', 'mini-street', dataset, GroundTruth(dataset))


class Ramps:
    """Scores that rise from left to right, beyond both ends of the scale."""
    names = tuple(RANGES)

    def load(self, index, name):
        low, high = RANGES[name]
        return torch.linspace(low - (high - low), high + (high - low), WIDTH).expand(HEIGHT, WIDTH)


def draw(benchmark, out):
    verdicts = {name: Verdict(*[None] * (len(Verdict._fields) - 1), score_range=limits)
                for name, limits in RANGES.items()}
    return draw_gallery(Ramps(), benchmark, verdicts, out)


def open_all(entry, out):
    files = entry['files']
    pictures = {'image': files['image'], 'truth': files['truth'], **files['maps']}
    return {name: Image.open(out / file) for name, file in pictures.items()}


def test_every_frame_has_pictures_of_one_size(benchmark, tmp_path):
    entries = draw(benchmark, tmp_path)
    assert [entry['image'] for entry in entries] == benchmark.truth.names
    for entry in entries:
        assert entry['benchmark'] == 'mini-street-2'
        assert entry['size'] == [800, 45]
        assert list(entry['files']['maps']) == list(RANGES)
        assert {picture.size for picture in open_all(entry, tmp_path).values()} == {(800, 45)}


def test_files_of_any_names_are_legal_and_different(benchmark, tmp_path):
    files = [file for entry in draw(benchmark, tmp_path)
             for file in (entry['files']['image'], entry['files']['truth'], *entry['files']['maps'].values())]
    assert len({file.lower() for file in files}) == len(files) == 4 * len(NAMES)
    assert all(set(file) <= set('abcdefghijklmnopqrstuvwxyzA0123456789-_./~') for file in files)
    assert any(file.startswith('gallery/mini-street-2/') and file.endswith('_~c3~a4~20~231_my~20score.jpg')
               for file in files)


def test_image(benchmark, tmp_path):
    for index, name in enumerate(benchmark.truth.names):
        image = np.asarray(open_all(draw(benchmark, tmp_path)[index], tmp_path)['image']).astype(int)
        assert np.abs(image - [40 * NAMES.index(name), 120, 200]).max() < 6


def test_maps_share_a_scale(benchmark, tmp_path):
    """The colours of inferno: black at the low end and below, pale yellow at the high end and above."""
    pictures = open_all(draw(benchmark, tmp_path)[0], tmp_path)
    for name in RANGES:
        row = np.asarray(pictures[name]).astype(int)[20]
        assert np.abs(row[:260] - [0, 0, 4]).max() < 12
        assert np.abs(row[540:] - [252, 255, 164]).max() < 12
        assert np.abs(row[400] - [188, 55, 84]).max() < 12  # the middle
        assert (np.diff(row[270:530:20].sum(1)) > 0).all()


def test_truth(benchmark, tmp_path):
    entry = draw(benchmark, tmp_path)[0]
    picture = open_all(entry, tmp_path)['truth']
    assert picture.mode == 'P'
    colors = np.asarray(picture.convert('RGBA'))
    shift = NAMES.index(entry['image'])
    assert tuple(colors[20, (300 + shift) // 2]) == ORANGE  # one pixel of 144 000
    assert (colors[:, :400] == ORANGE).all(-1).sum() == 1
    assert (colors[:, :400, 3] > 0).sum() == 1
    void = colors[:, 400:]
    assert (void[..., 3] > 0).all()
    assert (void[..., 0] == void[..., 2]).all()
    assert len(np.unique(void[..., 0])) == 2  # hatched
    assert (tmp_path / entry['files']['truth']).stat().st_size < 1000


def test_small_frames_are_not_enlarged(world, tmp_path):
    dataset = dict(type='FishyscapesDataset', data_root=str(world.benchmark))
    benchmark = BenchmarkFrames('mini-street', 'mini-street', dataset, GroundTruth(dataset))

    class Maps:
        names = ('energy',)

        def load(self, index, name):
            return torch.zeros(32, 64)

    verdict = Verdict(*[None] * (len(Verdict._fields) - 1), score_range=(0.0, 0.0))
    entry = draw_gallery(Maps(), benchmark, {'energy': verdict}, tmp_path)[0]
    assert entry['size'] == [64, 32]
    assert open_all(entry, tmp_path)['energy'].getextrema()[0][1] < 12  # as low as the scale, which has no extent


@pytest.mark.parametrize('size', [(8, 4), (7, 3), (5, 5), (31, 19), (40, 20)])
def test_shrinking_loses_no_anomaly(size):
    rng = np.random.default_rng(0)
    for _ in range(20):
        labels = np.zeros((20, 40), np.uint8)
        row, column = rng.integers(20), rng.integers(40)
        labels[row, column] = 1
        small = shrink_labels(labels, size)
        assert small.shape == size[::-1]
        assert small[int((row + 0.5) * size[1] / 20), int((column + 0.5) * size[0] / 40)] == 1
        assert small.sum() <= 4


def test_unreadable_image_is_named(benchmark, tmp_path):
    path = benchmark.truth.images[2]
    content = path.read_bytes()
    path.write_bytes(content[:60] + bytes(len(content) - 80) + content[-20:])  # a good header and end
    with pytest.raises(ValueError, match=f'{path.name} cannot be read as an image'):
        draw(benchmark, tmp_path)


def _process_of_many(rank, world_size, root):
    torch.set_num_threads(1)
    torch.distributed.init_process_group('gloo', init_method=f'file://{root}/store', rank=rank, world_size=world_size)
    torch.save(draw(benchmark_under(root / 'data'), root / 'many'), root / f'{rank}.pt')
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize('world_size', [2, 3])
def test_several_processes_draw_the_same(benchmark, tmp_path, world_size):
    torch.multiprocessing.start_processes(_process_of_many, (world_size, tmp_path), world_size, start_method='fork')
    expected = draw(benchmark, tmp_path / 'one')
    assert [torch.load(tmp_path / f'{rank}.pt') for rank in range(world_size)] == [expected] * world_size
    drawn = {folder: {path.relative_to(tmp_path / folder): path.read_bytes()
                      for path in (tmp_path / folder).rglob('*.*')} for folder in ('one', 'many')}
    assert drawn['one'] == drawn['many']
    assert len(drawn['one']) == 4 * len(NAMES)
