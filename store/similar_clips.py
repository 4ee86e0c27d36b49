"""Searching a store with one of its own clips."""

from typing import TYPE_CHECKING, Literal

import numpy as np

from store.errors import SearchError
from store.layout import modality
from store.reader import EmbeddingStore
from store.search import Exclude, nearest

if TYPE_CHECKING:
    import pandas as pd


def _find_row(store: EmbeddingStore, query: str) -> int:
    found = np.flatnonzero(store.column("key") == query)
    if len(found):
        return int(found[0])
    if query.isascii() and query.isdigit() and int(query) < store.n_rows:
        return int(query)
    problem = f"no clip has the key {query!r}, nor is it a row number below {store.n_rows}"
    raise SearchError(store.path, problem, "export the columns to see all keys")


def similar_clips(
    store: EmbeddingStore,
    query: str,
    vectors: str,
    k: int,
    leave_out: Literal["row", "source", "group"],
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
    found = nearest(references[[row]], references, k, exclude=barred)
    is_found = found.indices[0] >= 0
    rows = [row, *found.indices[0, is_found].tolist()]
    frame = store.frame(rows)
    frame.insert(0, "row", rows)
    frame.insert(1, "score", [1.0, *found.scores[0, is_found].astype(float).round(6).tolist()])
    return frame
