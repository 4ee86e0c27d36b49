"""Searching, beside FAISS alone over the same vectors and with the same results."""

from collections.abc import Callable

import faiss
import numpy as np

from benchmarks.question import OURS, BenchmarkError, Setting, Way, race, timed
from evaluate.fingerprint.describe.descriptors import Descriptors
from evaluate.fingerprint.index.search import build_search
from evaluate.results.results import Result
from store.search import nearest

TASK = "searching"
REFERENCES, QUERIES, DIMS, K = 50_000, 1024, 256, 10
FAISS = "FAISS alone"


def measure(setting: Setting) -> list[Result]:
    """Ten nearest of 50,000 vectors of 256 numbers, for 1,024 queries: from vectors, and in a finished index."""
    rng = np.random.default_rng(0)
    references, queries = (
        _unit(rng.standard_normal((setting.sized(n), DIMS), np.float32)) for n in (REFERENCES, QUERIES)
    )
    start, present = np.arange(len(references)) * 0.5, np.ones(len(references), bool)
    described = Descriptors("benchmark", start, start + 1, present, ~present, references, None)
    search, index = build_search([described], "picture"), _flat(references)
    return [
        *_race(
            "from vectors",  # index and search in one call; ours is exact, ties included
            lambda: nearest(queries, references, K, backend="faiss-flat").indices,
            lambda: _flat(references).search(queries, K)[1],
            setting,
        ),
        *_race(
            "in an index",  # the search of fingerprints
            lambda: search.nearest(queries, K).rows,
            lambda: index.search(queries, K)[1],
            setting,
        ),
    ]


def _race(
    case: str, ours: Callable[[], np.ndarray], theirs: Callable[[], np.ndarray], setting: Setting
) -> list[Result]:
    results = ours()
    agreement = float((results == theirs()).mean())
    if agreement < 0.999:  # rows that tie to the last bit may change places
        raise BenchmarkError(f"{TASK}, {case}: only {agreement:.1%} of the results agree with those of FAISS")
    ways = [Way(OURS, timed(ours)), Way(FAISS, timed(theirs), goal=0.9)]
    return race(TASK, case, {"queries": len(results)}, ways, setting)


def _flat(references: np.ndarray) -> faiss.Index:
    index = faiss.IndexFlatIP(references.shape[1])
    index.add(references)
    return index


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
