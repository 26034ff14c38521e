"""The placeholder for compiled operators and safe checkpoint loading."""
import os
import pickle

import mmcv.ops
import numpy as np
import pytest
import torch
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.utils.dl_utils import mmcv_full_available

from mmseg_ood import compat


class Malicious:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.skipif(mmcv_full_available(), reason='this mmcv has compiled operators')
def test_missing_operators_import_but_say_so_when_called():
    with pytest.raises(RuntimeError, match='needs mmcv.s compiled operators'):
        mmcv.ops.nms(torch.rand(4, 4), torch.rand(4), 0.5)


def test_checkpoint_of_mmengine_loads(tmp_path):
    buffer = HistoryBuffer([1.0, 2.0], [1, 1])
    content = {'state_dict': {'weight': torch.ones(2)}, 'message_hub': {'log_scalars': {'train/loss': buffer}},
               'scalar': np.float64(3.0), 'array': np.arange(3), 'int': np.int64(4), 'bool': np.bool_(True)}
    torch.save(content, tmp_path / 'c.pth')
    loaded = compat.load_checkpoint(tmp_path / 'c.pth')
    assert loaded['scalar'] == 3.0
    assert loaded['message_hub']['log_scalars']['train/loss'].mean() == 1.5
    np.testing.assert_array_equal(loaded['array'], [0, 1, 2])


def test_checkpoint_never_executes_code(tmp_path):
    torch.save({'state_dict': {}, 'payload': Malicious(tmp_path / 'executed')}, tmp_path / 'c.pth')
    with pytest.raises(ValueError, match=r'c\.pth was refused.*It was not executed'):
        compat.load_checkpoint(tmp_path / 'c.pth')
    assert not (tmp_path / 'executed').exists()


class Reaches:
    """Asks for an attribute that leads out of an allowed class."""

    def __init__(self, name):
        self.name = name

    def __reduce__(self):
        return getattr, (HistoryBuffer, self.name)


@pytest.mark.parametrize('name', ['__init__', '__globals__', '_statistics_methods', 'nothing'])
def test_getattr_is_restricted_to_statistics_methods(tmp_path, name):
    torch.save({'payload': Reaches(name)}, tmp_path / 'c.pth')
    with pytest.raises(ValueError, match=f'attribute {name!r} .* is not allowed'):
        compat.load_checkpoint(tmp_path / 'c.pth')


def test_plain_pickle_never_executes_code(tmp_path):
    (tmp_path / 'c.pth').write_bytes(pickle.dumps(Malicious(tmp_path / 'executed')))
    with pytest.raises(ValueError, match=r'c\.pth was refused'):
        compat.load_checkpoint(tmp_path / 'c.pth')
    assert not (tmp_path / 'executed').exists()


def test_damaged_and_missing_files(tmp_path):
    (tmp_path / 'c.pth').write_bytes(b'not a checkpoint')
    with pytest.raises(ValueError, match=r'c\.pth was refused'):
        compat.load_checkpoint(tmp_path / 'c.pth')
    with pytest.raises(FileNotFoundError, match=r'nothing\.pth does not exist'):
        compat.load_checkpoint(tmp_path / 'nothing.pth')
    torch.save(torch.ones(1), tmp_path / 't.pth')
    with pytest.raises(ValueError, match='holds a Tensor, expected a dict'):
        compat.load_checkpoint(tmp_path / 't.pth')
