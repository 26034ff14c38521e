"""Figures of an evaluation as rows, files and a table."""
from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from prettytable import PrettyTable

from mmseg_ood.core import OperatingPoint, fpr_column
from mmseg_ood.report.plots import Curve, Histogram, plot_histogram, plot_precision_recall, plot_roc
from mmseg_ood.segmentation.evaluation import Verdict
from mmseg_ood.segmentation.evaluation.judge import CLASS_COVERAGE
from mmseg_ood.segmentation.visualization.score_scale import SCALE_QUANTILES

from .inlier_classes import InlierClasses

_PERCENT = ('AP', 'FPR95', 'AUROC', 'AP_error', 'FPR95_error', 'AUROC_error', 'best_F1')
_AS_IT_IS = ('best_threshold', 'num_inlier', 'num_outlier')
_COMPONENT_COUNTS = ('num_ground_truth', 'num_prediction', 'num_frames')
# Columns of the text table, as far as there are such figures: of segmentation, of classification, of both.
_TABLE = ('AP', 'FPR95', 'AUROC', 'F1*', 'sIoU', 'PPV', 'mIoU', 'frames', 'AUPR_out', 'AUPR_in', 'FPR95_in', 'accuracy',
          'accuracy_head', 'accuracy_middle', 'accuracy_tail', 'images', 'seconds')


def result_row(verdict: Verdict, fpr_rule: str) -> dict[str, Any]:
    """The figures of a score on a benchmark, rates in percent, under the names of the columns."""
    summary, components = verdict.summary, verdict.components
    row: dict[str, Any] = {fpr_column(name, fpr_rule): 100 * summary[name] for name in _PERCENT}
    row.update({name: summary[name] for name in _AS_IT_IS})
    row.update({'sIoU': 100 * components['sIoU'], 'PPV': 100 * components['PPV'], 'F1*': 100 * components['F1']})
    row.update({fpr_column(f'image_{name}', fpr_rule): 100 * value for name, value in verdict.image_means.items()})
    row['image_frames'] = sum(1 for frame in verdict.frames if frame.num_outlier and frame.num_inlier)
    row['components'] = {name: value if name in _COMPONENT_COUNTS else 100 * value
                         for name, value in components.items()}
    row['operating_points'] = operating_points(verdict.operating_points)
    return row


def operating_points(points: Mapping[str, OperatingPoint]) -> dict[str, dict[str, float]]:
    """Thresholds with their rates in percent.

    Example:
        >>> operating_points({'TPR95': OperatingPoint(-6.5, tpr=0.95, fpr=0.25, precision=0.5, f1=0.625)})
        {'TPR95': {'threshold': -6.5, 'TPR': 95.0, 'FPR': 25.0, 'precision': 50.0, 'F1': 62.5}}
    """
    return {name: {'threshold': point.threshold, 'TPR': 100 * point.tpr, 'FPR': 100 * point.fpr,
                   'precision': 100 * point.precision, 'F1': 100 * point.f1} for name, point in points.items()}


def results_table(results: Mapping[str, Any]) -> str:
    """The headline figures that there are as text, one line a benchmark and score; percent with two digits.

    ``frames`` reads ``7 of 60`` where a data set is not the whole published one.
    """
    rows = results['results']
    rule = results.get('protocol', {}).get('fpr_rule', 'first')
    named = [fpr_column(name, rule) for name in _TABLE]
    columns = ['benchmark', 'score', *(name for name in named if any(name in row for row in rows))]
    table = PrettyTable(columns, align='r')
    table.align['benchmark'] = table.align['score'] = 'l'
    for row in rows:
        cells = {**row, 'frames': _frames(row)} if 'frames' in row else row
        table.add_row([_cell(cells.get(column, '')) for column in columns])
    return table.get_string()


def _frames(row: Mapping[str, Any]) -> str:
    if not row.get('partial'):
        return str(row['frames'])
    return f'{row["frames"]} of {" or ".join(map(str, row["expected_frames"].values()))}'


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return '' if math.isnan(value) else f'{value:.2f}'
    return '' if value is None else value


