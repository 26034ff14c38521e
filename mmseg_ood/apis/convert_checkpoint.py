"""Released checkpoints of the paper's network become checkpoints of ``configs/_base_/models/deeplabv3plus_wrn38.py``.

Three layouts are in use, all with the same names behind a prefix:

=================== ========================================= =======
source              prefix                                    outputs
=================== ========================================= =======
``nvidia``          ``module.`` or none                       19
``pebal``           ``module.branch1.`` or ``branch1.``       20
``balanced-energy`` ``module.branch1.`` or ``branch1.``       20
=================== ========================================= =======

The state dict may be the file itself or lie under ``state_dict``, ``model_state`` or ``model``. How each name
becomes one of ours is in :data:`RELEASED_NAMES`.
"""
from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmseg.datasets import CityscapesDataset
from torch import Tensor

from mmseg_ood import compat
from mmseg_ood.segmentation.backbones import WideResNet38
from mmseg_ood.segmentation.decode_heads import DeepLabV3PlusWideHead

from .extend_classes import check_destinations, extended_classifier
from .runtime import checkpoint_sha256, count_denormals, provenance, save_checkpoint


class Layout(NamedTuple):
    """How a source stores the network."""
    prefixes: tuple[str, ...]
    num_outputs: int


LAYOUTS = {
    'nvidia': Layout(('module.', ''), 19),
    'pebal': Layout(('module.branch1.', 'branch1.'), 20),
    'balanced-energy': Layout(('module.branch1.', 'branch1.'), 20),
}
"""What ``source`` may be."""

RELEASED_NAMES = (
    (r'backbone\.stem\.', 'mod1.conv1.'),
    (r'backbone\.module(\d)\.(block\d+)\.norm1\.', r'mod\1.\2.bn1.0.'),
    (r'backbone\.module(\d)\.(block\d+)\.norm(\d)\.', r'mod\1.\2.convs.bn\3.0.'),
    (r'backbone\.module(\d)\.(block\d+)\.conv(\d)\.', r'mod\1.\2.convs.conv\3.'),
    (r'backbone\.module(\d)\.(block\d+)\.projection\.', r'mod\1.\2.proj_conv.'),
    (r'decode_head\.aspp\.(\d)\.conv\.', r'aspp.features.\1.0.'),
    (r'decode_head\.aspp\.(\d)\.bn\.', r'aspp.features.\1.1.'),
    (r'decode_head\.image_pool\.conv\.', 'aspp.img_conv.0.'),
    (r'decode_head\.image_pool\.bn\.', 'aspp.img_conv.1.'),
    (r'decode_head\.low_level\.', 'bot_fine.'),
    (r'decode_head\.project\.', 'bot_aspp.'),
    (r'decode_head\.final\.0\.conv\.', 'final.0.'),
    (r'decode_head\.final\.0\.bn\.', 'final.1.'),
    (r'decode_head\.final\.1\.conv\.', 'final.3.'),
    (r'decode_head\.final\.1\.bn\.', 'final.4.'),
    (r'decode_head\.conv_seg\.', 'final.6.'),
)
"""Beginnings of our names, as patterns, and of the released ones; the first that fits counts."""

_WRAPPERS = ('state_dict', 'model_state', 'model')
_CLASSIFIER = 'decode_head.conv_seg.weight'
# Counters that files of old torch releases do not have; only norms without momentum read them.
_COUNTER = '.num_batches_tracked'
_NAMED_AT_MOST = 20


def convert_checkpoint(src: str | Path, dst: str | Path, source: str, extend_classes: int | None = None,
                       seed: int = 0, width: float = 1.0, force: bool = False) -> dict[str, Any]:
    """Convert a released checkpoint; beside it goes a report, ``NAME.conversion.json``.

    Weights are copied bit for bit and no code of the file is executed.

    Args:
        src: The released file.
        dst: Checkpoint to write, for a network with ``source``'s number of outputs or with ``extend_classes``.
        source: Key of :data:`LAYOUTS`.
        extend_classes: 20 adds the abstention output to a network of 19 classes, initialised as a classifier
            before training.
        seed: Seed of that output's weights.
        width: Width of the network, see :class:`mmseg_ood.segmentation.backbones.WideResNet38`; 1 is the released.
        force: Replace an earlier conversion.

    Returns:
        The report: ``used`` (released name to ours), ``ignored``, ``added``, ``num_weights``, ``num_denormal``,
        ``file`` and ``sha256`` of both files, ``source``, ``seed``, ``provenance``.

    Raises:
        FileNotFoundError: ``src`` does not exist.
        FileExistsError: ``dst`` or its report exists and ``force`` was not given.
        ValueError: The file is unsafe, of another source, or not of this network: lists missing and unknown keys
            and wrong shapes. Or ``source`` or ``extend_classes`` is not possible.
    """
    src, dst = Path(src), Path(dst)
    report_path = dst.with_suffix('.conversion.json')
    _check_arguments(source, extend_classes)
    check_destinations(src, (dst, report_path), force)
    released, ignored = _state_dict(compat.load_checkpoint(src), src)
    network = _network(width, LAYOUTS[source].num_outputs)
    expected = network.state_dict()
    prefix = _find_prefix(released, expected, source, src)
    used = {prefix + released_name(name): name for name in expected if prefix + released_name(name) in released}
    criteria = [key for key in released if re.match(r'(module\.)?(branch1\.)?criterion', key)]
    _check_fit(released, expected, used, criteria, prefix, src)
    state = {name: released[key].detach().to(expected[name].dtype) for key, name in used.items()}
    added = sorted(expected.keys() - state.keys())
    state.update({name: torch.zeros_like(expected[name], device='cpu') for name in added})
    if extend_classes is not None:
        state[_CLASSIFIER] = extended_classifier(state[_CLASSIFIER], extend_classes, seed)
        added.append(f'{_CLASSIFIER}[{LAYOUTS[source].num_outputs}:]')
    conversion = {'source': source, 'file': src.name, 'sha256': checkpoint_sha256(src), 'seed': seed,
                  'provenance': provenance()}
    save_checkpoint({'meta': {'dataset_meta': dict(CityscapesDataset.METAINFO), 'conversion': conversion},
           'state_dict': {name: state[name] for name in expected}}, dst)
    report = {
        **conversion, 'converted': {'file': dst.name, 'sha256': checkpoint_sha256(dst)}, 'used': used,
        'ignored': sorted([*ignored, *criteria]), 'added': added,
        'num_weights': sum(state[name].numel() for name, _ in network.named_parameters()),
        'num_denormal': count_denormals(state[name] for name, _ in network.named_parameters()),
    }
    report_path.write_text(json.dumps(report, indent=2), encoding='utf-8')
    return report


