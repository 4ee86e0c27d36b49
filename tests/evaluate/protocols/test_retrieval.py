"""Nearest neighbours: recall, chance and the kNN probe, against slow versions and scikit-learn's classifier."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from evaluate.protocols.retrieval import KNN_TEMPERATURE, RECALL_AT, chance_recall, knn_labels, neighbourhood, recall_at
from evaluate.protocols.video_features import Split, narrow
from tests.evaluate.conftest import build_videos


def split(n_test, n):
    return Split("1", np.arange(n_test, n), np.arange(n_test))


def slow_score(videos, modality, query, reference):
    cosines = []
    for name in {"joint": ["video", "audio"]}.get(modality, [modality]):
        part = videos.parts[name]
        assert part.present[query] and part.present[reference]
        pairs = zip(part.vectors[query], part.vectors[reference], strict=True)
        cosines.append(sum(float(a) * float(b) for a, b in pairs))
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
    video, audio = rng.normal(size=(90, 7)) + np.eye(7)[labels], rng.normal(size=(90, 5))
    has_video, has_audio = rng.random(90) < 0.9, rng.random(90) < 0.6
    videos = build_videos(labels, video=video, audio=audio, has_video=has_video, has_audio=has_audio)
    parts = narrow(videos, split(30, 90), modality)
    neighbours = neighbourhood(videos, parts, modality)
    for k in RECALL_AT:
        assert recall_at(neighbours, k) == pytest.approx(slow_recall(videos, parts, modality, k))
    assert neighbours.scores[4, 2] == pytest.approx(
        slow_score(videos, modality, parts.test[4], parts.train[neighbours.indices[4, 2]]), abs=1e-6
    )


def weights(distances):
    """From Euclidean distances of unit vectors: their cosine is 1 - d^2 / 2."""
    return np.exp((1 - distances**2 / 2) / KNN_TEMPERATURE)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 60), st.integers(2, 5), st.integers(1, 25))
def test_the_knn_probe_agrees_with_scikit_learn(seed, n_train, n_classes, k):
    rng, parts = np.random.default_rng(seed), split(12, 12 + n_train)
    labels = rng.integers(0, n_classes, 12 + n_train) * 3
    videos = build_videos(labels, video=rng.normal(size=(len(labels), 6)) + 0.5 * np.eye(n_classes, 6)[labels // 3])
    found = knn_labels(neighbourhood(videos, parts, "video"), k)
    train, test = (videos.parts["video"].vectors[rows].astype(np.float64) for rows in (parts.train, parts.test))
    oracle = KNeighborsClassifier(min(k, n_train), weights=weights, algorithm="brute").fit(train, labels[parts.train])
    assert np.array_equal(found, oracle.predict(test))


def test_chance_is_the_exact_hypergeometric_expectation():
    reference = np.repeat([0, 1, 2], [7, 2, 11])
    queries = np.array([0, 0, 1, 2, 9])
    counts = {0: 7, 1: 2, 2: 11, 9: 0}
    for k in (1, 5, 10, 20, 50):
        drawn = min(k, 20)
        exact = [1 - Fraction(math.comb(20 - counts[int(q)], drawn), math.comb(20, drawn)) for q in queries]
        assert chance_recall(queries, reference, k) == pytest.approx(float(sum(exact) / 5), abs=1e-12)
