"""Weights of classifiers, of this toolkit's or of bare networks, under the names of ``ImageClassifier``."""
from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from mmseg_ood import compat

_WRAPPERS = ('state_dict', 'model', 'net')
# Counters that files of old torch releases do not have; only norms without momentum read them.
_COUNTER = '.num_batches_tracked'
_NAMED_AT_MOST = 10


def classifier_state_dict(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights in a checkpoint, under the names of :class:`ImageClassifier`.

    The state may be the content itself or lie under ``state_dict``, ``model`` or ``net``, and all names may begin
    with ``module.``. Names that begin with ``backbone.`` and ``fc.`` stay, as in a checkpoint of this toolkit. In that
    of a bare network the head is called ``fc`` or ``linear``, and all else belongs to the backbone.

    Args:
        content: What :func:`mmseg_ood.compat.load_checkpoint` returns.

    Returns:
        Tensors by name, not copied.

    Raises:
        ValueError: There are no tensors, or other things among them, or two become one.

    Example:
        >>> import torch
        >>> bare = {'module.conv1.weight': torch.zeros(1), 'module.linear.bias': torch.zeros(1)}
        >>> list(classifier_state_dict({'state_dict': bare, 'epoch': 3}))
        ['backbone.conv1.weight', 'fc.bias']
    """
    state = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping)), content)
    others = [f'{name} ({type(value).__name__})' for name, value in state.items() if not isinstance(value, Tensor)]
    if others or not state:
        raise ValueError(f'expected a dict of tensors, or one under {", ".join(_WRAPPERS)}; found '
                         f'{_listed(others) or "an empty one"}')
    renamed = {_renamed(name): value for name, value in state.items()}
    if len(renamed) < len(state):
        raise ValueError(f'several weights would have one name: {_listed(state)}')
    return renamed


def _renamed(name: str) -> str:
    name = re.sub(r'^linear\.', 'fc.', name.removeprefix('module.'))
    return name if name.startswith(('backbone.', 'fc.')) else f'backbone.{name}'


def load_classifier(model: nn.Module, path: str | Path) -> None:
    """Load the weights of a file into a classifier; no code of the file is executed.

    Args:
        model: An :class:`ImageClassifier`.
        path: A checkpoint as :func:`classifier_state_dict` knows them.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: It is no checkpoint, wants to run code, or its weights are not exactly those of the model; the
            model is not changed.
    """
    content = compat.load_checkpoint(path)
    try:
        state = classifier_state_dict(content)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error
    expected = model.state_dict()
    faults = {
        'missing': [name for name in expected if name not in state and not name.endswith(_COUNTER)],
        'unexpected': [name for name in state if name not in expected],
        'of another shape': [f'{name} {tuple(state[name].shape)} instead of {tuple(value.shape)}'
                             for name, value in expected.items()
                             if name in state and state[name].shape != value.shape],
    }
    if any(faults.values()):
        raise ValueError(f'{path} does not fit the model: ' + '; '.join(
            f'{len(names)} {fault}: {_listed(names)}' for fault, names in faults.items() if names))
    model.load_state_dict(state, strict=False)  # only counters can be missing


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    further = len(names) - _NAMED_AT_MOST
    return ', '.join(names[:_NAMED_AT_MOST]) + (f' and {further} more' if further > 0 else '')
