"""Files of a data set, written by hand."""
import numpy as np
import pytest
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from PIL import Image

init_default_scope('mmseg')


@pytest.fixture
def write():
    """Write an image of zeros, or the label map ``labels``."""
    def write(path, labels=None, size=(6, 4)):
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.zeros((*size[::-1], 3)) if labels is None else np.array(labels)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    return write


@pytest.fixture
def write_frame(write):
    """Write a frame of 4 rows whose label map has the given values, two columns each."""
    def write_frame(root, image, label, values=(0, 1, 255)):
        write(root / image, size=(2 * len(values), 4))
        write(root / label, np.repeat([values] * 4, 2, axis=1))
    return write_frame


@pytest.fixture
def ground_truth():
    """The second row of a frame's ground truth, every second column: the translated values."""
    def ground_truth(dataset, index=0):
        labels = dataset[index]['data_samples'].gt_sem_seg.data[0].numpy()
        np.testing.assert_array_equal(labels, np.repeat([labels[1, ::2]] * len(labels), 2, axis=1))
        return labels[1, ::2].tolist()
    return ground_truth


@pytest.fixture
def log(caplog):
    """What the data sets say."""
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)
