"""evaluate(): its figures against scikit-learn on logits computed by hand, its files, its errors."""
import csv
import hashlib
import json
import math
import shutil
import sys

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from mmseg_ood.apis import evaluate, map_sources, results_table
from mmseg_ood.apis.evaluated import EvaluatedNetwork
from mmseg_ood.apis.results import write_results
from mmseg_ood.core import ComponentAccumulator

NO_TEST_SET = dict(test_evaluator=None)


def reference(world, score):
    """AP, FPR95 and AUROC in percent over the pooled pixels of the benchmark."""
    segmentor, scores, labels = world.segmentor(), [], []
    for path in sorted((world.benchmark / 'images').iterdir()):
        label = cv2.imread(str(world.benchmark / 'labels_masks' / path.name), cv2.IMREAD_UNCHANGED)
        scores.append(score(world.logits(segmentor, path)).numpy()[label != 255])
        labels.append(label[label != 255])
    scores, labels = np.concatenate(scores), np.concatenate(labels)
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    return {'AP': 100 * average_precision_score(labels, scores), 'FPR95': 100 * fpr[tpr >= 0.95][0],
            'AUROC': 100 * roc_auc_score(labels, scores)}


def frames_of(world, root=None):
    """Energies and labels of the benchmark's frames, by hand."""
    segmentor = world.segmentor()
    for path in sorted(((root or world.benchmark) / 'images').iterdir()):
        label = cv2.imread(str((root or world.benchmark) / 'labels_masks' / path.name), cv2.IMREAD_UNCHANGED)
        yield path.stem, -world.logits(segmentor, path).logsumexp(0).numpy(), label


def figures_of(results):
    """What must not depend on how an evaluation was run."""
    return [{key: value for key, value in row.items() if key != 'seconds'} for row in results['results']]


