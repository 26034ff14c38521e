import json
import pickle

import cv2
import numpy as np
import pytest
from mmseg.registry import DATASETS
from PIL import Image

from mmseg_ood.segmentation.outliers import CITYSCAPES_LIKE, CocoOutliers

CATEGORIES = [{'id': 1, 'name': 'person'}, {'id': 24, 'name': 'zebra'}, {'id': 25, 'name': 'giraffe'}]
EXCLUDED = ['person']


def box(image_id, category_id, x0, y0, x1, y1, **extra):
    return {'image_id': image_id, 'category_id': category_id,
            'segmentation': [[x0, y0, x1, y0, x1, y1, x0, y1]], **extra}


def crowd(image_id, category_id, mask):
    runs, last = [0], 0
    for value in mask.flatten(order='F'):
        if value != last:
            runs.append(0)
        runs[-1] += 1
        last = value
    return {'image_id': image_id, 'category_id': category_id, 'iscrowd': 1,
            'segmentation': {'size': list(mask.shape), 'counts': runs}}


class Folder:
    """A COCO set in a temporary folder."""

    def __init__(self, root):
        self.root = root
        self.images, self.annotations = [], []

    def add_image(self, number, height=20, width=30):
        picture = np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)
        cv2.imwrite(str(self.root / f'{number}.png'), picture)
        self.images.append({'id': number, 'file_name': f'{number}.png', 'height': height, 'width': width})
        return picture

    def write(self):
        content = {'images': self.images, 'annotations': self.annotations, 'categories': CATEGORIES}
        (self.root / 'instances.json').write_text(json.dumps(content))

    def source(self, **arguments):
        self.write()
        return CocoOutliers(str(self.root / 'instances.json'), str(self.root),
                            **{'exclude_categories': EXCLUDED, 'min_size': 0, **arguments})


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def test_composite_is_the_union_of_all_instances_and_crowds(folder):
    picture = folder.add_image(1)
    crowded = np.zeros((20, 30), np.uint8)
    crowded[12:15, 20:22] = 1
    folder.annotations = [box(1, 24, 3, 2, 8, 6), box(1, 25, 5, 4, 10, 9), crowd(1, 24, crowded)]
    source = folder.source()
    expected = crowded.astype(bool)
    expected[2:6, 3:8] = expected[4:9, 5:10] = True
    assert len(source) == 1
    np.testing.assert_array_equal(source[0].mask, expected[2:15, 3:22])
    np.testing.assert_array_equal(source[0].image, picture[2:15, 3:22])
    assert source[0].mask.dtype == bool


def test_composite_leaves_out_images_with_an_excluded_category(folder):
    for number in (1, 2, 3):
        folder.add_image(number)
    folder.annotations = [box(1, 24, 0, 0, 5, 5), box(2, 24, 0, 0, 5, 5), box(2, 1, 9, 9, 12, 12)]
    source = folder.source()
    assert len(source) == 1
    assert source.filtered == {'images with an excluded category': 1, 'images without an outlier instance': 1}
    assert len(folder.source(exclude_categories=[])) == 2


def test_an_excluded_instance_counts_even_if_its_segmentation_is_broken(folder):
    for number in (1, 2):
        folder.add_image(number)
    folder.annotations = [box(1, 24, 0, 0, 5, 5), box(2, 24, 0, 0, 5, 5), {'image_id': 2, 'category_id': 1}]
    assert folder.source().filtered == {'images with an excluded category': 1}


def test_objects_lose_the_pixels_of_excluded_categories(folder):
    folder.add_image(1)
    folder.annotations = [box(1, 24, 0, 0, 6, 4), box(1, 25, 10, 10, 14, 14), box(1, 1, 3, 0, 30, 12),
                          crowd(1, 24, np.ones((20, 30), np.uint8))]
    source = folder.source(mode='object')
    assert [outlier.mask.shape for outlier in source] == [(4, 3), (2, 4)]
    assert all(outlier.mask.all() for outlier in source)
    assert source.filtered == {'crowd annotations': 1}


def test_object_hidden_by_an_excluded_category_is_left_out(folder):
    folder.add_image(1)
    folder.annotations = [box(1, 24, 4, 4, 6, 6), box(1, 25, 20, 10, 24, 14), box(1, 1, 0, 0, 10, 10)]
    source = folder.source(mode='object')
    assert len(source) == 1
    assert source.filtered == {'outliers below min_area=1 px': 1}


def test_sizes_are_inclusive_bounds(folder):
    folder.add_image(1, height=20, width=30)
    folder.add_image(2, height=19, width=30)
    folder.annotations = [box(1, 24, 0, 0, 5, 5), box(2, 24, 0, 0, 5, 5)]
    source = folder.source(min_size=20, min_area=25)
    assert source.filtered == {'images below min_size=20 px': 1}
    with pytest.raises(ValueError, match='1 outliers below min_area=26 px'):
        folder.source(min_size=20, min_area=26)


