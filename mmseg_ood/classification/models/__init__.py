"""Image classifiers with an outlier-aware loss, and their backbones for small images.

The backbones are written from the papers because no library of the stack has them: torchvision and timm know
residual networks for 224x224 images only (7x7 stem and pooling, no ResNet-20, no WRN-40-2), and mmpretrain, whose
CIFAR networks need mmcv, is not part of it.
"""
from .augmentation import crop_flip, random_crop_flip
from .cifar_resnet import CIFARResNet
from .data_preprocessor import ClassificationDataPreprocessor
from .image_classifier import ImageClassifier
from .state_dict import classifier_state_dict, load_classifier
from .wide_resnet import WideResNet

__all__ = ['CIFARResNet', 'ClassificationDataPreprocessor', 'ImageClassifier', 'WideResNet', 'classifier_state_dict',
           'crop_flip', 'load_classifier', 'random_crop_flip']
