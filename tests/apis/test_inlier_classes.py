"""Names and colours of classes: who is asked first, and what if nobody knows."""
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmseg_ood.apis.inlier_classes import find_inlier_classes

init_default_scope('mmseg')
RED_BLUE = [[255, 0, 0], [0, 0, 255]]


def network(**meta):
    segmentor = torch.nn.Identity()
    segmentor.dataset_meta = meta or None
    return segmentor


def with_test_set(**dataset):
    return Config(dict(test_dataloader=dict(dataset=dataset)))


CAMVID = with_test_set(type='CamVidDataset')
OWN = with_test_set(type='CamVidDataset', metainfo=dict(classes=('a', 'b'), palette=RED_BLUE))


@pytest.mark.parametrize(('segmentor', 'cfg', 'number', 'names'), [
    (network(classes=('x', 'y'), palette=RED_BLUE), OWN, 2, ['x', 'y']),
    (network(classes=('x', 'y', 'void'), palette=[*RED_BLUE, [0, 0, 0]]), OWN, 2, ['a', 'b']),
    (network(), OWN, 2, ['a', 'b']),
    (network(), CAMVID, 11, ['sky', 'building']),
    (network(), CAMVID, 19, ['road', 'sidewalk']),
    (network(), CAMVID, 3, ['class 0', 'class 1']),
    (network(), Config(dict(test_dataloader=None)), 19, ['road', 'sidewalk']),
])
def test_names(segmentor, cfg, number, names):
    found = find_inlier_classes(segmentor, cfg, number)
    assert len(found.names) == len(found.palette) == number
    assert found.names[:2] == names


def test_palette_belongs_to_the_names():
    assert find_inlier_classes(network(classes=('x', 'y'), palette=RED_BLUE), CAMVID, 2).palette == RED_BLUE
    invented = find_inlier_classes(network(classes=('x', 'y')), OWN, 2)
    assert invented.names == ['x', 'y']
    assert invented.palette[0] != invented.palette[1]
    assert invented == find_inlier_classes(network(classes=('x', 'y')), OWN, 2)
