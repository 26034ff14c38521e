"""Fishyscapes: Lost & Found and Static, the public validation sets."""
from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mmcv.transforms import LoadImageFromFile
from mmseg.registry import DATASETS

from ..transforms.loading import LoadBlendedImage, check_overlay
from .anomaly import AnomalyDataset
from .layout import IMAGE, Layout, find_files, first_few

_BUNDLES = {'lost_and_found': '{LostAndFound,fs_lost_and_found}/', 'static': '{Static,fs_static}/'}
_CITYSCAPES_IMAGES = 'leftImg8bit/val/CITY/NAME_leftImg8bit.png'
# The name of the Cityscapes image in that of the overlay.
_CITYSCAPES_NAME = re.compile(r'(?:[0-9]+_)?(?P<name>.*?)(?:_leftImg8bit)?_rgb\.npz')


def _bundle(subset: str | None = None, folder: str = '') -> tuple[Layout, Layout]:
    return (Layout('flat', f'{folder}images/NAME.{IMAGE}', f'{folder}labels_masks/NAME.png', subset=subset),
            Layout('bundle', f'{folder}original/NAME.{IMAGE}', f'{folder}labels/NAME.png', subset=subset))


@DATASETS.register_module()
class FishyscapesDataset(AnomalyDataset):
    """Fishyscapes (Blum et al., IJCV 2021), ``subset`` ``'lost_and_found'`` or ``'static'``.

    The layouts are listed in ``data/README.md``. The subset is needed where one folder holds both; it also
    tells how many frames to expect.

    The official Static consists of differences to validation images of Cityscapes. Every ``LoadImageFromFile``
    of the pipeline then becomes a :class:`~mmseg_ood.segmentation.transforms.LoadBlendedImage`, which adds
    them; other layouts leave the pipeline as it is.

    Args:
        data_root: Folder of the data set.
        subset: See above.
        cityscapes_root: Folder that holds the ``leftImg8bit`` of Cityscapes, for the official Static. By
            default it is looked for in ``data_root``, then in a folder ``cityscapes`` in it and beside it.
        **kwargs: ``pipeline``, ``indices``, ... of ``BaseSegDataset``.

    Raises:
        FileNotFoundError: See :class:`AnomalyDataset`; or there are no images of Cityscapes.
        ValueError: See :class:`AnomalyDataset`; or frames lack their image of Cityscapes, or the pipeline has
            no step that could load it.

    Examples:
        >>> FishyscapesDataset('data/fs_static', subset='static', lazy_init=True).expected_frames
        {'static': 30}
    """

    EXPECTED_FRAMES = {'lost_and_found': 100, 'static': 30}
    LAYOUTS = (
        *_bundle(),
        *(layout for item in _BUNDLES.items() for layout in _bundle(*item)),
        # 100 frames of Lost & Found were labelled anew, so most images have no label map here.
        Layout('official Lost & Found', 'leftImg8bit/{train,test}/SCENE/NAME_leftImg8bit.png',
               'fishyscapes_lostandfound/NUMBER_NAME{_leftImg8bit,}_labels.png', subset='lost_and_found',
               unlabelled='.*'),
        # NAME is NUMBER_NAME of Cityscapes here: several frames may share an image.
        *(Layout('official Static', f'{folder}NAME_rgb.npz', f'{folder}NAME_labels.png', subset='static')
          for folder in ('', '{fishyscapes_static,fs_static}/')),
    )

    def __init__(self, data_root: str, subset: str | None = None, cityscapes_root: str | None = None,
                 **kwargs: Any) -> None:
        self.cityscapes_root = cityscapes_root
        super().__init__(data_root, subset, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Find the frames; called by MMEngine."""
        data_list = super().load_data_list()
        if self.layout.images.endswith('.npz'):
            folder, images = self._cityscapes_images()
            names = [_CITYSCAPES_NAME.fullmatch(Path(info['img_path']).name)['name'] for info in data_list]
            missing = [info['img_path'] for info, name in zip(data_list, names, strict=True) if name not in images]
            if missing:
                raise ValueError(f'{len(missing)} frames whose Cityscapes image is not among the {len(images)} of '
                                 f'{folder / _CITYSCAPES_IMAGES}: {first_few(missing)}')
            for info, name in zip(data_list, names, strict=True):
                info.update(img_path=str(images[name]), overlay_path=info['img_path'])
            self._blend_in_pipeline()
        return data_list

    def _cityscapes_images(self) -> tuple[Path, dict[str, Path]]:
        root = Path(self.data_root)
        folders = [root, root / 'cityscapes', root.parent / 'cityscapes']
        if self.cityscapes_root is not None:
            folders = [Path(self.cityscapes_root)]
        for folder in folders:
            images = find_files(folder, _CITYSCAPES_IMAGES)
            if images:
                return folder, images
        raise FileNotFoundError(
            f'{root} holds Fishyscapes Static as differences to Cityscapes, whose images are needed: no '
            f'{_CITYSCAPES_IMAGES} in any of {", ".join(map(str, folders))}. Bring them to one of these places, or '
            'give the folder of Cityscapes as cityscapes_root.')

    def _blend_in_pipeline(self) -> None:
        steps = [LoadBlendedImage.from_loader(step) if type(step) is LoadImageFromFile else step
                 for step in self.pipeline.transforms]
        if steps and not any(isinstance(step, LoadBlendedImage) for step in steps):
            raise ValueError(f'{self.data_root} holds Fishyscapes Static as differences to Cityscapes, but no step of '
                             'the pipeline is a LoadImageFromFile, which LoadBlendedImage would replace')
        self.pipeline.transforms = steps

    def _check_frame(self, info: dict) -> None:
        super()._check_frame(info)
        if 'overlay_path' in info:
            check_overlay(info['overlay_path'], info['img_path'])
