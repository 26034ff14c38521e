"""Anomaly scores of a classifier's logits by name, higher = more anomalous, and how to add one.

Example:
    >>> import torch
    >>> logits = torch.tensor([[8.0, 0.0, 0.0], [0.1, 0.0, 0.0]])   # a sure and an unsure prediction
    >>> bool(anomaly_score(logits, method='msp').diff() > 0)
    True
    >>> AnomalyScorer.parse('energy:temperature=2,smoothing').name
    'energy_t2_smoothed'
"""
from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .energy import at_least_float32, check_temperature, free_energy
from .smoothing import gaussian_smoothing
from .statistics import MaxLogitStatistics


class Score(NamedTuple):
    """An entry of :data:`SCORES`: a function, and what the callers of it have to know."""
    function: Callable[..., Tensor]
    formula: str
    needs_statistics: bool
    uses_temperature: bool
    all_channels: bool


SCORES: dict[str, Score] = {}
"""Scores by name, see :func:`register_score`."""


def register_score(name: str, formula: str = '', *, needs_statistics: bool = False,
                   uses_temperature: bool = True,
                   all_channels: bool = False) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """Decorator that adds a score, which every metric and command line then knows by its name.

    The function maps ``(logits, temperature, dim)`` to a tensor without the dimension ``dim``, higher = more
    anomalous; logits arrive in float32 or better, inlier classes only unless ``all_channels``.

    Args:
        name: Letters, digits and any of ``_ - . +``; it becomes a column of tables and a folder.
        formula: How the score is written in results; f are the logits.
        needs_statistics: Whether the function takes a further argument ``statistics``, the
            :class:`~mmseg_ood.core.MaxLogitStatistics` of the network.
        uses_temperature: Whether the temperature has an effect.
        all_channels: Whether the function sees the channels behind the inlier classes, too.

    Raises:
        ValueError: The name is taken or of other characters.

    Example:
        >>> @register_score('margin', formula='second largest f / T - max f / T')
        ... def margin(logits, temperature, dim):
        ...     first, second = (logits / temperature).topk(2, dim).values.unbind(dim)
        ...     return second - first
        >>> anomaly_score(torch.tensor([[8.0, 1.0, 0.0], [2.0, 0.0, 1.5]]), 'margin')
        tensor([-7.0000, -0.5000])
        >>> _ = SCORES.pop('margin')                     # as if nothing had happened
    """
    _check_name(name)

    def register(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        if name in SCORES:
            raise ValueError(f'score {name!r} is registered already')
        SCORES[name] = Score(function, formula, needs_statistics, uses_temperature, all_channels)
        return function

    return register


def _check_name(name: str) -> None:
    if not re.fullmatch(r'[\w-][\w.+-]*', name):
        raise ValueError(f'name of a score: expected letters, digits and any of _ - . +, found {name!r}')


register_score('energy', '-T * logsumexp(f / T)')(free_energy)


@register_score('msp', '1 - max softmax(f / T)')
def _msp(logits: Tensor, temperature: float, dim: int) -> Tensor:
    # 1 - max p as the sum of the other probabilities: keeps its digits where max p rounds to 1.
    probabilities = torch.softmax(logits / temperature, dim)
    top = probabilities.argmax(dim, keepdim=True)
    return probabilities.scatter(dim, top, 0).sum(dim)


@register_score('max_logit', '-max f', uses_temperature=False)
def _max_logit(logits: Tensor, temperature: float, dim: int) -> Tensor:
    return -logits.amax(dim)


@register_score('entropy', 'H(softmax(f)) / log C', uses_temperature=False)
def _entropy(logits: Tensor, temperature: float, dim: int) -> Tensor:
    log_probabilities = torch.log_softmax(logits, dim)
    entropy = -(log_probabilities.exp() * log_probabilities).sum(dim)
    # One class has no entropy; max() keeps that case a 0 instead of 0 / 0.
    return entropy / max(math.log(logits.shape[dim]), torch.finfo(logits.dtype).tiny)


@register_score('sml', '-(max f - mu_k) / sigma_k, k = argmax f', needs_statistics=True, uses_temperature=False)
def _standardised_max_logit(logits: Tensor, temperature: float, dim: int, statistics: MaxLogitStatistics) -> Tensor:
    values, classes = logits.max(dim)
    mean, std = statistics.mean().to(logits), statistics.std().to(logits)
    return (mean[classes] - values) / std[classes]


@register_score('void', 'softmax(f / T)[C]', all_channels=True)
def _void(logits: Tensor, temperature: float, dim: int) -> Tensor:
    return torch.softmax(logits / temperature, dim).select(dim, -1)


def anomaly_score(logits: Tensor, method: str = 'energy', temperature: float = 1.0, dim: int = 1,
                  statistics: MaxLogitStatistics | None = None) -> Tensor:
    """Anomaly score of each sample or pixel, higher = more anomalous.

    ============= =========================================== ================================ ====================
    method        formula                                     source                           needs
    ============= =========================================== ================================ ====================
    ``energy``    ``-T * logsumexp(f / T)``                   Liu et al., NeurIPS 2020         logits, temperature
    ``msp``       ``1 - max softmax(f / T)``                  Hendrycks and Gimpel, ICLR 2017  logits, temperature
    ``max_logit`` ``-max f``                                  Hendrycks et al., ICML 2022      logits
    ``entropy``   ``H(softmax(f)) / log C``                   Chan et al., ICCV 2021           logits
    ``sml``       ``-(max f - mu_k) / sigma_k, k = argmax f`` Jung et al., ICCV 2021           logits, statistics
    ``void``      ``softmax(f / T)[C]``                       Blum et al., IJCV 2021           logits, temperature
    ============= =========================================== ================================ ====================

    f are the logits of the C inlier classes, T is the temperature, mu and sigma are the mean and standard deviation of
    the max logit over inlier training pixels by predicted class. ``void`` is the probability of the last of C + 1
    channels, for a network with a class of outliers. PEBAL's inference (Tian et al., ECCV 2022) is the energy of the
    first C of C + 1 channels, smoothed: :class:`AnomalyScorer`.

    Args:
        logits: Logits of the inlier classes, ``(N, C, ...)`` with the classes along ``dim``.
        method: A key of :data:`SCORES`.
        temperature: ``T > 0``; max logit, entropy and SML ignore it.
        dim: The class dimension.
        statistics: What ``sml`` standardises with; the other scores ignore it.

    Returns:
        Scores ``(N, ...)`` in float32 or better.

    Raises:
        ValueError: An unknown method, a temperature that is not positive, or statistics that the method needs are
            missing or of another number of classes.

    Example:
        >>> anomaly_score(torch.zeros(2, 5), method='entropy')
        tensor([1., 1.])
    """
    score = _find_score(method)
    check_temperature(temperature)
    arguments = [at_least_float32(logits), temperature, dim]
    if score.needs_statistics:
        arguments.append(_checked_statistics(method, statistics, logits.shape[dim]))
    return score.function(*arguments)


def _find_score(method: str) -> Score:
    if method not in SCORES:
        raise ValueError(f'unknown score {method!r}, expected one of {", ".join(SCORES)}')
    return SCORES[method]


def _checked_statistics(method: str, statistics: MaxLogitStatistics | None,
                        num_classes: int | None) -> MaxLogitStatistics:
    if statistics is None:
        raise ValueError(f'score {method!r} needs statistics of the network, which tools/measure_statistics.py CONFIG '
                         f'CHECKPOINT writes: name that file with statistics=FILE (command line: '
                         f'{method}:statistics=FILE)')
    if num_classes not in (None, statistics.num_classes):
        raise ValueError(f'score {method!r}: {statistics.path or "statistics"}: {statistics.num_classes} classes, '
                         f'expected {num_classes} (the number of logits)')
    return statistics


# The options of a scorer on the command line, and how their values are read; a flag has none.
_OPTIONS: dict[str, Callable[[str], Any] | None] = {
    'temperature': float, 'num_classes': int, 'smoothing': None, 'statistics': str, 'name': str,
}


class AnomalyScorer:
    """A score with its options: logits in, map out.

    Args:
        method: A key of :data:`SCORES`.
        temperature: ``T > 0``, for scores that use it.
        num_classes: Number of inlier classes of a network with further channels behind them; by default all
            channels are inlier classes, for a score of all channels all but the last.
        smoothing: Whether maps are blurred, see :func:`~mmseg_ood.core.gaussian_smoothing`.
        statistics: For scores that need them: :class:`~mmseg_ood.core.MaxLogitStatistics` or their file.
        name: What the scorer is called in results, usable as the name of a folder; by default its method and
            what differs from the default: ``energy_t2_smoothed``.

    Raises:
        FileNotFoundError: The file of the statistics does not exist.
        ValueError: An unknown method, an option that has no effect on it or an impossible value, or statistics
            that are missing, no such file or of another number of classes.

    Example:
        >>> pebal = AnomalyScorer('energy', num_classes=19, smoothing=True)
        >>> pebal.name, pebal(torch.zeros(1, 20, 8, 8)).shape
        ('energy_smoothed', torch.Size([1, 8, 8]))
    """

    def __init__(self, method: str = 'energy', *, temperature: float = 1.0, num_classes: int | None = None,
                 smoothing: bool = False, statistics: MaxLogitStatistics | str | Path | None = None,
                 name: str | None = None) -> None:
        score = _find_score(method)
        check_temperature(temperature)
        if temperature != 1 and not score.uses_temperature:
            raise ValueError(f'score {method!r} has no temperature, found temperature={temperature}')
        if num_classes is not None and num_classes < 2:
            raise ValueError(f'score {method!r}: num_classes must be at least 2, found {num_classes}')
        if statistics is not None and not score.needs_statistics:
            raise ValueError(f'score {method!r} uses no statistics, found statistics={statistics}')
        if isinstance(statistics, str | Path):
            statistics = MaxLogitStatistics.load(statistics)
        if score.needs_statistics:
            _checked_statistics(method, statistics, num_classes)
        self.method = method
        self.temperature = float(temperature)
        self.num_classes = num_classes
        self.smoothing = smoothing
        self.statistics = statistics
        self.name = self._default_name() if name is None else name
        _check_name(self.name)

    def _default_name(self) -> str:
        temperature = str(self.temperature).removesuffix('.0')
        return (self.method + (f'_t{temperature}' if self.temperature != 1 else '')
                + ('_smoothed' if self.smoothing else ''))

    @classmethod
    def parse(cls, text: str, **defaults: Any) -> AnomalyScorer:
        """The scorer of a command line: ``METHOD`` or ``METHOD:OPTION=VALUE,OPTION,...``.

        Args:
            text: Options are those of the class; values hold no comma.
            **defaults: As in :meth:`build`.

        Raises:
            ValueError: An unknown option, one given twice, without its value or with one that cannot be read; or
                see the class.

        Example:
            >>> AnomalyScorer.parse('energy:temperature=2')
            AnomalyScorer('energy', temperature=2.0)
        """
        method, colon, listed = text.partition(':')
        options: dict[str, Any] = {}
        for option in listed.split(',') if colon else ():
            key, value = _parse_option(option, text)
            if key in options:
                raise ValueError(f'score {text!r}: option {key!r} is given twice')
            options[key] = value
        return cls.build(dict(type=method, **options), **defaults)

    @classmethod
    def build(cls, config: str | dict[str, Any] | AnomalyScorer, **defaults: Any) -> AnomalyScorer:
        """The scorer of a config file.

        Args:
            config: What :meth:`parse` reads, or a dict with the method as ``type`` and the options of the class. A
                scorer is returned as it is.
            **defaults: Options that were not given, each for the scores that it has an effect on: a default
                temperature does not concern the entropy.

        Raises:
            ValueError: No ``type``, an unknown option, or see the class.

        Example:
            >>> AnomalyScorer.build(dict(type='msp', smoothing=True), num_classes=19)
            AnomalyScorer('msp', num_classes=19, smoothing=True)
        """
        if isinstance(config, AnomalyScorer):
            return config
        if isinstance(config, str):
            return cls.parse(config, **defaults)
        if not isinstance(config, dict) or 'type' not in config:
            raise ValueError(f'score {config!r}: expected a name or a dict with the name as type')
        options = {key: value for key, value in config.items() if key != 'type'}
        _check_options(options, config)
        score = _find_score(config['type'])
        without_effect = {key for key, used in (('temperature', score.uses_temperature),
                                                ('statistics', score.needs_statistics)) if not used}
        usable = {key: value for key, value in defaults.items() if key not in without_effect}
        return cls(config['type'], **{**usable, **options})

    def __call__(self, logits: Tensor) -> Tensor:
        """Score logits.

        Args:
            logits: ``(N, C, H, W)``, without smoothing ``(N, C, ...)``; inlier classes first.

        Returns:
            ``(N, H, W)`` or ``(N, ...)``, float32, float64 for float64 logits; higher = more anomalous.

        Raises:
            ValueError: Too few channels or, for smoothing, another number of dimensions.
        """
        all_channels = SCORES[self.method].all_channels
        expected, found = max(2, (self.num_classes or 0) + all_channels), logits.shape[1]
        if found < expected:
            raise ValueError(f'score {self.name!r}: expected logits of at least {expected} classes, found {found} '
                             f'channel{"s" * (found != 1)}')
        if self.smoothing and logits.ndim != 4:
            raise ValueError(f'score {self.name!r}: smoothing needs logits of shape (N, C, H, W), found '
                             f'{tuple(logits.shape)}')
        seen = logits if all_channels else logits[:, :self.num_classes]
        scores = anomaly_score(seen, self.method, self.temperature, statistics=self.statistics)
        return gaussian_smoothing(scores) if self.smoothing else scores

    def describe(self) -> dict[str, Any]:
        """What makes this score, of JSON's types, for the files that results are written to.

        Example:
            >>> AnomalyScorer('energy', smoothing=True).describe()['formula']
            'gaussian_smoothing(-T * logsumexp(f / T))'
        """
        formula = SCORES[self.method].formula or self.method
        return {
            'name': self.name, 'method': self.method, 'temperature': self.temperature, 'smoothing': self.smoothing,
            'statistics': str(self.statistics.path) if self.statistics and self.statistics.path else None,
            'num_classes': self.num_classes,
            'formula': f'gaussian_smoothing({formula})' if self.smoothing else formula,
        }

    def __repr__(self) -> str:
        options = {
            'temperature': self.temperature if self.temperature != 1 else None, 'num_classes': self.num_classes,
            'smoothing': self.smoothing or None, 'statistics': self.statistics,
            'name': self.name if self.name != self._default_name() else None,
        }
        given = ''.join(f', {key}={value!r}' for key, value in options.items() if value is not None)
        return f'{type(self).__name__}({self.method!r}{given})'


def _parse_option(option: str, text: str) -> tuple[str, Any]:
    key, equals, value = option.partition('=')
    _check_options([key], text)
    convert = _OPTIONS[key]
    if convert is None:
        if equals:
            raise ValueError(f'score {text!r}: option {key!r} takes no value, found {value!r}')
        return key, True
    if not value:
        raise ValueError(f'score {text!r}: option {key!r} needs a value: {key}=...')
    try:
        return key, convert(value)
    except ValueError as error:
        expected = 'an integer' if convert is int else 'a number'
        raise ValueError(f'score {text!r}: {key} must be {expected}, found {value!r}') from error


def _check_options(keys: Iterable[str], config: str | dict[str, Any]) -> None:
    unknown = [key for key in keys if key not in _OPTIONS]
    if unknown:
        raise ValueError(f'score {config!r}: unknown option {", ".join(map(repr, unknown))}, expected some of '
                         f'{", ".join(_OPTIONS)}')
