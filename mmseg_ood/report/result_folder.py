"""The files of an evaluation, as the pages read them."""
from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .figure_columns import FPR_RULES
from .plots import Curve, Histogram


class Verdict(NamedTuple):
    """The row of a score on a benchmark, and what stands behind it."""
    benchmark: str
    """Name of the benchmark, with a number where it was evaluated under several roots."""
    score: str
    row: Mapping[str, Any]
    """As in ``results.json``: rates in percent, None where undefined."""
    arrays: Mapping[str, np.ndarray] | None
    """Curve and histogram, None where they were not written."""


class Frame(NamedTuple):
    """Figures of one frame by one score."""
    benchmark: str
    score: str
    image: str
    figures: Mapping[str, float | None]
    """In percent, None where the frame does not define one."""
    num_inlier: int
    num_outlier: int


class ResultFolder(NamedTuple):
    """What ``evaluate`` wrote; None for files that are not there."""
    path: Path
    verdicts: Sequence[Verdict]
    inlier_rows: Sequence[Mapping[str, Any]]
    """Rows without a score: figures of the network's own classes."""
    protocol: Mapping[str, Any]
    provenance: Mapping[str, Any]
    frames: Sequence[Frame] | None
    classes: Mapping[str, Any] | None
    gallery: Mapping[str, Any] | None
    prior: Mapping[str, Any] | None

    @property
    def fpr_rule(self) -> str:
        """How FPR95 was read, a key of :data:`mmseg_ood.report.figure_columns.FPR_RULES`."""
        return self.protocol.get('fpr_rule', 'first')

    @property
    def fpr95(self) -> str:
        """Name of the FPR95, which carries its rule."""
        return 'FPR95' if self.fpr_rule == 'first' else f'FPR95_{self.fpr_rule}'

    @property
    def benchmarks(self) -> list[str]:
        """Names, in the order of the results."""
        return list(dict.fromkeys(verdict.benchmark for verdict in self.verdicts))

    @property
    def scores(self) -> list[str]:
        """Names, in the order of the results."""
        return list(dict.fromkeys(verdict.score for verdict in self.verdicts))


def read_result_folder(path: str | os.PathLike) -> ResultFolder:
    """Read a folder that ``evaluate`` wrote.

    Raises:
        FileNotFoundError: There is no ``results.json``, or a picture of the gallery is missing.
        ValueError: A file is not what it should be; names the file and what was expected.
    """
    path = Path(path)
    if not (path / 'results.json').is_file():
        raise FileNotFoundError(f'{path}: expected results.json, which tools/evaluate.py --out writes')
    results = _read_json(path / 'results.json', ('results', 'provenance'))
    rows = results['results']
    for index, row in enumerate(rows):
        if 'benchmark' not in row:
            raise ValueError(f'{path / "results.json"}: row {index} has no benchmark, found {sorted(row)}')
    protocol = results.get('protocol', {})
    if protocol.get('fpr_rule', 'first') not in FPR_RULES:
        raise ValueError(f'{path / "results.json"}: unknown fpr_rule {protocol["fpr_rule"]!r}, expected one of '
                         f'{", ".join(FPR_RULES)}')
    classes = _read_json(path / 'classes.json', ('classes', 'palette', 'benchmarks'), optional=True)
    gallery = _read_json(path / 'gallery.json', ('frames', 'score_ranges'), optional=True)
    if gallery is not None:
        _check_pictures(path, gallery['frames'])
    return ResultFolder(
        path, _verdicts(path, [row for row in rows if row.get('score')]), [row for row in rows if not row.get('score')],
        protocol, results['provenance'], _read_frames(path / 'frames.csv'), classes, gallery,
        _read_json(path / 'prior.json', ('prior', 'classes'), optional=True))


