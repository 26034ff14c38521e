"""ProgressBarHook: it ends full, begins where a resumed training does, and leaves no thread behind."""
from types import SimpleNamespace

from mmseg_ood.apis.progress import ProgressBarHook


def test_progress_follows_the_iterations():
    hook = ProgressBarHook()
    hook.before_train(SimpleNamespace(iter=2, max_iters=4))
    task, = hook._progress.tasks
    assert (task.completed, task.total) == (2, 4)
    for iteration in (2, 3):
        hook.after_train_iter(SimpleNamespace(iter=iteration), 0)
    assert task.finished
    hook.after_run(None)
    assert not hook._progress.live.is_started


def test_it_can_end_before_it_began():
    ProgressBarHook().after_run(None)
