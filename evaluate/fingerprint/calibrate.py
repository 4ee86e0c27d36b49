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
        location, scale: of a Gumbel distribution of the scores above 0; nan where there were too few of these.
        share: of the queries that score above 0 at all.
        n_scores: unmatched queries that it was fitted to.
    """

    location: float
    scale: float
    share: float
    n_scores: int

    @property
    def is_known(self) -> bool:
        """Whether there were enough scores."""
        return not math.isnan(self.location)

    def threshold(self, false_positive_rate: float) -> float:
        """Score that one unmatched query in 1 / rate passes by chance.

        Raises:
            FingerprintError: the rate is not between 0 and 1.
        """
        if not 0 < false_positive_rate < 1:
            raise FingerprintError(f"a false-positive rate lies between 0 and 1, not at {false_positive_rate}")
        if not self.is_known:
            return UNCALIBRATED_THRESHOLD
        passing = false_positive_rate / self.share  # of those above 0
        return self.location - self.scale * math.log(-math.log1p(-passing)) if passing < 1 else 0.0


def fit(scores: Sequence[float]) -> Calibration:
    """Fit a Gumbel distribution, that of maxima of many trials, through the quartiles of the scores above 0.

    Quartiles, not moments: a few of the queries may match after all, for archives hold copies.
    """
    positive = np.array([score for score in scores if score > 0], np.float64)
    share = len(positive) / max(len(scores), 1)
    if len(positive) < LEAST_SCORES:
        return Calibration(math.nan, math.nan, share, len(scores))
    low, high = np.quantile(positive, [0.25, 0.75])
    at_low, at_high = -math.log(-math.log(0.25)), -math.log(-math.log(0.75))
    scale = max(float(high - low) / (at_high - at_low), 1e-3)
    return Calibration(float(low) - scale * at_low, scale, share, len(scores))
