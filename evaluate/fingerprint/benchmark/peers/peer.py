"""What the peers share: describe every source, compare a query with each reference, keep a threshold."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from evaluate.fingerprint.match.matches import Match
from preprocess.errors import MediaError

logger = logging.getLogger(__name__)

FALSE_POSITIVE_RATE = 0.01
D = TypeVar("D")


@dataclass(frozen=True)
class Aligned:
    """Best alignment of a query with a reference, in seconds, half open."""

    query_start_seconds: float
    query_end_seconds: float
    reference_start_seconds: float
    reference_end_seconds: float
    score: float


class Peer(ABC, Generic[D]):
    """A method without an index structure: a query meets every reference. D is what describes one source."""

    name: str
    modality: str

    def __init__(self) -> None:
        self._references: dict[str, D] = {}
        self._threshold = np.inf

    @abstractmethod
    def describe(self, path: Path) -> D | None:
        """Describe one source; None where it has nothing to describe.

        Raises:
            MediaError: it cannot be read.
        """

    @abstractmethod
    def n_bytes(self, described: D) -> int:
        """Bytes that a description takes when stored."""

    @abstractmethod
    def compare(self, query: D, reference: D) -> Aligned | None:
        """Best alignment of two sources; None where they have nothing in common."""

    def index(self, references: Mapping[str, Path], background: Mapping[str, Path]) -> int:
        """Describe all references; the background is not needed."""
        for name, path in references.items():
            described = self._try_describe(path)
            if described is not None:
                self._references[name] = described
        return sum(self.n_bytes(described) for described in self._references.values())

    def calibrate(self, queries: Mapping[str, Path]) -> None:
        """Set the threshold at the quantile of these queries' best scores that lets FALSE_POSITIVE_RATE through."""
        best = [max((m.score for m in self._match(name, path)), default=-np.inf) for name, path in queries.items()]
        finite = [score for score in best if np.isfinite(score)]
        self._threshold = float(np.quantile(finite, 1 - FALSE_POSITIVE_RATE)) if finite else 0.0

    def match(self, queries: Mapping[str, Path]) -> list[Match]:
        """Compare every query with all references."""
        return [match for name, path in queries.items() for match in self._match(name, path)]

    def _match(self, name: str, query: Path) -> list[Match]:
        described = self._try_describe(query)
        if described is None:
            return []
        matches = []
        for reference, its in self._references.items():
            aligned = self.compare(described, its)
            if aligned is not None:
                matches.append(Match(name, reference, **vars(aligned), decision=aligned.score > self._threshold))
        return matches

    def _try_describe(self, path: Path) -> D | None:
        try:
            return self.describe(path)
        except MediaError as error:
            logger.warning("%s: %s", self.name, error)
            return None


def best_diagonal(similarity: np.ndarray, hop_seconds: float, reach_seconds: float) -> Aligned:
    """Offset at which a query agrees best with a reference, at equal speed.

    Args:
        similarity: of every query descriptor with every reference descriptor, (n_query, n_reference).
        hop_seconds: between two descriptors.
        reach_seconds: that one descriptor covers.

    Returns:
        The offset with the highest mean similarity, of those where at least half of the shorter one overlaps.
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


def standardised(rows: np.ndarray) -> np.ndarray:
    """Rows (n, d) with their mean taken off and unit length; flat rows become zeros. float32."""
    centred = rows.astype(np.float64) - rows.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.where(lengths > 1e-6 * rows.shape[1], centred / np.maximum(lengths, 1e-12), 0).astype(np.float32)
