"""One training of a sweep with its evaluation: what it is, what of it lies in its folder, and how it is run."""
from __future__ import annotations

import json
import os
import pprint
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.runner import find_latest_checkpoint

from .sweep_grid import point_name

_LOG_LINES = 15
_NAMED_DIFFERENCES = 5

# Runs a script that ends with the process that started it, however that ends: nobody else writes to its stdin.
# Not sys.stdin, whose lock a blocked thread would hold when the interpreter shuts down.
_ENDS_WITH_ITS_PARENT = '''
import os, runpy, sys, threading

def wait_for_the_end_of_the_parent():
    os.read(0, 1)
    os._exit(1)

threading.Thread(target=wait_for_the_end_of_the_parent, daemon=True).start()
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name='__main__')
'''


class RunFailed(RuntimeError):
    """A command of a run ended with an error; the message holds the end of its log."""


class Description(NamedTuple):
    """What the figures of a run depend on, as JSON."""
    training: dict[str, Any]
    """The config with its overrides and seed, and hashes of the files that it names."""
    evaluation: dict[str, Any]
    """Benchmarks and scores."""


class Run:
    """A point of the grid with a seed, and the folder that it has to itself.

    The folder is the work dir of the training. Beside what MMEngine writes it holds ``run.json`` (what is run, and the
    checkpoint once training has ended), ``config/`` (the config with its overrides, which both commands read: who
    edits the original while a sweep runs changes nothing), ``train.log``, ``evaluate.log`` and ``evaluation/``.

    Args:
        point: Values by key of the grid.
        seed: Seed of the training.
        cfg: The config of this point and seed.
        description: What a resumed run must have in common with what is in the folder.
        out: Folder of the sweep; this run's is ``KEY=VALUE,.../seed=N`` in it.
    """

    def __init__(self, point: Mapping[str, Any], seed: int, cfg: Config, description: Description, out: Path) -> None:
        self.point, self.seed, self.description = dict(point), seed, description
        self.name = f'{point_name(point)}/seed={seed}'
        self.folder = out / self.name
        self.config_file = self.folder / 'config' / f'{Path(cfg.filename or "config").stem}.py'
        self.evaluation = self.folder / 'evaluation'
        self._cfg = cfg
        self._state_file = self.folder / 'run.json'

    @property
    def finished(self) -> bool:
        """Whether the results of exactly this run are there."""
        return (self._kept() == self.description and (self.evaluation / 'results.json').is_file()
                and not (self.evaluation / 'unfinished').exists())

    def differences(self) -> list[str]:
        """What the folder holds that is not of this run, empty where it may go on.

        Raises:
            FileExistsError: The folder holds something that is no run of a sweep.
        """
        kept = self._kept()
        if kept is None:
            if self.folder.is_dir() and any(self.folder.iterdir()):
                raise FileExistsError(f'{self.folder} holds files, but no run of a sweep; name another folder with '
                                      f'--out')
            return []
        was, now = dict(_leaves(kept._asdict())), dict(_leaves(self.description._asdict()))
        differing = [f'{key} was {was.get(key, "not there")}, is {now.get(key, "not there")}'
                     for key in {**now, **was} if was.get(key) != now.get(key)]
        more = len(differing) - _NAMED_DIFFERENCES
        return differing[:_NAMED_DIFFERENCES] + ([f'and {more} more'] if more > 0 else [])

    def begin(self) -> None:
        """Bring the folder into the state that the commands start from; what is of another run is deleted.

        A checkpoint stays where the evaluation alone was another one.
        """
        kept = self._kept()
        if kept is not None and kept.training != self.description.training:
            shutil.rmtree(self.folder)
        elif kept is not None and kept.evaluation != self.description.evaluation:
            shutil.rmtree(self.evaluation, ignore_errors=True)
        self.config_file.parent.mkdir(parents=True, exist_ok=True)
        self._write_state(self.trained_checkpoint())
        self.config_file.write_text(config_text(self._cfg), encoding='utf-8')

    def trained_checkpoint(self) -> Path | None:
        """The weights after training, None where training has not ended."""
        name = self._state().get('checkpoint')
        return self.folder / name if name and (self.folder / name).is_file() else None

    def newest_checkpoint(self) -> Path | None:
        """What an interrupted training goes on from."""
        if not (self.folder / 'last_checkpoint').is_file():
            return None
        newest = Path(find_latest_checkpoint(str(self.folder)))
        # MMEngine notes an absolute path, and the folder may have been moved since.
        return next((path for path in (self.folder / newest.name, newest) if path.is_file()), None)

    def end_training(self) -> None:
        """Note that training has ended.

        Raises:
            RunFailed: It has left no checkpoint.
        """
        checkpoint = self.newest_checkpoint()
        if checkpoint is None:
            raise RunFailed(f'training left no checkpoint in {self.folder}')
        self._write_state(checkpoint)

    def results(self) -> dict[str, Any]:
        """The results of the evaluation.

        Raises:
            FileNotFoundError: There are none.
        """
        return json.loads((self.evaluation / 'results.json').read_text(encoding='utf-8'))

    def _state(self) -> dict[str, Any]:
        return json.loads(self._state_file.read_text(encoding='utf-8')) if self._state_file.is_file() else {}

    def _kept(self) -> Description | None:
        state = self._state()
        return Description(state['training'], state['evaluation']) if state else None

    def _write_state(self, checkpoint: Path | None) -> None:
        content = dict(self.description._asdict(), checkpoint=checkpoint and os.path.relpath(checkpoint, self.folder))
        unfinished = self._state_file.with_suffix('.tmp')
        unfinished.write_text(json.dumps(content, indent=2), encoding='utf-8')
        unfinished.replace(self._state_file)  # at once: a run may be killed at any time


