"""Evaluation of one network on any number of benchmarks."""
from __future__ import annotations

import csv
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import get_rank, init_dist, is_main_process
from mmengine.evaluator import Evaluator
from mmengine.runner import Runner
from prettytable import PrettyTable
from rich.progress import track

from mmseg_ood.segmentation.evaluation import resolve_benchmark

from .runtime import build_segmentor, load_config, provenance

# The benchmarks' own resolution. A config may declare another one as `benchmark_pipeline`.
NATIVE_PIPELINE = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
COLUMNS = ('benchmark', 'score', 'frames', 'AP', 'FPR95', 'AUROC', 'mIoU', 'seconds')


def evaluate(config: str | Path | Config, checkpoint: str | Path, benchmarks: Sequence[str] = (),
             scores: Sequence[str] = ('energy',), out: str | Path | None = None,
             cfg_options: dict[str, Any] | None = None, launcher: str = 'none',
             device: str | None = None) -> dict[str, Any]:
    """Anomaly metrics on benchmarks and, where the config has a test set, its own metric beside them.

    Frames go through the config's ``benchmark_pipeline`` or, by default, through the network at their own
    resolution.

    Args:
        config: Config file or a loaded config.
        checkpoint: Weights.
        benchmarks: ``NAME`` or ``NAME=ROOT``, names as in
            :data:`mmseg_ood.segmentation.evaluation.BENCHMARKS`.
        scores: Names of :data:`mmseg_ood.core.SCORES`.
        out: Folder for ``results.json`` and ``results.csv``.
        cfg_options: Overrides as dotted keys.
        launcher: ``none``, ``pytorch`` or ``slurm``; frames are spread over the processes.
        device: By default the GPU if there is one.

    Returns:
        ``results`` (one dict a row: benchmark, score, frames, figures in percent, thresholds, counts) and
        ``provenance``.

    Raises:
        FileNotFoundError: Config, checkpoint or data do not exist.
        ValueError: Unknown names, a checkpoint that does not fit, or a benchmark without anomalies.
    """
    cfg = load_config(config, cfg_options)
    datasets = dict(map(resolve_benchmark, benchmarks))
    if launcher != 'none':
        init_dist(launcher)
    segmentor = build_segmentor(cfg, checkpoint, device)
    rows = []
    if cfg.get('test_dataloader') and cfg.get('test_evaluator'):
        rows.append(_evaluate_inliers(segmentor, cfg))
    for name, dataset in datasets.items():
        rows.extend(_evaluate_benchmark(segmentor, cfg, name, dataset, scores))
    results = {'results': rows, 'protocol': _protocol(cfg), 'provenance': provenance(cfg, checkpoint)}
    if out is not None and is_main_process():
        write_results(results, out)
    return results


def _protocol(cfg: Config) -> dict[str, Any]:
    return {'pooling': 'all pixels of all frames', 'fpr_rule': 'first threshold with TPR >= 0.95',
            'unit': 'percent', 'benchmark_pipeline': _benchmark_pipeline(cfg)}


def _benchmark_pipeline(cfg: Config) -> list[dict]:
    return [dict(step) for step in cfg.get('benchmark_pipeline', NATIVE_PIPELINE)]


def _run(segmentor: torch.nn.Module, dataloader_cfg: dict, metrics: Sequence[dict] | dict,
         description: str) -> tuple[dict[str, float], Evaluator, int, float]:
    """One pass over a data set: metrics, the evaluator that made them, number of frames, seconds."""
    start = time.perf_counter()
    # Copied because MMEngine takes configs apart while it builds from them.
    dataloader = Runner.build_dataloader(Config(dict(data=dataloader_cfg)).data)
    evaluator = Evaluator(metrics)
    evaluator.dataset_meta = dataloader.dataset.metainfo
    with torch.inference_mode():
        for batch in track(dataloader, description, disable=get_rank() != 0):
            evaluator.process(data_samples=segmentor.test_step(batch), data_batch=batch)
    figures = evaluator.evaluate(len(dataloader.dataset))
    return figures, evaluator, len(dataloader.dataset), time.perf_counter() - start


def _evaluate_inliers(segmentor: torch.nn.Module, cfg: Config) -> dict[str, Any]:
    figures, _, frames, seconds = _run(segmentor, cfg.test_dataloader, cfg.test_evaluator, 'in-distribution')
    return {'benchmark': 'in-distribution', 'frames': frames, 'seconds': round(seconds, 2),
            **{name: float(figure) for name, figure in figures.items()}}


def _evaluate_benchmark(segmentor: torch.nn.Module, cfg: Config, name: str, dataset: dict,
                        scores: Sequence[str]) -> list[dict[str, Any]]:
    dataloader_cfg = dict(
        batch_size=1, num_workers=(cfg.get('test_dataloader') or {}).get('num_workers', 2),
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(dataset, pipeline=_benchmark_pipeline(cfg), test_mode=True))
    num_classes = cfg.get('num_inlier_classes')
    metric = dict(type='AnomalyMetric', score=list(scores), num_classes=num_classes)
    _, evaluator, frames, seconds = _run(segmentor, dataloader_cfg, metric, name)
    rows = []
    for score, summary in evaluator.metrics[0].summaries.items():
        if summary['num_outlier'] == 0:
            raise ValueError(f'benchmark {name}: no anomalous pixel in {frames} frames under {dataset["data_root"]}')
        percent = {key: 100 * summary[key] for key in ('AP', 'FPR95', 'AUROC', 'best_F1', 'AP_error', 'FPR95_error')}
        counts = {key: summary[key] for key in ('best_threshold', 'num_inlier', 'num_outlier')}
        rows.append({'benchmark': name, 'root': dataset['data_root'], 'score': score, 'frames': frames, **percent,
                     **counts, 'seconds': round(seconds, 2)})
    return rows


def write_results(results: dict[str, Any], out: str | Path) -> None:
    """Write ``results.json`` (everything) and ``results.csv`` (one line a row) into a folder."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / 'results.json').write_text(json.dumps(results, indent=2), encoding='utf-8')
    columns = list(dict.fromkeys(key for row in results['results'] for key in row))
    with (out / 'results.csv').open('w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(results['results'])


def results_table(results: dict[str, Any]) -> str:
    """The headline figures as text, one line a benchmark and score; percent with two digits."""
    table = PrettyTable(COLUMNS, align='r')
    table.align['benchmark'] = table.align['score'] = 'l'
    for row in results['results']:
        cells = [row.get(column, '') for column in COLUMNS]
        table.add_row([f'{cell:.2f}' if isinstance(cell, float) else cell for cell in cells])
    return table.get_string()
