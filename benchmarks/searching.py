"""Asks what a search takes beside FAISS alone, over the same vectors and with the same answers."""

from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np

from benchmarks.race import OURS, Effort, Race, Way, race, timed
from evaluate.fingerprint.describe.descriptors import Descriptors
from evaluate.fingerprint.index.search import build_search
from store.search import nearest

TASK = "searching"
REFERENCES, QUERIES, DIMS, K = 50_000, 1024, 256, 10
FAISS = "FAISS alone"


def measure(folder: Path, effort: Effort) -> list[Race]:
    """Ten nearest of 50,000 vectors of 256 numbers, for 1,024 queries: from vectors, and in an index that stands."""
    del folder
    rng = np.random.default_rng(0)
    references, queries = (
        _unit(rng.standard_normal((effort.sized(n), DIMS), np.float32)) for n in (REFERENCES, QUERIES)
    )
    return [_from_vectors(references, queries, effort), _in_index(references, queries, effort)]


def _from_vectors(references: np.ndarray, queries: np.ndarray, effort: Effort) -> Race:
    """`store.search.nearest`: index and search in one call; its answer is exact, ties included."""

    def ours() -> np.ndarray:
        return nearest(queries, references, K, backend="faiss-flat").indices

    def theirs() -> np.ndarray:
        return _flat(references).search(queries, K)[1]

    return _race("from vectors", ours, theirs, len(queries), effort)


def _in_index(references: np.ndarray, queries: np.ndarray, effort: Effort) -> Race:
    """The search of the fingerprints, in an index that was built before."""
    start = np.arange(len(references)) * 0.5
    present = np.ones(len(references), bool)
    described = Descriptors("benchmark", start, start + 1, present, ~present, references, None)
    search, index = build_search([described], "picture"), _flat(references)
    return _race(
        "in an index",
        lambda: search.nearest(queries, K).rows,
        lambda: index.search(queries, K)[1],
        len(queries),
        effort,
    )


def _race(
    case: str, ours: Callable[[], np.ndarray], theirs: Callable[[], np.ndarray], n_queries: int, effort: Effort
) -> Race:
    agreement = float((ours() == theirs()).mean())
    if agreement < 0.999:  # rows that tie to the last bit may change places
        raise ValueError(f"{case}: only {agreement:.1%} of the answers agree with those of FAISS")
    return race(
        TASK, case, {"queries": n_queries}, [Way(OURS, timed(ours)), Way(FAISS, timed(theirs), goal=0.9)], effort
    )


def _flat(references: np.ndarray) -> faiss.Index:
    index = faiss.IndexFlatIP(references.shape[1])
    index.add(references)
    return index


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
