"""Plots: the lines are the data, the legends hold the figures, the files are the same every time."""
import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from mmseg_ood.report import (
    Curve,
    Histogram,
    histogram_figure,
    plot_histogram,
    plot_precision_recall,
    plot_roc,
    precision_recall_figure,
    roc_figure,
)
from mmseg_ood.report.plots import roc_panel_figure

NAN = float('nan')


def curve(name='energy', shift=2.0, seed=0, **replaced):
    """A score of 300 inliers and 100 outliers, by scikit-learn."""
    rng = np.random.default_rng(seed)
    scores = np.concatenate([rng.normal(size=300), rng.normal(shift, size=100)]).round(1)
    labels = np.repeat([0, 1], [300, 100])
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    precision = precision_recall_curve(labels, scores)[0][::-1]
    fpr95 = fpr[np.argmax(tpr >= 0.95)]
    points = {'best F1': (tpr[9], fpr[9], precision[9]), 'TPR 95 %': (0.95, fpr95, 0.5)}
    return Curve(name, tpr[1:], fpr[1:], precision[1:], average_precision_score(labels, scores),
                 roc_auc_score(labels, scores), fpr95, points)._replace(**replaced)


CONSTANT = Curve('constant', np.ones(1), np.ones(1), np.full(1, 0.25), ap=0.25, auroc=0.5, fpr95=1.0,
                 points={'best F1': (1.0, 1.0, 0.25)})
NO_INLIER = Curve('no inlier', np.array([0.5, 1.0]), np.full(2, NAN), np.ones(2), ap=1.0, auroc=NAN, fpr95=NAN,
                  points={'best F1': (1.0, NAN, 1.0)})
HISTOGRAM = Histogram('energy', np.array([-3.0, -2.0, 0.0, 1.0, 2.0]), np.array([600, 400, 0, 0]),
                      np.array([0, 3, 1, 0]))
THRESHOLDS = {'best F1': -0.5, 'TPR 95 %': -1.25}


def lines(axes, name):
    """The lines of ``axes`` whose legend entry begins with ``name``."""
    return [line for line in axes.get_lines() if str(line.get_label()).startswith(name)]


def points(axes, name):
    return [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.get_lines() if line.get_gid() == name]


def legend(figure):
    return [text.get_text() for entry in figure.legends for text in entry.get_texts() if text.get_text().strip()]


def bars(axes, kind):
    """Density and edges of ``kind``."""
    patch, = (patch for patch in axes.patches if str(patch.get_label()).startswith(kind))
    return patch.get_data()


# ------------------------------------------------------------------ precision and recall
@pytest.mark.parametrize('drawn', [curve(), CONSTANT])
def test_area_under_the_drawn_line_is_the_average_precision(drawn):
    line, = lines(precision_recall_figure([drawn], '').axes[0], drawn.name)
    recall, precision = line.get_data()
    assert line.get_drawstyle() == 'steps-pre'
    np.testing.assert_array_equal(recall[1:], drawn.tpr)
    np.testing.assert_array_equal(precision[1:], drawn.precision)
    assert (recall[0], precision[0]) == (0, precision[1])
    assert np.sum(np.diff(recall) * precision[1:]) == pytest.approx(drawn.ap, abs=1e-12)


def test_precision_recall_says_what_it_shows():
    figure = precision_recall_figure([curve('energy', ap=0.4156), curve('msp', ap=0.05)], 'RoadAnomaly')
    axes, = figure.axes
    assert legend(figure) == ['energy: AP 41.6 %', 'msp: AP 5.0 %', 'chance: AP 25.0 %', 'best F1', 'TPR 95 %']
    assert figure.get_suptitle() == 'RoadAnomaly'
    assert (axes.get_xlabel(), axes.get_ylabel()) == ('recall (%)', 'precision (%)')
    figure.canvas.draw()
    assert [label.get_text() for label in axes.get_xticklabels()] == ['0', '20', '40', '60', '80', '100']


def test_chance_is_the_share_of_outliers():
    line, = lines(precision_recall_figure([curve()], '').axes[0], 'chance')
    np.testing.assert_array_equal(line.get_ydata(), [0.25, 0.25])


