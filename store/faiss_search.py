"""Nearest neighbours with FAISS: it proposes candidates, which are scored again exactly."""

from collections.abc import Callable, Iterator

import numpy as np

from store.cosine import similarity, tolerance, unit_float32

Searcher = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]
"""Queries float32 (q, d) and k to similarities and rows, (q, k) each."""

BLOCK_BYTES = 16 * 1024 * 1024
CACHED_SHARE = 32
"""One in so many of these bytes stays in the processor's cache: what is gone over several times comes in such blocks."""
SPARE = 8
"""Candidates beyond the k asked for: the k-th is then clearly above the last but for ties, and no second search follows."""
IVF_FROM_ROWS = 200_000
"""From here on "faiss" takes IVF: a flat search over so many rows of 512 takes tens of ms a query."""
IVF_PROBED_SHARE = 16
"""One list in so many is visited, but at least IVF_PROBED_LEAST."""
IVF_PROBED_LEAST = 8


def search_faiss(
    queries: np.ndarray, vectors: np.ndarray, k: int, pairs: tuple[np.ndarray, np.ndarray] | None, backend: str
) -> tuple[np.ndarray, np.ndarray, str]:
    """Let FAISS propose candidates, more and more of them until no missed row could belong to the answer.

    Args:
        queries: float64 (q, d) of length 1.
        vectors: floats (n, d).
        k: neighbours a query.
        pairs: ids int64 (q,) and (n,); rows with the id of the query do not count.
        backend: "faiss", "faiss-flat" or "faiss-ivf".

    Returns:
        int64 (q, k) rows and float32 (q, k) similarities, -1 and -inf where there were fewer, and the method in words.

    Raises:
        SearchError: vectors that are not finite floats.
    """
    indices = np.full((len(queries), k), -1, np.int64)
    scores = np.full((len(queries), k), -np.inf, np.float32)
    if not len(vectors):
        return indices, scores, "faiss (no references)"
    search, method, complete = _searcher(_units(vectors), backend)
    margin = tolerance(vectors.shape[1]) if complete else 0
    pending, asked = np.arange(len(queries)), min(len(vectors), k + SPARE)
    while len(pending):
        unsettled = []
        for block in _parts(len(pending), asked):  # FAISS is several times slower with few queries a call
            here = pending[block]
            rough, found = search(queries[here].astype(np.float32), asked)
            for part in _parts(len(here), asked * vectors.shape[1] * CACHED_SHARE):
                rows = _without_pairs(found[part], here[part], pairs)
                indices[here[part]], scores[here[part]] = _best(queries[here[part]], vectors, rows, k)
            # Settled when the k-th is clearly above all that FAISS left out: else a row that ties may be missing.
            unsettled.append(here[(found[:, -1] >= 0) & (scores[here, -1] <= rough[:, -1] + margin)])
        if asked == len(vectors):
            break
        pending, asked = np.concatenate(unsettled), min(len(vectors), 4 * asked)
    return indices, scores, method


def _units(references: np.ndarray) -> np.ndarray:
    """Return float32 (n, d) of length 1."""
    units = np.empty(references.shape, np.float32)
    for block in _parts(len(references), references.shape[1] * CACHED_SHARE):
        units[block] = unit_float32(references[block], "references")
    return units


def _parts(n_queries: int, numbers_a_query: int) -> Iterator[slice]:
    """Queries whose candidates fit into a block of memory together."""
    step = max(1, BLOCK_BYTES // (8 * numbers_a_query))
    return (slice(first, first + step) for first in range(0, n_queries, step))


def _without_pairs(found: np.ndarray, queries: np.ndarray, pairs: tuple[np.ndarray, np.ndarray] | None) -> np.ndarray:
    """Return the candidates int64 (q, m) of queries (q,), -1 in the place of those that do not count."""
    if pairs is None:
        return found
    return np.where(pairs[1][found] == pairs[0][queries, None], -1, found)


def _best(queries: np.ndarray, vectors: np.ndarray, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the best k (q, k) of the candidates (q, m) and their exact similarities; -1 stands for none."""
    exact = similarity(queries, vectors[rows])
    exact[rows < 0] = -np.inf
    best = np.lexsort((rows, -exact))[:, :k]
    indices, scores = np.full((len(rows), k), -1, np.int64), np.full((len(rows), k), -np.inf, np.float32)
    indices[:, : best.shape[1]] = np.take_along_axis(rows, best, 1)
    scores[:, : best.shape[1]] = np.take_along_axis(exact, best, 1)
    return indices, scores


def _searcher(units: np.ndarray, backend: str) -> tuple[Searcher, str, bool]:
    """Return what searches vectors (n, d) of length 1, its description, and whether it goes over all of them."""
    import faiss

    n_rows, n_dims = units.shape
    if backend == "faiss-flat" or (backend == "faiss" and n_rows < IVF_FROM_ROWS):
        # What an IndexFlat does, without its copy of the vectors.
        return lambda queries, k: faiss.knn(queries, units, k, faiss.METRIC_INNER_PRODUCT), "faiss Flat", True
    n_lists = max(1, min(round(2 * n_rows**0.5), n_rows // 39))  # FAISS wants 39 training vectors a list
    inverted = faiss.IndexIVFFlat(faiss.IndexFlatIP(n_dims), n_dims, n_lists, faiss.METRIC_INNER_PRODUCT)
    inverted.cp.max_points_per_centroid, inverted.cp.niter = 64, 10  # a quarter of FAISS's defaults: 10 times faster
    inverted.train(units)
    inverted.add(units)
    inverted.nprobe = min(n_lists, max(IVF_PROBED_LEAST, n_lists // IVF_PROBED_SHARE))
    return inverted.search, f"faiss IVF{n_lists},Flat nprobe={inverted.nprobe} (approximate)", False
