"""Plug-ins for MMSegmentation; importing this package registers them.

In any MMSegmentation config::

    custom_imports = dict(imports=['mmseg_ood.segmentation'], allow_failed_imports=False)
"""
from mmseg_ood.version import stack_message, stack_problems

_problems = stack_problems()
if any('not installed' in problem for problem in _problems):
    raise ImportError(stack_message(_problems))

from mmseg_ood import compat  # noqa: E402

compat.install()

from . import (  # noqa: E402
    backbones,
    datasets,
    decode_heads,
    evaluation,
    hooks,
    losses,
    outliers,
    segmentors,
    transforms,
    visualization,
)

__all__ = ['backbones', 'datasets', 'decode_heads', 'evaluation', 'hooks', 'losses', 'outliers', 'segmentors',
           'transforms', 'visualization']
