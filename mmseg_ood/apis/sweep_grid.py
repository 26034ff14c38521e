"""The grid of a sweep: what its keys mean in a config, which points it has, what they are called.

The points are :func:`itertools.product`. scikit-learn's ``ParameterGrid`` is the same product with its keys sorted, but
their order says here what the plot shows on its axis and what as lines.
"""
from __future__ import annotations

import ast
import copy
import hashlib
import inspect
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from typing import Any

from mmengine.config import Config
from mmseg.registry import MODELS

from mmseg_ood.segmentation.losses import EnergyLoss

SEED_KEY = 'randomness.seed'
_LEARNING_RATE = 'optim_wrapper.optimizer.lr'
_BOTH_GAMMAS = ('gamma_margin', 'gamma_weight')
_LONGEST_NAME = 100  # characters; Windows allows 260 for a whole path, and MMEngine adds about 60


def parse_grid(arguments: Sequence[str]) -> dict[str, list[Any]]:
    """The values by key of a command line.

    Args:
        arguments: ``KEY=VALUE,VALUE,...``; values are numbers, booleans and lists, as Python writes them.

    Raises:
        ValueError: Another form, a value that is none of these, or a key that stands there twice.

    Example:
        >>> parse_grid(['alpha=0,5', 'lr=1e-3', 'model.decode_head.loss_decode.1.prior=[0.5,0.5],[0.9,0.1]'])
        {'alpha': [0, 5], 'lr': [0.001], 'model.decode_head.loss_decode.1.prior': [[0.5, 0.5], [0.9, 0.1]]}
    """
    grid: dict[str, list[Any]] = {}
    for argument in arguments:
        key, _, text = argument.partition('=')
        if not key or not text:
            raise ValueError(f'--grid: expected KEY=VALUE,VALUE,..., found {argument!r}')
        if key in grid:
            raise ValueError(f'--grid: the key {key} stands there twice')
        try:
            values = ast.literal_eval(f'[{text}]')
        except (SyntaxError, ValueError):
            values = None
        if not isinstance(values, list):
            raise ValueError(f'--grid {argument}: expected numbers, booleans or lists of these, separated by commas')
        grid[key] = values
    return grid


class Grid:
    """All combinations of some values of a config.

    Args:
        cfg: The config that the values are put into.
        values: By key. A key with a dot is that of ``--cfg-options``: ``train_cfg.max_iters``,
            ``model.decode_head.loss_decode.1.m_in``. ``lr`` is ``optim_wrapper.optimizer.lr``, ``gamma`` both
            ``gamma_margin`` and ``gamma_weight``, and any other key without a dot that argument of every
            :class:`~mmseg_ood.segmentation.losses.EnergyLoss` (and its kind) in the model that has it.

    Attributes:
        values: By key, whole numbers as ``int``.
        targets: The dotted keys of the config by key.

    Raises:
        ValueError: No key or no value, a value that is neither a number nor a boolean nor a list of these, one that
            occurs twice, a key that is not in the config, or two keys for the same entry.

    Example:
        >>> loss = dict(type='BalancedEnergyLoss', prior=[0.5, 0.5])
        >>> grid = Grid(Config(dict(model=dict(decode_head=dict(loss_decode=[loss])))), dict(alpha=[0, 5.0], gamma=[3]))
        >>> grid.targets['gamma']
        ('model.decode_head.loss_decode.0.gamma_margin', 'model.decode_head.loss_decode.0.gamma_weight')
        >>> grid.points()
        [{'alpha': 0, 'gamma': 3}, {'alpha': 5, 'gamma': 3}]
    """

    def __init__(self, cfg: Config, values: Mapping[str, Sequence[Any]]) -> None:
        if not values:
            raise ValueError('the grid has no key, expected for instance alpha=0,5')
        self._cfg = cfg
        self.values = {key: _checked_values(key, listed) for key, listed in values.items()}
        self.targets = {key: _resolve_key(cfg, key) for key in values}
        self._check_targets()

    def points(self) -> list[dict[str, Any]]:
        """All combinations, the last key varies fastest."""
        return [dict(zip(self.values, values, strict=True)) for values in itertools.product(*self.values.values())]

    def configure(self, point: Mapping[str, Any], seed: int) -> Config:
        """The config of a point.

        Raises:
            ValueError: A loss cannot be built with these values; names them.
        """
        cfg = copy.deepcopy(self._cfg)
        cfg.merge_from_dict({target: value for key, value in point.items() for target in self.targets[key]})
        cfg.randomness = dict(cfg.get('randomness') or {}, seed=seed)
        for path, loss in _energy_losses(cfg.get('model'), 'model'):
            try:
                MODELS.build(loss)
            except (OSError, TypeError, ValueError) as error:
                raise ValueError(f'{point_name(point)}: {path} cannot be built: {error}') from error
        return cfg

    def _check_targets(self) -> None:
        taken = [('seeds', SEED_KEY), *((key, target) for key, targets in self.targets.items() for target in targets)]
        for (first, one), (second, other) in itertools.combinations(taken, 2):
            if f'{one}.'.startswith(f'{other}.') or f'{other}.'.startswith(f'{one}.'):
                raise ValueError(f'{first} and {second} both set {max(one, other, key=len)}; sweep one of them')


