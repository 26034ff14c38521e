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
    """Draws ``source`` into the same folder again and again; files and pictures by name."""
    def drawn(source, **kwargs):
        files = visualize(world.config, world.checkpoint, source, out=tmp_path / 'maps', force=True, **kwargs)
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


def test_threshold_of_inlier_frames(world, draw, frames, energies, tmp_path, capsys):
    draw(frames[0], inliers=world.benchmark_argument, quantile=0.9)
    content = json.loads((tmp_path / 'maps/visualize.json').read_text())
    labels = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
              for path in sorted((world.benchmark / 'labels_masks').iterdir())]
    inliers = np.concatenate([energy[label == 0] for energy, label in zip(energies, labels, strict=True)])
    expected = min(score for score in np.unique(inliers) if (inliers < score).mean() >= 0.9)
    assert content['threshold'] == pytest.approx(expected, rel=1e-5)
    assert content['threshold_from'].startswith('0.9 quantile of energy on 3 frames of mini-street=')
    assert f'threshold {content["threshold"]}, 0.9 quantile of energy' in capsys.readouterr().out
    mask = cv2.imread(str(tmp_path / 'maps/frame_0_mask.png'), cv2.IMREAD_UNCHANGED)
    assert (mask == 255).sum() == pytest.approx((energies[0] >= content['threshold']).sum(), abs=1)


def test_one_threshold(draw, frames):
    with pytest.raises(ValueError, match='a threshold is given or chosen by inliers, not both'):
        draw(frames[0], threshold=1, inliers=frames[0])


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


@pytest.fixture
def video(tmp_path, frames):
    """Twelve frames that are those of the benchmark."""
    path = tmp_path / 'drive.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'FFV1'), 12.5, SIZE[::-1])  # lossless
    for index in range(12):
        writer.write(cv2.imread(str(frames[index % 3])))
    writer.release()
    return path


def read_video(path):
    capture = cv2.VideoCapture(str(path))
    pictures = []
    while (picture := capture.read()[1]) is not None:
        pictures.append(picture)
    return pictures, capture.get(cv2.CAP_PROP_FPS)


def test_video_to_video(world, frames, energies, video, tmp_path, capsys):
    threshold = between(*energies)
    files = visualize(world.config, world.checkpoint, video, out=tmp_path / 'maps', threshold=threshold, codec='mp4v',
                      min_component=3)
    assert [path.name for path in files] == ['drive.mp4']
    assert sorted(path.name for path in (tmp_path / 'maps').iterdir()) == [
        'drive.mp4', 'drive_detections.jsonl', 'visualize.json']
    pictures, rate = read_video(files[0])
    assert (len(pictures), rate) == (12, 12.5)
    for picture, frame in zip(pictures, frames * 4, strict=True):
        assert picture.shape == (SIZE[0], 2 * SIZE[1], 3)  # the image and the overlay
        assert np.abs(picture[:, :SIZE[1]].astype(int) - cv2.imread(str(frame))).mean() < 30
    content = json.loads((tmp_path / 'maps/visualize.json').read_text())
    assert content['videos'] == {'drive.mp4': {'codec': 'mp4v', 'frames_per_second': 12.5, 'frames': 12}}
    assert content['detections'] == {'drive.mp4': {'file': 'drive_detections.jsonl'}}
    lines = [json.loads(line) for line in (tmp_path / 'maps/drive_detections.jsonl').read_text().splitlines()]
    for index, line in enumerate(lines):
        expected = detect_components(energies[index % 3], threshold, 3)[1]
        assert line['frame'] == index
        np.testing.assert_allclose([list(box.values()) for box in line['boxes']], expected, rtol=1e-5)
    assert len(lines) == 12
    printed = capsys.readouterr().out
    assert 'codec of videos: mp4v (MPEG-4 Part 2)' in printed
    assert '12 frames in ' in printed
    assert 'frames per second' in printed


