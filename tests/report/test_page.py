"""The page holds what the files hold: numbers, names, sections; and points at nothing outside."""
import json
import re
import shutil
from html import unescape
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest

from mmseg_ood.report import write_report

from .conftest import (
    BENCHMARKS,
    CLASSES,
    COMMAND,
    FRAMES,
    SCORES,
    make_result_folder,
    make_work_dir,
    without_drawings,
)


class Page(HTMLParser):
    """Tables as lists of rows of texts by id, addresses, ids, and the texts of bold cells."""

    def __init__(self, path):
        super().__init__()
        self.text = path.read_text(encoding='utf-8')
        self.tables, self.addresses, self.ids, self.bold, self.images = {}, [], set(), [], []
        self._rows = None
        self._in_cell = self._bold = False
        self.feed(self.text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids.add(attributes.get('id'))
        self.addresses += [attributes[key] for key in ('src', 'href') if key in attributes]
        if tag == 'img' and 'src' in attributes:
            self.images.append(attributes)
        if tag == 'table':
            self._rows = self.tables.setdefault(attributes.get('id', len(self.tables)), [])
        elif tag == 'tr' and self._rows is not None:
            self._rows.append([])
        elif tag in ('td', 'th'):
            self._rows[-1].append('')
            self._in_cell = True
        self._bold = tag == 'strong'

    def handle_data(self, data):
        if self._in_cell:
            self._rows[-1][-1] += data
            if self._bold:
                self.bold.append(data)

    def handle_endtag(self, tag):
        self._bold = False
        if tag in ('td', 'th'):
            self._in_cell = False
        elif tag == 'table':
            self._rows = None

    @property
    def frames(self):
        return json.loads(re.search(r'id="frames-data">(.*?)</script>', self.text, re.S)[1])['frames']


@pytest.fixture(scope='module')
def complete(tmp_path_factory):
    """A folder with everything, and its page."""
    path = make_result_folder(tmp_path_factory.mktemp('complete') / 'results')
    return path, Page(write_report(path, make_work_dir(path.parent / 'work')))


def page(folder, **arguments):
    return Page(write_report(folder, **arguments))


def result_rows(folder):
    return [row for row in json.loads((folder / 'results.json').read_text())['results'] if 'score' in row]


def change_results(folder, change):
    content = json.loads((folder / 'results.json').read_text())
    change(content)
    (folder / 'results.json').write_text(json.dumps(content))


# ------------------------------------------------------------------ numbers
def test_headline_is_the_results_to_two_digits(complete):
    folder, found = complete
    header, *rows = found.tables['headline']
    assert [re.sub(r'\s*[↑↓].*', '', text) for text in header] == ['benchmark', 'score', 'AP', 'FPR95', 'AUROC', 'F1*']
    assert ['lower is better' in text for text in header[2:]] == [False, True, False, False]
    for cells, row in zip(rows, result_rows(folder), strict=True):
        expected = [f'{row[name]:.2f}' for name in ('AP', 'FPR95', 'AUROC')] + ['–']
        assert cells[-5:] == [row['score'], *expected]
    assert rows[0][0].startswith('road-anomaly')
    assert '3 frames' in rows[0][0]
    assert rows[2][0].startswith(BENCHMARKS[1])
    assert '3 of 60 or 100 frames' in rows[2][0]


def test_the_best_of_a_benchmark_and_column_is_bold(complete):
    """The first score separates better: it has the higher AP and AUROC and the lower FPR95."""
    folder, found = complete
    rows = result_rows(folder)
    best = [f'{row[name]:.2f}' for row in rows[::2] for name in ('AP', 'FPR95', 'AUROC')]
    assert [text for text in found.bold if text in best] == best
    assert not {f'{row["AP"]:.2f}' for row in rows[1::2]} & set(found.bold)


def test_a_single_score_has_no_best(folder):
    change_results(folder, lambda content: content.update(results=[content['results'][1]]))
    assert page(folder).bold == []


def test_in_distribution_line(complete):
    folder, found = complete
    text = re.sub('<[^>]*>', '', re.search('<p class="inlier">.*', found.text)[0])
    assert 'in-distribution: mIoU 25.79' in text
    assert 'mAcc 33.12' in text
    assert '2 frames' in text


def test_operating_points(complete):
    folder, found = complete
    rows = found.tables['operating-points'][1:]
    points = [(row, name, point) for row in result_rows(folder) for name, point in row['operating_points'].items()]
    assert len(rows) == len(points) == 8
    for cells, (row, name, point) in zip(rows, points, strict=True):
        assert cells[:3] == [row['benchmark'], row['score'], {'best_F1': 'best F1', 'TPR95': 'TPR 95 %'}[name]]
        assert cells[-4:] == [f'{point[rate]:.2f}' for rate in ('TPR', 'FPR', 'precision', 'F1')]
        assert float(cells[3]) == pytest.approx(point['threshold'], rel=1e-5)
        assert f'data-copy="{point["threshold"]!r}"' in found.text


def test_protocol_and_provenance(complete):
    folder, found = complete
    text = unescape(found.text)
    assert 'first: at the first threshold with TPR of at least 95 %, without interpolation' in text
    assert 'all pixels of all frames' in text
    for part in (COMMAND, 'configs/<my>_config.py', 'weights.pth', 'ae3b714e', 'torch 2.13.0', '2024-05-06T07:08:09'):
        assert part in text


def test_every_figure_carries_its_command(complete):
    folder, found = complete
    text = found.text
    assert text.count('<figure>') == text.count('<figcaption>')
    for part in text.split('<figure>')[1:]:
        figure = unescape(part.split('</figure>')[0])
        assert any(source in figure for source in (COMMAND, 'estimate_prior.py <x>', 'scalars.json'))
    for drawing in (folder / 'report').glob('*.svg'):
        assert COMMAND in unescape(drawing.read_text())


def test_false_positives_by_class(complete):
    folder, found = complete
    counts = json.loads((folder / 'classes.json').read_text())['benchmarks']['road-anomaly']['energy']
    table = next(rows for rows in found.tables.values() if rows[0][0] == 'predicted as')[1:]
    assert len(table) == 2  # the third class is never predicted
    numbers = {cells[0]: [cell.replace('\u202f', '') for cell in cells[1:]] for cells in table}
    for index, name in enumerate(CLASSES[:2]):
        share = 100 * counts['false_positives'][index] / sum(counts['false_positives'])
        rate = 100 * counts['false_positives'][index] / counts['predicted'][index]
        assert numbers[name] == [f'{share:.1f}', str(counts['false_positives'][index]), str(counts['predicted'][index]),
                                 f'{rate:.2f}', str(counts['detected'][index]), str(counts['missed'][index])]
    assert 'Never predicted: &lt;car&gt;' in (folder / 'index.html').read_text()


def test_other_fpr_rules_are_named(folder):
    shutil.rmtree(folder)
    found = page(without_drawings(make_result_folder(folder, fpr_rule='nearest')))
    assert 'FPR95 (nearest)' in found.tables['headline'][0][3]
    assert 'FPR95_nearest' in found.frames[0]['figures']['energy']


# ------------------------------------------------------------------ gallery
def test_gallery_holds_all_frames_and_their_figures(complete):
    folder, found = complete
    frames = found.frames
    assert [frame['name'] for frame in frames] == list(FRAMES)
    lines = (folder / 'frames.csv').read_text().splitlines()[1:]
    for frame in frames:
        for score in SCORES:
            value = frame['figures'][score]['AP']
            if frame['name'] == 'nothing':
                assert value is None
            else:
                assert value[1] == f'{value[0]:.2f}'
                assert any(str(value[0]) in line for line in lines)
    assert frames[-1]['outliers'] == 0


def test_all_addresses_are_files_of_the_folder(complete):
    folder, found = complete
    addresses = found.addresses + [address for frame in found.frames
                                   for address in (frame['image'], frame['truth'], *frame['maps'].values())]
    for address in addresses:
        if not address.startswith('data:,'):
            path, _, anchor = address.partition('#')
            assert (folder / unquote(path)).is_file() if path else anchor in found.ids, address
    assert len(addresses) > 50


# ------------------------------------------------------------------ names
def test_names_are_text_and_never_markup(complete):
    folder, found = complete
    text = found.text
    assert "<script>alert('x')" not in text
    assert text.count('</script>') == 2  # data and page.js
    for name in (BENCHMARKS[1], CLASSES[2], '<my>_config'):
        assert name not in text
    assert found.frames[1]['name'] == FRAMES[1]


def test_pictures_outside_the_folder_are_refused(folder):
    for file in ('../secret.png', '/etc/hostname'):
        gallery = json.loads((folder / 'gallery.json').read_text())
        gallery['frames'][2]['files']['image'] = file
        (folder / 'gallery.json').write_text(json.dumps(gallery))
        with pytest.raises(ValueError, match=f'gallery.json: {file} lies outside the folder'):
            write_report(folder)


# ------------------------------------------------------------------ files that are not there
def test_sections_without_a_file_are_left_out(folder, complete):
    (folder / 'gallery.json').unlink()
    found = page(folder)
    for section in ('curves', 'classes', 'training', 'frames'):
        assert section in complete[1].ids
        assert section not in found.ids
        assert f'#{section}' not in found.addresses


def test_a_prior_without_classes(folder):
    (folder / 'prior.json').write_text(json.dumps({'prior': [0.75, 0.25], 'classes': ['<road>', 'car']}))
    image, = page(folder).images
    assert image['alt'] == 'Class prior of the outliers; highest are <road> 75.0 %, car 25.0 %.'


def test_gallery_without_figures(folder):
    (folder / 'frames.csv').unlink()
    assert page(folder).frames[0]['figures'] == {}


def test_classification_results(tmp_path):
    """Other columns, no frames, no maps."""
    rows = [{'benchmark': name, 'score': score, 'AUROC': 91.234, 'AUPR_out': 80.0, 'FPR95': low, 'FPR95_in': 3.0}
            for name in ('svhn', 'mean') for score, low in (('energy', 20.0), ('msp', 30.0))]
    rows.insert(0, {'benchmark': 'in-distribution', 'accuracy': 92.5})
    (tmp_path / 'results.json').write_text(json.dumps({'results': rows, 'provenance': {'command': 'x.py'}}))
    found = page(tmp_path)
    assert found.tables['headline'][1][1:] == ['energy', '91.23', '80.00', '20.00', '3.00']
    assert '20.00' in found.bold
    assert '30.00' not in found.bold
    assert 'accuracy' in found.text
    assert found.ids & {'curves', 'thresholds', 'classes', 'training', 'frames'} == set()


def test_a_work_dir_without_logs(folder, tmp_path):
    assert 'training' not in page(folder, work_dir=tmp_path).ids


def test_training_curves(complete):
    texts = [image['alt'] for image in complete[1].images if 'training' in image['src']]
    assert texts == ['Losses over iterations; the last values are loss 1.',
                     'Learning rate over iterations; the last values are lr 0.01.',
                     'Validation over iterations; the last values are mIoU 50.5.']


@pytest.mark.parametrize(('file', 'content', 'error', 'message'), [
    ('results.json', None, FileNotFoundError, 'expected results.json'),
    ('results.json', '{', ValueError, 'results.json: expected JSON'),
    ('results.json', '{"results": []}', ValueError, 'results.json: .*missing are provenance'),
    ('results.json', '{"results": [{"score": "x"}], "provenance": {}}', ValueError, 'row 0 has no benchmark'),
    ('results.json', '{"results": [], "provenance": {}, "protocol": {"fpr_rule": "last"}}', ValueError,
     "unknown fpr_rule 'last', expected one of first, nearest, interpolate"),
    ('prior.json', '[]', ValueError, 'prior.json: .*missing are prior'),
    ('frames.csv', 'benchmark,score,AP\na,b,3\n', ValueError, 'frames.csv: .*missing are image'),
])
def test_files_that_are_refused(folder, file, content, error, message):
    (folder / file).unlink(missing_ok=True)
    if content is not None:
        (folder / file).write_text(content)
    with pytest.raises(error, match=message):
        write_report(folder)
    assert not (folder / 'index.html').exists()


def test_a_missing_picture_is_named(folder):
    next((folder / 'gallery').glob('*/*_truth.png')).unlink()
    with pytest.raises(FileNotFoundError, match='_truth.png does not exist'):
        write_report(folder)


def test_the_same_files_give_the_same_page(folder):
    first = write_report(folder).read_bytes()
    assert write_report(folder).read_bytes() == first
    assert {path.name for path in (folder / 'report').iterdir()} == {'page.css', 'page.js'}


def test_drawings_are_small(complete):
    drawings = list((complete[0] / 'report').glob('*.svg'))
    assert len(drawings) == 2 * 5 + 4 + 1 + 3
    assert max(path.stat().st_size for path in drawings) < 60_000
