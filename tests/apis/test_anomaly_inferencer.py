"""AnomalyInferencer: what goes in, what comes out, and what is refused."""
import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.infer import BaseInferencer
from PIL import Image

from mmseg_ood.apis import evaluate
from mmseg_ood.apis.anomaly_inferencer import AnomalyInferencer
from mmseg_ood.apis.anomaly_result import ScoreRange
from mmseg_ood.apis.thresholds import Threshold


@pytest.fixture
def build(world):
    def built(**kwargs):
        return AnomalyInferencer(world.config, world.checkpoint, show_progress=False, **kwargs)
    return built


@pytest.fixture
def frames(world):
    return sorted((world.benchmark / 'images').iterdir())


@pytest.fixture
def logits(world, frames):
    """Logits (3, H, W) of each frame by hand."""
    segmentor = world.segmentor()
    return [world.logits(segmentor, frame).numpy() for frame in frames]


def energy_of(logits):
    return -np.log(np.exp(logits).sum(0))


@pytest.fixture
def video(tmp_path, frames):
    path = tmp_path / 'drive.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'FFV1'), 10, (64, 32))  # lossless
    for index in range(12):
        writer.write(cv2.imread(str(frames[index % 3])))
    writer.release()
    return path


def test_an_image(build, frames, logits):
    inferencer = build()
    assert isinstance(inferencer, BaseInferencer)
    result, = inferencer(str(frames[0]))
    np.testing.assert_allclose(result.anomaly_map, energy_of(logits[0]), rtol=1e-5)
    assert result.anomaly_map.dtype == np.float32
    assert result.energy is result.anomaly_map
    np.testing.assert_array_equal(result.prediction, logits[0].argmax(0))
    np.testing.assert_array_equal(result.image, cv2.imread(str(frames[0]))[..., ::-1])
    assert (result.name, result.origin, result.score_name) == ('frame_0', str(frames[0]), 'energy')
    assert result.classes == ('road', 'car', 'sky')
    assert result.palette.tolist() == [[128, 64, 128], [0, 0, 142], [70, 130, 180]]
    assert result.threshold is result.mask is result.detections is result.ground_truth is None


def test_energy_goes_with_every_score(build, frames, logits):
    result, = build(score='energy:temperature=2')(frames[1])
    np.testing.assert_allclose(result.anomaly_map, 2 * energy_of(logits[1] / 2), rtol=1e-5)
    np.testing.assert_allclose(result.energy, energy_of(logits[1]), rtol=1e-5)
    result, = build(score='energy:smoothing')(frames[1])
    np.testing.assert_allclose(result.energy, energy_of(logits[1]), rtol=1e-5)


def test_energy_is_that_of_all_inlier_classes(build, frames, logits):
    result, = build(score='energy:num_classes=2')(frames[1])
    np.testing.assert_allclose(result.anomaly_map, energy_of(logits[1][:2]), rtol=1e-5)
    np.testing.assert_allclose(result.energy, energy_of(logits[1]), rtol=1e-5)


def test_further_channels_are_no_classes(build, frames, logits):
    result, = build(cfg_options=dict(num_inlier_classes=2), score='msp')(frames[0])
    np.testing.assert_allclose(result.energy, energy_of(logits[0][:2]), rtol=1e-5)
    np.testing.assert_array_equal(result.prediction, logits[0][:2].argmax(0))
    assert len(result.classes) == len(result.palette) == 2


def test_all_kinds_of_inputs_give_the_same(build, frames, video, world):
    inferencer = build()
    expected, = inferencer(frames[1])
    bgr = cv2.imread(str(frames[1]))
    for inputs in (bgr, [bgr], iter([bgr]), frames[1:2], f'{frames[1].parent}/*_1.png', np.uint16(bgr) * 257,
                   np.dstack([bgr, bgr[..., :1]])):
        result, = inferencer(inputs)
        np.testing.assert_array_equal(result.anomaly_map, expected.anomaly_map)
        np.testing.assert_array_equal(result.image, expected.image)
    for inputs in (frames[1].parent, world.benchmark_argument, video):
        np.testing.assert_array_equal(inferencer(inputs)[1].anomaly_map, expected.anomaly_map)
    result, = build(color_order='rgb')(bgr[..., ::-1])
    np.testing.assert_array_equal(result.anomaly_map, expected.anomaly_map)


