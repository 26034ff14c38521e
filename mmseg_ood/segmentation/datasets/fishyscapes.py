"""Fishyscapes: Lost & Found and Static, the public validation sets."""
from __future__ import annotations

from pathlib import Path

from mmseg.registry import DATASETS

from .anomaly import AnomalyDataset
from .layout import IMAGE, Layout

_BUNDLES = {'lost_and_found': '{LostAndFound,fs_lost_and_found}', 'static': '{Static,fs_static}'}


@DATASETS.register_module()
class FishyscapesDataset(AnomalyDataset):
    """Fishyscapes (Blum et al., IJCV 2021), ``subset`` ``'lost_and_found'`` or ``'static'``.

    The layouts are listed in ``data/README.md``. The subset is needed where one folder holds both; it also
    tells how many frames to expect.

    Raises:
        NotImplementedError: ``data_root`` holds the official Static, which is to be blended onto Cityscapes.

    Examples:
        >>> FishyscapesDataset('data/fs_static', subset='static', lazy_init=True).expected_frames
        {'static': 30}
    """

    EXPECTED_FRAMES = {'lost_and_found': 100, 'static': 30}
    LAYOUTS = (
        Layout('flat', f'images/NAME.{IMAGE}', 'labels_masks/NAME.png'),
        Layout('bundle', f'original/NAME.{IMAGE}', 'labels/NAME.png'),
        *(Layout('bundle', f'{folder}/original/NAME.{IMAGE}', f'{folder}/labels/NAME.png', subset=subset)
          for subset, folder in _BUNDLES.items()),
        # 100 of the 2 104 frames of Lost & Found were labelled anew, so most images have no label map here.
        Layout('official Lost & Found', 'leftImg8bit/{train,test}/SCENE/NAME_leftImg8bit.png',
               'fishyscapes_lostandfound/NUMBER_NAME{_leftImg8bit,}_labels.png', subset='lost_and_found',
               unlabelled='.*'),
    )

    def load_data_list(self) -> list[dict]:
        """Find the frames; called by MMEngine."""
        if any(Path(self.data_root).glob('*_rgb.npz')):
            raise NotImplementedError(
                f'{self.data_root} holds Fishyscapes Static as differences to Cityscapes (*_rgb.npz), which '
                'cannot be read yet; bring the blended images: images/NAME.png + labels_masks/NAME.png')
        return super().load_data_list()
