"""Decoded images with class labels or -1 for outliers, to train on and to evaluate on."""
from .arrays import ArrayDataset
from .batch_sampler import InlierOutlierBatchSampler
from .cifar import CIFARDataset
from .coco_crops import COCOCropsDataset
from .concatenated import ConcatenatedImages
from .digits import DigitsDataset
from .folders import ImageFolderDataset
from .image_list import ImageListDataset
from .images import ImageBatch, ImageSet, take_batch
from .inlier_outlier import InlierOutlierDataset
from .long_tail import LongTailDataset, long_tail_counts
from .ood_folders import OODFolderDataset
from .overlap import OverlapCheckHook, check_overlap, find_duplicates
from .test_sets import TestSetsDataset

__all__ = ['ArrayDataset', 'CIFARDataset', 'COCOCropsDataset', 'ConcatenatedImages', 'DigitsDataset', 'ImageBatch',
           'ImageFolderDataset', 'ImageListDataset', 'ImageSet', 'InlierOutlierBatchSampler', 'InlierOutlierDataset',
           'LongTailDataset', 'OODFolderDataset', 'OverlapCheckHook', 'TestSetsDataset', 'check_overlap',
           'find_duplicates', 'long_tail_counts', 'take_batch']
