"""From scores of queries that match nothing to the threshold of a stated false-positive rate."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluate.errors import FingerprintError

LEAST_SCORES = 20
UNCALIBRATED_THRESHOLD = 0.5
"""Where there are too few unmatched queries to go by."""


@dataclass(frozen=True)
class Calibration:
    """The distribution of the best score of a query that matches nothing.

    Attributes:
        location, scale: of a Gumbel distribution; nan where there were too few scores.
        n_scores: unmatched queries that it was fitted to.
    """

    location: float
    scale: float
    n_scores: int

    @property
    def is_known(self) -> bool:
        """Whether there were enough scores."""
        return self.n_scores >= LEAST_SCORES

    def threshold(self, false_positive_rate: float) -> float:
        """Score that one unmatched query in 1 / rate passes by chance.

        Raises:
            FingerprintError: the rate is not between 0 and 1.
        """
        if not 0 < false_positive_rate < 1:
            raise FingerprintError(f"a false-positive rate lies between 0 and 1, not at {false_positive_rate}")
        if not self.is_known:
            return UNCALIBRATED_THRESHOLD
        return self.location - self.scale * math.log(-math.log1p(-false_positive_rate))


def fit(scores: Sequence[float]) -> Calibration:
    """Fit a Gumbel distribution, that of maxima of many trials, through the quartiles of the scores.

    Quartiles, not moments: a few of the queries may match after all, for archives hold copies.
    """
    if len(scores) < LEAST_SCORES:
        return Calibration(math.nan, math.nan, len(scores))
    low, high = np.quantile(np.asarray(scores, np.float64), [0.25, 0.75])
    at_low, at_high = -math.log(-math.log(0.25)), -math.log(-math.log(0.75))
    scale = max(float(high - low) / (at_high - at_low), 1e-3)
    return Calibration(float(low) - scale * at_low, scale, len(scores))
