"""The pages in a real browser: opened from disk, without network, at two widths and in both themes.

They need Chromium, and are skipped where there is none, unless ``MMSEG_OOD_REQUIRE_BROWSER=1``.
``MMSEG_OOD_REPORT=DIR`` also opens the report of that folder; ``MMSEG_OOD_CHROMIUM`` names another executable.
"""
import io
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmseg_ood.report import write_comparison, write_report

from .conftest import result_folders

CHROMIUM = os.environ.get('MMSEG_OOD_CHROMIUM') or next(
    filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)
REQUIRED = os.environ.get('MMSEG_OOD_REQUIRE_BROWSER') == '1'
GIVEN = os.environ.get('MMSEG_OOD_REPORT')
WIDE, NARROW = {'width': 1440, 'height': 900}, {'width': 390, 'height': 844}


@pytest.fixture(scope='module')
def browser():
    missing = None if CHROMIUM else 'Chromium is not installed (apt-get install chromium)'
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing = 'playwright is not installed (pip install playwright axe-playwright-python)'
    if missing:
        (pytest.fail if REQUIRED else pytest.skip)(missing)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox'])
        yield chromium
        chromium.close()


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    """Folder of the small report."""
    folder = result_folders.make_result_folder(tmp_path_factory.mktemp('report') / 'a <b> & "c"')
    write_report(folder, result_folders.make_work_dir(folder.parent / 'work'))
    return folder


@pytest.fixture(scope='module', params=['small', *(['given'] if GIVEN else [])])
def report(request, small):
    """Folder of a report: the small one, and the one that was asked for."""
    return small if request.param == 'small' else Path(GIVEN).resolve()


@pytest.fixture(scope='module')
def comparison(tmp_path_factory, small):
    out = tmp_path_factory.mktemp('comparison')
    other = result_folders.make_result_folder(out / 'other', shift=1.0, seed=1)
    write_comparison([small, other], out / 'page')
    return out / 'page'


