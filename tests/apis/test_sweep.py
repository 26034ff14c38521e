"""sweep(): the grid and its errors, what is run again and what is not, the figures by hand, and once for real."""
import csv
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from mmengine.config import Config

from mmseg_ood.apis.runtime import load_config
from mmseg_ood.apis.sweep import sweep
from mmseg_ood.apis.sweep_grid import Grid, parse_grid, point_name
from mmseg_ood.apis.sweep_results import sweep_table
from mmseg_ood.apis.sweep_run import (
    _ENDS_WITH_ITS_PARENT,
    Description,
    Run,
    RunFailed,
    TrainAndEvaluate,
    config_text,
)

TOOLS = Path(__file__).parents[2] / 'tools'
HEAD = 'model.decode_head.loss_decode.1.'
PRIOR = [0.5, 0.3, 0.2]


PRIOR_AND_MARGINS = dict(prior=PRIOR, m_in=-3, m_out=-1)


@pytest.fixture
def cfg():
    balanced = dict(type='BalancedEnergyLoss', **PRIOR_AND_MARGINS)
    return Config(dict(
        model=dict(
            decode_head=dict(loss_decode=[dict(type='InlierLoss', loss=dict(type='CrossEntropyLoss')), balanced]),
            auxiliary_head=[dict(loss_decode=dict(type='EnergyLoss', m_in=-4, m_out=-2)),
                            dict(loss_decode=dict(type='mmseg.BalancedEnergyLoss', **PRIOR_AND_MARGINS))]),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1)),
        env_cfg=dict(cudnn_benchmark=True), steps=dict(at=[1, 2]), randomness=dict(seed=3, deterministic=True)))


# ------------------------------------------------------------------ the grid
def test_values_of_the_command_line():
    assert parse_grid(['alpha=0,5', 'lr=1e-3,-.5', 'a.b=True,False', 'p=[1,2],[3]']) == {
        'alpha': [0, 5], 'lr': [1e-3, -0.5], 'a.b': [True, False], 'p': [[1, 2], [3]]}


