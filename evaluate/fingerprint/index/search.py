"""Descriptors of one modality, searched with FAISS: flat for few rows, IVF-PQ for many.

Rows are in the order of the sources, and those of a source in the order of time, so a source is a slice. IVF-PQ decodes
a row from its code. Searching and aligning use decoded rows, so an index need not keep the vectors.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluate.fingerprint.describe.descriptors import Descriptors

if TYPE_CHECKING:
    import faiss

FLAT_BELOW_ROWS = 200_000
"""Below it a flat search for a 10 s query takes tens of ms; at a hop of 0.5 s these are 28 hours."""
CODE_BYTES = 32
"""Size of a row in IVF-PQ: 0.23 MB per hour and modality at a hop of 0.5 s."""
ROWS_A_VALUE = 8
"""Rows for each value of a code's byte; with fewer rows, as in tests, a code has half a byte."""
TRAINING_ROWS = 200_000
PROBED_SHARE = 256
PROBED_LEAST = 8
LINKS = 32
"""Links of each list to others in the graph (HNSW) that finds the nearest lists; with it many lists cost little."""
LISTS_SEEN_ADDING, LISTS_SEEN_SEARCHING = 16, 64
"""Candidate lists kept while the graph is searched. Twice as many when adding find no more rows (measured)."""
ADDED_AT_ONCE = 16_384
"""Rows per call when adding: FAISS uses all cores only for many rows."""
ROWS_AT_ONCE = 4096
"""Rows read per call, from several short sources: FAISS uses one core for fewer than 1,000."""
MEASURED_ROWS = 1000
"""Evenly spaced rows, to measure how much codes shorten vectors."""
SEED = 1234


@dataclass(frozen=True, eq=False)
class Found:
    """Neighbours of q query descriptors, best first.

    Attributes:
        rows: int64 (q, k); -1 beyond the last neighbour.
        similarities: float32 (q, k), cosines; -inf beyond the last neighbour.
    """

    rows: np.ndarray
    similarities: np.ndarray


