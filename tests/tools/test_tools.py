"""The command lines: help at once, mistakes in one line, and each command once from end to end."""
import json
import os
import runpy
import subprocess
import sys
import time
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / 'tools'
NAMES = ('train', 'evaluate', 'visualize', 'estimate_prior', 'measure_statistics', 'sweep', 'compare', 'benchmark')
NO_TEST_SET = ('--cfg-options', 'test_evaluator=None')

# What --help must not wait for.
HELP_WITHOUT_THE_STACK = '''
import runpy, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {'torch', 'mmseg', 'mmengine', 'mmcv', 'numpy', 'cv2', 'matplotlib'}:
            raise ImportError(name + ' is blocked')

sys.meta_path.insert(0, Blocker())
for tool in sys.argv[1:]:
    sys.argv = [tool, '--help']
    try:
        runpy.run_path(tool, run_name='__main__')
    except SystemExit as stop:
        assert stop.code == 0, tool
'''


# Time enough to kill the process between two frames.
SLOW_TRANSFORM = """
from time import sleep
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS
@TRANSFORMS.register_module()
class Sleep(BaseTransform):
    def transform(self, results):
        sleep(0.5)
        return results
"""
SLOW_BENCHMARK = """
custom_imports = dict(imports=['slow_transform'], allow_failed_imports=False)
benchmark_pipeline = [dict(type='LoadImageFromFile'), dict(type='Sleep'), dict(type='LoadAnnotations'),
                      dict(type='PackSegInputs')]
"""
ENVIRONMENT = {**os.environ, 'PYTHONPATH': str(TOOLS.parent), 'OMP_NUM_THREADS': '1'}


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs a tool in this process: exit status, stdout, stderr."""
    def run(name, *arguments):
        monkeypatch.setattr(sys, 'argv', [f'{name}.py', *map(str, arguments)])
        monkeypatch.delenv('MMSEG_OOD_TRACEBACK', raising=False)
        status = 0
        try:
            runpy.run_path(str(TOOLS / f'{name}.py'), run_name='__main__')
        except SystemExit as stop:
            status = stop.code
        return status, *capsys.readouterr()
    return run


def test_help_needs_none_of_the_stack():
    result = subprocess.run([sys.executable, '-c', HELP_WITHOUT_THE_STACK, *(TOOLS / f'{name}.py' for name in NAMES)],
                            capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count('usage:') == len(NAMES)


@pytest.mark.parametrize('name', NAMES)
def test_missing_arguments(command, name):
    status, _, error = command(name)
    assert status == 2
    assert 'the following arguments are required: ' in error


@pytest.mark.parametrize(('name', 'arguments', 'message'), [
    ('train', ['c.py', '--launcher', 'mpi'], "--launcher: invalid choice: 'mpi'"),
    ('evaluate', ['c.py', 'c.pth', '--cfg-options', 'max_iters'], "expected KEY=VALUE, found 'max_iters'"),
    ('estimate_prior', ['c.py', 'c.pth', '--num-images', 'many'], "--num-images: invalid int value: 'many'"),
    ('measure_statistics', ['c.py', 'c.pth', '--num-images', 'many'], "--num-images: invalid int value: 'many'"),
    ('visualize', ['c.py', 'c.pth'], 'the following arguments are required: input'),
    ('evaluate', ['c.py'], 'the following arguments are required: config, checkpoint (or --maps)'),
    ('evaluate', ['c.py', 'c.pth', '--fpr-rule', 'last'], "--fpr-rule: invalid choice: 'last'"),
])
def test_wrong_arguments(command, name, arguments, message):
    status, _, error = command(name, *arguments)
    assert status == 2
    assert message in error


@pytest.mark.parametrize(('name', 'arguments'), [
    ('train', []), ('evaluate', ['c.pth']), ('visualize', ['c.pth', 'x.png']), ('estimate_prior', ['c.pth']),
    ('measure_statistics', ['c.pth']), ('sweep', ['--grid', 'alpha=0', '--benchmark', 'mini-street']),
])
def test_missing_config_is_one_line(command, name, arguments):
    status, output, error = command(name, 'no.py', *arguments)
    assert status == 2
    assert output == ''
    assert error.splitlines()[0] == 'error: config no.py does not exist'
    assert 'Traceback' not in error


def evaluate_arguments(world, out, *further):
    return [TOOLS / 'evaluate.py', world.config, world.checkpoint, '--benchmark', world.benchmark_argument, '--score',
            'energy', 'msp', '--out', out, *further]


def figures_in(out):
    """Everything in results.json that must not depend on how the command was run."""
    rows = json.loads((out / 'results.json').read_text())['results']
    return [{key: value for key, value in row.items() if key != 'seconds'} for row in rows]


@pytest.fixture(scope='module')
def evaluated_alone(world, tmp_path_factory):
    out = tmp_path_factory.mktemp('alone')
    result = subprocess.run([sys.executable, *evaluate_arguments(world, out)], capture_output=True, text=True,
                            check=False, env=ENVIRONMENT)
    assert result.returncode == 0, result.stderr
    return out, result.stdout


def test_evaluate_in_a_process_of_its_own(evaluated_alone):
    out, output = evaluated_alone
    content = json.loads((out / 'results.json').read_text())
    assert [row.get('score') for row in content['results']] == [None, 'energy', 'msp']
    assert content['provenance']['command'].startswith('evaluate.py ')
    assert f'{content["results"][1]["AP"]:.2f}' in output
    assert (out / 'results.csv').is_file()
    assert 'Could not import' not in output


def test_two_processes_give_the_same_figures_bit_for_bit(world, evaluated_alone, tmp_path):
    """The benchmark has three frames."""
    result = subprocess.run(
        [sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node', '2', '--standalone',
         *evaluate_arguments(world, tmp_path, '--launcher', 'pytorch', '--save-maps', 'float32')],
        capture_output=True, text=True, check=False, env=ENVIRONMENT)
    assert result.returncode == 0, result.stderr
    assert figures_in(tmp_path) == figures_in(evaluated_alone[0])
    assert (tmp_path / 'frames.csv').read_bytes() == (evaluated_alone[0] / 'frames.csv').read_bytes()
    assert result.stdout.count('| mini-street') == 2  # one process prints
    assert len(list(tmp_path.glob('anomaly_p/*/mini-street/frame_*.npy'))) == 6  # each process its own frames


def test_killed_in_the_middle_and_resumed(world, evaluated_alone, tmp_path):
    slow = tmp_path / 'slow.py'
    slow.write_text(world.config.read_text() + SLOW_BENCHMARK)
    (tmp_path / 'slow_transform.py').write_text(SLOW_TRANSFORM)
    environment = {**ENVIRONMENT, 'PYTHONPATH': f'{TOOLS.parent}{os.pathsep}{tmp_path}'}
    out = tmp_path / 'out'
    arguments = [slow if argument == world.config else argument for argument in evaluate_arguments(world, out)]
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env=environment)
    maps = out / 'unfinished' / 'mini-street' / 'msp'
    while not list(maps.glob('[0-9]*.npy')):
        assert process.poll() is None, 'ended before it could be killed'
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert len(list(maps.glob('[0-9]*.npy'))) < 3
    assert not (out / 'results.json').exists()
    result = subprocess.run([sys.executable, *arguments, '--resume'], capture_output=True, text=True, check=False,
                            env=environment)
    assert result.returncode == 0, result.stderr
    assert 'of 3 frames were there' in result.stdout
    assert figures_in(out) == figures_in(evaluated_alone[0])


def test_evaluate_saved_maps(world, command, tmp_path):
    status, _, error = command('evaluate', *evaluate_arguments(world, tmp_path / 'a', '--save-maps', 'float32',
                                                               *NO_TEST_SET)[1:])
    assert status == 0, error
    folder = tmp_path / 'a' / 'anomaly_p' / 'msp'
    status, output, error = command('evaluate', '--maps', folder, '--benchmark', world.benchmark_argument)
    assert status == 0, error
    rows = json.loads((tmp_path / 'a' / 'anomaly_p' / 'evaluation' / 'results.json').read_text())['results']
    expected, = (row for row in figures_in(tmp_path / 'a') if row['score'] == 'msp')
    assert rows[0]['AP'] == expected['AP']
    assert f'{expected["AP"]:.2f}' in output


def test_evaluate_writes_beside_the_checkpoint(world, command):
    status, output, _ = command('evaluate', world.config, world.checkpoint, '--benchmark', world.benchmark_argument,
                                *NO_TEST_SET)
    assert status == 0
    assert (world.root / 'evaluation/results.json').is_file()
    assert f'written: {world.root / "evaluation"}' in output


def test_unknown_benchmark_lists_all(world, command):
    status, _, error = command('evaluate', world.config, world.checkpoint, '--benchmark', 'x')
    assert status == 2
    assert "error: unknown benchmark 'x', expected one of fishyscapes-lost-and-found, fishyscapes-static" in error


def test_visualize(world, command, tmp_path):
    status, output, _ = command('visualize', world.config, world.checkpoint, world.benchmark / 'images', '--score',
                                'msp', '--out', tmp_path)
    assert status == 0
    assert f'written: 3 pictures in {tmp_path}' in output
    assert len(list(tmp_path.glob('*.png'))) == 3


def test_estimate_prior(world, command, tmp_path):
    status, output, _ = command('estimate_prior', world.config, world.checkpoint, '--num-images', 4, '--out',
                                tmp_path / 'prior.json')
    assert status == 0
    prior = json.loads((tmp_path / 'prior.json').read_text())['prior']
    for name, share in zip(('road', 'car', 'sky'), prior, strict=True):
        assert f'{share:7.4f}  {name}' in output
    assert 'energy of outliers' in output


def test_measure_statistics_and_the_score_that_needs_them(world, command, tmp_path):
    status, _, error = command('evaluate', *evaluate_arguments(world, tmp_path, '--score', 'sml')[1:])
    assert status == 2
    assert 'tools/measure_statistics.py' in error
    checkpoint = tmp_path / 'copy.pth'
    checkpoint.write_bytes(world.checkpoint.read_bytes())
    status, output, error = command('measure_statistics', world.config, checkpoint)
    assert status == 0, error
    assert f'written: {tmp_path / "copy.statistics.json"}' in output
    status, _, error = command('evaluate', world.config, checkpoint, '--benchmark', world.benchmark_argument,
                               '--score', 'sml', *NO_TEST_SET)
    assert status == 0, error
    row, = json.loads((tmp_path / 'evaluation/results.json').read_text())['results']
    assert row['score'] == 'sml'


def test_train(world, command, tmp_path):
    status, _, error = command('train', world.config, '--work-dir', tmp_path, '--cfg-options',
                               'train_cfg.max_iters=1', 'experiment_name=tool')
    assert status == 0, error
    assert (tmp_path / 'iter_1.pth').is_file()
