"""What every test starts from."""
# mmseg must be imported after the plug-ins have prepared the stack for it.
import mmseg_ood.segmentation  # noqa: F401  isort: skip
import pytest
import torch


@pytest.fixture(autouse=True)
def denormals_are_kept():
    """The commands switch them off for their process, which here is that of all tests."""
    torch.set_flush_denormal(False)
