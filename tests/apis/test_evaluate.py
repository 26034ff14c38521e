"""evaluate(): its figures against scikit-learn on logits computed by hand, its files, its errors."""
import csv
import hashlib
import json
import math
import shutil

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from mmseg_ood.apis import evaluate, results_table
from mmseg_ood.apis.evaluate import write_results

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


def strict_json(path):
    def refuse(name):
        raise AssertionError(f'{name} is not JSON')
    return json.loads(path.read_text(), parse_constant=refuse)


@pytest.fixture(scope='module')
def evaluated(world, tmp_path_factory):
    out = tmp_path_factory.mktemp('evaluated') / 'new' / 'folder'
    return evaluate(world.config, world.checkpoint, [world.benchmark_argument], ['energy', 'max_logit'], out), out


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
    assert 'first' in protocol['fpr_rule']
    assert [step['type'] for step in protocol['benchmark_pipeline']] == [
        'LoadImageFromFile', 'LoadAnnotations', 'PackSegInputs']


def test_table_shows_the_headline_figures(evaluated):
    table = results_table(evaluated[0])
    row = evaluated[0]['results'][1]
    for name in ('AP', 'FPR95', 'AUROC'):
        assert name in table
        assert f'{row[name]:.2f}' in table


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


def test_further_channels_are_no_classes(world):
    results = evaluate(world.config, world.checkpoint, [world.benchmark_argument],
                       cfg_options=dict(num_inlier_classes=2, **NO_TEST_SET))
    expected = reference(world, lambda logits: -logits[:2].logsumexp(0))
    assert results['results'][0]['AP'] == pytest.approx(expected['AP'], rel=1e-6)


def test_a_config_object_stays_as_it_is(world):
    config = Config.fromfile(world.config)
    before = config.pretty_text
    evaluate(config, world.checkpoint, [world.benchmark_argument], cfg_options=NO_TEST_SET)
    assert config.pretty_text == before


def test_undefined_figures_are_null(tmp_path):
    rows = [dict(benchmark='in-distribution', AP=math.nan, mIoU=50.0)]
    write_results(dict(results=rows, provenance={}), tmp_path)
    assert strict_json(tmp_path / 'results.json')['results'] == [dict(benchmark='in-distribution', AP=None, mIoU=50.0)]
    assert (tmp_path / 'results.csv').read_text().splitlines()[1] == 'in-distribution,,50.0'


def test_benchmark_without_anomalies(world, tmp_path):
    shutil.copytree(world.benchmark, tmp_path / 'clean')
    for path in (tmp_path / 'clean/labels_masks').iterdir():
        cv2.imwrite(str(path), np.zeros((32, 64), np.uint8))
    with pytest.raises(ValueError, match='benchmark mini-street: no anomalous pixel in 3 frames under .*clean'):
        evaluate(world.config, world.checkpoint, [f'mini-street={tmp_path / "clean"}'], cfg_options=NO_TEST_SET)


@pytest.mark.parametrize(('benchmarks', 'scores', 'message'), [
    (['mini-stret'], ['energy'], "unknown benchmark 'mini-stret', expected one of .*mini-street"),
    (['mini-street'], ['enrgy'], r"unknown score \['enrgy'\], expected some of energy, msp"),
    (['mini-street'], [], 'unknown score'),
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
