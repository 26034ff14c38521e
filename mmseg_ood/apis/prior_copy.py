"""The prior that a network was trained with, beside the figures of its evaluation."""
from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import is_main_process

from mmseg_ood.core import load_prior

PRIOR_FILE = 'prior.json'


def find_prior(cfg: Config, classes: Sequence[str]) -> dict[str, Any] | None:
    """The class prior of the outliers in the losses of a config's decode head.

    Args:
        cfg: A loaded config.
        classes: Names of the inlier classes.

    Returns:
        ``prior``, ``classes`` and ``source`` (name or file, or ``config`` for numbers); None where no loss has a
        prior. None as well where its file does not exist or does not fit: that is said, but no error, because an
        evaluation does not need it.

    Example:
        >>> loss = dict(type='BalancedEnergyLoss', prior=[3, 1])
        >>> find_prior(Config(dict(model=dict(decode_head=dict(loss_decode=loss)))), ['road', 'car'])
        {'prior': [0.75, 0.25], 'classes': ['road', 'car'], 'source': 'config'}
    """
    for loss in _losses(cfg.model.get('decode_head')):
        if str(loss.get('type')).rpartition('.')[2] == 'BalancedEnergyLoss':
            prior = loss['prior']
            try:
                shares = load_prior(prior, len(classes)).tolist()
            except (FileNotFoundError, ValueError) as error:
                if is_main_process():
                    print(f'The results show no prior of the outliers: {error}')
                return None
            return {'prior': shares, 'classes': list(classes), 'source': prior if isinstance(prior, str) else 'config'}
    return None


def _losses(heads: Any) -> Iterator[dict[str, Any]]:
    """Losses of a decode head, or of a cascade of them."""
    for head in heads if isinstance(heads, list) else [heads or {}]:
        losses = head.get('loss_decode') or []
        yield from losses if isinstance(losses, list) else [losses]


def write_prior_copy(prior: dict[str, Any], folder: Path) -> None:
    """Write ``prior.json``, unless somebody else's file of that name lies there."""
    path = folder / PRIOR_FILE
    if not path.exists() or is_prior_copy(path):
        path.write_text(json.dumps(prior, indent=2), encoding='utf-8')


def is_prior_copy(path: Path) -> bool:
    """Whether an evaluation wrote this file; ``tools/estimate_prior.py`` writes files of the same name."""
    try:
        return 'source' in json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError, TypeError):
        return False
