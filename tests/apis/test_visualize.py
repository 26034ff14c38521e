"""visualize(): what it draws and detects, under which names, and what it refuses."""
import json
import runpy
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmseg_ood.apis import evaluate, visualize
from mmseg_ood.apis.measure_statistics import measure_statistics
from mmseg_ood.core import detect_components

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


@pytest.fixture
def energies(world, frames):
    """Energy of each frame by hand."""
    segmentor = world.segmentor()
    return [-world.logits(segmentor, frame).logsumexp(0).numpy() for frame in frames]


def between(*energies):
    """A threshold in the widest gap between scores in the middle: rounding decides nothing."""
    values = np.sort(np.concatenate([energy.ravel() for energy in energies]))
    values = values[len(values) // 3:-len(values) // 4]
    place = int(np.diff(values).argmax())
    assert values[place + 1] - values[place] > 1e-5
    return float(values[place] + values[place + 1]) / 2


def test_masks_and_boxes(world, draw, energies, tmp_path):
    threshold = between(*energies)
    draw(world.benchmark_argument, threshold=threshold, min_component=3)
    content = json.loads((tmp_path / 'maps/visualize.json').read_text())
    assert (content['threshold'], content['threshold_from']) == (threshold, 'given as a number')
    assert content['min_component'] == 3
    assert list(content['detections']) == content['files'] == ['frame_0.png', 'frame_1.png', 'frame_2.png']
    some = 0
    for energy, (name, found) in zip(energies, content['detections'].items(), strict=True):
        mask, expected = detect_components(energy, threshold, 3)
        drawn = cv2.imread(str(tmp_path / 'maps' / found['mask']), cv2.IMREAD_UNCHANGED)
        assert found['mask'] == name.replace('.png', '_mask.png')
        assert drawn.dtype == np.uint8
        np.testing.assert_array_equal(drawn, 255 * mask)
        assert [list(box) for box in found['boxes']] == [['x', 'y', 'width', 'height', 'area', 'score']] * len(expected)
        np.testing.assert_allclose([list(box.values()) for box in found['boxes']], expected, rtol=1e-5)
        some += len(expected)
    assert some > 3


def test_mask_joins_the_picture(draw, frames, energies):
    mask_color = (230, 85, 13)
    without, with_mask = draw(frames[0]), draw(frames[0], threshold=np.median(energies[0]), min_component=1)
    assert list(with_mask) == list(without) == ['frame_0.png']
    assert mask_color not in colors(without['frame_0.png'])
    assert mask_color in colors(with_mask['frame_0.png'])


def test_without_a_threshold_there_are_no_masks(draw, frames, tmp_path):
    draw(frames[0])
    assert sorted(path.name for path in (tmp_path / 'maps').iterdir()) == ['frame_0.png', 'visualize.json']
    assert 'detections' not in json.loads((tmp_path / 'maps/visualize.json').read_text())


def test_thresholds_of_an_evaluation(world, draw, tmp_path, capsys):
    """The masks achieve what the evaluation says of its operating points."""
    results = tmp_path / 'results/results.json'
    evaluate(world.config, world.checkpoint, [world.benchmark_argument], ['msp', 'energy'], results.parent,
             cfg_options=dict(test_evaluator=None))
    labels = np.concatenate([cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
                             for path in sorted((world.benchmark / 'labels_masks').iterdir())])
    msp, energy = (row['operating_points'] for row in json.loads(results.read_text())['results'])
    for score, name, point in (('msp', 'TPR95', msp['TPR95']), ('energy', 'best_F1', energy['best_F1'])):
        draw(world.benchmark_argument, score=score, threshold=results, operating_point=name)
        mask = np.concatenate([cv2.imread(str(tmp_path / f'maps/frame_{index}_mask.png'), cv2.IMREAD_UNCHANGED)
                               for index in range(3)])
        assert 100 * (mask[labels == 1] == 255).mean() == pytest.approx(point['TPR'])
        assert 100 * (mask[labels == 0] == 255).mean() == pytest.approx(point['FPR'])
        content = json.loads((tmp_path / 'maps/visualize.json').read_text())
        assert content['threshold'] == point['threshold']
        assert content['threshold_from'].startswith(f'{name} of {score} on mini-street=')
        assert f'threshold {point["threshold"]}, {name} of {score} on mini-street=' in capsys.readouterr().out


def test_threshold_that_does_not_fit_stops_before_anything_is_written(draw, frames, tmp_path):
    (tmp_path / 'results.json').write_text('{}')
    with pytest.raises(ValueError, match='results.json: expected a results.json as tools/evaluate.py writes it'):
        draw(frames[0], threshold=tmp_path / 'results.json')
    assert not (tmp_path / 'maps').exists()


def test_negative_threshold_on_the_command_line(world, frames, tmp_path, monkeypatch, capsys):
    tool = Path(__file__).parents[2] / 'tools/visualize.py'
    monkeypatch.setattr('sys.argv', ['visualize.py', str(world.config), str(world.checkpoint), str(frames[0]), '--out',
                                     str(tmp_path), '--threshold', '-6.3', '--min-component', '7'])
    runpy.run_path(str(tool), run_name='__main__')
    content = json.loads((tmp_path / 'visualize.json').read_text())
    assert (content['threshold'], content['min_component']) == (-6.3, 7)
    assert 'threshold -6.3, given as a number' in capsys.readouterr().out


def test_score_with_options(world, draw, frames, tmp_path):
    draw(frames[0], score='energy:temperature=2')
    content = json.loads((tmp_path / 'maps/visualize.json').read_text())
    energy = -2 * (world.logits(world.segmentor(), frames[0]) / 2).logsumexp(0).numpy()
    assert content['score'] == content['scorer']['name'] == 'energy_t2'
    assert content['score_range'] == pytest.approx(np.quantile(energy, (0.01, 0.995)), rel=1e-5)


def test_further_channels_are_no_classes(world, draw, frames, tmp_path):
    energy = -world.logits(world.segmentor(), frames[0])[:2].logsumexp(0).numpy()
    threshold = between(energy)
    draw(frames[0], cfg_options=dict(num_inlier_classes=2), threshold=threshold)
    mask = cv2.imread(str(tmp_path / 'maps/frame_0_mask.png'), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(mask == 255, energy >= threshold)


def test_standardised_score_finds_its_statistics(world, frames, tmp_path):
    checkpoint = tmp_path / 'copy.pth'
    shutil.copy(world.checkpoint, checkpoint)
    measured = measure_statistics(world.config, checkpoint)
    visualize(world.config, checkpoint, frames[0], 'sml', tmp_path / 'maps')
    logits = world.logits(world.segmentor(), frames[0])
    mean, std = (np.array(measured[name])[logits.argmax(0)] for name in ('mean', 'std'))
    content = json.loads((tmp_path / 'maps/visualize.json').read_text())
    assert content['score_range'] == pytest.approx(
        np.quantile((mean - logits.amax(0).numpy()) / std, (0.01, 0.995)), rel=1e-4)


def test_overlays_reach_picture_and_network(world, draw, frames, tmp_path):
    """A frame of Fishyscapes Static is an image of Cityscapes and what is added to it."""
    name = 'frankfurt_000000_000294'
    plain = cv2.imread(str(frames[0]))
    street = tmp_path / f'data/cityscapes/leftImg8bit/val/frankfurt/{name}_leftImg8bit.png'
    static = tmp_path / 'data/static'
    street.parent.mkdir(parents=True)
    static.mkdir()
    cv2.imwrite(str(street), plain)
    overlay = np.zeros((*SIZE, 3), np.int16)
    overlay[8:24, 16:48] = 3, 255, -255
    np.savez(static / f'0007_{name}_rgb.npz', overlay)
    cv2.imwrite(str(static / f'0007_{name}_labels.png'), np.uint8(np.abs(overlay).max(2) > 0))
    blended = np.clip(plain.astype(int) + overlay[..., ::-1], 0, 255).astype(np.uint8)
    cv2.imwrite(str(tmp_path / 'blended.png'), blended)
    energies = [-world.logits(world.segmentor(), path).logsumexp(0).numpy()
                for path in (tmp_path / 'blended.png', street)]
    threshold = between(*energies)
    picture, = draw(f'fishyscapes-static={static}', threshold=threshold).values()
    mask = cv2.imread(str(tmp_path / f'maps/0007_{name}_rgb_mask.png'), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(mask == 255, energies[0] >= threshold)
    assert (mask == 255).tolist() != (energies[1] >= threshold).tolist()
    pasted = {tuple(color) for color in blended[8:24, 16:48, ::-1].reshape(-1, 3).tolist()}
    assert len(pasted & colors(picture)) > 50
    assert not pasted & colors(draw(street)[street.name])


def test_pipeline_of_the_config(draw, frames, energies, tmp_path):
    """The network sees another size, everything that is written has that of the image."""
    pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=(128, 64)), dict(type='LoadAnnotations'),
                dict(type='PackSegInputs')]
    threshold = between(energies[0])
    draw(frames[0], threshold=threshold, cfg_options=dict(benchmark_pipeline=pipeline))
    mask = cv2.imread(str(tmp_path / 'maps/frame_0_mask.png'), cv2.IMREAD_UNCHANGED)
    assert mask.shape == SIZE
    assert ((mask == 255) != (energies[0] >= threshold)).any()


def test_scores_that_are_not_finite(world, draw, frames, tmp_path):
    content = torch.load(world.checkpoint)
    content['state_dict']['decode_head.conv_seg.bias'][1] = float('nan')
    torch.save(content, tmp_path / 'broken.pth')
    with pytest.raises(ValueError, match=rf'{frames[0]}: 2048 of 2048 scores are not finite'):
        visualize(world.config, tmp_path / 'broken.pth', frames[0], out=tmp_path / 'maps')


def test_inputs_are_not_overwritten(world, frames, tmp_path):
    for name in ('a.png', 'a_mask.png'):
        shutil.copy(frames[0], tmp_path / name)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    files = visualize(world.config, world.checkpoint, tmp_path, out=tmp_path, threshold=-5)
    assert [path.name for path in files] == ['a_2.png', 'a_mask_2.png']
    assert before == {path: path.read_bytes() for path in before}
    masks = [cv2.imread(str(tmp_path / name), cv2.IMREAD_UNCHANGED) for name in ('a_2_mask.png', 'a_mask_2_mask.png')]
    assert all(mask.shape == SIZE for mask in masks)


@pytest.mark.parametrize('order', [('a', 'a_mask'), ('a_mask', 'a')])
def test_a_mask_and_a_picture_of_one_name(world, draw, frames, tmp_path, order):
    for folder, name in enumerate(order):
        (tmp_path / f'in/{folder}').mkdir(parents=True)
        shutil.copy(frames[folder], tmp_path / f'in/{folder}/{name}.png')
    draw(f'{tmp_path}/in/*/*.png', threshold=-5)
    content = json.loads((tmp_path / 'maps/visualize.json').read_text())
    files = [name for picture, found in content['detections'].items() for name in (picture, found['mask'])]
    assert len(set(files)) == 4
    assert sorted([*files, 'visualize.json']) == sorted(path.name for path in (tmp_path / 'maps').iterdir())
