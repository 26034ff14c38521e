r"""Curves of a training from the log that MMEngine writes.

Example:
    >>> import tempfile
    >>> from pathlib import Path
    >>> folder = Path(tempfile.mkdtemp()) / 'run' / 'vis_data'
    >>> folder.mkdir(parents=True)
    >>> lines = ['{"lr": 0.1, "loss": 2.0, "iter": 50, "step": 50}', '{"mIoU": 61.5, "step": 50}']
    >>> _ = (folder / 'scalars.json').write_text('\n'.join(lines))
    >>> log = read_training_log(folder.parents[1])
    >>> log.training['loss'], log.validation['mIoU']
    (([50], [2.0]), ([50], [61.5]))
"""
from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from .figures import add_legends, blank_axes, blank_figure, literal, styled

Series = tuple[list[int], list[float]]
"""Steps and values."""

_NO_FIGURE = ('time', 'data_time', 'memory', 'iter', 'step', 'epoch')


class TrainingLog(NamedTuple):
    """What a training wrote down, by the names of its log."""
    training: Mapping[str, Series]
    """Losses, learning rate and so on over iterations."""
    validation: Mapping[str, Series]
    """Figures of the validation."""
    validated_by: str
    """Steps of the validation: ``iteration`` or ``epoch``."""
    files: Sequence[Path]
    """The logs, oldest first."""


def training_logs(work_dir: str | os.PathLike) -> list[Path]:
    """The logs of a work dir, oldest first."""
    return sorted(Path(work_dir).glob('*/vis_data/scalars.json'))


def read_training_log(work_dir: str | os.PathLike) -> TrainingLog:
    """The logs ``*/vis_data/scalars.json`` of a work dir, one a run.

    A run that resumed another goes on from its first step: what the earlier one had logged from there on is replaced.

    Raises:
        FileNotFoundError: The work dir holds no log.
        ValueError: A line that is not JSON; names the file and the line.
    """
    files = training_logs(work_dir)
    if not files:
        raise FileNotFoundError(f'{work_dir}: expected logs of MMEngine, */vis_data/scalars.json')
    training: list[dict] = []
    validation: list[dict] = []
    for file in files:
        lines = _read_lines(file)
        for kept, new in ((training, [line for line in lines if 'lr' in line]),
                          (validation, [line for line in lines if 'lr' not in line])):
            kept[:] = [line for line in kept if not new or line['step'] < new[0]['step']] + new
    by_epoch = any('epoch' in line for line in training)
    return TrainingLog(_series(training), _series(validation), 'epoch' if by_epoch else 'iteration', files)


def training_figure(series: Mapping[str, Series], steps: str, values: str,
                    size: tuple[float, float] = (6.4, 4.2)) -> Figure:
    """Lines over the steps of a training.

    Args:
        series: Steps and values by name; at least one.
        steps: What a step is.
        values: Label of the other axis.
        size: Width and height without the legend, in inches.
    """
    rows = -(-len(series) // 2)
    figure = blank_figure(*size, '', rows)
    axes, = blank_axes(figure, 1, 1)
    for (name, points), style in styled(list(series.items())):
        axes.plot(*points, label=literal(name), marker='o' if len(points[0]) < 20 else None, markersize=3, **style)
    axes.set(xlabel=steps, ylabel=values)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))
    add_legends(figure, axes, rows)
    return figure


def _read_lines(file: Path) -> list[dict]:
    lines = []
    for number, line in enumerate(file.read_text(encoding='utf-8').splitlines(), 1):
        try:
            lines.append(json.loads(line))
        except ValueError as error:
            raise ValueError(f'{file}, line {number}: expected JSON, found {line[:80]!r}') from error
    return lines


def _series(lines: Iterable[Mapping[str, float]]) -> dict[str, Series]:
    series: dict[str, Series] = {}
    for line in lines:
        for name, value in line.items():
            if name not in _NO_FIGURE and isinstance(value, int | float):
                steps, values = series.setdefault(name, ([], []))
                steps.append(line['step'])
                values.append(value)
    return series
