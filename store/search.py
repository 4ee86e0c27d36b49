"""Nearest neighbours by cosine similarity: exact, or with FAISS, over arrays or over vectors in a store.

Both give the same answer, except for IVF, which is approximate. Candidates are found in float32. Their similarities are
computed again in float64, in a way that does not depend on where a row lies in its block, and rounded to float32; ties
go to the lower index. Without this, equal rows differ in the last bit with the block they fall into.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from store.errors import SearchError

if TYPE_CHECKING:
    from store.reader import StoredVectors

Backend = Literal["exact", "faiss", "faiss-flat", "faiss-ivf"]

QUERY_BLOCK = 256
REFERENCE_BLOCK_BYTES = 16 * 1024 * 1024
SPARE = 8
"""Candidates that FAISS gives beyond k: the k-th is then clearly above the last but for ties, and one search is enough."""
IVF_FROM_ROWS = 200_000
"""From here on "faiss" takes IVF: a flat search over so many rows of 512 numbers takes tens of ms a query."""
IVF_PROBED_SHARE, IVF_PROBED_LEAST = 16, 8
"""One list in so many is visited, but at least so many."""

_Pairs = tuple[np.ndarray, np.ndarray] | None
"""Ids int64 of the queries (q,) and of the references (n,); None if all pairs count."""


@dataclass(frozen=True)
class Neighbours:
    """The neighbours of every query, best first.

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
    references: "np.ndarray | StoredVectors",
    k: int,
    *,
    exclude: Exclude | None = None,
    backend: Backend = "exact",
) -> Neighbours:
    """Find the k most similar references of every query.

    Args:
        queries: floats (q, d).
        references: floats (n, d), an array or `EmbeddingStore.sliceable`; read in blocks by "exact", as a whole by FAISS.
        k: neighbours a query.
        exclude: pairs that do not count.
        backend: "exact" (flat memory), "faiss" (flat for few rows, IVF for many), or one of the two by name.

    Raises:
        SearchError: shapes that do not fit, values that are not finite, k below 1, an unknown backend.
    """
    queries = _unit(np.asarray(queries), "queries")
    if len(references.shape) != 2 or queries.shape[1] != references.shape[1]:
        problem = f"queries {queries.shape} and references {references.shape} do not fit"
        raise SearchError(None, problem, "give (q, d) and (n, d)")
    if k < 1:
        raise SearchError(None, f"k is {k}", "request at least one neighbour")
    pairs = _coded(exclude, len(queries), references.shape[0])
    if backend == "exact":
        return _search_exactly(queries, references, k, pairs)
    if backend not in ("faiss", "faiss-flat", "faiss-ivf"):
        raise SearchError(None, f"unknown backend {backend!r}", "choose exact, faiss, faiss-flat or faiss-ivf")
    return _search_with_faiss(queries, np.asarray(references[:]), k, pairs, backend)


def _unit(vectors: np.ndarray, name: str) -> np.ndarray:
    """Return float64 (n, d) of length 1; zeros stay zeros, so they are similar to nothing (0)."""
    if vectors.ndim != 2 or vectors.dtype.kind != "f":
        raise SearchError(None, f"{name} are {vectors.dtype} of shape {vectors.shape}", "give floats of shape (n, d)")
    if not np.isfinite(vectors).all():
        raise SearchError(None, f"{name} hold NaN or infinity", "leave these rows out")
    vectors = vectors.astype(np.float64)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)


def _coded(exclude: Exclude | None, n_queries: int, n_references: int) -> _Pairs:
    """Return the ids as int64, equal where the ids are equal."""
    if exclude is None:
        return None
    if np.shape(exclude.queries) != (n_queries,) or np.shape(exclude.references) != (n_references,):
        problem = f"exclude has {np.shape(exclude.queries)} and {np.shape(exclude.references)} ids"
        raise SearchError(None, problem, f"give ({n_queries},) and ({n_references},)")
    _, codes = np.unique(np.concatenate([exclude.queries, exclude.references]), return_inverse=True)
    return codes[:n_queries], codes[n_queries:]


def _search_exactly(queries: np.ndarray, references: "np.ndarray | StoredVectors", k: int, pairs: _Pairs) -> Neighbours:
    """Go over blocks of references, keeping the best k of every query so far."""
    found = _nothing_found(len(queries), k, "exact")
    margin = _margin(queries.shape[1])
    for rows, block in _blocks(references):
        for first in range(0, len(queries), QUERY_BLOCK):
            part = slice(first, first + QUERY_BLOCK)
            rough = queries[part].astype(np.float32) @ block.astype(np.float32).T  # (q, block)
            if pairs is not None:
                rough[pairs[0][part, None] == pairs[1][None, rows]] = -np.inf
            is_candidate = (rough >= found.scores[part, -1:] - margin) & (rough > -np.inf)
            for number in np.flatnonzero(is_candidate.any(axis=1)).tolist():
                columns = np.flatnonzero(is_candidate[number])
                if len(columns) > k:
                    values = rough[number, columns]
                    columns = columns[values >= np.partition(values, -k)[-k] - margin]
                _keep_best(found, first + number, queries[first + number], rows.start + columns, block[columns])
    return found


