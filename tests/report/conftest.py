"""A small result folder as ``evaluate`` writes it, with names that need care."""
import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

BENCHMARKS = ('road-anomaly', 'streets "old" & <new>')
SCORES = ('energy', 'msp')
FRAMES = ('a b & "c" <d>.png', "</script><script>alert('x')</script>", '100%_of $x$', 'frame_10', 'frame_9', 'nothing')
CLASSES = ['road', 'traffic light', '<car>']
COMMAND = 'evaluate.py config.py weights.pth --benchmark road-anomaly --score energy msp --out "a <b>"'
SIZE = 96, 48


def make_result_folder(path, shift=2.0, fpr_rule='first', seed=0):
    """Results in ``path``: two benchmarks of three frames, two scores; the last frame holds no anomaly."""
    rng = np.random.default_rng(seed)
    (path / 'curves').mkdir(parents=True)
    fpr95 = 'FPR95' if fpr_rule == 'first' else f'FPR95_{fpr_rule}'
    rows, frames, classes, gallery = [], [], {}, []
    for benchmark, names in zip(BENCHMARKS, (FRAMES[:3], FRAMES[3:]), strict=True):
        classes[benchmark] = {}
        for score, strength in zip(SCORES, (shift, shift / 3), strict=True):
            row, arrays, counts = _judge(rng, strength, fpr95)
            rows.append({'benchmark': benchmark, 'root': f'data/{benchmark}', 'score': score, **row})
            if benchmark == BENCHMARKS[1]:
                rows[-1] |= {'frames': 3, 'partial': True, 'expected_frames': {'official': 60, 'bundle': 100}}
            np.savez_compressed(path / 'curves' / f'{benchmark}_{score}.npz', command=COMMAND, **arrays)
            classes[benchmark][score] = counts
            for name in names:
                empty = name == FRAMES[-1]
                figures = {key: None if empty else rng.uniform(0, 100) for key in ('AP', fpr95, 'AUROC')}
                frames.append({'benchmark': benchmark, 'score': score, 'image': name, **figures, 'num_inlier': 4000,
                               'num_outlier': 0 if empty else int(rng.integers(1, 500))})
        gallery += [_draw_frame(path, benchmark, name, rng) for name in names]
    rows.insert(0, {'benchmark': 'in-distribution', 'frames': 2, 'seconds': 1.4, 'mIoU': 25.79, 'mAcc': 33.125})
    _write(path / 'results.json', {
        'results': rows, 'protocol': {'unit': 'percent', 'pooling': 'all pixels of all frames', 'fpr_rule': fpr_rule,
                                      'max_fpr': 0.05, 'scores': [{'name': 'energy', 'formula': '-T * logsumexp'}]},
        'provenance': {'command': COMMAND, 'config': 'configs/<my>_config.py', 'checkpoint': 'weights.pth',
                       'checkpoint_sha256': 'ae3b714e', 'versions': {'torch': '2.13.0'},
                       'created': '2024-05-06T07:08:09+00:00'}})
    with (path / 'frames.csv').open('w', newline='') as file:
        writer = csv.DictWriter(file, frames[0])
        writer.writeheader()
        writer.writerows(frames)
    _write(path / 'classes.json', {'classes': CLASSES, 'palette': [[128, 64, 128], [250, 170, 30], [0, 0, 142]],
                                   'benchmarks': classes})
    ranges = {benchmark: {score: [-9.125, -2.5] for score in SCORES} for benchmark in BENCHMARKS}
    _write(path / 'gallery.json', {'unit': 'percent', 'score_quantiles': [0.02, 0.998], 'score_ranges': ranges,
                                   'frames': gallery})
    _write(path / 'prior.json', {'prior': [0.5, 0.125, 0.375], 'classes': CLASSES, 'source': 'estimate_prior.py <x>'})
    return path