def test_codec_that_stands_in_is_named(world, video, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr('mmseg_ood.apis.videos.can_write', lambda codec: codec == 'mp4v')
    visualize(world.config, world.checkpoint, video, out=tmp_path / 'maps')
    assert 'mp4v (MPEG-4 Part 2); this OpenCV cannot write H.264' in capsys.readouterr().out
    assert json.loads((tmp_path / 'maps/visualize.json').read_text())['videos']['drive.mp4']['codec'] == 'mp4v'


def test_missing_codec_stops_before_anything_is_written(world, video, tmp_path, monkeypatch):
    monkeypatch.setattr('mmseg_ood.apis.videos.can_write', lambda codec: codec == 'mp4v')
    with pytest.raises(ValueError, match='cannot write mp4 videos with codec avc1; it can with mp4v'):
        visualize(world.config, world.checkpoint, video, out=tmp_path / 'maps', codec='avc1')
    assert not (tmp_path / 'maps').exists()


def test_images_and_videos_together(draw, frames, video, tmp_path):
    shutil.copy(frames[0], tmp_path / 'drive.png')
    assert list(draw(f'{tmp_path}/drive.*', codec='mp4v', layout='overlay')) == ['drive.mp4', 'drive_2.png']
    assert cv2.imread(str(tmp_path / 'maps/drive_2.png')).shape == (*SIZE, 3)


@pytest.mark.parametrize(('layout', 'width'), [('overlay', 64), ('side-by-side', 128)])
def test_layouts(draw, frames, layout, width):
    assert draw(frames[0], layout=layout)['frame_0.png'].shape == (SIZE[0], width, 3)


def test_unknown_layout(draw, frames):
    with pytest.raises(ValueError, match="unknown layout 'mosaic', expected one of panels, overlay, side-by-side"):
        draw(frames[0], layout='mosaic')


def test_score_range_that_was_given(draw, frames, tmp_path):
    given, measured = draw(frames[0], score_range=(-30, 30)), draw(frames[0])
    assert (given['frame_0.png'] != measured['frame_0.png']).any()
    draw(frames[0], score_range=(-30, 30))
    content = json.loads((tmp_path / 'maps/visualize.json').read_text())
    assert (content['score_range'], content['score_range_from']) == ([-30, 30], 'given')


def test_broken_files_are_listed_and_the_others_done(draw, frames, tmp_path, capsys):
    (tmp_path / 'in').mkdir()
    shutil.copy(frames[0], tmp_path / 'in/good.png')
    (tmp_path / 'in/bad.png').write_bytes(frames[0].read_bytes()[:300])
    assert list(draw(tmp_path / 'in')) == ['good.png']
    content = json.loads((tmp_path / 'maps/visualize.json').read_text())
    assert content['files'] == ['good.png']
    assert [Path(failure['origin']).name for failure in content['failures']] == ['bad.png']
    error = capsys.readouterr().err
    assert '1 input could not be read:\n' in error
    assert 'bad.png cannot be read as an image' in error


def test_broken_file_on_the_command_line(world, frames, tmp_path, monkeypatch, capsys):
    (tmp_path / 'in').mkdir()
    shutil.copy(frames[0], tmp_path / 'in/good.png')
    (tmp_path / 'in/bad.png').write_bytes(b'')
    tool = Path(__file__).parents[2] / 'tools/visualize.py'
    monkeypatch.setattr('sys.argv', ['visualize.py', str(world.config), str(world.checkpoint), str(tmp_path / 'in'),
                                     '--out', str(tmp_path / 'maps'), '--layout', 'overlay', '--score-range', '-9',
                                     '-1.5'])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(tool), run_name='__main__')
    assert stopped.value.code == 1
    printed = capsys.readouterr()
    assert f'written: 1 picture in {tmp_path}/maps' in printed.out
    assert 'bad.png cannot be read as an image' in printed.err
    assert json.loads((tmp_path / 'maps/visualize.json').read_text())['score_range'] == [-9, -1.5]


def test_earlier_results_stay_without_force(world, frames, tmp_path):
    def draw(source, **kwargs):
        return visualize(world.config, world.checkpoint, source, out=tmp_path, **kwargs)

    (tmp_path / 'mine.txt').write_text('stays')
    draw(frames[0], threshold=-1.5)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for source in frames[:2]:
        with pytest.raises(FileExistsError, match=r'holds results already \(visualize.json.*--out, or .* --force'):
            draw(source)
    assert before == {path: path.read_bytes() for path in tmp_path.iterdir()}
    draw(frames[1], force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['frame_1.png', 'mine.txt', 'visualize.json']


def test_files_of_others_stay_without_force(world, frames, tmp_path):
    (tmp_path / 'frame_0.png').write_text('of another program')
    with pytest.raises(FileExistsError, match=r'holds results already \(frame_0.png\)'):
        visualize(world.config, world.checkpoint, frames[0], out=tmp_path)
    visualize(world.config, world.checkpoint, frames[1], out=tmp_path)
    assert (tmp_path / 'frame_0.png').read_text() == 'of another program'


def test_force_removes_no_inputs(world, frames, tmp_path):
    """Pictures of pictures: what was written before is now looked at."""
    first, = visualize(world.config, world.checkpoint, frames[0], out=tmp_path)
    content = first.read_bytes()
    second, = visualize(world.config, world.checkpoint, first, out=tmp_path, force=True)
    assert (first.name, second.name) == ('frame_0.png', 'frame_0_2.png')
    assert first.read_bytes() == content


@pytest.mark.parametrize('content', ['[]', 'no json', '{"files": ["../precious.txt", "gone.png"]}'])
def test_force_beside_foreign_descriptions(world, frames, tmp_path, content):
    (tmp_path / 'precious.txt').write_text('stays')
    (tmp_path / 'maps').mkdir()
    (tmp_path / 'maps/visualize.json').write_text(content)
    visualize(world.config, world.checkpoint, frames[0], out=tmp_path / 'maps', force=True)
    assert (tmp_path / 'precious.txt').read_text() == 'stays'
    assert json.loads((tmp_path / 'maps/visualize.json').read_text())['files'] == ['frame_0.png']


def test_a_mistake_leaves_earlier_results(world, draw, frames, tmp_path):
    draw(frames[0])
    before = {path: path.read_bytes() for path in (tmp_path / 'maps').iterdir()}
    (tmp_path / 'broken.png').write_bytes(b'')
    with pytest.raises(ValueError, match='no input could be read'):
        draw(tmp_path / 'broken.png')
    assert before == {path: path.read_bytes() for path in (tmp_path / 'maps').iterdir()}
