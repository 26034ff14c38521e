"""What the command lines share. Imports nothing heavy: ``--help`` and wrong arguments answer at once."""
from __future__ import annotations

import contextlib
import io
import os
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterator


def add_config_arguments(parser: ArgumentParser, launcher: bool = True) -> None:
    """Arguments that every command with a config takes.

    Example:
        >>> parser = ArgumentParser()
        >>> add_config_arguments(parser)
        >>> parser.parse_args(['--cfg-options', 'a.b=1']).cfg_options
        ['a.b=1']
    """
    parser.add_argument('--cfg-options', nargs='+', default=[], type=_key_value, metavar='KEY=VALUE',
                        help='override config entries, e.g. train_cfg.max_iters=100')
    if launcher:
        parser.add_argument('--launcher', choices=('none', 'pytorch', 'slurm'), default='none',
                            help='how the processes of a distributed run were started')
        # torchrun passes --local_rank only in old releases, but scripts still carry it.
        parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help='set by the launcher')


def _key_value(option: str) -> str:
    if not option.partition('=')[0] or '=' not in option:
        raise ArgumentTypeError(f'expected KEY=VALUE, found {option!r}')
    return option


def parse_cfg_options(options: list[str]) -> dict:
    """``KEY=VALUE`` strings as MMEngine understands them (numbers, lists, booleans)."""
    from mmengine.config import DictAction
    parser = ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    return parser.parse_args(['--cfg-options', *options]).cfg_options if options else {}


@contextlib.contextmanager
def quiet_import() -> Iterator[None]:
    """Keep what third-party packages print while they are imported out of a command's output."""
    # Spinning OpenMP threads of two processes stall each other; read once, when torch is imported.
    os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def run(main: Callable[[], None]) -> None:
    """Call ``main``; a user's mistake becomes one line on stderr and exit status 2 instead of a traceback."""
    try:
        main()
    except (OSError, ValueError, NotImplementedError, ImportError, SyntaxError) as error:
        sys.exit(_fail(error))


def _fail(error: Exception) -> int:
    if os.environ.get('MMSEG_OOD_TRACEBACK'):
        raise error
    print(f'error: {error}\n(MMSEG_OOD_TRACEBACK=1 shows where it was raised)', file=sys.stderr)
    return 2
