"""Which part of a data set is read: nothing may be trained on a test split."""
from __future__ import annotations

import re
from collections.abc import Iterable

SPLITS = ('train', 'test')

_WORDS = {'train': 'train', 'training': 'train',
          'test': 'test', 'testing': 'test', 'val': 'test', 'valid': 'test', 'validation': 'test'}


def check_split(split: str | None, owner: str) -> str | None:
    """``split``, unless it is none of ``'train'``, ``'test'`` and None.

    Raises:
        ValueError: It is something else; the message names ``owner``.
    """
    if split is not None and split not in SPLITS:
        raise ValueError(f'{owner}: {split=}, expected one of {", ".join(map(repr, SPLITS))}, or None if it is not '
                         'known')
    return split


def split_of(names: Iterable[str]) -> str | None:
    """The split that file or folder names speak of: train, or test (also called val).

    Args:
        names: Names without their folders.

    Returns:
        ``'train'``, ``'test'``, or None where they speak of none or of both.

    Example:
        >>> split_of(['outliers_train.zip']), split_of(['val_256']), split_of(['constrained']), split_of(['train_test'])
        ('train', 'test', None, None)
    """
    found = {_WORDS[word] for name in names for word in _words(name) if word in _WORDS}
    return found.pop() if len(found) == 1 else None


def split_folder(name: str) -> str | None:
    """The split that a folder is, going by its name, and None for others: classes may be called train station.

    Example:
        >>> split_folder('val_256'), split_folder('train_station')
        ('test', None)
    """
    words = _words(name)
    return _WORDS.get(words[0]) if len(words) == 1 else None


def _words(name: str) -> list[str]:
    return re.findall('[a-z]+', name.lower())
