"""mmseg-ood: teach any MMSegmentation network to notice what it has never seen.

``mmseg_ood.core`` needs torch and numpy only, so a missing OpenMMLab stack is a warning here
and an error in ``mmseg_ood.segmentation``.
"""
import warnings

from .version import __version__, stack_message, stack_problems

_problems = stack_problems()
if _problems:
    warnings.warn(stack_message(_problems), stacklevel=2)

__all__ = ['__version__']