def write_results(results: Mapping[str, Any], out: str | Path) -> None:
    """Write ``results.json`` (everything) and ``results.csv`` (one line a row) into a folder.

    Undefined figures (NaN) are null in the one, which has no word for them, and empty in the other.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / 'results.json').write_text(json.dumps(_without_nan(results), indent=2, allow_nan=False), encoding='utf-8')
    rows = [{key: value for key, value in row.items() if not isinstance(value, Mapping)} for row in results['results']]
    _write_csv(out / 'results.csv', rows)


def write_verdicts(verdicts: Mapping[str, Mapping[str, Verdict]], out: Path, fpr_rule: str, command: str) -> None:
    """Write what stands behind the figures: curves (:func:`write_curves`) and figures of single frames.

    Args:
        verdicts: By benchmark and score.
        out: Gets ``curves`` and ``frames.csv``.
        fpr_rule: Rule of the FPR95.
        command: How the results were made.
    """
    write_curves(verdicts, out, command)
    _write_csv(out / 'frames.csv', (
        {'benchmark': benchmark, 'score': name, 'image': frame.image, 'AP': 100 * frame.AP,
         fpr_column('FPR95', fpr_rule): 100 * frame.FPR95, 'AUROC': 100 * frame.AUROC,
         'num_inlier': frame.num_inlier, 'num_outlier': frame.num_outlier}
        for benchmark, scores in verdicts.items() for name, verdict in scores.items() for frame in verdict.frames))


def write_curves(verdicts: Mapping[str, Mapping[str, Any]], out: Path, command: str) -> None:
    """Write curve points and plots.

    Args:
        verdicts: By benchmark and score: ``summary``, ``operating_points``, ``curve`` and ``density`` of each.
        out: Gets a folder ``curves`` with, for each benchmark, the plots of all its scores and, for each of these, a
            npz file (``threshold``, ``tpr``, ``fpr``, ``precision`` of the curves; ``edges``, ``inlier``, ``outlier``
            of the histogram; ``command``).
        command: How the results were made.
    """
    folder = out / 'curves'
    folder.mkdir(parents=True, exist_ok=True)
    for benchmark, scores in verdicts.items():
        curves = [_curve(name, verdict) for name, verdict in scores.items()]
        plot_precision_recall(curves, benchmark, folder / f'{benchmark}_precision_recall.png')
        plot_roc(curves, benchmark, folder / f'{benchmark}_roc.png')
        for name, verdict in scores.items():
            thresholds = {point: values.threshold for point, values in verdict.operating_points.items()}
            plot_histogram(Histogram(name, **verdict.density), f'{benchmark}: {name}',
                           folder / f'{benchmark}_{name}_histogram.png', thresholds)
            np.savez_compressed(folder / f'{benchmark}_{name}.npz', command=command, **verdict.curve, **verdict.density)


def write_classes(verdicts: Mapping[str, Mapping[str, Verdict]], classes: InlierClasses, out: Path) -> None:
    """Write ``classes.json``: by benchmark and score, how often each predicted class is right and wrong.

    Args:
        verdicts: By benchmark and score.
        classes: What the network predicts.
        out: Folder of the results.
    """
    benchmarks = {benchmark: {name: {'operating_point': 'best_F1', **verdict.classes}
                              for name, verdict in scores.items()} for benchmark, scores in verdicts.items()}
    _write_json(out / 'classes.json', {
        'classes': classes.names, 'palette': classes.palette,
        'bins': f'they span {100 * CLASS_COVERAGE:g} % of the inliers and of the anomalies; the outermost two also '
                f'hold what lies beyond', 'benchmarks': benchmarks})


def write_gallery(verdicts: Mapping[str, Mapping[str, Verdict]], frames: Sequence[Mapping[str, Any]],
                  out: Path) -> None:
    """Write ``gallery.json``: which pictures there are, and their colour scales.

    Args:
        verdicts: By benchmark and score.
        frames: The entries of :func:`mmseg_ood.apis.gallery.draw_gallery`.
        out: Folder of the results.
    """
    ranges = {benchmark: {name: list(verdict.score_range) for name, verdict in scores.items()}
              for benchmark, scores in verdicts.items()}
    _write_json(out / 'gallery.json', {'unit': 'percent', 'score_quantiles': list(SCALE_QUANTILES),
                                       'score_ranges': ranges, 'frames': list(frames)})


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(_without_nan(content), allow_nan=False), encoding='utf-8')


def _curve(name: str, verdict: Any) -> Curve:
    curve = {key: verdict.curve[key] for key in ('tpr', 'fpr', 'precision')}
    points = {point: (values.tpr, values.fpr, values.precision) for point, values in verdict.operating_points.items()}
    return Curve(name, **curve, ap=verdict.summary['AP'], auroc=verdict.summary['AUROC'],
                 fpr95=verdict.summary['FPR95'], points=points)


def _write_csv(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    rows = [_without_nan(row) for row in rows]
    columns = list(dict.fromkeys(['benchmark', 'score', *(key for row in rows[::-1] for key in row)]))
    with path.open('w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def _without_nan(value: Any) -> Any:
    """The same, with None for every float that is not finite."""
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