RunJob = Callable[[Run, Mapping[str, str], threading.Event], None]
"""Trains and evaluates a run that has begun, with some environment variables, until the event is set."""


class TrainAndEvaluate:
    """Runs ``train.py`` and ``evaluate.py`` as processes of their own, see :data:`RunJob`.

    An interrupted training goes on from its newest checkpoint, an interrupted evaluation with the frames that are
    missing. The processes end when this one does.

    Args:
        tools: Folder of the two commands.
    """

    def __init__(self, tools: str | Path) -> None:
        self._tools = Path(tools)

    def __call__(self, run: Run, environment: Mapping[str, str], stop: threading.Event) -> None:
        """Train and evaluate.

        Raises:
            RunFailed: One of the commands failed, or was stopped.
        """
        if run.trained_checkpoint() is None:
            newest = run.newest_checkpoint()
            resume = ['--resume', newest] if newest else []
            self._run('train.py', [run.config_file, '--work-dir', run.folder, *resume], run.folder / 'train.log',
                      environment, stop)
            run.end_training()
        evaluation = run.description.evaluation
        self._run('evaluate.py', [run.config_file, run.trained_checkpoint(), '--benchmark', *evaluation['benchmarks'],
                                  '--score', *evaluation['scores'], '--out', run.evaluation, '--resume'],
                  run.folder / 'evaluate.log', environment, stop)

    def _run(self, tool: str, arguments: Sequence[Any], log: Path, environment: Mapping[str, str],
             stop: threading.Event) -> None:
        command = [sys.executable, str(self._tools / tool), *map(str, arguments)]
        with log.open('a', encoding='utf-8') as output:
            print(f'$ {shlex.join(command)}', file=output, flush=True)
            with subprocess.Popen([command[0], '-c', _ENDS_WITH_ITS_PARENT, *command[1:]], stdout=output,
                                  stderr=subprocess.STDOUT, stdin=subprocess.PIPE,
                                  env={**os.environ, **environment}) as process:
                while process.poll() is None:
                    if stop.wait(0.1):
                        process.kill()
                        process.wait()
        if process.returncode:
            lines = log.read_text(encoding='utf-8', errors='replace').splitlines()[-_LOG_LINES:]
            raise RunFailed('\n'.join([f'{tool} ended with status {process.returncode}, the end of {log}:', *lines]))


def config_text(cfg: Config) -> str:
    """A config as Python code that gives exactly the same one; MMEngine's own text takes some fifty times as long.

    Example:
        >>> print(config_text(Config(dict(scale=(2, 1), optimizer=dict(type='SGD', lr=1e-3)))))
        scale = (2, 1)
        optimizer = {'type': 'SGD', 'lr': 0.001}
    """
    return '\n'.join(f'{key} = {pprint.pformat(value, width=118, sort_dicts=False)}'
                     for key, value in cfg.to_dict().items())


def _leaves(value: Any, path: str = '') -> Iterator[tuple[str, Any]]:
    """The values in nested dicts and lists, by dotted key."""
    entries = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    if not entries:
        yield path, value
    for key, entry in entries:
        yield from _leaves(entry, f'{path}.{key}' if path else str(key))
