import numpy as np
import pytest

from mmseg_ood.segmentation.outliers import Outlier, OutlierSource, base


class Patches(OutlierSource):
    def load(self, entry):
        return Outlier(np.full((entry, entry, 3), entry, np.uint8), np.ones((entry, entry), bool))


def test_crop_keeps_pixels_and_mask_of_the_bounding_box():
    image = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    mask = np.zeros((5, 7), bool)
    mask[1, 2] = mask[3, 5] = True
    outlier = Outlier.cropped(image, mask)
    np.testing.assert_array_equal(outlier.image, image[1:4, 2:6])
    assert outlier.mask.tolist() == [[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]


def test_source_is_a_lazy_sequence():
    patches = Patches([2, 3], place='memory')
    assert [outlier.mask.sum() for outlier in patches] == [4, 9]
    assert patches[-1].mask.shape == (3, 3)
    assert repr(patches) == 'Patches(2 outliers in memory)'


def test_empty_source_names_place_and_counts():
    with pytest.raises(ValueError, match='no usable outlier: Patches: 0 outliers in the attic; left out: '
                                         '3 too small; broken: 1 torn'):
        Patches([], place='the attic', filtered={'too small': 3}, broken={'torn': 1})


@pytest.mark.parametrize(('counts', 'level'), [({'broken': {'torn': 2}}, 'WARNING'),
                                               ({'filtered': {'too small': 2}}, 'INFO')])
def test_whatever_is_not_used_is_logged(monkeypatch, counts, level):
    logged = []
    monkeypatch.setattr(base, 'print_log', lambda message, logger, level: logged.append((message, level)))
    source = Patches([1], place='memory', **counts)
    assert logged == [(source.report(), getattr(base.logging, level))]
