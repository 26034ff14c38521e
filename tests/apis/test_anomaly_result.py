"""AnomalyResult: what follows from a map and a threshold, how it is drawn and kept."""
from dataclasses import replace

import cv2
import h5py
import numpy as np
import pytest

from mmseg_ood.apis.anomaly_result import AnomalyResult, ScoreRange
from mmseg_ood.core import Detection
from mmseg_ood.segmentation.evaluation.maps import load_map

SCORES = np.full((40, 80), -8, np.float32)
SCORES[5:15, 10:30] = -2.5
SCORES[30:32, 60:62] = -1


@pytest.fixture
def result():
    image = np.random.default_rng(0).integers(0, 256, (40, 80, 3)).astype(np.uint8)
    return AnomalyResult('frame', 'folder/frame.jpg', image, SCORES, SCORES, np.zeros((40, 80), np.uint8), 'energy',
                         ('road',), np.array([[128, 64, 128]]))


def test_without_a_threshold(result):
    assert result.mask is result.detections is None
    assert repr(result) == "AnomalyResult('frame', 80x40, energy -8 to -1)"


def test_mask_and_detections(result):
    found = result.at(-2.5)
    np.testing.assert_array_equal(found.mask, SCORES >= -2.5)
    assert found.detections == [Detection(10, 5, 20, 10, 200, -2.5)]  # the other one has 4 pixels
    assert [box.area for box in found.at(-2, min_component=4).detections] == [4]
    assert 'energy -8 to -1, 1 detection at threshold -2.5)' in repr(found)
    assert result.threshold is None


def test_notebook_picture_is_the_drawn_one(result):
    for shown in (result, result.at(-2.5)):
        picture = cv2.imdecode(np.frombuffer(shown._repr_png_(), np.uint8), cv2.IMREAD_COLOR)
        np.testing.assert_array_equal(picture[..., ::-1], shown.draw())


def test_layouts(result):
    overlay = result.overlay()
    assert overlay.shape == (40, 80, 3)
    np.testing.assert_array_equal(result.draw('side-by-side'), np.hstack([result.image, overlay]))
    assert (result.at(-2.5).overlay() != overlay).any()
    with pytest.raises(ValueError, match="unknown layout 'mosaic', expected one of panels, overlay, side-by-side"):
        result.draw('mosaic')


def test_colours_follow_the_score_range(result):
    same = replace(result, score_range=ScoreRange.of([SCORES]))
    other = replace(result, score_range=ScoreRange(-100, -50))
    for layout in ('panels', 'overlay'):
        np.testing.assert_array_equal(result.draw(layout), same.draw(layout))
        assert (result.draw(layout) != other.draw(layout)).any()


def test_score_range_of_equal_scores():
    low, high, _ = ScoreRange.of([np.ones((3, 4))] * 2)
    assert low == 1 < high < 1.001


def test_files(result, tmp_path):
    found = result.at(-2.5)
    files = found.save(tmp_path / 'new', ['png', 'npz', 'hdf5'])
    assert [path.name for path in files] == ['frame.png', 'frame_mask.png', 'frame.npz', 'frame.hdf5']
    picture, mask = (cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in files[:2])
    np.testing.assert_array_equal(picture[..., ::-1], found.draw())
    np.testing.assert_array_equal(mask, 255 * (SCORES >= -2.5))
    np.testing.assert_array_equal(np.load(files[2])['value'], SCORES)
    with h5py.File(files[3]) as file:
        assert file['value'].dtype == np.float16
    np.testing.assert_array_equal(load_map(files[3]), SCORES)
    assert sorted((tmp_path / 'new').iterdir()) == sorted(files)


def test_nothing_is_replaced_by_accident(result, tmp_path):
    result.save(tmp_path, ['npz'])
    before = (tmp_path / 'frame.npz').read_bytes()
    other = AnomalyResult(**{**vars(result), 'anomaly_map': SCORES + 1})
    with pytest.raises(FileExistsError, match=r'frame.npz exists'):
        other.save(tmp_path, ['png', 'npz'])
    assert [path.name for path in tmp_path.iterdir()] == ['frame.npz']
    assert (tmp_path / 'frame.npz').read_bytes() == before
    other.save(tmp_path, ['npz'], force=True)
    np.testing.assert_array_equal(load_map(tmp_path / 'frame.npz'), SCORES + 1)


def test_unknown_format(result, tmp_path):
    with pytest.raises(ValueError, match='unknown formats tiff, expected some of png, npz, hdf5'):
        result.save(tmp_path / 'new', ['png', 'tiff'])
    assert not (tmp_path / 'new').exists()
