"""Plots of what was measured; stands on core alone."""
from .plots import (
    Curve,
    Histogram,
    histogram_figure,
    plot_histogram,
    plot_precision_recall,
    plot_roc,
    precision_recall_figure,
    roc_figure,
)

__all__ = ['Curve', 'Histogram', 'histogram_figure', 'plot_histogram', 'plot_precision_recall', 'plot_roc',
           'precision_recall_figure', 'roc_figure']
