"""Outlier exposure: predictions on auxiliary outliers are pulled towards the uniform distribution.

Example:
    >>> import torch
    >>> logits = torch.tensor([[2.0, 0.0], [0.0, 0.0]])             # a sure and an unsure prediction
    >>> outlier = torch.tensor([254])
    >>> [round(outlier_exposure(row[None], outlier, ood_index=254).item(), 3) for row in logits]
    [1.127, 0.693]
"""
from __future__ import annotations

import torch
from torch import Tensor

from .energy import at_least_float32
from .losses import check_finite, check_labels, mean_or_zero


def outlier_exposure(logits: Tensor, labels: Tensor, *, ood_index: int, ignore_index: int = 255) -> Tensor:
    """Cross-entropy of the outliers with the uniform distribution over the C classes.

    ``mean over outliers of -(1 / C) sum_k log softmax_k``, at least ``log C``. It stands beside the cross-entropy
    of the inliers with weight 0.5.

    Args:
        logits: ``(N, C, ...)``, any floating type; the arithmetic is float32 or better.
        labels: ``(N, ...)`` integers: ``0..C-1`` inlier, ``ood_index`` auxiliary outlier, ``ignore_index`` void. Never
            modified.
        ood_index: Label of the outliers (segmentation 254, classification -1).
        ignore_index: Label that takes no part.

    Returns:
        A scalar; without outliers an exact 0 that is attached to the graph.

    Raises:
        ValueError: Shapes that do not fit, unknown label values, logits that are not finite.

    Source:
        Hendrycks et al., "Deep Anomaly Detection with Outlier Exposure", ICLR 2019.
    """
    logits = at_least_float32(logits)
    check_labels(logits, labels, ood_index, ignore_index)
    check_finite(logits)
    outlier_logits = logits.movedim(1, -1)[labels == ood_index]
    return mean_or_zero(-torch.log_softmax(outlier_logits, -1).mean(-1))


def entropy_maximization(logits: Tensor, labels: Tensor, *, ood_index: int, ignore_index: int = 255) -> Tensor:
    """The outlier term of entropy maximisation, that of :func:`outlier_exposure`.

    The methods differ in how it is combined with the cross-entropy of the inliers:
    ``(1 - l) * cross-entropy + l * entropy_maximization`` with ``l = 0.9``.

    Args:
        logits: As in :func:`outlier_exposure`.
        labels: As in :func:`outlier_exposure`.
        ood_index: Label of the outliers (segmentation 254, classification -1).
        ignore_index: Label that takes no part.

    Returns:
        A scalar; without outliers an exact 0 that is attached to the graph.

    Raises:
        ValueError: As :func:`outlier_exposure`.

    Source:
        Chan et al., "Entropy Maximization and Meta Classification for Out-of-Distribution Detection in Semantic
        Segmentation", ICCV 2021.
    """
    return outlier_exposure(logits, labels, ood_index=ood_index, ignore_index=ignore_index)