def files_in(folder):
    """Content by path."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def strict_json(path):
    def refuse(name):
        raise AssertionError(f'{name} is not JSON')
    return json.loads(path.read_text(), parse_constant=refuse)


@pytest.fixture(scope='module')
def evaluated(world, tmp_path_factory):
    out = tmp_path_factory.mktemp('evaluated') / 'new' / 'folder'
    return evaluate(world.config, world.checkpoint, [world.benchmark_argument], ['energy', 'max_logit'], out), out


@pytest.fixture(scope='module', autouse=True)
def pages(evaluated):
    """Arguments of the pages that are not drawn: those of ``evaluated`` are enough, and each takes a second."""
    with pytest.MonkeyPatch.context() as patch:
        arguments = []
        patch.setattr(sys.modules[evaluate.__module__], 'write_report', lambda *given: arguments.append(given))
        yield arguments


def test_benchmark_figures_equal_scikit_learn(world, evaluated):
    rows = {row['score']: row for row in evaluated[0]['results'] if row['benchmark'] == 'mini-street'}
    expected = {'energy': reference(world, lambda logits: -logits.logsumexp(0)),
                'max_logit': reference(world, lambda logits: -logits.amax(0))}
    assert rows.keys() == expected.keys()
    for score, figures in expected.items():
        assert {name: rows[score][name] for name in figures} == pytest.approx(figures, rel=1e-6)
        assert rows[score]['frames'] == 3
        assert rows[score]['root'] == str(world.benchmark)
        assert rows[score]['AP_error'] == 0


def test_in_distribution_figures_equal_a_count(world, evaluated):
    segmentor = world.segmentor()
    intersection, union = np.zeros(3), np.zeros(3)
    for path in (world.root / 'streets/images').iterdir():
        label = cv2.imread(str(world.root / 'streets/labels' / path.name), cv2.IMREAD_UNCHANGED)
        prediction = world.logits(segmentor, path).argmax(0).numpy()
        for index in range(3):
            predicted, true = (prediction == index)[label != 255], (label == index)[label != 255]
            intersection[index] += (predicted & true).sum()
            union[index] += (predicted | true).sum()
    row = evaluated[0]['results'][0]
    assert row['benchmark'] == 'in-distribution'
    assert row['frames'] == 4
    assert row['mIoU'] == pytest.approx(100 * (intersection / union).mean(), abs=0.01)  # mmseg rounds to 2 digits


def test_json_holds_everything(evaluated):
    results, out = evaluated
    assert strict_json(out / 'results.json') == results


def test_csv_holds_every_row(evaluated):
    results, out = evaluated
    with (out / 'results.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert [(row['benchmark'], row['score']) for row in rows] == [
        ('in-distribution', ''), ('mini-street', 'energy'), ('mini-street', 'max_logit')]
    assert float(rows[1]['AP']) == results['results'][1]['AP']


def test_provenance_and_protocol(world, evaluated):
    provenance = evaluated[0]['provenance']
    assert provenance['checkpoint_sha256'] == hashlib.sha256(world.checkpoint.read_bytes()).hexdigest()
    assert provenance['config'] == str(world.config)
    assert {'torch', 'numpy'} <= provenance['versions'].keys()
    protocol = evaluated[0]['protocol']
    assert protocol['fpr_rule'] == 'first'
    assert [score['formula'] for score in protocol['scores']] == ['-T * logsumexp(f / T)', '-max f']
    assert [step['type'] for step in protocol['benchmark_pipeline']] == [
        'LoadImageFromFile', 'LoadAnnotations', 'PackSegInputs']


def test_table_shows_the_headline_figures(evaluated):
    table = results_table(evaluated[0])
    row = evaluated[0]['results'][1]
    for name in ('AP', 'FPR95', 'AUROC', 'F1*', 'sIoU', 'PPV', 'mIoU', 'frames', 'seconds'):
        assert name in table
    for name in ('AP', 'FPR95', 'AUROC'):
        assert f'{row[name]:.2f}' in table
    assert '3 of 100 or 30' in table  # not the published set
    assert row['partial']
    assert row['expected_frames'] == {'lost_and_found': 100, 'static': 30}


@pytest.mark.parametrize(('benchmark', 'track'), [('mini-street', 'anomaly'), ('road-obstacle-21', 'obstacle')])
def test_component_figures_at_the_best_pixel_f1(world, benchmark, track):
    results = evaluate(world.config, world.checkpoint, [f'{benchmark}={world.benchmark}'], cfg_options=NO_TEST_SET)
    row, = results['results']
    accumulator = ComponentAccumulator(track)
    for _, energy, label in frames_of(world):
        accumulator.update(energy >= np.float32(row['best_threshold']), label)
    expected = accumulator.summary()
    assert row['component_track'] == track
    for name, key in (('sIoU', 'sIoU'), ('PPV', 'PPV'), ('F1*', 'F1')):
        assert row[name] == pytest.approx(100 * expected[key], rel=1e-6, nan_ok=True)
    assert row['components']['num_prediction'] == expected['num_prediction']


def test_means_of_images(world, evaluated):
    row = evaluated[0]['results'][1]
    expected = [100 * average_precision_score(label[label != 255], energy[label != 255])
                for _, energy, label in frames_of(world) if (label == 1).any()]
    assert row['image_AP'] == pytest.approx(np.mean(expected), rel=1e-6)
    assert row['image_frames'] == len(expected)
    with (evaluated[1] / 'frames.csv').open() as file:
        frames = [line for line in csv.DictReader(file) if line['score'] == 'energy']
    assert [frame['image'] for frame in frames] == ['frame_0', 'frame_1', 'frame_2']
    assert [float(frame['AP']) for frame in frames if frame['AP']] == pytest.approx(expected, rel=1e-6)


def test_operating_points_do_what_they_say(world):
    results = evaluate(world.config, world.checkpoint, [world.benchmark_argument], cfg_options=NO_TEST_SET,
                       max_fpr=0.2)
    points = results['results'][0]['operating_points']
    valid = [(energy[label != 255], label[label != 255]) for _, energy, label in frames_of(world)]
    energies, labels = map(np.concatenate, zip(*valid, strict=True))
    assert set(points) == {'best_F1', 'TPR95', 'FPR20'}
    for point in points.values():
        predicted = energies >= np.float32(point['threshold'])
        assert point['TPR'] == pytest.approx(100 * predicted[labels == 1].mean(), abs=0.05)
        assert point['FPR'] == pytest.approx(100 * predicted[labels == 0].mean(), abs=0.05)
    assert points['TPR95']['TPR'] >= 95
    assert points['FPR20']['FPR'] <= 20


def test_curves_and_plots(evaluated):
    results, out = evaluated
    names = {path.name for path in (out / 'curves').iterdir()}
    assert names == {'mini-street_precision_recall.png', 'mini-street_roc.png', *(
        f'mini-street_{score}{suffix}' for score in ('energy', 'max_logit') for suffix in ('.npz', '_histogram.png'))}
    row = results['results'][1]
    with np.load(out / 'curves/mini-street_energy.npz') as curve:
        recall = np.concatenate([[0], curve['tpr']])
        assert 100 * (np.diff(recall) * curve['precision']).sum() == pytest.approx(row['AP'], abs=0.5)
        assert curve['inlier'].sum() == row['num_inlier']
        assert str(curve['command']) == results['provenance']['command']
    assert not (out / 'unfinished').exists()


def predictions_of(world, num_classes=3):
    """Predicted classes of the benchmark's frames, by hand."""
    segmentor = world.segmentor()
    return [world.logits(segmentor, path)[:num_classes].argmax(0).numpy()
            for path in sorted((world.benchmark / 'images').iterdir())]


