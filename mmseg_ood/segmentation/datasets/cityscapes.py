"""Cityscapes, read from train ids or from the label ids of the archive."""
from __future__ import annotations

from typing import Any

from mmseg.datasets import CityscapesDataset
from mmseg.registry import DATASETS

from .checked import CheckedSegDataset
from .labels import IGNORE_INDEX
from .layout import Layout, find_files, find_frames

# Label ids 0 to 33 of the 19 classes, in the order of the train ids; the other ids are void.
_LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
_VOID_IDS = sorted(set(range(34)) - set(_LABEL_IDS))


@DATASETS.register_module()
class CheckedCityscapesDataset(CheckedSegDataset):
    """Cityscapes (Cordts et al., CVPR 2016), complete and verified; also where train ids were never made.

    Layout: ``leftImg8bit/SPLIT/CITY/NAME_leftImg8bit.png`` and ``gtFine/SPLIT/CITY/NAME_gtFine_labelTrainIds.png``
    or, where there are more of them, ``NAME_gtFine_labelIds.png``, which become train ids when loaded. In both
    254 is an anomaly that was pasted.

    Args:
        data_root: Folder that holds ``leftImg8bit`` and ``gtFine``.
        split: ``'train'`` or ``'val'``.
        **kwargs: ``pipeline``, ``metainfo``, ``indices``, ... of ``BaseSegDataset``.

    Raises:
        FileNotFoundError: The folders do not exist or hold no frames.
        ValueError: Unknown ``split``, or the files do not pair up.

    Examples:
        >>> CheckedCityscapesDataset('data/cityscapes', split='train', lazy_init=True).expected_frames
        {'train': 2975}
    """

    METAINFO = CityscapesDataset.METAINFO
    EXPECTED_FRAMES = {'train': 2975, 'val': 500}
    UNUSED = CheckedSegDataset.UNUSED | {'data_prefix'}

    def __init__(self, data_root: str, split: str, **kwargs: Any) -> None:
        super().__init__(data_root, split, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Find the frames; called by MMEngine."""
        layouts = self._layouts()
        numbers = [len(find_files(self.data_root, layout.labels)) for layout in layouts]
        if any(numbers):
            layouts = [layouts[numbers.index(max(numbers))]]  # the first one, of train ids, if there are as many
        layout, frames = find_frames(self.data_root, layouts)
        return self._data_list(frames, layout.label_map)

    def _layouts(self) -> list[Layout]:
        train_ids = self._class_map()
        label_ids = {**train_ids, **dict.fromkeys(_VOID_IDS, IGNORE_INDEX),
                     **{label_id: train_ids[train_id] for train_id, label_id in enumerate(_LABEL_IDS)}}
        images, labels = (f'{folder}/{self.subset}/CITY/NAME_{suffix}'
                          for folder, suffix in (('leftImg8bit', 'leftImg8bit.png'), ('gtFine', 'gtFine_')))
        return [Layout('train ids', images, f'{labels}labelTrainIds.png', train_ids),
                Layout('label ids', images, f'{labels}labelIds.png', label_ids)]
