"""Folders side by side: what is compared, what is not, and what is said about it."""
import csv
import json
import re
from html import unescape

import pytest

from mmseg_ood.report import write_comparison

from .conftest import BENCHMARKS, COMMAND, make_result_folder, without_drawings


@pytest.fixture
def folders(tmp_path):
    """Three evaluations of the same data; the second is worse, the third by another rule."""
    made = {'better': {}, '<worse>': dict(shift=1.0, seed=1), 'other': dict(fpr_rule='nearest', seed=2)}
    return [without_drawings(make_result_folder(tmp_path / name, **how)) for name, how in made.items()]


def compared(folders, out):
    """Text of the page, and rows by figure, benchmark and score."""
    page = write_comparison(folders, out)
    content = json.loads((out / 'compare.json').read_text())
    return unescape(page.read_text()), {(row['figure'], row['benchmark'], row['score']): row
                                        for row in content['rows']}, content


def value(folder, benchmark, score, figure):
    rows = json.loads((folder / 'results.json').read_text())['results']
    row, = (row for row in rows if row['benchmark'] == benchmark and row.get('score') == score)
    return row[figure]


def change_rows(folder, change):
    content = json.loads((folder / 'results.json').read_text())
    change(content)
    (folder / 'results.json').write_text(json.dumps(content))


def cells(page, figure, benchmark_index, score_index):
    """Cells of a row of a figure's table."""
    table = page.split(f'data-figure="{figure}"')[1].split('</table>')[0]
    row = table.split('<tbody>')[1 + benchmark_index].split('<tr>')[1 + score_index]
    return [' '.join(re.sub('<[^>]*>', '', cell.replace('<strong>', '*')).split())
            for cell in re.findall('<td>(.*?)</td>', row)]


def test_figures_and_differences(folders, tmp_path):
    page, rows, _ = compared(folders[:2], tmp_path / 'out')
    for figure in ('AP', 'FPR95', 'AUROC'):
        for benchmark in BENCHMARKS:
            row = rows[figure, benchmark, 'energy']
            first, second = (value(folder, benchmark, 'energy', figure) for folder in folders[:2])
            assert row['values'] == [first, second]
            assert row['differences'] == [None, second - first]
            assert row['notes'] == ['', '']
    first, second = rows['AP', 'road-anomaly', 'energy']['values']
    assert first > second
    assert cells(page, 'AP', 0, 0) == [f'*{first:.2f}', f'{second:.2f} \N{MINUS SIGN}{first - second:.2f}']
    first, second = rows['FPR95', 'road-anomaly', 'energy']['values']
    assert first < second
    assert cells(page, 'FPR95', 0, 0) == [f'*{first:.2f}', f'{second:.2f} +{second - first:.2f}']


def test_csv_holds_the_same(folders, tmp_path):
    _, rows, _ = compared(folders[:2], tmp_path / 'out')
    with (tmp_path / 'out' / 'compare.csv').open(newline='') as file:
        header, *lines = csv.reader(file)
    assert header == ['benchmark', 'score', 'figure', 'better', '<worse>', '<worse> - better']
    assert len(lines) == len(rows)
    for line in lines:
        row = rows[line[2], line[0], line[1]]
        expected = [*row['values'], row['differences'][1]]
        assert line[3:] == ['' if number is None else str(number) for number in expected]


def test_rules_never_share_a_column(folders, tmp_path):
    page, rows, _ = compared([folders[0], folders[2]], tmp_path / 'out')
    first = rows['FPR95', 'road-anomaly', 'energy']
    other = rows['FPR95_nearest', 'road-anomaly', 'energy']
    assert first['values'][1] is None
    assert first['notes'] == ['', 'not measured']
    assert other['values'] == [None, value(folders[2], 'road-anomaly', 'energy', 'FPR95_nearest')]
    assert other['notes'] == ['not measured', '']
    assert '>FPR95 (nearest)<' in page
    assert rows['AP', 'road-anomaly', 'energy']['differences'][1] is not None


def test_rules_are_told_apart_without_a_suffix(folders, tmp_path):
    """A folder that does not write the rule into the name of the column."""
    def rename(content):
        for row in content['results'][1:]:
            row['FPR95'] = row.pop('FPR95_nearest')
    change_rows(folders[2], rename)
    _, rows, _ = compared([folders[0], folders[2]], tmp_path / 'out')
    assert rows['FPR95', 'road-anomaly', 'energy']['values'][1] is None
    assert rows['FPR95_nearest', 'road-anomaly', 'energy']['values'][0] is None


