"""Pipeline steps for MMSegmentation, and the sampler that makes their draws exact in endless loops."""
from .loading import LoadBlendedImage
from .paste_outliers import PasteOutliers
from .visits import PassSampler

__all__ = ['LoadBlendedImage', 'PassSampler', 'PasteOutliers']
