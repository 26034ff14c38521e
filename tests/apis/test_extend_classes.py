"""extend_classes(): the old outputs stay as they were, the new ones are untrained."""
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from mmseg_ood.apis.extend_classes import extend_classes


def extended_network(world, path):
    init_default_scope('mmseg')
    model = Config.fromfile(world.config).model
    model.decode_head.update(num_classes=4, loss_decode=dict(type='CrossEntropyLoss'))
    network = MODELS.build(model)
    network.load_state_dict(torch.load(path, weights_only=True)['state_dict'])
    return network.eval()


def test_old_outputs_stay(world, tmp_path):
    report = extend_classes(world.checkpoint, tmp_path / 'new' / 'four.pth', 4)
    assert report['added'] == ['decode_head.conv_seg.weight[3:]', 'decode_head.conv_seg.bias[3:]']
    image = next((world.benchmark / 'images').iterdir())
    before = world.logits(world.segmentor(), image)
    after = world.logits(extended_network(world, tmp_path / 'new' / 'four.pth'), image)
    assert after.shape[0] == 4
    torch.testing.assert_close(after[:3], before)


def test_new_outputs_follow_from_the_seed(world, tmp_path):
    weights = []
    for name, seed in (('a', 0), ('b', 0), ('c', 1)):
        extend_classes(world.checkpoint, tmp_path / name, 500, seed)
        state = torch.load(tmp_path / name, weights_only=True)['state_dict']
        weights.append(state['decode_head.conv_seg.weight'][3:])
        assert not state['decode_head.conv_seg.bias'][3:].any()
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert weights[0].std().item() == pytest.approx(0.01, rel=0.1)


def test_refusals(world, tmp_path, malicious):
    with pytest.raises(ValueError, match='has 3 outputs, expected less than 3'):
        extend_classes(world.checkpoint, tmp_path / 'x.pth', 3)
    with pytest.raises(ValueError, match='is the file to convert'):
        extend_classes(world.checkpoint, world.checkpoint, 4, force=True)
    torch.save(dict(state_dict={'backbone.weight': torch.zeros(1)}), tmp_path / 'headless.pth')
    with pytest.raises(ValueError, match='has no decode_head.conv_seg.weight, found backbone.weight'):
        extend_classes(tmp_path / 'headless.pth', tmp_path / 'x.pth', 4)
    with pytest.raises(ValueError, match='was refused'):
        extend_classes(malicious[0], tmp_path / 'x.pth', 4)
    assert not malicious[1].exists()
    assert not (tmp_path / 'x.pth').exists()
    extend_classes(world.checkpoint, tmp_path / 'x.pth', 4)
    with pytest.raises(FileExistsError, match='replace it with --force'):
        extend_classes(world.checkpoint, tmp_path / 'x.pth', 4)
    extend_classes(world.checkpoint, tmp_path / 'x.pth', 4, force=True)
