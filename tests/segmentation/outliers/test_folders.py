import cv2
import numpy as np
import pytest
from mmseg.registry import DATASETS

from mmseg_ood.segmentation.outliers import CutoutFolderOutliers, MaskFolderOutliers


@pytest.fixture
def pairs(tmp_path):
    """Three images; masks for two of them, and one for none."""
    rng = np.random.default_rng(0)
    for name in ('images', 'masks'):
        (tmp_path / name).mkdir()
    for name in 'abc':
        image = rng.integers(0, 256, (8, 10, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / 'images' / f'{name}.png'), image)
    mask = np.zeros((8, 10), np.uint8)
    mask[2:5, 3:9] = 254
    for name in 'abz':
        cv2.imwrite(str(tmp_path / 'masks' / f'{name}.png'), mask)
    return tmp_path


def masked(root, **arguments):
    return MaskFolderOutliers(str(root / 'images'), str(root / 'masks'), **arguments)


def test_masks_and_images_are_paired_by_name(pairs):
    source = masked(pairs)
    assert len(source) == 2
    assert source[0].mask.all()
    np.testing.assert_array_equal(source[1].image, cv2.imread(str(pairs / 'images' / 'b.png'))[2:5, 3:9])
    assert source.filtered == {'images without a mask': 1}
    assert source.broken == {'masks without an image': 1}


def test_empty_masks_are_counted(pairs):
    cv2.imwrite(str(pairs / 'masks' / 'b.png'), np.zeros((8, 10), np.uint8))
    assert masked(pairs).broken == {'masks without an image': 1, 'empty masks': 1}
    cv2.imwrite(str(pairs / 'masks' / 'a.png'), np.zeros((8, 10), np.uint8))
    with pytest.raises(ValueError, match=r'no usable outlier.*2 empty masks'):
        masked(pairs)


@pytest.mark.parametrize(('mask', 'message'), [
    (np.full((8, 10), 255, np.uint8), r'holds the values \[255\]; expected 0 and ood_value=254 only'),
    (np.zeros((8, 10, 3), np.uint8), r'is \(8, 10, 3\); expected one channel'),
    (np.zeros((8, 9), np.uint8), r"is \(8, 9\) px \(height, width\); expected \(8, 10\) like '.*b\.png'"),
])
def test_wrong_mask_is_named(pairs, mask, message):
    cv2.imwrite(str(pairs / 'masks' / 'b.png'), mask)
    with pytest.raises(ValueError, match=r'b\.png.*' + message):
        masked(pairs)


def test_other_mask_value(pairs):
    with pytest.raises(ValueError, match=r'holds the values \[254\]; expected 0 and ood_value=1 only'):
        masked(pairs, ood_value=1)


def test_damaged_mask_and_ambiguous_name(pairs):
    (pairs / 'masks' / 'b.png').write_bytes(b'no picture')
    with pytest.raises(ValueError, match=r"cannot decode '.*b\.png'"):
        masked(pairs)
    (pairs / 'images' / 'a.jpg').write_bytes(b'')
    with pytest.raises(ValueError, match=r"a\.jpg' and 'a\.png' share a name"):
        masked(pairs)


def test_missing_mask_folders(pairs):
    with pytest.raises(FileNotFoundError, match=r"img_dir='.*nowhere'; expected img_dir/NAME\.jpg with"):
        MaskFolderOutliers(str(pairs / 'nowhere'), str(pairs / 'masks'))
    with pytest.raises(FileNotFoundError, match="mask_dir='.*nowhere'"):
        MaskFolderOutliers(str(pairs / 'images'), str(pairs / 'nowhere'))


def write_cutout(path, height=6, width=6, opaque=(slice(1, 4), slice(2, 5)), alpha=255):
    cutout = np.full((height, width, 4), 90, np.uint8)
    cutout[..., 3] = 0
    cutout[(*opaque, 3)] = alpha
    cv2.imwrite(str(path), cutout)


def test_cutouts_are_cropped_to_their_alpha(tmp_path):
    write_cutout(tmp_path / 'a.png')
    (tmp_path / 'more').mkdir()
    write_cutout(tmp_path / 'more' / 'b.PNG', opaque=(slice(0, 1), slice(0, 6)), alpha=128)
    write_cutout(tmp_path / 'c.png', alpha=127)
    source = CutoutFolderOutliers(str(tmp_path))
    assert [outlier.mask.shape for outlier in source] == [(3, 3), (1, 6)]
    assert (source[0].image == 90).all()
    assert source.broken == {'fully transparent files': 1}


@pytest.mark.parametrize('cutout', [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8),
                                    np.full((4, 4, 4), 60000, np.uint16)], ids=['colour', 'grey', '16 bit'])
def test_cutout_without_8_bit_alpha_is_named(tmp_path, cutout):
    cv2.imwrite(str(tmp_path / 'plain.png'), cutout)
    with pytest.raises(ValueError, match=r"plain\.png' has shape .*expected an 8 bit png with an alpha"):
        CutoutFolderOutliers(str(tmp_path))


def test_missing_or_empty_cutout_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"root='.*nowhere'; expected root/\*\*/NAME\.png"):
        CutoutFolderOutliers(str(tmp_path / 'nowhere'))
    with pytest.raises(ValueError, match=r'no usable outlier: CutoutFolderOutliers: 0 outliers'):
        CutoutFolderOutliers(str(tmp_path))


def test_folders_build_from_the_registry(pairs, tmp_path):
    write_cutout(tmp_path / 'images' / 'cutouts.png')
    assert len(DATASETS.build({'type': 'MaskFolderOutliers', 'img_dir': str(pairs / 'images'),
                               'mask_dir': str(pairs / 'masks')})) == 2
    with pytest.raises(ValueError, match=r'a\.png'):
        DATASETS.build({'type': 'CutoutFolderOutliers', 'root': str(tmp_path / 'images')})
