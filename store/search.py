"""Nearest neighbours by cosine similarity: exact, or with FAISS, over arrays or over vectors in a store.

Both give the same answer for the same question: candidates are found in float32, then every candidate's similarity is
computed again in float64 in a way that does not depend on where the row lies in its block, rounded to float32, and
ties go to the lower index. Without that, equal rows differ in the last bit with the block they fall into.
"""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from store.cosine import similarity, tolerance, unit
from store.errors import SearchError
from store.faiss_search import search_faiss

Backend = Literal["exact", "faiss", "faiss-flat", "faiss-ivf"]

QUERY_BLOCK = 256
REFERENCE_BLOCK_BYTES = 16 * 1024 * 1024


class References(Protocol):
    """Vectors (n, d) that can be sliced by rows: an array, a memory map, or `EmbeddingStore.sliceable`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, d)."""
        ...

    def __getitem__(self, rows: Any, /) -> np.ndarray:
        """Return rows (m, d)."""
        ...


@dataclass(frozen=True)
class Neighbours:
    """What was found, best first.

    Attributes:
        indices: int64 (q, k), rows of the references; -1 where there were fewer than k.
        scores: float32 (q, k), cosine similarity; -inf where there were fewer than k.
        method: how it was searched, e.g. "exact" or "faiss IVF1024,Flat nprobe=64 (approximate)".
    """

    indices: np.ndarray
    scores: np.ndarray
    method: str


@dataclass(frozen=True)
class Exclude:
    """Pairs that do not count: a reference is never returned for a query with the same id.

    Attributes:
        queries: ids (q,), e.g. the source or group of every query, or its own row number.
        references: ids (n,) of the same kind.
    """

    queries: np.ndarray
    references: np.ndarray


def nearest(
    queries: np.ndarray,
    references: References,
    k: int,
    *,
    exclude: Exclude | None = None,
    backend: Backend = "exact",
) -> Neighbours:
    """Find the k most similar references of every query.

    Args:
        queries: floats (q, d).
        references: floats (n, d); read in blocks by "exact", as a whole by FAISS.
        k: neighbours a query.
        exclude: pairs that do not count.
        backend: "exact" (flat memory), "faiss" (flat below IVF_FROM_ROWS rows, IVF above), or one of the two by name.

    Raises:
        SearchError: shapes that do not fit, values that are not finite, k below 1, an unknown backend.
    """
    queries = unit(np.asarray(queries), "queries")
    if len(references.shape) != 2 or queries.shape[1] != references.shape[1]:
        problem = f"queries {queries.shape} and references {references.shape} do not fit"
        raise SearchError(None, problem, "give (q, d) and (n, d)")
    if k < 1:
        raise SearchError(None, f"k is {k}", "ask for at least one neighbour")
    pairs = _coded(exclude, len(queries), references.shape[0])
    if backend == "exact":
        indices, scores = _exact(queries, references, k, pairs)
        return Neighbours(indices, scores, "exact")
    if backend not in ("faiss", "faiss-flat", "faiss-ivf"):
        raise SearchError(None, f"unknown backend {backend!r}", "choose exact, faiss, faiss-flat or faiss-ivf")
    return Neighbours(*search_faiss(queries, np.asarray(references[:]), k, pairs, backend))


def _coded(exclude: Exclude | None, n_queries: int, n_references: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the ids as int64, equal where the ids are equal."""
    if exclude is None:
        return None
    if np.shape(exclude.queries) != (n_queries,) or np.shape(exclude.references) != (n_references,):
        problem = f"exclude has {np.shape(exclude.queries)} and {np.shape(exclude.references)} ids"
        raise SearchError(None, problem, f"give ({n_queries},) and ({n_references},)")
    _, codes = np.unique(np.concatenate([exclude.queries, exclude.references]), return_inverse=True)
    return codes[:n_queries], codes[n_queries:]


def _exact(
    queries: np.ndarray, references: References, k: int, pairs: tuple[np.ndarray, np.ndarray] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Go over blocks of references, keeping the best k of every query so far."""
    n_queries, n_dims = queries.shape
    indices = np.full((n_queries, k), -1, np.int64)
    scores = np.full((n_queries, k), -np.inf, np.float32)
    step = max(1, REFERENCE_BLOCK_BYTES // (8 * n_dims))
    for start in range(0, references.shape[0], step):
        block = unit(np.asarray(references[start : start + step]), "references")
        block32 = block.astype(np.float32)
        for first in range(0, n_queries, QUERY_BLOCK):
            part = slice(first, first + QUERY_BLOCK)
            rough = queries[part].astype(np.float32) @ block32.T  # (q, block)
            if pairs is not None:
                rough[pairs[0][part, None] == pairs[1][None, start : start + step]] = -np.inf
            _improve(queries[part], block, rough, indices[part], scores[part], start=start)
    return indices, scores


def _improve(
    queries: np.ndarray, block: np.ndarray, rough: np.ndarray, indices: np.ndarray, scores: np.ndarray, *, start: int
) -> None:
    """Merge one block into the best k of each query; `indices` and `scores` (q, k) are changed in place.

    Args:
        queries: float64 (q, d) of length 1.
        block: float64 (b, d) of length 1, rows start .. start + b - 1 of the references.
        rough: float32 (q, b), their similarities with rounding errors; -inf where a pair does not count.
        indices: int64 (q, k) so far.
        scores: float32 (q, k) so far.
        start: index of the block's first row.
    """
    k, margin = scores.shape[1], tolerance(queries.shape[1])
    last = scores[:, -1]  # what a row must reach to come in
    reach = np.where(np.isfinite(last), last - margin, np.finfo(np.float32).min)
    candidates = rough >= reach[:, None]
    for query in np.flatnonzero(candidates.any(axis=1)):
        columns = np.flatnonzero(candidates[query])
        if len(columns) > k:
            values = rough[query, columns]
            columns = columns[values >= np.partition(values, -k)[-k] - margin]
        every_index = np.concatenate([indices[query], columns + start])
        every_score = np.concatenate([scores[query], similarity(queries[[query]], block[None, columns])[0]])
        best = np.lexsort((every_index, -every_score))[:k]
        indices[query], scores[query] = every_index[best], every_score[best]
