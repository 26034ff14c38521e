"""Result folders side by side: figures, curves, and the frames on which they differ most."""
from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .figure_columns import Column, best_of, figure_columns, lower_is_better
from .page import curve_pictures
from .page_files import PageFiles, address
from .result_folder import ResultFolder, curve, read_result_folder
from .result_tables import command, frames_text, protocol_lines

WRITTEN = ('index.html', 'compare.json', 'compare.csv', 'report', 'frames')
"""What :func:`write_comparison` writes into a folder."""

_SAME_DATA = ('frames', 'num_inlier', 'num_outlier')
_MOST_CHANGED = 12


class Cell(NamedTuple):
    """A figure in one of the folders."""
    value: float | None
    """None where the folder has none."""
    difference: float | None
    """To the first folder; None where one of them has none, or where they rest on other data."""
    note: str
    """Why there is no value or difference; else empty."""
    best: bool


def write_comparison(folders: Sequence[str | os.PathLike], out: str | os.PathLike) -> Path:
    """Write a page that compares result folders, and its figures as ``compare.json`` and ``compare.csv``.

    Every figure has a table of its own, FPR95 one for each rule by which it was read. Folders are compared with the
    first one, where they rest on the same number of frames, inliers and outliers.

    Args:
        folders: Two or more that ``evaluate`` wrote.
        out: Folder of the page.

    Returns:
        The page.

    Raises:
        FileNotFoundError: A folder has no ``results.json``.
        ValueError: Fewer than two folders, or folders of different units or kinds of pooling.
    """
    results = read_comparable(folders)
    names = distinct_names([result.path for result in results])
    out = Path(out)
    files = PageFiles(out, '\n'.join(command(result.provenance) for result in results))
    tables = _tables(results)
    frames = _most_changed_frames(results)
    _write_files(results, names, tables, frames, out)
    about = [{'name': name, 'path': str(result.path), 'provenance': result.provenance,
              'protocol': protocol_lines(result.protocol)} for name, result in zip(names, results, strict=True)]
    return files.render('comparison.html', names=names, tables=tables, folders=about,
                        curves=_curves(results, names, files), frames=_with_pictures(frames, results, names, out))


def read_comparable(folders: Sequence[str | os.PathLike]) -> list[ResultFolder]:
    """Read result folders whose figures may stand side by side; raises as :func:`write_comparison`."""
    results = [read_result_folder(folder) for folder in folders]
    if len(results) < 2:
        raise ValueError(f'expected two or more result folders, found {len(results)}')
    _check_protocols(results)
    return results


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """The last parts of paths, as many as it takes to tell them apart.

    Example:
        >>> distinct_names([Path('/runs/a/after'), Path('/runs/b/after')])
        ['a/after', 'b/after']
    """
    parts = [path.resolve().parts for path in paths]
    for length in range(1, max(map(len, parts)) + 1):
        names = ['/'.join(one[-length:]) for one in parts]
        if len(set(names)) == len(names):
            break
    return names


def _check_protocols(results: Sequence[ResultFolder]) -> None:
    for key in ('unit', 'pooling'):
        first = results[0].protocol.get(key)
        for result in results[1:]:
            if result.protocol.get(key) != first:
                raise ValueError(f'{result.path} and {results[0].path} have different protocols, their figures are not '
                                 f'compared: {key} is {result.protocol.get(key)!r} and {first!r}')


def _tables(results: Sequence[ResultFolder]) -> list[dict[str, Any]]:
    """A table for each figure: its column, and its rows by benchmark, with a cell a folder."""
    rows_of = [_rows(result) for result in results]
    columns: dict[str, Column] = {}
    for result, rows in zip(results, rows_of, strict=True):
        for column in figure_columns(rows.values(), result.fpr_rule):
            columns.setdefault(column.name, column)
    tables = []
    for column in columns.values():
        keys = dict.fromkeys(key for rows in rows_of for key, row in rows.items() if column.name in row)
        groups: dict[str, list] = {}
        for benchmark, score in keys:
            cells = _cells([rows.get((benchmark, score)) for rows in rows_of], column)
            groups.setdefault(benchmark, []).append({'benchmark': benchmark, 'score': score, 'cells': cells})
        tables.append({'column': column, 'groups': groups})
    return tables


