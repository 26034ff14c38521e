"""The command lines: help at once, mistakes in one line, and each command once from end to end."""
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / 'tools'
NAMES = ('train', 'evaluate', 'visualize', 'estimate_prior')
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
    assert 'the following arguments are required: config' in error


@pytest.mark.parametrize(('name', 'arguments', 'message'), [
    ('train', ['c.py', '--launcher', 'mpi'], "--launcher: invalid choice: 'mpi'"),
    ('evaluate', ['c.py', 'c.pth', '--cfg-options', 'max_iters'], "expected KEY=VALUE, found 'max_iters'"),
    ('estimate_prior', ['c.py', 'c.pth', '--num-images', 'many'], "--num-images: invalid int value: 'many'"),
    ('visualize', ['c.py', 'c.pth'], 'the following arguments are required: input'),
])
def test_wrong_arguments(command, name, arguments, message):
    status, _, error = command(name, *arguments)
    assert status == 2
    assert message in error


@pytest.mark.parametrize(('name', 'arguments'), [
    ('train', []), ('evaluate', ['c.pth']), ('visualize', ['c.pth', 'x.png']), ('estimate_prior', ['c.pth']),
])
def test_missing_config_is_one_line(command, name, arguments):
    status, output, error = command(name, 'no.py', *arguments)
    assert status == 2
    assert output == ''
    assert error.splitlines()[0] == 'error: config no.py does not exist'
    assert 'Traceback' not in error


def test_evaluate_in_a_process_of_its_own(world, tmp_path):
    result = subprocess.run(
        [sys.executable, TOOLS / 'evaluate.py', world.config, world.checkpoint, '--benchmark',
         world.benchmark_argument, '--score', 'energy', 'msp', '--out', tmp_path / 'out', *NO_TEST_SET],
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(TOOLS.parent), 'OMP_NUM_THREADS': '1'})
    assert result.returncode == 0, result.stderr
    content = json.loads((tmp_path / 'out/results.json').read_text())
    assert [row['score'] for row in content['results']] == ['energy', 'msp']
    assert content['provenance']['command'].startswith('evaluate.py ')
    assert f'{content["results"][0]["AP"]:.2f}' in result.stdout
    assert (tmp_path / 'out/results.csv').is_file()
    assert 'Could not import' not in result.stdout


def test_evaluate_writes_beside_the_checkpoint(world, command):
    status, output, _ = command('evaluate', world.config, world.checkpoint, '--benchmark', world.benchmark_argument,
                                *NO_TEST_SET)
    assert status == 0
    assert (world.root / 'evaluation/results.json').is_file()
    assert str(world.root / 'evaluation/results.csv') in output


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


def test_train(world, command, tmp_path):
    status, _, error = command('train', world.config, '--work-dir', tmp_path, '--cfg-options',
                               'train_cfg.max_iters=1', 'experiment_name=tool')
    assert status == 0, error
    assert (tmp_path / 'iter_1.pth').is_file()
