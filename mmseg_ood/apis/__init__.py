"""What the tools and a notebook call."""
import mmseg_ood.segmentation  # noqa: F401  registers the plug-ins, and must come before mmseg itself

from .anomaly_inferencer import AnomalyInferencer
from .anomaly_result import AnomalyResult
from .estimate_prior import estimate_prior
from .evaluate import evaluate
from .measure_statistics import measure_statistics
from .results import results_table
from .train import train
from .visualize import visualize

__all__ = ['AnomalyInferencer', 'AnomalyResult', 'estimate_prior', 'evaluate', 'measure_statistics', 'results_table',
           'train', 'visualize']
