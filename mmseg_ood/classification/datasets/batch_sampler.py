"""Inliers and outliers in one batch."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from mmengine.registry import DATA_SAMPLERS
from torch.utils.data import Sampler


@DATA_SAMPLERS.register_module()
class InlierOutlierBatchSampler(Sampler):
    """Batches of inliers followed by outliers, from an :class:`InlierOutlierDataset`.

    In each epoch a window of the outliers that starts at a random place is shuffled and shared out over the batches; it
    is as long as the batches of all processes need, and where the outliers are at their end, it goes on with the first
    one. An outlier is used again once all others were used. Two processes never use the same one, unless more are
    needed than there are. All depends on the seed and the epoch of ``sampler`` alone. In a config::

        train_dataloader = dict(
            batch_size=128, sampler=dict(type='DefaultSampler', shuffle=True),
            batch_sampler=dict(type='InlierOutlierBatchSampler', outliers_per_batch=256),
            collate_fn=dict(type='take_batch'), dataset=dict(type='InlierOutlierDataset', ...))

    Args:
        sampler: Gives the indices of the inliers, MMEngine's ``DefaultSampler``.
        batch_size: Inliers in a batch of one process.
        outliers_per_batch: Outliers in a batch of one process; 0 is training without them.
        drop_last: Leave out the last batch of an epoch if it has fewer inliers.

    Raises:
        TypeError: ``sampler`` is another one, or ``sampler.dataset`` has no outliers.
        ValueError: A number is out of range, or the sampler gives more indices than there are inliers.
    """

    def __init__(self, sampler: Sampler, batch_size: int, outliers_per_batch: int = 256,
                 drop_last: bool = False) -> None:
        if batch_size < 1 or outliers_per_batch < 0:
            raise ValueError(f'InlierOutlierBatchSampler: {batch_size=} and {outliers_per_batch=}, expected 1 and 0 at '
                             'least')
        missing = [name for name in ('dataset', 'seed', 'epoch', 'rank', 'world_size') if not hasattr(sampler, name)]
        if missing:
            raise TypeError(f'InlierOutlierBatchSampler: sampler is a {type(sampler).__name__} without '
                            f"{', '.join(missing)}, expected sampler=dict(type='DefaultSampler', shuffle=True)")
        self.sampler = sampler
        self.batch_size = batch_size
        self.outliers_per_batch = outliers_per_batch
        self.drop_last = drop_last
        if outliers_per_batch:
            _check_dataset(sampler.dataset)

    def __len__(self) -> int:
        return self._num_batches(len(self.sampler))

    def __iter__(self) -> Iterator[list[int]]:
        inliers = list(self.sampler)
        outliers = self._outliers()
        for batch in range(len(self)):
            taken = inliers[batch * self.batch_size:(batch + 1) * self.batch_size]
            yield taken + outliers[batch * self.outliers_per_batch:(batch + 1) * self.outliers_per_batch]

    def _num_batches(self, num_inliers: int) -> int:
        rounding = 0 if self.drop_last else self.batch_size - 1
        return (num_inliers + rounding) // self.batch_size

    def _outliers(self) -> list[int]:
        """Indices of this epoch and process, in the order of their use."""
        if not self.outliers_per_batch:
            return []
        # Of the process with most inliers: the window must be the same for all.
        batches = self._num_batches(-(-len(self.sampler.dataset) // self.sampler.world_size))
        needed = batches * self.outliers_per_batch * self.sampler.world_size
        total = len(self.sampler.dataset.outliers)
        generator = np.random.default_rng((self.sampler.seed, self.sampler.epoch))
        window = (generator.integers(total) + np.arange(needed)) % total
        for start in range(0, needed, total):  # round by round, so that the uses of an outlier are far apart
            generator.shuffle(window[start:start + total])
        return (len(self.sampler.dataset.inliers) + window[self.sampler.rank::self.sampler.world_size]).tolist()


def _check_dataset(dataset: Any) -> None:
    if not hasattr(dataset, 'outliers'):
        raise TypeError(f'InlierOutlierBatchSampler: the data set is a {type(dataset).__name__} without outliers, '
                        "expected dict(type='InlierOutlierDataset', ...), or outliers_per_batch=0")
    if len(dataset) > len(dataset.inliers):
        raise ValueError(f'InlierOutlierBatchSampler: an epoch of {len(dataset)} images, but there are only '
                         f'{len(dataset.inliers)} inliers; reduce num_batch_per_epoch of the data loader')
