"""Base of the anomaly segmentation benchmarks: a subclass is a table of layouts."""
from __future__ import annotations

from typing import ClassVar

from .checked import CheckedSegDataset
from .layout import Layout, find_frames


class AnomalyDataset(CheckedSegDataset):
    """Frames with a binary ground truth: 0 inlier (its class is not known), 254 anomaly, 255 void.

    How the files lie is found out from ``data_root``. To add a benchmark, declare ``LAYOUTS`` and
    ``EXPECTED_FRAMES`` and register the class in ``mmseg.registry.DATASETS``. In a config::

        dict(type='FishyscapesDataset', data_root='data/fs_static', subset='static', pipeline=test_pipeline)

    Args:
        data_root: Folder of the data set.
        subset: Which part to read, where ``data_root`` holds several, one of ``EXPECTED_FRAMES``.
        **kwargs: ``pipeline``, ``indices``, ``lazy_init``, ``test_mode``, ... of ``BaseSegDataset``.

    Attributes:
        layout: The layout that was found.

    Raises:
        FileNotFoundError: ``data_root`` does not exist or has none of the layouts.
        ValueError: ``data_root`` holds several data sets or no label maps, or the files do not pair up.
    """

    METAINFO: ClassVar[dict] = {'classes': ('inlier', 'anomaly'), 'palette': [[128, 128, 128], [255, 102, 0]]}
    LAYOUTS: ClassVar[tuple[Layout, ...]] = ()
    UNUSED = CheckedSegDataset.UNUSED | {'data_prefix'}

    def load_data_list(self) -> list[dict]:
        """Find the frames; called by MMEngine."""
        layouts = [layout for layout in self.LAYOUTS
                   if self.subset is None or layout.subset in (None, self.subset)]
        self.layout, frames = find_frames(self.data_root, layouts)
        self.subset = self.subset or self.layout.subset
        return self._data_list(frames, self.layout.label_map)
