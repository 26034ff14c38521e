"""Logs of MMEngine become lines; a resumed run goes on from where it began."""
import json

import pytest

from mmseg_ood.report.training_plot import read_training_log, training_figure

from .conftest import make_work_dir


def write_log(path, *lines):
    (path / 'run' / 'vis_data').mkdir(parents=True)
    (path / 'run' / 'vis_data' / 'scalars.json').write_text('\n'.join(lines))


def test_a_resumed_run_replaces_what_it_repeats(tmp_path):
    log = read_training_log(make_work_dir(tmp_path))
    assert log.training == {'lr': ([10, 20, 30], [0.1, 0.05, 0.01]), 'loss': ([10, 20, 30], [3.0, 2.0, 1.0])}
    assert log.validation == {'mIoU': ([20], [50.5])}
    assert log.validated_by == 'iteration'
    assert [file.parts[-3] for file in log.files] == ['20240101_000000', '20240102_000000']


def test_training_by_epoch(tmp_path):
    write_log(tmp_path, json.dumps(dict(lr=0.1, loss=1.0, epoch=1, iter=50, step=50)),
              json.dumps({'energy/AP': 40.0, 'step': 1}))
    log = read_training_log(tmp_path)
    assert log.validated_by == 'epoch'
    assert log.validation == {'energy/AP': ([1], [40.0])}


def test_figure():
    figure = training_figure({'loss': ([10, 20], [3.0, 2.0]), 'decode.loss_$x$': ([10, 20], [1.0, 0.5])}, 'iteration',
                             'loss')
    axes, = figure.axes
    assert [line.get_ydata().tolist() for line in axes.get_lines()] == [[3.0, 2.0], [1.0, 0.5]]
    assert axes.get_xlabel() == 'iteration'
    assert axes.get_ylim()[0] == 0
    assert figure.legends[1].get_texts()[0].get_text() == r'decode.loss_\$x\$'


def test_logs_that_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'expected logs of MMEngine, \*/vis_data/scalars.json'):
        read_training_log(tmp_path)
    write_log(tmp_path, '{"lr": 1, "step": 1}', '{"lr": 1, "st')
    with pytest.raises(ValueError, match=r'scalars.json, line 2: expected JSON, found \'{"lr": 1, "st\''):
        read_training_log(tmp_path)
