"""A progress bar of a training, beside the log."""
from __future__ import annotations

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class ProgressBarHook(Hook):
    """Shows how far a training is, in the terminal of the main process; the log goes on as ever."""
    priority = 'VERY_LOW'

    def __init__(self) -> None:
        self._progress = Progress(TextColumn('training'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
                                  console=Console(stderr=True), disable=not is_main_process())
        self._task = self._progress.add_task('training')

    def before_train(self, runner: Runner) -> None:
        """Begin where the training does: a resumed one is ahead."""
        self._progress.update(self._task, total=runner.max_iters, completed=runner.iter)
        self._progress.start()

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Advance by an iteration."""
        self._progress.update(self._task, completed=runner.iter + 1)

    def after_run(self, runner: Runner) -> None:
        """Leave the terminal as it was."""
        self._progress.stop()
