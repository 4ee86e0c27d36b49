"""How embeddings lie on the sphere: alignment, uniformity, the gap between modalities, clusters, class centroids.

All functions take rows of length 1 (`evaluate.protocols.video_features.l2_normalise`) and no labels but where they are named.
"""

import numpy as np

UNIFORMITY_T = 2.0
_ROWS_PER_BLOCK = 1024


def alignment(first: np.ndarray, second: np.ndarray) -> float:
    """Mean squared distance of positive pairs: 0 where each pair falls together, 2 for unrelated directions.

    Wang and Isola, "Understanding contrastive representation learning through alignment and uniformity on the
    hypersphere", ICML 2020, section 4.1: the expectation of |f(x) - f(y)|^alpha with alpha = 2.

    Args:
        first: (n, d) unit rows.
        second: (n, d) unit rows; row i is the positive of row i of `first`.

    Raises:
        ValueError: shapes differ, or there is no pair.
    """
    _same_space(first, second)
    if first.shape != second.shape:
        raise ValueError(f"pairs need equal shapes, not {first.shape} and {second.shape}")
    return float(np.mean(np.sum((first.astype(np.float64) - second) ** 2, axis=1)))


def uniformity(vectors: np.ndarray, t: float = UNIFORMITY_T) -> float:
    """Logarithm of the mean Gaussian potential of all pairs of different rows: 0 in one point, lower is more even.

    Wang and Isola, ICML 2020, section 4.1: log of the expectation of exp(-t |f(x) - f(y)|^2), with t = 2. The least
    that a sphere of many dimensions allows is -2t.

    Args:
        vectors: (n, d) unit rows, at least two; a block of distances is held at a time.
        t: sharpness of the potential.

    Raises:
        ValueError: fewer than two rows.
    """
    n = len(vectors)
    if n < 2:
        raise ValueError(f"uniformity needs at least two rows, not {n}")
    rows = vectors.astype(np.float64)
    total = 0.0
    for start in range(0, n, _ROWS_PER_BLOCK):
        block = rows[start : start + _ROWS_PER_BLOCK]
        squared = np.maximum(2.0 - 2.0 * block @ rows.T, 0.0)
        potential = np.exp(-t * squared)
        potential[np.arange(len(block)), start + np.arange(len(block))] = 0.0
        total += float(potential.sum())
    return float(np.log(total / (n * (n - 1))))


def modality_gap(first: np.ndarray, second: np.ndarray) -> float:
    """Distance between the centres of two modalities in their shared space; 0 where they lie around one point.

    Liang et al., "Mind the gap: understanding the modality gap in multi-modal contrastive representation learning",
    NeurIPS 2022, section 2: the length of the difference between the means of the two sets of unit vectors.

    Args:
        first: (n, d) unit rows of one modality.
        second: (m, d) unit rows of the other.

    Raises:
        ValueError: different spaces, or a side without rows.
    """
    _same_space(first, second)
    return float(np.linalg.norm(first.mean(axis=0, dtype=np.float64) - second.mean(axis=0, dtype=np.float64)))


def cluster_nmi(vectors: np.ndarray, labels: np.ndarray, seed: int = 0, n_starts: int = 5) -> float:
    """Normalised mutual information of k-means clusters, as many as there are labels, with the labels: 0 to 1.

    The mutual information is divided by the arithmetic mean of both entropies. The best of `n_starts` starts counts,
    by k-means' own inertia, which knows no labels.

    Args:
        vectors: (n, d) unit rows.
        labels: (n,) int64, at least two different ones.
        seed: of the starts.
        n_starts: starts of k-means.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import normalized_mutual_info_score
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(1):  # some hundred rows gain nothing from more
        clusters = KMeans(len(np.unique(labels)), n_init=n_starts, random_state=seed).fit_predict(vectors)
    return float(normalized_mutual_info_score(labels, clusters))


def centroid_similarity(vectors: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cosine similarity of the classes' mean vectors, seen from the mean of all classes.

    What all classes share points one way and would make every pair alike; it is subtracted before the angle is taken.

    Args:
        vectors: (n, d) unit rows.
        labels: (n,) int64.

    Returns:
        The labels that occur, (c,) int64 ascending, and the similarities (c, c) float64, 1 on the diagonal; 0 beside
        a class whose mean is that of all.
    """
    classes = np.unique(labels)
    means = np.stack([vectors[labels == label].mean(axis=0, dtype=np.float64) for label in classes])
    centred = means - means.mean(axis=0)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    unit = np.divide(centred, lengths, out=np.zeros_like(centred), where=lengths > 1e-12)
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, 1.0)
    return classes, similarity


def _same_space(first: np.ndarray, second: np.ndarray) -> None:
    if not len(first) or not len(second) or first.shape[1] != second.shape[1]:
        raise ValueError(f"both sides need rows of one space, not {first.shape} and {second.shape}")
