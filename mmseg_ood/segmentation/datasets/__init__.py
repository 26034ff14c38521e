"""Data sets with out-of-distribution ground truth, and those to train on."""
from .anomaly import AnomalyDataset
from .camvid import CamVidDataset
from .checked import CheckedSegDataset
from .fishyscapes import FishyscapesDataset
from .road_anomaly import RoadAnomalyDataset
from .smiyc import SMIYCDataset

__all__ = ['AnomalyDataset', 'CamVidDataset', 'CheckedSegDataset', 'FishyscapesDataset',
'RoadAnomalyDataset', 'SMIYCDataset']