def test_no_chance_level_where_no_curve_reaches_the_lowest_threshold():
    drawn = curve()
    cut = drawn._replace(tpr=drawn.tpr[:5], fpr=drawn.fpr[:5], precision=drawn.precision[:5])
    assert not lines(precision_recall_figure([cut, NO_INLIER], '').axes[0], 'chance')
    assert lines(precision_recall_figure([cut, drawn], '').axes[0], 'chance')


def test_operating_points_on_both_plots():
    drawn = curve()
    (tpr, fpr, precision), axes = drawn.points['best F1'], precision_recall_figure([drawn, CONSTANT], '').axes[0]
    assert points(axes, 'best F1') == [(tpr, precision), (1, 0.25)]
    assert points(axes, 'TPR 95 %') == [(0.95, 0.5)]
    for axes in roc_figure([drawn, CONSTANT], '').axes:
        assert points(axes, 'best F1') == [(fpr, tpr), (1, 1)]
        assert points(axes, 'TPR 95 %') == [(drawn.fpr95, 0.95)]


# ------------------------------------------------------------------ ROC
def test_area_under_the_drawn_roc():
    drawn = curve()
    linear, logarithmic = roc_figure([drawn], '').axes
    line, = lines(linear, 'energy')
    fpr, tpr = line.get_data()
    np.testing.assert_array_equal(fpr, [0, *drawn.fpr])
    np.testing.assert_array_equal(tpr, [0, *drawn.tpr])
    line, = lines(logarithmic, 'energy')
    between, tpr_between = line.get_data()
    assert {*zip(fpr, tpr, strict=True)} <= {*zip(between, tpr_between, strict=True)}
    assert (np.diff(between) >= 0).all()
    assert (np.diff(tpr_between) >= 0).all()
    assert auc(between, tpr_between) == pytest.approx(drawn.auroc, abs=1e-12)
    assert auc(fpr, tpr) == pytest.approx(drawn.auroc, abs=1e-12)


def test_steep_rise_on_the_logarithmic_axis():
    fpr, tpr = np.array([0.0, 1.0, 1.0]), np.array([0.2, 0.6, 1.0])
    line, = lines(roc_figure([CONSTANT._replace(fpr=fpr, tpr=tpr, precision=tpr)], '').axes[1], 'constant')
    x, y = line.get_data()
    assert (np.diff(y) >= 0).all()
    np.testing.assert_allclose(y[(x > 0) & (x < 1)], 0.2 + 0.4 * x[(x > 0) & (x < 1)])


def test_roc_says_what_it_shows():
    figure = roc_figure([curve('energy', auroc=0.90123, fpr95=0.415)], 'Fishyscapes')
    linear, logarithmic = figure.axes
    assert legend(figure) == ['energy: AUROC 90.1 %, FPR95 41.5 %', 'TPR 95 %', 'chance: AUROC 50 %', 'best F1',
                              'TPR 95 %']
    assert linear.get_xscale() == 'linear'
    assert logarithmic.get_xscale() == 'log'
    assert 'false positive rate (%)' in linear.get_xlabel()
    assert 'logarithmic' in logarithmic.get_xlabel()
    assert linear.get_ylabel() == 'true positive rate (%)'
    for axes in figure.axes:
        target = next(line for line in lines(axes, 'TPR 95 %') if line.get_linestyle() == ':')
        assert set(target.get_ydata()) == {0.95}
    figure.canvas.draw()
    ticks = [label.get_text() for label in logarithmic.get_xticklabels()]
    assert [tick for tick in ticks if tick in ('0.1', '1', '10', '100')] == ['0.1', '1', '10', '100']


def test_chance_is_straight_on_one_axis_and_right_on_the_other():
    for axes in roc_figure([curve()], '').axes:
        line, = lines(axes, 'chance')
        np.testing.assert_allclose(line.get_ydata(), line.get_xdata(), rtol=1e-12)
    assert len(line.get_xdata()) > 100


