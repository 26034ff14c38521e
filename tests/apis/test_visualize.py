"""visualize(): what it draws, under which names, and what it refuses."""
import json
import shutil

import cv2
import numpy as np
import pytest

from mmseg_ood.apis import visualize

SIZE = (32, 64)


@pytest.fixture
def draw(world, tmp_path):
    """Draws ``source`` into a new folder; files and pictures by name."""
    def drawn(source, **kwargs):
        files = visualize(world.config, world.checkpoint, source, out=tmp_path / 'maps', **kwargs)
        assert all(path.is_file() for path in files)
        return {path.name: cv2.imread(str(path)) for path in files}
    return drawn


@pytest.fixture
def frames(world):
    return sorted((world.benchmark / 'images').iterdir())


def colors(picture):
    return set(map(tuple, np.unique(picture.reshape(-1, 3)[:, ::-1], axis=0).tolist()))


def test_one_image_with_the_palette_of_the_checkpoint(world, draw, frames):
    picture = draw(str(frames[0]))['frame_0.png']
    assert picture.shape[1] > picture.shape[0]
    predicted = world.logits(world.segmentor(), frames[0]).argmax(0).unique().tolist()
    palette = [(128, 64, 128), (0, 0, 142), (70, 130, 180)]
    assert {palette[index] for index in predicted} <= colors(picture)


def test_colour_scale_and_provenance_are_written(world, draw, frames, tmp_path):
    draw(frames[0])
    content = json.loads((tmp_path / 'maps/visualize.json').read_text())
    energy = -world.logits(world.segmentor(), frames[0]).logsumexp(0).numpy()
    assert content['score_range'] == pytest.approx(np.quantile(energy, (0.01, 0.995)), rel=1e-5)
    assert content['files'] == ['frame_0.png']
    assert content['score'] == 'energy'
    assert len(content['provenance']['checkpoint_sha256']) == 64


def test_folder(draw, world):
    assert list(draw(str(world.benchmark / 'images'))) == ['frame_0.png', 'frame_1.png', 'frame_2.png']


def test_glob(draw, world):
    assert list(draw(f'{world.benchmark}/images/*_[02].png')) == ['frame_0.png', 'frame_2.png']


def test_benchmark_brings_its_ground_truth(draw, world, frames):
    with_truth, without = draw(world.benchmark_argument), draw(frames[0])
    assert list(with_truth) == ['frame_0.png', 'frame_1.png', 'frame_2.png']
    assert (230, 85, 13) in colors(with_truth['frame_0.png'])
    assert (230, 85, 13) not in colors(without['frame_0.png'])


def test_label_maps_with_a_palette(draw, world, tmp_path):
    """Their pixels are indices; OpenCV would hand out colours."""
    from PIL import Image
    shutil.copytree(world.benchmark, tmp_path / 'indexed')
    for path in (tmp_path / 'indexed/labels_masks').iterdir():
        label = Image.open(path).convert('P')
        label.putpalette([200] * 768)
        label.putdata(np.full(SIZE, 1, np.uint8).ravel().tolist())
        label.save(path)
    assert (230, 85, 13) in colors(draw(f'mini-street={tmp_path / "indexed"}')['frame_0.png'])


def test_other_score(draw, frames):
    energy, entropy = (draw(frames[0], score=score)['frame_0.png'] for score in ('energy', 'entropy'))
    assert (energy != entropy).any()


def test_constant_scores(draw, tmp_path):
    cv2.imwrite(str(tmp_path / 'flat.png'), np.zeros((*SIZE, 3), np.uint8))
    assert draw(tmp_path / 'flat.png', score='msp')['flat.png'].std() > 0


def test_two_inputs_of_one_name_give_two_pictures(draw, frames, tmp_path):
    for folder, frame in zip('ab', frames, strict=False):
        (tmp_path / 'in' / folder).mkdir(parents=True)
        shutil.copy(frame, tmp_path / 'in' / folder / 'same.png')
    pictures = draw(f'{tmp_path}/in/*/same.png')
    assert list(pictures) == ['same.png', 'same_2.png']
    assert (pictures['same.png'] != pictures['same_2.png']).any()


def test_classes_without_known_colours(draw, frames, world, tmp_path):
    """Neither the checkpoint nor the config's data set knows a palette of three colours."""
    import torch
    torch.save(torch.load(world.checkpoint)['state_dict'], tmp_path / 'bare.pth')
    files = visualize(world.config, tmp_path / 'bare.pth', frames[0], out=tmp_path,
                      cfg_options=dict(test_dataloader=None))
    assert files[0].is_file()


def test_unreadable_image_is_named(draw, tmp_path):
    (tmp_path / 'broken.png').write_bytes(b'no image')
    with pytest.raises(ValueError, match='broken.png cannot be read as an image'):
        draw(tmp_path / 'broken.png')


def test_ground_truth_of_another_size_is_named(draw, world, tmp_path):
    shutil.copytree(world.benchmark, tmp_path / 'wrong')
    cv2.imwrite(str(tmp_path / 'wrong/labels_masks/frame_1.png'), np.zeros((8, 8), np.uint8))
    with pytest.raises(ValueError, match='frame_1.png is 64x32 .*frame_1.png is 8x8'):
        draw(f'mini-street={tmp_path / "wrong"}')


@pytest.mark.parametrize('source', ['empty', 'empty/*.png', 'nothing.png'])
def test_nothing_to_draw(draw, tmp_path, source):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(FileNotFoundError, match='no image found for .*expected an image, a folder of images'):
        draw(tmp_path / source)


def test_unknown_score(draw, frames):
    with pytest.raises(ValueError, match="unknown score 'enrgy', expected one of energy"):
        draw(frames[0], score='enrgy')
