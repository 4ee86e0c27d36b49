"""Nearest neighbours by cosine similarity: exact, or with FAISS, over arrays or over vectors in a store.

Both give the same answer for the same question: candidates are found in float32, then every candidate's similarity is
computed again in float64 in a way that does not depend on where the row lies in its block, rounded to float32, and
ties go to the lower index. Without that, equal rows differ in the last bit with the block they fall into.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from store.errors import SearchError

if TYPE_CHECKING:
    import faiss

Backend = Literal["exact", "faiss", "faiss-flat", "faiss-ivf"]

QUERY_BLOCK = 256
REFERENCE_BLOCK_BYTES = 16 * 1024 * 1024
IVF_FROM_ROWS = 200_000
"""From here on "faiss" takes IVF: a flat search over so many rows of 512 takes tens of ms a query."""
IVF_PROBED_SHARE = 16
"""One list in so many is visited, but at least IVF_PROBED_LEAST."""
IVF_PROBED_LEAST = 8
_EPSILON = float(np.finfo(np.float32).eps)


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
    queries = _unit(np.asarray(queries), "queries")
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
    return _with_faiss(queries, references, k, pairs, backend)


def _unit(vectors: np.ndarray, what: str) -> np.ndarray:
    """Return float64 (n, d) of length 1; zeros stay zeros, so they are similar to nothing (0)."""
    if vectors.ndim != 2 or vectors.dtype.kind != "f":
        raise SearchError(None, f"{what} are {vectors.dtype} of shape {vectors.shape}", "give floats of shape (n, d)")
    vectors = vectors.astype(np.float64)
    length = np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
    if not np.isfinite(length).all() and not np.isfinite(vectors).all():
        raise SearchError(None, f"{what} hold NaN or infinity", "leave these rows out")
    vectors /= np.where(length > 0, length, 1)
    return vectors


def _unit_float32(references: np.ndarray) -> np.ndarray:
    """Return float32 (n, d) of length 1, a MiB at a time: what stays in the processor's cache is done twice as fast."""
    units = np.empty(references.shape, np.float32)
    n_rows, n_dims = references.shape
    for block in _parts(n_rows, 16 * n_dims):
        units[block] = _unit(references[block], "references")
    return units


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
        block = _unit(np.asarray(references[start : start + step]), "references")
        block32 = block.astype(np.float32)
        for first in range(0, n_queries, QUERY_BLOCK):
            part = slice(first, first + QUERY_BLOCK)
            rough = queries[part].astype(np.float32) @ block32.T  # (q, block)
            if pairs is not None:
                rough[pairs[0][part, None] == pairs[1][None, start : start + step]] = -np.inf
            _improve(queries[part], block, rough, indices[part], scores[part], start=start)
    return indices, scores


def _tolerance(n_dims: int) -> float:
    """Twice the worst rounding error of a float32 dot product of two unit vectors of this length, and of its input."""
    return (n_dims + 8) * _EPSILON


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
    k, tolerance = scores.shape[1], _tolerance(queries.shape[1])
    last = scores[:, -1]  # what a row must reach to come in
    reach = np.where(np.isfinite(last), last - tolerance, np.finfo(np.float32).min)
    candidates = rough >= reach[:, None]
    for query in np.flatnonzero(candidates.any(axis=1)):
        columns = np.flatnonzero(candidates[query])
        if len(columns) > k:
            values = rough[query, columns]
            columns = columns[values >= np.partition(values, -k)[-k] - tolerance]
        every_index = np.concatenate([indices[query], columns + start])
        every_score = np.concatenate([scores[query], _similarity(queries[query], block[columns])])
        best = np.lexsort((every_index, -every_score))[:k]
        indices[query], scores[query] = every_index[best], every_score[best]