def counts_at(world, threshold, predictions):
    """Pixels of the benchmark by predicted class, on both sides of a threshold of the energy."""
    counts = dict.fromkeys(('predicted', 'false_positives', 'missed', 'detected'), 0)
    for (_, energy, label), prediction in zip(frames_of(world), predictions, strict=True):
        above = energy >= np.float32(threshold)
        masks = {'predicted': label == 0, 'false_positives': (label == 0) & above, 'missed': (label == 1) & ~above,
                 'detected': (label == 1) & above}
        for name, mask in masks.items():
            counts[name] += np.bincount(prediction[mask], minlength=predictions[0].max() + 1)
    return {name: count.tolist() for name, count in counts.items()}


def test_predicted_classes(world, evaluated):
    results, out = evaluated
    content = strict_json(out / 'classes.json')
    assert content['classes'] == ['road', 'car', 'sky']
    assert content['palette'] == [[128, 64, 128], [0, 0, 142], [70, 130, 180]]
    assert content['benchmarks'].keys() == {'mini-street'}
    assert content['benchmarks']['mini-street'].keys() == {'energy', 'max_logit'}
    energy, row = content['benchmarks']['mini-street']['energy'], results['results'][1]
    assert (energy['operating_point'], energy['threshold']) == ('best_F1', row['best_threshold'])
    expected = counts_at(world, row['best_threshold'], predictions_of(world))
    assert {name: energy[name] for name in expected} == expected
    assert sum(map(sum, energy['inlier'])) == row['num_inlier']
    assert [sum(counts) for counts in energy['inlier']] == expected['predicted']
    assert {len(counts) for counts in (*energy['inlier'], *energy['outlier'])} == {len(energy['edges']) - 1}


def test_gallery(evaluated):
    _, out = evaluated
    gallery = strict_json(out / 'gallery.json')
    assert [(frame['benchmark'], frame['image'], frame['size']) for frame in gallery['frames']] == [
        ('mini-street', f'frame_{index}', [64, 32]) for index in range(3)]
    files = {file for frame in gallery['frames']
             for file in (frame['files']['image'], frame['files']['truth'], *frame['files']['maps'].values())}
    assert files == {path.relative_to(out).as_posix() for path in out.glob('gallery/*/*')}
    assert len(files) == 12
    assert gallery['score_ranges'].keys() == {'mini-street'}
    assert all(low < high for low, high in gallery['score_ranges']['mini-street'].values())
    assert gallery['score_quantiles'] == [0.01, 0.995]


