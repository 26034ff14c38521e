"""Further outputs for a trained network: what PEBAL and a void classifier need."""
from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmseg_ood import compat
from mmseg_ood.segmentation.decode_heads.deeplabv3plus_wide_head import CLASSIFIER_STD

from .runtime import checkpoint_sha256, provenance, save_checkpoint

CLASSIFIER = 'decode_head.conv_seg'


def extend_classes(src: str | Path, dst: str | Path, num_outputs: int, seed: int = 0,
                   force: bool = False) -> dict[str, Any]:
    """Give the decode head of an MMSegmentation checkpoint further outputs, initialised as before training.

    Args:
        src: Checkpoint of any network whose classifier is ``decode_head.conv_seg``.
        dst: Checkpoint to write, for the same network with ``num_outputs`` outputs; auxiliary heads stay as they are.
        num_outputs: Number of outputs, more than there are.
        seed: Seed of the new weights; new biases are 0.
        force: Replace ``dst``.

    Returns:
        ``added`` (the new entries), ``file`` and ``sha256`` of the source, ``seed``, ``provenance``; they are in the
        ``meta`` of the checkpoint as ``extension``.

    Raises:
        FileNotFoundError: ``src`` does not exist.
        FileExistsError: ``dst`` exists and ``force`` was not given.
        ValueError: The file is unsafe, has no such classifier, or one with as many outputs already.
    """
    src, dst = Path(src), Path(dst)
    check_destinations(src, (dst,), force)
    content = compat.load_checkpoint(src)
    state = dict(content.get('state_dict', content))
    weight = state.get(f'{CLASSIFIER}.weight')
    if weight is None:
        raise ValueError(f'checkpoint {src} has no {CLASSIFIER}.weight, found {", ".join(sorted(state)[-3:])}')
    if len(weight) >= num_outputs:
        raise ValueError(f'checkpoint {src} has {len(weight)} outputs, expected less than {num_outputs}')
    added = [f'{CLASSIFIER}.weight[{len(weight)}:]']
    state[f'{CLASSIFIER}.weight'] = extended_classifier(weight, num_outputs, seed)
    bias = state.get(f'{CLASSIFIER}.bias')
    if bias is not None:
        state[f'{CLASSIFIER}.bias'] = torch.cat([bias, bias.new_zeros(num_outputs - len(bias))])
        added.append(f'{CLASSIFIER}.bias[{len(bias)}:]')
    extension = {'added': added, 'file': src.name, 'sha256': checkpoint_sha256(src), 'seed': seed,
                 'provenance': provenance()}
    dataset_meta = (content.get('meta') or {}).get('dataset_meta')
    save_checkpoint({'meta': {'dataset_meta': dataset_meta, 'extension': extension}, 'state_dict': state}, dst)
    return extension


def extended_classifier(classifier: Tensor, num_outputs: int, seed: int) -> Tensor:
    """The classifier's weights ``(C, channels, 1, 1)`` with further outputs as the decode head initialises them.

    Example:
        >>> extended_classifier(torch.ones(19, 8, 1, 1), 20, seed=0).shape
        torch.Size([20, 8, 1, 1])
    """
    rows = torch.empty(num_outputs - len(classifier), *classifier.shape[1:], dtype=classifier.dtype)
    rows.normal_(std=CLASSIFIER_STD, generator=torch.Generator().manual_seed(seed))
    return torch.cat([classifier, rows])


def check_destinations(src: Path, written: Iterable[Path], force: bool) -> None:
    """Refuse to write over the source or, unless ``force`` is given, over anything else.

    Raises:
        FileExistsError: A file exists.
        ValueError: A file is the source.
    """
    for path in written:
        if path.resolve() == src.resolve():
            raise ValueError(f'{path} is the file to convert; name another one to write')
        if path.exists() and not force:
            raise FileExistsError(f'{path} exists; name another file, or replace it with --force')
