"""Anomaly benchmarks after each validation, beside the config's own validation set."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from ..evaluation import NATIVE_PIPELINE, AnomalyMetric, resolve_benchmark


@HOOKS.register_module()
class BenchmarkHook(Hook):
    """AP, FPR95 and AUROC on benchmarks, as validation metrics ``BENCHMARK/AP``.

    The figures join those of the validation set, so they are logged with them, and the best checkpoint can be
    chosen by one of them::

        custom_hooks = [dict(type='BenchmarkHook', benchmarks=['fishyscapes-lost-and-found', 'road-anomaly'])]
        default_hooks = dict(checkpoint=dict(
            type='CheckpointHook', save_best='fishyscapes-lost-and-found/AP', rule='greater'))

    A checkpoint that was chosen on a benchmark is not evaluated by the same benchmark; report others.

    Args:
        benchmarks: ``NAME`` or ``NAME=ROOT``, see :data:`mmseg_ood.segmentation.evaluation.BENCHMARKS`.
        score: As :class:`mmseg_ood.segmentation.evaluation.AnomalyMetric`.
        pipeline: Pipeline of the frames; by default they keep their resolution.
        num_workers: Processes that load frames.
        **kwargs: Further arguments of ``AnomalyMetric``: ``num_classes``, ``fpr_rule``, ...

    Raises:
        ValueError: Unknown names.
        FileNotFoundError: When training starts: a benchmark's data do not exist.
    """

    priority = 'HIGHEST'  # before the hooks that log the metrics and choose the checkpoint

    def __init__(self, benchmarks: Sequence[str], score: str | dict | Sequence[str | dict] = 'energy',
                 pipeline: Sequence[dict] | None = None, num_workers: int = 2, **kwargs: Any) -> None:
        if isinstance(benchmarks, str) or not benchmarks:
            raise ValueError(f'BenchmarkHook: expected a list of benchmarks, found {benchmarks!r}')
        self._datasets = dict(map(resolve_benchmark, benchmarks))
        self._metrics = {name: AnomalyMetric(score, prefix=name, **kwargs) for name in self._datasets}
        self._pipeline = [dict(step) for step in pipeline or NATIVE_PIPELINE]
        self._num_workers = num_workers

    def before_train(self, runner: Runner) -> None:
        """Look for the data of all benchmarks."""
        self._loaders = {name: runner.build_dataloader(dict(
            batch_size=1, num_workers=self._num_workers, sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=dict(dataset, pipeline=self._pipeline, test_mode=True)))
            for name, dataset in self._datasets.items()}

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Add the figures of the benchmarks to those of the validation set."""
        if not hasattr(self, '_loaders'):
            self.before_train(runner)  # validation without training
        for name, loader in self._loaders.items():
            metric = self._metrics[name]
            with torch.no_grad():
                for batch in loader:
                    samples = runner.model.val_step(batch)
                    metric.process(batch, [sample.to_dict() for sample in samples])
            figures = metric.evaluate(len(loader.dataset))
            runner.logger.info(f'{name}: ' + ', '.join(f'{key.partition("/")[2]} {value:.2f}'
                                                       for key, value in figures.items()))
            metrics.update(figures)
