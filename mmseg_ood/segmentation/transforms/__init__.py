"""Pipeline steps for MMSegmentation, and the sampler that makes their draws exact in endless loops."""
from .any_image import LoadAnyImage
from .loading import LoadBlendedImage
from .paste_outliers import PasteOutliers
from .visits import PassSampler

__all__ = ['LoadAnyImage', 'LoadBlendedImage', 'PassSampler', 'PasteOutliers']
