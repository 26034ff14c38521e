"""Speed of a classifier's input pipeline beside the usual image-by-image one, and of its training step."""
from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS
from mmengine.runner import Runner
from PIL import Image, ImageOps
from torch.utils.data import DataLoader, Dataset

from mmseg_ood.classification.models import ImageClassifier

from .benchmark import describe_run, format_machine, format_table, write_measured

PIL_PIPELINE, BATCH_PIPELINE, STEP = 'PIL, image by image', 'arrays, batch by batch', 'training step'
_SIZE, _PAD, _CLASSES = 32, 4, 10
_INLIERS, _OUTLIERS = 128, 256  # of a batch, as in the paper
_MEAN, _STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
_BATCHES = 20  # of a measurement, of which the median counts


def benchmark_classification(images: int = 20000, backbone: str = 'CIFARResNet', depth: int = 20,
                             device: str | None = None, out: str | Path | None = None) -> dict[str, Any]:
    """Measure images per second of the input pipeline, of a plain PIL pipeline for the same work, and of the step.

    Both pipelines draw batches of 128 inliers and 256 outliers of 32x32 px from memory, pad by 4, crop, flip, normalise
    and leave a float tensor on the device, in this process, with the threads that torch was given.

    Args:
        images: How many images there are to draw from.
        backbone: Registered backbone of the training step.
        depth: Its depth.
        device: By default the GPU if there is one.
        out: JSON file to write.

    Returns:
        ``images_per_second`` of both pipelines and of the step, the median of 20 batches each; ``times_faster``, one
        pipeline against the other; how it was measured.

    Raises:
        ValueError: Too few images for a batch.
    """
    if images < _INLIERS + _OUTLIERS:
        raise ValueError(f'images must be at least {_INLIERS + _OUTLIERS}, the size of a batch, found {images}')
    device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
    result = describe_run(images=images, network=f'{backbone}-{depth}', device=device, threads=torch.get_num_threads())
    classifier = _classifier(backbone, depth).to(device).train()
    optimizer = OptimWrapper(torch.optim.SGD(classifier.parameters(), lr=1e-3, momentum=0.9, nesterov=True))
    with _batches(images) as batches, _pil_batches(images, device) as pil_batches:
        def augmented() -> dict[str, torch.Tensor]:
            return classifier.data_preprocessor(next(batches), training=True)

        def step() -> None:
            optimizer.update_params(classifier.parse_losses(classifier(**ready, mode='loss'))[0])

        ready = augmented()
        rates = {PIL_PIPELINE: _rate(lambda: next(pil_batches), device), BATCH_PIPELINE: _rate(augmented, device),
                 STEP: _rate(step, device)}
    result.update(images_per_second=rates, times_faster=rates[BATCH_PIPELINE] / rates[PIL_PIPELINE])
    write_measured(result, out)
    return result


def format_classification(result: dict[str, Any]) -> str:
    """What :func:`benchmark_classification` returned, as text."""
    rows = [(name, f'{rate:,.0f}') for name, rate in result['images_per_second'].items()]
    return '\n'.join([
        f'Batches of {_INLIERS} inliers and {_OUTLIERS} outliers of {_SIZE}x{_SIZE} px, out of {result["images"]}; '
        f'{result["network"]} on {result["device"]}, threads: {result["threads"]}.',
        format_machine(result), '', format_table(('what', 'images a second'), rows), '',
        f'the input pipeline is {result["times_faster"]:.1f} times faster than PIL'])


def _classifier(backbone: str, depth: int) -> ImageClassifier:
    return MODELS.build(dict(
        type='mmengine.ImageClassifier', num_classes=_CLASSES, backbone=dict(type=f'mmengine.{backbone}', depth=depth),
        losses=[dict(type='mmengine.InlierCrossEntropyLoss'),
                dict(type='mmengine.BalancedEnergyLoss', prior='cifar10-300k', m_in=-23.0, m_out=-5.0, alpha=10.0,
                     gamma_margin=0.75, gamma_weight=0.75)],
        data_preprocessor=dict(type='mmengine.ClassificationDataPreprocessor', mean=_MEAN, std=_STD, pad=_PAD,
                               flip_prob=0.5)))


def _rate(run: Callable[[], Any], device: str) -> float:
    """Images per second, by the median time of a batch."""
    seconds = []
    for _ in range(_BATCHES + 2):
        start = time.perf_counter()
        run()
        if torch.device(device).type == 'cuda':
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return (_INLIERS + _OUTLIERS) / float(np.median(seconds[2:]))  # the first ones warm up


@contextlib.contextmanager
def _batches(images: int) -> Iterator[Iterator[dict[str, torch.Tensor]]]:
    """Endless batches of this project's data loader, from files as users have them."""
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (images, _SIZE, _SIZE, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory(prefix='mmseg_ood_') as folder:
        np.savez(Path(folder, 'inliers.npz'), images=pixels, labels=generator.integers(0, _CLASSES, images))
        np.save(Path(folder, 'outliers.npy'), pixels)
        loader = Runner.build_dataloader(dict(
            batch_size=_INLIERS, num_workers=0, sampler=dict(type='mmengine.DefaultSampler', shuffle=True),
            batch_sampler=dict(type='mmengine.InlierOutlierBatchSampler', outliers_per_batch=_OUTLIERS, drop_last=True),
            collate_fn=dict(type='mmengine.take_batch'),
            dataset=dict(
                type='mmengine.InlierOutlierDataset',
                inliers=dict(type='mmengine.ArrayDataset', path=str(Path(folder, 'inliers.npz')), key='images',
                             labels_key='labels'),
                outliers=dict(type='mmengine.ArrayDataset', path=str(Path(folder, 'outliers.npy'))))), seed=0)
        yield _endless(loader)


@contextlib.contextmanager
def _pil_batches(images: int, device: str) -> Iterator[Iterator[torch.Tensor]]:
    loader = DataLoader(_PILImages(images), batch_size=_INLIERS + _OUTLIERS, shuffle=True, drop_last=True)
    yield (batch.to(device) for batch in _endless(loader))


def _endless(loader: DataLoader) -> Iterator[Any]:
    while True:
        yield from loader


class _PILImages(Dataset):
    """What most training scripts do: one image after the other, through PIL."""

    def __init__(self, images: int) -> None:
        self._generator = np.random.default_rng(0)
        self._images = self._generator.integers(0, 256, (images, _SIZE, _SIZE, 3), dtype=np.uint8)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> torch.Tensor:
        image = ImageOps.expand(Image.fromarray(self._images[index]), _PAD)
        x, y = self._generator.integers(0, 2 * _PAD + 1, 2).tolist()
        image = image.crop((x, y, x + _SIZE, y + _SIZE))
        if self._generator.random() < 0.5:
            image = ImageOps.mirror(image)
        scaled = torch.from_numpy(np.array(image)).permute(2, 0, 1).float().div(255)
        return (scaled - torch.tensor(_MEAN).view(3, 1, 1)) / torch.tensor(_STD).view(3, 1, 1)
