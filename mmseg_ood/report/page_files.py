"""The files of a page: its template, style and script, and the drawings beside it.

A page is ``index.html`` and a folder ``report`` next to it. It opens from disk and asks no other place for anything.
"""
from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import matplotlib
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from mmseg_ood.version import __version__

from .figure_columns import signed, two_digits
from .figures import write_svg

_TEMPLATES = Path(__file__).parent / 'templates'
_STYLE = {'font.size': 8.5, 'legend.fontsize': 8.5}  # of drawings that a page shows at about a pixel a point


class Picture(NamedTuple):
    """A drawing on a page."""
    source: str
    """Its address, relative to the page."""
    width: int
    height: int
    text: str
    """What it shows, for those who do not see it."""
    caption: str


class PageFiles:
    """Folder of a page.

    Args:
        folder: Gets ``index.html`` and ``report/``.
        description: Goes to the metadata of every drawing: how it was made.
    """

    def __init__(self, folder: Path, description: str) -> None:
        self.folder, self._description, self._drawings = folder, description, 0
        self._assets = folder / 'report'
        self._assets.mkdir(parents=True, exist_ok=True)

    def draw(self, name: str, text: str, caption: str, draw: Callable[[], Figure]) -> Picture:
        """Write what ``draw`` returns as SVG.

        Args:
            name: Of the file; what does not belong into a file name is replaced.
            text: What the drawing shows, in words.
            caption: Line below it.
            draw: Gives the figure.
        """
        self._drawings += 1
        file = f'{self._drawings:02d}_{re.sub("[^A-Za-z0-9.-]+", "_", name)}.svg'
        with matplotlib.rc_context(_STYLE):
            width, height = write_svg(draw(), f'{name}: {caption}', self._assets / file, self._description)
        return Picture(address(f'report/{file}'), width, height, text, caption)

    def render(self, template: str, **content: Any) -> Path:
        """Write ``index.html``, last of all files, and return its path."""
        environment = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined,
                                  trim_blocks=True, lstrip_blocks=True)
        environment.filters.update(count=count, two_digits=two_digits, signed=signed, breakable=breakable)
        environment.policies['json.dumps_kwargs'] = {'allow_nan': False}  # the order of keys is one of meaning
        text = environment.get_template(template).render(version=__version__, **content)
        for file in ('page.css', 'page.js'):
            shutil.copyfile(_TEMPLATES / file, self._assets / file)
        page = self.folder / 'index.html'
        page.write_text(text, encoding='utf-8')
        return page


def address(path: str) -> str:
    """Relative path of a file as a page writes it.

    Example:
        >>> address('gallery/a b & "c".jpg')
        'gallery/a%20b%20%26%20%22c%22.jpg'
    """
    return './' + quote(path) if ':' in path.partition('/')[0] else quote(path)


def breakable(name: str) -> Markup:
    """A name that may go on in the next line after an underscore, a slash or a dash.

    Example:
        >>> str(breakable('a_b<c'))
        'a_<wbr>b&lt;c'
    """
    return Markup(re.sub('([_/-])', r'\1<wbr>', str(escape(name))))


def count(number: int) -> str:
    """A number with its thousands apart.

    Example:
        >>> ascii(count(3736399))
        "'3\\\\u202f736\\\\u202f399'"
    """
    return f'{number:,}'.replace(',', '\N{NARROW NO-BREAK SPACE}')
