"""Averages of clips: one vector a video, or a mean of any rows."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from store.errors import DamagedStoreError

if TYPE_CHECKING:
    import pandas as pd

    from store.reader import EmbeddingStore


@dataclass(frozen=True, eq=False, repr=False)
class SourceVectors:
    """One vector a source, in order of first appearance.

    Attributes:
        frame: m rows; columns source, label, label_name, group, splits, n_clips.
        vectors: (m, d) float32, the mean over the source's clips.
    """

    frame: "pd.DataFrame"
    vectors: np.ndarray

    def __len__(self) -> int:
        return len(self.vectors)

    def __repr__(self) -> str:
        return f"SourceVectors(vectors={self.vectors.shape})"


def mean_by_number(
    store: "EmbeddingStore", name: str, numbers: np.ndarray, n_means: int
) -> tuple[np.ndarray, np.ndarray]:
    """Average the rows that carry the same number; reads a block of rows at a time.

    `numbers` are int64 (n,), 0 to n_means - 1; rows with -1 are left out.

    Returns:
        Means (n_means, d) float64, zeros where no row has the number, and row counts (n_means,) int64.

    Raises:
        LayoutError: the store holds no vectors of this name.
        DamagedStoreError: a mean is not finite.
    """
    vectors = store.sliceable(name)
    total = np.zeros((n_means, vectors.shape[1]), np.float64)
    for rows in store.layout.blocks(name):
        kept = numbers[rows] >= 0
        np.add.at(total, numbers[rows][kept], vectors[rows][kept])
    counts = np.bincount(numbers[numbers >= 0], minlength=n_means)
    means = total / np.maximum(counts, 1)[:, None]
    if not np.isfinite(means).all():
        problem = f"/{name} holds values that are not finite"
        raise DamagedStoreError(store.path, problem, "embed with a valid checkpoint")
    return means, counts
