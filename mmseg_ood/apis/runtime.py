"""Config, network and provenance: what every command needs before it does its own work."""
from __future__ import annotations

import copy
import hashlib
import os
import platform
import shlex
import sys
from collections.abc import Iterable
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import init_dist
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmengine.utils import import_modules_from_strings
from mmseg.registry import MODELS
from mmseg.utils import register_all_modules
from torch import Tensor
from torch.utils.data import DataLoader

from mmseg_ood import compat
from mmseg_ood.version import __version__

_PACKAGES = ('torch', 'numpy', 'opencv-python', 'mmengine', 'mmcv', 'mmcv-lite', 'mmsegmentation', 'onedl-mmengine',
             'onedl-mmcv', 'onedl-mmsegmentation')


def load_config(config: str | Path | Config, cfg_options: dict[str, Any] | None = None) -> Config:
    """A config with its overrides, registries ready; ``num_inlier_classes`` is that of the segmentor if it has one.

    Args:
        config: Config file or a loaded config.
        cfg_options: Overrides as dotted keys.

    Raises:
        FileNotFoundError: The config file does not exist.
    """
    if isinstance(config, Config):
        config = copy.deepcopy(config)  # the caller's own stays as it is
    else:
        if not Path(config).is_file():
            raise FileNotFoundError(f'config {config} does not exist')
        config = Config.fromfile(str(config))
    if cfg_options:
        config.merge_from_dict(cfg_options)
        if 'custom_imports' in cfg_options:
            import_modules_from_strings(**config.custom_imports)
    if 'num_inlier_classes' in (config.get('model') or {}):  # of a segmentor that knows it
        config.setdefault('num_inlier_classes', config.model.num_inlier_classes)
    register_all_modules(init_default_scope=False)
    init_default_scope(config.get('default_scope', 'mmseg'))
    return config


def is_classification(config: Config) -> bool:
    """Whether a config is one of the classification wing: whether it imports its plug-ins.

    Example:
        >>> is_classification(Config(dict(custom_imports=dict(imports=['mmseg_ood.classification']))))
        True
    """
    return 'mmseg_ood.classification' in (config.get('custom_imports') or {}).get('imports', [])


def build_dataloader(dataloader_config: dict, where: str, seed: int | None = None) -> DataLoader:
    """The data loader of a config, on data that is there.

    Args:
        dataloader_config: As in an MMEngine config.
        where: Where it comes from (a config key, a benchmark), for the error.
        seed: Seed of its sampler.

    Raises:
        FileNotFoundError: A folder or file of the data set does not exist, or there are no frames.
    """
    check_data_folders(dataloader_config['dataset'], where)
    try:
        return Runner.build_dataloader(dataloader_config, seed=seed)
    except FileNotFoundError as error:
        raise FileNotFoundError(f'{where} ({_described(dataloader_config["dataset"])}): {error}') from error
    except ValueError as error:
        if 'need at least one array' not in str(error):
            raise
        # MMEngine cannot serialise an empty list of frames, and says no more than that.
        raise FileNotFoundError(
            f'{where} ({_described(dataloader_config["dataset"])}): no frame was found there') from error


def check_data_folders(dataset: dict, where: str) -> None:
    """Look for the folders of a data set, or of those that it wraps, before anything expensive starts.

    Args:
        dataset: Config of a data set.
        where: The config key it stands under, for the error.

    Raises:
        FileNotFoundError: A folder of ``data_prefix`` does not exist; names all that were expected.
    """
    for key in ('dataset', 'datasets'):
        wrapped = dataset.get(key) or []
        for index, inner in enumerate(wrapped if isinstance(wrapped, list) else [wrapped]):
            check_data_folders(inner, f'{where}.{key}' + (f'[{index}]' if isinstance(wrapped, list) else ''))
    folders = [os.path.join(dataset.get('data_root') or '', prefix)
               for prefix in (dataset.get('data_prefix') or {}).values() if prefix and '://' not in prefix]
    missing = [folder for folder in folders if not os.path.isdir(folder)]
    if missing:
        raise FileNotFoundError(f'{where} ({_described(dataset)}): no folder {", ".join(missing)}; expected '
                                f'{" and ".join(folders)}. data/README.md draws the layouts.')


def _described(dataset: dict) -> str:
    return ', '.join(f'{key}={dataset[key]!r}' for key in ('type', 'data_root', 'data_prefix') if key in dataset)


def build_segmentor(config: Config, checkpoint: str | Path,
                    device: str | torch.device | None = None) -> torch.nn.Module:
    """The network of a config with the weights of a checkpoint, in evaluation mode.

    Args:
        config: A config from :func:`load_config`.
        checkpoint: File with a state dict; every parameter of the network must be in it.
        device: By default the GPU if there is one.

    Returns:
        The segmentor; ``dataset_meta`` holds the classes and palette it was trained with, where the
        checkpoint knows them.

    Raises:
        FileNotFoundError: The checkpoint does not exist.
        ValueError: The checkpoint is unsafe or does not fit the network; names the keys.
    """
    content = compat.load_checkpoint(checkpoint)
    segmentor = MODELS.build(_without_training(config.model))
    segmentor.dataset_meta = (content.get('meta') or {}).get('dataset_meta')
    _load_strictly(segmentor, content.get('state_dict', content), checkpoint)
    return ready_for_inference(segmentor, device)


