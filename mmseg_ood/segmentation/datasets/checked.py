"""A data set that never hands out a label map it does not understand."""
from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from mmengine.logging import print_log
from mmseg.datasets import BaseSegDataset

from .labels import IGNORE_INDEX, OOD_INDEX, check_label_file, check_label_values, read_label_values
from .layout import Frame, first_few


class CheckedSegDataset(BaseSegDataset):
    """Base of the data sets of this package: complete, and every label map verified before it is loaded.

    A frame costs the two file headers and one decoding of its label map more than in MMSegmentation.

    Args:
        data_root: Folder of the data set.
        subset: Which of ``EXPECTED_FRAMES`` to read.
        **kwargs: ``pipeline``, ``indices``, ``lazy_init``, ``test_mode``, ... of ``BaseSegDataset``.

    Attributes:
        EXPECTED_FRAMES: Number of frames of each published subset.
        UNUSED: Arguments that have no effect and are refused; a config that inherits from that of another
            data set brings them along.

    Raises:
        TypeError: An argument has no effect here.
        ValueError: Unknown ``subset``.
    """

    EXPECTED_FRAMES: ClassVar[dict[str, int]] = {}
    UNUSED: ClassVar[set[str]] = {'ann_file', 'img_suffix', 'seg_map_suffix', 'reduce_zero_label'}

    def __init__(self, data_root: str, subset: str | None = None, **kwargs: Any) -> None:
        if subset is not None and subset not in self.EXPECTED_FRAMES:
            raise ValueError(f'{type(self).__name__} has no subset {subset!r}, expected one of '
                             f'{", ".join(self.EXPECTED_FRAMES)}')
        unused = kwargs.keys() & self.UNUSED
        if unused:
            raise TypeError(f'{type(self).__name__} finds its files by itself and has no use for '
                            f'{", ".join(sorted(unused))}; remove it, or set _delete_=True in the config')
        self.subset = subset
        super().__init__(data_root=data_root, **kwargs)

    @property
    def expected_frames(self) -> dict[str, int]:
        """Number of frames of the subset, of every subset while it is not known which one this is."""
        return {name: number for name, number in self.EXPECTED_FRAMES.items() if self.subset in (None, name)}

    @property
    def is_partial(self) -> bool:
        """Whether the number of frames is not that of the published data set."""
        return len(self) not in self.expected_frames.values()

    def check_files(self) -> None:
        """Read the headers of all files, so that a damaged one is found before the network starts.

        What the label maps hold is verified when a frame is loaded.

        Raises:
            FileNotFoundError: There are no frames, see the class.
            ValueError: Files are unreadable, sizes differ, a label map is not one 8-bit channel, or the files
                do not pair up.
        """
        errors = []
        for index in range(len(self)):
            try:
                self._check_frame(self.get_data_info(index))
            except ValueError as error:
                errors.append(str(error))
        if len(errors) > 1:
            raise ValueError(f'{len(errors)} of {len(self)} frames cannot be used:\n  '
                             + first_few(errors, separator='\n  '))
        if errors:
            raise ValueError(errors[0])

    def prepare_data(self, idx: int) -> Any:
        """Verify the label map of a frame and run the pipeline.

        Args:
            idx: Index of the frame.

        Returns:
            What the pipeline returns.

        Raises:
            ValueError: Sizes differ, a file is unreadable, or the label map holds unknown values.
        """
        info = self.get_data_info(idx)
        self._check_frame(info)
        values = read_label_values(info['seg_map_path'])
        self._check_values(values, info)
        # LoadAnnotations passes over the image once for each entry: none for those that change nothing.
        info['label_map'] = {value: info['label_map'][value] for value in values
                             if info['label_map'][value] != value}
        return self.pipeline(info)

    def _check_frame(self, info: dict) -> None:
        """Refuse files of a frame that do not fit together; reads headers only."""
        check_label_file(info['seg_map_path'], info['img_path'])

    def _check_values(self, values: Collection[int], info: dict) -> None:
        """Refuse a label map by the values in its file."""
        check_label_values(values, info['label_map'], info['seg_map_path'])

    def _class_map(self) -> dict[int, int]:
        """What the values mean in files of class indices: the class among those chosen, anomaly, void."""
        every = {index: index for index in range(len(self.METAINFO['classes']))}
        return {**every, **(self.label_map or {}), OOD_INDEX: OOD_INDEX, IGNORE_INDEX: IGNORE_INDEX}

    def _data_list(self, frames: list[Frame], label_map: Mapping[int, int]) -> list[dict]:
        """What ``load_data_list`` returns; says so when the data set is not the published one."""
        expected = ', '.join(f'{number} ({name})' for name, number in self.expected_frames.items())
        if len(frames) not in self.expected_frames.values():
            print_log(f'{type(self).__name__}: {len(frames)} frames under {self.data_root}, published are '
                      f'{expected}. Results are not comparable.', 'current', logging.WARNING)
        return [{'img_path': str(frame.image), 'seg_map_path': str(frame.label), 'label_map': dict(label_map),
                 'reduce_zero_label': False, 'seg_fields': []} for frame in frames]
