"""What is said of a class prior: its numbers, the energies and margins beside it, two plots, the losses to paste."""
from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.logging import print_log

from mmseg_ood.core import PriorEstimator, power_prior, propose_margins
from mmseg_ood.core.margins import INLIER_QUANTILE, OUTLIER_QUANTILE
from mmseg_ood.report.plots import Histogram, plot_histogram
from mmseg_ood.report.prior_plot import plot_prior

QUANTILES = (0.05, INLIER_QUANTILE, 0.5, 0.75, OUTLIER_QUANTILE)
_BINS = 120


class Energies(NamedTuple):
    """Free energies of a sample of both sides, float64 each."""
    inlier: np.ndarray
    outlier: np.ndarray


def prior_report(estimator: PriorEstimator, energies: Energies, classes: list[str] | None, gamma: float,
                 **about: Any) -> dict[str, Any]:
    """Prior, counts, quantiles of the energies and proposed margins, as JSON knows them.

    Args:
        estimator: What the outliers were taken for.
        energies: At least one of each side.
        classes: Names of the inlier classes; numbers where nobody knows them.
        gamma: Exponent of the prior in the margin.
        **about: Further entries.

    Raises:
        ValueError: A negative gamma.
    """
    prior = estimator.prior()
    quantiles = {side: dict(zip(map(str, QUANTILES), _quantiles(values), strict=True))
                 for side, values in energies._asdict().items()}
    classes = list(map(str, classes or range(estimator.num_classes)))[:estimator.num_classes]
    return _as_json({'prior': prior.tolist(), 'counts': estimator.counts.tolist(), 'classes': classes,
                     'energy_quantiles': quantiles, 'margins': _margins(quantiles, prior, gamma), **about})


def write_prior(result: dict[str, Any], energies: Energies, out: Path, *, what: str, unit: str, network: str,
                palette: Any = None) -> None:
    """Write the report and, beside it, ``prior.png`` (by class) and ``prior_energies.png`` (with the margins).

    Args:
        result: From :func:`prior_report`.
        energies: What is drawn of both sides.
        out: The file; the plots are named after it.
        what: What the outliers are, for a title: ``pasted outliers``.
        unit: What was measured of: ``pixels``, ``images``.
        network: What it was measured with.
        palette: Colours of the classes.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2), encoding='utf-8')
    plot_prior(result['prior'], result['classes'], f'What {what} are taken for\n{network}', out.with_suffix('.png'),
               palette and palette[:len(result['prior'])])
    edges = np.histogram_bin_edges(np.concatenate(energies), _BINS)
    counts = (np.histogram(values, edges)[0] for values in energies)
    margins = result['margins'] or {}
    plot_histogram(Histogram('free energy', edges, *counts), f'Free energy of a sample of the {unit}\n{network}',
                   out.with_name(f'{out.stem}_energies.png'),
                   {name: margins[name] for name in ('m_in', 'm_out') if name in margins})


def _quantiles(values: np.ndarray) -> list[float]:
    # Not torch.quantile, which refuses more than 2^24 values.
    return [round(value, 3) for value in np.quantile(values, QUANTILES).tolist()]


def _margins(quantiles: dict[str, dict[str, float]], prior: torch.Tensor, gamma: float) -> dict[str, float] | None:
    power_prior(prior, gamma)  # a wrong gamma is a mistake of the caller, energies in the wrong order are a finding
    try:
        margins = propose_margins(quantiles['inlier'][str(INLIER_QUANTILE)],
                                  quantiles['outlier'][str(OUTLIER_QUANTILE)], prior, gamma)
    except ValueError as error:
        print_log(f'There are no margins to propose: {error}', 'current', logging.WARNING)
        return None
    return {**{name: round(value, 3) for name, value in margins._asdict().items()}, 'gamma': gamma}


def _as_json(result: dict[str, Any]) -> dict[str, Any]:
    """What comes back when it is read again; a config may hold objects that JSON does not know."""
    return json.loads(json.dumps(result, default=repr))


def loss_snippet(result: dict[str, Any], prior: str | Path) -> str:
    """The losses with the proposed margins, ready for a config.

    Args:
        result: From :func:`prior_report`, with margins; ``network`` tells the number of classes.
        prior: The file that it was written to.

    Example:
        >>> margins = dict(m_in=-8.734, m_out=-3.558, alpha=3.018, gamma=3.0)
        >>> print(loss_snippet(dict(margins=margins, prior=[0.5] * 2, network=dict(num_classes=2)), 'prior.json'))
        dict(
            type='BalancedEnergyLoss',
            prior='prior.json',
            m_in=-8.73,
            m_out=-3.56,
            alpha=3.02,
            gamma_margin=3.0,
            gamma_weight=3.0,
            loss_weight=0.1,
        ),
        dict(type='EnergyLoss', m_in=-8.73, m_out=-3.56, loss_weight=0.1),
    """
    m_in, m_out, alpha, gamma = (round(result['margins'][name], 2) for name in ('m_in', 'm_out', 'alpha', 'gamma'))
    common = dict(loss_weight=0.1)
    if result['network']['num_classes'] > len(result['prior']):
        common['num_classes'] = len(result['prior'])  # channels behind the inlier classes take no part in the energy
    balanced = dict(type='BalancedEnergyLoss', prior=str(prior), m_in=m_in, m_out=m_out, alpha=alpha,
                    gamma_margin=gamma, gamma_weight=gamma, **common)
    plain = dict(type='EnergyLoss', m_in=m_in, m_out=m_out, **common)
    lines = ''.join(f'    {key}={value!r},\n' for key, value in balanced.items())
    return f'dict(\n{lines}),\ndict({", ".join(f"{key}={value!r}" for key, value in plain.items())}),'
