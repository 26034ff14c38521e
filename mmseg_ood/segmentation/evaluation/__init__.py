"""Metrics for MMEngine evaluators and the benchmarks they run on."""
from .anomaly_metric import AnomalyMetric
from .benchmarks import BENCHMARKS, Benchmark, resolve_benchmark
from .inlier_iou_metric import InlierIoUMetric

__all__ = ['BENCHMARKS', 'AnomalyMetric', 'Benchmark', 'InlierIoUMetric', 'resolve_benchmark']
