"""The scores that a command was asked for, ready for the network that it uses."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from mmseg_ood.core import SCORES, AnomalyScorer, statistics_path

from .runtime import checkpoint_sha256


def build_scorers(cfg: Config, scores: Sequence[str], checkpoint: str | Path) -> dict[str, AnomalyScorer]:
    """Scorers by name.

    What was not said follows from the network: the number of its inlier classes from ``num_inlier_classes`` of the
    config, statistics from the file beside the checkpoint (:func:`mmseg_ood.core.statistics_path`).

    Args:
        cfg: A loaded config.
        scores: What :meth:`mmseg_ood.core.AnomalyScorer.parse` reads: ``energy``, ``energy:temperature=2``, ...
        checkpoint: Weights of the network.

    Returns:
        In the order of ``scores``.

    Raises:
        FileNotFoundError: Statistics that were named do not exist.
        ValueError: No score, two of one name, statistics of another checkpoint, or see
            :class:`mmseg_ood.core.AnomalyScorer`.

    Example:
        >>> build_scorers(Config(dict(num_inlier_classes=19)), ['energy', 'energy:smoothing'], 'iter_300.pth')
        {'energy': AnomalyScorer('energy', num_classes=19),
         'energy_smoothed': AnomalyScorer('energy', num_classes=19, smoothing=True)}
    """
    if not scores:
        raise ValueError(f'no score was named, expected some of {", ".join(SCORES)}')
    default = statistics_path(checkpoint)
    defaults = dict(num_classes=cfg.get('num_inlier_classes'), statistics=default if default.is_file() else None)
    scorers: dict[str, AnomalyScorer] = {}
    texts: dict[str, str] = {}
    for text in scores:
        scorer = AnomalyScorer.parse(text, **defaults)
        if scorer.name in scorers:
            raise ValueError(f'scores {texts[scorer.name]!r} and {text!r} have the same name {scorer.name!r}; leave '
                             f'one out, or give it another name with the option name=...')
        _check_statistics(scorer, checkpoint)
        scorers[scorer.name], texts[scorer.name] = scorer, text
    return scorers


def _check_statistics(scorer: AnomalyScorer, checkpoint: str | Path) -> None:
    """Refuse statistics that say they were measured with another network."""
    if scorer.statistics is None:
        return
    made_with = scorer.statistics.details.get('provenance') or {}
    expected = made_with.get('checkpoint_sha256')
    if expected is not None and expected != checkpoint_sha256(checkpoint):
        raise ValueError(f'score {scorer.name!r}: {scorer.statistics.path} was measured with another checkpoint than '
                         f'{checkpoint}, namely {made_with.get("checkpoint")} (sha256 {expected[:12]}...); '
                         f'tools/measure_statistics.py CONFIG {checkpoint} measures anew')