def test_prior_of_the_config(world, evaluated, tmp_path):
    prior = strict_json(evaluated[1] / 'prior.json')
    assert prior == dict(prior=pytest.approx([0.5, 0.3, 0.2]), classes=['road', 'car', 'sky'], source='config')
    (tmp_path / 'prior.json').write_text('{"prior": [1, 1, 1]}')  # of somebody else: no result, and kept
    evaluate(world.config, world.checkpoint, out=tmp_path)
    evaluate(world.config, world.checkpoint, out=tmp_path, force=True)
    assert strict_json(tmp_path / 'prior.json') == dict(prior=[1, 1, 1])


def test_force_removes_all_that_an_evaluation_writes(world, evaluated, tmp_path):
    shutil.copytree(evaluated[1], tmp_path, dirs_exist_ok=True)
    (tmp_path / 'notes.txt').write_text('not a result')
    with pytest.raises(FileExistsError, match=r'results.json, results.csv, frames.csv, classes.json, gallery.json, '
                                              r'index.html, report, curves, gallery\)'):
        evaluate(world.config, world.checkpoint, out=tmp_path)
    config = Config.fromfile(world.config)
    config.model.decode_head.loss_decode = dict(type='CrossEntropyLoss')  # without a prior
    evaluate(config, world.checkpoint, out=tmp_path, force=True)
    left = {path.name for path in tmp_path.iterdir()} - {'index.html', 'report'}
    assert left == {'results.json', 'results.csv', 'frames.csv', 'curves', 'notes.txt'}
    assert not list((tmp_path / 'curves').iterdir())


def test_ends_with_a_page(evaluated):
    results, out = evaluated
    page = (out / 'index.html').read_text()
    assert f'{results["results"][1]["AP"]:.2f}' in page
    assert 'gallery/mini-street/00000_frame_0_energy.jpg' in page


@pytest.mark.parametrize('log', [None, '20260101_000000/vis_data/scalars.json'])
def test_the_page_knows_the_log_of_the_training(world, tmp_path, pages, log):
    checkpoint = tmp_path / 'work_dir/iter_10.pth'
    checkpoint.parent.mkdir()
    shutil.copy(world.checkpoint, checkpoint)
    if log is not None:
        (checkpoint.parent / log).parent.mkdir(parents=True)
        (checkpoint.parent / log).write_text('{}')
    pages.clear()
    evaluate(world.config, checkpoint, out=tmp_path / 'out')
    assert pages == [(tmp_path / 'out', None if log is None else checkpoint.parent)]
    evaluate(world.config, checkpoint)
    assert len(pages) == 1


def test_other_fpr_rules_have_their_own_column(world, tmp_path):
    results = evaluate(world.config, world.checkpoint, [world.benchmark_argument], out=tmp_path, fpr_rule='nearest',
                       cfg_options=NO_TEST_SET)
    row, = results['results']
    assert 'FPR95' not in row
    assert row['FPR95_nearest'] <= 100
    assert 'FPR95_nearest' in results_table(results)
    assert 'FPR95_nearest' in (tmp_path / 'results.csv').read_text()


