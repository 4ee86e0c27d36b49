"""What is compared with what: names, folders, durations; and which agreements count."""

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np

from evaluate.errors import FingerprintError
from evaluate.fingerprint.index.archive import IndexedSource

Agree = Literal["any", "video", "audio", "both"]
NO_LIMIT_SECONDS = 1e12
"""Stands for infinity, which JSON lacks."""


@dataclass(frozen=True)
class Scope:
    """What is compared, and what is listed; FingerprintError if seconds exclude everything, or an agreement is unknown.

    References and candidates are folders, names, or patterns such as `news/2019-*`; one source of a pair fits the references,
    the other one the candidates. Empty for all. Across folders, sources of one folder are not compared. The shortest shared
    seconds are those of all spans of a pair together. Where `is_mirrored`, each source is decoded once more.
    """

    references: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
    is_across_folders: bool = False
    shortest_seconds: float = 0.0
    longest_seconds: float = float("inf")
    shortest_shared_seconds: float = 0.0
    agree: Agree = "any"
    is_mirrored: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.shortest_seconds <= self.longest_seconds or not self.shortest_shared_seconds >= 0:
            raise FingerprintError("durations must be 0 s or more, the shortest at most the longest")
        if self.agree not in get_args(Agree):
            raise FingerprintError(f"no agreement called {self.agree!r}: choose from {', '.join(get_args(Agree))}")

    def compared(self) -> dict[str, Any]:
        """Return what decides which pairs are searched; the rest only selects from what was found."""
        values = asdict(self)
        del values["shortest_shared_seconds"], values["agree"]
        if not self.is_mirrored:  # so that the state of earlier runs counts
            del values["is_mirrored"]
        return {**values, "longest_seconds": min(self.longest_seconds, NO_LIMIT_SECONDS)}


def compared_with(
    scope: Scope, names: Sequence[str], sources: Mapping[str, IndexedSource]
) -> Callable[[int], np.ndarray]:
    """Return a function of a source's number that tells which of all sources it is compared with, bool (s,).

    `names` are those of a library, in its order. A pattern that fits no source raises FingerprintError.
    """
    lengths = np.array([sources[name].seconds if name in sources else -1.0 for name in names])  # -1: removed since
    is_long = (lengths >= scope.shortest_seconds) & (lengths <= scope.longest_seconds)
    references, candidates = (_fitting(names, patterns) & is_long for patterns in (scope.references, scope.candidates))
    folder = np.unique([name.rpartition("/")[0] for name in names], return_inverse=True)[1]

    def with_source(number: int) -> np.ndarray:
        others: np.ndarray = (references & candidates[number]) | (candidates & references[number])
        if scope.is_across_folders:
            others &= folder != folder[number]
        others[number] = False
        return others

    return with_source


def _fitting(names: Sequence[str], patterns: Sequence[str]) -> np.ndarray:
    fitting = np.full(len(names), not patterns)
    for pattern in patterns:
        folder = pattern.rstrip("/") + "/"
        fits = [name == pattern or name.startswith(folder) or fnmatch.fnmatchcase(name, pattern) for name in names]
        if not any(fits):
            raise FingerprintError(f"no source fits {pattern!r}; names are paths below the archive's folder")
        fitting |= fits
    return fitting