def make_work_dir(path):
    """A training that was interrupted and resumed."""
    for run, lines in (('20240101_000000', [dict(lr=0.1, loss=3.0, iter=10, step=10, time=1.0),
                                            dict(lr=0.1, loss=9.0, iter=20, step=20)]),
                       ('20240102_000000', [dict(lr=0.05, loss=2.0, iter=20, step=20),
                                            dict(mIoU=50.5, time=0.1, step=20), dict(lr=0.01, loss=1.0, step=30)])):
        (path / run / 'vis_data').mkdir(parents=True)
        (path / run / 'vis_data' / 'scalars.json').write_text('\n'.join(map(json.dumps, lines)) + '\n')
    return path


def _judge(rng, shift, fpr95):
    """Row, curve and counts by class of 2000 inliers and 200 outliers."""
    scores = np.concatenate([rng.normal(size=2000), rng.normal(shift, size=200)])
    labels = np.repeat([0, 1], [2000, 200])
    fpr, tpr, thresholds = roc_curve(labels, scores, drop_intermediate=False)
    precision = precision_recall_curve(labels, scores)[0][::-1]
    edges = np.linspace(scores.min(), scores.max() + 1e-3, 151)
    inlier, outlier = (np.histogram(scores[labels == label], edges)[0] for label in (0, 1))
    points = {}
    f1 = 2 * precision * tpr / np.maximum(precision + tpr, 1e-9)
    for name, index in (('best_F1', int(f1.argmax())), ('TPR95', int((tpr >= 0.95).argmax()))):
        points[name] = {'threshold': float(thresholds[index]), 'TPR': 100 * tpr[index], 'FPR': 100 * fpr[index],
                        'precision': 100 * precision[index], 'F1': 100 * f1[index]}
    row = {'AP': 100 * average_precision_score(labels, scores), fpr95: 100 * float(fpr[(tpr >= 0.95).argmax()]),
           'AUROC': 100 * roc_auc_score(labels, scores), 'AP_error': 0.001, 'F1*': None, 'num_inlier': 2000,
           'num_outlier': 200, 'best_threshold': points['best_F1']['threshold'], 'image_AP': 12.5,
           'operating_points': points, 'frames': 3, 'expected_frames': {}, 'partial': False, 'seconds': 1.25}
    arrays = dict(threshold=thresholds[1:], tpr=tpr[1:], fpr=fpr[1:], precision=precision[1:], edges=edges,
                  inlier=inlier, outlier=outlier)
    coarse = np.linspace(edges[0], edges[-1], 31)
    counts = [[np.histogram(scores[labels == label], coarse)[0] // divisor for divisor in (1, 3)] + [np.zeros(30, int)]
              for label in (0, 1)]
    above = coarse[:-1] >= points['best_F1']['threshold']
    return row, arrays, {
        'threshold': points['best_F1']['threshold'], 'operating_point': 'best_F1', 'edges': coarse,
        'predicted': [part.sum() for part in counts[0]], 'false_positives': [part[above].sum() for part in counts[0]],
        'missed': [part[~above].sum() for part in counts[1]], 'detected': [part[above].sum() for part in counts[1]],
        'inlier': counts[0], 'outlier': counts[1]}


def _draw_frame(path, benchmark, name, rng):
    """Pictures under names that are legal, and that need to be quoted in an address."""
    folder = f'gallery/{BENCHMARKS.index(benchmark)} %41'
    (path / folder).mkdir(parents=True, exist_ok=True)
    stem = f'{folder}/{FRAMES.index(name)}#?%20'
    width, height = SIZE
    files = {'image': f'{stem}.jpg', 'truth': f'{stem}_truth.png',
             'maps': {score: f'{stem}_{score}.jpg' for score in SCORES}}
    for file in (files['image'], *files['maps'].values()):
        Image.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8)).save(path / file)
    Image.new('RGBA', SIZE, (230, 85, 13, 255)).save(path / files['truth'])
    return {'benchmark': benchmark, 'image': name, 'size': list(SIZE), 'files': files}


def _write(path, content):
    path.write_text(json.dumps(content, default=lambda value: value.tolist()))


def without_drawings(path):
    """The folder without what becomes a drawing: that takes most of the time."""
    shutil.rmtree(path / 'curves')
    (path / 'classes.json').unlink()
    (path / 'prior.json').unlink()
    return path


@pytest.fixture
def folder(tmp_path):
    return without_drawings(make_result_folder(tmp_path / 'results'))
