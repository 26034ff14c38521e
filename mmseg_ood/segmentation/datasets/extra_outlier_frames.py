"""A training set that grows by frames with pasted outliers, redrawn every epoch."""
from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from mmengine.dataset import BaseDataset, Compose
from mmengine.dist import get_rank
from mmseg.registry import DATASETS

from ..transforms.paste_outliers import PasteOutliers
from ..transforms.visits import NumberedIndex, VisitCounter


@DATASETS.register_module()
class ExtraOutlierFrames:
    """All frames of a data set as they are, and a share of frames with outliers in addition.

    The recipe of PEBAL (Tian et al., ECCV 2022) and Balanced Energy (Choi et al., CVPR 2023): an epoch sees every
    frame once without outliers, and 10 % of the frames once more with one pasted composite. ``PasteOutliers(prob=0.1)``
    alone does something else: it pastes into a tenth of the frames, which are then not seen without. ::

        train_dataloader = dict(dataset=dict(
            type='ExtraOutlierFrames',
            share=0.1,
            dataset=dict(type='CheckedCityscapesDataset', split='train', data_root='data/cityscapes', pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='LoadAnnotations'),
                dict(type='PasteOutliers', source=outliers),          # skipped for the frames without
                dict(type='RandomFlip', prob=0.5),
                dict(type='PackSegInputs'),
            ])))

    The data set has ``N + round(share * N)`` items. Items below N are its frames, in their order, through the pipeline
    without PasteOutliers; each of the others is a frame drawn at random, through the whole pipeline. It is drawn anew
    each time, and so is what is pasted: from the seed, the rank, the item and how often the item was drawn before,
    never from the number of workers nor any global random state. In iteration based runs this takes
    ``sampler=dict(type='PassSampler')`` to be exact, see
    :class:`~mmseg_ood.segmentation.transforms.visits.VisitCounter`. A resumed epoch based run counts from zero again.

    Args:
        dataset: An MMEngine ``BaseDataset`` or its config; its pipeline holds PasteOutliers with ``prob=1``.
        share: Number of extra frames relative to N.
        seed: Seed of the draws; None takes torch's seed at construction, which is that of MMEngine's Runner.

    Raises:
        TypeError: ``dataset`` is no BaseDataset: wrap data sets before they are repeated or concatenated.
        ValueError: ``share`` is not positive or gives no frame, or the pipeline holds no PasteOutliers with
            ``prob=1``.

    Example:
        >>> from mmseg_ood.segmentation.outliers import Outlier, OutlierSource
        >>> class Dots(OutlierSource):
        ...     def load(self, entry):
        ...         return Outlier(np.full((2, 2, 3), entry, np.uint8), np.ones((2, 2), bool))
        >>> class Blank(BaseDataset):
        ...     def load_data_list(self):
        ...         return [dict(img=np.zeros((8, 8, 3), np.uint8), gt_seg_map=np.zeros((8, 8), np.uint8))] * 20
        >>> frames = ExtraOutlierFrames(Blank(pipeline=[PasteOutliers(Dots([200], place='memory'))]))
        >>> len(frames), [int((frames[index]['gt_seg_map'] == 254).sum()) for index in (0, 19, 20, 21)]
        (22, [0, 0, 4, 4])
    """

    def __init__(self, dataset: BaseDataset | dict, share: float = 0.1, seed: int | None = None) -> None:
        self.dataset = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        if not isinstance(self.dataset, BaseDataset):
            raise TypeError(f'ExtraOutlierFrames: dataset must be a BaseDataset with a pipeline of its own, found '
                            f'{type(self.dataset).__name__}; wrap data sets before they are repeated or concatenated')
        self.share = share
        self.full_init()
        # Taken here, in the main process: workers are seeded apart, and know no rank.
        self.seed = torch.initial_seed() if seed is None else seed
        self._rank = get_rank()
        self._visits = VisitCounter()

    def full_init(self) -> None:
        """Find the frames; called by MMEngine."""
        self.dataset.full_init()
        self.num_extra = round(self.share * len(self.dataset))
        if self.num_extra < 1:
            raise ValueError(f'ExtraOutlierFrames: share={self.share} of {len(self.dataset)} frames is none')
        self._plain = copy.copy(self.dataset)  # shares the list of frames
        self._plain.pipeline = _without_pasting(self.dataset.pipeline)

    @property
    def metainfo(self) -> dict[str, Any]:
        """Classes and palette of the frames."""
        return self.dataset.metainfo

    def __len__(self) -> int:
        return len(self.dataset) + self.num_extra

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(f'index {index} of {len(self)} items')
        slot = index - len(self.dataset)
        if slot < 0:
            return self._plain[index]
        visit = self._visits.next(index)
        rng = np.random.default_rng([self.seed, self._rank, slot, visit])
        # A number that no other draw of this frame has, so that never the same is pasted into it.
        return self.dataset[NumberedIndex(rng.integers(len(self.dataset)), visit * self.num_extra + slot)]


def _without_pasting(pipeline: Compose) -> Compose:
    """The other steps of a pipeline, the same objects."""
    pasting = [step for step in pipeline.transforms if isinstance(step, PasteOutliers)]
    if not pasting or any(step.prob != 1 for step in pasting):
        raise ValueError('ExtraOutlierFrames: the pipeline of the data set must hold PasteOutliers with prob=1, found '
                         + (', '.join(f'prob={step.prob}' for step in pasting) or 'none')
                         + '; how many frames get outliers is said by share')
    return Compose([step for step in pipeline.transforms if step not in pasting])
