"""benchmark_metrics(): what it says it measured, on tiny frames. How long it took is nobody's to assert."""
import json
import os
import runpy
import stat
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import average_precision_score, roc_auc_score

from mmseg_ood.apis import benchmark
from mmseg_ood.apis.benchmark import benchmark_metrics, format_metrics, simulated_frame

SIZE = 64, 48
TOOL = Path(__file__).parents[2] / 'tools' / 'benchmark.py'


@pytest.fixture(scope='module')
def measured(tmp_path_factory):
    path = tmp_path_factory.mktemp('benchmark') / 'new' / 'metrics.json'
    return benchmark_metrics(frames=2, long=4, size=SIZE, out=path, seed=3), path


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs the tool in this process: exit status, stdout, stderr."""
    def run(*arguments):
        monkeypatch.setattr(sys, 'argv', ['benchmark.py', *map(str, arguments)])
        monkeypatch.delenv('MMSEG_OOD_TRACEBACK', raising=False)
        status = 0
        try:
            runpy.run_path(str(TOOL), run_name='__main__')
        except SystemExit as stop:
            status = stop.code
        return status, *capsys.readouterr()
    return run


def by_hand(frames):
    """All inliers and outliers of the frames, as scikit-learn wants them."""
    scores, labels = (np.concatenate([part.ravel() for part in column]) for column in zip(*frames, strict=True))
    return labels[labels != 255], scores[labels != 255]


def test_every_evaluator_has_its_run(measured):
    result, _ = measured
    assert [(run['evaluator'], run['frames']) for run in result['runs']] == [
        ('scikit-learn, all scores', 2), ('ScoreHistogram', 1), ('ScoreHistogram', 2), ('ScoreHistogram', 4),
        ('ComponentAccumulator', 2)]
    for run in result['runs']:
        assert run['seconds'] == pytest.approx(sum(map(sum, run['steps'].values())))
        assert run['seconds'] > 0
        assert run['seconds_per_frame'] == pytest.approx(run['seconds'] / run['frames'])
        assert run['memory_mb'] >= 0
        if 'update' in run['steps']:
            assert [len(run['steps'][name]) for name in ('update', 'summary')] == [run['frames'], 1]
    assert result['times_faster'] == result['runs'][0]['seconds'] / result['runs'][2]['seconds']
    assert result['size'] == [64, 48]
    assert {'python', 'torch', 'numpy', 'scikit-learn'} <= set(result['versions'])
    assert {'cpu', 'cores', 'system'} <= set(result['machine'])


def test_figures_are_those_of_the_frames(measured):
    result, _ = measured
    frames = [simulated_frame(index, SIZE, seed=3) for index in range(2)]
    for run in result['runs'][:-1]:
        labels, scores = by_hand([frames[index % 2] for index in range(run['frames'])])
        assert run['figures']['AP'] == pytest.approx(average_precision_score(labels, scores), abs=1e-5)
        assert run['figures']['AUROC'] == pytest.approx(roc_auc_score(labels, scores), abs=1e-5)
        assert run['figures']['num_outlier'] == labels.sum()
        assert run['figures']['num_inlier'] == len(labels) - labels.sum()


def test_evaluators_agree(measured):
    """Where both had the same frames, be they repeated; there is nothing to compare the others with."""
    result, _ = measured
    all_scores, one, two, four, components = result['runs']
    for run in (two, four):
        assert 0 <= run['difference'] <= 1e-5
        assert run['difference'] == max(abs(run['figures'][name] - all_scores['figures'][name])
                                        for name in ('AP', 'AUROC', 'FPR95', 'best_F1'))
    assert all_scores['difference'] is one['difference'] is components['difference'] is None


def test_evaluators_saw_the_same_frames(measured):
    result, _ = measured
    for run in result['runs']:
        crc32 = 0
        for index in range(run['frames']):
            for array in simulated_frame(index % 2, SIZE, seed=3):
                crc32 = zlib.crc32(array, crc32)
        assert run['frames_crc32'] == crc32
    assert len({run['frames_crc32'] for run in result['runs'] if run['frames'] == 2}) == 1


def test_file_holds_the_result(measured):
    result, path = measured
    assert json.loads(path.read_text(encoding='utf-8')) == result


def test_text(measured):
    result, _ = measured
    text = format_metrics(result)
    assert 'Simulated frames of 48 x 64 px' in text
    assert 'Runs of more than 2 frames repeat these 2.' in text
    for run in result['runs']:
        assert run['evaluator'] in text
    assert f'{result["runs"][2]["figures"]["AP"]:.6f}' in text
    assert f'{1000 * np.median(result["runs"][3]["steps"]["update"]):.1f}' in text


@pytest.mark.parametrize(('faster', 'less', 'line'), [
    (123.4, 21.6, '123 times faster, 22 times less memory (2 frames)'),
    (9.87, 0.5, '9.9 times faster, 0.5 times less memory (2 frames)'),
    (2.0, None, '2.0 times faster, (not measured) times less memory (2 frames)'),
])
def test_last_line(measured, faster, less, line):
    text = format_metrics({**measured[0], 'times_faster': faster, 'times_less_memory': less})
    assert text.splitlines()[-1] == line


def test_text_without_a_long_run_and_without_memory(measured):
    runs = [{**run, 'memory_mb': None} for run in measured[0]['runs'] if run['frames'] <= 2]
    text = format_metrics({**measured[0], 'runs': runs})
    assert 'repeat' not in text
    assert 'None' not in text


def test_simulated_frames():
    """Shares of the labels, patches large enough to be components, distributions that overlap."""
    scores, labels = simulated_frame(0, (256, 512))
    assert (scores.dtype, labels.dtype) == (np.float32, np.uint8)
    assert scores.shape == labels.shape == (256, 512)
    assert set(np.unique(labels)) == {0, 1, 255}
    assert (labels == 255).mean() == pytest.approx(0.10, abs=1e-3)
    assert (labels == 1).sum() / (labels != 255).sum() == pytest.approx(0.02, abs=1e-3)
    patches, number = ndimage.label(labels == 1)
    assert 2 <= number <= 60
    assert np.bincount(patches.ravel())[1:].max() >= 100
    assert np.abs(np.diff(scores[labels == 0].reshape(1, -1))).mean() < 0.5 * scores[labels == 0].std()
    assert 0.9 < roc_auc_score(*by_hand([(scores, labels)])) < 0.999


def test_simulated_frames_differ_by_index_and_seed_alone():
    first, again, index, seed = (simulated_frame(*arguments)[0]
                                 for arguments in ((0, SIZE), (0, SIZE), (1, SIZE), (0, SIZE, 1)))
    np.testing.assert_array_equal(first, again)
    assert (first != index).mean() > 0.99
    assert (first != seed).mean() > 0.99


@pytest.mark.parametrize('size', [(16, 16), (16, 1000), (999, 17)])
def test_smallest_and_uneven_frames(size):
    scores, labels = simulated_frame(0, size)
    assert scores.shape == labels.shape == size
    assert {0, 1} < set(np.unique(labels))


@pytest.mark.skipif(sys.platform != 'linux', reason='elsewhere the maximum cannot be set back')
def test_memory_is_the_largest_since_the_start():
    measurement = benchmark.Measurement()
    before = np.ones(20_000_000)  # 160 MB that do not count, neither does what was freed before
    del before
    frame = np.ones(5_000_000)
    measurement.start()
    with measurement.step('update'):
        needed = np.ones(10_000_000)
        del needed
    assert measurement.result('', 1, {})['memory_mb'] == pytest.approx(80, abs=8)
    assert frame.sum() == 5_000_000


def test_undefined_figures_are_left_out():
    assert benchmark.Measurement().result('', 1, {'PPV': float('nan'), 'F1': 0.0})['figures'] == {'F1': 0.0}


@pytest.mark.parametrize(('arguments', 'message'), [
    (dict(frames=0), 'frames must be at least 1, found 0'),
    (dict(long=-1), 'long must not be negative, found -1'),
    (dict(size=(1024, 8)), 'size must be at least 16 x 16 px, found 1024 x 8'),
    (dict(size=(0, 64)), 'size must be at least 16 x 16 px, found 0 x 64'),
])
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        benchmark_metrics(**arguments)


@pytest.mark.skipif(sys.platform == 'win32', reason='needs a shell script as interpreter')
def test_an_evaluator_that_fails_is_named(monkeypatch, tmp_path):
    python = tmp_path / 'python'
    python.write_text('#!/bin/sh\necho no memory left >&2\nexit 3\n')
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(benchmark.sys, 'executable', str(python))
    with pytest.raises(ChildProcessError, match='scikit-learn, all scores, frames: 1: the process ended with status 3: '
                                                'no memory left'):
        benchmark_metrics(frames=1, long=0, size=SIZE, out=tmp_path / 'metrics.json')
    assert not (tmp_path / 'metrics.json').exists()


def test_tool(command, monkeypatch, measured, tmp_path):
    given = []
    monkeypatch.setattr(benchmark, 'benchmark_metrics', lambda *arguments: given.extend(arguments) or measured[0])
    status, output, _ = command('metrics', '--frames', 2, '--long', 0, '--size', '64x48', '--out', tmp_path / 'm.json')
    assert status == 0
    assert given == [2, 0, (64, 48), str(tmp_path / 'm.json')]
    assert output == f'{format_metrics(measured[0])}\nwritten: {tmp_path / "m.json"}\n'


@pytest.mark.parametrize(('arguments', 'message'), [
    ([], 'the following arguments are required: COMMAND'),
    (['speed'], "invalid choice: 'speed'"),
    (['metrics', '--size', '1024'], "argument --size: expected HxW, such as 1024x2048, found '1024'"),
    (['metrics', '--size', '-4x8'], "argument --size: expected"),
    (['metrics', '--frames', 'ten'], "argument --frames: invalid int value: 'ten'"),
    (['metrics', '--frames', '0'], 'error: frames must be at least 1, found 0'),
    (['metrics', '--size', '8x8'], 'error: size must be at least 16 x 16 px, found 8 x 8'),
])
def test_mistakes_are_one_line(command, arguments, message):
    status, output, error = command(*arguments)
    assert (status, output) == (2, '')
    assert message in error
    assert 'Traceback' not in error


@pytest.mark.parametrize('arguments', [['--help'], ['metrics', '--help'], ['metrics', '--size', '3']])
def test_help_and_mistakes_need_none_of_the_stack(arguments):
    code = ('import runpy, sys\n'
            'sys.modules.update(dict.fromkeys(("torch", "numpy", "cv2", "mmengine", "sklearn", "rich")))\n'
            'sys.argv = sys.argv[1:]\n'
            'runpy.run_path(sys.argv[0], run_name="__main__")')
    result = subprocess.run([sys.executable, '-c', code, TOOL, *arguments], capture_output=True, text=True,
                            check=False, env={**os.environ, 'PYTHONPATH': str(TOOL.parents[1])})
    assert result.returncode == (0 if '--help' in arguments else 2), result.stderr
    assert 'usage: benchmark.py' in result.stdout + result.stderr
