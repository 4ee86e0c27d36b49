"""Calibration: how often queries without a match reach a score by chance, for video and audio together."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evaluate.errors import FingerprintError

LEAST_SCORES = 100
"""With fewer scores a fitted tail is worse than GUESS. One such tail missed a fifth of the right matches; another decided
one query in eleven wrong at a rate of one in a hundred (docs/explanation/fingerprints.md, "Decision")."""


@dataclass(frozen=True)
class Tail:
    """Distribution of the best score of an unmatched query, in one modality.

    Attributes:
        location, scale: parameters of a Gumbel distribution, the law of maxima, of the scores above 0.
        share: share of the queries with a score above 0.
        n_scores: number of unmatched queries in the fit; 0 if there were too few, and the tail is a guess.
    """

    location: float
    scale: float
    share: float
    n_scores: int

    def surprise(self, score: float) -> float:
        """Return -ln of the rate at which unmatched queries reach a score; 0 or more."""
        if score <= 0:
            return 0.0
        z = (score - self.location) / self.scale
        log_rate = math.log(-math.expm1(-math.exp(-z))) if z < 30 else -z
        return max(0.0, -log_rate - math.log(max(self.share, 1e-3)))


GUESS = Tail(0.25, 0.04, 1.0, 0)
"""Used if too few unmatched queries have a modality."""


@dataclass(frozen=True)
class Calibration:
    """The scores that chance gives.

    Attributes:
        tails: by modality; GUESS for a modality that is missing.
    """

    tails: Mapping[str, Tail]

    @property
    def n_scores(self) -> int:
        """Number of unmatched queries behind the weakest tail; 0 if nothing is calibrated."""
        return min((tail.n_scores for tail in self.tails.values()), default=0)

    def score(self, scores: Mapping[str, float]) -> float:
        """Return -log10 of the rate at which chance gives scores like these.

        Fisher's method: the sum of -ln p over k independent modalities has a gamma distribution of shape k. A modality
        without evidence costs little, and two that agree count more than the better one alone.
        """
        total = sum(self.tails.get(modality, GUESS).surprise(score) for modality, score in scores.items())
        terms = (total**k / math.factorial(k) for k in range(len(scores)))
        return (total - math.log(sum(terms))) / math.log(10) if scores else 0.0


def threshold(false_positive_rate: float) -> float:
    """Return the score that one unmatched query in 1 / rate reaches by chance.

    Raises:
        FingerprintError: the rate is not between 0 and 1.
    """
    if not 0 < false_positive_rate < 1:
        raise FingerprintError(f"a false-positive rate lies between 0 and 1, not at {false_positive_rate}")
    return -math.log10(false_positive_rate)


def fit(scores: Sequence[float]) -> Tail:
    """Fit a tail through the quartiles of the scores above 0.

    Quartiles, not moments, because archives hold copies and a few of the queries may match after all.
    """
    positive = np.array([score for score in scores if score > 0], np.float64)
    if len(positive) < LEAST_SCORES:
        return GUESS
    low, high = np.quantile(positive, [0.25, 0.75])
    at_low, at_high = -math.log(-math.log(0.25)), -math.log(-math.log(0.75))
    scale = max(float(high - low) / (at_high - at_low), 1e-3)
    return Tail(float(low) - scale * at_low, scale, len(positive) / len(scores), len(scores))