@pytest.mark.parametrize(('lowest', 'left'), [(2e-4, 1e-4), (3e-9, 1e-5), (0.4, 1e-3)])
def test_logarithmic_axis_begins_in_the_decade_of_the_curve(lowest, left):
    drawn = CONSTANT._replace(tpr=np.array([0.1, 0.5, 1.0]), fpr=np.array([0.0, lowest, 1.0]), precision=np.ones(3))
    assert roc_figure([drawn, NO_INLIER], '').axes[1].get_xlim()[0] == pytest.approx(left)


@pytest.mark.parametrize(('logarithmic', 'first', 'scale'), [(False, 'energy: AUROC 90.1 %', 'linear'),
                                                             (True, 'energy: FPR95 41.5 %', 'log')])
def test_one_half_of_the_roc(logarithmic, first, scale):
    drawn = curve('energy', auroc=0.90123, fpr95=0.415)
    figure = roc_panel_figure([drawn], '', logarithmic, (4.4, 3.0))
    axes, = figure.axes
    assert legend(figure)[0] == first
    assert axes.get_xscale() == scale
    whole = roc_figure([drawn], '').axes[logarithmic]
    for line, same in zip(axes.get_lines(), whole.get_lines(), strict=True):
        np.testing.assert_array_equal(line.get_xydata(), same.get_xydata())
    assert axes.get_xlim() == whole.get_xlim()
    assert figure.get_size_inches()[0] == 4.4


def test_names_are_no_formulas():
    drawn = curve(r'$\frac$ $x$', points={'$y$': (0.5, 0.5, 0.5)})
    for figure in (precision_recall_figure([drawn], '$t$'), roc_figure([drawn], '$t$'),
                   histogram_figure(HISTOGRAM._replace(name=r'$\frac$'), '$t$', {'$y$': 0.0})):
        figure.canvas.draw()


# ------------------------------------------------------------------ histograms
def test_densities_are_normalised_one_by_one():
    for axes in histogram_figure(HISTOGRAM, '').axes:
        for kind, expected in (('inlier', [0.6, 0.2, 0, 0]), ('outlier', [0, 0.375, 0.25, 0])):
            density, edges, _ = bars(axes, kind)
            np.testing.assert_allclose(density, expected, atol=1e-15)
            np.testing.assert_array_equal(edges, HISTOGRAM.edges)


def test_histogram_says_what_it_shows():
    figure = histogram_figure(HISTOGRAM, 'RoadAnomaly', {**THRESHOLDS, 'FPR 5 %': NAN})
    linear, logarithmic = figure.axes
    assert legend(figure) == ['inlier: 1\u202f000 pixels', 'outlier: 4 pixels', 'best F1: \u22120.5',
                              'TPR 95 %: \u22121.25', 'FPR 5 %: undefined']
    assert (linear.get_yscale(), logarithmic.get_yscale()) == ('linear', 'log')
    assert logarithmic.get_xlabel() == 'energy (higher = more anomalous)'
    for axes in figure.axes:
        for name, threshold in THRESHOLDS.items():
            assert set(lines(axes, name)[0].get_xdata()) == {threshold}
    assert len({line.get_linestyle() for line in linear.get_lines()}) == 3


def test_what_is_counted_is_said():
    assert legend(histogram_figure(HISTOGRAM._replace(counted='images'), ''))[1] == 'outlier: 4 images'


def test_histogram_shows_what_is_occupied():
    low, high = histogram_figure(HISTOGRAM, '').axes[0].get_xlim()
    assert -3.2 < low < -3
    assert 1 < high < 1.2
    assert histogram_figure(HISTOGRAM, '', {'t': 4.0}).axes[0].get_xlim()[1] > 4
    # The lowest density that occurs is seen on the logarithmic axis, and so is the highest.
    bottom, top = histogram_figure(HISTOGRAM, '').axes[1].get_ylim()
    assert bottom < 0.2
    assert top > 0.6


# ------------------------------------------------------------------ degenerate input
@pytest.mark.parametrize('plot', [plot_precision_recall, plot_roc])
@pytest.mark.parametrize('drawn', [CONSTANT, NO_INLIER, NO_INLIER._replace(tpr=np.full(2, NAN), ap=NAN)])
def test_curves_without_a_shape(tmp_path, plot, drawn):
    plot([drawn], 'degenerate', tmp_path / 'a.png')
    assert Image.open(tmp_path / 'a.png').width > 1000