def test_network_and_eye_see_the_same_orientation(build, frames, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # one sees it turned clockwise
    Image.open(frames[0]).save(tmp_path / 'photo.png', exif=exif)
    turned = np.rot90(cv2.imread(str(frames[0])), -1)
    (photo,), (array,) = build()(tmp_path / 'photo.png'), build()(np.ascontiguousarray(turned))
    assert photo.anomaly_map.shape == (64, 32)
    np.testing.assert_array_equal(photo.image, turned[..., ::-1])
    np.testing.assert_array_equal(photo.anomaly_map, array.anomaly_map)


def test_benchmarks_bring_their_ground_truth(build, world):
    values = cv2.imread(str(world.benchmark / 'labels_masks/frame_2.png'), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(build()(world.benchmark_argument)[2].ground_truth, np.where(values == 1, 254, values))


@pytest.mark.parametrize('batch_size', [2, 3, 5])
def test_batches_of_one_size(build, frames, batch_size):
    """Frames of other sizes in between go into batches of their own."""
    other = cv2.imread(str(frames[0]))[:, :48]
    inputs = [frames[0], frames[1], frames[2], other, other, frames[0]]
    inferencer = build()
    seen = []
    forward = inferencer.forward
    inferencer.forward = lambda batch: seen.append(len(batch['inputs'])) or forward(batch)
    together, alone = inferencer(inputs, batch_size=batch_size), build()(inputs)
    assert seen == {2: [2, 1, 2, 1], 3: [3, 2, 1], 5: [3, 2, 1]}[batch_size]
    assert [result.name for result in together] == [result.name for result in alone]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.anomaly_map, other.anomaly_map, rtol=1e-4)
        np.testing.assert_array_equal(one.image, other.image)


def test_batch_size_is_checked(build, frames):
    with pytest.raises(ValueError, match='batch_size must be at least 1, found 0'):
        build()(frames, batch_size=0)


def test_streams_are_lazy(build, frames):
    """An endless input: no more is read than was asked for."""
    read = []

    def camera():
        while True:
            read.append(1)
            yield cv2.imread(str(frames[len(read) % 3]))

    stream = build().stream(camera(), batch_size=2)
    assert [next(stream).name for _ in range(4)] == [f'array_{index:06d}' for index in range(4)]
    assert len(read) == 4


def test_results_of_a_call_share_their_colours(build, frames):
    inferencer = build()
    results = inferencer(frames)
    expected = ScoreRange.of(result.anomaly_map for result in results)
    assert [result.score_range for result in results] == [expected] * 3
    assert inferencer.score_range is None  # the next call measures its own
    assert [result.score_range for result in inferencer.stream(frames)] == [None] * 3
    assert inferencer.fit_score_range(frames) == expected
    assert [result.score_range for result in inferencer.stream(frames)] == [expected] * 3
    assert build(score_range=(-3, 2))(frames[0])[0].score_range == (-3, 2, 'given')


def test_score_range_is_measured_on_frames_spread_over_a_video(build, video, frames):
    inferencer = build()
    chosen = [index % 3 for index in (0, 1, 3, 4, 6, 7, 9, 11)]
    maps = [result.anomaly_map for result in inferencer(frames)]
    assert inferencer.fit_score_range(video)[:2] == pytest.approx(
        np.quantile(np.concatenate([maps[index].ravel() for index in chosen]), (0.01, 0.995)), rel=1e-5)


def test_score_range_passes_over_broken_files(build, frames, tmp_path):
    inferencer = build()
    for index in range(9):
        (tmp_path / f'{index}.png').write_bytes(b'no image')
    shutil.copy(frames[0], tmp_path / '1_good.png')  # the third of ten, not among the eight that are looked at
    expected = ScoreRange.of([inferencer(frames[0])[0].anomaly_map])
    assert inferencer.fit_score_range(tmp_path) == expected
    with pytest.raises(ValueError, match='no input could be read: .*8.png cannot be read as an image'):
        inferencer.fit_score_range(tmp_path / '8.png')


def test_score_range_is_checked(build):
    with pytest.raises(ValueError, match=r'score_range must go from low to high, found \(2, 2\)'):
        build(score_range=(2, 2))


def test_broken_files_are_listed_and_the_others_done(build, frames, tmp_path, capsys):
    for name in ('a.png', 'c.png'):
        shutil.copy(frames[0], tmp_path / name)
    (tmp_path / 'b.png').write_bytes(frames[0].read_bytes()[:500])
    (tmp_path / 'd.jpg').write_bytes(b'')
    results = build()(tmp_path)
    assert [result.name for result in results] == ['a', 'c']
    assert [Path(failure.origin).name for failure in results.failures] == ['b.png', 'd.jpg']
    listed = capsys.readouterr().err.splitlines()[-3:]
    assert listed[0] == '2 inputs could not be read:'
    assert 'b.png cannot be read as an image' in listed[1]
    assert 'd.jpg cannot be read as an image' in listed[2]


def test_a_stream_stops_at_a_broken_file_unless_it_may_go_on(build, frames, tmp_path):
    (tmp_path / 'b.png').write_bytes(b'no image')
    inputs = [frames[0], tmp_path / 'b.png', frames[1]]
    stream = build().stream(inputs)
    assert next(stream).name == 'frame_0'
    with pytest.raises(ValueError, match='b.png cannot be read as an image'):
        next(stream)
    failures = []
    assert [result.name for result in build().stream(inputs, failures=failures)] == ['frame_0', 'frame_1']
    assert [failure.origin for failure in failures] == [str(tmp_path / 'b.png')]


def test_nothing_can_be_read(build, tmp_path):
    (tmp_path / 'b.png').write_bytes(b'no image')
    with pytest.raises(ValueError, match='no input could be read: .*b.png cannot be read as an image: incomplete'):
        build()(tmp_path)


def test_a_webcam_has_no_end(build):
    with pytest.raises(ValueError, match=r'a webcam has no end: use stream\(\)'):
        build()(7)
    with pytest.raises(ValueError, match='webcam 7 cannot be read as a video'):
        next(build().stream(7))


def test_files(build, frames, tmp_path):
    inferencer = build(threshold=-1.5)
    results = inferencer(frames, save_dir=tmp_path / 'maps', formats=['png', 'hdf5'])
    expected = [f'frame_{index}{suffix}' for index in range(3) for suffix in ('.hdf5', '.png', '_mask.png')]
    assert sorted(path.name for path in (tmp_path / 'maps').iterdir()) == expected
    picture = cv2.imread(str(tmp_path / 'maps/frame_1.png'))
    np.testing.assert_array_equal(picture[..., ::-1], results[1].draw())


def test_files_are_not_replaced_by_accident(build, frames, tmp_path):
    inferencer = build()
    inferencer(frames[1], save_dir=tmp_path, formats=['npz'])
    inferencer.forward = None  # it is noticed before anything is computed
    with pytest.raises(FileExistsError, match=r'holds 1 of the files already \(frame_1.npz, ...\).*force=True'):
        inferencer(frames, save_dir=tmp_path, formats=['png', 'npz'])
    assert [path.name for path in tmp_path.iterdir()] == ['frame_1.npz']
    build()(frames, save_dir=tmp_path, formats=['npz'], force=True)
    assert len(list(tmp_path.iterdir())) == 3


def test_files_never_replace_inputs(build, frames, tmp_path):
    shutil.copy(frames[0], tmp_path / 'a.png')
    before = (tmp_path / 'a.png').read_bytes()
    result, = build()(tmp_path, save_dir=tmp_path, force=True)
    assert result.name == 'a_2'
    assert (tmp_path / 'a.png').read_bytes() == before


def test_thresholds(build, world, frames, tmp_path):
    results = tmp_path / 'results.json'
    evaluate(world.config, world.checkpoint, [world.benchmark_argument], ['energy'], tmp_path,
             cfg_options=dict(test_evaluator=None))
    points = json.loads(results.read_text())['results'][0]['operating_points']
    inferencer = build(threshold=results, operating_point='TPR95')
    result, = inferencer(frames[0])
    assert result.threshold == points['TPR95']['threshold']
    np.testing.assert_array_equal(result.mask, result.anomaly_map >= np.float32(result.threshold))
    inferencer.threshold = -1.5
    assert inferencer(frames[0])[0].threshold == -1.5
    inferencer.threshold = str(results)
    assert inferencer.threshold.value == points['best_F1']['threshold']
    inferencer.threshold = None
    assert inferencer(frames[0])[0].mask is None


def test_threshold_of_inlier_frames(build, frames):
    inferencer = build()
    chosen = inferencer.fit_threshold(frames, quantile=0.9)
    assert inferencer.threshold == chosen
    assert chosen.description == '0.9 quantile of energy on 3 frames of inlier frames'
    scores = np.concatenate([result.anomaly_map.ravel() for result in inferencer(frames)])
    assert (scores < chosen.value).mean() >= 0.9 > (scores < scores[scores < chosen.value].max()).mean()
    assert sum(result.mask.sum() for result in inferencer(frames)) == (scores >= np.float32(chosen.value)).sum()


def test_threshold_of_the_inliers_of_a_benchmark(build, world):
    inferencer = build()
    chosen = inferencer.fit_threshold(world.benchmark_argument, quantile=0.8)
    inliers = np.concatenate([result.anomaly_map[result.ground_truth == 0]
                              for result in inferencer(world.benchmark_argument)])
    assert (inliers < chosen.value).mean() >= 0.8 > (inliers < inliers[inliers < chosen.value].max()).mean()
    assert chosen.description.endswith(f'on 3 frames of {world.benchmark_argument}')


@pytest.mark.parametrize('quantile', [0, 1, 95])
def test_quantile_is_checked(build, frames, quantile):
    with pytest.raises(ValueError, match=rf'quantile must be in \(0, 1\), found {quantile}'):
        build().fit_threshold(frames, quantile=quantile)


def test_threshold_of_an_unreadable_frame(build, frames, tmp_path):
    (tmp_path / 'b.png').write_bytes(b'no image')
    with pytest.raises(ValueError, match='b.png cannot be read as an image'):
        build().fit_threshold([*frames, tmp_path / 'b.png'])


def test_a_threshold_object_is_taken_as_it_is(build):
    assert build(threshold=Threshold(1.0, 'mine')).threshold == (1.0, 'mine')


def test_malicious_checkpoint(world, malicious):
    checkpoint, executed = malicious
    with pytest.raises(ValueError, match=r'malicious.pth'):
        AnomalyInferencer(world.config, checkpoint)
    assert not executed.exists()


def test_scores_that_are_not_finite(world, frames, tmp_path):
    content = torch.load(world.checkpoint)
    content['state_dict']['decode_head.conv_seg.bias'][1] = float('nan')
    torch.save(content, tmp_path / 'broken.pth')
    with pytest.raises(ValueError, match=rf'{frames[0]}: 2048 of 2048 scores are not finite'):
        AnomalyInferencer(world.config, tmp_path / 'broken.pth')(frames[0])


@pytest.mark.parametrize(('kwargs', 'message'), [
    (dict(color_order='hsv'), "color_order must be bgr or rgb, found 'hsv'"),
    (dict(score='enrgy'), "unknown score 'enrgy'"), (dict(threshold=float('nan')), 'threshold must be finite'),
])
def test_wrong_arguments(build, kwargs, message):
    with pytest.raises(ValueError, match=message):
        build(**kwargs)


def test_pictures_of_results(build, frames):
    inferencer = build()
    results = inferencer(frames[:2])
    pictures = inferencer.visualize(frames[:2], results)
    np.testing.assert_array_equal(pictures[1], results[1].draw())


def test_two_lines_in_a_fresh_interpreter(world, frames):
    code = f'''
from mmseg_ood.apis.anomaly_inferencer import AnomalyInferencer
result, = AnomalyInferencer({str(world.config)!r}, {str(world.checkpoint)!r})({str(frames[0])!r})
print(result)'''
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "AnomalyResult('frame_0', 64x32, energy" in done.stdout
