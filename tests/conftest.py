"""What every test starts from."""
# mmseg must be imported after the plug-ins have prepared the stack for it.
import mmseg_ood.segmentation  # noqa: F401  isort: skip

import itertools

import pytest
import torch
from mmengine.registry import DefaultScope

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def denormals_are_kept():
    """The commands switch them off for their process, which here is that of all tests."""
    torch.set_flush_denormal(False)


@pytest.fixture(autouse=True)
def default_scope_is_that_of_mmseg():
    """MMEngine keeps the scope of the last runner of the process, whatever wing that was of."""
    _restore_scope()
    yield
    _restore_scope()  # before the fixtures of the next module


def _restore_scope():
    scope = DefaultScope.get_current_instance()
    if scope is not None and scope.scope_name != 'mmseg':
        DefaultScope.get_instance(f'test_{next(_numbers)}', scope_name='mmseg')
