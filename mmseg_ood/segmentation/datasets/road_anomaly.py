"""RoadAnomaly, 60 photographs of unusual things on roads."""
from __future__ import annotations

from mmseg.registry import DATASETS

from .anomaly import AnomalyDataset
from .labels import OOD_INDEX
from .layout import IMAGE, Layout

# The bundles exist with the original label maps and with converted ones; neither value has another meaning.
_ONE_OR_TWO = {1: OOD_INDEX, 2: OOD_INDEX}


@DATASETS.register_module()
class RoadAnomalyDataset(AnomalyDataset):
    """RoadAnomaly (Lis et al., ICCV 2019); the layouts are listed in ``data/README.md``.

    Examples:
        >>> RoadAnomalyDataset('data/road_anomaly', lazy_init=True).expected_frames
        {'road_anomaly': 60}
    """

    EXPECTED_FRAMES = {'road_anomaly': 60}
    LAYOUTS = (
        Layout('original', f'frames/NAME.{IMAGE}', 'frames/NAME.labels/labels_semantic.png', {2: OOD_INDEX}),
        Layout('bundle', f'original/NAME.{IMAGE}', 'labels/NAME.png', _ONE_OR_TWO),
        Layout('flat', f'images/NAME.{IMAGE}', 'labels_masks/NAME.png', _ONE_OR_TWO),
    )
