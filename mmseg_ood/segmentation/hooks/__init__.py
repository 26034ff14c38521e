"""Hooks for MMEngine's runner."""
from .benchmark_hook import BenchmarkHook
from .online_prior import OnlinePriorHook
from .train_only import TrainOnlyHook

__all__ = ['BenchmarkHook', 'OnlinePriorHook', 'TrainOnlyHook']