@pytest.mark.parametrize(('arguments', 'message'), [
    (['alpha'], "expected KEY=VALUE,VALUE,..., found 'alpha'"),
    (['=1'], "found '=1'"),
    (['alpha='], "found 'alpha='"),
    (['alpha=1', 'gamma=0', 'alpha=2'], 'the key alpha stands there twice'),
    (['alpha=0,five'], '--grid alpha=0,five: expected numbers, booleans or lists'),
    (['alpha=1,,2'], '--grid alpha=1,,2: expected numbers'),
    (['alpha=1],[2'], 'expected numbers, booleans or lists'),
    (['alpha=__import__("os").getcwd()'], 'expected numbers, booleans or lists'),
])
def test_command_lines_that_are_refused(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_grid(arguments)


def test_what_short_keys_mean(cfg):
    grid = Grid(cfg, dict(alpha=[0], gamma=[1], m_in=[-9], lr=[1]))
    others = 'model.auxiliary_head.0.loss_decode', 'model.auxiliary_head.1.loss_decode'
    assert grid.targets == {
        'alpha': (f'{HEAD}alpha', f'{others[1]}.alpha'),
        'gamma': (f'{HEAD}gamma_margin', f'{HEAD}gamma_weight', f'{others[1]}.gamma_margin',
                  f'{others[1]}.gamma_weight'),
        'm_in': (f'{HEAD}m_in', f'{others[0]}.m_in', f'{others[1]}.m_in'),
        'lr': ('optim_wrapper.optimizer.lr',)}


def test_points_and_their_configs(cfg):
    before = cfg.pretty_text
    grid = Grid(cfg, {'gamma': [0, 3.0], f'{HEAD}prior': [PRIOR, [0.1, 0.2, 0.7]], 'lr': [0.5]})
    points = grid.points()
    assert [(point['gamma'], point[f'{HEAD}prior'][0]) for point in points] == [(0, 0.5), (0, 0.1), (3, 0.5), (3, 0.1)]
    configured = grid.configure(points[3], seed=7)
    loss = configured.model.decode_head.loss_decode[1]
    assert (loss.gamma_margin, loss.gamma_weight, loss.prior) == (3, 3, [0.1, 0.2, 0.7])
    assert isinstance(loss.gamma_margin, int)
    assert configured.model.decode_head.loss_decode[0].type == 'InlierLoss'
    assert configured.optim_wrapper.optimizer == dict(type='SGD', lr=0.5)
    assert configured.randomness == dict(seed=7, deterministic=True)
    assert cfg.pretty_text == before


def test_numbers_of_numpy_are_numbers(cfg):
    values = Grid(cfg, dict(alpha=np.linspace(0, 1, 3), m_out=np.arange(2))).values
    assert values == dict(alpha=[0, 0.5, 1], m_out=[0, 1])
    assert {type(value) for listed in values.values() for value in listed} == {int, float}


@pytest.mark.parametrize(('values', 'message'), [
    ({}, 'the grid has no key'),
    ({'alpha': []}, 'the grid has no value for alpha'),
    ({'alpha': [1, 'x']}, "the grid has 'x' for alpha, expected a finite number, a boolean or a list"),
    ({'alpha': [float('nan')]}, 'the grid has nan for alpha'),
    ({'alpha': [[1, None]]}, 'the grid has None for alpha'),
    ({'alpha': [5, 0, 5.0]}, 'the grid has the value 5 for alpha twice'),
    ({'beta': [1]}, "loss of the model has an argument 'beta'; expected one of lr, gamma, alpha, detach_prior"),
    ({'kwargs': [1]}, "no energy loss of the model has an argument 'kwargs'"),
    ({'model.backbone.depth': [1]}, 'grid key model.backbone.depth: the config has no model.backbone'),
    ({'model.decode_head.loss_decode.2.alpha': [1]}, 'the config has no model.decode_head.loss_decode.2'),
    ({'model.decode_head.loss_decode.x.alpha': [1]}, 'the config has no model.decode_head.loss_decode.x'),
    ({'env_cfg.cudnn_benchmrk': [True]}, 'the config has no env_cfg.cudnn_benchmrk that could be replaced'),
    ({'steps.at.0': [5]}, 'the config has no steps.at.0 that could be replaced; single entries of lists cannot'),
    ({'gamma': [1], 'gamma_weight': [2]}, 'gamma and gamma_weight both set '),
    ({'lr': [1], 'optim_wrapper.optimizer': [[2]]}, 'lr and optim_wrapper.optimizer both set optim_wrapper.'),
    ({'randomness.seed': [1]}, 'seeds and randomness.seed both set randomness.seed'),
])
def test_grids_that_are_refused(cfg, values, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Grid(cfg, values)


def test_similar_keys_are_no_conflict(cfg):
    cfg.steps.at_all = 1
    Grid(cfg, {'steps.at': [[1], [2]], 'steps.at_all': [1, 2]})
    Grid(cfg, {'steps.at_all': [1, 2], 'steps.at': [[1], [2]]})


def test_arguments_with_a_default_need_not_stand_in_the_config(cfg):
    assert Grid(cfg, {f'{HEAD}alpha': [1]}).targets == {f'{HEAD}alpha': (f'{HEAD}alpha',)}


def test_a_loss_that_cannot_be_built_names_the_point(cfg):
    grid = Grid(cfg, dict(m_in=[-5, 0], alpha=[1]))
    grid.configure(dict(m_in=-5, alpha=1), 0)
    with pytest.raises(ValueError, match=r'alpha=1,m_in=0: model\.decode_head\.loss_decode\.1 cannot be built: .*must '
                                         r'be below m_out=-1'):
        grid.configure(dict(m_in=0, alpha=1), 0)


def test_names():
    assert point_name(dict(gamma=0.5, alpha=-5)) == point_name(dict(alpha=-5, gamma=0.5)) == 'alpha=-5,gamma=0.5'
    names = [point_name({f'{HEAD}prior': [0.1] * 18 + [last], 'lr': 1e-5, 'b': True}) for last in (1, 2)]
    assert names[0] != names[1]
    for name in names:
        assert len(name) == 100
        assert not re.search(r'[<>:"/\\|?*\s]', name)  # what Windows refuses
        assert name[-1] != '.'


def test_config_files_are_exact(world):
    cfg = load_config(world.config, {'model.backbone.init_cfg': {'odd key': (1, [None, "it's\n\\"]), 2: 1e-300}})
    assert Config.fromstring(config_text(cfg), '.py').to_dict() == cfg.to_dict()


# ------------------------------------------------------------------ the sweep, with another runner
def figures(point, seed):
    return {'AP': 30 + point.get('alpha', 0) + 3 * seed ** 2, 'FPR95': 60 - point.get('alpha', 0) * seed}


class Job:
    """Trains nothing, and finds figures that depend on point and seed."""

    def __init__(self, failing=()):
        self.failing, self.runs, self.environments = failing, [], []

    def __call__(self, run, environment, stop):
        self.runs.append(run.name)
        self.environments.append(environment)
        if run.name in self.failing:
            raise RunFailed('train.py ended with status 1, the end of train.log:\nCUDA out of memory')
        if run.trained_checkpoint() is None:
            (run.folder / 'iter_9.pth').write_text('weights')
            (run.folder / 'last_checkpoint').write_text(str(run.folder / 'iter_9.pth'))
            run.end_training()
        rows = [{'benchmark': 'in-distribution', 'mIoU': 80.0 + run.seed},
                *({'benchmark': 'mini-street', 'root': 'r', 'score': score, **figures(run.point, run.seed)}
                  for score in run.description.evaluation['scores'])]
        run.evaluation.mkdir()
        (run.evaluation / 'results.json').write_text(json.dumps({'results': rows, 'provenance': {'checkpoint': 'x'}}))


@pytest.fixture
def run_sweep(world, tmp_path):
    def run(job, grid=None, **options):
        arguments = dict(grid=grid or dict(alpha=[0, 5]), benchmarks=[world.benchmark_argument], out=tmp_path / 'out',
                         seeds=(0, 1, 2))
        return sweep(world.config, **{**arguments, **options}, run_job=job)
    return run


def test_figures_against_numpy(run_sweep, tmp_path):
    results = run_sweep(Job())
    inliers, anomalies = results['results'][:2]
    assert (inliers['benchmark'], inliers['n'], inliers['mIoU']) == ('in-distribution', 3, {'mean': 81, 'std': 1})
    assert (anomalies['benchmark'], anomalies['score'], anomalies['n']) == ('mini-street', 'energy', 3)
    for row, alpha in zip(results['results'][1::2], (0, 5), strict=True):
        assert row['values'] == {'alpha': alpha}
        for metric in ('AP', 'FPR95'):
            of_seeds = [figures(dict(alpha=alpha), seed)[metric] for seed in (0, 1, 2)]
            assert row[metric] == {'mean': np.mean(of_seeds), 'std': np.std(of_seeds, ddof=1)}
    # 35, 38, 47: mean 40, squared deviations 25, 4, 49
    assert results['results'][3]['AP'] == pytest.approx({'mean': 40, 'std': 39 ** 0.5})
    table = sweep_table(results)
    assert re.search(r'\| +5 \| mini-street +\| energy \| 3 \| 40\.00 ± 6\.24 \| 55\.00 ± 5\.00 \|', table)
    assert re.search(r'\| +0 \| in-distribution \| +\| 3 \|.*\| 81\.00 ± 1\.00 \|', table)


def test_files(run_sweep, tmp_path):
    results = run_sweep(Job(), dict(gamma=[3, 0], alpha=[0, 5]), seeds=(0, 1), scores=['energy', 'msp'])
    out = tmp_path / 'out'
    with (out / 'sweep.csv').open() as file:
        lines = list(csv.DictReader(file))
    assert [(line['gamma'], line['alpha'], line['seed']) for line in lines[:3]] == [
        ('3', '0', '0'), ('3', '0', '1'), ('3', '5', '0')]
    assert len(lines) == 8
    assert lines[3]['mini-street msp AP'] == '38'
    assert lines[3]['in-distribution mIoU'] == '81.0'
    assert lines[3]['folder'] == 'alpha=5,gamma=3/seed=1'
    content = json.loads((out / 'sweep.json').read_text())
    assert content == json.loads(json.dumps(results))
    assert content['grid']['gamma'] == {'config_keys': [f'{HEAD}gamma_margin', f'{HEAD}gamma_weight'], 'values': [3, 0]}
    assert {'command', 'config', 'config_text', 'mmseg_ood', 'versions'} <= content['provenance'].keys()
    assert content['runs'][0]['provenance'] == {'checkpoint': 'x'}
    assert (out / 'sweep.png').read_bytes()[1:4] == b'PNG'
    text = (out / 'alpha=5,gamma=3/seed=1/config/toy.py').read_text()
    loss = Config.fromstring(text, '.py').model.decode_head.loss_decode[1]
    assert (loss.alpha, loss.gamma_weight, loss.prior) == (5, 3, PRIOR)


def test_single_runs_have_no_spread(run_sweep, tmp_path):
    results = run_sweep(Job(), seeds=[4])
    assert np.isnan(results['results'][1]['AP']['std'])
    assert json.loads((tmp_path / 'out/sweep.json').read_text())['results'][1]['AP'] == {'mean': 78, 'std': None}
    assert '| 78.00 |' in sweep_table(results)


def test_what_is_finished_is_not_run_again(run_sweep):
    first = run_sweep(Job(), seeds=(0,))
    job = Job()
    again = run_sweep(job, seeds=(0,))
    assert job.runs == []
    assert again['runs'] == first['runs']
    run_sweep(job, dict(alpha=[5, 7]), seeds=(0, 1))
    assert job.runs == ['alpha=5/seed=1', 'alpha=7/seed=0', 'alpha=7/seed=1']


def test_the_order_of_keys_and_the_way_numbers_are_written_do_not_matter(run_sweep):
    run_sweep(Job(), dict(alpha=[0, 5], gamma=[1]), seeds=[0])
    job = Job()
    run_sweep(job, dict(gamma=[1.0], alpha=[5.0, 0]), seeds=[0])
    assert job.runs == []


def test_a_failed_run_does_not_stop_the_others_and_is_tried_again(run_sweep, tmp_path):
    job = Job(failing=['alpha=0/seed=1'])
    results = run_sweep(job, seeds=(0, 1))
    assert len(job.runs) == 4
    errors = {run['folder']: run['error'] for run in results['runs']}
    assert errors.pop('alpha=0/seed=1').endswith('CUDA out of memory')
    assert set(errors.values()) == {None}
    assert [row['n'] for row in results['results']] == [1, 1, 2, 2]
    lines = list(csv.DictReader((tmp_path / 'out/sweep.csv').open()))
    assert [bool(line['failed']) for line in lines] == [False, True, False, False]
    assert lines[1]['mini-street energy AP'] == ''
    job = Job()
    assert [row['n'] for row in run_sweep(job, seeds=(0, 1))['results']] == [2, 2, 2, 2]
    assert job.runs == ['alpha=0/seed=1']


def test_all_runs_failed(run_sweep, tmp_path):
    results = run_sweep(lambda run, environment, stop: 1 / 0, seeds=[0])
    assert [run['error'] for run in results['runs']] == ['ZeroDivisionError: division by zero'] * 2
    assert results['results'] == []
    assert not (tmp_path / 'out/sweep.png').exists()


def test_a_run_without_results_failed(run_sweep):
    results = run_sweep(lambda run, environment, stop: None, seeds=[0])
    assert 'holds no results' in results['runs'][0]['error']


def test_changed_config_is_named_and_replaced_on_demand(run_sweep, tmp_path):
    run_sweep(Job(), seeds=(0, 1))
    changed, job = {'optim_wrapper.optimizer.lr': 0.5}, Job()
    with pytest.raises(ValueError, match=r'alpha=0.seed=0 holds a run of something else: '
                                         r'training\.config\.optim_wrapper\.optimizer\.lr was 0\.01, is 0\.5 '
                                         r'\(4 folders differ\); .*--force'):
        run_sweep(job, seeds=(0, 1), cfg_options=changed)
    assert job.runs == []
    old = tmp_path / 'out/alpha=0/seed=0/evaluate.log'
    old.write_text('of the first sweep')
    results = run_sweep(job, seeds=(0, 1), cfg_options=changed, force=True)
    assert len(job.runs) == 4
    assert not old.exists()
    assert [run['error'] for run in results['runs']] == [None] * 4


def test_force_leaves_what_has_not_changed(run_sweep):
    run_sweep(Job())
    job = Job()
    run_sweep(job, force=True)
    assert job.runs == []


def test_changed_weights_are_another_run(run_sweep, tmp_path):
    weights = tmp_path / 'before.pth'
    weights.write_bytes(b'1')
    options = dict(seeds=[0], cfg_options={'load_from': str(weights)})
    run_sweep(Job(), **options)
    job = Job()
    run_sweep(job, **options)
    weights.write_bytes(b'2')
    with pytest.raises(ValueError, match=r'training\.files\.\S+before\.pth was 6b86b2\S+, is d4735e'):
        run_sweep(job, **options)
    assert job.runs == []


def test_other_scores_or_benchmarks_keep_the_checkpoint(run_sweep, tmp_path):
    run_sweep(Job(), seeds=[0])
    checkpoint, job = tmp_path / 'out/alpha=0/seed=0/iter_9.pth', Job()
    checkpoint.write_text('trained')
    with pytest.raises(ValueError, match=r'evaluation\.scores\.1 was not there, is msp'):
        run_sweep(job, seeds=[0], scores=['energy', 'msp'])
    results = run_sweep(job, seeds=[0], scores=['energy', 'msp'], force=True)
    assert [run['error'] for run in results['runs']] == [None, None]
    assert [row['score'] for row in results['results']] == ['', 'energy', 'msp'] * 2
    assert len(job.runs) == 2
    assert checkpoint.read_text() == 'trained'


def test_foreign_folders_are_left_alone(run_sweep, tmp_path):
    folder = tmp_path / 'out/alpha=5/seed=1'
    folder.mkdir(parents=True)
    (folder / 'thesis.txt').write_text('x')
    job = Job()
    with pytest.raises(FileExistsError, match=r'alpha=5.seed=1 holds files, but no run of a sweep'):
        run_sweep(job, force=True)
    assert job.runs == []
    assert (folder / 'thesis.txt').is_file()


def test_half_an_evaluation_is_not_a_result(run_sweep, tmp_path):
    run_sweep(Job(), seeds=[0])
    (tmp_path / 'out/alpha=5/seed=0/evaluation/unfinished').mkdir()
    job = Job(failing=['alpha=5/seed=0'])
    run_sweep(job, seeds=[0])
    assert job.runs == ['alpha=5/seed=0']


def test_environment_of_the_processes(run_sweep, monkeypatch):
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    job = Job()
    run_sweep(job, seeds=[0])
    assert job.environments == [{}, {}]
    barrier = threading.Barrier(3)  # three at a time, so that all places are taken

    class Together(Job):
        def __call__(self, *arguments):
            barrier.wait(timeout=30)
            super().__call__(*arguments)

    job = Together()
    run_sweep(job, seeds=(3, 4, 5), grid=dict(alpha=[0]), jobs=3, gpus=['4', '7'])
    assert sorted(environment['CUDA_VISIBLE_DEVICES'] for environment in job.environments) == ['4', '4', '7']
    assert {environment['OMP_NUM_THREADS'] for environment in job.environments} == {'1'}
    monkeypatch.setenv('OMP_NUM_THREADS', '5')
    run_sweep(job, seeds=(6, 7, 8), grid=dict(alpha=[0]), jobs=3)
    assert job.environments[-1] == {'OMP_NUM_THREADS': '5'}


def test_two_sweeps_in_one_folder(run_sweep, tmp_path):
    (tmp_path / 'out').mkdir()
    with FileLock(tmp_path / 'out/.lock'), pytest.raises(OSError, match='another sweep is running in .*out'):
        run_sweep(Job())
    run_sweep(Job(), seeds=[0])


def test_an_interruption_stops_the_jobs(run_sweep):
    stopped = queue.SimpleQueue()

    def job(run, environment, stop):
        os.kill(os.getpid(), signal.SIGINT)
        stopped.put(stop.wait(timeout=30))
        raise RunFailed('killed')

    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_sweep(job)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert stopped.get(timeout=30) is True


@pytest.mark.parametrize(('options', 'error', 'message'), [
    (dict(benchmarks=['x']), ValueError, "unknown benchmark 'x'"),
    (dict(benchmarks=['mini-street=nowhere']), FileNotFoundError, 'nowhere'),
    (dict(benchmarks=[]), ValueError, 'no benchmark was named'),
    (dict(scores=['x']), ValueError, 'x'),
    (dict(scores=['energy', 'energy']), ValueError, 'same name'),
    (dict(scores=['sml']), ValueError, "score 'sml' needs statistics of the network, which every run"),
    (dict(seeds=[]), ValueError, 'expected different seeds'),
    (dict(seeds=[1, 1]), ValueError, r'expected different seeds, at least one, found \[1, 1\]'),
    (dict(jobs=0), ValueError, 'jobs must be at least 1, found 0'),
    (dict(grid=dict(beta=[1])), ValueError, "has an argument 'beta'"),
    (dict(grid=dict(m_in=[-5, 3])), ValueError, 'm_in=3: .*cannot be built'),
    (dict(cfg_options={'load_from': 'no.pth'}), FileNotFoundError, 'load_from: checkpoint no.pth does not exist'),
    (dict(cfg_options={'randomness.seed': 1}), ValueError, 'randomness.seed: the seeds of a sweep are those of'),
    (dict(cfg_options={f'{HEAD}alpha': 1}), ValueError, 'alpha: the grid key alpha sets this'),
    (dict(cfg_options={'train_dataloader.dataset.data_root': 'nowhere'}), FileNotFoundError, 'train_dataloader'),
])
def test_mistakes_are_found_before_anything_runs(run_sweep, tmp_path, options, error, message):
    job = Job()
    with pytest.raises(error, match=message):
        run_sweep(job, **options)
    assert job.runs == []
    assert not (tmp_path / 'out').exists()


# ------------------------------------------------------------------ processes
TRAIN = """
import json, os, sys, time
from pathlib import Path
arguments = sys.argv[1:]
work_dir = Path(arguments[arguments.index('--work-dir') + 1])
with open(work_dir / 'calls.txt', 'a') as file:
    print('train', json.dumps(arguments), os.environ.get('MARK'), file=file)
calls = len((work_dir / 'calls.txt').read_text().splitlines())
(work_dir / f'iter_{calls}.pth').write_text('weights')
(work_dir / 'last_checkpoint').write_text('/elsewhere/' + f'iter_{calls}.pth')
for line in range(40):
    print('line', line)
behaviour = (work_dir / 'behaviour.txt').read_text()
time.sleep(60 * (behaviour == 'slow'))
sys.exit(3 * (behaviour == 'failing'))
"""
EVALUATE = """
import json, sys
from pathlib import Path
arguments = sys.argv[1:]
out = Path(arguments[arguments.index('--out') + 1])
with open(out.parent / 'calls.txt', 'a') as file:
    print('evaluate', json.dumps(arguments), file=file)
out.mkdir()
(out / 'results.json').write_text('{}')
"""


@pytest.fixture
def begun(tmp_path):
    """A run that has begun, and commands that take no time."""
    (tmp_path / 'tools').mkdir()
    (tmp_path / 'tools/train.py').write_text(TRAIN)
    (tmp_path / 'tools/evaluate.py').write_text(EVALUATE)
    description = Description({'config': {}}, {'benchmarks': ['a=b', 'c'], 'scores': ['energy', 'msp']})
    run = Run(dict(alpha=5), 0, Config(dict(a=1)), description, tmp_path / 'out')
    run.begin()
    return run, TrainAndEvaluate(tmp_path / 'tools')


def calls(run):
    return (run.folder / 'calls.txt').read_text().splitlines()


def behave(run, behaviour):
    (run.folder / 'behaviour.txt').write_text(behaviour)


def test_commands(begun):
    run, job = begun
    behave(run, 'well')
    job(run, {'MARK': 'x'}, threading.Event())
    config = run.folder / 'config/config.py'
    train, evaluate = calls(run)
    assert train == f'train {json.dumps([str(config), "--work-dir", str(run.folder)])} x'
    expected = [config, run.folder / 'iter_1.pth', '--benchmark', 'a=b', 'c', '--score', 'energy', 'msp', '--out',
                run.evaluation, '--resume']
    assert evaluate == f'evaluate {json.dumps(list(map(str, expected)))}'
    log = (run.folder / 'train.log').read_text().splitlines()
    assert log[0].startswith('$ ')
    assert log[1:] == [f'line {index}' for index in range(40)]
    assert Config.fromfile(config).a == 1
    assert run.finished


def test_failed_training_goes_on_from_its_newest_checkpoint(begun):
    run, job = begun
    behave(run, 'failing')
    for _ in range(2):
        with pytest.raises(RunFailed) as error:
            job(run, {}, threading.Event())
    message, *end = str(error.value).splitlines()
    assert message == f'train.py ended with status 3, the end of {run.folder / "train.log"}:'
    assert end == [f'line {index}' for index in range(25, 40)]
    first, second = calls(run)
    assert '--resume' not in first
    assert second.endswith(f'"--resume", "{run.folder / "iter_1.pth"}"] None')  # the note of it names another folder
    assert not run.finished
    behave(run, 'well')
    run.begin()
    job(run, {}, threading.Event())
    assert run.finished
    assert run.trained_checkpoint() == run.folder / 'iter_3.pth'


def test_interrupted_evaluation_does_not_train_again(begun):
    run, job = begun
    behave(run, 'well')
    run.evaluation.mkdir()  # the stand-in for evaluate.py stumbles over it
    with pytest.raises(RunFailed, match='evaluate.py ended with status 1.*\n(.*\n)*FileExistsError'):
        job(run, {}, threading.Event())
    run.evaluation.rmdir()
    run.begin()
    job(run, {}, threading.Event())
    assert [call.split()[0] for call in calls(run)] == ['train', 'evaluate', 'evaluate']


def test_a_checkpoint_that_is_gone_is_not_resumed(begun):
    run, _ = begun
    assert run.newest_checkpoint() is None
    (run.folder / 'last_checkpoint').write_text('/elsewhere/iter_1.pth')
    assert run.newest_checkpoint() is None
    with pytest.raises(RunFailed, match='training left no checkpoint'):
        run.end_training()


def test_processes_end_when_they_are_to_stop(begun):
    run, job = begun
    behave(run, 'slow')
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    with pytest.raises(RunFailed, match='train.py ended with status'):  # by itself it would end well
        job(run, {}, stop)


def test_processes_end_with_the_one_that_started_them(tmp_path):
    script = tmp_path / 'slow.py'
    script.write_text('import time\nprint("begun", flush=True)\ntime.sleep(60)')
    process = subprocess.Popen([sys.executable, '-c', _ENDS_WITH_ITS_PARENT, script], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    assert process.stdout.readline() == b'begun\n'
    process.stdin.close()  # which the system does when a process ends, however it ends
    assert process.wait(timeout=30) == 1
    process.stdout.close()


# ------------------------------------------------------------------ the command
HELP = '''
import runpy, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {'torch', 'mmseg', 'mmengine', 'mmcv', 'numpy', 'cv2', 'matplotlib'}:
            raise ImportError(name + ' is blocked')

sys.meta_path.insert(0, Blocker())
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name='__main__')
'''


def test_help_needs_none_of_the_stack():
    result = subprocess.run([sys.executable, '-c', HELP, TOOLS / 'sweep.py', '--help'], capture_output=True, text=True,
                            check=False)
    assert result.returncode == 0, result.stderr
    assert '--grid' in result.stdout


def test_for_real(world, tmp_path):
    """Two points, of which one fails in its first iteration."""
    out = tmp_path / 'out'
    grid = dict(alpha=[0], ood_index=[254, 253])  # where outliers are 253, the label 254 means nothing
    arguments = ['--grid', 'alpha=0', 'ood_index=254,253', '--seeds', '3', '--benchmark', world.benchmark_argument,
                 '--out', out, '--jobs', '2', '--cfg-options', 'train_cfg.max_iters=1', 'test_dataloader=None',
                 'test_evaluator=None', 'test_cfg=None']
    environment = {**os.environ, 'PYTHONPATH': str(TOOLS.parent), 'OMP_NUM_THREADS': '1'}
    result = subprocess.run([sys.executable, TOOLS / 'sweep.py', world.config, *arguments], capture_output=True,
                            text=True, check=False, env=environment)
    assert result.returncode == 1, result.stderr
    assert 'labels hold the values [254]' in result.stderr
    assert '1 of 2 runs failed' in result.stderr
    run = json.loads((out / 'sweep.json').read_text())['runs'][0]
    row, = run['results']
    assert f'| {row["AP"]:.2f} |' in result.stdout
    assert (out / run['folder'] / 'iter_1.pth').is_file()
    assert run['provenance']['config'].endswith('seed=3/config/toy.py')
    assert (out / 'sweep.png').is_file()
    job = Job()  # the same call here: only what failed is run again
    options = {'train_cfg.max_iters': 1, 'test_dataloader': None, 'test_evaluator': None, 'test_cfg': None}
    sweep(world.config, grid, [world.benchmark_argument], out, [3], cfg_options=options, run_job=job)
    assert job.runs == ['alpha=0,ood_index=253/seed=3']
