"""Class prior of the outliers, estimated while the network trains."""
from __future__ import annotations

import inspect
import math
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor, nn

from mmseg_ood.core import PriorEstimator

from ..losses import BalancedEnergyLoss


@HOOKS.register_module()
class OnlinePriorHook(Hook):
    """Moving average of the class prior of the outliers, in place of a pass over the data before training.

    The paper (Choi et al., CVPR 2023) counts once, with the network as it was before its fine-tuning, and
    ``tools/estimate_prior.py`` does the same. This hook counts in every training batch which classes outlier pixels
    are taken for, and moves the prior of each ``BalancedEnergyLoss`` towards these shares. The prior so follows the
    network: classes that it has learnt not to confuse with outliers lose their share.

    The average starts from the prior in the loss's config::

        model = dict(decode_head=dict(loss_decode=[
            dict(type='InlierLoss', loss=dict(type='CrossEntropyLoss', avg_non_ignore=True)),
            dict(type='BalancedEnergyLoss', prior=[1] * 19)]))           # uniform
        custom_hooks = [dict(type='OnlinePriorHook', momentum=0.01)]

    Predictions are those that the loss is called with, so nothing is computed twice; each head has a prior of its own.
    Counts are added up over all processes. The average is saved in the checkpoint under ``online_prior`` and continues
    when training is resumed. Logged, as ``LOSS.prior_entropy``: the entropy of the prior relative to that of the
    uniform one, 1 for uniform, 0 for a single class.

    Args:
        momentum: Weight of the new shares in one step of the average. The average forgets in about
            ``1 / momentum`` steps; a batch in which few objects are pasted says little, so keep it small.
        update_interval: Number of iterations whose counts make one step. Without an outlier in them there is none.

    Raises:
        ValueError: An argument is out of range; when training starts: the network has no ``BalancedEnergyLoss``, or
            a resumed checkpoint holds the priors of other losses.
    """

    def __init__(self, momentum: float = 0.01, update_interval: int = 1) -> None:
        if not 0 < momentum <= 1:
            raise ValueError(f'OnlinePriorHook: momentum must be in (0, 1], found {momentum}')
        if update_interval < 1:
            raise ValueError(f'OnlinePriorHook: update_interval must be at least 1, found {update_interval}')
        self.momentum = momentum
        self.update_interval = update_interval
        self._priors: dict[str, _MovingPrior] = {}
        self._loaded: dict[str, Any] | None = None

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep what the checkpoint holds; whether training is resumed is known when it starts."""
        self._loaded = checkpoint.get('online_prior')

    def before_train(self, runner: Runner) -> None:
        """Find the losses. Not earlier: EMAHook must not copy them together with their counters."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        self._priors = {name: _MovingPrior(module) for name, module in model.named_modules()
                        if isinstance(module, BalancedEnergyLoss)}
        if not self._priors:
            raise ValueError(f'OnlinePriorHook: {type(model).__name__} has no BalancedEnergyLoss whose prior could be '
                             f'estimated')
        if runner.iter > 0:
            self._resume(runner)

    def _resume(self, runner: Runner) -> None:
        if self._loaded is None:
            runner.logger.warning('OnlinePriorHook: the resumed checkpoint holds no online_prior; the average starts '
                                  'from the priors of the config')
            return
        if self._loaded.keys() != self._priors.keys():
            raise ValueError(f'OnlinePriorHook: the resumed checkpoint holds the priors of {sorted(self._loaded)}, the '
                             f'network has {sorted(self._priors)}')
        for name, state in self._loaded.items():
            self._priors[name].load_state_dict(state)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Add up the counts of all processes and, at the end of an interval, move the priors."""
        for name, prior in self._priors.items():
            prior.collect()
            if self.every_n_train_iters(runner, self.update_interval):
                prior.step(self.momentum)
            runner.message_hub.update_scalar(f'train/{name}.prior_entropy', prior.relative_entropy())

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Save the average, and the counts that are not part of it yet."""
        checkpoint['online_prior'] = {name: prior.state_dict() for name, prior in self._priors.items()}

    def after_train(self, runner: Runner) -> None:
        """Leave the losses as they were found; their priors stay."""
        for prior in self._priors.values():
            prior.detach()


class _MovingPrior:
    """The prior of one loss and what it was called with since the last step."""

    def __init__(self, loss: BalancedEnergyLoss) -> None:
        self.loss = loss
        self.prior = loss.prior.detach().cpu().clone()
        self.counts = torch.zeros(len(self.prior), dtype=torch.int64)  # of all processes, since the last step
        self._iteration = PriorEstimator(len(self.prior), loss.ood_index)  # of this process
        self._handle = loss.register_forward_pre_hook(self._count, with_kwargs=True)

    def _count(self, loss: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        call = inspect.signature(loss.forward).bind(*args, **kwargs).arguments
        if call.get('reduction_override') != 'none':  # a sampler that ranks pixels: the loss itself follows
            self._iteration.update(call['cls_score'][:, :len(self.prior)], call['label'])

    def collect(self) -> None:
        all_reduce(self._iteration.counts)
        self.counts += self._iteration.counts
        self._iteration.counts.zero_()

    def step(self, momentum: float) -> None:
        total = self.counts.sum()
        if total:
            self._set((1 - momentum) * self.prior + momentum * self.counts.double() / total)
            self.counts.zero_()

    def relative_entropy(self) -> float:
        return (torch.special.entr(self.prior).sum() / math.log(max(len(self.prior), 2))).item()

    def state_dict(self) -> dict[str, Tensor]:
        return {'prior': self.prior.clone(), 'counts': self.counts.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        if state['prior'].shape != self.prior.shape:
            raise ValueError(f'OnlinePriorHook: the resumed prior has {len(state["prior"])} classes, the loss '
                             f'{len(self.prior)}')
        self._set(state['prior'])
        self.counts.copy_(state['counts'])

    def _set(self, prior: Tensor) -> None:
        self.prior.copy_(prior)
        self.loss.prior.copy_(prior)

    def detach(self) -> None:
        self._handle.remove()
