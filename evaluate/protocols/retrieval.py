"""Retrieval: test videos query training videos.

R@k is the share of queries that find a video of their class among the k nearest (cosine similarity). The vectors of each
modality are in evaluate.protocols.video_features.
"""

from dataclasses import dataclass

import numpy as np

from evaluate.protocols.video_features import Modality, Split, Videos
from store.search import nearest

RECALL_AT = (1, 5, 10, 20, 50)
KNN_NEIGHBOURS = 20
"""Fixed, not swept. The paper takes 200; ImageNet has more than a thousand images a class. HMDB51 trains on 70 videos a
class, UCF101 on about 94 from some 18 recordings, the sample world on 36. With 200, other classes would vote too."""
KNN_TEMPERATURE = 0.07


@dataclass(frozen=True)
class Neighbourhood:
    """The nearest references of every query: q queries, n references, k neighbours, nearest first.

    Attributes:
        query_sources: (q,) names.
        query_labels: (q,) int64.
        reference_sources: (n,) names.
        reference_labels: (n,) int64.
        indices: (q, k) int64 into the references.
        scores: (q, k) float32, cosine similarity.
        label_names: label -> name, for the labels that occur.
    """

    query_sources: tuple[str, ...]
    query_labels: np.ndarray
    reference_sources: tuple[str, ...]
    reference_labels: np.ndarray
    indices: np.ndarray
    scores: np.ndarray
    label_names: dict[int, str]

    @property
    def neighbour_labels(self) -> np.ndarray:
        """Labels of the neighbours, (q, k) int64."""
        labels: np.ndarray = self.reference_labels[self.indices]
        return labels

    @property
    def hits(self) -> np.ndarray:
        """Which neighbours have their query's label, (q, k) bool."""
        hits: np.ndarray = self.neighbour_labels == self.query_labels[:, None]
        return hits


def neighbourhood(videos: Videos, split: Split, modality: Modality, k: int = max(RECALL_AT)) -> Neighbourhood:
    """Find the k nearest training videos of every test video of a split; ties go to the lower index.

    The split must have been narrowed to videos with the modality; k above the training videos means all of them.
    """
    references = videos.vectors(modality, split.train)
    found = nearest(videos.vectors(modality, split.test), references, min(k, len(references)))
    return Neighbourhood(
        query_sources=tuple(videos.sources[row] for row in split.test),
        query_labels=videos.labels[split.test],
        reference_sources=tuple(videos.sources[row] for row in split.train),
        reference_labels=videos.labels[split.train],
        indices=found.indices,
        scores=found.scores,
        label_names=dict(zip(videos.labels.tolist(), videos.label_names, strict=True)),
    )


def hits_at(neighbours: Neighbourhood, k: int) -> np.ndarray:
    """Tell which queries have a video of their class among the k nearest, or among all if there are fewer, (q,) bool."""
    return np.asarray(neighbours.hits[:, :k].any(axis=1))


def recall_at(neighbours: Neighbourhood, k: int) -> float:
    """R@k: the share of `hits_at`."""
    return float(hits_at(neighbours, k).mean())


def knn_labels(neighbours: Neighbourhood, k: int = KNN_NEIGHBOURS) -> np.ndarray:
    """Classify every query by its k nearest references, or by all if there are fewer.

    Class c scores the sum of exp(s / KNN_TEMPERATURE) over those of the k nearest that are of class c, where s is their
    cosine similarity (Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination", CVPR 2018,
    section 3.4).

    Returns:
        (q,) int64; of classes with equal scores the lowest label.
    """
    classes, columns = np.unique(neighbours.reference_labels, return_inverse=True)
    voted = columns[neighbours.indices[:, :k]]  # (q, k)
    scores = neighbours.scores[:, :k].astype(np.float64)
    # Relative to the nearest: the order is the same, and the exponent cannot overflow.
    weights = np.exp((scores - scores.max(axis=1, keepdims=True)) / KNN_TEMPERATURE)
    totals = np.zeros((len(voted), len(classes)))
    np.add.at(totals, (np.arange(len(voted))[:, None], voted), weights)
    labels: np.ndarray = classes[np.argmax(totals, axis=1)]
    return labels


def chance_recall(query_labels: np.ndarray, reference_labels: np.ndarray, k: int) -> float:
    """Compute the expected R@k of a random ranking.

    A query whose class has m of the n references misses with the hypergeometric probability of drawing none of the m
    in k draws without putting back, C(n - m, k) / C(n, k) = prod over i < k of (n - m - i) / (n - i). The mean over
    queries of its complement is returned. At k = 1 this is the mean of m / n.
    """
    n = len(reference_labels)
    k = min(k, n)
    labels, counts = np.unique(query_labels, return_counts=True)
    expected = 0.0
    for label, queries in zip(labels, counts, strict=True):
        others = n - int((reference_labels == label).sum())
        draws = np.arange(k)
        miss = float(np.prod(np.maximum(others - draws, 0) / (n - draws)))
        expected += (1.0 - miss) * int(queries)
    return expected / len(query_labels)
