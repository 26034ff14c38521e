"""The mathematics of the toolkit: torch and numpy only, usable from any training loop."""
from .curves import FPR_RULES, ScoreHistogram
from .energy import SCORES, anomaly_score, free_energy
from .losses import EnergyTerms, balanced_energy_regularization, energy_regularization
from .prior import PRIORS, PriorEstimator, load_prior, power_prior, prior_weight

__all__ = [
    'FPR_RULES', 'PRIORS', 'SCORES', 'EnergyTerms', 'PriorEstimator', 'ScoreHistogram', 'anomaly_score',
    'balanced_energy_regularization', 'energy_regularization', 'free_energy', 'load_prior', 'power_prior',
    'prior_weight',
]
