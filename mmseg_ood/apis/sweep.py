"""Ablations: training and evaluation for every point of a grid and every seed.

The search is exhaustive, so there is nothing to optimise, and each run is two commands of this project that already
resume. What remains, :func:`itertools.product` and threads that wait for processes, is in the standard library. Optuna
(samplers, a data base of trials), Hydra (configs of its own) and Ray Tune (a cluster in the background) would come
on top of MMEngine's configs and work dirs, and ``mim gridsearch``, which knows these, only trains and needs mmcv 1.
"""
from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from mmengine.config import Config
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from mmseg_ood.core import SCORES
from mmseg_ood.segmentation.evaluation import GroundTruth, resolve_benchmark

from .runtime import check_data_folders, checkpoint_sha256, load_config, provenance
from .scorers import build_scorers
from .sweep_grid import SEED_KEY, Grid
from .sweep_results import collect, write_sweep
from .sweep_run import Description, Run, RunFailed, RunJob, config_text


def sweep(config: str | Path | Config, grid: Mapping[str, Sequence[Any]], benchmarks: Sequence[str], out: str | Path,
          seeds: Sequence[int] = (0,), scores: Sequence[str] = ('energy',),
          cfg_options: dict[str, Any] | None = None, *, run_job: RunJob, jobs: int = 1, gpus: Sequence[str | int] = (),
          force: bool = False) -> dict[str, Any]:
    """Train and evaluate for every point of a grid and every seed.

    The same call goes on where it was stopped: what is finished is not run again, what was interrupted continues. A
    failed run does not stop the others. Further values, keys or seeds may be added later.

    Args:
        config: Config file or a loaded config.
        grid: Values by key, see :class:`mmseg_ood.apis.sweep_grid.Grid`.
        benchmarks: ``NAME`` or ``NAME=ROOT``, as for :func:`mmseg_ood.apis.evaluate`.
        out: Gets a folder ``KEY=VALUE,.../seed=N`` for each run (see :class:`mmseg_ood.apis.sweep_run.Run`),
            ``sweep.csv`` (a line for each run), ``sweep.json`` (everything) and ``sweep.png``
            (:func:`mmseg_ood.report.sweep_plot.sweep_figure`).
        seeds: Seeds of the trainings.
        scores: As for :func:`mmseg_ood.apis.evaluate`.
        cfg_options: Overrides for all runs, as dotted keys.
        run_job: Trains and evaluates, usually :class:`mmseg_ood.apis.sweep_run.TrainAndEvaluate`.
        jobs: Runs at a time; with several of them, each has one OpenMP thread unless ``OMP_NUM_THREADS`` is set.
        gpus: For ``CUDA_VISIBLE_DEVICES`` of the runs that go on at a time, in turn.
        force: Replace runs in ``out`` that were run with another config, other weights, benchmarks or scores.

    Returns:
        What :func:`mmseg_ood.apis.sweep_results.collect` returns, with ``grid``, ``seeds``, ``benchmarks``,
        ``scores`` and ``provenance``.

    Raises:
        FileNotFoundError: Config, weights or data do not exist.
        FileExistsError: The folder of a run holds something else.
        ValueError: Something is wrong with the arguments, or a run in ``out`` was another one; names what differs.
        OSError: Another sweep is running in ``out``.
    """
    _check_arguments(seeds, benchmarks, jobs)
    out = Path(out)
    cfg = load_config(config, cfg_options)
    _check_config(cfg, benchmarks, scores, out)
    checked = Grid(cfg, grid)
    _check_overrides(checked, cfg_options or {})
    runs = _plan(checked, seeds, benchmarks, scores, out)
    with _sole_user(out):
        _check_folders(runs, force)
        pending = [run for run in runs if not run.finished]
        print(f'{len(runs) - len(pending)} of {len(runs)} runs were there', flush=True)
        errors = _run_all(pending, run_job, jobs, gpus)
        results = {
            'grid': {key: {'config_keys': checked.targets[key], 'values': values}
                     for key, values in checked.values.items()},
            'seeds': list(seeds), 'benchmarks': list(benchmarks), 'scores': list(scores), 'unit': 'percent',
            'spread': 'std: sample standard deviation over the seeds', **collect(runs, errors),
            'provenance': {**provenance(), 'config': str(config.filename if isinstance(config, Config) else config),
                           'config_text': config_text(cfg)}}
        write_sweep(results, Path(cfg.filename or 'sweep').stem, out)
    return results


def _check_arguments(seeds: Sequence[int], benchmarks: Sequence[str], jobs: int) -> None:
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f'expected different seeds, at least one, found {list(seeds)}')
    if not benchmarks:
        raise ValueError('no benchmark was named; a sweep compares AP and FPR95 on one or several')
    if jobs < 1:
        raise ValueError(f'jobs must be at least 1, found {jobs}')


