"""Image files and image sets, made by hand."""
import shutil

import cv2
import numpy as np
import pytest
from mmengine.logging import MMLogger

from mmseg_ood.classification.datasets import ImageSet


@pytest.fixture
def write_image(tmp_path):
    """Write an image of one RGB colour below ``tmp_path``; the path may be relative to it."""
    def write_image(name, colour=(0, 0, 0), size=(4, 4)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = cv2.imencode('.png', np.full((*size, 3), colour[::-1], np.uint8))[1]
        path.write_bytes(content.tobytes())  # whatever the suffix: what counts is the content
        return path
    return write_image


@pytest.fixture
def zipped():
    """Zip a folder with itself as the top folder."""
    def zipped(folder):
        return shutil.make_archive(folder, 'zip', folder.parent, folder.name)
    return zipped


@pytest.fixture
def numbered():
    """Images of 2 px whose pixels all have one value, counted from ``start``: one can tell them apart."""
    def numbered(number, labels=0, start=0, name='image', **arguments):
        values = np.arange(start, start + number, dtype=np.uint8)
        images = np.ascontiguousarray(np.broadcast_to(values[:, None, None, None], (number, 2, 2, 3)))
        labels = np.broadcast_to(np.asarray(labels), (number,))
        return ImageSet(images, labels, [f'{name}{value}' for value in values], **arguments)
    return numbered


@pytest.fixture
def log(caplog):
    """What the data sets say."""
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)