class TestSavedMaps:
    @pytest.fixture(scope='class')
    def network(self, world, tmp_path_factory):
        out = tmp_path_factory.mktemp('network')
        return evaluate(world.config, world.checkpoint, [world.benchmark_argument], ['energy', 'msp'], out,
                        cfg_options=NO_TEST_SET, save_maps='float32'), out

    def test_layout(self, network):
        files = sorted(path.relative_to(network[1]).as_posix() for path in network[1].glob('anomaly_p/**/*.npy'))
        assert files == [f'anomaly_p/{score}/mini-street/frame_{index}.npy' for score in ('energy', 'msp')
                         for index in range(3)]

    def test_their_figures_are_those_of_the_network(self, world, network):
        folders = [network[1] / 'anomaly_p' / score for score in ('energy', 'msp')]
        judged = evaluate(benchmarks=[world.benchmark_argument], maps=folders)
        assert figures_of(judged) == figures_of(network[0])
        assert 'checkpoint' not in judged['provenance']

    def test_their_gallery_is_that_of_the_network_but_their_classes_are_not_known(self, world, network, tmp_path):
        folders = [network[1] / 'anomaly_p' / score for score in ('energy', 'msp')]
        evaluate(benchmarks=[world.benchmark_argument], maps=folders, out=tmp_path)
        assert (tmp_path / 'gallery.json').read_bytes() == (network[1] / 'gallery.json').read_bytes()
        assert files_in(tmp_path / 'gallery') == files_in(network[1] / 'gallery')
        assert not (tmp_path / 'classes.json').exists()
        assert not (tmp_path / 'prior.json').exists()

    def test_half_precision_in_the_submission_layout(self, world, tmp_path):
        argument = f'road-anomaly-21={world.benchmark}'
        results = evaluate(world.config, world.checkpoint, [argument], out=tmp_path, cfg_options=NO_TEST_SET,
                           save_maps='float16')
        assert len(list((tmp_path / 'anomaly_p/energy/AnomalyTrack-validation').glob('*.hdf5'))) == 3
        judged = evaluate(benchmarks=[argument], maps=[tmp_path / 'anomaly_p/energy'])
        assert judged['results'][0]['AP'] == pytest.approx(results['results'][0]['AP'], abs=0.5)

    def test_sixteen_bits(self, world, tmp_path):
        results = evaluate(world.config, world.checkpoint, [world.benchmark_argument], out=tmp_path,
                           cfg_options=NO_TEST_SET, save_maps='uint16')
        folder = tmp_path / 'anomaly_p/energy/mini-street'
        scale = strict_json(folder / 'scale.json')
        for name, energy, label in frames_of(world):
            values = cv2.imread(str(folder / f'{name}.png'), cv2.IMREAD_UNCHANGED)
            assert values.dtype == np.uint16
            restored = scale['offset'] + scale['step'] * values
            np.testing.assert_allclose(restored[label != 255], energy[label != 255], atol=scale['step'])
        judged = evaluate(benchmarks=[world.benchmark_argument], maps=[folder])
        assert judged['results'][0]['AP'] == pytest.approx(results['results'][0]['AP'], abs=0.2)

    @pytest.mark.parametrize(('spoil', 'message'), [
        (lambda folder: (folder / 'frame_1.npy').unlink(), r'frame_1'),
        (lambda folder: np.save(folder / 'frame_1.npy', np.zeros((8, 8), np.float32)), r'frame_1\.npy.*8x8.*32x64'),
        (lambda folder: np.save(folder / 'frame_1.npy', np.full((32, 64), np.nan, np.float32)), r'frame_1\.npy.*2048'),
        (lambda folder: (folder / 'frame_1.npy').write_bytes(b'no map'), r'frame_1\.npy'),
    ])
    def test_maps_that_cannot_be_judged(self, world, network, tmp_path, spoil, message):
        shutil.copytree(network[1] / 'anomaly_p/energy/mini-street', tmp_path / 'energy')
        spoil(tmp_path / 'energy')
        with pytest.raises(ValueError, match=message):
            evaluate(benchmarks=[world.benchmark_argument], maps=[tmp_path / 'energy'], out=tmp_path / 'out')
        assert not (tmp_path / 'out/results.json').exists()

    def test_arguments_that_exclude_each_other(self, world):
        with pytest.raises(ValueError, match='expected either config and checkpoint or maps'):
            evaluate(world.config, world.checkpoint, [world.benchmark_argument], maps=['somewhere'])
        with pytest.raises(ValueError, match='expected either config and checkpoint or maps'):
            evaluate(world.config, None, [world.benchmark_argument])


class Interrupted(Exception):
    pass


def interrupt(*arguments):
    raise Interrupted


