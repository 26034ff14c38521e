"""Evaluation of a classifier on the OOD sets of its config and on further ones."""
from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.registry import METRICS
from rich.progress import track
from torch.utils.data import DataLoader

from mmseg_ood.classification.evaluation import MEAN, OODMetric, SetVerdict
from mmseg_ood.classification.models import ImageClassifier
from mmseg_ood.report import write_report

from .classifiers import build_classifier
from .output_folder import OutputFolder
from .results import operating_points, write_curves, write_results
from .runtime import build_dataloader, init_processes, load_config, provenance


def evaluate_classifier(config: str | Path | Config, checkpoint: str | Path, scores: Sequence[str] = ('energy', ),
                        out: str | Path | None = None, ood_sets: Sequence[str] = (),
                        cfg_options: dict[str, Any] | None = None, launcher: str = 'none', device: str | None = None, *,
                        fpr_rule: str = 'first', max_fpr: float = 0.05, force: bool = False) -> dict[str, Any]:
    """Accuracy on the inlier test set, and how well each score tells its images from those of each OOD set.

    Args:
        config: Config file or a loaded config, with a ``TestSetsDataset`` in its ``test_dataloader``.
        checkpoint: Weights.
        scores: What :meth:`mmseg_ood.core.AnomalyScorer.parse` reads: ``energy``, ``energy:temperature=2``, ...
        out: Folder of the results; by default nothing is written. The files are those of
            :func:`mmseg_ood.apis.evaluate`, without what there is for frames.
        ood_sets: Further OOD sets as ``NAME=PATH``, see
            :class:`mmseg_ood.classification.datasets.OODFolderDataset`.
        cfg_options: Overrides as dotted keys.
        launcher: ``none``, ``pytorch`` or ``slurm``.
        device: By default the GPU if there is one.
        fpr_rule: How FPR95 is read, see :meth:`mmseg_ood.core.ScoreHistogram.summary`.
        max_fpr: False positive rate for which an operating point is given.
        force: Replace earlier results in ``out``.

    Returns:
        ``results`` (one dict a row: of the inlier test set, of each OOD set and score, of their means; rates in
        percent, see :mod:`mmseg_ood.classification.evaluation`), ``protocol`` and ``provenance``.

    Raises:
        FileNotFoundError: Config, checkpoint or data do not exist.
        FileExistsError: ``out`` holds results.
        ValueError: Unknown scores, an OOD set without name or with that of another one, a checkpoint that does not
            fit, a figure that is undefined.
    """
    init_processes(launcher)
    cfg = load_config(config, cfg_options)
    loader_config = _with_ood_sets(cfg.test_dataloader.to_dict(), ood_sets)
    metric: OODMetric = METRICS.build(dict(cfg.test_evaluator.to_dict(), scores=tuple(scores), fpr_rule=fpr_rule,
                                           max_fpr=max_fpr))
    classifier = build_classifier(cfg, checkpoint, device)
    protocol = {
        'unit': 'percent', 'counted': 'images', 'fpr_rule': fpr_rule, 'max_fpr': max_fpr,
        'positive': 'outliers; *_in: inliers',
        'pooling': 'each OOD set against the inlier test set; mean: over the OOD sets',
    }
    if out is None:
        return _evaluate(cfg, checkpoint, classifier, loader_config, metric, protocol)
    with OutputFolder(Path(out), protocol, force=force) as folder:
        results = _evaluate(cfg, checkpoint, classifier, loader_config, metric, protocol)
        if is_main_process():
            write_curves(metric.verdicts, folder.path, results['provenance']['command'])
            write_results(results, folder.path)
            write_report(folder.path, Path(checkpoint).parent)
    return results


def _with_ood_sets(loader: dict[str, Any], ood_sets: Sequence[str]) -> dict[str, Any]:
    loader = copy.deepcopy(loader)
    known = loader['dataset'].setdefault('ood', {})
    for argument in ood_sets:
        name, _, path = argument.partition('=')
        if not name or not path:
            raise ValueError(f'expected an OOD set as NAME=PATH, found {argument!r}')
        if name in known:
            raise ValueError(f'OOD set {name!r} is there already, in the config or twice; give it another name')
        known[name] = dict(type='OODFolderDataset', path=path)
    return loader


def _evaluate(cfg: Config, checkpoint: str | Path, classifier: ImageClassifier, loader_config: dict[str, Any],
              metric: OODMetric, protocol: dict[str, Any]) -> dict[str, Any]:
    start = time.perf_counter()
    loader = build_dataloader(loader_config, 'test_dataloader.dataset')
    metric.dataset_meta = loader.dataset.metainfo
    figures = _measure(classifier, loader, metric)
    seconds = round(time.perf_counter() - start, 2)
    return {'results': _rows(figures, metric, loader.dataset, seconds), 'protocol': protocol,
            'provenance': provenance(cfg, checkpoint)}


def _measure(classifier: ImageClassifier, loader: DataLoader, metric: OODMetric) -> dict[str, float]:
    with torch.inference_mode():
        for batch in track(loader, 'images', disable=not is_main_process()):
            metric.process(batch, classifier.test_step(batch))
    figures = metric.evaluate(len(loader.dataset))
    verdicts = [metric.verdicts]  # which the main process alone has
    broadcast_object_list(verdicts)
    metric.verdicts, = verdicts
    return figures


def _rows(figures: dict[str, float], metric: OODMetric, dataset: Any, seconds: float) -> list[dict[str, Any]]:
    of_classes = {name: value for name, value in figures.items() if '/' not in name}
    rows: list[dict[str, Any]] = [{'benchmark': 'in-distribution', 'images': len(dataset.inliers), **of_classes,
                                   'seconds': seconds}]
    for name, of_set in metric.verdicts.items():
        rows.extend({'benchmark': name, 'score': score, **_row(verdict), 'images': len(dataset.ood[name])}
                    for score, verdict in of_set.items())
    if len(metric.verdicts) > 1:
        rows.extend({'benchmark': MEAN, 'score': score, **_means(figures, score)} for score in metric.scorers)
    return rows


def _row(verdict: SetVerdict) -> dict[str, Any]:
    summary = verdict.summary
    return {**verdict.figures, 'best_F1': 100 * summary['best_F1'], 'best_threshold': summary['best_threshold'],
            'num_inlier': summary['num_inlier'], 'num_outlier': summary['num_outlier'],
            'operating_points': operating_points(verdict.operating_points)}


def _means(figures: dict[str, float], score: str) -> dict[str, float]:
    start = f'{MEAN}/{score}/'
    return {name.removeprefix(start): value for name, value in figures.items() if name.startswith(start)}
