"""A row for each predicted class, each distribution scaled to its maximum."""
import numpy as np
import pytest

from mmseg_ood.report.class_plot import ClassScores, class_scores_figure

SCORES = ClassScores(['road', '$x$', 'never', 'car'], np.array([0.0, 1.0, 2.0, 3.0]),
                     np.array([[4, 2, 0], [0, 0, 3], [0, 0, 0], [0, 0, 0]]),
                     np.array([[0, 0, 5], [0, 0, 0], [0, 0, 0], [1, 2, 0]]), {'best F1': 1.5})


def test_rows_are_the_classes_that_were_predicted():
    axes, = class_scores_figure(SCORES, 'energy', 'title').axes
    assert [label.get_text() for label in axes.get_yticklabels()][::-1] == ['road', r'\$x\$', 'car']
    assert axes.get_xlabel() == 'energy (higher = more anomalous)'
    assert axes.figure.get_suptitle() == 'title'


def test_distributions():
    axes, = class_scores_figure(SCORES, 'energy').axes
    shapes = [patch.get_xy()[:-1].tolist() for patch in axes.patches]
    by_row = {int(min(y for _, y in shape)): [] for shape in shapes}
    for shape in shapes:
        by_row[int(min(y for _, y in shape))].append(shape)
    road_inlier, road_outlier = by_row[2]
    np.testing.assert_allclose(road_inlier, [[0, 2], [0.5, 2.9], [1.5, 2.45], [2, 2]])
    np.testing.assert_allclose(road_outlier, [[2, 2], [2.5, 2.9], [3, 2]])
    np.testing.assert_allclose(by_row[1], [[[2, 1], [2.5, 1.9], [3, 1]]])
    np.testing.assert_allclose(by_row[0], [[[0, 0], [0.5, 0.45], [1.5, 0.9], [2, 0]]])


def test_threshold_and_legend():
    figure = class_scores_figure(SCORES, 'energy')
    texts = [text.get_text() for legend in figure.legends for text in legend.get_texts() if text.get_text().strip()]
    assert texts == ['inlier', 'outlier', 'best F1: 1.5']
    line, = (line for line in figure.axes[0].get_lines() if line.get_label() == 'best F1: 1.5')
    assert set(line.get_xdata()) == {1.5}


@pytest.mark.parametrize(('replaced', 'message'), [
    ({'classes': ['road']}, r'1 classes and 4 edges need counts \(1, 3\), found inlier \(4, 3\)'),
    ({'edges': np.arange(3.0)}, r'4 classes and 3 edges need counts \(4, 2\)'),
    ({'inlier': np.zeros((4, 3)), 'outlier': np.zeros((4, 3))}, 'they count nothing'),
])
def test_what_does_not_fit_together(replaced, message):
    with pytest.raises(ValueError, match=f'scores by class of energy: {message}'):
        class_scores_figure(SCORES._replace(**replaced), 'energy')
