"""Descriptors of one modality, searched with FAISS: flat below a size, IVF-PQ above; the choice is automatic and told.

Rows stand in the order of the sources, and a source's rows in the order of time, so a source is a slice. What IVF-PQ
gives back of a row is what its code stands for: neither searching nor aligning needs the vectors themselves.
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
"""Rows decoded per call, for several short sources: FAISS uses one core for fewer than 1,000."""
MEASURED_ROWS = 1000
"""Evenly chosen, to learn how much codes shorten."""
SEED = 1234


@dataclass(frozen=True, eq=False)
class Found:
    """Neighbours of q query descriptors, best first.

    Attributes:
        rows: int64 (q, k); -1 where there were fewer.
        similarities: float32 (q, k), cosines; -inf where there were fewer.
    """

    rows: np.ndarray
    similarities: np.ndarray


class ModalitySearch:
    """The descriptors of one modality of all sources.

    Attributes:
        method: how it is searched, in words.
        source: int64 (n,), number of each row's source.
        middle_seconds: float32 (n,), middle of each row's clip.
        index: FAISS' own.

    Args:
        vectors: float32 (n, d) where the index is flat, None where it gives rows back from their codes.
    """

    def __init__(
        self, index: "faiss.Index", method: str, source: np.ndarray, middle_seconds: np.ndarray,
        vectors: np.ndarray | None,
    ) -> None:  # fmt: skip
        self.index, self.method, self.source = index, method, source
        self.middle_seconds = middle_seconds.astype(np.float32)
        self._vectors = vectors
        self._length = self._mean_length()

    def __len__(self) -> int:
        return len(self.source)

    @property
    def n_bytes(self) -> int:
        """Bytes of all rows: code and list number where they are codes, float32 where the index is flat."""
        return len(self) * self.index.sa_code_size()

    def nearest(self, queries: np.ndarray, k: int) -> Found:
        """Find the k nearest rows of each query (q, d)."""
        if not len(queries) or not len(self):
            return Found(np.full((len(queries), k), -1), np.full((len(queries), k), -np.inf, np.float32))
        similarities, rows = self.index.search(np.ascontiguousarray(queries, np.float32), k)
        return Found(rows, np.where(rows >= 0, similarities / self._length, -np.inf))

    def rows_of(self, source: int) -> slice:
        """The rows of a source."""
        first, last = np.searchsorted(self.source, [source, source + 1])
        return slice(int(first), int(last))

    def vectors(self, rows: slice) -> np.ndarray:
        """Vectors (m, d) float32 as they are searched."""
        if self._vectors is not None:
            return self._vectors[rows]
        # Not reconstruct_n: that of an inverted file reads through all lists for whatever range.
        return self._read(np.arange(rows.start, rows.stop))

    def vectors_of(self, sources: Sequence[int]) -> Iterator[np.ndarray]:
        """Yield the vectors (m, d) float32 of each source; the codes of several are read at once, by all cores."""
        rows = [self.rows_of(source) for source in sources]
        if self._vectors is not None:
            yield from (self._vectors[each] for each in rows)
            return
        ends = np.cumsum([each.stop - each.start for each in rows])
        for block in np.unique(ends // ROWS_AT_ONCE):
            some = [rows[number] for number in np.flatnonzero(ends // ROWS_AT_ONCE == block)]
            numbers = [np.arange(each.start, each.stop) for each in some]
            read = self._read(np.concatenate(numbers))
            yield from np.split(read, np.cumsum([len(each) for each in numbers])[:-1])

    def _read(self, rows: np.ndarray) -> np.ndarray:
        """Decode rows (m,) to unit vectors, float32 (m, d)."""
        vectors: np.ndarray = self.index.reconstruct_batch(rows)
        return vectors / np.float32(self._length)

    def _mean_length(self) -> float:
        """Measure the mean length of decoded vectors; each code decodes to a mean of many unit vectors, which is shorter.

        Divided by it, similarities are cosines again, as the calibration of decisions expects.
        """
        if self._vectors is not None or not len(self):
            return 1.0
        rows = np.unique(np.linspace(0, len(self) - 1, MEASURED_ROWS).astype(np.int64))
        return float(np.linalg.norm(self.index.reconstruct_batch(rows), axis=1).mean())


def build_search(
    described: Sequence[Descriptors], modality: str, *, flat_below_rows: int = FLAT_BELOW_ROWS
) -> ModalitySearch:
    """Gather the rows of "picture" or "sound" that have it; IVF-PQ takes them source by source, with no copy of all."""
    has = [_present(each, modality) for each in described]
    source = np.repeat(np.arange(len(described)), [int(each.sum()) for each in has])
    middle = [
        (each.start_seconds[here] + each.end_seconds[here]) / 2 for each, here in zip(described, has, strict=True)
    ]
    n_rows = len(source)
    is_flat = n_rows < flat_below_rows
    joined = _gathered(described, modality, np.arange(n_rows)) if is_flat else None
    index, method = _inverted(described, modality, n_rows) if joined is None else _flat(joined)
    return ModalitySearch(index, method, source, np.concatenate([*middle, np.zeros(0)]), joined)


def _present(each: Descriptors, modality: str) -> np.ndarray:
    """Which descriptors have the modality, bool (n,)."""
    if getattr(each, modality) is None:
        return np.zeros(len(each), bool)
    return np.asarray(getattr(each, f"has_{modality}"), bool)


def _blocks(described: Sequence[Descriptors], modality: str) -> Iterator[np.ndarray]:
    """Yield the rows of each source that has any, float32 (m, d)."""
    for each in described:
        has = _present(each, modality)
        if has.any():
            yield np.ascontiguousarray(getattr(each, modality)[has], np.float32)


def _gathered(described: Sequence[Descriptors], modality: str, chosen: np.ndarray) -> np.ndarray:
    """Take rows by their numbers, which rise, float32 (len(chosen), d)."""
    gathered, first, done = np.zeros((len(chosen), 1), np.float32), 0, 0
    for block in _blocks(described, modality):
        if first == 0:
            gathered = np.empty((len(chosen), block.shape[1]), np.float32)
        stop = int(np.searchsorted(chosen, first + len(block)))
        gathered[done:stop] = block[chosen[done:stop] - first]
        first, done = first + len(block), stop
    return gathered


def _flat(vectors: np.ndarray) -> "tuple[faiss.Index, str]":
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return index, f"flat, {len(vectors)} rows"


def _inverted(described: Sequence[Descriptors], modality: str, n_rows: int) -> "tuple[faiss.Index, str]":
    import faiss

    chosen = np.sort(np.random.default_rng(SEED).permutation(n_rows)[:TRAINING_ROWS])
    training = _gathered(described, modality, chosen)
    n_dims = training.shape[1]
    code_bytes = max(size for size in range(1, min(CODE_BYTES, n_dims) + 1) if n_dims % size == 0)
    n_lists = max(1, min(round(4 * n_rows**0.5), min(n_rows, TRAINING_ROWS) // 39))  # FAISS wants 39 rows a list
    n_bits = 8 if n_rows >= 39 * 256 else 4
    lists = faiss.IndexHNSWFlat(n_dims, LINKS, faiss.METRIC_INNER_PRODUCT)
    index = faiss.IndexIVFPQ(lists, n_dims, n_lists, code_bytes, n_bits, faiss.METRIC_INNER_PRODUCT)
    index.quantizer_trains_alone = chr(2)  # FAISS for: the lists are trained without the graph, which is built of them
    index.cp.seed = index.pq.cp.seed = SEED
    lists.hnsw.efSearch = LISTS_SEEN_ADDING
    index.train(training)
    for block in _joined(_blocks(described, modality), ADDED_AT_ONCE):
        index.add(block)
    index.make_direct_map()
    index.nprobe = min(n_lists, max(PROBED_LEAST, n_lists // PROBED_SHARE))
    lists.hnsw.efSearch = max(LISTS_SEEN_SEARCHING, index.nprobe)
    return index, f"IVF{n_lists}_HNSW{LINKS},PQ{code_bytes}x{n_bits} nprobe={index.nprobe}, {n_rows} rows"


def _joined(blocks: Iterator[np.ndarray], n_rows: int) -> Iterator[np.ndarray]:
    """Yield blocks of at least so many rows; the last may have fewer."""
    waiting: list[np.ndarray] = []
    for block in blocks:
        waiting.append(block)
        if sum(map(len, waiting)) >= n_rows:
            yield np.concatenate(waiting)
            waiting = []
    if waiting:
        yield np.concatenate(waiting)
