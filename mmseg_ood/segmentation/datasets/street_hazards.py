"""StreetHazards, rendered streets with things that do not belong there."""
from __future__ import annotations

from mmseg.registry import DATASETS

from .anomaly import AnomalyDataset
from .labels import OOD_INDEX
from .layout import IMAGE, Layout

_LABEL_MAP = {**dict.fromkeys(range(1, 14), 0), 14: OOD_INDEX}


@DATASETS.register_module()
class StreetHazardsDataset(AnomalyDataset):
    """Test split of StreetHazards (Hendrycks et al., ICML 2022); the layouts are listed in ``data/README.md``.

    Label maps count from one: 1 to 13 are classes, 14 is the anomaly; there is no void.

    Examples:
        >>> StreetHazardsDataset('data/street_hazards', lazy_init=True).expected_frames
        {'test': 1500}
    """

    EXPECTED_FRAMES = {'test': 1500}
    # The scenes count their frames alike. The training split lies in train/, where none of these looks.
    LAYOUTS = tuple(
        Layout(name, f'{folder}images/{frame}.{IMAGE}', f'{folder}annotations/{frame}.png', _LABEL_MAP)
        for name, folder, frame in (('official', 'test/', 'FOLDER/NAME'), ('test split', '', 'FOLDER/NAME'),
                                    ('flat', '', 'NAME')))
