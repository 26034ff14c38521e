"""How a data set lies on disk: two path templates that share a name, and the search for them.

In a template ``NAME`` is the name of the frame, which pairs an image with its label map; where frames of
different folders share their names, ``FOLDER`` is part of it (``FOLDER/NAME``). ``NUMBER`` stands for any
number, ``SCENE`` and ``CITY`` for any text; ``{a,b}`` for either text. Error messages show the templates.
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from mmengine.logging import print_log

from .labels import IGNORE_INDEX, OOD_INDEX

IMAGE = '{png,jpg,jpeg,webp}'

_TOKENS = {'NAME': r'(?P<name>[^/.][^/]*?)', 'FOLDER': r'(?P<folder>[^/.][^/]*)', 'NUMBER': '[0-9]+',
           'SCENE': '[^/]+', 'CITY': '[^/]+'}
_TOKEN = re.compile(r'(\{[^}]*\}|' + '|'.join(_TOKENS) + ')')
_NAMED_AT_MOST = 5


class Layout(NamedTuple):
    """One way a data set lies on disk.

    Attributes:
        name: What error messages call it.
        images: Template of the images, relative to the data root.
        labels: Template of the label maps.
        label_map: What each value in the files means; values that are not listed are refused.
        subset: The part of the data set that lies there, where the folder says so.
        unlabelled: Regular expression for the names of images that have no label map by design; the others
            must have one.
    """
    name: str
    images: str
    labels: str
    label_map: Mapping[int, int] = {0: 0, 1: OOD_INDEX, IGNORE_INDEX: IGNORE_INDEX}
    subset: str | None = None
    unlabelled: str | None = None

    def __str__(self) -> str:
        return f'{self.name}: {self.images} + {self.labels}'


class Frame(NamedTuple):
    """An image and its label map."""
    name: str
    image: Path
    label: Path


def find_files(root: str | Path, template: str) -> dict[str, Path]:
    """Find the files that match a template.

    Args:
        root: Folder the template is relative to; it need not exist.
        template: See the top of this file.

    Returns:
        Path of every file, by its ``NAME`` or ``FOLDER/NAME``.

    Raises:
        ValueError: Two files have the same name.
    """
    root = Path(root)
    paths = [root]
    for segment in template.split('/'):  # folder by folder: the root may hold far more than this data set
        pattern = re.compile(_regex(segment))
        paths = [child for folder in paths if folder.is_dir() for child in folder.iterdir()
                 if pattern.fullmatch(child.name)]
    whole = re.compile(_regex(template))
    files: dict[str, Path] = {}
    for path in sorted(paths):
        groups = whole.fullmatch(path.relative_to(root).as_posix()).groupdict()
        name = '/'.join(groups[key] for key in ('folder', 'name') if key in groups)
        if name in files:
            raise ValueError(f'two files for the frame {name}: {files[name]} and {path}')
        files[name] = path
    return files


def pair_frames(layout: Layout, images: Mapping[str, Path], labels: Mapping[str, Path]) -> list[Frame]:
    """Pair images with label maps of the same name, in natural order (``2`` before ``10``).

    Args:
        layout: Layout the files were found with; tells which images need no label map.
        images: Images by name.
        labels: Label maps by name.

    Returns:
        The frames that have both.

    Raises:
        ValueError: An image lacks its label map, or a label map its image.

    Examples:
        >>> files = {name: Path(name) for name in ('street_10', 'street_2')}
        >>> layout = Layout('flat', 'images/NAME.png', 'labels/NAME.png')
        >>> [frame.name for frame in pair_frames(layout, files, files)]
        ['street_2', 'street_10']
    """
    alone = [images[name] for name in images.keys() - labels.keys()
             if layout.unlabelled is None or not re.fullmatch(layout.unlabelled, name)]
    if alone:
        raise ValueError(f'{len(alone)} images without a label map ({layout.labels}): {first_few(alone)}')
    alone = [labels[name] for name in labels.keys() - images.keys()]
    if alone:
        raise ValueError(f'{len(alone)} label maps without an image ({layout.images}): {first_few(alone)}')
    return [Frame(name, images[name], labels[name]) for name in sorted(labels, key=natural_key)]


def find_frames(root: str | Path, layouts: Sequence[Layout]) -> tuple[Layout, list[Frame]]:
    """Find out which layout a folder has, and its frames.

    Args:
        root: Folder of the data set.
        layouts: The layouts to look for.

    Returns:
        The layout of which ``root`` holds at least one labelled frame, and all its frames in natural order.

    Raises:
        FileNotFoundError: ``root`` does not exist, or it has none of the layouts.
        ValueError: ``root`` has several of the layouts, holds images only, or the files do not pair up.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f'{root} is not a folder. {_drawn(layouts)}')
    found = [(layout, find_files(root, layout.images), find_files(root, layout.labels)) for layout in layouts]
    matching = [(layout, images, labels) for layout, images, labels in found if images.keys() & labels.keys()]
    if len(matching) > 1:
        lines = '\n'.join(f'  {layout}' for layout, _, _ in matching)
        raise ValueError(f'{root} holds {len(matching)} data sets, which one is meant?\n{lines}\n'
                         'Give the folder of one of them as data_root, or name the subset.')
    if not matching:
        _refuse(root, found)
    layout, images, labels = matching[0]
    frames = pair_frames(layout, images, labels)
    if len(images) > len(frames):
        print_log(f'{root}: {len(images) - len(frames)} images without public labels are left out', 'current')
    return layout, frames


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Sort key under which numbers inside names count as numbers."""
    parts = re.split('([0-9]+)', name)
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], name


def first_few(items: Iterable[object], separator: str = ', ') -> str:
    """A list for an error message, cut to what one wants to read.

    Examples:
        >>> first_few(range(8))
        '0, 1, 2, 3, 4 and 3 more'
    """
    names = sorted(map(str, items), key=natural_key)
    more = len(names) - _NAMED_AT_MOST
    return separator.join(names[:_NAMED_AT_MOST]) + (f' and {more} more' if more > 0 else '')


def _regex(template: str) -> str:
    return ''.join(_token_regex(part) for part in _TOKEN.split(template))


def _token_regex(part: str) -> str:
    if part.startswith('{'):
        return '(?:' + '|'.join(re.escape(choice) for choice in part[1:-1].split(',')) + ')'
    return _TOKENS.get(part) or re.escape(part)


def _refuse(root: Path, found: list[tuple[Layout, dict, dict]]) -> NoReturn:
    for layout, images, labels in found:
        if labels:
            pair_frames(layout._replace(unlabelled=None), images, labels)  # no name in common: names the files
        if images:
            raise ValueError(f'{root} holds {len(images)} images ({layout.images}) but no label map '
                             f'({layout.labels}). A test split whose labels are not public cannot be '
                             'scored: without labels everything would count as background.')
    content = sorted(child.name + '/' * child.is_dir() for child in root.iterdir())
    raise FileNotFoundError(f'{root} holds no labelled frame; found there: {first_few(content) or "nothing"}. '
                            f'{_drawn([layout for layout, _, _ in found])}')


def _drawn(layouts: Iterable[Layout]) -> str:
    return 'Layouts that were looked for:' + ''.join(f'\n  {layout}' for layout in layouts)