def curve(verdict: Verdict, name: str, fpr95: str) -> Curve:
    """The curve of a verdict under a name of its own.

    Args:
        verdict: With arrays.
        name: Goes to the legend.
        fpr95: Column of the FPR95, which is called by its rule.
    """
    fractions = {key: _fraction(verdict.row.get(key)) for key in ('AP', 'AUPR_out', 'AUROC', fpr95)}
    points = {point_name(key): tuple(_fraction(point[rate]) for rate in ('TPR', 'FPR', 'precision'))
              for key, point in verdict.row.get('operating_points', {}).items()}
    arrays = {key: verdict.arrays[key] for key in ('tpr', 'fpr', 'precision')}
    ap = fractions['AUPR_out'] if 'AUPR_out' in verdict.row else fractions['AP']
    return Curve(name, **arrays, ap=ap, auroc=fractions['AUROC'], fpr95=fractions[fpr95], points=points)


def histogram(verdict: Verdict, counted: str, bins: int = 100) -> Histogram:
    """The histogram of a verdict that has arrays, with at most so many bins."""
    merged = -(-len(verdict.arrays['inlier']) // bins)
    starts = np.arange(0, len(verdict.arrays['inlier']), merged)
    edges = np.append(verdict.arrays['edges'][starts], verdict.arrays['edges'][-1])
    counts = (np.add.reduceat(verdict.arrays[kind], starts) for kind in ('inlier', 'outlier'))
    return Histogram(verdict.score, edges, *counts, counted=counted)


def point_name(key: str) -> str:
    """Name of an operating point as it is read.

    Example:
        >>> point_name('best_F1'), point_name('TPR95'), point_name('FPR0.5')
        ('best F1', 'TPR 95 %', 'FPR 0.5 %')
    """
    for rate in ('TPR', 'FPR'):
        if key.startswith(rate) and key[len(rate):]:
            return f'{rate} {key[len(rate):]} %'
    return key.replace('_', ' ')


def _fraction(percent: float | None) -> float:
    return float('nan') if percent is None else percent / 100


def _read_json(path: Path, keys: Sequence[str], optional: bool = False) -> Any:
    if optional and not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise ValueError(f'{path}: expected JSON ({error})') from error
    missing = [key for key in keys if not isinstance(content, dict) or key not in content]
    if missing:
        raise ValueError(f'{path}: expected the keys {", ".join(keys)}, missing are {", ".join(missing)}')
    return content


def _verdicts(path: Path, rows: Sequence[Mapping[str, Any]]) -> list[Verdict]:
    occurrences = Counter((row['benchmark'], row['score']) for row in rows)
    seen: Counter = Counter()
    verdicts = []
    for row in rows:
        key = row['benchmark'], row['score']
        seen[key] += 1
        benchmark = f'{row["benchmark"]}-{seen[key]}' if occurrences[key] > 1 else row['benchmark']
        arrays = _arrays(path / 'curves' / f'{benchmark}_{row["score"]}.npz')
        verdicts.append(Verdict(benchmark, row['score'], row, arrays))
    return verdicts


def _arrays(path: Path) -> dict[str, np.ndarray] | None:
    if not path.is_file():
        return None
    with np.load(path) as file:
        return {key: file[key] for key in ('tpr', 'fpr', 'precision', 'edges', 'inlier', 'outlier')}


def _read_frames(path: Path) -> list[Frame] | None:
    if not path.is_file():
        return None
    with path.open(newline='', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    named = ('benchmark', 'score', 'image', 'num_inlier', 'num_outlier')
    missing = [column for column in named if rows and column not in rows[0]]
    if missing:
        raise ValueError(f'{path}: expected the columns {", ".join(named)}, missing are {", ".join(missing)}')
    return [Frame(row['benchmark'], row['score'], row['image'],
                  {key: float(value) if value else None for key, value in row.items() if key not in named},
                  int(row['num_inlier']), int(row['num_outlier'])) for row in rows]


def _check_pictures(path: Path, frames: Sequence[Mapping[str, Any]]) -> None:
    """A page must not point outside its folder, nor at nothing."""
    root = path.resolve()
    for frame in frames:
        files = frame['files']
        for file in (files['image'], *([files['truth']] if files.get('truth') else []), *files['maps'].values()):
            if not (root / file).resolve().is_relative_to(root):
                raise ValueError(f'{path / "gallery.json"}: {file} lies outside the folder')
            if not (root / file).is_file():
                raise FileNotFoundError(f'{path / file} does not exist, but gallery.json names it')
