"""The plot of a sweep: points are means over seeds, bars their spread, and what is shown is said."""
import itertools

import numpy as np
import pytest
from PIL import Image

from mmseg_ood.report.sweep_plot import SweptRun, mean_and_spread, plot_sweep, sweep_figure

NAN = float('nan')
RNG = np.random.default_rng(0)


def swept(seeds=(0, 1, 2), benchmarks=('RoadAnomaly',), **grid):
    """A run with figures of its own for every combination."""
    return [SweptRun(dict(zip(grid, values, strict=True)), seed,
                     {name: dict(AP=RNG.uniform(0, 100), FPR95=RNG.uniform(0, 100)) for name in benchmarks})
            for values in itertools.product(*grid.values()) for seed in seeds]


def drawn(axes):
    """Means ``(K,)`` and the ends of the bars ``(K, 2)`` by legend entry."""
    lines = {}
    for container in axes.containers:
        line, _, (bars,) = container.lines
        ends = [bar[:, 1] if len(bar) and np.ndim(bar) == 2 else (NAN, NAN) for bar in bars.get_segments()]
        lines[container.get_label()] = line.get_ydata(), np.array(ends)
    return lines


def by_hand(runs, metric, benchmark='RoadAnomaly', **values):
    """Figures of the runs with these values, one a seed."""
    return [run.figures[benchmark][metric] for run in runs
            if all(run.values[key] == value for key, value in values.items())]


def legend(figure):
    return [text.get_text() for entry in figure.legends for text in entry.get_texts() if text.get_text().strip()]


def ticks(axes):
    return [label.get_text() for label in axes.get_xticklabels()]


def test_one_key():
    runs = swept(alpha=[0, 5, 7.5], benchmarks=('RoadAnomaly', 'Static'))
    figure = sweep_figure(runs, 'cgnet')
    assert len(figure.axes) == 2
    for axes, metric in zip(figure.axes, ('AP', 'FPR95'), strict=True):
        assert list(drawn(axes)) == ['RoadAnomaly', 'Static']
        for name, (means, bars) in drawn(axes).items():
            figures = np.array([by_hand(runs, metric, name, alpha=alpha) for alpha in (0, 5, 7.5)])
            np.testing.assert_allclose(means, figures.mean(1), rtol=1e-12)
            spread = figures.std(1, ddof=1)
            np.testing.assert_allclose(bars, np.stack([means - spread, means + spread], 1), rtol=1e-12)
        assert ticks(axes) == ['0', '5', '7.5']
        assert axes.get_xlabel() == 'alpha'
    assert [axes.get_ylabel() for axes in figure.axes] == ['AP (%), higher is better', 'FPR95 (%), lower is better']
    assert legend(figure) == ['RoadAnomaly', 'Static']
    assert figure.get_suptitle() == 'cgnet\nmean ± standard deviation over 3 seeds'


def test_points_lie_at_their_values_side_by_side():
    axes = sweep_figure(swept(alpha=[0, 1, 4], benchmarks=('a', 'b', 'c')), '').axes[0]
    np.testing.assert_allclose(axes.get_xticks(), [0, 0.25, 1])
    x = np.array([container.lines[0].get_xdata() for container in axes.containers])
    np.testing.assert_allclose(x[1], axes.get_xticks())
    assert (np.diff(x, axis=0) > 0).all()
    assert np.ptp(x, axis=0).max() < 0.03


def test_values_in_any_order():
    runs = swept(alpha=[5, 0, 10])
    axes = sweep_figure(runs, '').axes[0]
    assert ticks(axes) == ['0', '5', '10']
    (means, _), = drawn(axes).values()
    np.testing.assert_allclose(means, [np.mean(by_hand(runs, 'AP', alpha=alpha)) for alpha in (0, 5, 10)])


def test_two_keys_a_row_for_each_benchmark():
    runs = swept(gamma=[0, 3], alpha=[5, 0], benchmarks=('RoadAnomaly', 'Static'))
    figure = sweep_figure(runs, '')
    rows = np.reshape(figure.axes, (2, 2))
    assert [row[0].get_title(loc='left') for row in rows] == ['RoadAnomaly', 'Static']
    assert legend(figure) == ['alpha = 0', 'alpha = 5']
    for row, name in zip(rows, ('RoadAnomaly', 'Static'), strict=True):
        for axes, metric in zip(row, ('AP', 'FPR95'), strict=True):
            assert axes.get_xlabel() == 'gamma'
            for alpha in (0, 5):
                expected = [np.mean(by_hand(runs, metric, name, gamma=gamma, alpha=alpha)) for gamma in (0, 3)]
                np.testing.assert_allclose(drawn(axes)[f'alpha = {alpha}'][0], expected)


def test_more_keys_are_averaged_over_the_others_seed_by_seed():
    runs = swept(alpha=[0, 5], gamma=[0, 1, 3], lr=[0.1, 0.2])
    figure = sweep_figure(runs, '')
    rows = np.reshape(figure.axes, (3, 2))
    assert [row[0].get_xlabel() for row in rows] == ['alpha', 'gamma', 'lr']
    assert [row[0].get_title(loc='left').removeprefix('mean over ') for row in rows] == [
        '6 settings of gamma, lr', '4 settings of alpha, lr', '6 settings of alpha, gamma']
    means, bars = drawn(rows[1, 1])['RoadAnomaly']
    for index, gamma in enumerate((0, 1, 3)):
        of_seed = [np.mean([run.figures['RoadAnomaly']['FPR95'] for run in runs
                            if run.values['gamma'] == gamma and run.seed == seed]) for seed in (0, 1, 2)]
        assert means[index] == pytest.approx(np.mean(of_seed))
        assert bars[index] == pytest.approx(np.mean(of_seed) + np.std(of_seed, ddof=1) * np.array([-1, 1]))


