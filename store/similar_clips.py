"""Searching a store with one of its own clips."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from store.errors import SearchError
from store.layout import modality
from store.reader import EmbeddingStore
from store.search import Backend, Exclude, nearest


@dataclass(frozen=True)
class SimilarClips:
    """A clip and those like it, best first.

    Attributes:
        query: the columns of the query's row, its number as "row", its similarity to itself as "score".
        clips: the same for every clip found.
        method: how it was searched, e.g. "exact".
    """

    query: dict[str, Any]
    clips: tuple[dict[str, Any], ...]
    method: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"method": self.method, "query": self.query, "neighbours": list(self.clips)}


def find_row(store: EmbeddingStore, query: str) -> int:
    """Return the first row with this key, or else the row of this number.

    Raises:
        SearchError: neither.
    """
    row = 0
    for block in store.blocks("key"):
        found = np.flatnonzero(block == query)
        if len(found):
            return row + int(found[0])
        row += len(block)
    if query.isascii() and query.isdigit() and int(query) < store.n_rows:
        return int(query)
    problem = f"no clip has the key {query!r}, nor is it a row number below {store.n_rows}"
    raise SearchError(store.path, problem, "export the columns to see all keys")


def similar_clips(
    store: EmbeddingStore,
    row: int,
    *,
    vectors: str = "video/features",
    k: int = 5,
    leave_out: Literal["row", "source", "group"] = "source",
    backend: Backend = "exact",
) -> SimilarClips:
    """Find the k clips most similar to the one in this row; clips without the modality never count.

    Args:
        store: where to search.
        row: row number of the query.
        vectors: which vectors to compare.
        k: how many clips.
        leave_out: the query's own row, or all clips of its source or group.
        backend: as in `search.nearest`.

    Raises:
        SearchError: the query has no such modality or no group, or k is below 1.
        LayoutError: the store holds no such vectors.
    """
    references = store.sliceable(vectors)
    present = store.present(vectors)
    if not present[row]:
        raise SearchError(store.path, f"row {row} has no {modality(vectors)}", "choose another clip or other vectors")
    ids = np.arange(store.n_rows) if leave_out == "row" else store.column(leave_out)
    if leave_out == "group" and not ids[row]:
        raise SearchError(store.path, f"row {row} has no group", "leave out its source or its row")
    codes = np.unique(ids, return_inverse=True)[1]
    barred = np.where(present, codes, codes[row])  # what lacks the modality is left out like the query's own
    found = nearest(references[[row]], references, k, exclude=Exclude(codes[[row]], barred), backend=backend)
    rows, scores = found.indices[0], found.scores[0]
    clips = [_clip(store, int(each), float(score)) for each, score in zip(rows, scores, strict=True) if each >= 0]
    return SimilarClips(_clip(store, row, 1.0), tuple(clips), found.method)


def _clip(store: EmbeddingStore, row: int, score: float) -> dict[str, Any]:
    columns = store.frame([row]).iloc[0].to_dict()
    return {"row": row, "score": round(score, 6), **{str(name): _plain(value) for name, value in columns.items()}}


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