@pytest.mark.parametrize(('key', 'other'), [('unit', 'fraction'), ('pooling', 'means over frames')])
def test_other_units_and_poolings_are_refused(folders, tmp_path, key, other):
    change_rows(folders[1], lambda content: content['protocol'].update({key: other}))
    with pytest.raises(ValueError, match=f"worse> and .*better have different protocols.*{key} is '{other}' and '"):
        write_comparison(folders[:2], tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_missing_benchmarks_are_shown_as_missing(folders, tmp_path):
    change_rows(folders[1], lambda content: content.update(results=content['results'][:3]))
    change_rows(folders[0], lambda content: content.update(results=content['results'][2:]))
    page, rows, _ = compared(folders[:2], tmp_path / 'out')
    assert rows['AP', BENCHMARKS[1], 'energy']['notes'] == ['', 'missing']
    assert rows['AP', 'road-anomaly', 'energy']['notes'] == ['missing', '']
    assert rows['AP', 'road-anomaly', 'energy']['differences'] == [None, None]
    assert rows['mIoU', 'in-distribution', '']['notes'] == ['missing', '']
    assert 'missing' in cells(page, 'AP', 1, 0)


@pytest.mark.parametrize(('column', 'note'), [('frames', 'other data, 9 of 60 or 100 frames'),
                                              ('num_outlier', 'other data, 3 of 60 or 100 frames')])
def test_other_data_is_shown_and_not_compared(folders, tmp_path, column, note):
    change_rows(folders[1], lambda content: content['results'][3].update({column: 9}))
    page, rows, _ = compared(folders[:2], tmp_path / 'out')
    row = rows['AP', BENCHMARKS[1], 'energy']
    assert row['differences'] == [None, None]
    assert row['notes'] == ['', note]
    assert cells(page, 'AP', 1, 0) == [f'{row["values"][0]:.2f}', f'{row["values"][1]:.2f} {note}']


def test_undefined_figures(folders, tmp_path):
    _, rows, _ = compared(folders[:2], tmp_path / 'out')
    assert rows['F1*', 'road-anomaly', 'energy']['notes'] == ['undefined', 'undefined']


def test_frames_with_the_largest_change(folders, tmp_path):
    page, _, content = compared(folders[:2], tmp_path / 'out')
    figures = []
    for folder in folders[:2]:
        with (folder / 'frames.csv').open(newline='') as file:
            figures.append({(row['benchmark'], row['score'], row['image']): float(row['AP'])
                            for row in csv.DictReader(file) if row['AP']})
    changes = {key: figures[1][key] - figures[0][key] for key in figures[0]}
    expected = sorted(changes, key=lambda key: -abs(changes[key]))
    assert [(frame['benchmark'], frame['score'], frame['image']) for frame in content['frames']] == expected
    assert content['frames'][0]['change'] == changes[expected[0]]
    assert content['frames'][0]['AP'] == [figures[0][expected[0]], figures[1][expected[0]]]
    # Image and truth of the first folder, a map of each.
    assert len(list((tmp_path / 'out' / 'frames').iterdir())) == 4 * len(expected)
    gallery = json.loads((folders[1] / 'gallery.json').read_text())['frames']
    entry, = (frame for frame in gallery if frame['image'] == expected[0][2])
    original = folders[1] / entry['files']['maps'][expected[0][1]]
    assert (tmp_path / 'out' / 'frames' / '01_2_0.jpg').read_bytes() == original.read_bytes()
    assert 'Anomaly map of <worse>' in page


def test_curves_are_laid_over_each_other(tmp_path):
    folders = [make_result_folder(tmp_path / name, seed=seed) for seed, name in enumerate('ab')]
    page, _, _ = compared(folders, tmp_path / 'out')
    drawings = sorted((tmp_path / 'out' / 'report').glob('*.svg'))
    assert len(drawings) == 2 * 2 * 3
    first = [value(folder, 'road-anomaly', 'energy', 'AP') for folder in folders]
    assert [f'>{name}: AP {ap:.1f} %<' in drawings[0].read_text() for name, ap in zip('ab', first, strict=True)] == [
        True, True]
    assert page.count(COMMAND) > len(drawings)


def test_folders_of_one_name(tmp_path):
    folders = [without_drawings(make_result_folder(tmp_path / name / 'after')) for name in 'ab']
    _, _, content = compared(folders, tmp_path / 'out')
    assert [folder['name'] for folder in content['folders']] == ['a/after', 'b/after']
    assert content['frames'] == []  # nothing changed


def test_two_folders_are_needed(folders, tmp_path):
    with pytest.raises(ValueError, match='expected two or more result folders, found 1'):
        write_comparison(folders[:1], tmp_path / 'out')