class ModalitySearch:
    """The descriptors of one modality of all sources.

    Attributes:
        index: from FAISS; it holds the vectors or their codes.
        method: the kind of search, in words.
        source: int64 (n,), number of each row's source.
        middle_seconds: float32 (n,), middle of each row's clip.
    """

    def __init__(self, index: "faiss.Index", method: str, source: np.ndarray, middle_seconds: np.ndarray) -> None:
        self.index, self.method, self.source = index, method, source
        self.middle_seconds = middle_seconds.astype(np.float32)
        self._length = self._mean_length()

    def __len__(self) -> int:
        return len(self.source)

    @property
    def n_bytes(self) -> int:
        """Bytes of all rows: code and list number in IVF-PQ, float32 in a flat index."""
        return len(self) * self.index.sa_code_size()

    def nearest(self, queries: np.ndarray, k: int) -> Found:
        """Find the k nearest rows of each query (q, d)."""
        similarities, rows = self.index.search(np.ascontiguousarray(queries, np.float32), k)
        return Found(rows, np.where(rows >= 0, similarities / self._length, -np.inf))

    def rows_of(self, source: int) -> slice:
        """Return the rows of a source."""
        first, last = np.searchsorted(self.source, [source, source + 1])
        return slice(int(first), int(last))

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """Return the unit vectors (m, d) float32 of rows (m,), as they are searched."""
        # Not reconstruct_n: for any range it reads through all lists of IVF-PQ.
        vectors: np.ndarray = self.index.reconstruct_batch(rows)
        return vectors / np.float32(self._length)

    def vectors_of(self, sources: Sequence[int]) -> Iterator[np.ndarray]:
        """Yield the vectors (m, d) float32 of each source; those of several are read at once, by all cores."""
        spans = [self.rows_of(source) for source in sources]
        rows = [np.arange(span.start, span.stop) for span in spans]
        ends = np.cumsum([len(each) for each in rows])
        for block in np.unique(ends // ROWS_AT_ONCE):
            some = [rows[number] for number in np.flatnonzero(ends // ROWS_AT_ONCE == block)]
            yield from np.split(self.vectors(np.concatenate(some)), np.cumsum([len(each) for each in some])[:-1])

    def _mean_length(self) -> float:
        """Measure the mean length of decoded vectors; each code decodes to a mean of many unit vectors, which is shorter.

        Divided by it, similarities are cosines again, as decisions expect.
        """
        import faiss

        if isinstance(self.index, faiss.IndexFlat):
            return 1.0
        rows = np.unique(np.linspace(0, len(self) - 1, MEASURED_ROWS).astype(np.int64))
        return float(np.linalg.norm(self.index.reconstruct_batch(rows), axis=1).mean())


def build_search(
    described: Sequence[Descriptors], modality: str, *, flat_below_rows: int = FLAT_BELOW_ROWS
) -> ModalitySearch:
    """Gather the rows that have "video" or "audio"; IVF-PQ gets them source by source, without a copy of all."""
    has = [each.of(modality)[0] for each in described]
    source = np.repeat(np.arange(len(described)), [int(each.sum()) for each in has])
    middle = [
        (each.start_seconds[here] + each.end_seconds[here]) / 2 for each, here in zip(described, has, strict=True)
    ]
    build = _flat if len(source) < flat_below_rows else _inverted
    return ModalitySearch(*build(described, modality, len(source)), source, np.concatenate([*middle, np.zeros(0)]))


def _blocks(described: Sequence[Descriptors], modality: str) -> Iterator[np.ndarray]:
    """Yield the rows of each source that has any, float32 (m, d)."""
    for each in described:
        has, vectors = each.of(modality)
        if vectors is not None and has.any():
            yield np.ascontiguousarray(vectors[has], np.float32)


def _flat(described: Sequence[Descriptors], modality: str, n_rows: int) -> "tuple[faiss.Index, str]":
    import faiss

    blocks = list(_blocks(described, modality))
    index = faiss.IndexFlatIP(blocks[0].shape[1] if blocks else 1)
    for block in blocks:
        index.add(block)
    return index, f"flat, {n_rows} rows"


def _inverted(described: Sequence[Descriptors], modality: str, n_rows: int) -> "tuple[faiss.Index, str]":
    import faiss

    chosen = np.sort(np.random.default_rng(SEED).permutation(n_rows)[:TRAINING_ROWS])
    training = _training(_blocks(described, modality), chosen)
    n_dims = training.shape[1]
    code_bytes = max(size for size in range(1, min(CODE_BYTES, n_dims) + 1) if n_dims % size == 0)
    n_lists = max(1, min(round(4 * n_rows**0.5), min(n_rows, TRAINING_ROWS) // 39))  # FAISS wants 39 rows a list
    n_bits = 8 if n_rows >= ROWS_A_VALUE * 256 else 4
    lists = faiss.IndexHNSWFlat(n_dims, LINKS, faiss.METRIC_INNER_PRODUCT)
    index = faiss.IndexIVFPQ(lists, n_dims, n_lists, code_bytes, n_bits, faiss.METRIC_INNER_PRODUCT)
    index.quantizer_trains_alone = chr(2)  # FAISS for: train the lists first, then build the graph from them
    index.cp.seed = index.pq.cp.seed = SEED
    index.pq.cp.min_points_per_centroid = ROWS_A_VALUE
    lists.hnsw.efSearch = LISTS_SEEN_ADDING
    index.train(training)
    waiting: list[np.ndarray] = []
    for block in _blocks(described, modality):
        waiting.append(block)
        if sum(map(len, waiting)) >= ADDED_AT_ONCE:
            index.add(np.concatenate(waiting))
            waiting = []
    if waiting:
        index.add(np.concatenate(waiting))
    index.make_direct_map()
    index.nprobe = min(n_lists, max(PROBED_LEAST, n_lists // PROBED_SHARE))
    lists.hnsw.efSearch = max(LISTS_SEEN_SEARCHING, index.nprobe)
    return index, f"IVF{n_lists}_HNSW{LINKS},PQ{code_bytes}x{n_bits} nprobe={index.nprobe}, {n_rows} rows"


def _training(blocks: Iterator[np.ndarray], chosen: np.ndarray) -> np.ndarray:
    """Take rows by their ascending numbers, float32 (len(chosen), d)."""
    taken, first = [], 0
    for block in blocks:
        here = slice(*np.searchsorted(chosen, [first, first + len(block)]))
        taken.append(block[chosen[here] - first])
        first += len(block)
    return np.concatenate(taken)
