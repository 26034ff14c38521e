"""Image lists of SC-OOD."""
import pytest
from mmengine.registry import DATASETS

from mmseg_ood.classification.datasets import ImageListDataset


@pytest.fixture
def write_list(tmp_path, write_image):
    """Write a list and the images it names, with red values 0, 10, 20, ..."""
    def write_list(*lines, name='test_tin.txt', images=('tin/a.png', 'tin/b c.png', 'cifar/d.png')):
        for index, image in enumerate(images):
            write_image(f'images/{image}', (10 * index, 0, 0))
        path = tmp_path / 'imglist/benchmark_cifar10' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('\n'.join(lines))
        return {'data_root': str(tmp_path), 'list_file': f'imglist/benchmark_cifar10/{name}', 'image_size': 4}
    return write_list


def test_labels_and_order(write_list, tmp_path):
    config = write_list('cifar/d.png 3', '', 'tin/b c.png -1', 'tin/a.png -5 ', '')
    dataset = DATASETS.build({'type': 'ImageListDataset', **config})
    assert dataset.images[:, 0, 0, 0].tolist() == [20, 10, 0]
    assert dataset.labels.tolist() == [3, -1, -1]
    assert dataset.names[1] == str(tmp_path / 'images/tin/b c.png')
    assert (dataset.split, dataset.classes, dataset.num_classes) == ('test', None, 4)


def test_dicts_of_the_published_lists(write_list):
    config = write_list("tin/a.png {'label': 7, 'sc_label': -1}", "tin/b c.png {'label': 2, 'sc_label': 5}")
    assert ImageListDataset(**config).labels.tolist() == [-1, 5]


@pytest.mark.parametrize(('name', 'given', 'split'), [('train_cifar10.txt', None, 'train'), ('all.txt', None, None),
                                                      ('val_tin.txt', None, 'test'), ('test_a.txt', 'train', 'train')])
def test_split(write_list, name, given, split):
    assert ImageListDataset(**write_list('tin/a.png 0', name=name), split=given).split == split


@pytest.mark.parametrize('line', ['tin/a.png', 'tin/a.png cat', 'tin/a.png 1.5', "tin/a.png {'label': 3}",
                                  "tin/a.png {'sc_label': None}", 'tin/a.png,3', '3', 'tin/a.png True',
                                  'tin/a.png __import__("os")'])
def test_unreadable_line_is_named(write_list, line):
    with pytest.raises(ValueError, match=r"test_tin\.txt, line 2 is .*expected a line 'PATH LABEL'"):
        ImageListDataset(**write_list('tin/a.png 0', line))


def test_missing_images_are_counted(write_list):
    config = write_list('tin/a.png 0', *(f'tin/x{index}.png 0' for index in range(7)))
    with pytest.raises(FileNotFoundError, match=r'7 of the 8 images in .*test_tin\.txt do not exist: .*'
                                                r'images/tin/x0\.png, .*x4\.png and 2 more'):
        ImageListDataset(**config)


def test_missing_or_empty_list(write_list):
    config = write_list('', ' ')
    with pytest.raises(ValueError, match=r'test_tin\.txt has no lines'):
        ImageListDataset(**config)
    with pytest.raises(FileNotFoundError, match=r'no list .*imglist/none\.txt'):
        ImageListDataset(config['data_root'], 'imglist/none.txt')


def test_damaged_images_are_named(write_list, tmp_path):
    config = write_list('tin/a.png 0', 'cifar/d.png 1')
    (tmp_path / 'images/cifar/d.png').write_bytes(b'no image')
    with pytest.raises(ValueError, match=r'1 of 2 images cannot be read[\s\S]*cifar/d\.png'):
        ImageListDataset(**config)
