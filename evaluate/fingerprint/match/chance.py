"""Chance: how many spans of unrelated videos would agree as well as a found one, in a whole index.

A span pairs descriptors x_1 .. x_n of a query with y_1 .. y_n of a reference. Each modality is judged in two ways.

**Course**: how alike the changes over time are. Let X and Y be (n, d) with their means over time taken off, and
r = <X, Y> / (|X| |Y|). All other lines of the same pair count against the span, because <X, Y> is the sum along the line
minus n times the mean over all n x n pairs. So hum, loops, stills and static cameras, which agree along every line,
have no course to agree on. By chance, r is the cosine of two random directions in D dimensions, which exceeds r with
a probability of at most (1 - r^2)^((D - 1) / 2) / 2: half the regularised incomplete beta function
I_(1-r^2)((D - 1) / 2, 1 / 2), which is below its value without the factor of the 1 / 2 (S. Li, "Concise formulas for the
area and volume of a hyperspherical cap", 2011). D = d (n - n_0), where n = |X|^2 |Y|^2 / <XX', YY'> is the number
of independent moments (the variance of an inner product of two matrices with these covariances over time): adjacent clips
share most of their seconds, and a slow change is one event, however long. n_0 of a moment tells nothing: where all that
happens is that a frame rises out of black, the change is the frame itself, and frames of one kind resemble each other.

**Level**: how alike the means are. Unrelated videos of one kind (rain and rain, two talking heads) have similar means.
Let m be the mean of the similarities that are expected by chance (normalise.py). The mean cosine exceeds 1 - e (1 - m) for
about (2 e)^3 sources, measured on real recordings, so for at least one with a probability of 1 - exp(-(2 e)^3). So fades,
which look alike whatever they show, have hardly a level where the background has fades. Means nearer than LEAST_APART
count no more, so a level alone hardly decides.

Fisher's method joins the probabilities of all modalities that both have: minus the sum of their k logarithms has a gamma
distribution of shape k. A modality that disagrees adds nothing to the sum and raises k, so it lowers the score. The product
with the number of places in the index where a span could lie estimates the expected number of such spans, as the E-value
does in sequence search (Karlin and Altschul, PNAS 87, 1990), so one threshold serves archives of all sizes. How far that
holds was measured: docs/results/fingerprint-benchmark.md.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from evaluate.errors import FingerprintError


class Course(NamedTuple):
    """What is known of the changes within unrelated videos, in one modality.

    Attributes:
        dimensions: d, of a moment's change.
        idle_moments: n_0, of the moments, those that tell nothing.
    """

    dimensions: float
    idle_moments: float


COURSES = {"video": Course(18.0, 0.3), "audio": Course(10.0, 0.0)}
"""By modality. Spans of unrelated real videos have a d of 26 by video and 21 by audio on average; fades, tones and rhythms
have fewer, and these are what chance takes for copies."""
LEVEL_APART, LEVEL_POWER = 0.5, 3.0
LEAST_APART = 0.01
LEAST_CHANGE = 0.002
"""Mean square of a descriptor's change over time; less is rounding and the noise of encoding again."""


def moments_of(query: np.ndarray, reference: np.ndarray) -> float:
    """Return the number of independent moments of two courses, (n, d) each; 0 without change."""
    query, reference = query - query.mean(axis=0), reference - reference.mean(axis=0)
    changes = float((query**2).sum() * (reference**2).sum())
    if changes <= (LEAST_CHANGE * len(query)) ** 2:
        return 0.0
    return changes / max(float(((query @ query.T) * (reference @ reference.T)).sum()), 1e-12)


def surprises(
    query: np.ndarray, reference: np.ndarray, expected: np.ndarray, course: Course, most_moments: float = math.inf
) -> tuple[float, float]:
    """Return -ln of the probabilities that chance gives the course and the level of a span, in one modality.

    Args:
        query, reference: unit descriptors of the same moments (n, d), n at least 1.
        expected: similarity of each of the query's descriptors that is expected by chance (n,).
        course: of the modality.
        most_moments: the number of independent moments is at most this.
    """
    apart = max(1 - float((query * reference).sum(axis=1).mean()), LEAST_APART)
    room = min(max(1 - float(expected.mean()), LEAST_APART), 1)
    n_alike = (apart / room / LEVEL_APART) ** LEVEL_POWER
    level = -math.log(-math.expm1(-n_alike))
    n_moments = min(moments_of(query, reference), most_moments) - course.idle_moments
    query, reference = query - query.mean(axis=0), reference - reference.mean(axis=0)
    agreement, changes = float((query * reference).sum()), float((query**2).sum() * (reference**2).sum())
    if agreement <= 0 or n_moments <= 0:
        return 0.0, level
    unlike = max(1 - agreement**2 / changes, 1e-6)
    return max(0.0, math.log(2) - (course.dimensions * n_moments - 1) / 2 * math.log(unlike)), level


def score(surprise: Sequence[float], places: float) -> float:
    """Return -log10 of the number of spans like this one that chance gives; negative if there are several.

    Args:
        surprise: -ln of independent probabilities.
        places: number of places where the span could lie.
    """
    total = sum(surprise)
    terms = (total**k / math.factorial(k) for k in range(len(surprise)))
    joined = total - math.log(sum(terms)) if surprise else 0.0
    return (joined - math.log(max(places, 1))) / math.log(10)


def surprise_of_normal(deviations: float) -> float:
    """Return -ln of the probability that a normal variable is so many standard deviations above its mean, or more."""
    return -float(torch.special.log_ndtr(torch.tensor(-deviations, dtype=torch.float64)))


def threshold(false_positive_rate: float) -> float:
    """Return the score that one unmatched query in 1 / rate reaches by chance.

    Raises:
        FingerprintError: the rate is not between 0 and 1.
    """
    if not 0 < false_positive_rate < 1:
        raise FingerprintError(f"a false-positive rate lies between 0 and 1, not at {false_positive_rate}")
    return -math.log10(false_positive_rate)
