"""Training some blocks of a network while the rest stays as it was loaded."""
from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import accumulate

from mmengine.hooks import Hook
from mmengine.model import MMSeparateDistributedDataParallel, is_model_wrapper
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import nn
from torch.nn.parallel import DistributedDataParallel


@HOOKS.register_module()
class TrainOnlyHook(Hook):
    """Freeze every parameter but those of the named blocks.

    The recipe of Balanced Energy (Choi et al., CVPR 2023), which trains the classifier block alone::

        custom_hooks = [dict(type='TrainOnlyHook', patterns=['decode_head.final.*'])]

    Frozen parameters get no gradient. The optimiser still lists them, because it is built before any hook runs, but
    without a gradient it leaves them alone: no weight decay, no momentum, no state in the checkpoint. Layers before
    the first trained one keep no activations for the backward pass.

    Beside its parameters a batch norm has running statistics. For a *frozen norm*, one of which no parameter or
    buffer matches, there are two ways:

    * ``norm_eval=True``: it normalises by its running statistics, which stay as they are. The frozen part computes
      what it computed when it was trained; right for small batches, and for weights that others use, too.
    * ``norm_eval=False``: it stays in training mode, normalises by the statistics of the batch and moves its running
      statistics towards the new data. The frozen part thus changes although none of its parameters does.

    Dropout in frozen blocks stays as active as the network has it.

    In distributed training the network is wrapped again after it was frozen: the wrapper of MMEngine counts on a
    gradient of every parameter that was trainable when it was built, which is before any hook. So
    ``find_unused_parameters`` is not needed for frozen parameters, and their gradients are not exchanged. It is
    needed where a *trained* parameter takes no part in the loss, as without this hook.

    Args:
        patterns: Names of the parameters to train, with the shell's wildcards ``*``, ``?`` and ``[...]``, upper and
            lower case told apart: ``'decode_head.conv_seg.*'``, ``'*.bias'``. Names are those of
            ``model.named_parameters()``, without the ``module.`` of wrappers. A ``*`` also matches dots.
        norm_eval: Whether frozen norms keep their running statistics.

    Raises:
        TypeError: When training starts: the network is wrapped by something other than DistributedDataParallel.
        ValueError: ``patterns`` is empty or a string; when training starts: a pattern matches nothing, or the network
            itself has frozen all that match.

    Example:
        >>> hook = TrainOnlyHook(patterns=['2.*'])
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), nn.Conv2d(8, 2, 1))
        >>> hook.freeze(model)
        '18 of 66 parameters train (2 of 6 tensors), 1 of 1 norms are frozen'
        >>> model[0].weight.requires_grad, model[2].weight.requires_grad
        (False, True)
    """

    priority = 'VERY_HIGH'  # before hooks that keep the wrapped network

    def __init__(self, patterns: Sequence[str], norm_eval: bool = True) -> None:
        if isinstance(patterns, str) or not patterns:
            raise ValueError(f'TrainOnlyHook: patterns must be a list of parameter names, found {patterns!r}')
        self.patterns = list(patterns)
        self.norm_eval = norm_eval
        self._frozen_norms: list[nn.Module] = []

    def before_run(self, runner: Runner) -> None:
        """Freeze, before weights are initialised or loaded, which happens in place."""
        wrapped, model = runner.model, _unwrapped(runner.model)
        runner.logger.info(f'TrainOnlyHook: {self.freeze(model)}')
        if wrapped is not model:
            runner.model = runner.wrap_model(runner.cfg.get('model_wrapper_cfg'), model)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Hold frozen norms: the loop has just put the whole network into training mode."""
        if self.norm_eval:
            for norm in self._frozen_norms:
                norm.eval()

    def freeze(self, model: nn.Module) -> str:
        """Freeze a network that is not wrapped.

        Returns:
            How much of it trains.
        """
        # With all names of a parameter that several modules share.
        names = dict(model.named_parameters(remove_duplicate=False))
        self._check_patterns(names)
        trained = {id(parameter) for name, parameter in names.items() if self._matches(name)}
        for parameter in model.parameters():
            if id(parameter) not in trained:
                parameter.requires_grad_(False)
        norms = {name: module for name, module in model.named_modules()
                 if getattr(module, 'running_mean', None) is not None}
        self._frozen_norms = [norm for name, norm in norms.items()
                              if not any(map(self._matches, norm.state_dict(prefix=f'{name}.')))]
        parameters = list(model.parameters())
        left = [parameter for parameter in parameters if parameter.requires_grad]
        if not left:
            raise ValueError(f'TrainOnlyHook: all parameters that match {self.patterns} are frozen by the network '
                             f'itself (frozen_stages, requires_grad=False): nothing is left to train')
        return (f'{_size(left)} of {_size(parameters)} parameters train ({len(left)} of {len(parameters)} tensors), '
                f'{len(self._frozen_norms)} of {len(norms)} norms are frozen')

    def _matches(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.patterns)

    def _check_patterns(self, names: Collection[str]) -> None:
        for pattern in self.patterns:
            if not any(fnmatchcase(name, pattern) for name in names):
                blocks = {f'{block}.*' for name in names for block in _blocks(name)}
                nearest = get_close_matches(pattern, sorted({*blocks, *names}), cutoff=0)
                raise ValueError(f'TrainOnlyHook: no parameter matches {pattern!r}; the nearest names are '
                                 f'{", ".join(nearest)}')


def _blocks(name: str) -> Iterable[str]:
    """The modules that a parameter is part of: ``a.b.weight`` gives ``a`` and ``a.b``."""
    return accumulate(name.split('.')[:-1], '{}.{}'.format)


def _size(parameters: Iterable[nn.Parameter]) -> int:
    return sum(parameter.numel() for parameter in parameters)


def _unwrapped(model: nn.Module) -> nn.Module:
    """The network in a wrapper that can be built anew.

    Raises:
        TypeError: It is another wrapper.
    """
    if not is_model_wrapper(model):
        return model
    # The separate wrapper puts one around each child, which changes the parameters' names.
    if not isinstance(model, DistributedDataParallel) or isinstance(model, MMSeparateDistributedDataParallel):
        raise TypeError(f'TrainOnlyHook freezes networks that are not wrapped, or by MMDistributedDataParallel; found '
                        f'model_wrapper_cfg.type={type(model).__name__!r}')
    return model.module
