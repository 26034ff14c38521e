"""A data set that never hands out a label map it does not understand."""
from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
from mmengine.logging import print_log
from mmseg.datasets import BaseSegDataset

from .labels import check_label_file, check_label_values
from .layout import Frame


class CheckedSegDataset(BaseSegDataset):
    """Base of the data sets of this package: complete, and every label map verified when it is loaded.

    A frame costs the two file headers and one histogram of its labels more than in MMSegmentation.

    Args:
        data_root: Folder of the data set.
        subset: Which of ``EXPECTED_FRAMES`` to read.
        **kwargs: ``pipeline``, ``indices``, ``lazy_init``, ``test_mode``, ... of ``BaseSegDataset``.

    Attributes:
        EXPECTED_FRAMES: Number of frames of each published subset.
        UNUSED: Arguments that have no effect and are refused; a config that inherits from that of another
            data set brings them along.
        allowed_labels: What ground truth may hold after ``label_map``.

    Raises:
        TypeError: An argument has no effect here.
        ValueError: Unknown ``subset``.
    """

    EXPECTED_FRAMES: ClassVar[dict[str, int]] = {}
    UNUSED: ClassVar[set[str]] = {'ann_file', 'img_suffix', 'seg_map_suffix', 'reduce_zero_label'}
    allowed_labels: tuple[int, ...]

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

    def prepare_data(self, idx: int) -> Any:
        """Run the pipeline on a frame and verify its label map.

        Args:
            idx: Index of the frame.

        Returns:
            What the pipeline returns.

        Raises:
            ValueError: Sizes differ, a file is unreadable, or the label map holds unknown values.
        """
        info = self.get_data_info(idx)
        check_label_file(info['seg_map_path'], info['img_path'])
        data = super().prepare_data(idx)
        for labels in _ground_truths(data):
            check_label_values(labels, self.allowed_labels, info['seg_map_path'], info['label_map'])
        return data

    def _data_list(self, frames: list[Frame], label_map: Mapping[int, int]) -> list[dict]:
        """What ``load_data_list`` returns; says so when the data set is not the published one."""
        expected = ', '.join(f'{number} ({name})' for name, number in self.expected_frames.items())
        if len(frames) not in self.expected_frames.values():
            print_log(f'{type(self).__name__}: {len(frames)} frames under {self.data_root}, published are '
                      f'{expected}. Results are not comparable.', 'current', logging.WARNING)
        return [{'img_path': str(frame.image), 'seg_map_path': str(frame.label), 'label_map': dict(label_map),
                 'reduce_zero_label': False, 'seg_fields': []} for frame in frames]


def _ground_truths(data: Any) -> Iterator[np.ndarray]:
    """The label maps in what a pipeline returns: before PackSegInputs, after it, and after TestTimeAug."""
    if not isinstance(data, dict):
        return
    if 'gt_seg_map' in data:
        yield data['gt_seg_map']
    samples = data.get('data_samples', [])
    for sample in samples if isinstance(samples, list) else [samples]:
        if 'gt_sem_seg' in sample:
            yield sample.gt_sem_seg.data.numpy()