@pytest.fixture
def interrupted(world, tmp_path, monkeypatch):
    """An output folder where an evaluation was stopped at its second frame of the benchmark."""
    save, saved = map_sources.save_map, []

    def stop_at_the_second(path, scores):
        if len(saved) == 2:  # both scores of the first frame
            raise Interrupted
        saved.append(path)
        save(path, scores)

    with monkeypatch.context() as patch:
        patch.setattr(map_sources, 'save_map', stop_at_the_second)
        with pytest.raises(Interrupted):
            evaluate(world.config, world.checkpoint, [world.benchmark_argument], ['energy', 'max_logit'], tmp_path)
    return tmp_path


class TestResume:
    def test_goes_on_with_the_missing_frames(self, world, interrupted, evaluated, monkeypatch):
        computed = []
        compute = map_sources.NetworkMaps._compute
        monkeypatch.setattr(map_sources.NetworkMaps, '_compute',
                            lambda self, indices: computed.extend(indices) or compute(self, indices))
        results = evaluate(world.config, world.checkpoint, [world.benchmark_argument], ['energy', 'max_logit'],
                           interrupted, resume=True)
        assert computed == [1, 2]
        assert figures_of(results) == figures_of(evaluated[0])
        assert not (interrupted / 'unfinished').exists()
        for name in ('classes.json', 'gallery.json', 'frames.csv'):
            assert (interrupted / name).read_bytes() == (evaluated[1] / name).read_bytes()
        assert files_in(interrupted / 'gallery') == files_in(evaluated[1] / 'gallery')

    def test_frames_without_predicted_classes_are_missing(self, world, interrupted, monkeypatch):
        (interrupted / 'unfinished/mini-street/.classes/00000.npy').unlink()
        computed = []
        monkeypatch.setattr(map_sources.NetworkMaps, '_compute',
                            lambda self, indices: computed.extend(indices) or interrupt())
        with pytest.raises(Interrupted):
            evaluate(world.config, world.checkpoint, [world.benchmark_argument], ['energy', 'max_logit'], interrupted,
                     resume=True)
        assert computed == [0, 1, 2]

    def test_in_distribution_frames_are_kept_too(self, interrupted):
        assert len(list((interrupted / 'unfinished/in-distribution').glob('*.pth'))) == 4

    def test_is_not_mistaken_for_another_evaluation(self, world, interrupted):
        with pytest.raises(ValueError, match=r'interrupted evaluation of something else: scores was .*max_logit'):
            evaluate(world.config, world.checkpoint, [world.benchmark_argument], ['energy'], interrupted, resume=True)

    def test_is_not_overwritten(self, world, interrupted):
        with pytest.raises(FileExistsError, match='interrupted evaluation; go on with it with --resume, or start'):
            evaluate(world.config, world.checkpoint, [world.benchmark_argument], ['energy'], interrupted)
        evaluate(world.config, world.checkpoint, [world.benchmark_argument], ['energy'], interrupted, force=True,
                 cfg_options=NO_TEST_SET)
        assert [row['score'] for row in strict_json(interrupted / 'results.json')['results']] == ['energy']

    def test_of_nothing_starts_anew(self, world, tmp_path):
        evaluate(world.config, world.checkpoint, [world.benchmark_argument], out=tmp_path, resume=True,
                 cfg_options=NO_TEST_SET)
        assert (tmp_path / 'results.json').is_file()


def test_results_are_not_overwritten(world, tmp_path):
    run = dict(config=world.config, checkpoint=world.checkpoint, benchmarks=[world.benchmark_argument], out=tmp_path,
               cfg_options=NO_TEST_SET)
    evaluate(**run)
    before = (tmp_path / 'results.json').read_bytes()
    with pytest.raises(FileExistsError, match=r'holds results already \(results.json, .*--force'):
        evaluate(**run)
    assert (tmp_path / 'results.json').read_bytes() == before
    evaluate(**run, force=True)


