"""The law of chance: how often unrelated descriptors agree."""

import math

import numpy as np
import pytest
from scipy.stats import beta

from evaluate.errors import FingerprintError
from evaluate.fingerprint.match.chance import Course, score, surprises, threshold

TEN = Course(dimensions=10.0, idle_moments=0.0)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def walk(rng, n, hops=3, dims=24):
    """Descriptors (n, d) whose neighbours share most of their seconds: running means of random directions."""
    steps = rng.normal(size=(n + hops, dims))
    return unit(np.stack([steps[i : i + hops].mean(0) for i in range(n)]))


@pytest.mark.parametrize("n", [3, 6, 20])
def test_unrelated_courses_surprise_at_most_as_often_as_told(n):
    rng = np.random.default_rng(n)
    told = np.array([surprises(walk(rng, n), walk(rng, n), np.zeros(n), TEN)[0] for _ in range(4000)])
    for rate in (0.1, 0.01):
        assert np.mean(told >= -math.log(rate)) <= 1.5 * rate


def test_a_course_is_judged_by_the_cap_of_a_sphere():
    rng = np.random.default_rng(0)
    query = walk(rng, 12)
    reference = unit(query + 0.2 * rng.normal(size=query.shape))
    x, y = (each - each.mean(0) for each in (query, reference))
    cosine = (x * y).sum() / np.linalg.norm(x) / np.linalg.norm(y)
    moments = np.linalg.norm(x) ** 2 * np.linalg.norm(y) ** 2 / np.trace(x @ x.T @ y @ y.T)
    exact = -beta.logsf(cosine**2, 0.5, (10.0 * moments - 1) / 2) + math.log(2)
    assert 4 < moments < 11
    assert 0.9 * exact < surprises(query, reference, np.zeros(12), TEN)[0] <= exact


def test_idle_moments_tell_nothing():
    rng = np.random.default_rng(2)
    once = unit(rng.normal(size=(1, 24)) + np.outer(np.linspace(0, 1, 9), rng.normal(size=24)))  # one slow event
    whole, most, none = (
        surprises(once, once, np.zeros(9), TEN._replace(idle_moments=idle))[0] for idle in (0.0, 0.5, 1.1)
    )
    assert whole > 1.5 * most > 0 == none


def test_what_does_not_change_has_no_course_and_a_bounded_level():
    still, other = unit(np.ones((8, 4))), unit(np.array([[1.0, 1, 1, 0]] * 8))
    course, level = surprises(still, still, np.zeros(8), TEN)
    assert course == 0 and 10 < level < 12
    assert 0 < surprises(still, other, np.zeros(8), TEN)[1] < level
    assert surprises(still, -still, np.zeros(8), TEN) == (0, 0)
    assert surprises(still[:1], still[:1], np.zeros(1), TEN) == (0, level)
    assert score([0, level], 100) < threshold(0.01)


def test_a_level_counts_as_far_as_it_is_above_what_is_expected():
    still, near = unit(np.ones((8, 4))), unit(np.array([[1.0, 1, 1, 0.5]] * 8))
    levels = [surprises(still, near, np.full(8, each), TEN)[1] for each in (-0.4, 0.0, 0.5, 0.95, 0.99, 1.0)]
    assert levels[0] == levels[1]  # what is less alike than unrelated vectors tells no more
    assert levels[1] - levels[2] == pytest.approx(3 * math.log(2), rel=0.01)
    assert levels[2] > levels[3] > levels[4] == levels[5] == pytest.approx(0, abs=1e-9)


def test_joined_surprises_keep_the_rate_and_agreement_scores_more_than_either():
    rng = np.random.default_rng(1)
    scores = [score(each, 1) for each in (-np.log(rng.random((50_000, 4)))).tolist()]
    assert np.mean(np.array(scores) >= threshold(0.01)) == pytest.approx(0.01, abs=0.002)
    alone, joined, contradicted = score([9, 4], 1), score([9, 4, 9, 4], 1), score([9, 4, 0, 0], 1)
    assert joined > alone > contradicted > 0.5 * alone
    assert score([9, 4], 1000) == pytest.approx(alone - 3)
    assert score([], 10) == pytest.approx(-1)
    with pytest.raises(FingerprintError, match="between 0 and 1"):
        threshold(0)
