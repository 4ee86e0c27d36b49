import math
from fractions import Fraction

import numpy as np
import pytest

from evaluate.protocols.retrieval import RECALL_AT, chance_recall, neighbourhood, recall_at
from evaluate.protocols.video_features import Split, narrow
from tests.evaluate.conftest import build_videos


def split(n_test, n):
    return Split("1", np.arange(n_test, n), np.arange(n_test))


def slow_score(videos, modality, query, reference):
    names = {"video": ["video"], "audio": ["audio"], "joint": ["video", "audio"]}[modality]
    cosines = []
    for name in names:
        part = videos.parts[name]
        assert part.present[query] and part.present[reference]
        cosines.append(
            sum(float(a) * float(b) for a, b in zip(part.vectors[query], part.vectors[reference], strict=True))
        )
    return sum(cosines) / len(cosines)


def slow_recall(videos, parts, modality, k):
    hits = 0
    for query in parts.test:
        scored = [(-slow_score(videos, modality, query, r), position) for position, r in enumerate(parts.train)]
        best = [parts.train[position] for _, position in sorted(scored)[:k]]
        hits += any(videos.labels[r] == videos.labels[query] for r in best)
    return hits / len(parts.test)


@pytest.mark.parametrize("modality", ["video", "audio", "joint"])
def test_agrees_with_the_slow_version(modality):
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 6, 90)
    videos = build_videos(
        labels,
        video=rng.normal(size=(90, 7)) + np.eye(7)[labels],
        audio=rng.normal(size=(90, 5)),
        has_video=rng.random(90) < 0.9,
        has_audio=rng.random(90) < 0.6,
    )
    parts = split(30, 90)
    parts = narrow(videos, parts, modality)
    neighbours = neighbourhood(videos, parts, modality)
    for k in RECALL_AT:
        assert recall_at(neighbours, k) == pytest.approx(slow_recall(videos, parts, modality, k))
    assert neighbours.scores[4, 2] == pytest.approx(
        slow_score(videos, modality, parts.test[4], parts.train[neighbours.indices[4, 2]]), abs=1e-6
    )


def test_chance_is_the_exact_hypergeometric_expectation():
    reference = np.repeat([0, 1, 2], [7, 2, 11])
    queries = np.array([0, 0, 1, 2, 9])
    counts = {0: 7, 1: 2, 2: 11, 9: 0}
    for k in (1, 5, 10, 20, 50):
        drawn = min(k, 20)
        exact = [1 - Fraction(math.comb(20 - counts[int(q)], drawn), math.comb(20, drawn)) for q in queries]
        assert chance_recall(queries, reference, k) == pytest.approx(float(sum(exact) / 5), abs=1e-12)
