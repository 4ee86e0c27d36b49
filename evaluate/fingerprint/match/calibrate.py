"""From scores of queries that match nothing to the rate at which chance gives a score, by picture and by audio together."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evaluate.errors import FingerprintError

LEAST_SCORES = 100
"""With fewer a tail is a worse guess than GUESS: of fewer one missed a fifth of the right matches, another decided one in
eleven wrong where one in a hundred was asked for (docs/explanation/fingerprints.md, "Decision")."""


@dataclass(frozen=True)
class Tail:
    """How often an unmatched query's best score, by one modality, exceeds a value.

    Attributes:
        location, scale: of a Gumbel distribution, that of maxima of many trials, of the scores above 0.
        share: of the queries that score above 0 at all.
        n_scores: unmatched queries that it was fitted to; 0 where there were too few, and it is a guess.
    """

    location: float
    scale: float
    share: float
    n_scores: int

    def surprise(self, score: float) -> float:
        """Minus the natural logarithm of the rate at which unmatched queries reach a score; 0 or more."""
        if score <= 0:
            return 0.0
        z = (score - self.location) / self.scale
        log_rate = math.log(-math.expm1(-math.exp(-z))) if z < 30 else -z
        return max(0.0, -log_rate - math.log(max(self.share, 1e-3)))


GUESS = Tail(0.25, 0.04, 1.0, 0)
"""Where too few unmatched queries have a modality."""


@dataclass(frozen=True)
class Calibration:
    """What chance gives, by modality.

    Attributes:
        tails: by modality; where one is not named, GUESS.
    """

    tails: Mapping[str, Tail]

    @property
    def n_scores(self) -> int:
        """Unmatched queries behind the tail that fewest stand behind; 0 where nothing is calibrated."""
        return min((tail.n_scores for tail in self.tails.values()), default=0)

    def score(self, scores: Mapping[str, float]) -> float:
        """Minus the decimal logarithm of the rate at which chance gives scores like these.

        By Fisher's method: the surprises of k independent modalities sum to a gamma distribution of shape k. A modality that
        bears nothing out costs little, two that agree say more than the better one.
        """
        total = sum(self.tails.get(modality, GUESS).surprise(score) for modality, score in scores.items())
        terms = (total**k / math.factorial(k) for k in range(len(scores)))
        return (total - math.log(sum(terms))) / math.log(10) if scores else 0.0


def threshold(false_positive_rate: float) -> float:
    """Score that one unmatched query in 1 / rate passes by chance.

    Raises:
        FingerprintError: the rate is not between 0 and 1.
    """
    if not 0 < false_positive_rate < 1:
        raise FingerprintError(f"a false-positive rate lies between 0 and 1, not at {false_positive_rate}")
    return -math.log10(false_positive_rate)


def fit(scores: Sequence[float]) -> Tail:
    """Fit a tail through the quartiles of the scores above 0.

    Quartiles, not moments: a few of the queries may match after all, for archives hold copies.
    """
    positive = np.array([score for score in scores if score > 0], np.float64)
    if len(positive) < LEAST_SCORES:
        return GUESS
    low, high = np.quantile(positive, [0.25, 0.75])
    at_low, at_high = -math.log(-math.log(0.25)), -math.log(-math.log(0.75))
    scale = max(float(high - low) / (at_high - at_low), 1e-3)
    return Tail(float(low) - scale * at_low, scale, len(positive) / len(scores), len(scores))
