"""Nearest neighbours by cosine similarity, exact, over arrays or vectors in a store, also of one of its own clips.

Candidates are found in float32. Their similarities are computed again in float64, in a way that does not depend on where
a row lies in its block, and rounded to float32; ties go to the lower index. Without this, equal rows differ in the last
bit with the block they fall into.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from store.errors import SearchError
from store.layout import modality
from store.reader import EmbeddingStore, StoredVectors

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

QUERY_BLOCK = 256
REFERENCE_BLOCK_BYTES = 16 * 1024 * 1024

_Pairs = tuple[np.ndarray, np.ndarray] | None
"""Ids int64 of the queries (q,) and of the references (n,); None if all pairs count."""


@dataclass(frozen=True)
class Neighbours:
    """The neighbours of every query, best first.

    Attributes:
        indices: int64 (q, k), rows of the references; -1 where there were fewer than k.
        scores: float32 (q, k), cosine similarity; -inf where there were fewer than k.
    """

    indices: np.ndarray
    scores: np.ndarray


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
    queries: "ArrayLike", references: "ArrayLike | StoredVectors", k: int, *, exclude: Exclude | None = None
) -> Neighbours:
    """Find the k most similar references of every query, in flat memory.

    Args:
        queries: floats (q, d), an array or lists.
        references: floats (n, d), an array, lists or `EmbeddingStore.sliceable`; read in blocks.
        k: neighbours a query.
        exclude: pairs that do not count.

    Raises:
        SearchError: shapes that do not fit, values that are not finite, k below 1.
    """
    asked = _unit(np.asarray(queries), "queries")
    searched = references if isinstance(references, StoredVectors) else np.asarray(references)
    if len(searched.shape) != 2 or asked.shape[1] != searched.shape[1]:
        problem = f"queries {asked.shape} and references {searched.shape} do not fit"
        raise SearchError(None, problem, "give (q, d) and (n, d)")
    if k < 1:
        raise SearchError(None, f"k is {k}", "request at least one neighbour")
    pairs = _coded(exclude, len(asked), searched.shape[0])
    shape = len(asked), k
    found = Neighbours(np.full(shape, -1, np.int64), np.full(shape, -np.inf, np.float32))
    # Twice the worst rounding error of a float32 dot product of two vectors of this length, and of their lengths.
    margin = (2 * asked.shape[1] + 8) * float(np.finfo(np.float32).eps)
    for rows, block in _blocks(searched):
        for first in range(0, len(asked), QUERY_BLOCK):
            part = slice(first, first + QUERY_BLOCK)
            rough = asked[part].astype(np.float32) @ block.astype(np.float32).T  # (q, block)
            if pairs is not None:
                rough[pairs[0][part, None] == pairs[1][None, rows]] = -np.inf
            is_candidate = (rough >= found.scores[part, -1:] - margin) & (rough > -np.inf)
            for number in np.flatnonzero(is_candidate.any(axis=1)).tolist():
                columns = np.flatnonzero(is_candidate[number])
                if len(columns) > k:
                    values = rough[number, columns]
                    columns = columns[values >= np.partition(values, -k)[-k] - margin]
                _keep_best(found, first + number, asked[first + number], rows.start + columns, block[columns])
    return found


def similar_clips(
    store: EmbeddingStore, query: str, vectors: str, k: int, leave_out: Literal["row", "source", "group"]
) -> "pd.DataFrame":
    """Find the k clips most similar to one clip; clips without the modality never count.

    `query` is a key, of which the first row counts, or else a row number. `leave_out` says what else does not count: the
    query's own row, or all clips of its source or group.

    Returns:
        The query and then the clips found, best first: row number, score and the columns of the store.

    Raises:
        SearchError: there is no such query, it has no such modality or no group, or k is below 1.
        LayoutError: the store holds no such vectors.
    """
    row = _find_row(store, query)
    references, present = store.sliceable(vectors), store.present(vectors)
    if not present[row]:
        raise SearchError(store.path, f"row {row} has no {modality(vectors)}", "choose another clip or other vectors")
    ids = np.arange(store.n_rows) if leave_out == "row" else store.column(leave_out)
    if leave_out == "group" and not ids[row]:
        raise SearchError(store.path, f"row {row} has no group", "leave out its source or its row")
    barred = Exclude(np.array([True]), ~present | (ids == ids[row]))
    found = nearest(references[[row]], references, min(k, store.n_rows), exclude=barred)
    is_found = found.indices[0] >= 0
    rows = [row, *found.indices[0, is_found].tolist()]
    frame = store.frame(rows)
    frame.insert(0, "row", rows)
    frame.insert(1, "score", [1.0, *found.scores[0, is_found].astype(float).round(6).tolist()])
    return frame


def _find_row(store: EmbeddingStore, query: str) -> int:
    found = np.flatnonzero(store.column("key") == query)
    if len(found):
        return int(found[0])
    if query.isascii() and query.isdigit() and int(query) < store.n_rows:
        return int(query)
    problem = f"no clip has the key {query!r}, nor is it a row number below {store.n_rows}"
    raise SearchError(store.path, problem, "export the columns to see all keys")


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


def _blocks(references: np.ndarray | StoredVectors) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the rows and the vectors, float64 of length 1, of a few MiB at a time."""
    step = max(1, REFERENCE_BLOCK_BYTES // (8 * references.shape[1]))
    for start in range(0, references.shape[0], step):
        rows = slice(start, start + step)
        yield rows, _unit(np.asarray(references[rows]), "references")


def _keep_best(found: Neighbours, number: int, query: np.ndarray, rows: np.ndarray, vectors: np.ndarray) -> None:
    """Merge candidates into what was found for one query; `query` (d,) and `vectors` (m, d) are float64 of length 1.

    `number` is that of the query, `rows` (m,) are those of the candidates, none of which is found already.
    """
    scores = np.einsum("md,d->m", vectors, query).astype(np.float32)  # unlike BLAS, the same for equal rows anywhere
    rows, scores = np.concatenate([found.indices[number], rows]), np.concatenate([found.scores[number], scores])
    best = np.lexsort((rows, -scores))[: found.indices.shape[1]]
    found.indices[number], found.scores[number] = rows[best], scores[best]