def _check_config(cfg: Config, benchmarks: Sequence[str], scores: Sequence[str], out: Path) -> None:
    """Find what would fail in every run before the first one, or after its training."""
    for benchmark in benchmarks:
        GroundTruth(resolve_benchmark(benchmark)[1])
    for score in scores:
        method = score.partition(':')[0]
        if method in SCORES and SCORES[method].needs_statistics:
            raise ValueError(f'score {method!r} needs statistics of the network, which every run of a sweep changes')
    build_scorers(cfg, scores, out)
    check_data_folders((cfg.get('train_dataloader') or {}).get('dataset', {}), 'train_dataloader.dataset')
    weights = cfg.get('load_from')
    if weights and '://' not in weights and not Path(weights).is_file():
        raise FileNotFoundError(f'load_from: checkpoint {weights} does not exist')


def _check_overrides(grid: Grid, cfg_options: Mapping[str, Any]) -> None:
    if SEED_KEY in cfg_options:
        raise ValueError(f'--cfg-options {SEED_KEY}: the seeds of a sweep are those of --seeds')
    for key, targets in grid.targets.items():
        for target in set(targets) & set(cfg_options):
            raise ValueError(f'--cfg-options {target}: the grid key {key} sets this')


def _plan(grid: Grid, seeds: Sequence[int], benchmarks: Sequence[str], scores: Sequence[str], out: Path) -> list[Run]:
    sha256 = functools.cache(checkpoint_sha256)
    evaluation = {'benchmarks': list(benchmarks), 'scores': list(scores)}
    runs = []
    for point in grid.points():
        for seed in seeds:
            cfg = grid.configure(point, seed)
            content = json.loads(json.dumps(cfg.to_dict(), default=str))
            files = {name: sha256(name) for name in sorted(set(_strings(content))) if os.path.isfile(name)}
            runs.append(Run(point, seed, cfg, Description({'config': content, 'files': files}, evaluation), out))
    return runs


def _strings(value: Any) -> Iterator[str]:
    """All strings in nested dicts and lists: weights, priors and annotations are files that a config names."""
    if isinstance(value, str):
        yield value
    for entry in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _strings(entry)


@contextlib.contextmanager
def _sole_user(out: Path) -> Iterator[None]:
    """Two sweeps in one folder would train in the same work dirs."""
    out.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(out / '.lock').acquire(timeout=0)
    except Timeout as error:
        raise OSError(f'another sweep is running in {out}') from error
    with lock:
        yield


def _check_folders(runs: Sequence[Run], force: bool) -> None:
    differing = [(run.folder, found) for run in runs if (found := run.differences())]
    if differing and not force:
        folder, found = differing[0]
        others = f' ({len(differing)} folders differ)' if len(differing) > 1 else ''
        raise ValueError(f'{folder} holds a run of something else: {"; ".join(found)}{others}; name another folder '
                         f'with --out, or replace what differs with --force')


def _run_all(runs: Sequence[Run], run_job: RunJob, jobs: int, gpus: Sequence[str | int]) -> dict[str, str]:
    """Run them; the errors by name of the run."""
    places: queue.SimpleQueue[dict[str, str]] = queue.SimpleQueue()
    for index in range(jobs):
        places.put(_environment(index, jobs, gpus))
    stop = threading.Event()

    def work(run: Run) -> None:
        environment = places.get()
        try:
            run.begin()
            run_job(run, environment, stop)
            if not run.finished:
                raise RunFailed(f'{run.evaluation} holds no results')
        finally:
            places.put(environment)

    errors: dict[str, str] = {}
    with _progress() as progress, ThreadPoolExecutor(jobs) as pool:
        bar = progress.add_task('runs', total=len(runs))
        progress.advance(bar, 0)  # the time remaining is estimated from here on
        try:
            futures = {pool.submit(work, run): run for run in runs}
            for future in as_completed(futures):
                name, error = futures[future].name, future.exception()
                if error is not None:
                    errors[name] = str(error) if isinstance(error, RunFailed) else f'{type(error).__name__}: {error}'
                print(f'{name}: {"done" if error is None else "failed"}', flush=True)
                progress.advance(bar)
        except KeyboardInterrupt:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return errors


def _environment(index: int, jobs: int, gpus: Sequence[str | int]) -> dict[str, str]:
    threads = {'OMP_NUM_THREADS': os.environ.get('OMP_NUM_THREADS', '1')} if jobs > 1 else {}
    devices = {'CUDA_VISIBLE_DEVICES': str(gpus[index % len(gpus)])} if gpus else {}
    return threads | devices


def _progress() -> Progress:
    # By default only the last 30 seconds would count for the time remaining.
    return Progress(TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                    TextColumn('ETA'), TimeRemainingColumn(), speed_estimate_period=math.inf)