def test_broken_entries_are_counted_by_reason(folder):
    folder.add_image(1)
    folder.add_image(2)
    (folder.root / '2.png').unlink()
    folder.add_image(3)
    (folder.root / '3.png').write_bytes(b'no picture')
    good = box(1, 24, 0, 0, 5, 5)
    folder.annotations = [
        good,
        *(box(number, 24, 0, 0, 5, 5) for number in (2, 3, 99)), box(1, 77, 0, 0, 5, 5),
        {**good, 'segmentation': []}, {**good, 'segmentation': [[1, 2, 3]]}, box(1, 24, 100, 100, 105, 105),
        {'image_id': 1, 'category_id': 24}, 'nonsense']
    folder.images += [{'id': 4, 'file_name': '4.png'}, {'id': 5, 'file_name': '', 'height': '9', 'width': 9}]
    source = folder.source()
    assert len(source) == 1
    assert source.broken == {
        f"missing image files in '{folder.root}'": 1,
        'unreadable image files': 1,
        'annotations without an image record': 1,
        'annotations of an unknown category': 1,
        'malformed segmentations': 3,
        'segmentations of zero area': 1,
        'annotations without image_id or category_id': 1,
        'image records without id, file_name, height or width': 2,
    }


def test_source_of_broken_entries_only_is_an_error(folder):
    folder.add_image(1)
    folder.annotations = [{**box(1, 24, 0, 0, 5, 5), 'segmentation': []}]
    with pytest.raises(ValueError, match=r'no usable outlier.*instances\.json.*broken: 1 malformed segm'):
        folder.source()


def test_image_of_another_size_than_annotated(folder):
    folder.add_image(1)
    folder.images[0]['width'] = 31
    folder.annotations = [box(1, 24, 0, 0, 5, 5)]
    with pytest.raises(ValueError, match=r"1\.png' is \(20, 30\) px .*expects \(20, 31\)"):
        folder.source()


def test_image_damaged_below_its_header(folder):
    folder.add_image(1)
    folder.annotations = [box(1, 24, 0, 0, 5, 5)]
    source = folder.source()
    (folder.root / '1.png').write_bytes((folder.root / '1.png').read_bytes()[:40])
    with pytest.raises(ValueError, match=r"cannot decode '.*1\.png'"):
        source[0]


def test_exif_rotation_is_not_applied(folder):
    folder.add_image(1)
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees to view
    Image.new('RGB', (30, 20), 'red').save(folder.root / '1.jpg', exif=exif)
    folder.images[0]['file_name'] = '1.jpg'
    folder.annotations = [box(1, 24, 0, 0, 29, 3)]
    assert folder.source()[0].image.shape == (3, 29, 3)


@pytest.mark.parametrize('mode', ['L', 'RGBA', 'P'])
def test_every_colour_mode_becomes_three_channels(folder, mode):
    folder.add_image(1)
    Image.new(mode, (30, 20), 7).save(folder.root / '1.png')
    folder.annotations = [box(1, 24, 0, 0, 5, 5)]
    image = folder.source()[0].image
    assert image.shape == (5, 5, 3)
    assert image.dtype == np.uint8


def test_unknown_exclusion_lists_the_known_names(folder):
    folder.add_image(1)
    folder.annotations = [box(1, 24, 0, 0, 5, 5)]
    with pytest.raises(ValueError, match=r"holds \['humans'\].*some of \['giraffe', 'person', 'zebra'\]"):
        folder.source(exclude_categories=['humans', 'person'])
    assert {'train', 'stop sign', 'person'} < set(CITYSCAPES_LIKE)


@pytest.mark.parametrize(('arguments', 'message'), [
    ({'mode': 'all'}, "mode must be 'composite' or 'object', found 'all'"),
    ({'min_size': -1}, 'min_size must be a number of px, 0 or more, found -1'),
    ({'min_area': '9'}, "min_area must be a number of px, 0 or more, found '9'"),
])
def test_wrong_arguments_are_named(folder, arguments, message):
    with pytest.raises(ValueError, match=message):
        folder.source(**arguments)


@pytest.mark.parametrize(('text', 'message'), [
    ('{', 'is not valid json'),
    ('[]', 'must hold the lists images, annotations, categories; found list'),
    ('{"images": [], "annotations": {}}', r"found \['annotations', 'images'\]"),
    ('{"images": [], "annotations": [], "categories": [{"id": 1}]}', 'categories without id or name'),
])
def test_file_that_is_not_coco(folder, text, message):
    (folder.root / 'bad.json').write_text(text)
    with pytest.raises(ValueError, match=f'bad.json.*{message}'):
        CocoOutliers(str(folder.root / 'bad.json'), str(folder.root), exclude_categories=[])


def test_missing_file_and_folder_name_the_layout(folder):
    folder.write()
    with pytest.raises(FileNotFoundError, match=r'ann_file=.*none\.json.*instances_train2017\.json'):
        CocoOutliers(str(folder.root / 'none.json'), str(folder.root))
    with pytest.raises(FileNotFoundError, match=r'img_dir=.*nowhere.*the images that .*instances\.json'):
        CocoOutliers(str(folder.root / 'instances.json'), str(folder.root / 'nowhere'))


def test_builds_from_the_registry_and_survives_pickling(folder):
    folder.add_image(1)
    folder.annotations = [box(1, 24, 0, 0, 5, 5)]
    folder.write()
    source = DATASETS.build({'type': 'CocoOutliers', 'ann_file': str(folder.root / 'instances.json'),
                             'img_dir': str(folder.root), 'exclude_categories': EXCLUDED, 'min_size': 0})
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(source))[0].image, source[0].image)
