"""The config's own test: in-distribution figures, by the config's own metrics."""
from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.dist import get_rank
from mmengine.evaluator import BaseMetric, Evaluator
from rich.progress import track
from torch.utils.data import DataLoader

from .runtime import save_checkpoint


def evaluate_inliers(segmentor: torch.nn.Module, dataloader: DataLoader, metrics: Sequence[dict] | dict,
                 folder: Path) -> tuple[dict[str, float], float]:
    """Figures of a network on a test set.

    What a metric keeps of a frame (``BaseMetric.results``) is kept as a file, too, so that an interrupted
    evaluation goes on with the frames that are missing. Frames of metrics that keep nothing, because they count on
    their own, are computed again.

    Args:
        segmentor: The network.
        dataloader: The test set; its frames are taken one by one, in the order of its sampler.
        metrics: ``test_evaluator`` of a config.
        folder: Where frames are kept.

    Returns:
        The figures under their names, and the seconds it took.
    """
    start = time.perf_counter()
    evaluator = Evaluator(metrics)
    dataset = dataloader.dataset
    evaluator.dataset_meta = dataset.metainfo
    indices = list(dataloader.sampler)
    kept = {index: _load(folder, index) for index in indices}
    missing = [index for index, results in kept.items() if results is None]
    loader = DataLoader(dataset, batch_size=1, sampler=missing, num_workers=dataloader.num_workers,
                        collate_fn=dataloader.collate_fn)
    for index, batch in zip(missing, track(loader, 'in-distribution', disable=get_rank() != 0), strict=True):
        sizes = [len(metric.results) for metric in evaluator.metrics]
        with torch.inference_mode():
            evaluator.process(data_samples=segmentor.test_step(batch), data_batch=batch)
        results = [metric.results[size:] for metric, size in zip(evaluator.metrics, sizes, strict=True)]
        kept[index] = results
        if all(results):
            save_checkpoint(results, _path(folder, index))
    _restore(evaluator.metrics, [kept[index] for index in indices])
    figures = evaluator.evaluate(len(dataset))
    return {name: float(value) for name, value in figures.items()}, round(time.perf_counter() - start, 2)


def _restore(metrics: Sequence[BaseMetric], frames: Sequence[list[list]]) -> None:
    """Let metrics hold the results of all frames in the order of the sampler, which repeats some to fill up."""
    for position, metric in enumerate(metrics):
        if any(frame[position] for frame in frames):
            metric.results[:] = [result for frame in frames for result in frame[position]]


def _load(folder: Path, index: int) -> list[list] | None:
    path = _path(folder, index)
    return torch.load(path, map_location='cpu', weights_only=True) if path.is_file() else None


def _path(folder: Path, index: int) -> Path:
    return folder / f'{index:05d}.pth'
