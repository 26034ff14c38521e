"""Figures of a sweep: by run and, as mean and spread over the seeds, by grid point."""
from __future__ import annotations

import csv
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from prettytable import PrettyTable

from mmseg_ood.report.sweep_plot import SweptRun, mean_and_spread, plot_sweep

from .results import _without_nan
from .sweep_run import Run

_METRICS = ('AP', 'FPR95', 'AUROC', 'F1*', 'sIoU', 'PPV', 'mIoU')
_TABLE_METRICS = ('AP', 'FPR95', 'AUROC', 'mIoU')


def collect(runs: Sequence[Run], errors: Mapping[str, str]) -> dict[str, Any]:
    """What became of all runs.

    Args:
        runs: In the order of the grid.
        errors: By name of the run, of those that failed.

    Returns:
        ``results``: a dict for each grid point, benchmark and score: ``values``, ``benchmark``, ``score``, ``n``
        (runs) and, by metric in percent, ``mean`` and ``std`` (sample standard deviation, NaN for a single run);
        ``runs``: a dict each with ``values``, ``seed``, ``folder``, ``error``, and what its evaluation wrote
        (``results``, ``provenance``).
    """
    entries = []
    for run in runs:
        error = errors.get(run.name)
        found = run.results() if error is None else {}
        entries.append({'values': run.point, 'seed': run.seed, 'folder': run.name, 'error': error,
                        'results': found.get('results', []), 'provenance': found.get('provenance')})
    return {'results': _aggregate(entries), 'runs': entries}


def _aggregate(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    values = {}
    for run in runs:
        for benchmark, score, row in _rows(run):
            key = (str(run['values']), benchmark, score)
            groups.setdefault(key, []).append(row)
            values[key] = run['values']
    aggregated = []
    for (point, benchmark, score), rows in groups.items():
        entry = {'values': values[point, benchmark, score], 'benchmark': benchmark, 'score': score, 'n': len(rows)}
        for metric in _METRICS:
            if metric in rows[0]:
                mean, std = mean_and_spread([math.nan if row[metric] is None else row[metric] for row in rows])
                entry[metric] = {'mean': mean, 'std': std}
        aggregated.append(entry)
    return aggregated


def _rows(run: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Benchmark, score and figures; the benchmark with its folder where it was evaluated in several."""
    roots = Counter((row['benchmark'], row.get('score')) for row in run['results'])
    for row in run['results']:
        repeated = roots[row['benchmark'], row.get('score')] > 1
        yield f'{row["benchmark"]}={row["root"]}' if repeated else row['benchmark'], row.get('score', ''), row


def sweep_table(results: Mapping[str, Any]) -> str:
    """The headline figures as text: a line for each grid point, benchmark and score; ``mean ± std`` in percent."""
    keys = list(results['grid'])
    table = PrettyTable([*keys, 'benchmark', 'score', 'n', *_TABLE_METRICS], align='r')
    table.align['benchmark'] = table.align['score'] = 'l'
    for row in results['results']:
        table.add_row([*(row['values'][key] for key in keys), row['benchmark'], row['score'], row['n'],
                       *(_cell(row.get(metric)) for metric in _TABLE_METRICS)])
    return table.get_string()


def _cell(figure: Mapping[str, float] | None) -> str:
    if figure is None or math.isnan(figure['mean']):
        return ''
    return f'{figure["mean"]:.2f}' + ('' if math.isnan(figure['std']) else f' ± {figure["std"]:.2f}')


def write_sweep(results: Mapping[str, Any], title: str, out: Path) -> None:
    """Write ``sweep.json`` (everything), ``sweep.csv`` (a line for each run) and, unless all failed, ``sweep.png``."""
    (out / 'sweep.json').write_text(json.dumps(_without_nan(results), indent=2, allow_nan=False), encoding='utf-8')
    lines = [{**run['values'], 'seed': run['seed'], 'folder': run['folder'],
              'failed': '' if run['error'] is None else run['error'].splitlines()[0],
              **{' '.join(filter(None, (benchmark, score, metric))): row[metric]
                 for benchmark, score, row in _rows(run) for metric in _METRICS if metric in row}}
             for run in results['runs']]
    with (out / 'sweep.csv').open('w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(column for line in lines for column in line)))
        writer.writeheader()
        writer.writerows(lines)
    drawn = [SweptRun(run['values'], run['seed'], _drawn_figures(run)) for run in results['runs'] if not run['error']]
    (out / 'sweep.png').unlink(missing_ok=True)  # of an earlier sweep in this folder
    if drawn:
        plot_sweep(drawn, title, out / 'sweep.png')


def _drawn_figures(run: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """AP and FPR95 by benchmark, and score if there are several."""
    rows = [(benchmark, score, row) for benchmark, score, row in _rows(run) if 'AP' in row]
    several = len({score for _, score, _ in rows}) > 1
    return {f'{benchmark}, {score}' if several else benchmark:
            {metric: math.nan if row[metric] is None else row[metric] for metric in ('AP', 'FPR95')}
            for benchmark, score, row in rows}
