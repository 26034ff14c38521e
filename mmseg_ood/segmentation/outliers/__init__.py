"""Where pasted outliers come from.

Every source is a sequence of :class:`Outlier`, registered in mmseg's ``DATASETS``, so that
``PasteOutliers(source=dict(type='CocoOutliers', ...))`` builds it.
"""
from .base import Outlier, OutlierSource
from .coco import CITYSCAPES_LIKE, CocoOutliers
from .folders import CutoutFolderOutliers, MaskFolderOutliers

__all__ = [
    'CITYSCAPES_LIKE',
    'CocoOutliers',
    'CutoutFolderOutliers',
    'MaskFolderOutliers',
    'Outlier',
    'OutlierSource',
]
