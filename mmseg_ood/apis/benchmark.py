"""Speed and memory of the metrics beside those of the usual script, on simulated frames.

Each evaluator is measured in a process of its own with one thread. That process runs this very file by its path, and
so loads nothing of the package but ``mmseg_ood.core``: the memory of OpenMMLab's libraries is not to be measured.
"""
from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from prettytable import PrettyTable

ALL_SCORES, SCORE_HISTOGRAM, COMPONENTS = 'scikit-learn, all scores', 'ScoreHistogram', 'ComponentAccumulator'
_COMPARED = ('AP', 'AUROC', 'FPR95', 'best_F1')
_THRESHOLD = -6.4  # near the best F1 of the simulated frames
_SMALLEST_SIDE = 16
_PACKAGES = ('torch', 'numpy', 'scikit-learn', 'opencv-python', 'opencv-python-headless')
_ONE_THREAD = dict.fromkeys(('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'), '1')
# Arguments: where the package lies, this file, and what this file takes.
_RUN_FILE = 'import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); runpy.run_path(sys.argv[1], run_name="__main__")'


def benchmark_metrics(frames: int = 10, long: int = 100, size: tuple[int, int] = (1024, 2048),
                      out: str | Path | None = None, seed: int = 0) -> dict[str, Any]:
    """Measure :class:`~mmseg_ood.core.ScoreHistogram` against keeping all scores and sorting them at the end.

    The one is updated frame by frame. The other is what evaluation scripts do: join the scores of all frames, void
    pixels left out, then ``average_precision_score``, ``roc_auc_score``, ``roc_curve`` and
    ``precision_recall_curve`` of scikit-learn, each of which sorts them. Both get the same frames from files in a
    temporary folder, 5 bytes a pixel. Reading them takes no part in the times, holding them none in the memory: for
    the one that is a frame, for the other all of them.

    Args:
        frames: Number of frames of the comparison.
        long: Number of frames of a further run of the histogram, which repeats those of the comparison; 0 for none.
        size: Height and width of a frame in px.
        out: JSON file to write.
        seed: Of the simulated frames.

    Returns:
        ``runs``, of each ``evaluator`` and number of ``frames``: ``seconds`` in total and ``seconds_per_frame``;
        ``steps``, the seconds of every call; ``memory_mb``, largest resident memory beyond the frames in 10^6 bytes
        (None on Windows, where it is not measured); ``figures`` that are defined; ``frames_crc32`` of all it was
        given; and ``difference``, the largest of AP, AUROC, FPR95 and best F1 from scikit-learn's (None where that
        has not seen these frames). Beside them ``times_faster`` and ``times_less_memory`` of the comparison (None
        where no memory is measured), ``frames``, ``size``, ``seed``, ``command``, ``versions``, ``machine`` and
        ``created``.

    Raises:
        ValueError: No frame, a negative number of them, or frames smaller than 16 x 16.
        ChildProcessError: An evaluator failed, for instance for want of memory.
    """
    _check(frames, long, size)
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    # Before the work, so that its load is that of other programs.
    result = describe_run(frames=frames, size=list(size), seed=seed)
    plan = [(ALL_SCORES, frames), *((SCORE_HISTOGRAM, count) for count in sorted({1, frames, long} - {0})),
            (COMPONENTS, frames)]
    columns = TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with tempfile.TemporaryDirectory(prefix='mmseg_ood_') as folder, Progress(*columns) as progress:
        task = progress.add_task('simulated frames', total=frames + len(plan))
        stored = StoredFrames(folder, frames, size)
        for index in range(frames):
            stored.write(index, *simulated_frame(index, size, seed))
            progress.advance(task)
        runs = []
        for evaluator, count in plan:
            progress.update(task, description=f'{evaluator}, frames: {count}')
            runs.append(_measure_in_a_process(evaluator, stored, count))
            progress.advance(task)
    result.update(_compare(runs, frames), runs=runs)
    write_measured(result, out)
    return result


