"""Clips averaged by their source: one vector a video."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from store.errors import DamagedStoreError

if TYPE_CHECKING:
    import pandas as pd

    from store.reader import EmbeddingStore

_SHARED = ["source", "label", "label_name", "group", "splits"]


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


def average_by_source(store: "EmbeddingStore", name: str) -> SourceVectors:
    """Average the clips of each source; clips and sources without the modality are left out.

    Raises:
        LayoutError: the store holds no vectors of this name.
        DamagedStoreError: a mean is not finite.
    """
    import pandas as pd

    frame = store.frame()
    numbers = np.full(len(frame), -1, np.int64)
    present = store.present(name)
    numbers[present], sources = pd.factorize(frame["source"][present])
    means, n_clips = mean_by_number(store, name, numbers, len(sources))
    first = frame[present].drop_duplicates("source").reset_index(drop=True)
    return SourceVectors(first[_SHARED].assign(n_clips=n_clips), means.astype(np.float32))


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
