"""The mathematics of the toolkit: torch and numpy only, usable from any training loop."""
from .abstention import abstention_loss
from .components import (
    COMPONENT_LIMITS,
    SIOU_THRESHOLDS,
    ComponentAccumulator,
    ComponentLimits,
    Components,
    Detection,
    component_scores,
    detect_components,
)
from .curves import FPR_RULES, OperatingPoint, ScoreHistogram, fpr_column
from .energy import free_energy
from .losses import (
    EnergyTerms,
    balanced_energy_regularization,
    energy_regularization,
    energy_smoothness,
    energy_sparsity,
)
from .margins import Margins, propose_margins
from .outlier_exposure import entropy_maximization, outlier_exposure
from .prior import PRIORS, PriorEstimator, load_prior, power_prior, prior_weight
from .scores import SCORES, AnomalyScorer, anomaly_score, register_score
from .smoothing import gaussian_smoothing
from .statistics import MaxLogitStatistics, statistics_path

__all__ = [
    'COMPONENT_LIMITS', 'FPR_RULES', 'PRIORS', 'SCORES', 'SIOU_THRESHOLDS', 'AnomalyScorer', 'ComponentAccumulator',
    'ComponentLimits', 'Components', 'Detection', 'EnergyTerms', 'Margins', 'MaxLogitStatistics', 'OperatingPoint',
    'PriorEstimator', 'ScoreHistogram', 'abstention_loss', 'anomaly_score', 'balanced_energy_regularization',
    'component_scores', 'detect_components', 'energy_regularization', 'energy_smoothness', 'energy_sparsity',
    'entropy_maximization', 'fpr_column', 'free_energy', 'gaussian_smoothing', 'load_prior', 'outlier_exposure',
    'power_prior', 'prior_weight', 'propose_margins', 'register_score', 'statistics_path',
]