def simulated_frame(index: int, size: tuple[int, int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Energies and labels like those of a road scene: smooth, 10 % void, and 2 % of the rest outliers.

    Args:
        index: Number of the frame; others differ.
        size: Height and width in px.
        seed: Another seed gives other frames.

    Returns:
        Scores ``(H, W)`` float32, those of the outliers higher by 4 on average, which is more than two standard
        deviations, and labels ``(H, W)`` uint8 in patches: 0 inlier, 1 outlier, 255 void.

    Example:
        >>> scores, labels = simulated_frame(0, (100, 200))
        >>> [round(float((labels == label).mean()), 3) for label in (0, 1, 255)]
        [0.882, 0.018, 0.1]
    """
    generator = np.random.default_rng([seed, index])
    void, blobs, coarse, fine = (_smooth_noise(generator, size, max(size[0] // parts, 1))
                                 for parts in (4, 16, 16, 128))
    labels = np.where(void > np.quantile(void, 0.9), np.uint8(255), np.uint8(0))
    labels[(labels == 0) & (blobs > np.quantile(blobs[labels == 0], 0.98))] = 1
    return -10 + 1.5 * coarse + 0.7 * fine + np.float32(4) * (labels == 1), labels


def _smooth_noise(generator: np.random.Generator, size: tuple[int, int], cell: int) -> np.ndarray:
    """Normal noise on a grid with ``cell`` px between its points, interpolated: ``size`` float32."""
    import cv2
    height, width = size
    grid = generator.standard_normal((height // cell + 3, width // cell + 3), dtype=np.float32)
    return cv2.resize(grid, None, fx=cell, fy=cell, interpolation=cv2.INTER_CUBIC)[cell:, cell:][:height, :width]


def _check(frames: int, long: int, size: tuple[int, int]) -> None:
    if frames < 1:
        raise ValueError(f'frames must be at least 1, found {frames}')
    if long < 0:
        raise ValueError(f'long must not be negative, found {long}')
    if min(size) < _SMALLEST_SIDE:
        raise ValueError(f'size must be at least {_SMALLEST_SIDE} x {_SMALLEST_SIDE} px, found {size[0]} x {size[1]}')


def describe_run(**about: Any) -> dict[str, Any]:
    """How a measurement was made: what it is about, and command, versions, machine and time."""
    versions = {'python': platform.python_version()}
    for name in ('mmseg-ood', *_PACKAGES):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return {'command': shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]), **about, 'versions': versions,
            'machine': _machine(), 'created': datetime.now(timezone.utc).isoformat(timespec='seconds')}


def write_measured(result: dict[str, Any], out: str | Path | None) -> None:
    """Write a measurement as JSON, if a file is named."""
    if out is not None:
        Path(out).parent.mkdir(parents=True, exist_ok=True)
        Path(out).write_text(json.dumps(result, indent=2, allow_nan=False), encoding='utf-8')


def _machine() -> dict[str, Any]:
    cpu = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration):  # Linux knows more than the architecture
        lines = Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines()
        cpu = next(line.partition(':')[2].strip() for line in lines if line.startswith('model name'))
    machine = {'cpu': cpu, 'cores': os.cpu_count()}
    if hasattr(os, 'sysconf'):  # not on Windows
        machine['memory_gb'] = round(os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 1e9, 1)
        machine['load'] = round(os.getloadavg()[0], 2)
    return {**machine, 'system': platform.platform()}


def _measure_in_a_process(evaluator: str, stored: StoredFrames, count: int) -> dict[str, Any]:
    root = Path(__file__).parents[2]
    process = subprocess.run(
        [sys.executable, '-c', _RUN_FILE, root, __file__, evaluator, json.dumps(stored), str(count)], check=False,
        capture_output=True, text=True, env={**os.environ, **_ONE_THREAD})
    if process.returncode:
        raise ChildProcessError(f'{evaluator}, frames: {count}: the process ended with status {process.returncode}: '
                                f'{process.stderr.strip()[-500:] or "no message"}')
    return json.loads(process.stdout.splitlines()[-1])


def _compare(runs: Sequence[dict[str, Any]], frames: int) -> dict[str, float | None]:
    """Factors between both evaluators; enters the differences into the runs."""
    all_scores, histogram = (next(run for run in runs if (run['evaluator'], run['frames']) == (evaluator, frames))
                            for evaluator in (ALL_SCORES, SCORE_HISTOGRAM))
    for run in runs:
        # All figures are shares: frames that are repeated as a whole leave them as they are.
        same_frames = run['evaluator'] == SCORE_HISTOGRAM and run['frames'] % frames == 0
        run['difference'] = max(abs(run['figures'][name] - all_scores['figures'][name])
                                for name in _COMPARED) if same_frames else None
    # What tiny frames need may be there before they come.
    return {'times_faster': all_scores['seconds'] / histogram['seconds'],
            'times_less_memory': all_scores['memory_mb'] / histogram['memory_mb'] if histogram['memory_mb'] else None}


def format_metrics(result: dict[str, Any]) -> str:
    """What :func:`benchmark_metrics` returned, as text."""
    runs, frames = result['runs'], result['frames']
    height, width = result['size']
    repeated = [f'Runs of more than {frames} frames repeat these {frames}.'] * any(run['frames'] > frames
                                                                                  for run in runs)
    return '\n'.join([
        f'Simulated frames of {width} x {height} px; each evaluator in a process of its own, one thread.',
        format_machine(result),
        *repeated, '', 'From the first score to the last figure, and memory beyond the frames:', _table_of_runs(runs),
        '', 'Milliseconds of each call:', _table_of_calls(runs), '',
        f'{_factor(result["times_faster"])} times faster, {_factor(result["times_less_memory"])} times less memory '
        f'({frames} frames)'])


def format_machine(result: dict[str, Any]) -> str:
    """Machine and versions of a measurement, a line."""
    return ', '.join(f'{name} {value}' for name, value in {**result['machine'], **result['versions']}.items())


def _factor(value: float | None) -> str:
    return '(not measured)' if value is None else f'{value:.1f}' if value < 10 else f'{value:.0f}'


def format_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Rows as text, numbers to the right."""
    table = PrettyTable(columns, align='r')
    table.align[columns[0]] = 'l'
    table.add_rows(rows)
    return table.get_string()


def _cell(value: float | None, form: str) -> str:
    return '' if value is None else format(value, form)


def _table_of_runs(runs: Sequence[dict[str, Any]]) -> str:
    shown = 'AP', 'AUROC', 'FPR95'
    return format_table(
        ('evaluator', 'frames', 'seconds', 'seconds a frame', 'memory MB', *shown, 'largest difference'),
        [(run['evaluator'], run['frames'], _cell(run['seconds'], '.3f'), _cell(run['seconds_per_frame'], '.4f'),
          _cell(run['memory_mb'], '.1f'), *(_cell(run['figures'].get(name), '.6f') for name in shown),
          _cell(run['difference'], '.1e')) for run in runs])


def _table_of_calls(runs: Sequence[dict[str, Any]]) -> str:
    rows = []
    for run in runs:
        for name, seconds in run['steps'].items():
            figures = statistics.mean(seconds), statistics.median(seconds), max(seconds)
            rows.append((f'{run["evaluator"]}, frames: {run["frames"]}', name, len(seconds),
                         *(f'{1000 * value:.1f}' for value in figures)))
    return format_table(('evaluator', 'call', 'calls', 'mean', 'median', 'max'), rows)


class StoredFrames(NamedTuple):
    """Frames as files of bare numbers, which can be read into memory that is there already."""
    folder: str
    number: int
    size: tuple[int, int]

    def write(self, index: int, scores: np.ndarray, labels: np.ndarray) -> None:
        scores.tofile(self._path(index, 'scores'))
        labels.tofile(self._path(index, 'labels'))

    def empty_frame(self) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros(self.size, np.float32), np.zeros(self.size, np.uint8)

    def read_into(self, frame: tuple[np.ndarray, np.ndarray], index: int) -> None:
        """Fill scores and labels; after the last frame comes the first again."""
        for array, name in zip(frame, ('scores', 'labels'), strict=True):
            with open(self._path(index % self.number, name), 'rb') as file:
                file.readinto(array)

    def _path(self, index: int, name: str) -> Path:
        return Path(self.folder, f'{index}.{name}')


# ---- one evaluator, in a process of its own


class Measurement:
    """Times of all calls, the memory that they need together, and a checksum of the frames they get."""

    def __init__(self) -> None:
        self._crc32, self._memory_before = 0, None
        self._steps: dict[str, list[float]] = {}

    def note_frame(self, frame: tuple[np.ndarray, np.ndarray]) -> None:
        for array in frame:
            self._crc32 = zlib.crc32(array, self._crc32)

    def start(self) -> None:
        """Memory counts from here on: libraries and frames are in it."""
        self._memory_before = _peak_memory(reset=True)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self._steps.setdefault(name, []).append(time.perf_counter() - start)

    def result(self, evaluator: str, count: int, figures: dict[str, float]) -> dict[str, Any]:
        memory = None if self._memory_before is None else (_peak_memory() - self._memory_before) / 1e6
        seconds = sum(map(sum, self._steps.values()))
        return {'evaluator': evaluator, 'frames': count, 'seconds': seconds, 'seconds_per_frame': seconds / count,
                'steps': self._steps, 'memory_mb': memory, 'frames_crc32': self._crc32,
                'figures': {name: value for name, value in figures.items() if not math.isnan(value)}}


def _peak_memory(reset: bool = False) -> int | None:
    """Largest resident memory in bytes so far, or since a reset where the system has one; None on Windows."""
    if sys.platform == 'linux':
        # Not getrusage: a process inherits its maximum from the one that started it.
        if reset:
            with contextlib.suppress(OSError):
                Path('/proc/self/clear_refs').write_text('5', encoding='ascii')
        return 1024 * int(Path('/proc/self/status').read_text(encoding='utf-8').partition('VmHWM:')[2].split()[0])
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == 'darwin' else 1024)


def _measure(evaluator: str, stored: StoredFrames, count: int) -> dict[str, Any]:
    run = {ALL_SCORES: _all_scores, SCORE_HISTOGRAM: _score_histogram, COMPONENTS: _component_accumulator}[evaluator]
    measurement = Measurement()
    return measurement.result(evaluator, count, run(stored, count, measurement))


def _all_scores(stored: StoredFrames, count: int, measurement: Measurement) -> dict[str, float]:
    _sorted_figures([(np.float32([1, 2, 3]), np.uint8([0, 1, 255]))], Measurement())  # loads all that it needs
    frames = [stored.empty_frame() for _ in range(count)]
    for index, frame in enumerate(frames):
        stored.read_into(frame, index)
        measurement.note_frame(frame)
    measurement.start()
    return _sorted_figures(frames, measurement)


def _sorted_figures(frames: Sequence[tuple[np.ndarray, np.ndarray]], measurement: Measurement) -> dict[str, float]:
    from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve
    with measurement.step('join frames'):
        scores = np.concatenate([scores[labels <= 1] for scores, labels in frames])
        labels = np.concatenate([labels[labels <= 1] for _, labels in frames])
    with measurement.step('average_precision_score'):
        figures = {'AP': float(average_precision_score(labels, scores))}
    with measurement.step('roc_auc_score'):
        figures['AUROC'] = float(roc_auc_score(labels, scores))
    with measurement.step('roc_curve'):
        fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
        figures['FPR95'] = float(fpr[np.argmax(tpr >= 0.95)])
    del fpr, tpr
    with measurement.step('precision_recall_curve'):
        precision, recall, _ = precision_recall_curve(labels, scores)
        figures['best_F1'] = float((2 * precision * recall / np.maximum(precision + recall, 1e-30)).max())
    return {**figures, 'num_inlier': int((labels == 0).sum()), 'num_outlier': int((labels == 1).sum())}


def _one_by_one(stored: StoredFrames, count: int,
                measurement: Measurement) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    frame = stored.empty_frame()
    for index in range(count):
        stored.read_into(frame, index)
        measurement.note_frame(frame)
        if index == 0:
            measurement.start()
        yield frame


def _score_histogram(stored: StoredFrames, count: int, measurement: Measurement) -> dict[str, float]:
    import torch

    from mmseg_ood.core import ScoreHistogram
    torch.set_num_threads(1)
    for max_exact in (2, 0):  # loads what both of its ways to count need
        histogram = ScoreHistogram(max_exact=max_exact)
        histogram.update(np.float32([1, 2]), np.uint8([0, 1]))
        histogram.summary()
    histogram = ScoreHistogram()
    for frame in _one_by_one(stored, count, measurement):
        with measurement.step('update'):
            histogram.update(*frame)
    with measurement.step('summary'):
        return histogram.summary()


def _component_accumulator(stored: StoredFrames, count: int, measurement: Measurement) -> dict[str, float]:
    import cv2
    import torch

    from mmseg_ood.core import ComponentAccumulator
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    accumulator = ComponentAccumulator()
    accumulator.update(np.ones((40, 40), np.float32), np.ones((40, 40), np.uint8), 0.5)  # loads what it needs
    accumulator.summary()
    accumulator = ComponentAccumulator()
    for frame in _one_by_one(stored, count, measurement):
        with measurement.step('update'):
            accumulator.update(*frame, _THRESHOLD)
    with measurement.step('summary'):
        return accumulator.summary()


if __name__ == '__main__':
    _evaluator, _stored, _count = sys.argv[2:]
    print(json.dumps(_measure(_evaluator, StoredFrames(*json.loads(_stored)), int(_count))))
