"""What the benchmark asks of a method; ours and the peers' run alike."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from evaluate.errors import FingerprintError
from evaluate.fingerprint.match.matches import Match


class MethodMissingError(FingerprintError):
    """A method cannot run on this machine; the benchmark goes on without it and says why."""


class Method(Protocol):
    """A fingerprint and its search.

    Attributes:
        name: in tables and results.
        modality: "video", "audio" or "joint": what it looks at.
    """

    name: str
    modality: str

    def index(self, references: Mapping[str, Path], background: Mapping[str, Path]) -> int:
        """Describe and index all references, once.

        Args:
            references: files by name.
            background: files of other sources, for score normalisation.

        Returns:
            Bytes that the references' descriptors take.

        Raises:
            MethodMissingError: a library or program that it needs is not here.
        """
        ...

    def calibrate(self, queries: Mapping[str, Path]) -> None:
        """Set the threshold behind `Match.decision` from queries of which none has a match."""
        ...

    def match(self, queries: Mapping[str, Path]) -> list[Match]:
        """Find the references of some queries, any number each; scores are comparable over queries.

        Queries that cannot be read find none.
        """
        ...
