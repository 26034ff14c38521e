"""Losses for ``loss_decode``: the segmentation loss on inliers, and what makes a network notice outliers."""
from .abstention_loss import AbstentionLoss
from .energy_loss import BalancedEnergyLoss, EnergyLoss
from .inlier_loss import InlierLoss
from .outlier_exposure_loss import EntropyMaximizationLoss, OutlierExposureLoss
from .void_classifier_loss import VoidClassifierLoss

__all__ = ['AbstentionLoss', 'BalancedEnergyLoss', 'EnergyLoss', 'EntropyMaximizationLoss', 'InlierLoss',
           'OutlierExposureLoss', 'VoidClassifierLoss']