def _similarity(query: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return float32 (n,) similarities of one query (d,) with rows (n, d), the same for equal rows anywhere."""
    return (rows * query).sum(axis=1).astype(np.float32)


def _with_faiss(
    queries: np.ndarray,
    references: References,
    k: int,
    pairs: tuple[np.ndarray, np.ndarray] | None,
    backend: str,
) -> Neighbours:
    """Let FAISS propose candidates, more and more of them until no missed row could belong to the answer."""
    vectors = np.asarray(references[:])
    indices = np.full((len(queries), k), -1, np.int64)
    scores = np.full((len(queries), k), -np.inf, np.float32)
    if not len(vectors):
        return Neighbours(indices, scores, "faiss (no references)")
    index, method, complete = _build_index(vectors, backend)
    tolerance = _tolerance(vectors.shape[1]) if complete else 0
    pending, asked = np.arange(len(queries)), min(len(vectors), 2 * k + 16)
    while len(pending):
        unsettled = []
        for block in _parts(len(pending), asked):  # FAISS is several times slower with few queries a call
            here = pending[block]
            rough, found = index.search(queries[here].astype(np.float32), asked)
            for part in _parts(len(here), asked * vectors.shape[1]):
                rows = _without_pairs(found[part], here[part], pairs)
                indices[here[part]], scores[here[part]] = _best(queries[here[part]], vectors, rows, k)
            # Settled when the k-th is clearly above all that FAISS left out: else a row that ties may be missing.
            unsettled.append(here[(found[:, -1] >= 0) & (scores[here, -1] <= rough[:, -1] + tolerance)])
        if asked == len(vectors):
            break
        pending, asked = np.concatenate(unsettled), min(len(vectors), 4 * asked)
    return Neighbours(indices, scores, method)


def _parts(n_queries: int, numbers_a_query: int) -> Iterator[slice]:
    """Queries whose candidates fit into a block of memory together."""
    step = max(1, REFERENCE_BLOCK_BYTES // (8 * numbers_a_query))
    return (slice(first, first + step) for first in range(0, n_queries, step))


def _without_pairs(found: np.ndarray, queries: np.ndarray, pairs: tuple[np.ndarray, np.ndarray] | None) -> np.ndarray:
    """Return the candidates int64 (q, m) of queries (q,), -1 in the place of those that do not count."""
    if pairs is None:
        return found
    return np.where(pairs[1][found] == pairs[0][queries, None], -1, found)


def _best(queries: np.ndarray, vectors: np.ndarray, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the best k (q, k) of the candidates (q, m) and their exact similarities; -1 stands for none."""
    n_queries, n_rows = rows.shape
    candidates = _unit(vectors[rows.ravel()], "references").reshape(n_queries, n_rows, -1)  # (q, m, d)
    exact = (candidates * queries[:, None]).sum(axis=2).astype(np.float32)
    exact[rows < 0] = -np.inf
    best = np.lexsort((rows, -exact))[:, :k]
    indices, scores = np.full((n_queries, k), -1, np.int64), np.full((n_queries, k), -np.inf, np.float32)
    indices[:, : best.shape[1]] = np.take_along_axis(rows, best, 1)
    scores[:, : best.shape[1]] = np.take_along_axis(exact, best, 1)
    return indices, scores


def _build_index(vectors: np.ndarray, backend: str) -> tuple["faiss.Index", str, bool]:
    """Return an index over vectors (n, d), its description, and whether it is flat, so complete."""
    import faiss

    n_rows, n_dims = vectors.shape
    vectors = _unit_float32(vectors)
    index: faiss.Index
    if backend == "faiss-flat" or (backend == "faiss" and n_rows < IVF_FROM_ROWS):
        index = faiss.IndexFlatIP(n_dims)
        index.add(vectors)
        return index, "faiss Flat", True
    n_lists = max(1, min(round(2 * n_rows**0.5), n_rows // 39))  # FAISS wants 39 training vectors a list
    inverted = faiss.IndexIVFFlat(faiss.IndexFlatIP(n_dims), n_dims, n_lists, faiss.METRIC_INNER_PRODUCT)
    inverted.cp.max_points_per_centroid, inverted.cp.niter = 64, 10  # a quarter of FAISS's defaults: 10 times faster
    inverted.train(vectors)
    inverted.add(vectors)
    inverted.nprobe = min(n_lists, max(IVF_PROBED_LEAST, n_lists // IVF_PROBED_SHARE))
    return inverted, f"faiss IVF{n_lists},Flat nprobe={inverted.nprobe} (approximate)", False
