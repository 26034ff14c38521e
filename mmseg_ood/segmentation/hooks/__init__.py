"""Hooks for MMEngine's runner."""
from .anomaly_visualization import AnomalyVisualizationHook
from .benchmark_hook import BenchmarkHook
from .online_prior import OnlinePriorHook
from .train_only import TrainOnlyHook

__all__ = ['AnomalyVisualizationHook', 'BenchmarkHook', 'OnlinePriorHook', 'TrainOnlyHook']
