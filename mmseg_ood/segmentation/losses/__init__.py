"""Losses for ``loss_decode``: the segmentation loss on inliers and the energy regularisers beside it."""
from .energy_loss import BalancedEnergyLoss, EnergyLoss
from .inlier_loss import InlierLoss

__all__ = ['BalancedEnergyLoss', 'EnergyLoss', 'InlierLoss']
