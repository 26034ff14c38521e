"""Lost and Found, small things on the road in front of the car."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmseg.registry import DATASETS

from .anomaly import AnomalyDataset
from .labels import IGNORE_INDEX, OOD_INDEX
from .layout import Frame, Layout

NON_HAZARDS = (31, 33, 34, 36, 37, 38, 39)
_OBJECTS = range(2, IGNORE_INDEX)
_LABEL_MAP = {0: IGNORE_INDEX, 1: 0, **dict.fromkeys(_OBJECTS, OOD_INDEX), IGNORE_INDEX: IGNORE_INDEX}


@DATASETS.register_module()
class LostAndFoundDataset(AnomalyDataset):
    """Lost and Found (Pinggera et al., IROS 2016), ``subset`` ``'train'`` or ``'test'``.

    Label ids: 0 is void, 1 free road, every value from 2 to 254 an object, 255 void. As they all have a
    meaning, this data set cannot refuse a label map for its values.

    Args:
        data_root: Folder that holds ``leftImg8bit`` and ``gtCoarse``.
        subset: See above; needed where both are there.
        ignore_non_hazards: Make the objects with the ids 31, 33, 34, 36, 37, 38 and 39 void, the protocol of
            PEBAL (Tian et al., ECCV 2022). Otherwise they are anomalies like the others.
        **kwargs: ``pipeline``, ``indices``, ... of ``BaseSegDataset``.

    Examples:
        >>> LostAndFoundDataset('data/lost_and_found', subset='test', lazy_init=True).expected_frames
        {'test': 1203}
    """

    EXPECTED_FRAMES = {'train': 1036, 'test': 1203}
    LAYOUTS = tuple(
        Layout('official', f'leftImg8bit/{subset}/SCENE/NAME_leftImg8bit.png',
               f'gtCoarse/{subset}/SCENE/NAME_gtCoarse_labelIds.png', _LABEL_MAP, subset=subset)
        for subset in EXPECTED_FRAMES)

    def __init__(self, data_root: str, subset: str | None = None, ignore_non_hazards: bool = True,
                 **kwargs: Any) -> None:
        self.ignore_non_hazards = ignore_non_hazards
        super().__init__(data_root, subset, **kwargs)

    def _data_list(self, frames: list[Frame], label_map: Mapping[int, int]) -> list[dict]:
        ignored = dict.fromkeys(NON_HAZARDS, IGNORE_INDEX) if self.ignore_non_hazards else {}
        return super()._data_list(frames, {**label_map, **ignored})