def ready_for_inference(network: torch.nn.Module, device: str | torch.device | None = None) -> torch.nn.Module:
    """A network on its device, by default the GPU if there is one, in evaluation mode."""
    device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
    if torch.device(device).type == 'cpu':
        _flush_denormals(network)
    return network.to(device).eval()


def _without_training(model_config: dict) -> dict:
    """The model config without what only training needs: pretrained files, and losses that read a prior file."""
    model_config = copy.deepcopy(model_config)
    model_config.pop('pretrained', None)
    for name in ('decode_head', 'auxiliary_head'):
        heads = model_config.get(name) or []
        for head in heads if isinstance(heads, list) else [heads]:
            if 'loss_decode' in head:
                head['loss_decode'] = dict(type='CrossEntropyLoss')
    return model_config


def _load_strictly(network: torch.nn.Module, state: dict, checkpoint: str | Path) -> None:
    state = {key.removeprefix('module.'): value for key, value in state.items()}
    expected = network.state_dict()
    differing = [f'{key} {tuple(state[key].shape)} instead of {tuple(expected[key].shape)}'
                 for key in expected.keys() & state.keys() if state[key].shape != expected[key].shape]
    problems = {'missing': expected.keys() - state.keys(), 'not part of the network': state.keys() - expected.keys(),
                'of another shape': differing}
    described = [f'{len(keys)} {what} ({", ".join(sorted(keys)[:3])}{", ..." if len(keys) > 3 else ""})'
                 for what, keys in problems.items() if keys]
    if described:
        raise ValueError(f'checkpoint {checkpoint} does not fit the network of the config: {"; ".join(described)}')
    network.load_state_dict(state)


def _flush_denormals(network: torch.nn.Module) -> None:
    """CPU arithmetic on denormal numbers is 30 to 50 times slower; treat them as the zeros they nearly are."""
    torch.set_flush_denormal(True)
    denormal = count_denormals(network.parameters())
    if denormal:
        total = sum(weight.numel() for weight in network.parameters())
        print(f'{denormal} of {total} weights are denormal numbers; the CPU treats them as 0, which changes outputs by '
              f'less than 1e-30')


def count_denormals(tensors: Iterable[Tensor]) -> int:
    """Number of float32 entries that are too small for full precision, on which CPU arithmetic is slow.

    Example:
        >>> count_denormals([torch.tensor([0, 1, 2**23], dtype=torch.int32).view(torch.float32), torch.ones(1)])
        1
    """
    count = 0
    for tensor in tensors:
        if tensor.dtype == torch.float32:
            # As bit patterns without the sign, because comparisons of floats may flush their operands.
            bits = tensor.detach().view(torch.int32) & 0x7FFFFFFF
            count += int(((bits > 0) & (bits < 0x00800000)).sum())
    return count


def provenance(config: Config | None = None, checkpoint: str | Path | None = None) -> dict[str, Any]:
    """How a result was made: command, config, checkpoint with its hash (where there are any), versions, time."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    network = {} if config is None else {
        'config': _readable_path(config.filename),
        'checkpoint': str(checkpoint),
        'checkpoint_sha256': checkpoint_sha256(checkpoint),
    }
    return {
        'command': shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        **network,
        'mmseg_ood': __version__,
        'python': platform.python_version(),
        'versions': versions,
        'created': datetime.now(timezone.utc).isoformat(timespec='seconds'),
    }


def checkpoint_sha256(checkpoint: str | Path) -> str:
    """Hash of a file, read piece by piece."""
    digest = hashlib.sha256()
    with Path(checkpoint).open('rb') as file:
        while piece := file.read(2**20):
            digest.update(piece)
    return digest.hexdigest()


def save_checkpoint(content: Any, path: Path) -> None:
    """``torch.save``; under its name there is a complete file or none, whatever other processes write there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        torch.save(content, unfinished)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def init_processes(launcher: str) -> None:
    """Join the processes of a distributed run, on CPUs as well.

    Args:
        launcher: ``none``, ``pytorch`` or ``slurm``.

    Raises:
        ValueError: Slurm without GPUs.
    """
    if launcher == 'none' or torch.distributed.is_initialized():
        return
    if torch.cuda.is_available():
        init_dist(launcher)
    elif launcher == 'pytorch':
        torch.distributed.init_process_group('gloo')  # MMEngine would look for a GPU
    else:
        raise ValueError(f'--launcher {launcher} needs GPUs; on CPUs use torchrun and --launcher pytorch')


def _readable_path(path: str | None) -> str:
    """Relative to the working folder where it lies there: results travel, absolute paths do not."""
    if path and Path(path).is_relative_to(Path.cwd()):
        return str(Path(path).relative_to(Path.cwd()))
    return path or ''
