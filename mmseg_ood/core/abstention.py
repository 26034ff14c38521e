"""The abstention loss of PEBAL: a network with a further output that it may bet on instead of a class.

Example:
    >>> import torch
    >>> logits = torch.zeros(1, 3, 4, 4)                             # two classes and the abstention
    >>> labels = torch.zeros(1, 4, 4, dtype=torch.long)
    >>> hedged = abstention_loss(logits, labels, ood_index=254)      # p = r = 1/3, reward log(2)^2
    >>> round(hedged.item(), 3), round(-math.log(1 / 3 + 1 / 3 / math.log(2) ** 2), 3)
    (-0.027, -0.027)
"""
from __future__ import annotations

import math

import torch
from torch import Tensor

from .energy import at_least_float32, free_energy
from .losses import check_finite, check_labels, mean_or_zero
from .smoothing import gaussian_smoothing

# What the outlier term takes the logarithm of is at least this.
_LEAST_OUTLIER_GAIN = 1e-7
# The logarithm of a reward needs a positive one; it is 0 only where the energy is, far from any trained network.
_LEAST_REWARD = 1e-12


def abstention_loss(logits: Tensor, labels: Tensor, *, ood_index: int, ignore_index: int = 255,
                    outlier_weight: float = 0.1, detach_reward: bool = False) -> Tensor:
    """Pixel-wise abstention learning whose reward follows the energy.

    With ``f`` the logits, ``p = softmax(f)`` over all C + 1 channels and ``r = p[C]`` the abstention::

        reward           w    = blur(logsumexp(f[:C])^2)             Gaussian, kernel 7, sigma 1, each image on its own
        inlier of class y       -log(p[y] + r / w)
        outlier                 -outlier_weight * mean_{k < C} log(max(p[k] + r / w, 1e-7))

        loss = mean over the inliers  of the images with outliers
             + mean over the outliers
             + mean over the inliers  of the images without outliers

    The surer the network of its classes, the larger the reward of a correct bet and the less an abstention is worth.
    Where r is 0, inliers have the plain cross-entropy. The loss can be negative.

    Args:
        logits: ``(N, C + 1, H, W)``, any floating type, the abstention last; the arithmetic is float32 or better.
            At least 4 px high and wide, for the blur.
        labels: ``(N, H, W)`` integers: ``0..C-1`` inlier, ``ood_index`` auxiliary outlier, ``ignore_index`` void, which
            takes part in the blurred reward of its neighbours only. Never modified.
        ood_index: Label of the outliers.
        ignore_index: Label that takes no part.
        outlier_weight: Weight of the outlier term.
        detach_reward: Keep the gradient out of w. By default it flows: the reward is a function of the logits like
            everything else in the formula, and the paper describes it as learned with the network.

    Returns:
        A scalar; the term of an empty set is an exact 0 that is attached to the graph.

    Raises:
        ValueError: Less than two channels, shapes that do not fit, unknown label values, logits that are not finite.

    Source:
        Tian et al., "Pixel-wise Energy-biased Abstention Learning for Anomaly Segmentation on Complex Urban Driving
        Scenes", ECCV 2022.
    """
    if logits.ndim != 4 or logits.shape[1] < 2:
        raise ValueError(f'abstention_loss: expected logits of shape (N, C + 1, H, W), the inlier classes and the '
                         f'abstention, found {tuple(logits.shape)}')
    logits = at_least_float32(logits)
    class_logits = logits[:, :-1]
    check_labels(class_logits, labels, ood_index, ignore_index)
    check_finite(logits)
    reward = gaussian_smoothing(free_energy(class_logits).square())
    if detach_reward:
        reward = reward.detach()
    # In logarithms throughout: probabilities of a sure network underflow, and log(0) would be an infinite loss.
    log_p = torch.log_softmax(logits, 1)
    log_hedge = log_p[:, -1] - reward.clamp_min(_LEAST_REWARD).log()
    outliers = labels == ood_index
    inliers = ~outliers & (labels != ignore_index)
    inlier_losses = -_log_gain(log_p, labels, inliers, log_hedge)
    with_outliers = outliers.flatten(1).any(1)[:, None, None].expand_as(outliers)[inliers]
    outlier_gains = torch.logaddexp(log_p[:, :-1].movedim(1, -1)[outliers], log_hedge[outliers][:, None])
    outlier_losses = -outlier_weight * outlier_gains.clamp_min(math.log(_LEAST_OUTLIER_GAIN)).mean(1)
    return (mean_or_zero(inlier_losses[with_outliers]) + mean_or_zero(outlier_losses)
            + mean_or_zero(inlier_losses[~with_outliers]))


def _log_gain(log_p: Tensor, labels: Tensor, inliers: Tensor, log_hedge: Tensor) -> Tensor:
    """``log(p[y] + r / w)`` of the inliers ``(I,)``."""
    classes = torch.where(inliers, labels, 0).long()
    return torch.logaddexp(log_p.gather(1, classes[:, None]).squeeze(1)[inliers], log_hedge[inliers])
