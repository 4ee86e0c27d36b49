"""kNN probe against scikit-learn's classifier."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from evaluate.protocols.retrieval import KNN_TEMPERATURE, knn_labels, neighbourhood
from evaluate.protocols.video_features import Split
from tests.evaluate.conftest import build_videos

N_TEST = 12


def draw(seed, n_train, n_classes, dim=6):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, N_TEST + n_train) * 3
    videos = build_videos(labels, video=rng.normal(size=(len(labels), dim)) + 0.5 * np.eye(n_classes, dim)[labels // 3])
    return videos, Split("1", np.arange(N_TEST, len(labels)), np.arange(N_TEST))


def weights(distances):
    """From Euclidean distances of unit vectors: their cosine is 1 - d^2 / 2."""
    return np.exp((1 - distances**2 / 2) / KNN_TEMPERATURE)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 60), st.integers(2, 5), st.integers(1, 25))
def test_agrees_with_scikit_learn(seed, n_train, n_classes, k):
    videos, split = draw(seed, n_train, n_classes)
    neighbours = neighbourhood(videos, split, "video")
    found, k = knn_labels(neighbours, k), min(k, n_train)
    train, test = (videos.parts["video"].vectors[rows].astype(np.float64) for rows in (split.train, split.test))
    oracle = KNeighborsClassifier(k, weights=weights, algorithm="brute").fit(train, videos.labels[split.train])
    assert np.array_equal(found, oracle.predict(test))
