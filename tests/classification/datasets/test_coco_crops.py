"""COCOCropsDataset: which objects, and which pixels of them."""
import json

import cv2
import numpy as np
import pytest

from mmseg_ood.classification.datasets.coco_crops import COCOCropsDataset

CATEGORIES = [dict(id=3, name='car'), dict(id=7, name='pizza')]


def annotation(number, image, category, box, **further):
    return dict(id=number, image_id=image, category_id=category, bbox=box, **further)


@pytest.fixture
def coco(tmp_path):
    """Writes annotations beside two images whose red channel is the column and whose green channel is the row."""
    def write(annotations, files=('b.png', 'a.png')):
        image = np.zeros((60, 100, 3), np.uint8)
        image[..., 2], image[..., 1] = np.arange(100), np.arange(60)[:, None]
        for name in files:
            cv2.imwrite(str(tmp_path / name), image)
        content = dict(images=[dict(id=1, file_name='b.png'), dict(id=2, file_name='a.png')], categories=CATEGORIES,
                       annotations=annotations)
        (tmp_path / 'ann.json').write_text(json.dumps(content))
        return dict(ann_file=str(tmp_path / 'ann.json'), img_dir=str(tmp_path))
    return write


def test_objects_are_cut_out_as_squares(coco):
    dataset = COCOCropsDataset(**coco([annotation(10, 1, 7, [20, 10, 40, 32]), annotation(11, 2, 7, [60, 28, 40, 32])]),
                               image_size=40)
    assert dataset.labels.tolist() == [-1, -1]
    assert [name.rpartition('/')[2] for name in dataset.names] == ['a.png (annotation 11)', 'b.png (annotation 10)']
    moved, centred = dataset.images
    # 40 px wide: rows 10 - 4 to 46; columns as the box.
    assert (centred[0, 0].tolist(), centred[-1, -1].tolist()) == ([20, 6, 0], [59, 45, 0])
    # Centred it would be the rows 24 to 64; the image ends at 60.
    assert (moved[0, 0].tolist(), moved[-1, -1].tolist()) == ([60, 20, 0], [99, 59, 0])


def test_an_object_larger_than_the_image_is_high_is_cut_to_it(coco):
    dataset = COCOCropsDataset(**coco([annotation(1, 1, 7, [5, 0, 90, 60])]), image_size=60)
    # A square of 60 px in the middle of the box: columns 20 to 80.
    assert (dataset.images[0, 0, 0, 0], dataset.images[0, 0, -1, 0]) == (20, 79)


def test_what_is_left_out(coco):
    annotations = [annotation(1, 1, 3, [0, 0, 40, 40]), annotation(2, 1, 7, [0, 0, 40, 31]),
                   annotation(3, 1, 7, [0, 0, 40, 40], iscrowd=1), annotation(4, 1, 7, [0, 0, 40, 32])]
    dataset = COCOCropsDataset(**coco(annotations), exclude_categories=['car'])
    assert [name[-14:] for name in dataset.names] == ['(annotation 4)']
    assert dataset.images.shape == (1, 32, 32, 3)
    assert dataset.split == 'test'


def test_bad_input(coco, tmp_path):
    good = [annotation(1, 1, 7, [0, 0, 40, 40])]
    with pytest.raises(FileNotFoundError, match='no.json'):
        COCOCropsDataset('no.json', '.')
    with pytest.raises(ValueError, match='has no boat; found car, pizza'):
        COCOCropsDataset(**coco(good), exclude_categories=['boat'])
    with pytest.raises(ValueError, match='none of 1 objects'):
        COCOCropsDataset(**coco(good), exclude_categories=['pizza'])
    arguments = coco([*good, annotation(2, 2, 7, [0, 0, 40, 40])])
    (tmp_path / 'a.png').unlink()
    with pytest.raises(ValueError, match='1 of 2 images are missing or unreadable: .*a.png'):
        COCOCropsDataset(**arguments)
    (tmp_path / 'ann.json').write_text('{"images": []}')
    with pytest.raises(ValueError, match=r"ann.json: expected annotations in the format of COCO, found KeyError: 'cat"):
        COCOCropsDataset(str(tmp_path / 'ann.json'), '.')
