"""Evaluation of one network on any number of benchmarks."""
from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import get_rank, init_dist, is_main_process
from mmengine.evaluator import Evaluator
from prettytable import PrettyTable
from rich.progress import track
from torch.utils.data import DataLoader

from mmseg_ood.core import SCORES
from mmseg_ood.segmentation.evaluation import resolve_benchmark

from .runtime import build_dataloader, build_segmentor, load_config, provenance

# The benchmarks' own resolution. A config may declare another one as `benchmark_pipeline`.
NATIVE_PIPELINE = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
COLUMNS = ('benchmark', 'score', 'frames', 'AP', 'FPR95', 'AUROC', 'mIoU', 'seconds')


def evaluate(config: str | Path | Config, checkpoint: str | Path, benchmarks: Sequence[str] = (),
             scores: Sequence[str] = ('energy',), out: str | Path | None = None,
             cfg_options: dict[str, Any] | None = None, launcher: str = 'none',
             device: str | None = None) -> dict[str, Any]:
    """Anomaly metrics on benchmarks and, where the config has a test set, its own metric beside them.

    Frames go through the config's ``benchmark_pipeline`` or, by default, through the network at their own
    resolution. ``num_inlier_classes`` in the config tells of a network with further channels behind them.
    All data sets are looked for before the first frame is computed.

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
        ValueError: Unknown names, nothing to evaluate, a checkpoint that does not fit, or a benchmark
            without anomalies.
    """
    cfg = load_config(config, cfg_options)
    unknown = set(scores) - SCORES.keys()
    if unknown or not scores:
        raise ValueError(f'unknown score {sorted(unknown)}, expected some of {", ".join(SCORES)}')
    datasets = list(map(resolve_benchmark, benchmarks))
    has_test_set = bool(cfg.get('test_dataloader') and cfg.get('test_evaluator'))
    if not datasets and not has_test_set:
        raise ValueError('nothing to evaluate: no benchmark was named, and the config has no test_dataloader and '
                         'test_evaluator')
    if launcher != 'none':
        init_dist(launcher)
    test_loader = build_dataloader(cfg.test_dataloader, 'test_dataloader.dataset') if has_test_set else None
    loaders = [build_dataloader(_benchmark_loader(cfg, dataset), f'benchmark {name}') for name, dataset in datasets]
    segmentor = build_segmentor(cfg, checkpoint, device)
    rows = []
    if test_loader is not None:
        rows.append(_evaluate_inliers(segmentor, cfg, test_loader))
    for (name, dataset), loader in zip(datasets, loaders, strict=True):
        rows.extend(_evaluate_benchmark(segmentor, cfg, name, dataset['data_root'], loader, scores))
    results = {'results': rows, 'protocol': _protocol(cfg), 'provenance': provenance(cfg, checkpoint)}
    if out is not None and is_main_process():
        write_results(results, out)
    return results


def _protocol(cfg: Config) -> dict[str, Any]:
    return {'pooling': 'all pixels of all frames', 'fpr_rule': 'first threshold with TPR >= 0.95',
            'unit': 'percent', 'benchmark_pipeline': _benchmark_pipeline(cfg)}


def _benchmark_pipeline(cfg: Config) -> list[dict]:
    return [dict(step) for step in cfg.get('benchmark_pipeline', NATIVE_PIPELINE)]


def _benchmark_loader(cfg: Config, dataset: dict) -> dict:
    return dict(
        batch_size=1, num_workers=(cfg.get('test_dataloader') or {}).get('num_workers', 2),
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(dataset, pipeline=_benchmark_pipeline(cfg), test_mode=True))


def _run(segmentor: torch.nn.Module, dataloader: DataLoader, metrics: Sequence[dict] | dict,
         description: str) -> tuple[dict[str, float], Evaluator, int, float]:
    """One pass over a data set: figures, the evaluator that made them, number of frames, seconds."""
    start = time.perf_counter()
    evaluator = Evaluator(metrics)
    evaluator.dataset_meta = dataloader.dataset.metainfo
    with torch.inference_mode():
        for batch in track(dataloader, description, disable=get_rank() != 0):
            evaluator.process(data_samples=segmentor.test_step(batch), data_batch=batch)
    figures = evaluator.evaluate(len(dataloader.dataset))
    return figures, evaluator, len(dataloader.dataset), time.perf_counter() - start


def _evaluate_inliers(segmentor: torch.nn.Module, cfg: Config, dataloader: DataLoader) -> dict[str, Any]:
    figures, _, frames, seconds = _run(segmentor, dataloader, cfg.test_evaluator, 'in-distribution')
    return {'benchmark': 'in-distribution', 'frames': frames, 'seconds': round(seconds, 2),
            **{name: float(figure) for name, figure in figures.items()}}


def _evaluate_benchmark(segmentor: torch.nn.Module, cfg: Config, name: str, root: str, dataloader: DataLoader,
                        scores: Sequence[str]) -> list[dict[str, Any]]:
    metric = dict(type='AnomalyMetric', score=list(scores), num_classes=cfg.get('num_inlier_classes'))
    _, evaluator, frames, seconds = _run(segmentor, dataloader, metric, name)
    rows = []
    for score, summary in evaluator.metrics[0].summaries.items():
        if summary['num_outlier'] == 0:
            raise ValueError(f'benchmark {name}: no anomalous pixel in {frames} frames under {root}')
        percent = {key: 100 * summary[key] for key in ('AP', 'FPR95', 'AUROC', 'best_F1', 'AP_error', 'FPR95_error')}
        counts = {key: summary[key] for key in ('best_threshold', 'num_inlier', 'num_outlier')}
        rows.append({'benchmark': name, 'root': root, 'score': score, 'frames': frames, **percent,
                     **counts, 'seconds': round(seconds, 2)})
    return rows


def write_results(results: dict[str, Any], out: str | Path) -> None:
    """Write ``results.json`` (everything) and ``results.csv`` (one line a row) into a folder.

    Undefined figures (NaN) are null in the one, which has no word for them, and empty in the other.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    rows = [{key: None if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()}
            for row in results['results']]
    (out / 'results.json').write_text(json.dumps({**results, 'results': rows}, indent=2, allow_nan=False),
                                      encoding='utf-8')
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with (out / 'results.csv').open('w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def results_table(results: dict[str, Any]) -> str:
    """The headline figures as text, one line a benchmark and score; percent with two digits."""
    table = PrettyTable(COLUMNS, align='r')
    table.align['benchmark'] = table.align['score'] = 'l'
    for row in results['results']:
        cells = [row.get(column, '') for column in COLUMNS]
        table.add_row([f'{cell:.2f}' if isinstance(cell, float) else cell for cell in cells])
    return table.get_string()
