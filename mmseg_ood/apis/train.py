"""Training by config, on MMEngine's runner."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner, find_latest_checkpoint

from mmseg_ood import compat

from .progress import ProgressBarHook
from .runtime import check_data_folders, load_config


def train(config: str | Path | Config, work_dir: str | Path | None = None, resume: bool | str | Path = False,
          amp: bool = False, cfg_options: dict[str, Any] | None = None, launcher: str = 'none') -> Runner:
    """Train the network of a config.

    Args:
        config: Config file or a loaded config.
        work_dir: Where checkpoints and logs go; by default ``work_dirs/`` and the config's name.
        resume: True continues from the newest checkpoint of ``work_dir`` (from the start where there is none),
            a path from that one.
        amp: Automatic mixed precision; needs a GPU.
        cfg_options: Overrides as dotted keys.
        launcher: ``none``, ``pytorch`` or ``slurm``.

    Returns:
        The runner after training.

    Raises:
        FileNotFoundError: Config, checkpoint or data folders do not exist.
        ValueError: A checkpoint that would execute code, ``amp`` without a GPU or beside an optimiser wrapper
            that it cannot replace.
    """
    cfg = load_config(config, cfg_options)
    cfg.launcher = launcher
    name = Path(cfg.filename).stem if cfg.filename else 'unnamed'
    cfg.work_dir = str(work_dir or cfg.get('work_dir') or Path('work_dirs') / name)
    if amp:
        _use_amp(cfg)
    if resume is True or (not resume and cfg.get('resume') and not cfg.get('load_from')):
        # Found here, because MMEngine would resume from the pretrained weights in `load_from` if there are any.
        resume = find_latest_checkpoint(cfg.work_dir)
    if resume:
        cfg.resume, cfg.load_from = True, str(resume)
    for loader in ('train_dataloader', 'val_dataloader'):
        check_data_folders((cfg.get(loader) or {}).get('dataset', {}), f'{loader}.dataset')
    # Some MMEngine releases fall back to loading that executes code: every file is read by the safe loader first.
    for checkpoint in _checkpoint_files(dict(load_from=cfg.get('load_from'), model=cfg.model)):
        compat.load_checkpoint(checkpoint)
    if not torch.cuda.is_available():
        torch.set_flush_denormal(True)  # denormal weights slow a CPU down 30 to 50 times
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    progress = ProgressBarHook()
    runner.register_hook(progress)
    try:
        runner.train()
    finally:
        progress.after_run(runner)
    return runner


def _checkpoint_files(config: Any) -> Iterator[str]:
    """Local files that weights are loaded from, anywhere in a config."""
    for key, value in config.items() if isinstance(config, dict) else enumerate(config):
        if isinstance(value, dict | list | tuple):
            yield from _checkpoint_files(value)
        elif key in ('load_from', 'pretrained', 'checkpoint') and isinstance(value, str) and '://' not in value:
            yield value


def _use_amp(cfg: Config) -> None:
    if not torch.cuda.is_available():
        raise ValueError('--amp: automatic mixed precision needs a GPU, found none')
    wrapper = cfg.optim_wrapper.get('type', 'OptimWrapper')
    if wrapper not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise ValueError(f'--amp replaces OptimWrapper, found optim_wrapper.type={wrapper!r}')
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