def _blocks(references: "np.ndarray | StoredVectors") -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the rows and the vectors, float64 of length 1, of a few MiB at a time."""
    step = max(1, REFERENCE_BLOCK_BYTES // (8 * references.shape[1]))
    for start in range(0, references.shape[0], step):
        rows = slice(start, start + step)
        yield rows, _unit(np.asarray(references[rows]), "references")


def _nothing_found(n_queries: int, k: int, method: str) -> Neighbours:
    return Neighbours(np.full((n_queries, k), -1, np.int64), np.full((n_queries, k), -np.inf, np.float32), method)


def _margin(n_dims: int) -> float:
    """Twice the worst rounding error of a float32 dot product of two vectors of this length, and of their lengths."""
    return (2 * n_dims + 8) * float(np.finfo(np.float32).eps)


def _keep_best(found: Neighbours, number: int, query: np.ndarray, rows: np.ndarray, vectors: np.ndarray) -> None:
    """Merge candidates into what was found for one query; `query` (d,) and `vectors` (m, d) are float64 of length 1.

    `number` is that of the query, `rows` (m,) are those of the candidates, none of which is found already.
    """
    scores = np.einsum("md,d->m", vectors, query).astype(np.float32)  # unlike BLAS, the same for equal rows anywhere
    rows, scores = np.concatenate([found.indices[number], rows]), np.concatenate([found.scores[number], scores])
    best = np.lexsort((rows, -scores))[: found.indices.shape[1]]
    found.indices[number], found.scores[number] = rows[best], scores[best]


def _search_with_faiss(queries: np.ndarray, vectors: np.ndarray, k: int, pairs: _Pairs, backend: str) -> Neighbours:
    """Let FAISS propose candidates, more and more of them until no missed row could belong to the answer."""
    n_rows, n_dims = vectors.shape
    if not n_rows:
        return _nothing_found(len(queries), k, "faiss (no references)")
    units = np.empty(vectors.shape, np.float32)
    for rows, block in _blocks(vectors):
        units[rows] = block
    search, method, is_complete = _faiss_searcher(units, backend)
    found = _nothing_found(len(queries), k, method)
    margin = _margin(n_dims) if is_complete else 0.0
    pending, n_candidates = np.arange(len(queries)), min(n_rows, k + SPARE)
    while len(pending):
        unsettled = []
        step = max(1, REFERENCE_BLOCK_BYTES // (16 * n_candidates))
        for part in np.split(pending, range(step, len(pending), step)):
            rough, candidates = search(queries[part].astype(np.float32), n_candidates)
            found.indices[part], found.scores[part] = -1, -np.inf
            for number, proposed in zip(part, candidates, strict=True):
                rows = proposed[proposed >= 0]
                if pairs is not None:
                    rows = rows[pairs[1][rows] != pairs[0][number]]
                _keep_best(found, number, queries[number], rows, _unit(vectors[rows], "references"))
            # Settled if the k-th is clearly above every row that FAISS left out. Otherwise a row that ties may be missing.
            unsettled.append(part[(candidates[:, -1] >= 0) & (found.scores[part, -1] <= rough[:, -1] + margin)])
        if n_candidates == n_rows:
            break
        pending, n_candidates = np.concatenate(unsettled), min(n_rows, 4 * n_candidates)
    return found


def _faiss_searcher(units: np.ndarray, backend: str) -> tuple[Callable, str, bool]:
    """Return a search over vectors (n, d) of length 1, its description, and whether it compares all of them."""
    import faiss

    n_rows, n_dims = units.shape
    if backend == "faiss-flat" or (backend == "faiss" and n_rows < IVF_FROM_ROWS):
        # It does what an IndexFlat does, without a copy of the vectors.
        return lambda queries, k: faiss.knn(queries, units, k, faiss.METRIC_INNER_PRODUCT), "faiss Flat", True
    n_lists = max(1, min(round(2 * n_rows**0.5), n_rows // 39))  # FAISS wants 39 training vectors a list
    inverted = faiss.IndexIVFFlat(faiss.IndexFlatIP(n_dims), n_dims, n_lists, faiss.METRIC_INNER_PRODUCT)
    inverted.cp.max_points_per_centroid, inverted.cp.niter = 64, 10  # a quarter of FAISS's defaults: 10 times faster
    inverted.train(units)
    inverted.add(units)
    inverted.nprobe = min(n_lists, max(IVF_PROBED_LEAST, n_lists // IVF_PROBED_SHARE))
    return inverted.search, f"faiss IVF{n_lists},Flat nprobe={inverted.nprobe} (approximate)", False
