"""kNN probe: the nearest training videos vote, each with a weight after its similarity; nothing is fitted.

Weighted k-nearest-neighbour classification (Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance
Discrimination", CVPR 2018, section 3.4): class c scores the sum of exp(s / 0.07) over those of the k nearest that are of
c, s their cosine similarity.
"""

import numpy as np

from evaluate.protocols.retrieval import Neighbourhood

K = 20
"""The paper takes 200 of ImageNet's thousand and more a class. HMDB51 trains on 70 videos a class, UCF101 on about 94 of
some 18 recordings, the sample world on 36: with 200 other classes would have to vote. 20 is fixed, not swept."""
TEMPERATURE = 0.07


def knn_labels(neighbours: Neighbourhood, k: int = K, temperature: float = TEMPERATURE) -> np.ndarray:
    """Classify every query by its k nearest references, all where k exceeds them.

    Returns:
        (q,) int64; of classes that score the same the lowest label.
    """
    classes, columns = np.unique(neighbours.reference_labels, return_inverse=True)
    voted = columns[neighbours.indices[:, :k]]  # (q, k)
    scores = neighbours.scores[:, :k].astype(np.float64)
    # Relative to the nearest, which changes no order and keeps the exponent from overflowing.
    weights = np.exp((scores - scores.max(axis=1, keepdims=True)) / temperature)
    totals = np.zeros((len(voted), len(classes)))
    np.add.at(totals, (np.arange(len(voted))[:, None], voted), weights)
    labels: np.ndarray = classes[np.argmax(totals, axis=1)]
    return labels
