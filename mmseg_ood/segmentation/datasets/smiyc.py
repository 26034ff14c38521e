"""SegmentMeIfYouCan: RoadAnomaly21 and RoadObstacle21, the frames whose labels are public."""
from __future__ import annotations

from mmseg.registry import DATASETS

from .anomaly import AnomalyDataset
from .layout import IMAGE, Layout

_FOLDERS = {
    'anomaly_track': '{RoadAnomaly21,dataset_AnomalyTrack}/',
    'obstacle_track': '{RoadObstacle21,RoadObsticle21,dataset_ObstacleTrack}/',
}


def _layouts(subset: str | None = None, folder: str = '') -> tuple[Layout, Layout]:
    images = f'{folder}images/NAME.{IMAGE}'
    return (
        Layout('flat', images, f'{folder}labels_masks/NAME.png', subset=subset),
        # The same folder holds the test frames, whose labels are not public.
        Layout('official', images, f'{folder}labels_masks/NAME_labels_semantic.png', subset=subset,
               unlabelled='(?!validation).*'),
    )


@DATASETS.register_module()
class SMIYCDataset(AnomalyDataset):
    """SegmentMeIfYouCan (Chan et al., 2021), ``subset`` ``'anomaly_track'`` or ``'obstacle_track'``.

    The layouts are listed in ``data/README.md``. In the official folders only the validation frames are read.

    Examples:
        >>> SMIYCDataset('data/RoadAnomaly21', subset='anomaly_track', lazy_init=True).expected_frames
        {'anomaly_track': 10}
    """

    EXPECTED_FRAMES = {'anomaly_track': 10, 'obstacle_track': 30}
    LAYOUTS = _layouts() + tuple(layout for item in _FOLDERS.items() for layout in _layouts(*item))
