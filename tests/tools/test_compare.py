"""The command that compares: its files, and what it never overwrites."""
import importlib.util
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location('result_folders', ROOT / 'tests' / 'report' / 'conftest.py')
_report = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_report)


@pytest.fixture
def folders(tmp_path):
    return [_report.without_drawings(_report.make_result_folder(tmp_path / name, seed=seed))
            for seed, name in enumerate('ab')]


@pytest.fixture
def compare(monkeypatch, capsys):
    """Runs the tool in this process: exit status, stdout, stderr."""
    def run(*arguments):
        monkeypatch.setattr(sys, 'argv', ['compare.py', *map(str, arguments)])
        monkeypatch.delenv('MMSEG_OOD_TRACEBACK', raising=False)
        status = 0
        try:
            runpy.run_path(str(ROOT / 'tools' / 'compare.py'), run_name='__main__')
        except SystemExit as stop:
            status = stop.code
        return status, *capsys.readouterr()
    return run


def test_files(compare, folders, tmp_path):
    status, output, error = compare(*folders, '--out', tmp_path / 'out')
    assert (status, error) == (0, '')
    assert output == f'written: {tmp_path / "out" / "index.html"}\n'
    written = {path.name for path in (tmp_path / 'out').iterdir()}
    assert {'index.html', 'compare.json', 'compare.csv', 'report'} <= written


def test_a_folder_with_content_needs_force(compare, folders, tmp_path):
    out = tmp_path / 'out'
    out.mkdir()
    (out / 'notes.txt').write_text('mine')
    status, _, error = compare(*folders, '--out', out)
    assert status == 2
    assert f'error: {out} is not empty (notes.txt)' in error
    assert compare(*folders, '--out', out, '--force')[0] == 0
    (out / 'report' / 'old.svg').write_text('')
    assert compare(*folders, '--out', out)[0] == 2
    assert compare(*folders, '--out', out, '--force')[0] == 0
    assert not (out / 'report' / 'old.svg').exists()
    assert (out / 'notes.txt').read_text() == 'mine'


def test_results_are_never_overwritten(compare, folders):
    status, _, error = compare(*folders, '--out', folders[0], '--force')
    assert status == 2
    assert 'holds the results of an evaluation' in error
    assert not (folders[0] / 'index.html').exists()


@pytest.mark.parametrize(('arguments', 'message'), [
    (['a'], 'the following arguments are required: --out'),
    (['--out', 'x'], 'the following arguments are required: DIR'),
    (['no', 'no', '--out', 'x'], 'error: no: expected results.json, which tools/evaluate.py --out writes'),
])
def test_mistakes_are_one_line(compare, monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    status, _, error = compare(*arguments)
    assert status == 2
    assert message in error
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_comparison_survives_a_mistake(compare, folders, tmp_path):
    assert compare(*folders, '--out', tmp_path / 'out')[0] == 0
    before = (tmp_path / 'out' / 'index.html').read_bytes()
    assert compare(folders[0], tmp_path / 'no', '--out', tmp_path / 'out', '--force')[0] == 2
    assert (tmp_path / 'out' / 'index.html').read_bytes() == before