def test_undefined_figures_are_called_so():
    assert legend(roc_figure([NO_INLIER], ''))[0] == 'no inlier: AUROC undefined, FPR95 undefined'
    assert legend(precision_recall_figure([NO_INLIER._replace(ap=NAN)], ''))[0] == 'no inlier: AP undefined'


@pytest.mark.parametrize(('inlier', 'outlier'), [([0, 7, 0, 0], [0, 0, 0, 0]), ([0, 0, 0, 0], [0, 0, 0, 2]),
                                                 ([0, 5, 0, 0], [0, 5, 0, 0])])
def test_a_single_occupied_bin(tmp_path, inlier, outlier):
    plot_histogram(HISTOGRAM._replace(inlier=np.array(inlier), outlier=np.array(outlier)), '', tmp_path / 'a.png',
                   {'best F1': NAN})
    assert Image.open(tmp_path / 'a.png').width > 1000


def test_more_curves_than_colours_differ_by_line_style():
    drawn = roc_figure([curve(f's{index}', points={}) for index in range(10)], '').axes[0].get_lines()[:10]
    assert len({(line.get_color(), line.get_linestyle()) for line in drawn}) == 10


@pytest.mark.parametrize('draw', [precision_recall_figure, roc_figure])
@pytest.mark.parametrize(('curves', 'message'), [
    ([], 'there is no curve to draw'),
    ([curve(), curve('msp', fpr=np.ones(3))], r'curve msp: expected three arrays of one length, found .*fpr \(3,\)'),
    ([Curve('empty', *[np.ones(0)] * 3, 0, 0, 0)], 'curve empty: expected three arrays'),
    ([Curve('flat', *[np.ones((2, 2))] * 3, 0, 0, 0)], 'curve flat: expected three arrays'),
])
def test_curves_that_are_refused(draw, curves, message):
    with pytest.raises(ValueError, match=message):
        draw(curves, '')


@pytest.mark.parametrize(('replaced', 'message'), [
    ({'outlier': np.zeros(3)}, '5 edges need 4 counts of inliers and of outliers, found 4 and 3'),
    ({'edges': np.array([0.0, 1.0, 1.0, 2.0, 3.0])}, 'expected finite edges in ascending order'),
    ({'edges': np.array([-np.inf, 1.0, 2.0, 3.0, 4.0])}, 'expected finite edges in ascending order'),
    ({'inlier': np.zeros(4), 'outlier': np.zeros(4)}, 'it counts nothing'),
])
def test_histograms_that_are_refused(replaced, message):
    with pytest.raises(ValueError, match=f'histogram of energy: {message}'):
        histogram_figure(HISTOGRAM._replace(**replaced), '')


# ------------------------------------------------------------------ files
@pytest.mark.parametrize(('plot', 'content', 'further'), [
    (plot_precision_recall, [curve(), curve('msp', 1.0, 1)], ()), (plot_roc, [curve(), curve('msp', 1.0, 1)], ()),
    (plot_histogram, HISTOGRAM, (THRESHOLDS,)),
])
def test_files(tmp_path, plot, content, further):
    for name in 'ab':
        plot(content, 'Straße – 95 %', tmp_path / f'{name}.png', *further)
    assert (tmp_path / 'a.png').read_bytes() == (tmp_path / 'b.png').read_bytes()
    with Image.open(tmp_path / 'a.png') as picture:
        assert picture.format == 'PNG'
        assert 1200 <= picture.width <= 1600
        assert 600 <= picture.height <= 1300
        assert picture.text['Title'] == 'Straße – 95 %'
        assert picture.text['Software'].startswith('mmseg-ood ')
        pixels = np.asarray(picture.convert('RGB')).reshape(-1, 3)
    for color in ((0, 114, 178), (213, 94, 0)):
        assert (pixels == color).all(1).sum() > 500


def test_pyplot_is_left_alone():
    import matplotlib.pyplot as plt
    before = plt.get_fignums()
    precision_recall_figure([curve()], '')
    assert plt.get_fignums() == before
