"""Weights of several origins, and files that do not fit or are not safe."""
import os

import pytest
import torch

from mmseg_ood.classification.models import ImageClassifier, classifier_state_dict, load_classifier


class Malicious:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def classifier(num_classes=10, **kwargs):
    return ImageClassifier(dict(type='CIFARResNet', depth=20), num_classes,
                           losses=dict(type='InlierCrossEntropyLoss'), **kwargs)


def bare_state(model, head='linear', prefix='module.', counters=False):
    """The weights of a model as those of a bare network."""
    return {prefix + name.removeprefix('backbone.').replace('fc.', f'{head}.'): value
            for name, value in model.state_dict().items() if counters or 'num_batches' not in name}


def assert_equal_weights(model, other):
    for name, value in other.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name


@pytest.fixture
def trained():
    """A classifier whose weights, norms and running statistics are nobody else's."""
    model = classifier()
    for value in model.state_dict().values():
        if value.is_floating_point():
            value.normal_(generator=torch.Generator().manual_seed(1))
    return model


@pytest.mark.parametrize('wrapper', [None, 'state_dict', 'model', 'net'])
@pytest.mark.parametrize('head', ['linear', 'fc'])
@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_bare_network(trained, tmp_path, wrapper, head, prefix):
    """``module.layer1.0.conv1.weight`` and ``module.linear.weight``, as in public weights of ResNet-20."""
    state = bare_state(trained, head, prefix)
    torch.save({wrapper: state, 'best_prec1': 91.7} if wrapper else state, tmp_path / 'bare.th')
    model = classifier()
    load_classifier(model, tmp_path / 'bare.th')
    assert_equal_weights(model, trained)


@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_own_checkpoint(trained, tmp_path, prefix):
    state = {prefix + name: value for name, value in trained.state_dict().items()}
    torch.save({'meta': {'epoch': 3}, 'state_dict': state}, tmp_path / 'epoch_3.pth')
    model = classifier()
    load_classifier(model, tmp_path / 'epoch_3.pth')
    assert_equal_weights(model, trained)


def test_names():
    names = ['module.conv1.weight', 'module.layer1.0.bn2.running_mean', 'module.linear.bias']
    assert list(classifier_state_dict({name: torch.zeros(1) for name in names})) == [
        'backbone.conv1.weight', 'backbone.layer1.0.bn2.running_mean', 'fc.bias']


def test_weights_that_would_become_one():
    with pytest.raises(ValueError, match=r'several weights would have one name: fc\.bias, linear\.bias'):
        classifier_state_dict({'fc.bias': torch.zeros(1), 'linear.bias': torch.zeros(1)})


def test_pretrained_survives_the_initialisation(trained, tmp_path):
    torch.save(bare_state(trained), tmp_path / 'bare.th')
    model = classifier(pretrained=tmp_path / 'bare.th')
    model.init_weights()
    assert_equal_weights(model, trained)
    torch.nn.init.zeros_(model.fc.weight)
    model.init_weights()
    assert not model.fc.weight.any()


def damaged(state, fault):
    if fault == 'missing':
        del state['linear.bias'], state['layer1.0.conv1.weight']
    elif fault == 'unexpected':
        state['layer4.0.conv1.weight'] = torch.zeros(1)
    else:
        state['linear.weight'] = torch.zeros(100, 64)
    return state


@pytest.mark.parametrize(('fault', 'message'), [
    ('missing', r'bare\.th does not fit the model: 2 missing: backbone\.layer1\.0\.conv1\.weight, fc\.bias$'),
    ('unexpected', r'bare\.th does not fit the model: 1 unexpected: backbone\.layer4\.0\.conv1\.weight$'),
    ('shape', r'does not fit .* 1 of another shape: fc\.weight \(100, 64\) instead of \(10, 64\)$'),
])
def test_weights_that_do_not_fit(trained, tmp_path, fault, message):
    torch.save(damaged(bare_state(trained, prefix=''), fault), tmp_path / 'bare.th')
    model = classifier(pretrained=tmp_path / 'bare.th')
    with pytest.raises(ValueError, match=message):
        model.init_weights()
    assert not torch.equal(model.fc.bias, trained.fc.bias)


def test_long_lists_are_cut(tmp_path):
    torch.save({'linear.bias': torch.zeros(10)}, tmp_path / 'bare.th')
    with pytest.raises(ValueError, match=r'96 missing: (backbone\S+, ){9}backbone\S+ and 86 more$'):
        load_classifier(classifier(), tmp_path / 'bare.th')


@pytest.mark.parametrize(('content', 'message'), [
    ({}, 'found an empty one'), ({'epoch': 3}, r'found epoch \(int\)'), ({'state_dict': {}}, 'found an empty one'),
])
def test_no_weights(tmp_path, content, message):
    torch.save(content, tmp_path / 'c.pth')
    with pytest.raises(ValueError, match=rf'c\.pth: expected a dict of tensors.*{message}'):
        load_classifier(classifier(), tmp_path / 'c.pth')


def test_malicious_file_is_refused(tmp_path):
    torch.save({'state_dict': {}, 'payload': Malicious(tmp_path / 'executed')}, tmp_path / 'c.pth')
    with pytest.raises(ValueError, match=r'c\.pth was refused.*It was not executed'):
        classifier(pretrained=str(tmp_path / 'c.pth')).init_weights()
    assert not (tmp_path / 'executed').exists()


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'nothing\.pth does not exist'):
        classifier(pretrained=tmp_path / 'nothing.pth').init_weights()
