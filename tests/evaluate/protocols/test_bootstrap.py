"""From hits to records: intervals are those of an explicit bootstrap, means those of the splits."""

import numpy as np
import pytest

from evaluate.protocols.bootstrap import CHANCE, Outcomes, interval, to_results


def outcomes(hits, split=1, model="pretrained", metric="R@1", chance=0.1):
    return Outcomes("ucf101", "retrieval", split, "video", model, metric, np.array(hits, bool), chance)


def slow_interval(hits, resamples=1000, seed=3):
    """Queries drawn one by one with replacement within each split, then the mean over splits."""
    generator = np.random.default_rng(seed)
    means = [np.mean([own[generator.integers(0, len(own), len(own))].mean() for own in hits]) for _ in range(resamples)]
    return tuple(np.percentile(means, (2.5, 97.5)))


@pytest.mark.parametrize(("shares", "sizes"), [((0.3,), (200,)), ((0.9,), (60,)), ((0.2, 0.5, 0.8), (100, 50, 400))])
def test_agrees_with_drawing_query_by_query(shares, sizes):
    hits = [np.arange(n) < share * n for share, n in zip(shares, sizes, strict=True)]
    assert interval(hits) == pytest.approx(slow_interval(hits), abs=0.02)


def test_records_of_splits_then_chance_then_means():
    given_hits = [[True, True, False, False], [True, False], [True]]
    records = to_results(outcomes(hits, split, chance=0.1 * split) for split, hits in enumerate(given_hits, 1))
    assert [(r.split, r.model) for r in records] == [
        *((split, "pretrained") for split in (1, 2, 3)), *((split, CHANCE) for split in (1, 2, 3)),
        (None, "pretrained"), (None, CHANCE),
    ]  # fmt: skip
    mean, chance = records[-2:]
    assert (mean.value, mean.n) == (pytest.approx(2 / 3), 7)
    assert (mean.low, mean.high) == interval([np.array(hits) for hits in given_hits])
    assert (chance.value, chance.n, chance.low, chance.high) == (pytest.approx(0.2), 7, None, None)
