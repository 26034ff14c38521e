"""Which columns of a result are its figures, what they mean, and which of several values is the best."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

FPR_RULES = {'first': 'at the first threshold with TPR of at least 95 %, without interpolation',
             'nearest': 'at the threshold whose TPR is nearest to 95 %',
             'interpolate': 'interpolated linearly to TPR 95 %'}
_MEANINGS = {
    'AP': 'average precision: area under the precision-recall curve; chance is the share of anomalies',
    'AUPR_out': 'area under the precision-recall curve with outliers as the positive class',
    'AUPR_in': 'area under the precision-recall curve with inliers as the positive class',
    'AUROC': 'area under the ROC curve: how often an anomaly scores higher than an inlier; chance is 50 %',
    'FPR95': 'share of inliers that are flagged where 95 % of the anomalies are found',
    'FPR95_in': 'share of outliers that pass where 95 % of the inliers are accepted',
    'best_F1': 'highest F1 of precision and recall over all thresholds',
    'sIoU': 'adjusted intersection over union, mean over all anomalous components',
    'PPV': 'share of a predicted component that is anomalous, mean over predicted components',
    'F1*': 'component F1, mean over the overlaps 0.25, 0.30 ... 0.75',
    'mIoU': 'mean intersection over union of the inlier classes',
}
_NOT_A_FIGURE = ('seconds', 'frames', 'image_frames', 'best_threshold')


class Column(NamedTuple):
    """A figure that is shown in a column of its own."""
    name: str
    """As in the results."""
    title: str
    lower_is_better: bool
    meaning: str
    """Empty where the name speaks for itself."""


def figure_columns(rows: Iterable[Mapping[str, Any]], fpr_rule: str = 'first') -> list[Column]:
    """The headline figures that occur in rows of results, in their order.

    Counts, thresholds, error bounds, nested figures and means over frames are none.

    Example:
        >>> [column.title for column in figure_columns([{'AP': 41.5, 'FPR95': None, 'AP_error': 0.1, 'frames': 7}])]
        ['AP', 'FPR95']
    """
    named = dict.fromkeys(name for row in rows for name, value in row.items()
                          if (value is None or isinstance(value, float)) and name not in _NOT_A_FIGURE
                          and not name.endswith('_error') and not name.startswith(('image_', 'num_')))
    return [_column(name, fpr_rule) for name in named]


def further_columns(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """All other scalar columns of rows, in their order."""
    rows = list(rows)
    shown = {column.name for column in figure_columns(rows)} | {'benchmark', 'score', 'root', 'partial'}
    return list(dict.fromkeys(name for row in rows for name, value in row.items()
                              if name not in shown and not isinstance(value, Mapping | list)))


def _column(name: str, fpr_rule: str) -> Column:
    plain = name.removesuffix(f'_{fpr_rule}')
    title = plain.replace('_', ' ')
    if plain.startswith('FPR') and fpr_rule != 'first':
        title += f' ({fpr_rule})'
    meaning = _MEANINGS.get(plain, '')
    if plain == 'FPR95' and fpr_rule in FPR_RULES:
        meaning += f', read {FPR_RULES[fpr_rule]}'
    return Column(name, title, lower_is_better(name), meaning)


def lower_is_better(name: str) -> bool:
    """Whether a low value of a figure is a good one."""
    return 'FPR' in name


def two_digits(value: float | None) -> str:
    """A figure as tables show it.

    Example:
        >>> two_digits(42.46095), two_digits(None)
        ('42.46', '–')
    """
    return '–' if value is None else f'{value:.2f}'


def signed(difference: float) -> str:
    """A difference as tables show it.

    Example:
        >>> ascii(signed(-1.234)), signed(0.5), signed(-0.001)
        ("'\\\\u22121.23'", '+0.50', '0.00')
    """
    shown = f'{abs(difference):.2f}'
    sign = '' if float(shown) == 0 else '\N{MINUS SIGN}' if difference < 0 else '+'
    return sign + shown


def best_of(values: Sequence[float | None], lower: bool) -> list[bool]:
    """Which values are the best of those that are to be compared; none where there is nothing to compare.

    What reads alike is equally good.

    Example:
        >>> best_of([3.0, None, 1.0], lower=True), best_of([3.0], lower=True), best_of([1.001, 0.999], lower=False)
        ([False, False, True], [False], [True, True])
    """
    shown = [None if value is None else float(two_digits(value)) for value in values]
    known = [value for value in shown if value is not None]
    if len(known) < 2:
        return [False] * len(shown)
    best = min(known) if lower else max(known)
    return [value == best for value in shown]
