"""Results find the files that belong to them, and become curves in fractions."""
import json
import math

import numpy as np
import pytest

from mmseg_ood.report.result_folder import Verdict, curve, histogram, point_name, read_result_folder

from .conftest import BENCHMARKS, FRAMES, make_result_folder


def test_rows_find_their_curves(tmp_path):
    results = read_result_folder(make_result_folder(tmp_path))
    assert results.benchmarks == list(BENCHMARKS)
    assert results.scores == ['energy', 'msp']
    assert [row['benchmark'] for row in results.inlier_rows] == ['in-distribution']
    for verdict in results.verdicts:
        drawn = curve(verdict, 'a name', results.fpr95)
        assert drawn.name == 'a name'
        assert drawn.ap == verdict.row['AP'] / 100
        assert drawn.fpr95 == verdict.row['FPR95'] / 100
        recall = np.concatenate([[0], drawn.tpr])
        assert np.sum(np.diff(recall) * drawn.precision) == pytest.approx(drawn.ap, rel=1e-9)
        best = verdict.row['operating_points']['best_F1']
        assert drawn.points['best F1'] == (best['TPR'] / 100, best['FPR'] / 100, best['precision'] / 100)


def test_repeated_benchmarks_are_numbered_and_find_their_curves(tmp_path):
    make_result_folder(tmp_path)
    content = json.loads((tmp_path / 'results.json').read_text())
    for row in content['results'][1:]:
        row['benchmark'] = 'road-anomaly'
    (tmp_path / 'results.json').write_text(json.dumps(content))
    for path in (tmp_path / 'curves').glob('*.npz'):
        index, score = (1 if path.name.startswith('road') else 2), path.stem.rpartition('_')[2]
        path.rename(path.with_name(f'road-anomaly-{index}_{score}.npz'))
    results = read_result_folder(tmp_path)
    assert results.benchmarks == ['road-anomaly-1', 'road-anomaly-2']
    for verdict in results.verdicts:
        drawn = curve(verdict, '', 'FPR95')
        assert np.sum(np.diff([0, *drawn.tpr]) * drawn.precision) == pytest.approx(verdict.row['AP'] / 100)


def test_other_fpr_rules(tmp_path):
    results = read_result_folder(make_result_folder(tmp_path, fpr_rule='nearest'))
    assert results.fpr95 == 'FPR95_nearest'
    assert curve(results.verdicts[0], '', results.fpr95).fpr95 == results.verdicts[0].row['FPR95_nearest'] / 100


def test_frames(tmp_path):
    frames = read_result_folder(make_result_folder(tmp_path)).frames
    assert [frame.image for frame in frames if frame.score == 'energy'] == list(FRAMES)
    assert 0 < frames[0].figures['AP'] < 100
    assert set(frames[-1].figures.values()) == {None}
    assert frames[-1].num_outlier == 0


@pytest.mark.parametrize(('bins', 'most', 'merged'), [(7, 3, 3), (6, 3, 2), (3, 100, 1), (1, 1, 1)])
def test_merged_bins_lose_nothing(bins, most, merged):
    counts = np.arange(bins) + 1
    arrays = {'edges': np.arange(bins + 1) / 2, 'inlier': counts, 'outlier': 10 * counts}
    drawn = histogram(Verdict('b', 's', {}, arrays), 'images', most)
    assert len(drawn.inlier) <= most
    assert drawn.inlier.sum() == counts.sum()
    assert drawn.inlier[0] == counts[:merged].sum()
    np.testing.assert_array_equal(drawn.outlier, 10 * drawn.inlier)
    assert (drawn.edges[0], drawn.edges[-1]) == (0, bins / 2)
    assert len(drawn.edges) == len(drawn.inlier) + 1
    assert drawn.counted == 'images'


def test_classification_curves_and_undefined_figures():
    arrays = dict.fromkeys(('tpr', 'fpr', 'precision'), np.ones(1))
    drawn = curve(Verdict('b', 's', {'AUPR_out': 50.0, 'AUROC': None}, arrays), 'x', 'FPR95')
    assert drawn.ap == 0.5
    assert math.isnan(drawn.auroc)
    assert math.isnan(drawn.fpr95)
    assert point_name('mine') == 'mine'
