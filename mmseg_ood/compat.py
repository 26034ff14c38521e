"""What the frozen OpenMMLab releases need on today's torch; inert elsewhere.

The one place of this project that touches the state of somebody else's package. Two things:

* mmseg 1.2.2 imports ``mmcv.ops`` for one network family (Mask2Former). ``mmcv-lite`` has no compiled
  operators, so that import fails and takes all of ``mmseg.models`` with it. :func:`import_mmcv_ops` performs
  that import with a stand-in for the extension, whose operators raise when they are *called*.
* torch >= 2.6 unpickles with ``weights_only=True`` and MMEngine checkpoints hold a few harmless classes.
  :func:`allow_checkpoint_globals` puts exactly these on torch's allow-list, so nobody is tempted to switch
  the protection off.
"""
from __future__ import annotations

import importlib
import importlib.util
import pickle
import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

_MISSING_OP = ("mmcv.ops.{name} needs mmcv's compiled operators, which this installation of mmcv does not have. "
               'Networks that use it (Mask2Former and a few others) need: '
               'MMCV_WITH_OPS=1 pip install --no-build-isolation mmcv==2.1.0')


class _MissingOps(types.ModuleType):
    """Stands in for ``mmcv._ext``: every operator exists, none can be called."""

    def __getattr__(self, name: str) -> Callable:
        if name.startswith('__'):  # the import machinery and pickle probe for dunder names
            raise AttributeError(name)

        def missing(*args: Any, **kwargs: Any) -> None:
            raise RuntimeError(_MISSING_OP.format(name=name))

        return missing


def import_mmcv_ops() -> bool:
    """Import ``mmcv.ops``, also where mmcv has no compiled operators.

    The stand-in is taken away again: MMEngine and mmcv ask for ``mmcv._ext`` to find out whether the
    operators are there, and the answer must stay no.

    Returns:
        True when the stand-in was needed.
    """
    if 'mmcv.ops' in sys.modules or importlib.util.find_spec('mmcv._ext') is not None:
        return False
    sys.modules['mmcv._ext'] = _MissingOps('mmcv._ext')
    try:
        importlib.import_module('mmcv.ops')
    finally:
        del sys.modules['mmcv._ext']
    return True


def _history_buffer_method(owner: type, name: str) -> Callable:
    """What ``getattr`` may do in a checkpoint: name a statistics method of MMEngine's ``HistoryBuffer``.

    Its buffers are pickled with references to their own methods, which pickle spells as ``getattr``. The
    real one on the allow-list would open the way to any attribute of any allowed class.
    """
    from mmengine.logging.history_buffer import HistoryBuffer
    if owner is not HistoryBuffer or name.startswith('_') or not callable(vars(HistoryBuffer).get(name)):
        raise pickle.UnpicklingError(f'attribute {name!r} of {owner!r} is not allowed in a checkpoint')
    return vars(HistoryBuffer)[name]


def _checkpoint_globals() -> list[Any]:
    from mmengine.logging.history_buffer import HistoryBuffer
    reconstruct = np.empty(0).__reduce__()[0]  # numpy moved it between 1.x and 2.x
    scalar = np.float64(0).__reduce__()[0]
    dtypes = {type(np.dtype(code)) for code in np.typecodes['AllInteger'] + np.typecodes['Float'] + '?'}
    allowed: list[Any] = [HistoryBuffer, np.ndarray, np.dtype, reconstruct, scalar, *dtypes]
    allowed.append((_history_buffer_method, 'builtins.getattr'))
    # Files written under numpy 1.x name the same two functions by their old module.
    for function in (reconstruct, scalar):
        allowed.append((function, f'numpy.core.multiarray.{function.__name__}'))
        allowed.append((function, f'numpy._core.multiarray.{function.__name__}'))
    return allowed


def allow_checkpoint_globals() -> None:
    """Allow-list what MMEngine itself writes into a checkpoint beside tensors."""
    if hasattr(torch.serialization, 'add_safe_globals'):
        torch.serialization.add_safe_globals(_checkpoint_globals())


def load_checkpoint(path: str | Path) -> dict:
    """Load a checkpoint without ever executing code from it.

    Args:
        path: File written by ``torch.save``: a state dict or a dict that holds one.

    Returns:
        What the file holds, tensors on the CPU.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is no checkpoint, or it wants to run code when loaded.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'checkpoint {path} does not exist')
    allow_checkpoint_globals()
    try:
        content = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # torch raises several types here, none of which names the file
        raise ValueError(f'checkpoint {path} was refused: it is damaged, or holds objects other than tensors and '
                         f'plain containers. It was not executed. {_reason(error)}') from error
    if not isinstance(content, dict):
        raise ValueError(f'checkpoint {path} holds a {type(content).__name__}, expected a dict of tensors')
    return content


def _reason(error: Exception) -> str:
    """The cause alone: torch wraps it in advice to switch the protection off."""
    cause = re.search(r'(?i)unsupported global:?\s(global\s)?\S+|attribute .+ is not allowed', str(error))
    return cause.group() if cause else type(error).__name__


def install() -> None:
    """Everything above; called once by ``mmseg_ood.segmentation`` before it imports mmseg."""
    import_mmcv_ops()
    allow_checkpoint_globals()
