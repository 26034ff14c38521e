"""CamVid with the 11 classes and the split of SegNet."""
from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any, ClassVar

from mmseg.registry import DATASETS

from .checked import CheckedSegDataset
from .labels import IGNORE_INDEX
from .layout import IMAGE, Layout, find_frames

_VOID = 11


@DATASETS.register_module()
class CamVidDataset(CheckedSegDataset):
    """CamVid (Brostow et al., 2009) as prepared for SegNet: 480x360, 11 classes, void is 11 in the files.

    Layout: ``SPLIT/NAME.{png,jpg}`` and ``SPLITannot/NAME.png``.

    Args:
        data_root: Folder that holds the splits.
        split: ``'train'``, ``'val'`` or ``'test'``.
        data_prefix: Other folders than those of the split, ``dict(img_path=..., seg_map_path=...)``.
        **kwargs: ``pipeline``, ``metainfo``, ``indices``, ... of ``BaseSegDataset``.

    Raises:
        FileNotFoundError: The folders do not exist or hold no frames.
        ValueError: Neither ``split`` nor ``data_prefix`` or both were given, or the files do not pair up.

    Examples:
        >>> CamVidDataset('data/camvid', split='train', lazy_init=True).expected_frames
        {'train': 367}
    """

    METAINFO: ClassVar[dict] = {
        'classes': ('sky', 'building', 'pole', 'road', 'pavement', 'tree',
                    'sign', 'fence', 'car', 'pedestrian', 'bicyclist'),
        'palette': [[128, 128, 128], [128, 0, 0], [192, 192, 128], [128, 64, 128], [60, 40, 222],
                    [128, 128, 0], [192, 128, 128], [64, 64, 128], [64, 0, 128], [64, 64, 0], [0, 128, 192]],
    }
    EXPECTED_FRAMES = {'train': 367, 'val': 101, 'test': 233}

    def __init__(self, data_root: str, split: str | None = None, data_prefix: dict | None = None,
                 **kwargs: Any) -> None:
        if (split is None) == (data_prefix is None):
            raise ValueError(f'CamVidDataset wants split or data_prefix, got {split=} and {data_prefix=}')
        data_prefix = data_prefix or {'img_path': split, 'seg_map_path': f'{split}annot'}
        self._folders = {key: PurePosixPath(folder).as_posix() for key, folder in data_prefix.items()}
        super().__init__(data_root, split, data_prefix=data_prefix, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Find the frames; called by MMEngine."""
        layout = Layout('SegNet split', f'{self._folders["img_path"]}/NAME.{IMAGE}',
                        f'{self._folders["seg_map_path"]}/NAME.png')
        _, frames = find_frames(self.data_root, [layout])
        return self._data_list(frames, {**self._class_map(), _VOID: IGNORE_INDEX})
