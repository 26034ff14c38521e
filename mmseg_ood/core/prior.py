"""Class prior of the outliers: which classes does a network mistake them for, and how often.

Example:
    >>> import torch
    >>> prior = load_prior('cityscapes-coco', num_classes=19)
    >>> int(prior.argmax())                       # person: what pasted objects are most often taken for
    11
    >>> power_prior(torch.tensor([0.8, 0.2]), gamma=0.0)          # gamma 0 forgets the prior
    tensor([0.5000, 0.5000])
"""
from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from .energy import at_least_float32

PRIORS: dict[str, tuple[float, ...]] = {
    # COCO composites pasted on Cityscapes, WideResNet38; train ids 0 (road) .. 18 (bicycle).
    'cityscapes-coco': (
        0.152509041, 0.013298, 0.106703, 0.040058, 0.033866, 0.005256, 0.001065, 0.027989, 0.080249, 0.097971,
        0.002175, 0.153123, 0.029222, 0.087057, 0.119925, 0.016023, 0.007071, 0.017048, 0.009393),
    # 300K random images, ResNet-18.
    'cifar10-300k': (
        0.11510667, 0.03620667, 0.099436667, 0.20430333, 0.03579667, 0.11949, 0.07505667, 0.05346, 0.09908333,
        0.16206),
    'cifar10-lt-300k': (
        0.249973333, 0.079566667, 0.163056667, 0.248683333, 0.061536667, 0.085046667, 0.030543333, 0.02319,
        0.023856667, 0.034546667),
}
"""Priors published with the paper, by name of inlier set and outlier set."""


def _checked(prior: Tensor, origin: str) -> Tensor:
    """``prior`` as float64 ``(C,)`` that sums to 1, or an error that names where it came from."""
    if prior.ndim != 1 or prior.numel() == 0:
        raise ValueError(f'{origin}: expected one number for each class, found shape {tuple(prior.shape)}')
    prior = prior.double()
    bad = (~torch.isfinite(prior) | (prior < 0)).nonzero().flatten().tolist()
    if bad:
        raise ValueError(f'{origin}: class prior must be finite and not negative, found '
                         + ', '.join(f'{prior[index].item():g} for class {index}' for index in bad[:5]))
    if prior.sum() == 0:
        raise ValueError(f'{origin}: class prior is zero for all {len(prior)} classes')
    return prior / prior.sum()


def _read_prior_file(path: Path) -> Tensor:
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        values = content['prior'] if isinstance(content, dict) else content
        return torch.tensor(values, dtype=torch.float64)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f'{path}: expected a JSON file with a list of numbers under the key "prior", '
                         f'found {type(error).__name__}: {error}') from error


def load_prior(prior: str | Path | Sequence[float] | Tensor, num_classes: int | None = None) -> Tensor:
    """A class prior from a name, a file or numbers.

    Args:
        prior: A key of :data:`PRIORS`, the path of a ``prior.json`` (a list, or a dict with the key
            ``prior``), or C numbers. Numbers need not sum to 1.
        num_classes: Expected length, if known.

    Returns:
        ``(C,)`` float64, sums to 1.

    Raises:
        FileNotFoundError: A string that is neither a known name nor a file.
        ValueError: Wrong length, negative or non-finite entries, all zero, or not a prior file.

    Example:
        >>> load_prior([3, 1])
        tensor([0.7500, 0.2500], dtype=torch.float64)
    """
    if isinstance(prior, str | Path):
        origin = f'prior {str(prior)!r}'
        if prior in PRIORS:
            values = torch.tensor(PRIORS[prior], dtype=torch.float64)
        elif Path(prior).is_file():
            values = _read_prior_file(Path(prior))
        else:
            raise FileNotFoundError(f'{origin} is neither a file nor a published prior: {", ".join(PRIORS)}')
    else:
        origin = 'prior'
        values = torch.as_tensor(prior, dtype=torch.float64).detach().cpu()
    values = _checked(values, origin)
    if num_classes is not None and len(values) != num_classes:
        raise ValueError(f'{origin} has {len(values)} classes, expected {num_classes} (the number of logits)')
    return values


