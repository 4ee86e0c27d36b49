"""Avtempo's own index and matching, as one method of the benchmark."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from evaluate.fingerprint.describe.descriptors import Descriptors
from evaluate.fingerprint.describe.encoder import DescriptorEncoder
from evaluate.fingerprint.describe.extract import ExtractOptions, MediaFile, describe_files
from evaluate.fingerprint.index.library import build_library
from evaluate.fingerprint.index.search import FLAT_BELOW_ROWS
from evaluate.fingerprint.match.match import DESCRIPTORS_A_HOP, Matcher, calibrate
from evaluate.fingerprint.match.matches import Match

STORED_BYTES = 2
"""An index keeps descriptors as float16."""
FALSE_POSITIVE_RATE = 0.01
"""As the peers'."""


class Avtempo:
    """The index and the matching of `make index` and `make match`, with an encoder of its own.

    Args:
        encoder: that describes references and queries.
        hop_seconds: from one descriptor to the next.
        is_compressed: whether the index holds codes (IVF-PQ), as that of a large archive does, whatever its size.
    """

    modality = "joint"

    def __init__(self, encoder: DescriptorEncoder, hop_seconds: float, *, is_compressed: bool = False) -> None:
        self._encoder, self._hop_seconds, self._is_compressed = encoder, hop_seconds, is_compressed
        self.name = "avtempo-compressed" if is_compressed else "avtempo"
        self._matcher: Matcher | None = None

    def index(self, references: Mapping[str, Path], background: Mapping[str, Path]) -> int:
        """Describe the references, and the background, which normalises scores and sets the threshold."""
        described = list(self._describe(references, self._hop_seconds))
        apart = list(self._describe(background, self._hop_seconds / DESCRIPTORS_A_HOP))
        flat_below = 0 if self._is_compressed else FLAT_BELOW_ROWS
        library = build_library(described, self._hop_seconds, background=apart, flat_below_rows=flat_below)
        calibration = calibrate(library, apart)
        self._matcher = Matcher(library, calibration, FALSE_POSITIVE_RATE)
        if self._is_compressed:
            return sum(search.n_bytes for search in library.searches.values())
        return sum(STORED_BYTES * _n_numbers(each) for each in described)

    def calibrate(self, queries: Mapping[str, Path]) -> None:
        """Nothing is left to do: the background's own seconds have set the threshold."""

    def match(self, queries: Mapping[str, Path]) -> list[Match]:
        """All spans with any evidence; those above the threshold are decided."""
        if self._matcher is None:
            raise RuntimeError("index first")
        described = self._describe(queries, self._hop_seconds / DESCRIPTORS_A_HOP)
        return [match for query in described for match in self._matcher.match(query)]

    def _describe(self, files: Mapping[str, Path], hop_seconds: float) -> Iterator[Descriptors]:
        options = ExtractOptions(hop_seconds)
        named = [MediaFile(name, path) for name, path in files.items()]
        for each in describe_files(named, self._encoder, options):
            if isinstance(each, Descriptors):
                yield each


def _n_numbers(described: Descriptors) -> int:
    return sum(vectors.size for vectors in (described.picture, described.sound) if vectors is not None)
