"""From hits to records: intervals are those of an explicit bootstrap, means those of the splits."""

import numpy as np
import pytest

from evaluate.protocols.bootstrap import CHANCE, Outcomes, interval, to_results


def outcomes(hits, split, chance):
    return Outcomes("ucf101", "retrieval", split, "video", "pretrained", "R@1", np.array(hits, bool), chance)


@pytest.mark.parametrize(("shares", "sizes"), [((0.3,), (200,)), ((0.9,), (60,)), ((0.2, 0.5, 0.8), (100, 50, 400))])
def test_agrees_with_drawing_query_by_query_within_each_split(shares, sizes):
    hits, generator = (
        [np.arange(n) < share * n for share, n in zip(shares, sizes, strict=True)],
        np.random.default_rng(3),
    )
    means = [np.mean([own[generator.integers(0, len(own), len(own))].mean() for own in hits]) for _ in range(1000)]
    assert interval(hits) == pytest.approx(tuple(np.percentile(means, (2.5, 97.5))), abs=0.02)


def test_records_of_splits_then_chance_then_means():
    given_hits = [[True, True, False, False], [True, False], [True]]
    records = to_results(outcomes(hits, split, chance=0.1 * split) for split, hits in enumerate(given_hits, 1))
    of_splits = [(split, model) for model in ("pretrained", CHANCE) for split in (1, 2, 3)]
    assert [(r.split, r.model) for r in records] == [*of_splits, (None, "pretrained"), (None, CHANCE)]
    mean, chance = records[-2:]
    assert (mean.value, mean.n) == (pytest.approx(2 / 3), 7)
    assert (mean.low, mean.high) == interval([np.array(hits) for hits in given_hits])
    assert (chance.value, chance.n, chance.low, chance.high) == (pytest.approx(0.2), 7, None, None)
