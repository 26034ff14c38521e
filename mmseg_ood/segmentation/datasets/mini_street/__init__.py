"""The embedded default data: procedural street scenes, outlier objects and an anomaly test set.

Needs numpy and OpenCV only::

    from mmseg_ood.segmentation.datasets.mini_street import prepare_mini_street
    prepare_mini_street('data/mini_street')
"""

from .outlier_shapes import TEST_SHAPES, TRAIN_SHAPES
from .outlier_textures import TEST_TEXTURES, TRAIN_TEXTURES
from .writer import prepare_mini_street

__all__ = ['TEST_SHAPES', 'TEST_TEXTURES', 'TRAIN_SHAPES', 'TRAIN_TEXTURES', 'prepare_mini_street']
