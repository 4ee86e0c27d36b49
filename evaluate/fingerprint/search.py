"""Descriptors of one modality, searched with FAISS: flat below a size, IVF-PQ above; the choice is automatic and told.

Rows stand in the order of the sources, and a source's rows in the order of time, so a source is a slice. What IVF-PQ
gives back of a row is what its code stands for: neither searching nor aligning needs the vectors themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluate.fingerprint.records import Descriptors

if TYPE_CHECKING:
    import faiss

FLAT_BELOW_ROWS = 200_000
"""Up to here a flat search of a 10 s query takes tens of ms; at a hop of 0.5 s these are 28 hours."""
CODE_BYTES = 32
"""Of a row in IVF-PQ: 0.23 MB an hour and modality at a hop of 0.5 s."""
TRAINING_ROWS = 100_000
PROBED_SHARE = 64
PROBED_LEAST = 8
SEED = 1234


@dataclass(frozen=True, eq=False)
class Found:
    """Neighbours of q query descriptors, best first.

    Attributes:
        rows: int64 (q, k); -1 where there were fewer.
        similarities: float32 (q, k), cosines; -inf where there were fewer.
    """

    rows: np.ndarray
    similarities: np.ndarray


class ModalitySearch:
    """The descriptors of one modality of all sources.

    Attributes:
        method: how it is searched, in words.
        source: int64 (n,), number of each row's source.
        middle_seconds: float32 (n,), middle of each row's clip.
        index: FAISS' own.

    Args:
        vectors: float32 (n, d) where the index is flat, None where it gives rows back from their codes.
    """

    def __init__(
        self, index: "faiss.Index", method: str, source: np.ndarray, middle_seconds: np.ndarray,
        vectors: np.ndarray | None,
    ) -> None:  # fmt: skip
        self.index, self.method, self.source = index, method, source
        self.middle_seconds = middle_seconds.astype(np.float32)
        self._vectors = vectors

    def __len__(self) -> int:
        return len(self.source)

    def nearest(self, queries: np.ndarray, k: int) -> Found:
        """Find the k nearest rows of each query (q, d)."""
        if not len(queries) or not len(self):
            return Found(np.full((len(queries), k), -1), np.full((len(queries), k), -np.inf, np.float32))
        similarities, rows = self.index.search(np.ascontiguousarray(queries, np.float32), k)
        return Found(rows, np.where(rows >= 0, similarities, -np.inf))

    def rows_of(self, source: int) -> slice:
        """The rows of a source."""
        first, last = np.searchsorted(self.source, [source, source + 1])
        return slice(int(first), int(last))

    def vectors(self, rows: slice) -> np.ndarray:
        """Vectors (m, d) float32 as they are searched."""
        if self._vectors is not None:
            return self._vectors[rows]
        return self.index.reconstruct_n(rows.start, rows.stop - rows.start)


def build_search(
    described: Sequence[Descriptors], modality: str, *, flat_below_rows: int = FLAT_BELOW_ROWS
) -> ModalitySearch:
    """Gather the rows of "picture" or "sound" that have it."""
    vectors, source, middle = [np.zeros((0, 1), np.float32)], [np.zeros(0, np.int64)], [np.zeros(0)]
    for number, each in enumerate(described):
        has, values = getattr(each, f"has_{modality}"), getattr(each, modality)
        if values is not None and has.any():
            vectors.append(values[has])
            source.append(np.full(int(has.sum()), number, np.int64))
            middle.append((each.start_seconds[has] + each.end_seconds[has]) / 2)
    joined = np.concatenate(vectors[1:] or vectors).astype(np.float32)
    is_flat = len(joined) < flat_below_rows
    index, method = _flat(joined) if is_flat else _inverted(joined)
    numbers, seconds = np.concatenate(source), np.concatenate(middle)
    return ModalitySearch(index, method, numbers, seconds, joined if is_flat else None)


def _flat(vectors: np.ndarray) -> "tuple[faiss.Index, str]":
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return index, f"flat, {len(vectors)} rows"


def _inverted(vectors: np.ndarray) -> "tuple[faiss.Index, str]":
    import faiss

    n_rows, n_dims = vectors.shape
    code_bytes = max(size for size in range(1, min(CODE_BYTES, n_dims) + 1) if n_dims % size == 0)
    n_lists = max(1, min(round(4 * n_rows**0.5), min(n_rows, TRAINING_ROWS) // 39))  # FAISS wants 39 rows a list
    n_bits = 8 if n_rows >= 39 * 256 else 4
    index = faiss.IndexIVFPQ(faiss.IndexFlatIP(n_dims), n_dims, n_lists, code_bytes, n_bits, faiss.METRIC_INNER_PRODUCT)
    index.cp.seed = index.pq.cp.seed = SEED
    chosen = np.sort(np.random.default_rng(SEED).permutation(n_rows)[:TRAINING_ROWS])
    index.train(vectors[chosen])
    index.add(vectors)
    index.make_direct_map()
    index.nprobe = min(n_lists, max(PROBED_LEAST, n_lists // PROBED_SHARE))
    return index, f"IVF{n_lists},PQ{code_bytes}x{n_bits} nprobe={index.nprobe}, {n_rows} rows"
