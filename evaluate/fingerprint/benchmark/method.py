"""The interface of a method in the benchmark, and the base of methods that compare a query with every reference."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from evaluate.errors import FingerprintError
from evaluate.fingerprint.match.matches import Match
from preprocess.errors import MediaError
from preprocess.media.probe import probe

logger = logging.getLogger(__name__)

FALSE_POSITIVE_RATE = 0.01
"""Share of background queries that pass a peer's threshold. Ours decides at its own default, as users get it."""


class MethodMissingError(FingerprintError):
    """A method cannot run on this machine; the benchmark goes on without it and says why."""


class Method(Protocol):
    """A fingerprint and its search.

    Attributes:
        name: in tables and results.
        modality: "video", "audio" or "joint", the streams that the method uses.
    """

    name: str
    modality: str

    def index(self, references: Mapping[str, Path], background: Mapping[str, Path]) -> int:
        """Describe and index all references, files by name; return the bytes of their descriptors.

        The background holds files of other sources, for score normalisation.
        """

    def calibrate(self, queries: Mapping[str, Path]) -> None:
        """Set the threshold of `Match.decision` with queries that have no match."""

    def match(self, queries: Mapping[str, Path]) -> list[Match]:
        """Find any number of references of each query; scores are comparable over queries.

        Unreadable queries have no matches.
        """


class Aligned(NamedTuple):
    """The best alignment of a query with a reference, in seconds, half open."""

    query_start_seconds: float
    query_end_seconds: float
    reference_start_seconds: float
    reference_end_seconds: float
    score: float


class Peer(ABC):
    """A method that compares a query with every reference, without an index structure.

    Rows (n, ...) describe a source, one every `hop_seconds`. A row covers `reach_seconds` of the source and is stored in
    `bytes_per_row`.
    """

    name: str
    modality: str
    bytes_per_row: int
    hop_seconds: float
    reach_seconds: float

    def __init__(self) -> None:
        self._references: dict[str, np.ndarray] = {}
        self._threshold = np.inf

    @abstractmethod
    def describe(self, path: Path) -> np.ndarray:
        """Describe one source that has the modality; there may be no rows.

        Raises:
            MediaError: it cannot be read.
        """

    def compare(self, query: np.ndarray, reference: np.ndarray) -> Aligned | None:
        """Find the best alignment, by the mean cosine of rows; None if a peer finds nothing in common."""
        return best_diagonal(query @ reference.T, self.hop_seconds, self.reach_seconds)

    def index(self, references: Mapping[str, Path], background: Mapping[str, Path]) -> int:
        """Describe all references; the background is not needed."""
        self._references = self._describe_all(references)
        return self.bytes_per_row * sum(len(rows) for rows in self._references.values())

    def calibrate(self, queries: Mapping[str, Path]) -> None:
        """Set the threshold at the quantile of these queries' best scores that FALSE_POSITIVE_RATE of them pass."""
        best: dict[str, float] = {}
        for match in self.match(queries):
            best[match.query] = max(match.score, best.get(match.query, -np.inf))
        self._threshold = float(np.quantile(list(best.values()), 1 - FALSE_POSITIVE_RATE)) if best else 0.0

    def match(self, queries: Mapping[str, Path]) -> list[Match]:
        """Compare every query with all references."""
        matches = []
        for name, query in self._describe_all(queries).items():
            for reference, rows in self._references.items():
                if aligned := self.compare(query, rows):
                    matches.append(Match(name, reference, *aligned, decision=aligned.score > self._threshold))
        return matches

    def _describe_all(self, files: Mapping[str, Path]) -> dict[str, np.ndarray]:
        """Describe all files that can be read; files without rows are left out."""
        described = {}
        for name, path in files.items():
            try:
                info = probe(path)
                if info.has_audio if self.modality == "audio" else info.has_video:
                    described[name] = self.describe(path)
            except MediaError as error:
                logger.warning("%s: %s", self.name, error)
        return {name: rows for name, rows in described.items() if len(rows)}


def best_diagonal(similarity: np.ndarray, hop_seconds: float, reach_seconds: float) -> Aligned:
    """Find the offset at which a query agrees best with a reference, at equal speed.

    Args:
        similarity: of every row of the query with every row of the reference, (n_query, n_reference).
        hop_seconds: time between two rows.
        reach_seconds: length of a row's span.

    Returns:
        The offset with the highest mean similarity, among those where at least half of the shorter one overlaps.
    """
    n_query, n_reference = similarity.shape
    offset_of = np.arange(n_reference)[None, :] - np.arange(n_query)[:, None] + n_query - 1
    counts = np.bincount(offset_of.ravel())
    means = np.bincount(offset_of.ravel(), weights=similarity.ravel()) / counts
    means[counts < max(1, min(n_query, n_reference) / 2)] = -np.inf
    best = int(np.argmax(means))
    offset = best - (n_query - 1)
    first = max(0, -offset)
    last = first + int(counts[best]) - 1
    return Aligned(
        first * hop_seconds,
        last * hop_seconds + reach_seconds,
        (first + offset) * hop_seconds,
        (last + offset) * hop_seconds + reach_seconds,
        float(means[best]),
    )