@pytest.fixture
def opened(browser):
    """Opens the page of a folder; what goes wrong in it is a failure of the test."""
    contexts, problems = [], []

    def open_page(folder, viewport=WIDE, scheme='light'):
        context = browser.new_context(viewport=viewport, color_scheme=scheme, offline=True,
                                      permissions=['clipboard-read', 'clipboard-write'])
        contexts.append(context)
        page = context.new_page()
        page.on('console', lambda message: problems.append(message.text) if message.type == 'error' else None)
        page.on('pageerror', lambda error: problems.append(str(error)))
        page.on('requestfailed', lambda request: problems.append(f'failed: {request.url}'))
        page.on('request', lambda request: problems.append(f'asked for {request.url}')
                if not request.url.startswith(('file:', 'data:')) else None)
        page.goto((folder / 'index.html').resolve().as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


def frame_names(page):
    return page.locator('#gallery .name:not(span)').all_inner_texts()


def frames_of(page):
    return json.loads(page.locator('#frames-data').text_content())['frames']


def viewer_name(page):
    return page.locator('#viewer-name').inner_text()


def zoom(page):
    return int(page.locator('#zoom').inner_text().removesuffix(' %'))


# ------------------------------------------------------------------ numbers
def test_the_table_holds_the_results(opened, report):
    page = opened(report)
    rows = [row for row in json.loads((report / 'results.json').read_text())['results'] if row.get('score')]
    names = [re.split(r'\s', text.strip())[0] for text in page.locator('#headline thead th').all_text_contents()][2:]
    shown = [[cell.inner_text() for cell in row.locator('td').all()]
             for row in page.locator('#headline tbody tr').all()]
    assert names[0] == 'AP' or 'AUROC' in names
    for cells, row in zip(shown, rows, strict=True):
        for name, cell in zip(names, cells, strict=True):
            if name in row:
                assert cell == ('–' if row[name] is None else f'{row[name]:.2f}')
    assert 'AUROC' in set(names) & set(rows[0])


def test_thresholds_are_copied(opened, report):
    page = opened(report)
    rows = [row for row in json.loads((report / 'results.json').read_text())['results'] if row.get('score')]
    page.locator('.copy').first.click()
    page.get_by_role('button', name='Copy the threshold').first.filter(has_text='Copied').wait_for()
    copied = page.evaluate('navigator.clipboard.readText()')
    assert float(copied) == next(iter(rows[0]['operating_points'].values()))['threshold']


# ------------------------------------------------------------------ layout, themes, accessibility
@pytest.mark.parametrize('viewport', [WIDE, NARROW])
def test_no_horizontal_scrolling(opened, report, comparison, viewport):
    for folder in (report, comparison):
        page = opened(folder, viewport)
        for details in page.locator('details').all():
            details.evaluate('element => { element.open = true }')
        assert page.evaluate('document.documentElement.scrollWidth') <= viewport['width']
        if page.locator('.frame').count():
            page.locator('.frame').first.click()
            assert page.locator('#viewer').evaluate('viewer => viewer.scrollWidth <= viewer.clientWidth')
            box = page.locator('#close').bounding_box()
            assert box['x'] + box['width'] <= viewport['width']


def test_nothing_moves_while_pictures_load(opened, report):
    page = opened(report)
    page.evaluate('''window.shifts = 0; new PerformanceObserver(list => list.getEntries().forEach(
        entry => { window.shifts += entry.value })).observe({type: 'layout-shift', buffered: true})''')
    for _ in range(20):
        page.mouse.wheel(0, 600)
        page.wait_for_timeout(20)
    assert page.evaluate('window.shifts') < 0.01


def test_all_pictures_load(opened, report, comparison):
    for folder in (report, comparison):
        page = opened(folder)
        page.evaluate("document.querySelectorAll('img').forEach(image => { image.loading = 'eager' })")
        page.wait_for_function("[...document.images].every(image => image.complete || image.closest('dialog'))")
        broken = page.evaluate('''[...document.images].filter(
            image => image.getAttribute('src') && !image.naturalWidth).map(image => image.src)''')
        assert broken == []


def test_dark_mode(opened, report, comparison):
    for folder in (report, comparison):
        colors = {}
        for scheme in ('light', 'dark'):
            page = opened(folder, scheme=scheme)
            colors[scheme] = page.evaluate('''(() => { const style = getComputedStyle(document.body);
                return [style.backgroundColor, style.color] })()''')
        assert [sum(map(int, re.findall(r'\d+', color)[:3])) > 380 for color in colors['light']] == [True, False]
        assert [sum(map(int, re.findall(r'\d+', color)[:3])) > 380 for color in colors['dark']] == [False, True]


def test_drawings_follow_the_theme(opened, small):
    drawing = next((small / 'report').glob('*_roc.svg'))
    brightness = {}
    for scheme in ('light', 'dark'):
        page = opened(small, scheme=scheme)
        image = page.locator(f'img[src="report/{drawing.name}"]')
        image.scroll_into_view_if_needed()
        page.wait_for_timeout(100)
        brightness[scheme] = mean_brightness(image.screenshot())
    assert brightness['light'] > 200
    assert brightness['dark'] < 80


def mean_brightness(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert('L')).mean()


@pytest.mark.parametrize(('viewport', 'scheme'), [(WIDE, 'light'), (NARROW, 'dark')])
def test_accessibility(opened, report, comparison, viewport, scheme):
    for folder in (report, comparison):
        page = opened(folder, viewport, scheme)
        for details in page.locator('details').all():
            details.evaluate('element => { element.open = true }')
        check_accessibility(page)
        if page.locator('.frame').count():
            page.locator('.frame').first.click()
            check_accessibility(page)


def check_accessibility(page):
    from axe_playwright_python.sync_playwright import Axe
    # Preloading would fetch style sheets, which a page from disk must not; the checker reads them as they apply.
    result = Axe().run(page, options={'preload': False})
    assert result.violations_count == 0, result.generate_report()
    assert len(result.response['passes']) > 20


def test_skip_link(opened, report):
    page = opened(report)
    page.keyboard.press('Tab')
    assert page.evaluate('document.activeElement.textContent') == 'Skip to the content'
    page.keyboard.press('Enter')
    assert page.evaluate('document.activeElement.id') == 'content'


# ------------------------------------------------------------------ gallery
def test_sorting(opened, report):
    page = opened(report)
    frames = {(frame['benchmark'], frame['name']): frame for frame in frames_of(page)}
    options = page.locator('#tools select[name=sort] option')
    assert options.first.inner_text() == 'AP, worst first'
    for index in range(options.count()):
        name, order = options.nth(index).evaluate('option => [option.value, Number(option.dataset.order)]')
        page.locator('#tools select[name=sort]').select_option(index=index)
        places = page.locator('#gallery > li > .place').all_inner_texts()
        shown = [frames[key] for key in zip(places, frame_names(page), strict=True)]
        assert len(shown) == len(frames)
        score = page.locator('#tools select[name=score]').input_value()
        if name:
            values = [(frame['figures'][score][name] or [None])[0] for frame in shown]
            defined = [value for value in values if value is not None]
            assert defined == sorted(defined, reverse=order < 0)
            assert values[:len(defined)] == defined  # undefined ones come last
    low = page.locator('#tools select[name=sort] option', has_text='FPR95').first
    assert low.evaluate('option => option.dataset.order') == '-1'  # the worst FPR is the highest


def test_names_are_sorted_as_one_counts(opened, small):
    page = opened(small)
    page.locator('#tools select[name=sort]').select_option('name')
    names = frame_names(page)
    assert names.index('frame_9') < names.index('frame_10')


def test_another_score_changes_order_figures_and_maps(opened, small):
    page = opened(small)
    frames = {frame['name']: frame for frame in frames_of(page)}
    for score in result_folders.SCORES:
        page.locator('#tools select[name=score]').select_option(score)
        first = frames[frame_names(page)[0]]
        assert first['figures'][score]['AP'] == min(frame['figures'][score]['AP'] for frame in frames.values()
                                                    if frame['figures'][score]['AP'])
        card = page.locator('#gallery > li').first
        assert card.locator('.map').get_attribute('src') == first['maps'][score]
        assert f'AP{first["figures"][score]["AP"][1]}' in card.locator('.values').inner_text().replace('\n', '')


def test_a_frame_without_anomalies_says_so(opened, small):
    page = opened(small)
    last = page.locator('#gallery > li').last
    assert last.locator('.name').first.inner_text() == 'nothing'
    assert 'no anomalies' in last.locator('.values').inner_text()


def test_filters(opened, small):
    page = opened(small)
    page.locator('#tools select[name=benchmark]').select_option(result_folders.BENCHMARKS[1])
    assert set(frame_names(page)) == set(result_folders.FRAMES[3:])
    page.locator('#tools input[name=filter]').fill('FRAME')
    assert set(frame_names(page)) == {'frame_9', 'frame_10'}
    assert '2 of 6 frames' in page.locator('#shown').inner_text()
    page.locator('#tools select[name=benchmark]').select_option('')
    page.locator('#tools input[name=filter]').fill('"c" <d>')
    assert frame_names(page) == [result_folders.FRAMES[0]]
    page.locator('#tools input[name=filter]').fill('no such frame')
    assert frame_names(page) == []
    assert '0 of 6 frames' in page.locator('#shown').inner_text()


def test_slider(opened, report):
    page = opened(report)
    shown = page.locator('#gallery .map').first
    slider = page.locator('#tools input[name=split]')

    def clip():
        return shown.evaluate('map => getComputedStyle(map).clipPath')
    slider.fill('0')
    hidden = clip()
    slider.fill('100')
    assert clip() != hidden
    slider.focus()
    page.keyboard.press('ArrowLeft')
    assert slider.input_value() == '99'
    page.locator('#tools input[value=fade]').check()
    slider.fill('30')
    assert shown.evaluate('map => getComputedStyle(map).opacity') == '0.3'
    truth = page.locator('#gallery .truth').first
    assert not truth.is_visible()
    page.locator('#tools input[name=truth]').check()
    assert truth.is_visible()


def test_large_view_by_keyboard(opened, report):
    page = opened(report)
    names = frame_names(page)
    page.locator('.frame').first.focus()
    page.keyboard.press('Enter')
    assert page.locator('#viewer').is_visible()
    assert viewer_name(page) == names[0]
    page.keyboard.press('ArrowRight')
    assert viewer_name(page) == names[1]
    page.keyboard.press('ArrowLeft')
    page.keyboard.press('ArrowLeft')
    assert viewer_name(page) == names[-1]
    page.keyboard.press('+')
    page.keyboard.press('+')
    assert zoom(page) == 225
    page.keyboard.press('-')
    assert zoom(page) == 150
    page.keyboard.press('0')
    assert zoom(page) == 100
    page.keyboard.press('t')
    assert page.locator('#viewer-truth').is_checked()
    assert page.locator('#stage .truth').is_visible()
    page.keyboard.press('Escape')
    assert not page.locator('#viewer').is_visible()
    focused = page.evaluate("document.activeElement.closest('li').querySelector('.name').textContent")
    assert focused == names[-1]


def test_arrows_on_the_slider_move_the_slider(opened, report):
    page = opened(report)
    page.locator('.frame').first.click()
    name = viewer_name(page)
    page.locator('#viewer-split').focus()
    page.keyboard.press('ArrowRight')
    assert page.locator('#viewer-split').input_value() == '51'
    assert page.locator('#tools input[name=split]').input_value() == '51'
    assert viewer_name(page) == name


def test_zoom_and_pan(opened, report):
    page = opened(report)
    page.locator('.frame').first.click()
    stage = page.locator('#stage').bounding_box()
    layers = page.locator('#stage .layers')
    whole = layers.bounding_box()
    assert whole['width'] <= stage['width'] + 1
    assert whole['height'] <= stage['height'] + 1
    x, y = whole['x'] + 0.25 * whole['width'], whole['y'] + 0.4 * whole['height']
    page.mouse.move(x, y)
    page.mouse.wheel(0, -500)
    page.wait_for_function("document.getElementById('zoom').value !== '100 %'")
    close = layers.bounding_box()
    assert close['width'] == pytest.approx(zoom(page) / 100 * whole['width'], rel=0.02)
    # What was under the pointer is still there.
    assert (x - close['x']) / close['width'] == pytest.approx(0.25, abs=0.01)
    assert (y - close['y']) / close['height'] == pytest.approx(0.4, abs=0.01)
    page.mouse.down()
    page.mouse.move(x + 30, y + 20)
    page.mouse.up()
    moved = layers.bounding_box()
    assert (moved['x'] - close['x'], moved['y'] - close['y']) == (pytest.approx(30, abs=1), pytest.approx(20, abs=1))
    page.get_by_role('button', name='Zoom out').click()
    assert zoom(page) < 100 * close['width'] / whole['width']
    page.get_by_role('button', name='Whole').click()
    assert layers.bounding_box() == whole
    page.get_by_role('button', name='Next frame').click()
    assert '2 of' in page.locator('#viewer-place').inner_text()
    page.get_by_role('button', name='Close').click()
    assert not page.locator('#viewer').is_visible()
