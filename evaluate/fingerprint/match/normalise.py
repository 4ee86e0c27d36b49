"""Score normalisation: 0 is as similar as background, 1 is identical.

A raw cosine says little: some clips are similar to everything (a talking head, hiss), others to nothing. So each query
descriptor is compared with background, as the winners of VSC2022 did (Yokoo et al., arXiv 2304.10305, section on score
normalisation). There are two backgrounds. One is generated fades, and videos known not to be in the archive, if there are
any. The other is the archive without its most similar sources, which may be true matches. Because of the second, an intro
or a logo that many videos share does not match all of them: it is similar to more sources than a true match is.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

NEAREST = 5
"""Background sources whose mean similarity is the expected similarity."""
TRUE_MATCHES = 8
"""Sources of the archive that may hold the query; content in more sources is common content."""
ROWS_A_SOURCE = 32
"""Evenly spaced descriptors that represent a source."""
SOURCES = 1_000
"""Largest number of background sources: comparing 20 descriptors with 32,000 rows takes 5 ms."""
SEED = 99


@dataclass(frozen=True, eq=False)
class Background:
    """Descriptors of one modality, of sources that represent any material.

    Attributes:
        vectors: float32 (n, d), unit rows.
        source: int64 (n,), sorted: the source of each row.
        skipped: number of sources, the most similar first, that do not count.
    """

    vectors: np.ndarray
    source: np.ndarray
    skipped: int

    @property
    def n_sources(self) -> int:
        """Number of sources that have the modality, or were drawn of these."""
        return len(np.unique(self.source))

    def expected(self, queries: np.ndarray) -> np.ndarray:
        """Return the expected similarity (q,) of query descriptors (q, d), unit rows; 0 if there is too little background."""
        if not len(self.vectors) or not len(queries):
            return np.zeros(len(queries), np.float32)
        firsts = np.flatnonzero(np.diff(self.source, prepend=-1))
        best = np.maximum.reduceat(queries @ self.vectors.T, firsts, axis=1)  # (q, sources)
        if best.shape[1] <= self.skipped:
            return np.zeros(len(queries), np.float32)
        ranked = -np.sort(-best, axis=1)[:, self.skipped : self.skipped + NEAREST]
        return ranked.mean(axis=1)


def expected_of_neighbours(similarities: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Return the expected similarity to the library itself, from neighbours that were found already.

    A sample may miss the second that many videos share; the neighbours do not.

    Args:
        similarities: float32 (q, k), falling.
        sources: int64 (q, k), of the rows found; -1 beyond the last neighbour.

    Returns:
        float32 (q,); 0 if the neighbours lie in too few sources.
    """
    order = np.argsort(sources, axis=1, kind="stable")  # the first of a source is its best
    is_first = np.diff(np.take_along_axis(sources, order, 1), axis=1, prepend=-1) > 0
    best = np.where(is_first, np.take_along_axis(similarities, order, 1), -np.inf)
    ranked = -np.sort(-best, axis=1)[:, TRUE_MATCHES : TRUE_MATCHES + NEAREST]
    if ranked.shape[1] < NEAREST:
        return np.zeros(len(similarities), np.float32)
    expected: np.ndarray = np.where(np.isfinite(ranked[:, -1]), ranked.mean(axis=1), 0)
    return expected


def sample(vectors_of: Callable[[np.ndarray], np.ndarray], source: np.ndarray, skipped: int) -> Background:
    """Take a background from the rows of sources.

    Args:
        vectors_of: returns the vectors (m, d) of rows (m,).
        source: the source of each row, (n,), sorted.
        skipped: number of sources, the most similar first, that do not count.
    """
    kinds = np.unique(source)
    if len(kinds) > SOURCES:
        kinds = np.sort(np.random.default_rng(SEED).choice(kinds, SOURCES, replace=False))
    chosen = [np.zeros(0, np.int64)]
    for kind in kinds:
        first, last = np.searchsorted(source, [kind, kind + 1])
        n = min(ROWS_A_SOURCE, last - first)
        chosen.append(np.unique(np.linspace(first, last - 1, n).round().astype(np.int64)))
    rows = np.concatenate(chosen)
    return Background(vectors_of(rows), source[rows], skipped)


def evidence(similarities: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Scale similarities (q, n): 0 at the expected similarity (q,) of each query or below, 1 for identical."""
    room = np.maximum(1 - expected, 1e-3)[:, None]
    return np.clip((similarities - expected[:, None]) / room, 0, 1)
