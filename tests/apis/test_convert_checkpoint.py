"""convert_checkpoint(): released files, drawn and run here without any of the project's modules."""
import functools
import hashlib
import importlib
import json
import math
import re
import runpy
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.datasets import CityscapesDataset
from mmseg.registry import MODELS

from mmseg_ood.apis.convert_checkpoint import convert_checkpoint, released_name
from mmseg_ood.apis.runtime import build_segmentor, count_denormals, load_config

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / 'configs/_base_/models/deeplabv3plus_wrn38.py'
TOOL = ROOT / 'tools/convert_checkpoint.py'
WIDTH = 1 / 16
NARROW = {'model.backbone.width': WIDTH, 'model.decode_head.in_channels': (8, 256), 'model.decode_head.channels': 16,
          'model.decode_head.low_level_channels': 3}

HELP_WITHOUT_THE_STACK = f'''
import runpy, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {{'torch', 'mmseg', 'mmengine', 'mmcv', 'numpy'}}:
            raise ImportError(name + ' is blocked')

sys.meta_path.insert(0, Blocker())
sys.argv = ['convert_checkpoint.py', '--help']
runpy.run_path({str(TOOL)!r}, run_name='__main__')
'''

# The released network: module, output channels of the convolutions of each of its blocks.
BLOCKS = ([(2, (128, 128))] * 3 + [(3, (256, 256))] * 3 + [(4, (512, 512))] * 6 + [(5, (512, 1024))] * 3
          + [(6, (512, 1024, 2048)), (7, (1024, 2048, 4096))])


def numbered_blocks():
    """Module, number of the block in it, channels before it, channels of its convolutions."""
    before, number = 64, 0
    for position, (module, channels) in enumerate(BLOCKS):
        number = number + 1 if position and BLOCKS[position - 1][0] == module else 1
        yield module, number, before, channels
        before = channels[-1]


def released_shapes(num_outputs, width=1.0):
    """Shapes of everything in a released file, by name."""
    shapes = {'mod1.conv1.weight': (64, 3, 3, 3)}

    def add_norm(name, channels):
        shapes.update({f'{name}.{what}': (channels,) for what in ('weight', 'bias', 'running_mean', 'running_var')})
        shapes[f'{name}.num_batches_tracked'] = ()

    for module, number, before, channels in numbered_blocks():
        name = f'mod{module}.block{number}'
        kernel_sizes = (1, 3, 1) if len(channels) == 3 else (3, 3)
        inputs = (before, *channels[:-1])
        if before != channels[-1]:
            shapes[f'{name}.proj_conv.weight'] = (channels[-1], before, 1, 1)
        for index, kernel_size in enumerate(kernel_sizes, start=1):
            add_norm(f'{name}.bn1.0' if index == 1 else f'{name}.convs.bn{index}.0', inputs[index - 1])
            shapes[f'{name}.convs.conv{index}.weight'] = (channels[index - 1], inputs[index - 1],
                                                          kernel_size, kernel_size)
    for branch, kernel_size in enumerate((1, 3, 3, 3)):
        shapes[f'aspp.features.{branch}.0.weight'] = (256, 4096, kernel_size, kernel_size)
        add_norm(f'aspp.features.{branch}.1', 256)
    shapes['aspp.img_conv.0.weight'] = (256, 4096, 1, 1)
    add_norm('aspp.img_conv.1', 256)
    shapes['bot_fine.weight'] = (48, 128, 1, 1)
    shapes['bot_aspp.weight'] = (256, 1280, 1, 1)
    for position, channels in ((0, 304), (3, 256)):
        shapes[f'final.{position}.weight'] = (256, channels, 3, 3)
        add_norm(f'final.{position + 1}', 256)
    shapes['final.6.weight'] = (0, 256, 1, 1)
    narrowed = {name: tuple(size if size <= 3 else int(size * width) for size in shape)
                for name, shape in shapes.items()}
    return {**narrowed, 'final.6.weight': (num_outputs, *narrowed['final.6.weight'][1:])}


