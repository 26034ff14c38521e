"""Metrics for MMEngine evaluators and the benchmarks they run on."""
from .anomaly_metric import AnomalyMetric
from .benchmarks import BENCHMARKS, NATIVE_PIPELINE, Benchmark, resolve_benchmark
from .component_metric import AnomalyComponentMetric
from .inlier_iou_metric import InlierIoUMetric
from .judge import GroundTruth, MapSource, Verdict, judge

__all__ = ['BENCHMARKS', 'NATIVE_PIPELINE', 'AnomalyComponentMetric', 'AnomalyMetric', 'Benchmark', 'GroundTruth',
           'InlierIoUMetric', 'MapSource', 'Verdict', 'judge', 'resolve_benchmark']
