"""Plug-ins for MMEngine: long-tailed and plain image classification; importing this package registers them.

In a config::

    default_scope = 'mmengine'
    custom_imports = dict(imports=['mmseg_ood.classification'], allow_failed_imports=False)
"""
from mmseg_ood import compat

compat.allow_checkpoint_globals()

from . import datasets, evaluation, losses, models  # noqa: E402

__all__ = ['datasets', 'evaluation', 'losses', 'models']
