"""What is compared with what: names, folders, durations; and which agreements count."""

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np

from evaluate.errors import FingerprintError
from evaluate.fingerprint.index.archive import IndexedSource

Agree = Literal["any", "video", "audio", "both"]
NO_LIMIT_SECONDS = 1e12
"""Stands for infinity, which JSON lacks."""


@dataclass(frozen=True)
class Scope:
    """What is compared, and what is listed.

    Attributes:
        references, candidates: folders, names, or patterns such as `news/2019-*`; one source of a pair fits the references,
            the other one the candidates. Empty for all.
        is_across_folders: sources of one folder are not compared.
        shortest_seconds, longest_seconds: of a source.
        shortest_shared_seconds: of all spans of a pair together.
        agree: what must agree in a pair.
        is_mirrored: sources are also compared mirrored, for which each is decoded once more.

    Raises:
        FingerprintError: seconds that exclude everything, or an unknown agreement.
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


@dataclass(frozen=True, eq=False)
class Scoped:
    """A scope over the sources of a library, in the library's order.

    Raises:
        FingerprintError: a pattern fits no source.
    """

    scope: Scope
    names: Sequence[str]
    sources: Mapping[str, IndexedSource]

    def with_source(self, number: int) -> np.ndarray:
        """Return which sources are compared with this one, bool (s,)."""
        references, candidates = self._sides
        others = (references & candidates[number]) | (candidates & references[number])
        if self.scope.is_across_folders:
            others = others & (self._folder != self._folder[number])
        others[number] = False
        return others

    @cached_property
    def _sides(self) -> tuple[np.ndarray, np.ndarray]:
        lengths = np.array([self.sources[name].seconds for name in self.names])
        is_long = (lengths >= self.scope.shortest_seconds) & (lengths <= self.scope.longest_seconds)
        return self._fitting(self.scope.references) & is_long, self._fitting(self.scope.candidates) & is_long

    @cached_property
    def _folder(self) -> np.ndarray:
        return np.unique([name.rpartition("/")[0] for name in self.names], return_inverse=True)[1]

    def _fitting(self, patterns: Sequence[str]) -> np.ndarray:
        fitting = np.full(len(self.names), not patterns)
        for pattern in patterns:
            fits = np.array([_fits(name, pattern) for name in self.names], bool)
            if not fits.any():
                raise FingerprintError(f"no source fits {pattern!r}; names are paths below the archive's folder")
            fitting |= fits
        return fitting


def _fits(name: str, pattern: str) -> bool:
    return name == pattern or name.startswith(pattern.rstrip("/") + "/") or fnmatch.fnmatchcase(name, pattern)
