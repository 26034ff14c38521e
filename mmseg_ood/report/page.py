"""The page of an evaluation: a pure function of the files in its folder."""
from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import matplotlib
import numpy as np

from .class_plot import ClassScores, class_scores_figure
from .figure_columns import lower_is_better, two_digits
from .page_files import PageFiles, Picture, address
from .plots import histogram_figure, percent_text, precision_recall_figure, roc_panel_figure
from .prior_plot import prior_figure
from .result_folder import Frame, ResultFolder, Verdict, curve, histogram, point_name, read_result_folder
from .result_tables import command, further_figures, headline, operating_points, protocol_lines
from .training_plot import Series, read_training_log, training_figure, training_logs

PANEL = 4.4, 3.0
"""Size of a drawing, in inches: three stand beside each other."""

_COLORMAP = 'inferno'
_NOT_A_RATE = ('threshold', 'num_', 'error')


def write_report(folder: str | os.PathLike, work_dir: str | os.PathLike | None = None) -> Path:
    """Write ``index.html`` into a folder that ``evaluate`` wrote.

    The page opens from disk, without network. Its pictures are those of the folder and, in ``report/``, drawings
    as SVG. A section whose file is not in the folder is left out.

    Args:
        folder: With ``results.json`` and, where they were written, ``curves/``, ``frames.csv``, ``classes.json``,
            ``gallery.json`` and ``prior.json``.
        work_dir: Of the training; if it holds logs of MMEngine, ``*/vis_data/scalars.json``, they become curves.

    Returns:
        The page.

    Raises:
        FileNotFoundError: There is no ``results.json``, or a picture of the gallery is missing.
        ValueError: A file is not what it should be; names it.
    """
    results = read_result_folder(folder)
    files = PageFiles(results.path, command(results.provenance))
    config = results.provenance.get('config')
    return files.render(
        'report.html', title=PurePath(config).stem if config else results.path.resolve().name,
        provenance=results.provenance, command=command(results.provenance),
        protocol=protocol_lines(results.protocol), headline=headline(results), scores=results.scores,
        further=further_figures(results), curves=_curves(results, files), points=operating_points(results),
        classes=_classes(results, files), prior=_prior(results, files),
        training=_training(work_dir, files), gallery=_gallery(results),
        result_files=[name for name in ('results.json', 'results.csv', 'frames.csv')
                      if (results.path / name).is_file()])


def curve_pictures(files: PageFiles, name: str, curves: Sequence[Any]) -> list[Picture]:
    """Precision over recall and the two views of the ROC."""
    drawings = (
        ('precision_recall', 'Precision over recall', 'AP', lambda one: one.ap,
         lambda: precision_recall_figure(curves, '', PANEL)),
        ('roc', 'ROC', 'AUROC', lambda one: one.auroc, lambda: roc_panel_figure(curves, '', False, PANEL)),
        ('roc_logarithmic', 'ROC, logarithmic', 'FPR95', lambda one: one.fpr95,
         lambda: roc_panel_figure(curves, '', True, PANEL)))
    pictures = []
    for kind, caption, figure, value, draw in drawings:
        values = ', '.join(f'{one.name} {figure} {percent_text(value(one))}' for one in curves)
        pictures.append(files.draw(f'{name}_{kind}', f'{caption} on {name}: {values}.', caption, draw))
    return pictures


def _curves(results: ResultFolder, files: PageFiles) -> list[dict[str, Any]]:
    benchmarks = []
    for benchmark in results.benchmarks:
        verdicts = [verdict for verdict in results.verdicts if verdict.benchmark == benchmark and verdict.arrays]
        if verdicts:
            curves = [curve(verdict, verdict.score, results.fpr95) for verdict in verdicts]
            pictures = curve_pictures(files, benchmark, curves)
            pictures += [_histogram_picture(files, verdict, results.protocol) for verdict in verdicts]
            benchmarks.append({'benchmark': benchmark, 'pictures': pictures})
    return benchmarks


def _histogram_picture(files: PageFiles, verdict: Verdict, protocol: Mapping[str, Any]) -> Picture:
    drawn = histogram(verdict, protocol.get('counted', 'pixels'))
    thresholds = {point_name(name): _number(point['threshold'])
                  for name, point in verdict.row.get('operating_points', {}).items()}
    points = ', '.join(f'{name} at {threshold:.4g}' for name, threshold in thresholds.items())
    return files.draw(
        f'{verdict.benchmark}_{verdict.score}_histogram',
        f'Histogram of {verdict.score} on {verdict.benchmark}: inliers and outliers; thresholds {points or "none"}.',
        f'Scores of inliers and outliers by {verdict.score}', lambda: histogram_figure(drawn, '', thresholds, PANEL))


def _number(value: float | None) -> float:
    return float('nan') if value is None else value


def _classes(results: ResultFolder, files: PageFiles) -> list[dict[str, Any]]:
    if results.classes is None:
        return []
    names, palette = results.classes['classes'], results.classes['palette']
    groups = []
    for benchmark, scores in results.classes['benchmarks'].items():
        for score, counts in scores.items():
            groups.append({'benchmark': benchmark, 'score': score, 'point': point_name(counts['operating_point']),
                           'threshold': f'{counts["threshold"]:.6g}',
                           'picture': _class_picture(files, benchmark, score, counts, names),
                           'rows': _class_rows(counts, names, palette),
                           'absent': [name for name, *found in zip(names, counts['predicted'], counts['detected'],
                                                                   counts['missed'], strict=True) if not any(found)]})
    return groups