def test_a_full_disk_is_said_before_the_first_frame(world, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: shutil._ntuple_diskusage(10**9, 10**9 - 1000, 1000))
    with pytest.raises(OSError, match=r'the maps of all frames take 0\.0 GB .* 0\.0 GB are free'):
        evaluate(world.config, world.checkpoint, [world.benchmark_argument], out=tmp_path, cfg_options=NO_TEST_SET)


@pytest.mark.parametrize('missing', [0, 1])
def test_space_for_maps_and_classes(world, tmp_path, monkeypatch, missing):
    needed = 3 * 32 * 64 * (2 * 4 + 1)
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: shutil._ntuple_diskusage(10**9, 0, needed - missing))
    monkeypatch.setattr(EvaluatedNetwork, 'inlier_rows', interrupt)
    with pytest.raises(OSError if missing else Interrupted):
        evaluate(world.config, world.checkpoint, [world.benchmark_argument], ['energy', 'msp'], tmp_path)


@pytest.mark.parametrize(('options', 'message'), [
    (dict(fpr_rule='last'), "unknown fpr_rule 'last', expected one of first"),
    (dict(max_fpr=5), 'max_fpr must be a fraction'),
    (dict(save_maps='float8', out='somewhere'), 'save_maps must be one of float16, float32, uint16'),
    (dict(save_maps='float16'), 'save_maps must be one of .* and needs out'),
])
def test_wrong_options(world, options, message):
    with pytest.raises(ValueError, match=message):
        evaluate(world.config, world.checkpoint, [world.benchmark_argument], **options)

@pytest.mark.parametrize('missing', [['test_dataloader'], ['test_evaluator'], ['test_dataloader', 'test_evaluator']])
def test_without_test_set(world, missing):
    results = evaluate(world.config, world.checkpoint, [world.benchmark_argument],
                       cfg_options=dict.fromkeys(missing))
    assert [row['benchmark'] for row in results['results']] == ['mini-street']


def test_the_same_benchmark_under_two_roots(world, tmp_path):
    shutil.copytree(world.benchmark, tmp_path / 'copy')
    roots = [str(world.benchmark), str(tmp_path / 'copy')]
    results = evaluate(world.config, world.checkpoint, [f'mini-street={root}' for root in roots],
                       cfg_options=NO_TEST_SET)
    assert [row['root'] for row in results['results']] == roots


def test_benchmark_pipeline_of_the_config(world):
    pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=(128, 64), keep_ratio=True),
                dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
    native, doubled = (evaluate(world.config, world.checkpoint, [world.benchmark_argument],
                                cfg_options={**NO_TEST_SET, **options})
                       for options in ({}, dict(benchmark_pipeline=pipeline)))
    assert doubled['protocol']['benchmark_pipeline'] == pipeline
    # Scored at the resolution of the frames all the same.
    assert doubled['results'][0]['num_inlier'] == native['results'][0]['num_inlier']
    assert doubled['results'][0]['AP'] != native['results'][0]['AP']


def test_further_channels_are_no_classes(world, tmp_path):
    results = evaluate(world.config, world.checkpoint, [world.benchmark_argument], out=tmp_path,
                       cfg_options=dict(num_inlier_classes=2, **NO_TEST_SET))
    expected = reference(world, lambda logits: -logits[:2].logsumexp(0))
    assert results['results'][0]['AP'] == pytest.approx(expected['AP'], rel=1e-6)
    # Where a further channel is the most likely one, the prediction is the most likely of the classes.
    assert any((prediction == 2).any() for prediction in predictions_of(world))
    predicted = sum(np.bincount(prediction[label == 0], minlength=2) for (_, _, label), prediction
                    in zip(frames_of(world), predictions_of(world, 2), strict=True))
    content = strict_json(tmp_path / 'classes.json')
    assert content['classes'] == ['class 0', 'class 1']
    assert content['benchmarks']['mini-street']['energy']['predicted'] == predicted.tolist()


def test_a_config_object_stays_as_it_is(world):
    config = Config.fromfile(world.config)
    before = config.pretty_text
    evaluate(config, world.checkpoint, [world.benchmark_argument], cfg_options=NO_TEST_SET)
    assert config.pretty_text == before


