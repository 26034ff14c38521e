"""Training by config, on MMEngine's runner."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmseg_ood import compat

from .runtime import load_config


def train(config: str | Path | Config, work_dir: str | Path | None = None, resume: bool | str = False,
          amp: bool = False, cfg_options: dict[str, Any] | None = None, launcher: str = 'none') -> Runner:
    """Train the network of a config.

    Args:
        config: Config file or a loaded config.
        work_dir: Where checkpoints and logs go; by default ``work_dirs/`` and the config's name.
        resume: True continues from the newest checkpoint of ``work_dir``, a path from that one.
        amp: Automatic mixed precision (GPU).
        cfg_options: Overrides as dotted keys.
        launcher: ``none``, ``pytorch`` or ``slurm``.

    Returns:
        The runner after training.

    Raises:
        FileNotFoundError: Config or checkpoint do not exist.
        ValueError: A checkpoint that would execute code, or an optimiser wrapper that ``amp`` cannot replace.
    """
    cfg = load_config(config, cfg_options)
    cfg.launcher = launcher
    name = Path(cfg.filename).stem if cfg.filename else 'unnamed'
    cfg.work_dir = str(work_dir or cfg.get('work_dir') or Path('work_dirs') / name)
    if amp:
        _use_amp(cfg)
    cfg.resume = bool(resume)
    if isinstance(resume, str):
        cfg.load_from = resume
    # Some MMEngine releases fall back to loading that executes code: every file is read by the safe loader first.
    if cfg.get('load_from') and '://' not in cfg.load_from:
        compat.load_checkpoint(cfg.load_from)
    if not torch.cuda.is_available():
        torch.set_flush_denormal(True)  # denormal weights slow a CPU down 30 to 50 times
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    runner.train()
    return runner


def _use_amp(cfg: Config) -> None:
    wrapper = cfg.optim_wrapper.get('type', 'OptimWrapper')
    if wrapper not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise ValueError(f'--amp replaces OptimWrapper, found optim_wrapper.type={wrapper!r}')
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