def _rows(result: ResultFolder) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Rows by benchmark and score, figures that depend on the FPR rule under a name that says so."""
    rule = result.fpr_rule
    rows = {(verdict.benchmark, verdict.score): verdict.row for verdict in result.verdicts}
    rows |= {(row['benchmark'], ''): row for row in result.inlier_rows}
    if rule == 'first':
        return rows
    return {key: {f'{name}_{rule}' if lower_is_better(name) and not name.endswith(f'_{rule}') else name: value
                  for name, value in row.items()} for key, row in rows.items()}


def _cells(rows: Sequence[Mapping[str, Any] | None], column: Column) -> list[Cell]:
    values = [None if row is None else row.get(column.name) for row in rows]
    first = next((row for row in rows if row is not None), None)
    same = [row is not None and all(row.get(key) == first.get(key) for key in _SAME_DATA) for row in rows]
    best = best_of([value if comparable else None for value, comparable in zip(values, same, strict=True)],
                   column.lower_is_better)
    cells = []
    for index, (row, value) in enumerate(zip(rows, values, strict=True)):
        if row is None:
            note = 'missing'
        elif column.name not in row:
            note = 'not measured'
        elif value is None:
            note = 'undefined'
        else:
            note = '' if same[index] else f'other data, {frames_text(row)}'.rstrip(', ')
        known = index and None not in (value, values[0]) and same[index] and same[0]
        cells.append(Cell(value, value - values[0] if known else None, note, best[index]))
    return cells


def _most_changed_frames(results: Sequence[ResultFolder]) -> list[dict[str, Any]]:
    """Frames whose AP differs most from that in the first folder, largest change first."""
    of_folder = [{(frame.benchmark, frame.score, frame.image): frame.figures.get('AP') for frame in result.frames or ()}
                 for result in results]
    changed = []
    for key, first in of_folder[0].items():
        values = [frames.get(key) for frames in of_folder]
        changes = [value - first for value in values[1:] if None not in (value, first)]
        if changes and max(map(abs, changes)) > 0:
            changed.append({**dict(zip(('benchmark', 'score', 'image'), key, strict=True)), 'AP': values,
                            'change': max(changes, key=abs)})
    return sorted(changed, key=lambda frame: -abs(frame['change']))[:_MOST_CHANGED]


def _with_pictures(frames: Sequence[Mapping[str, Any]], results: Sequence[ResultFolder], names: Sequence[str],
                   out: Path) -> list[dict[str, Any]]:
    """The frames with copies of their pictures, from the folders that have a gallery."""
    galleries = [{(frame['benchmark'], frame['image']): frame for frame in (result.gallery or {'frames': ()})['frames']}
                 for result in results]
    shown = []
    for number, frame in enumerate(frames, 1):
        copied: list[dict[str, Any]] = []
        for name, result, gallery in zip(names, results, galleries, strict=True):
            entry = gallery.get((frame['benchmark'], frame['image']))
            wanted = _wanted_pictures(entry, frame['score'], name, with_image=not copied) if entry else []
            for text, files in wanted:
                sources = [_copy(result.path / file, out / 'frames', f'{number:02d}_{len(copied)}_{layer}')
                           for layer, file in enumerate(files)]
                copied.append({'text': text, 'layers': sources, 'size': entry['size']})
        shown.append({**frame, 'pictures': copied})
    return shown


def _wanted_pictures(entry: Mapping[str, Any], score: str, name: str,
                     with_image: bool) -> list[tuple[str, list[str]]]:
    """Pictures by what they show; several lie on top of each other."""
    files = entry['files']
    image = [files['image'], *([files['truth']] if files.get('truth') else [])]
    anomaly_map = [(f'Anomaly map of {name}', [files['maps'][score]])] if score in files['maps'] else []
    return ([('Image and ground truth', image)] if with_image else []) + anomaly_map


def _copy(file: Path, folder: Path, stem: str) -> str:
    """Copy a file under a name of our own, and return its address."""
    folder.mkdir(exist_ok=True)
    shutil.copyfile(file, folder / f'{stem}{file.suffix}')
    return address(f'{folder.name}/{stem}{file.suffix}')


def _curves(results: Sequence[ResultFolder], names: Sequence[str], files: PageFiles) -> list[dict[str, Any]]:
    """Curves of all folders in one drawing for each benchmark and score."""
    rules = {result.fpr_rule for result in results}
    curves: dict[tuple[str, str], list] = {}
    for name, result in zip(names, results, strict=True):
        label = name if len(rules) == 1 else f'{name} ({result.fpr_rule})'
        for verdict in result.verdicts:
            if verdict.arrays:
                curves.setdefault((verdict.benchmark, verdict.score), []).append(
                    curve(verdict, label, result.fpr95))
    return [{'benchmark': benchmark, 'score': score,
             'pictures': curve_pictures(files, f'{benchmark}, {score}', drawn)}
            for (benchmark, score), drawn in curves.items()]


def _write_files(results: Sequence[ResultFolder], names: Sequence[str], tables: Sequence[Mapping[str, Any]],
                 frames: Sequence[Mapping[str, Any]], out: Path) -> None:
    rows = [{'benchmark': row['benchmark'], 'score': row['score'], 'figure': table['column'].name,
             'values': [cell.value for cell in row['cells']],
             'differences': [cell.difference for cell in row['cells']],
             'notes': [cell.note for cell in row['cells']]}
            for table in tables for group in table['groups'].values() for row in group]
    content = {'folders': [{'name': name, 'path': str(result.path), 'protocol': result.protocol,
                            'provenance': result.provenance} for name, result in zip(names, results, strict=True)],
               'rows': rows, 'frames': frames}
    (out / 'compare.json').write_text(json.dumps(content, indent=2, allow_nan=False), encoding='utf-8')
    with (out / 'compare.csv').open('w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(['benchmark', 'score', 'figure', *names, *(f'{name} - {names[0]}' for name in names[1:])])
        for row in rows:
            writer.writerow([row['benchmark'], row['score'], row['figure'], *row['values'], *row['differences'][1:]])
