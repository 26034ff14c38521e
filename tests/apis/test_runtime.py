"""Configs and checkpoints: what loads, and what is refused by name."""
import pytest
import torch
from mmengine.config import Config

from mmseg_ood.apis.runtime import build_segmentor, load_config


@pytest.fixture
def state(world):
    return torch.load(world.checkpoint)['state_dict']


@pytest.fixture
def load(world, tmp_path):
    """Saves ``content`` as a checkpoint and loads it into the network."""
    def save_and_load(content):
        torch.save(content, tmp_path / 'other.pth')
        return build_segmentor(load_config(world.config), tmp_path / 'other.pth', 'cpu')
    return save_and_load


def equal(segmentor, state):
    loaded = segmentor.state_dict()
    return loaded.keys() == state.keys() and all(torch.equal(loaded[key], value) for key, value in state.items())


@pytest.mark.parametrize('wrap', [
    lambda state: state,
    lambda state: dict(state_dict=state),
    lambda state: dict(state_dict={f'module.{key}': value for key, value in state.items()}, meta=None),
    lambda state: {f'module.{key}': value for key, value in state.items()},
], ids=['bare', 'wrapped', 'parallel', 'bare parallel'])
def test_state_dicts_of_all_kinds(load, state, wrap):
    segmentor = load(wrap(state))
    assert equal(segmentor, state)
    assert not segmentor.training
    assert segmentor.dataset_meta is None


def test_classes_come_with_the_checkpoint(world):
    segmentor = build_segmentor(load_config(world.config), world.checkpoint)
    assert segmentor.dataset_meta['classes'] == ('road', 'car', 'sky')


def test_priors_need_not_exist_for_inference(world):
    cfg = load_config(world.config)
    cfg.model.decode_head.loss_decode[1].prior = 'not/yet/estimated.json'
    cfg.model.pretrained = 'not/here.pth'
    build_segmentor(cfg, world.checkpoint)
    assert cfg.model.pretrained == 'not/here.pth'


def test_missing_keys_are_named(load, state):
    del state['decode_head.conv_seg.bias']
    with pytest.raises(ValueError, match=r'other.pth does not fit .*: 1 missing \(decode_head.conv_seg.bias\)$'):
        load(state)


def test_unexpected_keys_are_named(load, state):
    with pytest.raises(ValueError, match=r': 5 not part of the network \(a.0, a.1, a.2, ...\)$'):
        load({**state, **{f'a.{index}': torch.zeros(1) for index in range(5)}})


def test_misshapen_keys_are_named(load, state):
    state['decode_head.conv_seg.bias'] = torch.zeros(19)
    with pytest.raises(ValueError, match=r'of another shape \(decode_head.conv_seg.bias \(19,\) instead of \(3,\)\)$'):
        load(state)


def test_another_network_names_all_three_kinds(load, state):
    with pytest.raises(ValueError, match=r'\d+ missing .*; 1 not part of the network \(model\)'):
        load(dict(model=state))


def test_malicious_checkpoints_are_refused_and_not_executed(world, malicious):
    checkpoint, executed = malicious
    with pytest.raises(ValueError, match='malicious.pth was refused'):
        build_segmentor(load_config(world.config), checkpoint)
    assert not executed.exists()


def test_missing_files(world):
    with pytest.raises(FileNotFoundError, match='config no.py does not exist'):
        load_config('no.py')
    with pytest.raises(FileNotFoundError, match='checkpoint no.pth does not exist'):
        build_segmentor(load_config(world.config), 'no.pth')


def test_denormal_weights_are_counted(load, state, capsys):
    torch.set_flush_denormal(False)  # other tests set it, and then 1e-40 is 0
    state['decode_head.conv_seg.weight'].view(-1)[:5] = 1e-40
    load(state)
    assert '5 of' in capsys.readouterr().out


def test_overrides_leave_a_config_object_alone(world):
    config = Config.fromfile(world.config)
    assert load_config(config, {'train_cfg.max_iters': 7}).train_cfg.max_iters == 7
    assert config.train_cfg.max_iters == 2


def test_custom_imports_among_the_overrides(world):
    load_config(world.config, dict(custom_imports=dict(imports=['mmseg_ood.segmentation'])))
    with pytest.raises(ImportError):
        load_config(world.config, dict(custom_imports=dict(imports=['no_such_module'], allow_failed_imports=False)))


@pytest.mark.parametrize(('content', 'expected'), [
    (dict(model=dict(type='AnomalyEncoderDecoder', num_inlier_classes=19)), 19),
    (dict(model=dict(type='AnomalyEncoderDecoder', num_inlier_classes=19), num_inlier_classes=3), 3),
    (dict(model=dict(type='EncoderDecoder')), None), (dict(), None),
])
def test_number_of_inlier_classes_is_that_of_the_segmentor_unless_the_config_says_so(content, expected):
    assert load_config(Config(content)).get('num_inlier_classes') == expected
