"""Data sets with out-of-distribution ground truth, and those to train on."""
from .anomaly import AnomalyDataset
from .camvid import CamVidDataset
from .checked import CheckedSegDataset
from .cityscapes import CheckedCityscapesDataset
from .extra_outlier_frames import ExtraOutlierFrames
from .fishyscapes import FishyscapesDataset
from .lost_and_found import LostAndFoundDataset
from .road_anomaly import RoadAnomalyDataset
from .smiyc import SMIYCDataset
from .street_hazards import StreetHazardsDataset

__all__ = ['AnomalyDataset', 'CamVidDataset', 'CheckedCityscapesDataset', 'CheckedSegDataset', 'ExtraOutlierFrames',
           'FishyscapesDataset', 'LostAndFoundDataset', 'RoadAnomalyDataset', 'SMIYCDataset', 'StreetHazardsDataset']
