"""SVG files: text is text, colours follow the theme, what is not seen is left out."""
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from mmseg_ood.report.figures import COLORS, blank_axes, blank_figure, styled, write_svg

SVG = '{http://www.w3.org/2000/svg}'


def written(tmp_path, figure, **arguments):
    size = write_svg(figure, 'a <title>', tmp_path / 'a.svg', **arguments)
    return size, (tmp_path / 'a.svg').read_text()


def lines_figure(points=2, count=1, label='energy: AP 2.6695 %'):
    figure = blank_figure(4, 3, '', 1)
    axes, = blank_axes(figure, 1, 1)
    rng = np.random.default_rng(0)
    for _, style in styled(range(count)):
        axes.plot(np.linspace(0, 1, points), rng.random(points).cumsum(), **style)
    axes.set_xlabel(label)
    return figure


def test_text_is_text_and_keeps_its_digits(tmp_path):
    (width, height), text = written(tmp_path, lines_figure(label='#0072b2 <b> 2.6695 & $x'))
    root = ElementTree.fromstring(text)
    assert '#0072b2 <b> 2.6695 & $x' in [element.text for element in root.iter(f'{SVG}text')]
    assert (width, height) == (288, 231)


def test_colours_follow_the_theme(tmp_path):
    _, text = written(tmp_path, lines_figure(count=len(COLORS)))
    style, drawing = re.search('<style>:root(.*?)</style>(.*)', text, re.S).groups()
    assert 'prefers-color-scheme:dark' in style
    assert not re.findall('(?:fill|stroke): #', drawing)
    for color in COLORS:
        name = f'--c{color[1:].lower()}'
        assert f'var({name})' in drawing
        light, dark = re.findall(f'{name}:(#[0-9a-f]{{6}})', style)
        assert contrast(light, '#ffffff') >= 2
        assert contrast(dark, '#1b1e23') >= 5
        assert light != dark


def contrast(first, second):
    """Of two colours, as WCAG 2 defines it."""
    def luminance(color):
        linear = [channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
                  for channel in (int(color[index:index + 2], 16) / 255 for index in (1, 3, 5))]
        return sum(weight * channel for weight, channel in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_foreign_colours_stay(tmp_path):
    figure = blank_figure(4, 3, '', 0)
    blank_axes(figure, 1, 1)[0].bar([0], [1], color='#804080')
    assert 'fill: #804080' in written(tmp_path, figure)[1]


@pytest.mark.parametrize('count', [1, 7])
def test_long_lines_give_small_files_that_look_the_same(tmp_path, count):
    figure = lines_figure(100_000, count)
    _, text = written(tmp_path, figure)
    assert len(text) < 60_000
    box = figure.axes[0].get_window_extent()
    left, right = (place * 72 / figure.dpi for place in (box.x0, box.x1))
    path = max(re.findall(' d="([^"]*)"', text), key=len)
    x = [float(pair.split()[0]) for pair in re.findall(r'[ML] ([^\n]*)', path)]
    assert left < min(x) < left + 0.06 * (right - left)
    assert right - 0.06 * (right - left) < max(x) < right
    assert x == sorted(x)


def test_metadata(tmp_path):
    _, text = written(tmp_path, lines_figure(), description='evaluate.py "<x>"')
    content = [element.text for element in ElementTree.fromstring(text).iter()]
    assert 'evaluate.py "<x>"' in content
    assert 'a <title>' in content


def test_files_are_the_same_every_time(tmp_path):
    assert written(tmp_path, lines_figure(1000)) == written(tmp_path, lines_figure(1000))


def test_dollars_in_a_name_are_no_formula(tmp_path):
    figure = blank_figure(4, 3, r'$\frac$ and $x$', 1)
    assert r'$\frac$ and $x$' in [element.text for element in
                                  ElementTree.fromstring(written(tmp_path, figure)[1]).iter(f'{SVG}text')]