def released_weights(num_outputs, seed=0):
    """Random weights of a narrow network, with statistics as after a training."""
    generator, weights = torch.Generator().manual_seed(seed), {}
    for name, shape in released_shapes(num_outputs, WIDTH).items():
        if name.endswith('num_batches_tracked'):
            weights[name] = torch.tensor(1234)
        elif name.endswith('running_var') or (name.endswith('weight') and len(shape) == 1):
            weights[name] = torch.empty(shape).uniform_(0.5, 1.5, generator=generator)
        elif len(shape) == 1:
            weights[name] = torch.empty(shape).normal_(std=0.2, generator=generator)
        else:
            gain = math.sqrt(1 / math.prod(shape[1:]))
            weights[name] = torch.empty(shape).normal_(std=gain, generator=generator)
    return weights


def run_released(weights, x):
    """Logits ``(N, outputs, H / 2, W / 2)`` of the released network, one function call after the other."""
    def norm_relu(x, name):
        return F.relu(F.batch_norm(x, weights[f'{name}.running_mean'], weights[f'{name}.running_var'],
                                   weights[f'{name}.weight'], weights[f'{name}.bias']))

    def conv(x, name, stride=1, dilation=1):
        weight = weights[f'{name}.weight']
        reach = 0 if weight.shape[-1] == 1 else dilation
        return F.conv2d(x, weight, None, stride, reach, dilation if reach else 1)

    def enlarged(x, size):
        return F.interpolate(x, size, mode='bilinear', align_corners=True)

    x = conv(x, 'mod1.conv1')
    for module, number, _, channels in numbered_blocks():
        name = f'mod{module}.block{number}'
        if module in (2, 3) and number == 1:
            x = F.max_pool2d(x, 3, 2, 1)
        stride = 2 if (module, number) == (4, 1) else 1
        dilation = {5: 2, 6: 4, 7: 4}.get(module, 1)
        activated = norm_relu(x, f'{name}.bn1.0')
        shortcut = conv(activated, f'{name}.proj_conv', stride) if f'{name}.proj_conv.weight' in weights else x
        x = conv(activated, f'{name}.convs.conv1', stride, dilation)
        x = conv(norm_relu(x, f'{name}.convs.bn2.0'), f'{name}.convs.conv2', 1, dilation)
        if len(channels) == 3:
            x = conv(norm_relu(x, f'{name}.convs.bn3.0'), f'{name}.convs.conv3')
        x = x + shortcut
        if (module, number) == (2, 3):
            fine = conv(x, 'bot_fine')
    mean = conv(x.mean(dim=(2, 3), keepdim=True), 'aspp.img_conv.0')
    branches = [enlarged(norm_relu(mean, 'aspp.img_conv.1'), x.shape[2:])]
    for branch, dilation in enumerate((1, 12, 24, 36)):
        branches.append(norm_relu(conv(x, f'aspp.features.{branch}.0', dilation=dilation), f'aspp.features.{branch}.1'))
    context = enlarged(conv(torch.cat(branches, 1), 'bot_aspp'), fine.shape[2:])
    x = norm_relu(conv(torch.cat([fine, context], 1), 'final.0'), 'final.1')
    return conv(norm_relu(conv(x, 'final.3'), 'final.4'), 'final.6')


# What is written by whom: prefix of the names, what the file wraps around them, source.
FILES = {
    'nvidia': ('module.', 'state_dict', 'nvidia'),
    'nvidia, plain': ('', None, 'nvidia'),
    'pebal': ('module.branch1.', 'model_state', 'pebal'),
    'balanced energy': ('branch1.', None, 'balanced-energy'),
    'balanced energy, wrapped': ('module.branch1.', 'model', 'balanced-energy'),
}
OUTPUTS = {'nvidia': 19, 'pebal': 20, 'balanced-energy': 20}