def point_name(point: Mapping[str, Any]) -> str:
    """A name for files and people, the same for every order of the keys.

    Example:
        >>> point_name({'gamma': 0.5, 'alpha': 5}), point_name({'a.prior': [0.5, 0.5]})
        ('alpha=5,gamma=0.5', 'a.prior=[0.5,0.5]')
    """
    name = ','.join(f'{key}={value_name(point[key])}' for key in sorted(point))
    if len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f'{name[:_LONGEST_NAME - len(digest) - 1]}~{digest}'


def value_name(value: Any) -> str:
    """A value without spaces.

    Example:
        >>> value_name(1e-05), value_name([1, True])
        ('1e-05', '[1,True]')
    """
    return str(value).replace(' ', '')


def _checked_values(key: str, values: Sequence[Any]) -> list[Any]:
    values = [_plain(key, value) for value in values]
    if not values:
        raise ValueError(f'the grid has no value for {key}')
    for index, value in enumerate(values):
        if value in values[:index]:
            raise ValueError(f'the grid has the value {value} for {key} twice')
    return values


def _plain(key: str, value: Any) -> Any:
    """The value in Python's own types; 5 and 5.0 are one value, and MMEngine wants whole numbers of iterations."""
    if isinstance(value, bool):
        return value
    if isinstance(value, list | tuple):
        return type(value)(_plain(key, item) for item in value)
    if not isinstance(value, Real) or not math.isfinite(value):
        raise ValueError(f'the grid has {value!r} for {key}, expected a finite number, a boolean or a list of these')
    return int(value) if value == int(value) else float(value)


def _resolve_key(cfg: Config, key: str) -> tuple[str, ...]:
    if key == 'lr' or '.' in key:
        targets = (_LEARNING_RATE if key == 'lr' else key,)
    else:
        arguments = _BOTH_GAMMAS if key == 'gamma' else (key,)
        losses = {path: _arguments(_energy_class(loss)) for path, loss in _energy_losses(cfg.get('model'), 'model')}
        targets = tuple(f'{path}.{argument}' for path, taken in losses.items() for argument in arguments
                        if argument in taken)
        if not targets:
            known = ['lr', *(['gamma'] if set(_BOTH_GAMMAS) <= set().union(*losses.values()) else []),
                     *sorted(set().union(*losses.values()))]
            raise ValueError(f'no energy loss of the model has an argument {key!r}; expected one of '
                             f'{", ".join(known)}, or a key with dots as for --cfg-options')
    for target in targets:
        _check_path(cfg, key, target)
    return targets


def _check_path(cfg: Config, key: str, target: str) -> None:
    """MMEngine makes entries that are not there: a misspelt key would be swept without any effect."""
    *parents, last = target.split('.')
    node = cfg.to_dict()
    for depth, part in enumerate(parents):
        if isinstance(node, list) and part.isdecimal() and int(part) < len(node):
            node = node[int(part)]
        elif isinstance(node, dict) and part in node:
            node = node[part]
        else:
            raise ValueError(f'grid key {key}: the config has no {".".join(parents[:depth + 1])}')
    # An entry may be missing where it is an argument with a default: what is built refuses a wrong one.
    if not isinstance(node, dict) or not (last in node or 'type' in node):
        raise ValueError(f'grid key {key}: the config has no {target} that could be replaced; single entries of lists '
                         f'cannot, whole lists can')


def _energy_losses(node: Any, path: str) -> Iterator[tuple[str, dict]]:
    """Energy losses below any ``loss_decode`` of the model and where they stand."""
    if '.loss_decode' in path and isinstance(node, dict) and _energy_class(node):
        yield path, node
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list | tuple) else ()
    for key, value in entries:
        yield from _energy_losses(value, f'{path}.{key}')


def _energy_class(config: dict) -> type[EnergyLoss] | None:
    kind = config.get('type')
    kind = MODELS.get(kind) if isinstance(kind, str) else kind
    return kind if inspect.isclass(kind) and issubclass(kind, EnergyLoss) else None


def _arguments(loss: type[EnergyLoss]) -> set[str]:
    """Arguments of a loss and of those it hands its ``**kwargs`` to."""
    return {name for kind in loss.__mro__ if issubclass(kind, EnergyLoss)
            for name, parameter in inspect.signature(kind).parameters.items()
            if parameter.kind is not parameter.VAR_KEYWORD}
