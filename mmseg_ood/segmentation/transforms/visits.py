"""How often a sample was drawn before: what makes every epoch draw anew, and all workers draw the same."""
from __future__ import annotations

from collections.abc import Sized
from itertools import count

import torch
from mmengine.dataset import InfiniteSampler
from mmengine.registry import DATA_SAMPLERS


class VisitCounter:
    """How often each sample was drawn so far, in memory that all workers of a loader share.

    Every epoch must draw something else for a sample, and the same whoever draws it. A worker's own count
    does not do: workers come and go with each epoch, and a sample meets another one each time. Nothing else
    tells a transform which epoch it is. So the counts lie in shared memory, which forked and spawned workers
    see alike; a copy (``copy.deepcopy``, plain pickle) starts from the same counts and goes its own way.

    The limit: when two workers hold the same sample at the same moment, the count they see depends on who
    comes first. Loops over epochs wait for all workers and never do that; MMEngine's InfiniteSampler can,
    around the seam between two passes, the more so the fewer samples there are. :class:`PassSampler` in its
    place never does. The same holds for samples that share a slot, beyond ``slots`` of them.

    Args:
        slots: Number of samples that are told apart; 4 bytes each.

    Example:
        >>> visits = VisitCounter()
        >>> visits.next(3), visits.next(3), visits.next(8)
        (0, 1, 0)
    """

    def __init__(self, slots: int = 2**20) -> None:
        self._counts = torch.zeros(slots, dtype=torch.int32).share_memory_()

    def next(self, sample: int) -> int:
        """Return how often ``sample`` was drawn before, and count this draw."""
        if isinstance(sample, NumberedIndex):
            return sample.visit
        slot = sample % len(self._counts)
        visit = int(self._counts[slot])
        self._counts[slot] = visit + 1
        return visit

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._counts.share_memory_()  # no effect in a worker, where it is shared already


class NumberedIndex(int):
    """Index of a sample that knows how often the sample was drawn before.

    MMEngine data sets hand the index of their sampler on as ``sample_idx``, and with it this number.
    """

    visit: int

    def __new__(cls, index: int, visit: int = 0) -> NumberedIndex:
        self = super().__new__(cls, index)
        self.visit = visit
        return self


@DATA_SAMPLERS.register_module()
class PassSampler(InfiniteSampler):
    """MMEngine's InfiniteSampler, the same indices in the same order, each with the number of its pass.

    With ``sampler=dict(type='PassSampler', shuffle=True)`` the draws of iteration based runs do not depend
    on the order in which workers load, not even around the seams between passes.

    Args:
        dataset: What is sampled; only its length matters.
        shuffle: Whether each pass has an order of its own.
        seed: Seed of these orders, the same on all ranks; None draws one.

    Example:
        >>> indices = iter(PassSampler(range(3), shuffle=False))
        >>> [(int(index), index.visit) for index, _ in zip(indices, range(5))]
        [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1)]
    """

    def __init__(self, dataset: Sized, shuffle: bool = True, seed: int | None = None) -> None:
        super().__init__(dataset, shuffle, seed)
        positions = count(self.rank, self.world_size)
        self.indices = (NumberedIndex(index, position // self.size)
                        for index, position in zip(self.indices, positions, strict=False))