def write(path, weights, prefix='module.', wrapper='state_dict', beside=(), among=()):
    """A released file with these weights, and more of them or entries beside the state dict."""
    state = OrderedDict({**{prefix + name: weight for name, weight in weights.items()}, **dict(among)})
    torch.save({wrapper: state, **dict(beside)} if wrapper else state, path)
    return path


def segmentor_of(path, num_outputs):
    options = {**NARROW, 'model.decode_head.out_channels': num_outputs}
    return build_segmentor(load_config(CONFIG, options), path, device='cpu')


def run(segmentor, x):
    with torch.no_grad():
        return segmentor.decode_head(segmentor.backbone(x))


@pytest.fixture
def convert(tmp_path):
    def run(src, source='nvidia', name='converted.pth', **kwargs):
        return convert_checkpoint(src, tmp_path / name, source, width=WIDTH, **kwargs), tmp_path / name
    return run


@pytest.fixture(scope='module')
def nvidia(tmp_path_factory):
    """Weights, and the file that holds them."""
    weights = released_weights(19)
    return weights, write(tmp_path_factory.mktemp('nvidia') / 'cityscapes_best.pth', weights)


def test_names_and_shapes_of_the_full_network():
    init_default_scope('mmseg')
    with torch.device('meta'):
        network = MODELS.build(Config.fromfile(CONFIG).model)
    ours = {released_name(name): tuple(value.shape) for name, value in network.state_dict().items()}
    assert len(ours) == 268
    assert ours == released_shapes(20)


@pytest.mark.parametrize('layout', FILES)
def test_converted_network_equals_the_released_one(layout, convert, tmp_path):
    prefix, wrapper, source = FILES[layout]
    weights = released_weights(OUTPUTS[source])
    report, path = convert(write(tmp_path / 'released.pth', weights, prefix, wrapper), source)
    x = torch.randn(2, 3, 75, 101, generator=torch.Generator().manual_seed(1))
    expected = run_released(weights, x)
    assert expected.std() > 0.1
    segmentor = segmentor_of(path, OUTPUTS[source])
    torch.testing.assert_close(run(segmentor, x), expected, rtol=1e-5, atol=1e-5)
    assert segmentor.dataset_meta['classes'] == CityscapesDataset.METAINFO['classes']
    assert report['used'].keys() == {prefix + name for name in weights}


