"""Decode heads that MMSegmentation does not have."""
from .deeplabv3plus_wide_head import DeepLabV3PlusWideHead

__all__ = ['DeepLabV3PlusWideHead']
