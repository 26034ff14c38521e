"""Plots of what was measured and the pages that show them; stands on core alone."""
from .comparison import write_comparison
from .page import write_report
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
           'precision_recall_figure', 'roc_figure', 'write_comparison', 'write_report']