@pytest.mark.parametrize('size', [(64, 64), (301, 330), (33, 47), (9, 8)])
def test_of_any_size(size, nvidia, convert):
    """Larger than 288, the widest dilation reaches beyond its centre."""
    weights, src = nvidia
    x = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(2))
    expected = run_released(weights, x)
    assert expected.shape[2:] == (-(-size[0] // 2), -(-size[1] // 2))
    torch.testing.assert_close(run(segmentor_of(convert(src)[1], 19), x), expected, rtol=1e-5, atol=1e-5)


def test_extension_keeps_the_19_outputs(nvidia, convert):
    weights, src = nvidia
    torch.manual_seed(5)
    state = torch.get_rng_state()
    report, path = convert(src, extend_classes=20)
    assert torch.equal(torch.get_rng_state(), state)
    assert report['added'] == ['decode_head.conv_seg.weight[19:]']
    segmentor = segmentor_of(path, 20)
    classifier = segmentor.decode_head.conv_seg.weight.detach()
    assert torch.equal(classifier[:19], weights['final.6.weight'])
    assert classifier[19].std().item() == pytest.approx(0.01, rel=0.5)
    x = torch.randn(1, 3, 40, 40)
    torch.testing.assert_close(run(segmentor, x)[:, :19], run_released(weights, x), rtol=1e-5, atol=1e-5)
    again = segmentor_of(convert(src, name='again.pth', extend_classes=20)[1], 20)
    assert torch.equal(again.decode_head.conv_seg.weight, classifier)
    other = segmentor_of(convert(src, name='other.pth', extend_classes=20, seed=1)[1], 20)
    assert not torch.equal(other.decode_head.conv_seg.weight[19], classifier[19])


@pytest.mark.parametrize(('source', 'number'), [('pebal', 20), ('balanced-energy', 21), ('nvidia', 19), ('nvidia', 21)])
def test_impossible_extensions(source, number, nvidia, convert):
    with pytest.raises(ValueError, match=f'found extend_classes={number} for {source}, which has {OUTPUTS[source]}'):
        convert(nvidia[1], source, extend_classes=number)


def test_report_and_meta(nvidia, convert, tmp_path):
    weights, src = nvidia
    report, path = convert(src)
    assert json.loads((tmp_path / 'converted.conversion.json').read_text()) == report
    digest = hashlib.sha256(src.read_bytes()).hexdigest()
    assert (report['source'], report['file'], report['sha256']) == ('nvidia', 'cityscapes_best.pth', digest)
    assert report['converted'] == {'file': 'converted.pth', 'sha256': hashlib.sha256(path.read_bytes()).hexdigest()}
    assert report['used']['module.mod5.block2.convs.bn2.0.bias'] == 'backbone.module5.block2.norm2.bias'
    assert report['used']['module.final.6.weight'] == 'decode_head.conv_seg.weight'
    assert len(report['used']) == len(set(report['used'].values())) == 268
    assert (report['ignored'], report['added'], report['num_denormal']) == ([], [], 0)
    assert report['num_weights'] == sum(
        weight.numel() for name, weight in weights.items() if not re.search('running|tracked', name))
    meta = torch.load(path, weights_only=True)['meta']
    assert meta['dataset_meta']['palette'] == CityscapesDataset.METAINFO['palette']
    assert meta['conversion']['sha256'] == digest
    assert meta['conversion']['provenance'] == report['provenance']
    assert {'command', 'mmseg_ood'} <= report['provenance'].keys()
    assert sorted(file.name for file in tmp_path.iterdir()) == ['converted.conversion.json', 'converted.pth']


def test_files_without_counters_of_batches(nvidia, convert, tmp_path):
    weights = {name: weight for name, weight in nvidia[0].items() if not name.endswith('num_batches_tracked')}
    report, path = convert(write(tmp_path / 'old.pth', weights))
    assert len(report['used']) == 225
    assert len(report['added']) == 43
    assert all(name.endswith('.num_batches_tracked') for name in report['added'])
    x = torch.randn(1, 3, 40, 40)
    torch.testing.assert_close(run(segmentor_of(path, 19), x), run_released(weights, x), rtol=1e-5, atol=1e-5)


def test_what_is_no_weight_is_ignored_by_name(nvidia, convert, tmp_path):
    among = {'module.criterion.nll_loss.weight': torch.ones(19), 'module.version': 3}
    beside = dict(optimizer=dict(state={}), epoch=12, mean_iu=0.8)
    src = write(tmp_path / 'training.pth', nvidia[0], beside=beside, among=among)
    report, _ = convert(src)
    assert report['ignored'] == ['epoch', 'mean_iu', 'module.criterion.nll_loss.weight', 'module.version', 'optimizer']
    assert len(report['used']) == 268
    assert not any('criterion' in name for name in torch.load(tmp_path / 'converted.pth')['state_dict'])


def test_missing_unknown_and_misshapen_weights_are_listed(nvidia, convert, tmp_path):
    weights = dict(nvidia[0])
    del weights['mod1.conv1.weight'], weights['final.4.running_var']
    weights.update({'mod8.block1.convs.conv1.weight': torch.zeros(1), 'bot_fine.weight': torch.zeros(3, 9, 1, 1)})
    src = write(tmp_path / 'other.pth', weights, among={'branch2.final.6.weight': torch.zeros(1)})
    with pytest.raises(ValueError, match='does not fit') as error:
        convert(src)
    assert str(error.value) == (
        f'checkpoint {src} does not fit the network; '
        f'2 missing: module.final.4.running_var, module.mod1.conv1.weight; '
        f'2 unknown: branch2.final.6.weight, module.mod8.block1.convs.conv1.weight; '
        f'1 of another shape: module.bot_fine.weight (3, 9, 1, 1) instead of (3, 8, 1, 1)')
    assert not list(tmp_path.glob('converted*'))


def test_a_weight_that_is_no_tensor_is_missing(nvidia, convert, tmp_path):
    src = write(tmp_path / 'list.pth', dict(nvidia[0], **{'bot_fine.weight': [1.0]}))
    with pytest.raises(ValueError, match='1 missing: module.bot_fine.weight$'):
        convert(src)


def test_number_of_outputs_belongs_to_the_source(nvidia, convert, tmp_path):
    src = write(tmp_path / 'other.pth', nvidia[0], 'module.branch1.')
    with pytest.raises(ValueError, match=r'final.6.weight \(19, 16, 1, 1\) instead of \(20, 16, 1, 1\)'):
        convert(src, 'pebal')


def test_another_width_is_another_shape(nvidia, tmp_path):
    with pytest.raises(ValueError, match=r'2\d\d of another shape: .* and 2\d\d more') as error:
        convert_checkpoint(nvidia[1], tmp_path / 'converted.pth', 'nvidia')
    assert len(str(error.value)) < 3000


@pytest.mark.parametrize(('prefix', 'source', 'looks_like'), [
    ('module.', 'pebal', 'nvidia'), ('', 'balanced-energy', 'nvidia'),
    ('branch1.', 'nvidia', 'pebal or balanced-energy'), ('module.branch1.', 'nvidia', 'pebal or balanced-energy'),
])
def test_wrong_source(prefix, source, looks_like, nvidia, convert, tmp_path):
    src = write(tmp_path / 'other.pth', nvidia[0], prefix)
    with pytest.raises(ValueError, match=f'looks like source {looks_like}, not {source}: its names begin with '
                                         f"'{prefix}mod1.conv1.weight'"):
        convert(src, source)


def test_unknown_source(nvidia, convert):
    with pytest.raises(ValueError, match="source must be one of nvidia, pebal, balanced-energy, found 'paper'"):
        convert(nvidia[1], 'paper')


def test_another_network(nvidia, convert, tmp_path):
    src = write(tmp_path / 'resnet.pth', {'layer1.weight': torch.zeros(1)}, 'backbone.')
    with pytest.raises(ValueError, match='such as module.mod1.conv1.weight, found backbone.layer1.weight'):
        convert(src)
    _, converted = convert(nvidia[1])
    with pytest.raises(ValueError, match='holds no weights of a released WideResNet38'):
        convert(converted, name='twice.pth')


def test_several_state_dicts(nvidia, convert, tmp_path):
    src = write(tmp_path / 'two.pth', nvidia[0], beside=dict(model={}))
    with pytest.raises(ValueError, match=r'several state dicts \(state_dict, model\)'):
        convert(src)


def test_denormal_weights_are_counted_and_kept(nvidia, convert, tmp_path):
    torch.set_flush_denormal(True)  # as the commands leave it: denormal numbers are written as bits
    weights = {name: weight.clone() for name, weight in nvidia[0].items()}
    weights['mod2.block1.convs.conv1.weight'].view(torch.int32).view(-1)[:3] = torch.tensor([7, -2**31 + 7, 0])
    weights['final.6.weight'].view(torch.int32)[0] = 2**23 - 1
    weights['final.4.running_var'].view(torch.int32)[:] = 7  # no parameter
    report, path = convert(write(tmp_path / 'denormal.pth', weights))
    assert report['num_denormal'] == 2 + 16
    state = torch.load(path, weights_only=True)['state_dict']
    for name, weight in weights.items():
        if weight.dtype == torch.float32:
            assert torch.equal(state[report['used'][f'module.{name}']].view(torch.int32), weight.view(torch.int32))


def test_denormal_numbers():
    bits = torch.tensor([0, 1, 2**23 - 1, 2**23, -2**31, -2**31 + 1, 0x7F800000, 0x7FC00000], dtype=torch.int32)
    assert count_denormals([bits.view(torch.float32).view(2, 4).t(), torch.tensor(1.0)]) == 3
    assert count_denormals([torch.tensor([5e-324], dtype=torch.float64), torch.tensor([1])]) == 0


def test_malicious_checkpoint_is_refused_and_not_executed(malicious, convert, tmp_path):
    src, executed = malicious
    with pytest.raises(ValueError, match='malicious.pth was refused'):
        convert(src)
    assert not executed.exists()
    assert not list(tmp_path.glob('converted*'))


def test_nothing_is_overwritten(nvidia, convert, tmp_path):
    _, path = convert(nvidia[1])
    path.write_bytes(b'precious')
    with pytest.raises(FileExistsError, match='converted.pth exists; .* --force'):
        convert(nvidia[1])
    assert path.read_bytes() == b'precious'
    assert convert(nvidia[1], force=True)[0]['converted']['sha256'] == hashlib.sha256(path.read_bytes()).hexdigest()
    path.unlink()
    with pytest.raises(FileExistsError, match='converted.conversion.json exists'):
        convert(nvidia[1])


@pytest.mark.parametrize('force', [False, True])
def test_the_source_is_not_overwritten(nvidia, tmp_path, force):
    (tmp_path / 'a').mkdir()
    src = write(tmp_path / 'released.pth', nvidia[0])
    with pytest.raises(ValueError, match='is the file to convert'):
        convert_checkpoint(src, tmp_path / 'a/../released.pth', 'nvidia', width=WIDTH, force=force)


def test_folders_are_created_and_failures_leave_nothing(nvidia, convert, tmp_path, monkeypatch):
    _, path = convert(nvidia[1], name='new/folder/converted.pth')
    assert path.is_file()

    def full_disk(content, path):
        path.write_bytes(b'half')
        raise OSError('no space left')
    monkeypatch.setattr(torch, 'save', full_disk)
    with pytest.raises(OSError, match='no space left'):
        convert(nvidia[1], name='other/converted.pth')
    assert not list((tmp_path / 'other').iterdir())


def test_missing_file(convert):
    with pytest.raises(FileNotFoundError, match='checkpoint no.pth does not exist'):
        convert('no.pth')


def test_help_needs_none_of_the_stack():
    result = subprocess.run([sys.executable, '-c', HELP_WITHOUT_THE_STACK], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert '--extend-classes' in result.stdout


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs the tool in this process, for narrow networks: exit status, stdout, stderr."""
    def run(*arguments):
        monkeypatch.setattr(sys, 'argv', ['convert_checkpoint.py', *map(str, arguments)])
        monkeypatch.delenv('MMSEG_OOD_TRACEBACK', raising=False)
        monkeypatch.setattr(importlib.import_module('mmseg_ood.apis.convert_checkpoint'), 'convert_checkpoint',
                            functools.partial(convert_checkpoint, width=WIDTH))
        status = 0
        try:
            runpy.run_path(str(TOOL), run_name='__main__')
        except SystemExit as stop:
            status = stop.code
        return status, *capsys.readouterr()
    return run


def test_command(nvidia, command, tmp_path):
    path = tmp_path / 'converted.pth'
    status, output, error = command(nvidia[1], path, '--source', 'nvidia', '--extend-classes', 20)
    assert status == 0, error
    assert 'used: 268 entries' in output
    assert '0 of them denormal' in output
    assert 'ignored: none\nadded: decode_head.conv_seg.weight[19:]' in output
    assert f'written: {path}' in output
    segmentor_of(path, 20)
    status, output, error = command(nvidia[1], path, '--source', 'nvidia')
    assert (status, output) == (2, '')
    assert error.startswith(f'error: {path} exists')
    assert command(nvidia[1], path, '--source', 'nvidia', '--force')[0] == 0


def test_command_wants_a_source(nvidia, command, tmp_path):
    status, _, error = command(nvidia[1], tmp_path / 'converted.pth')
    assert status == 2
    assert '--source' in error
    status, _, error = command(nvidia[1], tmp_path / 'converted.pth', '--source', 'paper')
    assert status == 2
    assert "invalid choice: 'paper'" in error