def test_a_setting_with_a_missing_run_does_not_count():
    """Without it the points of a line would be means over different settings."""
    runs = swept(alpha=[0, 5], gamma=[0, 1], lr=[0.1, 0.2])
    missing = runs.pop()
    assert missing.values == dict(alpha=5, gamma=1, lr=0.2)
    first = sweep_figure(runs, '').axes[0]
    assert first.get_title(loc='left') == 'mean over 3 settings of gamma, lr'
    means, _ = drawn(first)['RoadAnomaly']
    expected = [np.mean([run.figures['RoadAnomaly']['AP'] for run in runs
                         if run.values['alpha'] == alpha and (run.values['gamma'], run.values['lr']) != (1, 0.2)])
                for alpha in (0, 5)]
    np.testing.assert_allclose(means, expected)


def test_no_complete_setting_is_an_empty_panel():
    runs = [run for run in swept((0,), alpha=[0, 1], gamma=[0, 1], lr=[0, 1]) if sum(run.values.values()) % 2]
    figure = sweep_figure(runs, '')
    assert figure.axes[0].get_title(loc='left') == 'mean over 0 settings of gamma, lr'
    assert np.isnan(drawn(figure.axes[0])['RoadAnomaly'][0]).all()
    figure.canvas.draw()


def test_keys_with_one_value_are_left_out():
    assert legend(sweep_figure(swept(alpha=[5], gamma=[0, 3]), '')) == ['RoadAnomaly']
    axes = sweep_figure(swept(alpha=[5], gamma=[3]), '').axes[0]
    assert axes.get_xlabel() == 'alpha'
    np.testing.assert_array_equal(axes.get_xticks(), [0.5])


def test_a_missing_point_is_a_gap_and_a_single_seed_has_no_bar():
    runs = [run for run in swept(gamma=[0, 1, 3], alpha=[0, 5]) if run.values != dict(gamma=1, alpha=5)]
    means, _ = drawn(sweep_figure(runs, '').axes[0])['alpha = 5']
    np.testing.assert_array_equal(np.isnan(means), [False, True, False])
    figure = sweep_figure(swept((7,), alpha=[0, 5]), 'x')
    assert figure.get_suptitle() == 'x\none seed'
    (means, bars), = drawn(figure.axes[0]).values()
    assert np.isfinite(means).all()
    assert np.isnan(bars).all()


def test_undefined_figures_stay_undefined():
    runs = [SweptRun({'alpha': 0}, seed, {'a': dict(AP=figure, FPR95=1.0)}) for seed, figure in enumerate((NAN, 5.0))]
    (means, _), = drawn(sweep_figure(runs, '').axes[0]).values()
    assert np.isnan(means).all()


@pytest.mark.parametrize(('values', 'positions', 'label'), [
    ([0, 1, 3], [0, 1 / 3, 1], 'k'),
    ([1e-5, 1e-4, 1e-3], [0, 0.5, 1], 'k, logarithmic'),
    ([0, 1e-4, 1], [0, 0.5, 1], 'k, not to scale'),
    ([-1, 1, 1000], [0, 0.5, 1], 'k, not to scale'),
    ([True, False], [0, 1], 'k'),
    ([[0.5, 0.5], [0.9, 0.1], [0, 1]], [0, 0.5, 1], 'k'),
])
def test_axis(values, positions, label):
    axes = sweep_figure(swept(k=values), '').axes[1]
    np.testing.assert_allclose(axes.get_xticks(), positions, atol=1e-12)
    assert axes.get_xlabel() == label
    assert ticks(axes) == [str(value) for value in values]


def test_mean_and_spread():
    assert mean_and_spread([3.0, 4.0, 8.0]) == (5.0, pytest.approx(7 ** 0.5))
    np.testing.assert_array_equal(mean_and_spread([]), [NAN, NAN])


@pytest.mark.parametrize(('runs', 'message'), [
    ([], 'there is no run to draw'),
    ([SweptRun({'a': 1}, 0, {'x': {}}), SweptRun({'b': 1}, 0, {'x': {}})], r"run 1 has the keys \['b'\], the first"),
    ([SweptRun({'a': 1}, 0, {'x': {}}), SweptRun({'a': 2}, 0, {})], r'run 1 has the benchmarks \[\], the first'),
    ([SweptRun({}, 0, {'x': {}})], r'run 0 has the keys \[\]'),
    ([SweptRun({'a': 1}, 3, {'x': {}})] * 2, "two runs of {'a': 1} with seed 3"),
])
def test_runs_that_are_refused(runs, message):
    with pytest.raises(ValueError, match=message):
        sweep_figure(runs, '')


def test_files(tmp_path):
    runs = swept(alpha=[0, 5], gamma=[0, 1, 3])
    for name in 'ab':
        plot_sweep(runs, 'Straße', tmp_path / f'{name}.png')
    assert (tmp_path / 'a.png').read_bytes() == (tmp_path / 'b.png').read_bytes()
    with Image.open(tmp_path / 'a.png') as picture:
        assert picture.text['Title'] == 'Straße'
        assert 1200 <= picture.width <= 1600
        pixels = np.asarray(picture.convert('RGB')).reshape(-1, 3)
    for color in ((0, 114, 178), (213, 94, 0), (0, 158, 115)):
        assert (pixels == color).all(1).sum() > 500
