"""The version of this package and of the OpenMMLab packages it works with."""
from __future__ import annotations

import re
from importlib import metadata
from typing import NamedTuple

__version__ = '0.1.0'

INSTALL_COMMAND = 'pip install -e ".[openmmlab]"   (or: pip install -e ".[onedl]")'


class Requirement(NamedTuple):
    """Supported versions of one import name, ``minimum <= version < below``."""
    module: str
    distributions: tuple[str, ...]
    minimum: tuple[int, ...]
    below: tuple[int, ...]


# mmcv comes under four distribution names; mmseg 1.2.2 itself refuses mmcv 2.2.
REQUIREMENTS = (
    Requirement('mmengine', ('mmengine', 'mmengine-lite', 'onedl-mmengine'), (0, 10, 0), (1, 0)),
    Requirement('mmcv', ('mmcv', 'mmcv-lite', 'onedl-mmcv', 'onedl-mmcv-lite'), (2, 0, 0), (3, 0)),
    Requirement('mmseg', ('mmsegmentation', 'onedl-mmsegmentation'), (1, 2, 0), (2, 0)),
)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r'\d+', version.split('+')[0])[:3])


def _dotted(version: tuple[int, ...]) -> str:
    return '.'.join(map(str, version))


def _installed(distributions: tuple[str, ...]) -> dict[str, str]:
    """Installed versions by distribution name, read from metadata: nothing is imported."""
    found = {}
    for name in distributions:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def stack_problems() -> list[str]:
    """What is wrong with the installed mmengine / mmcv / mmseg, one sentence each.

    Returns:
        An empty list when the stack is complete and in range. Package metadata is read,
        no package is imported, so the check costs milliseconds.
    """
    problems = []
    for module, distributions, minimum, below in REQUIREMENTS:
        expected = f'{_dotted(minimum)} <= version < {_dotted(below)}'
        found = _installed(distributions)
        if not found:
            problems.append(f'{module} is not installed (expected {expected})')
        if len(found) > 1:
            problems.append(f'{module} is provided by {" and ".join(sorted(found))} at once: their files '
                            f'overwrite each other, uninstall all and install one')
        for name, version in found.items():
            if not minimum <= _numbers(version) < below:
                problems.append(f'{module} is {version} ({name}), expected {expected}')
    return problems


def stack_message(problems: list[str]) -> str:
    """The problems and the command that solves them, as one text."""
    return 'mmseg-ood: ' + '; '.join(problems) + f'. Install the stack with: {INSTALL_COMMAND}'
