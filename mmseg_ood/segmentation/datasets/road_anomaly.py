"""RoadAnomaly, 60 photographs of unusual things on roads."""
from __future__ import annotations

from collections.abc import Collection

from mmseg.registry import DATASETS

from .anomaly import AnomalyDataset
from .labels import IGNORE_INDEX, OOD_INDEX
from .layout import IMAGE, Layout

# All layouts exist with the original label maps (2) and with converted ones (1).
_LABEL_MAP = {0: 0, 1: OOD_INDEX, 2: OOD_INDEX, IGNORE_INDEX: IGNORE_INDEX}


@DATASETS.register_module()
class RoadAnomalyDataset(AnomalyDataset):
    """RoadAnomaly (Lis et al., ICCV 2019); the layouts are listed in ``data/README.md``.

    The anomaly is 2 in original label maps and 1 in converted ones; a label map that holds both is refused.

    Examples:
        >>> RoadAnomalyDataset('data/road_anomaly', lazy_init=True).expected_frames
        {'road_anomaly': 60}
    """

    EXPECTED_FRAMES = {'road_anomaly': 60}
    LAYOUTS = (
        Layout('original', f'frames/NAME.{IMAGE}', 'frames/NAME.labels/labels_semantic.png', _LABEL_MAP),
        Layout('bundle', f'original/NAME.{IMAGE}', 'labels/NAME.png', _LABEL_MAP),
        Layout('flat', f'images/NAME.{IMAGE}', 'labels_masks/NAME.png', _LABEL_MAP),
    )

    def _check_values(self, values: Collection[int], info: dict) -> None:
        super()._check_values(values, info)
        if {1, 2} <= set(values):
            raise ValueError(f'label map {info["seg_map_path"]} holds both 1 and 2, expected one of them: the anomaly '
                             'is 2 in original label maps and 1 in converted ones')
