"""Sources that may share material with a stretch of another one: nearest neighbours of every descriptor, in runs.

`match` expects of a query what its ninth to thirteenth nearest sources give, so material of many sources is hidden from
it. Here nothing is. A run is several descriptors whose neighbours lie in one source at about one offset. Each descriptor
keeps its best runs, so an intro that hundreds of sources share cannot crowd out a copy of the seconds after it.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from evaluate.fingerprint.describe.descriptors import Descriptors
from evaluate.fingerprint.index.library import Library
from evaluate.fingerprint.index.search import ModalitySearch

if TYPE_CHECKING:
    import faiss

NEIGHBOURS = 64
"""Per descriptor: a still of four seconds is as near in eight places."""
FLAT_ROWS = 20_000
"""A flat library with more rows is searched by inverted lists: each row is searched, which would be quadratic."""
ROWS_A_LIST, PROBED_SHARE, SEED = 256, 32, 1234
CHANCE = 0.5
"""Cosine that counts nothing; unrelated real clips reach it often."""
OFFSETS = 4
"""Columns of offsets that a run may cover: 2 s, which a copy at another speed stays within for ten."""
RUN_ROWS, RUN_EVIDENCE = 3, 2.5
"""Least descriptors of a run, and least sum of their evidence, which is at most 1 for video and for audio."""
RUNS_A_ROW = 16


class Neighbours:
    """Proposes sources, from a library whose rows are searched with a selection of sources.

    Args:
        library: of all sources.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._indexes = {name: _index(search) for name, search in library.searches.items()}

    def propose(self, window: Descriptors, among: np.ndarray) -> list[int]:
        """Return the sources that a stretch of descriptors may share material with.

        Args:
            window: one descriptor a hop, of a few seconds.
            among: sources that are allowed, bool (s,).
        """
        votes = [np.zeros((4, 0))]
        for number, (name, (index, length)) in enumerate(self._indexes.items()):
            search, (has, vectors) = self._library.searches[name], window.of(name)
            allowed, rows = among[search.source], np.flatnonzero(has)
            if vectors is None or not len(rows) or not allowed.any():
                continue
            cosines, found = index.search(vectors[rows], NEIGHBOURS, params=_selected(index, allowed))
            evidence = (np.where(found >= 0, cosines, 0) / length - CHANCE) / (1 - CHANCE)
            at, _ = here = np.nonzero(evidence > 0)
            source = search.source[found[here]]
            middle = search.middle_seconds[found[here]] - self._library.first_seconds[source]
            column = np.rint(middle / self._library.hop_seconds)
            votes.append(np.stack([source, column - rows[at], rows[at] + len(window) * number, evidence[here]]))
        source, offset, row, value = np.concatenate(votes, axis=1)
        return _in_runs(source, offset, row, value, len(window))


def _in_runs(source: np.ndarray, offset: np.ndarray, row: np.ndarray, value: np.ndarray, n_rows: int) -> list[int]:
    """Return the sources of the best runs of each row.

    Args:
        source, offset, row, value: (v,) of votes; the rows of a second modality follow those of the first.
        n_rows: descriptors of the window.
    """
    if not len(source):
        return []
    bins = [np.floor((offset + shift) / OFFSETS) * 2 + (shift > 0) for shift in (0, OFFSETS // 2)]  # overlapping
    source, row, value = (np.tile(each, 2) for each in (source, row, value))
    keys = np.stack([source, np.concatenate(bins), row])
    order = np.lexsort((-value, *keys[::-1]))
    keys, value = keys[:, order], value[order]
    best = np.diff(keys, axis=1, prepend=np.nan).any(axis=0)  # of a run, the best vote of each row
    keys, value = keys[:, best], value[best]
    run = np.cumsum(np.diff(keys[:2], axis=1, prepend=np.nan).any(axis=0)) - 1
    second = keys[2] % n_rows
    moments = np.unique(np.stack([run, second]), axis=1)
    total, n_moments = np.bincount(run, value), np.bincount(moments[0].astype(np.int64))
    is_run = (n_moments >= RUN_ROWS) & (total >= RUN_EVIDENCE)
    votes = np.flatnonzero(is_run[run])
    order = votes[np.lexsort((-total[run[votes]], second[votes]))]
    rank = np.arange(len(order)) - np.searchsorted(second[order], second[order])
    return np.unique(keys[0, order[rank < 2 * RUNS_A_ROW]]).astype(np.int64).tolist()


def _index(search: ModalitySearch) -> "tuple[faiss.Index, float]":
    """Return an index that finds the rows of a search, and the length of its vectors."""
    import faiss

    if not isinstance(search.index, faiss.IndexFlat):
        row = np.zeros(1, np.int64)
        length = np.linalg.norm(search.index.reconstruct_batch(row)) / np.linalg.norm(search.vectors(row))
        return search.index, float(length)
    if len(search) <= FLAT_ROWS:
        return search.index, 1.0
    n_lists = len(search) // ROWS_A_LIST
    lists = faiss.IndexFlatIP(search.index.d)
    index = faiss.IndexIVFFlat(lists, search.index.d, n_lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.seed = SEED
    vectors = search.index.reconstruct_n(0, len(search))
    index.train(vectors)
    index.add(vectors)
    index.nprobe = max(8, n_lists // PROBED_SHARE)
    return index, 1.0


def _selected(index: Any, allowed: np.ndarray) -> Any:
    """Return the parameters of a search among rows, bool (n,); FAISS's types lack what its Python classes take."""
    import faiss

    of_faiss: Any = faiss
    chosen = of_faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
    if isinstance(index, faiss.IndexFlat):
        return of_faiss.SearchParameters(sel=chosen)
    return of_faiss.SearchParametersIVF(sel=chosen, nprobe=index.nprobe)
