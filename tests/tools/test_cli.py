"""What the command lines share."""
from argparse import ArgumentParser

import pytest

from mmseg_ood.cli import add_config_arguments, parse_cfg_options, quiet_import, run


def parse(*arguments, **kwargs):
    parser = ArgumentParser()
    add_config_arguments(parser, **kwargs)
    return parser.parse_args(arguments)


def test_options_become_values():
    options = parse('--cfg-options', 'a.b=1', 'c=x', 'd=[1,2]', 'e=True', 'f=1e-3', 'g=k=v').cfg_options
    assert parse_cfg_options(options) == {'a.b': 1, 'c': 'x', 'd': [1, 2], 'e': True, 'f': 1e-3, 'g': 'k=v'}
    assert parse_cfg_options([]) == {}


@pytest.mark.parametrize('option', ['max_iters', '=3', ''])
def test_options_without_a_value_are_refused(option, capsys):
    with pytest.raises(SystemExit) as exit_info:
        parse('--cfg-options', 'a=1', option)
    assert exit_info.value.code == 2
    assert f'expected KEY=VALUE, found {option!r}' in capsys.readouterr().err


def test_launcher():
    assert parse().launcher == 'none'
    assert parse('--launcher', 'pytorch', '--local-rank', '1').launcher == 'pytorch'
    assert not hasattr(parse(launcher=False), 'launcher')


@pytest.mark.parametrize('error', [
    ValueError('wrong'), FileNotFoundError('gone'), FileExistsError('there'), PermissionError('locked'),
    NotImplementedError('not yet'), ImportError('pip install'), SyntaxError('in a config'),
])
def test_mistakes_of_the_user_are_one_line_and_status_2(error, capsys, monkeypatch):
    monkeypatch.delenv('MMSEG_OOD_TRACEBACK', raising=False)

    def main():
        raise error
    with pytest.raises(SystemExit) as exit_info:
        run(main)
    assert exit_info.value.code == 2
    output = capsys.readouterr()
    assert output.out == ''
    assert output.err.splitlines()[0] == f'error: {error}'
    monkeypatch.setenv('MMSEG_OOD_TRACEBACK', '1')
    with pytest.raises(type(error)):
        run(main)


def test_bugs_keep_their_traceback():
    def main():
        raise AttributeError('a bug')
    with pytest.raises(AttributeError):
        run(main)


def test_imports_are_quiet_and_errors_are_not_lost(capsys):
    with quiet_import():
        print('Could not import something')
    assert capsys.readouterr().out == ''
    with pytest.raises(KeyError), quiet_import():
        raise KeyError
