"""What the pages say in tables and lines, from the rows of results."""
from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .figure_columns import FPR_RULES, best_of, figure_columns, further_columns, two_digits
from .result_folder import ResultFolder, point_name

_PROTOCOL_NAMES = {'fpr_rule': 'FPR95', 'max_fpr': 'operating point for a given FPR', 'benchmark_pipeline': 'pipeline'}
_IN_PROVENANCE = ('config_sha256', 'checkpoint_sha256', 'mmseg_ood')


def headline(results: ResultFolder) -> dict[str, Any]:
    """Benchmarks and scores with their figures, the best ones marked, and the figures of the network's own classes."""
    columns = figure_columns([verdict.row for verdict in results.verdicts], results.fpr_rule)
    groups = []
    for benchmark in results.benchmarks:
        verdicts = [verdict for verdict in results.verdicts if verdict.benchmark == benchmark]
        best = [best_of([verdict.row.get(column.name) for verdict in verdicts], column.lower_is_better)
                for column in columns]
        rows = [{'score': verdict.score,
                 'cells': [{'text': two_digits(verdict.row.get(column.name)), 'best': marks[index]}
                           for column, marks in zip(columns, best, strict=True)]}
                for index, verdict in enumerate(verdicts)]
        row = verdicts[0].row
        groups.append({'benchmark': benchmark, 'frames': frames_text(row), 'partial': bool(row.get('partial')),
                       'rows': rows})
    inlier = [{'benchmark': row['benchmark'], 'frames': frames_text(row),
               'figures': [(column, two_digits(row.get(column.name))) for column in figure_columns([row])]}
              for row in results.inlier_rows]
    meanings = [column for column in [*columns, *(column for row in inlier for column, _ in row['figures'])]
                if column.meaning]
    return {'columns': columns, 'groups': groups, 'inlier': inlier, 'meanings': meanings}


def further_figures(results: ResultFolder) -> dict[str, Any]:
    """All other figures, one row a benchmark and score."""
    columns = [name for name in further_columns(verdict.row for verdict in results.verdicts)
               if name not in ('expected_frames', 'operating_points', 'components')]
    rows = [{'benchmark': verdict.benchmark, 'score': verdict.score,
             'cells': [_plain(verdict.row.get(name)) for name in columns]} for verdict in results.verdicts]
    return {'columns': [name.replace('_', ' ') for name in columns], 'rows': rows}


def operating_points(results: ResultFolder) -> list[dict[str, Any]]:
    """Thresholds and their rates, one row a benchmark, score and point."""
    rows = []
    for verdict in results.verdicts:
        for name, point in verdict.row.get('operating_points', {}).items():
            rows.append({'benchmark': verdict.benchmark, 'score': verdict.score, 'name': point_name(name),
                         'threshold': None if point['threshold'] is None else repr(point['threshold']),
                         'shown': '–' if point['threshold'] is None else f'{point["threshold"]:.6g}',
                         'rates': [(rate, two_digits(point.get(rate))) for rate in ('TPR', 'FPR', 'precision', 'F1')]})
    return rows


def protocol_lines(protocol: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What figures depend on, as names and texts."""
    lines = []
    for name, value in protocol.items():
        if name == 'fpr_rule':
            value = f'{value}: {FPR_RULES[value]}'
        elif name == 'max_fpr':
            value = f'{100 * value:g} %'
        elif name == 'scores' and all(isinstance(score, Mapping) for score in value):
            value = '; '.join(map(_score_text, value))
        elif name == 'benchmark_pipeline':
            value = ', '.join(step['type'] for step in value)
        if name not in _IN_PROVENANCE:
            lines.append((_PROTOCOL_NAMES.get(name, name), value if isinstance(value, str) else json.dumps(value)))
    return lines


def command(provenance: Mapping[str, Any]) -> str:
    """The command that results come from."""
    return provenance.get('command', 'unknown')


def frames_text(row: Mapping[str, Any]) -> str:
    """How many frames a row rests on, ``7 of 60`` where the data set is not complete."""
    if row.get('frames') is None:
        return ''
    if not row.get('partial'):
        return f'{row["frames"]} frames'
    return f'{row["frames"]} of {" or ".join(map(str, row["expected_frames"].values()))} frames'


def _score_text(score: Mapping[str, Any]) -> str:
    options = ', '.join(f'{name} {value}' for name, value in score.items()
                        if name not in ('name', 'method', 'formula') and value not in (None, False))
    return f'{score["name"]} = {score.get("formula", score.get("method", ""))}' + (f' ({options})' if options else '')


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f'{value:.4g}'
    return '–' if value is None else str(value)
