"""Mean and standard deviation of the max logit of each class: what standardised max logits are measured against.

Example:
    >>> import torch
    >>> statistics = MaxLogitStatistics(num_classes=2)
    >>> logits = torch.tensor([[9.0, 0.0], [7.0, 0.0], [0.0, 3.0], [0.0, 4.0]])   # predicts 0, 0, 1, 1
    >>> statistics.update(logits, labels=torch.tensor([0, 1, 1, 1]))
    >>> statistics.mean().tolist(), statistics.std().tolist()
    ([8.0, 3.5], [1.0, 0.5])
"""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor


def statistics_path(checkpoint: str | Path) -> Path:
    """Where the statistics of a checkpoint's network lie unless said otherwise: beside it, under its name.

    Example:
        >>> statistics_path('work_dirs/cgnet/iter_300.pth').as_posix()
        'work_dirs/cgnet/iter_300.statistics.json'
    """
    return Path(checkpoint).with_suffix('.statistics.json')


class _Moments(NamedTuple):
    """Count, mean and sum of squared deviations from the mean of each class, ``(C,)`` float64 each."""
    count: Tensor
    mean: Tensor
    squares: Tensor

    @classmethod
    def of(cls, values: Tensor, classes: Tensor, num_classes: int) -> _Moments:
        """Moments of ``values`` ``(P,)`` float64 of ``classes`` ``(P,)``, in two passes."""
        def class_sums(weights: Tensor) -> Tensor:
            return torch.bincount(classes, weights, num_classes)

        count = torch.bincount(classes, minlength=num_classes).double()
        # Sums of differences from a value of the class: a large offset costs no digits, equal values give an exact 0.
        largest = values.new_zeros(num_classes).scatter_reduce_(0, classes, values, 'amax', include_self=False)
        mean = largest + class_sums(values - largest[classes]) / count.clamp_min(1)
        squares = class_sums((values - mean[classes]) ** 2)
        return cls(*(moment.cpu() for moment in (count, mean, squares)))

    def plus(self, other: _Moments) -> _Moments:
        """Moments of the union (Chan, Golub and LeVeque, 1979)."""
        count = self.count + other.count
        difference = other.mean - self.mean
        share = other.count / count.clamp_min(1)
        return _Moments(count, self.mean + difference * share,
                        self.squares + other.squares + difference ** 2 * self.count * share)

    def pooled(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation over all classes, two scalars."""
        total = self.count.sum()
        origin = self.mean[self.count.argmax()]
        mean = origin + (self.count * (self.mean - origin)).sum() / total
        squares = self.squares.sum() + (self.count * (self.mean - mean) ** 2).sum()
        return mean, (squares / total).sqrt()


class MaxLogitStatistics:
    """Streaming mean and standard deviation of the max logit over the inliers that are predicted as a class.

    Exact and in constant memory: the result equals that over all pixels at once, however they were split into
    batches and processes.

    A class that was predicted at most once has no statistics of its own and takes the mean and standard deviation
    of all inliers. So does, for the standard deviation alone, a class whose max logits were all equal.

    Args:
        num_classes: Number of inlier classes C.
        ood_index: Label of outliers (segmentation 254, classification -1), which are left out.
        ignore_index: Label of void, which is left out.

    Attributes:
        path: The file that they were loaded from, if any.
        details: What else stands in that file: classes, number of images, provenance.

    Source:
        Jung et al., "Standardized Max Logits", ICCV 2021, section 3.

    Example:
        >>> statistics, other = MaxLogitStatistics(num_classes=3), MaxLogitStatistics(num_classes=3)
        >>> statistics.update(torch.tensor([[5.0, 0.0, 0.0], [7.0, 0.0, 0.0]]), torch.tensor([0, 254]))
        >>> other.update(torch.tensor([[8.0, 0.0, 0.0], [0.0, 5.0, 0.0]]), torch.tensor([0, 1]))
        >>> statistics.merge(other)
        >>> statistics.counts.tolist(), statistics.mean().tolist()    # the mean of classes 1 and 2 is that of all
        ([2, 1, 0], [6.5, 6.0, 6.0])
    """

    def __init__(self, num_classes: int, ood_index: int = 254, ignore_index: int = 255) -> None:
        self.num_classes = num_classes
        self.ood_index = ood_index
        self.ignore_index = ignore_index
        self.path: Path | None = None
        self.details: dict[str, Any] = {}
        self._moments = _Moments(*torch.zeros(3, num_classes, dtype=torch.float64))

    @property
    def counts(self) -> Tensor:
        """Number of inliers that were predicted as each class, ``(C,)`` int64."""
        return self._moments.count.long()

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Count the inliers of a batch.

        Args:
            logits: ``(N, C, ...)``.
            labels: ``(N, ...)``; ``ood_index`` and ``ignore_index`` take no part.

        Raises:
            ValueError: Another number of classes, shapes that do not fit, unknown labels, or max logits of inliers
                that are not finite.
        """
        if logits.shape[1] != self.num_classes:
            raise ValueError(f'logits have {logits.shape[1]} classes, expected {self.num_classes}')
        values, classes = logits.detach().max(1)
        if labels.shape != values.shape:
            raise ValueError(f'logits have shape {tuple(logits.shape)}, labels {tuple(labels.shape)}')
        inlier = self._inliers(labels.to(logits.device).long())  # a uint8 255 would compare equal to ood_index=-1
        values, classes = values[inlier].double(), classes[inlier]
        bad = int((~torch.isfinite(values)).sum())
        if bad:
            raise ValueError(f'{bad} of {len(values)} max logits are not finite')
        self._moments = self._moments.plus(_Moments.of(values, classes, self.num_classes))

    def _inliers(self, labels: Tensor) -> Tensor:
        excluded = (labels == self.ood_index) | (labels == self.ignore_index)
        unknown = labels[~excluded & ((labels < 0) | (labels >= self.num_classes))]
        if unknown.numel():
            raise ValueError(f'labels hold the values {", ".join(map(str, unknown.unique()[:10].tolist()))}, expected '
                             f'0 to {self.num_classes - 1}, {self.ood_index} (outlier) or {self.ignore_index} (void)')
        return ~excluded

    def merge(self, other: MaxLogitStatistics) -> None:
        """Add the inliers of other statistics, for instance of another process.

        Raises:
            ValueError: They are of another number of classes.
        """
        if other.num_classes != self.num_classes:
            raise ValueError(f'cannot merge statistics of {self.num_classes} and {other.num_classes} classes')
        self._moments = self._moments.plus(other._moments)

    def mean(self) -> Tensor:
        """Mean max logit of each class, ``(C,)`` float64.

        Raises:
            ValueError: No inlier was counted.
        """
        return torch.where(self._moments.count > 1, self._moments.mean, self._pooled()[0])

    def std(self) -> Tensor:
        """Standard deviation (of the population) of each class, ``(C,)`` float64, positive.

        Raises:
            ValueError: No inlier was counted, or the max logits of all inliers are equal.
        """
        pooled_mean, pooled_std = self._pooled()
        if pooled_std == 0:
            raise ValueError(f'the max logit of all {int(self.counts.sum())} inliers is {pooled_mean.item():g}: '
                             f'there is no standard deviation to divide by')
        std = (self._moments.squares / self._moments.count.clamp_min(1)).sqrt()
        return torch.where(std > 0, std, pooled_std)

    def _pooled(self) -> tuple[Tensor, Tensor]:
        if not self._moments.count.any():
            raise ValueError('no inlier was counted, so there are no max logits to take statistics of')
        return self._moments.pooled()

    def save(self, path: str | Path, **details: Any) -> dict[str, Any]:
        """Write everything as JSON.

        Args:
            path: The file to write.
            **details: Further entries of the file (``classes``, ``provenance``, ...), of JSON's types.

        Returns:
            What was written: ``mean`` and ``std`` as :meth:`mean` and :meth:`std` return them, ``counts``,
            ``ood_index``, ``ignore_index``, ``measured`` (the classes' own means and squared deviations, from which
            :meth:`load` continues), and the details.

        Raises:
            ValueError: There are no statistics, see :meth:`std`; nothing is written.
        """
        content = {
            'mean': self.mean().tolist(), 'std': self.std().tolist(), 'counts': self.counts.tolist(),
            'ood_index': self.ood_index, 'ignore_index': self.ignore_index,
            'measured': {'mean': self._moments.mean.tolist(), 'squared_deviations': self._moments.squares.tolist()},
        }
        content = {**details, **content}
        Path(path).write_text(json.dumps(content, indent=2), encoding='utf-8')
        return content

    @classmethod
    def load(cls, path: str | Path) -> MaxLogitStatistics:
        """The statistics that :meth:`save` wrote, ready to use and to count on.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It is another kind of file, or was edited.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f'statistics {path} do not exist; tools/measure_statistics.py CONFIG CHECKPOINT '
                                    f'writes them')
        try:
            content = json.loads(path.read_text(encoding='utf-8'))
            return cls._of_content(content, path)
        except (ValueError, KeyError, TypeError, RuntimeError) as error:
            raise ValueError(f'{path}: expected statistics as tools/measure_statistics.py writes them, found '
                             f'{type(error).__name__}: {error}') from error

    @classmethod
    def _of_content(cls, content: dict[str, Any], path: Path) -> MaxLogitStatistics:
        content = dict(content)
        columns = [content.pop('counts'), *(content['measured'][key] for key in ('mean', 'squared_deviations'))]
        statistics = cls(len(columns[0]), content.pop('ood_index'), content.pop('ignore_index'))
        statistics._moments = _Moments(*torch.tensor(columns, dtype=torch.float64))
        del content['measured']
        for name, expected in (('mean', statistics.mean()), ('std', statistics.std())):
            found = torch.tensor(content.pop(name), dtype=torch.float64)
            if found.shape != expected.shape or not torch.allclose(found, expected, rtol=1e-9, atol=0):
                raise ValueError(f'{name!r} does not follow from what was measured')
        statistics.path, statistics.details = path, content
        return statistics

    def __repr__(self) -> str:
        return f'{type(self).__name__}(num_classes={self.num_classes}, inliers={int(self.counts.sum())})'
