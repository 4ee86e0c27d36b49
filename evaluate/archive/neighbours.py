"""Sources that may share material with a stretch of another one: nearest neighbours of every descriptor, in runs.

`match` expects of a query what its ninth to thirteenth nearest sources give, so material of many sources is hidden from
it. Here nothing is. A run is several descriptors whose neighbours lie in one source at about one offset. Each descriptor
keeps its best runs, so an intro that hundreds of sources share cannot crowd out a copy of the seconds after it.
"""

from collections.abc import Sequence
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
PROBED = 6
"""Lists of codes that are searched for a row, few in archives of any size: of a run, half of the neighbours do."""
CHANCE = 0.5
"""Cosine that counts nothing; unrelated real clips reach it often."""
OFFSETS = 4
"""Columns of offsets that a run may cover: 2 s, which a copy at another speed stays within for ten."""
STRETCH_ROWS, STRETCH_MOMENTS, STRETCH_EVIDENCE = 8, 4, 2.5
"""A run has a stretch of so many descriptors, of which so many vote, with this sum of evidence: at most 1 each for video
and audio. Votes by chance are scattered."""
RUNS_A_ROW = 16
MANY_BINS = 2.0**24
"""More than the bins of offsets of two sources, and than the rows of one."""


class Neighbours:
    """Proposes sources, from a library whose rows are searched with a selection of sources."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._indexes = {name: _index(search) for name, search in library.searches.items()}

    def propose(self, source: Descriptors, among: np.ndarray, ends: Sequence[int]) -> list[list[int]]:
        """Return the sources that each stretch of a source, one descriptor a hop, may share material with.

        `among` are the sources that are allowed, bool (s,). `ends` are the descriptors at which stretches of a few seconds end.
        """
        votes = [np.zeros((4, 0))]
        for number, (name, (index, length)) in enumerate(self._indexes.items()):
            search, (has, vectors) = self._library.searches[name], source.of(name)
            allowed, rows = among[search.source], np.flatnonzero(has)
            if vectors is None or not len(rows) or not allowed.any():
                continue
            # All rows of a source at once: FAISS is slow with few.
            cosines, found = index.search(vectors[rows], NEIGHBOURS, params=_selected(index, allowed))
            evidence = (np.where(found >= 0, cosines, 0) / length - CHANCE) / (1 - CHANCE)
            at, _ = here = np.nonzero(evidence > 0)
            others = search.source[found[here]]
            middle = search.middle_seconds[found[here]] - self._library.first_seconds[others]
            column = np.rint(middle / self._library.hop_seconds)
            votes.append(np.stack([others, column - rows[at], 2 * rows[at] + number, evidence[here]]))
        joined = np.concatenate(votes, axis=1)
        stretch = np.searchsorted(ends, joined[2] // 2, side="right")
        return [_in_runs(*joined[:, stretch == number]) for number in range(len(ends))]


def _in_runs(source: np.ndarray, offset: np.ndarray, row: np.ndarray, value: np.ndarray) -> list[int]:
    """Return the sources of the best runs of each row, from v votes; `row` is twice it, plus 1 for the second modality."""
    bins = [np.floor((offset + shift) / OFFSETS) * 2 + (shift > 0) for shift in (0, OFFSETS // 2)]  # overlapping
    source, row, value = (np.tile(each, 2) for each in (source, row, value))
    _, run, size = np.unique(source * MANY_BINS + np.concatenate(bins), return_inverse=True, return_counts=True)
    some = size[run] >= STRETCH_MOMENTS  # few: sorting all would take longer than the search
    source, row, value, run = source[some], row[some], value[some], run[some]
    order = np.lexsort((-value, row, run))
    source, row, value, run = source[order], row[order], value[order], run[order]
    best = (np.diff(run, prepend=-1) != 0) | (np.diff(row, prepend=-1) != 0)  # of a run, the best vote of each row
    source, row, value, run = source[best], row[best], value[best], run[best]
    second = row // 2
    order = np.lexsort((second, run))
    at = run[order] * MANY_BINS + second[order]
    until = np.searchsorted(at, at + STRETCH_ROWS)
    nearby = np.concatenate([[0], np.cumsum(value[order])])  # evidence of each stretch that begins with a vote
    moments = np.concatenate([[0], np.cumsum(np.diff(at, prepend=-1) > 0)])
    is_dense = (nearby[until] - nearby[:-1] >= STRETCH_EVIDENCE) & (moments[until] - moments[:-1] >= STRETCH_MOMENTS)
    total = np.bincount(run, value, len(size))
    votes = np.flatnonzero(np.isin(run, run[order[is_dense]]))
    order = votes[np.lexsort((-total[run[votes]], second[votes]))]
    rank = np.arange(len(order)) - np.searchsorted(second[order], second[order])
    return np.unique(source[order[rank < 2 * RUNS_A_ROW]]).astype(np.int64).tolist()


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
    if not isinstance(faiss.downcast_index(index.quantizer), faiss.IndexHNSW):
        return of_faiss.SearchParametersIVF(sel=chosen, nprobe=index.nprobe)
    lists = of_faiss.SearchParametersHNSW(efSearch=4 * PROBED)
    return of_faiss.SearchParametersIVF(sel=chosen, nprobe=PROBED, quantizer_params=lists)