def test_undefined_figures_are_null(tmp_path):
    rows = [dict(benchmark='in-distribution', AP=math.nan, mIoU=50.0)]
    write_results(dict(results=rows, provenance={}), tmp_path)
    assert strict_json(tmp_path / 'results.json')['results'] == [dict(benchmark='in-distribution', AP=None, mIoU=50.0)]
    with (tmp_path / 'results.csv').open() as file:
        assert list(csv.DictReader(file)) == [dict(benchmark='in-distribution', score='', AP='', mIoU='50.0')]


def test_benchmark_without_anomalies(world, tmp_path):
    shutil.copytree(world.benchmark, tmp_path / 'clean')
    for path in (tmp_path / 'clean/labels_masks').iterdir():
        cv2.imwrite(str(path), np.zeros((32, 64), np.uint8))
    with pytest.raises(ValueError, match='benchmark mini-street: no anomalous pixel in 3 frames under .*clean'):
        evaluate(world.config, world.checkpoint, [f'mini-street={tmp_path / "clean"}'], cfg_options=NO_TEST_SET)


@pytest.mark.parametrize(('benchmarks', 'scores', 'message'), [
    (['mini-stret'], ['energy'], "unknown benchmark 'mini-stret', expected one of .*mini-street"),
    (['mini-street'], ['enrgy'], "unknown score 'enrgy', expected one of energy, msp"),
    (['mini-street'], [], 'score'),
    ([], ['energy'], 'nothing to evaluate: no benchmark was named'),
])
def test_what_is_wrong_is_said_before_anything_is_loaded(world, benchmarks, scores, message):
    with pytest.raises(ValueError, match=message):
        evaluate(world.config, 'no.pth', benchmarks, scores, cfg_options=NO_TEST_SET)


def test_missing_benchmark_is_said_before_the_first_frame(world, tmp_path):
    with pytest.raises(FileNotFoundError, match=r'benchmark mini-street .*is not a folder. Layouts that were looked'):
        evaluate(world.config, 'no.pth', [f'mini-street={tmp_path / "none"}'])


def test_missing_test_set_names_the_config_key(world, tmp_path):
    options = {'test_dataloader.dataset.data_root': str(tmp_path)}
    with pytest.raises(FileNotFoundError, match=r"test_dataloader.dataset \(type='BaseSegDataset', data_root=.*images"):
        evaluate(world.config, world.checkpoint, cfg_options=options)
    for folder in ('images', 'labels'):
        (tmp_path / folder).mkdir()
    with pytest.raises(FileNotFoundError, match='test_dataloader.dataset .*: no frame was found there'):
        evaluate(world.config, world.checkpoint, cfg_options=options)


def test_the_test_set_may_be_wrapped(world):
    config = Config.fromfile(world.config)
    config.test_dataloader.dataset = dict(type='ConcatDataset', datasets=[config.test_dataloader.dataset] * 2)
    assert evaluate(config, world.checkpoint)['results'][0]['frames'] == 8


def test_labels_of_a_benchmark_are_checked(world, tmp_path):
    shutil.copytree(world.benchmark, tmp_path / 'wrong')
    cv2.imwrite(str(tmp_path / 'wrong/labels_masks/frame_1.png'), np.full((32, 64), 7, np.uint8))
    with pytest.raises(ValueError, match='frame_1.png holds the values 7'):
        evaluate(world.config, world.checkpoint, [f'mini-street={tmp_path / "wrong"}'], cfg_options=NO_TEST_SET)


def test_networks_that_compute_no_number(world, tmp_path):
    content = torch.load(world.checkpoint)
    content['state_dict']['decode_head.conv_seg.bias'].fill_(math.nan)
    torch.save(content, tmp_path / 'nan.pth')
    with pytest.raises(ValueError, match=r'frame_0.png: energy: \d+ of \d+ scores are not finite'):
        evaluate(world.config, tmp_path / 'nan.pth', [world.benchmark_argument], cfg_options=NO_TEST_SET)