def _class_picture(files: PageFiles, benchmark: str, score: str, counts: Mapping[str, Any],
                   names: Sequence[str]) -> Picture:
    drawn = ClassScores(names, *(np.asarray(counts[key]) for key in ('edges', 'inlier', 'outlier')),
                        {point_name(counts['operating_point']): counts['threshold']})
    return files.draw(f'{benchmark}_{score}_classes',
                      f'Distributions of {score} on {benchmark} for each predicted class; the table gives the counts.',
                      f'{score} by predicted class', lambda: class_scores_figure(drawn, score))


def _class_rows(counts: Mapping[str, Any], names: Sequence[str], palette: Sequence[Sequence[int]]) -> list[dict]:
    total = sum(counts['false_positives'])
    rows = [{'name': name, 'color': 'rgb({}, {}, {})'.format(*map(int, color)), 'predicted': predicted,
             'false_positives': false_positives, 'detected': detected, 'missed': missed,
             'share': 100 * false_positives / total if total else 0.0,
             'rate': 100 * false_positives / predicted if predicted else None}
            for name, color, predicted, false_positives, detected, missed in zip(
                names, palette, counts['predicted'], counts['false_positives'], counts['detected'], counts['missed'],
                strict=True)
            if predicted or detected or missed]
    return sorted(rows, key=lambda row: -row['false_positives'])


def _prior(results: ResultFolder, files: PageFiles) -> dict[str, Any] | None:
    if results.prior is None:
        return None
    prior, names = results.prior['prior'], results.prior['classes']
    known = results.classes is not None and results.classes['classes'] == names
    highest = sorted(zip(prior, names, strict=True), reverse=True)[:3]
    text = ', '.join(f'{name} {100 * share:.1f} %' for share, name in highest)
    picture = files.draw('prior', f'Class prior of the outliers; highest are {text}.',
                         'What outliers are mistaken for',
                         lambda: prior_figure(prior, names, '', results.classes['palette'] if known else None))
    return {'picture': picture, 'source': results.prior.get('source', '')}


def _training(work_dir: str | os.PathLike | None, files: PageFiles) -> dict[str, Any] | None:
    if work_dir is None or not training_logs(work_dir):
        return None
    log = read_training_log(work_dir)
    panels = (
        ('losses', 'Losses', 'loss', 'iteration', {name: line for name, line in log.training.items()
                                                   if 'loss' in name}),
        ('learning_rate', 'Learning rate', 'learning rate', 'iteration',
         {name: line for name, line in log.training.items() if name == 'lr'}),
        ('validation', 'Validation', '%', log.validated_by, {name: line for name, line in log.validation.items()
                                                              if not any(word in name for word in _NOT_A_RATE)}))
    pictures = [_training_picture(files, *panel) for panel in panels if panel[-1]]
    return {'pictures': pictures, 'files': [str(file) for file in log.files]}


def _training_picture(files: PageFiles, name: str, caption: str, values: str, steps: str,
                      series: Mapping[str, Series]) -> Picture:
    last = ', '.join(f'{key} {line[-1]:.4g}' for key, (_, line) in series.items())
    return files.draw(f'training_{name}', f'{caption} over {steps}s; the last values are {last}.', caption,
                      lambda: training_figure(series, steps, values, PANEL))


def _gallery(results: ResultFolder) -> dict[str, Any] | None:
    if results.gallery is None:
        return None
    known: dict[tuple[str, str], list[Frame]] = {}
    for frame in results.frames or ():
        known.setdefault((frame.benchmark, frame.image), []).append(frame)
    frames = [_gallery_frame(frame, known.get((frame['benchmark'], frame['image']), ()))
              for frame in results.gallery['frames']]
    figures = dict.fromkeys(name for frame in results.frames or () for name in frame.figures)
    return {
        'frames': frames, 'figures': {name: lower_is_better(name) for name in figures},
        'scores': list(dict.fromkeys(score for frame in results.gallery['frames'] for score in frame['files']['maps'])),
        'benchmarks': list(dict.fromkeys(frame['benchmark'] for frame in frames)),
        'ranges': {benchmark: {score: [f'{value:.4g}' for value in ends] for score, ends in ranges.items()}
                   for benchmark, ranges in results.gallery['score_ranges'].items()},
        'quantiles': results.gallery.get('score_quantiles'),
        'colors': [matplotlib.colors.to_hex(matplotlib.colormaps[_COLORMAP](step / 8)) for step in range(9)],
        'without_picture': len(known) - len({(frame['benchmark'], frame['name']) for frame in frames} & known.keys())}


def _gallery_frame(frame: Mapping[str, Any], known: Sequence[Frame]) -> dict[str, Any]:
    files = frame['files']
    return {'benchmark': frame['benchmark'], 'name': frame['image'], 'size': frame['size'],
            'image': address(files['image']), 'truth': address(files['truth']) if files.get('truth') else None,
            'maps': {score: address(file) for score, file in files['maps'].items()},
            'figures': {one.score: {name: None if value is None else [value, two_digits(value)]
                                    for name, value in one.figures.items()} for one in known},
            'outliers': known[0].num_outlier if known else None,
            'inliers': known[0].num_inlier if known else None}
