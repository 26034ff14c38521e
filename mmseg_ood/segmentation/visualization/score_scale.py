"""One colour scale for all pictures of a data set."""
from __future__ import annotations

import math

import numpy as np

SCALE_QUANTILES = (0.01, 0.995)
_PIXELS_OF_A_FRAME = 2 ** 17  # enough for the quantiles, and a bound of the memory


class ScoreScale:
    """The scores at the two ends of the colour bar: given, or the 1 % and 99.5 % quantiles of the scores of frames.

    Not the extremes, which a few pixels decide. Of large frames every n-th row and column is looked at.

    Args:
        given: The two scores, the lower first, if they are not to be measured.

    Raises:
        ValueError: They are not two finite numbers in this order.

    Example:
        >>> scale = ScoreScale()
        >>> scale.update(np.linspace(0, 100, 2001).reshape(3, 667))
        >>> scale.range(), scale.describe()
        ((1.0, 99.5), '1 % to 99.5 % of the scores of 1 frame')
    """

    def __init__(self, given: tuple[float, float] | None = None) -> None:
        if given is not None and not (len(given) == 2 and -math.inf < given[0] < given[1] < math.inf):
            raise ValueError(f'score_range: expected two numbers, the lower first, found {given!r}')
        self.given = given
        self._scores: list[np.ndarray] = []

    def __len__(self) -> int:
        """Number of frames that were measured."""
        return len(self._scores)

    def update(self, score: np.ndarray) -> None:
        """Measure a frame ``(H, W)``."""
        if self.given is None:
            step = math.ceil(math.sqrt(score.size / _PIXELS_OF_A_FRAME))
            self._scores.append(score[::step, ::step].flatten())

    def range(self) -> tuple[float, float]:
        """Scores at the two ends; measured ones differ also where all scores are the same.

        Raises:
            ValueError: Nothing was given or measured.
        """
        if self.given is not None:
            return float(self.given[0]), float(self.given[1])
        if not self._scores:
            raise ValueError('no colour scale was given, and no frame measured')
        low, high = np.quantile(np.concatenate(self._scores), SCALE_QUANTILES)
        return float(low), float(max(high, low + 1e-6))

    def describe(self) -> str:
        """Where it comes from, for the pictures."""
        if self.given is not None:
            return 'given'
        low, high = (f'{100 * quantile:g} %' for quantile in SCALE_QUANTILES)
        return f'{low} to {high} of the scores of {len(self)} frame{"s" * (len(self) != 1)}'
