"""Comparison of what was evaluated."""
from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from mmseg_ood.report.comparison import WRITTEN, read_comparable, write_comparison


def compare(folders: Sequence[str | os.PathLike], out: str | os.PathLike, force: bool = False) -> Path:
    """Write a page that compares result folders, see :func:`mmseg_ood.report.write_comparison`.

    Args:
        folders: Two or more that :func:`mmseg_ood.apis.evaluate` wrote; differences are to the first.
        out: Folder of the page, ``compare.json`` and ``compare.csv``.
        force: Replace an earlier comparison in ``out``; what else lies there stays.

    Returns:
        The page.

    Raises:
        FileExistsError: ``out`` holds something, or the results of an evaluation.
        FileNotFoundError: A folder has no results.
        ValueError: Fewer than two folders, or folders of different protocols.
    """
    out = Path(out)
    if (out / 'results.json').exists():
        raise FileExistsError(f'{out} holds the results of an evaluation; name another folder with --out')
    found = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    if found and not force:
        raise FileExistsError(f'{out} is not empty ({", ".join(found[:5])}); name another folder with --out, or '
                              f'replace an earlier comparison with --force')
    read_comparable(folders)  # what is wrong with them shows before anything is deleted
    for path in map(out.joinpath, WRITTEN):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return write_comparison(folders, out)
