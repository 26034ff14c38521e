"""The folder an evaluation writes to: nothing in it is overwritten by accident, and what is unfinished is kept."""
from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any

from mmengine.dist import barrier, broadcast_object_list, is_main_process

from .prior_copy import PRIOR_FILE, is_prior_copy

_RESULTS = ('results.json', 'results.csv', 'frames.csv', 'classes.json', 'gallery.json', 'index.html', 'report',
            'curves', 'gallery', 'anomaly_p')
_FINGERPRINT = 'evaluation.json'


class OutputFolder:
    """Results of one evaluation and, while it runs, what a resumed one goes on from.

    In ``out/unfinished`` lie the anomaly maps that were computed, and a description of the evaluation. It goes
    when the evaluation ends; after an interruption it stays.

    Args:
        out: The folder.
        description: What the figures depend on; a resumed evaluation must have the same.
        resume: Go on with an interrupted evaluation, or start where there is none.
        force: Delete the results of an earlier evaluation, or what is left of it.

    Raises:
        FileExistsError: The folder holds results, or an interrupted evaluation that is not to be resumed.
        ValueError: The interrupted evaluation is another one; names what differs.
    """

    def __init__(self, out: Path, description: dict[str, Any], resume: bool = False, force: bool = False) -> None:
        self.path = out
        self.unfinished = out / 'unfinished'
        error = None
        if is_main_process():
            try:
                self._prepare(description, resume, force)
            except (OSError, ValueError) as caught:
                error = caught
        errors = [error]
        broadcast_object_list(errors)  # all processes stop, none waits for the others
        if errors[0] is not None:
            raise errors[0]

    def _prepare(self, description: dict[str, Any], resume: bool, force: bool) -> None:
        if force and not resume:
            self._delete()
        found = [name for name in _RESULTS if (self.path / name).exists()]
        if found and not (force or self._is_interrupted()):
            raise FileExistsError(f'{self.path} holds results already ({", ".join(found)}); name another folder '
                                  f'with --out, or replace them with --force')
        if self._is_interrupted():
            if not resume:
                raise FileExistsError(f'{self.path} holds an interrupted evaluation; go on with it with --resume, '
                                      f'or start anew with --force')
            self._compare(description)
        self.unfinished.mkdir(parents=True, exist_ok=True)
        (self.unfinished / _FINGERPRINT).write_text(json.dumps(description, indent=2), encoding='utf-8')

    def _is_interrupted(self) -> bool:
        return (self.unfinished / _FINGERPRINT).is_file()

    def _delete(self) -> None:
        if is_prior_copy(self.path / PRIOR_FILE):
            (self.path / PRIOR_FILE).unlink()
        for path in (self.unfinished, *(self.path / name for name in _RESULTS)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def _compare(self, description: dict[str, Any]) -> None:
        kept = json.loads((self.unfinished / _FINGERPRINT).read_text(encoding='utf-8'))
        description = json.loads(json.dumps(description))
        differing = [f'{key} was {_short(kept.get(key))}, is {_short(description.get(key))}'
                     for key in sorted(kept.keys() | description.keys()) if kept.get(key) != description.get(key)]
        if differing:
            raise ValueError(f'{self.path} holds an interrupted evaluation of something else: '
                             f'{"; ".join(differing)}')

    def __enter__(self) -> OutputFolder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        if error is None:
            barrier()  # others may still read
            if is_main_process():
                shutil.rmtree(self.unfinished)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 200 else f'{text[:200]}...'
