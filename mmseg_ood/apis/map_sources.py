"""Where :func:`mmseg_ood.segmentation.evaluation.judge` gets its maps: a network, or files."""
from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.dataset import BaseDataset, pseudo_collate
from mmengine.dist import get_rank, get_world_size
from mmseg.structures import SegDataSample
from rich.progress import Progress
from torch import Tensor
from torch.utils.data import DataLoader

from mmseg_ood.core import AnomalyScorer
from mmseg_ood.segmentation.evaluation import GroundTruth
from mmseg_ood.segmentation.evaluation.maps import MapFolder, load_map, save_map, save_prediction

_PREDICTIONS = '.classes'  # no score is called so


def prediction_type(num_classes: int) -> np.dtype:
    """The smallest type that holds the predicted classes.

    Example:
        >>> prediction_type(256), prediction_type(257)
        (dtype('uint8'), dtype('uint16'))
    """
    return np.min_scalar_type(num_classes - 1)


class NetworkMaps:
    """Maps of a network, kept as files: a run that is interrupted goes on with the frames that are missing.

    Args:
        segmentor: The network.
        scorers: Scores, all of them from one forward pass.
        dataset: The frames with the pipeline of the network.
        truth: The same frames.
        folder: Where the maps are kept, float32, and the predicted classes; the progress bar is called after it.
        num_classes: Number of inlier classes; further channels are never predicted.
        num_workers: Processes that load frames.
    """

    def __init__(self, segmentor: torch.nn.Module, scorers: Mapping[str, AnomalyScorer], dataset: BaseDataset,
                 truth: GroundTruth, folder: Path, num_classes: int, num_workers: int = 0) -> None:
        self.names, self.num_classes = list(scorers), num_classes
        self._segmentor, self._scorers, self._dataset, self._truth = segmentor, scorers, dataset, truth
        self._folder, self._num_workers = folder, num_workers

    def __iter__(self) -> Iterator[tuple[int, dict[str, Tensor]]]:
        share = own_frames(len(self._truth))
        missing = [index for index in share
                   if not all(self._path(index, name).is_file() for name in (*self.names, _PREDICTIONS))]
        kept = sorted(set(share) - set(missing))
        description = self._folder.name + (f' ({len(kept)} of {len(share)} frames were there)' if kept else '')
        with _progress(description, len(share)) as advance:
            for index in kept:
                yield index, {name: self.load(index, name) for name in self.names}
                advance()
            for index, maps, prediction in self._compute(missing):
                yield index, maps
                # Kept after they were counted: a map that is not legal is not there when the run is resumed.
                save_prediction(self._path(index, _PREDICTIONS), prediction)
                for name, scores in maps.items():
                    save_map(self._path(index, name), scores.cpu().numpy())
                advance()

    def _compute(self, indices: Sequence[int]) -> Iterator[tuple[int, dict[str, Tensor], np.ndarray]]:
        loader = DataLoader(self._dataset, batch_size=1, sampler=indices, num_workers=self._num_workers,
                            collate_fn=pseudo_collate)
        for index, batch in zip(indices, loader, strict=True):
            with torch.inference_mode():
                result, = self._segmentor.test_step(batch)
                logits = result.seg_logits.data[None]
                try:
                    maps = {name: scorer(logits)[0] for name, scorer in self._scorers.items()}
                except ValueError as error:
                    raise ValueError(f'{self._truth.images[index]}: {error}') from error
            yield index, maps, self._prediction(result)

    def _prediction(self, result: SegDataSample) -> np.ndarray:
        prediction = result.pred_sem_seg.data[0]
        beyond = prediction >= self.num_classes
        if bool(beyond.any()):
            # Only there: the most likely of all channels is an inlier class everywhere else.
            prediction = prediction.masked_scatter(beyond, result.seg_logits.data[:self.num_classes, beyond].argmax(0))
        return prediction.cpu().numpy().astype(prediction_type(self.num_classes))

    def load(self, index: int, name: str) -> Tensor:
        return torch.from_numpy(load_map(self._path(index, name)))

    def load_prediction(self, index: int) -> np.ndarray:
        return np.load(self._path(index, _PREDICTIONS), allow_pickle=False)

    def _path(self, index: int, name: str) -> Path:
        return self._folder / name / f'{index:05d}.npy'


class SavedMaps:
    """Maps from files, of any method.

    Args:
        folders: The maps of each method.
        truth: The frames; maps of other sizes are refused.
    """

    num_classes = None

    def __init__(self, folders: Mapping[str, MapFolder], truth: GroundTruth) -> None:
        self.names = list(folders)
        self._folders, self._truth = folders, truth

    def __iter__(self) -> Iterator[tuple[int, dict[str, Tensor]]]:
        share = own_frames(len(self._truth))
        with _progress(self._truth.dataset.data_root, len(share)) as advance:
            for index in share:
                yield index, {name: self.load(index, name) for name in self.names}
                advance()

    def load(self, index: int, name: str) -> Tensor:
        path = self._folders[name].path(self._truth.names[index])
        return torch.from_numpy(load_map(path, self._truth.size(index)))


def own_frames(number: int) -> list[int]:
    """Indices of the frames of this process."""
    return list(range(get_rank(), number, get_world_size()))


@contextlib.contextmanager
def _progress(description: str, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar of this process's frames, shown by the first process, and what moves it on."""
    with Progress(disable=get_rank() != 0) as bar:
        task = bar.add_task(description, total=total)
        yield lambda: bar.advance(task)