def released_name(name: str) -> str:
    """Name of a parameter or buffer of ours in the released files, without their prefix.

    Raises:
        KeyError: The network has no such name.

    Example:
        >>> released_name('backbone.module6.block1.norm3.running_mean')
        'mod6.block1.convs.bn3.0.running_mean'
        >>> released_name('decode_head.conv_seg.weight')
        'final.6.weight'
    """
    for ours, theirs in RELEASED_NAMES:
        renamed, found = re.subn(f'^{ours}', theirs, name)
        if found:
            return renamed
    raise KeyError(name)


def _check_arguments(source: str, extend_classes: int | None) -> None:
    if source not in LAYOUTS:
        raise ValueError(f'source must be one of {", ".join(LAYOUTS)}, found {source!r}')
    num_outputs = LAYOUTS[source].num_outputs
    if extend_classes is not None and (num_outputs != 19 or extend_classes != 20):
        raise ValueError(f'extend_classes adds the 20th output to a network of 19, found extend_classes='
                         f'{extend_classes} for {source}, which has {num_outputs}')


def _state_dict(content: dict, src: Path) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors of a file by name, and the names of everything else in it."""
    wrappers = [key for key in _WRAPPERS if isinstance(content.get(key), dict)]
    if len(wrappers) > 1:
        raise ValueError(f'checkpoint {src} holds several state dicts ({", ".join(wrappers)}), expected one')
    state = content[wrappers[0]] if wrappers else content
    ignored = [str(key) for key in content if key not in wrappers] if wrappers else []
    ignored += [str(key) for key, value in state.items() if not isinstance(value, Tensor)]
    return {str(key): value for key, value in state.items() if isinstance(value, Tensor)}, ignored


def _network(width: float, num_outputs: int) -> torch.nn.Module:
    """The network with our names and shapes, without memory behind them."""
    with torch.device('meta'):
        backbone = WideResNet38(width)
        head = DeepLabV3PlusWideHead(backbone.out_channels, round(256 * width), num_classes=num_outputs,
                                     low_level_channels=round(48 * width))
    return torch.nn.ModuleDict(dict(backbone=backbone, decode_head=head))


def _find_prefix(released: Collection[str], expected: Iterable[str], source: str, src: Path) -> str:
    """The prefix behind which most of the network's names are found."""
    names = [released_name(name) for name in expected]
    prefixes = dict.fromkeys(prefix for layout in LAYOUTS.values() for prefix in layout.prefixes)
    found = {prefix: sum(prefix + name in released for name in names) for prefix in prefixes}
    prefix = max(found, key=found.__getitem__)
    if not found[prefix]:
        raise ValueError(f'checkpoint {src} holds no weights of a released WideResNet38 with DeepLabV3+: expected '
                         f'names such as {LAYOUTS[source].prefixes[0]}{names[0]}, found {_listed(released)}')
    if prefix not in LAYOUTS[source].prefixes:
        fitting = [name for name, layout in LAYOUTS.items() if prefix in layout.prefixes]
        raise ValueError(f'checkpoint {src} looks like source {" or ".join(fitting)}, not {source}: its names begin '
                         f'with {prefix + names[0]!r}')
    return prefix


def _check_fit(released: dict[str, Tensor], expected: dict[str, Tensor], used: dict[str, str],
               criteria: Collection[str], prefix: str, src: Path) -> None:
    problems = {
        'missing': [prefix + released_name(name) for name in expected.keys() - set(used.values())
                    if not name.endswith(_COUNTER)],
        'unknown': released.keys() - used.keys() - set(criteria),
        'of another shape': [f'{key} {tuple(released[key].shape)} instead of {tuple(expected[name].shape)}'
                             for key, name in used.items() if released[key].shape != expected[name].shape],
    }
    described = [f'{len(keys)} {what}: {_listed(keys)}' for what, keys in problems.items() if keys]
    if described:
        raise ValueError(f'checkpoint {src} does not fit the network; {"; ".join(described)}')


def _listed(keys: Collection[str]) -> str:
    more = len(keys) - _NAMED_AT_MOST
    return ', '.join(sorted(keys)[:_NAMED_AT_MOST]) + (f' and {more} more' if more > 0 else '')
