"""The stack check names what is wrong and the command that solves it."""
from importlib import metadata

import pytest

from mmseg_ood import version

SOUND = {'mmengine': '0.10.7', 'mmcv-lite': '2.1.0', 'mmsegmentation': '1.2.2'}


@pytest.fixture
def install(monkeypatch):
    """Pretend that exactly these distributions are installed."""
    def pretend(packages):
        def installed_version(name):
            if name not in packages:
                raise metadata.PackageNotFoundError(name)
            return packages[name]
        monkeypatch.setattr(metadata, 'version', installed_version)
    return pretend


@pytest.mark.parametrize('packages', [
    SOUND, {'onedl-mmengine': '0.10.12', 'onedl-mmcv': '2.3.6', 'onedl-mmsegmentation': '1.4.2'}])
def test_both_families_are_sound(install, packages):
    install(packages)
    assert version.stack_problems() == []


def test_nothing_installed(install):
    install({})
    problems = version.stack_problems()
    assert [problem.split()[0] for problem in problems] == ['mmengine', 'mmcv', 'mmseg']
    assert 'pip install -e ".[openmmlab]"' in version.stack_message(problems)


def test_version_out_of_range(install):
    install({**SOUND, 'mmsegmentation': '0.30.0'})
    assert version.stack_problems() == ['mmseg is 0.30.0 (mmsegmentation), expected 1.2.0 <= version < 2.0']


def test_two_families_at_once(install):
    install({**SOUND, 'onedl-mmcv': '2.3.6'})
    assert 'mmcv is provided by mmcv-lite and onedl-mmcv at once' in version.stack_problems()[0]


@pytest.mark.parametrize('text', ['2.1.0', '2.1.0+cpu', '2.1.0rc1'])
def test_local_and_pre_release_versions(install, text):
    install({**SOUND, 'mmcv-lite': text})
    assert version.stack_problems() == []