def power_prior(prior: Tensor, gamma: float) -> Tensor:
    """Sharpened prior ``P(k)^gamma / sum_j P(j)^gamma``.

    Args:
        prior: ``(C,)``, not negative; need not sum to 1.
        gamma: ``>= 0``; 0 gives the uniform prior, 1 the prior itself.

    Returns:
        ``(C,)``, sums to 1, of the prior's dtype (float32 for half precision).

    Raises:
        ValueError: A prior that is none, or a negative gamma.

    Source:
        Choi et al., "Balanced Energy Regularization Loss", CVPR 2023, section 3.

    Example:
        >>> power_prior(torch.tensor([0.75, 0.25]), gamma=2.0)
        tensor([0.9000, 0.1000])
    """
    if not gamma >= 0:
        raise ValueError(f'gamma must not be negative, found {gamma}')
    dtype = at_least_float32(prior).dtype
    prior = _checked(prior, 'prior')
    # Relative to the largest entry: large gammas must not underflow all classes to 0.
    powered = (prior / prior.max()) ** gamma
    return (powered / powered.sum()).to(dtype)


def prior_weight(logits: Tensor, prior: Tensor, gamma: float, dim: int = 1) -> Tensor:
    """Expected power prior under the prediction, ``Z = sum_k softmax_k(logits) * P_gamma(k)``.

    Large where the network is sure of a class that outliers are often mistaken for.

    Args:
        logits: ``(N, C, ...)`` with the classes along ``dim``.
        prior: ``(C,)``.
        gamma: Exponent of :func:`power_prior`.
        dim: The class dimension.

    Returns:
        ``(N, ...)`` in ``[min P_gamma, max P_gamma]``, float32 or better; differentiable.

    Raises:
        ValueError: Length of the prior and number of logits differ, or see :func:`power_prior`.

    Source:
        Choi et al., CVPR 2023, section 3.

    Example:
        >>> prior_weight(torch.zeros(1, 4, 2), torch.tensor([0.7, 0.1, 0.1, 0.1]), gamma=1.0)
        tensor([[0.2500, 0.2500]])
    """
    if prior.numel() != logits.shape[dim]:
        raise ValueError(f'prior has {prior.numel()} classes, logits have {logits.shape[dim]}')
    logits = at_least_float32(logits)
    powered = power_prior(prior.double(), gamma).to(logits)
    # Not a matrix product: autocast would compute that in half precision.
    return (torch.softmax(logits, dim).movedim(dim, -1) * powered).sum(-1)


class PriorEstimator:
    """Share of each class among the predictions on auxiliary outliers.

    Args:
        num_classes: Number of inlier classes C.
        ood_index: Label of the outliers (segmentation 254, classification -1).

    Example:
        >>> estimator = PriorEstimator(num_classes=3)
        >>> logits = torch.eye(3)[[0, 0, 0, 2]]                    # predicts 0, 0, 0, 2
        >>> estimator.update(logits, torch.tensor([254, 254, 254, 1]))
        >>> estimator.prior()
        tensor([1., 0., 0.], dtype=torch.float64)
    """

    def __init__(self, num_classes: int, ood_index: int = 254) -> None:
        self.num_classes = num_classes
        self.ood_index = ood_index
        self.counts = torch.zeros(num_classes, dtype=torch.int64)

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Count the predicted classes of the outliers in a batch.

        Args:
            logits: ``(N, C, ...)``.
            labels: ``(N, ...)`` integers of any type; only those equal to ``ood_index`` count.

        Raises:
            ValueError: Another number of classes.
        """
        if logits.shape[1] != self.num_classes:
            raise ValueError(f'logits have {logits.shape[1]} classes, expected {self.num_classes}')
        outliers = labels.long() == self.ood_index  # a uint8 255 would compare equal to -1
        predictions = logits.argmax(1)[outliers]
        self.counts += torch.bincount(predictions, minlength=self.num_classes).cpu()

    def prior(self) -> Tensor:
        """``(C,)`` float64, sums to 1.

        Raises:
            ValueError: No outlier was seen.
        """
        return _checked(self.counts, f'prior of {int(self.counts.sum())} outliers')

    def save(self, path: str | Path) -> None:
        """Write prior and counts as JSON; :func:`load_prior` reads the file."""
        Path(path).write_text(json.dumps({
            'prior': self.prior().tolist(), 'counts': self.counts.tolist(), 'ood_index': self.ood_index,
        }, indent=2), encoding='utf-8')

    @classmethod
    def load(cls, path: str | Path) -> PriorEstimator:
        """The estimator that :meth:`save` wrote, ready to count on."""
        content = json.loads(Path(path).read_text(encoding='utf-8'))
        estimator = cls(len(content['counts']), content['ood_index'])
        estimator.counts += torch.tensor(content['counts'])
        return estimator
