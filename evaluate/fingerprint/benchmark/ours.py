"""Avtempo's own index and matching, as one method of the benchmark."""

from collections.abc import Mapping
from pathlib import Path

from evaluate.fingerprint.answer.matcher import DEFAULT_FALSE_POSITIVE_RATE, DESCRIPTORS_A_HOP, Matcher
from evaluate.fingerprint.answer.viewed import ViewMatcher
from evaluate.fingerprint.describe.descriptors import Descriptors
from evaluate.fingerprint.describe.encoder import DescriptorEncoder
from evaluate.fingerprint.describe.extract import ExtractOptions, MediaFile, describe_files, read_footage
from evaluate.fingerprint.describe.fades import describe_fades
from evaluate.fingerprint.describe.footage import FootageFile
from evaluate.fingerprint.describe.part import Parts
from evaluate.fingerprint.index.library import build_library
from evaluate.fingerprint.index.search import FLAT_BELOW_ROWS
from evaluate.fingerprint.match.matches import Match
from preprocess.executors.processes import SerialExecutor

STORED_BYTES = 2
"""An index stores descriptors as float16."""
OURS = {"avtempo": False, "avtempo-compressed": True}
"""Name of the method -> whether its index holds codes."""


class Avtempo:
    """The index and matching of `python -m evaluate index` and `match`.

    Args:
        encoder: describes references and queries.
        hop_seconds: time between descriptors.
        is_compressed: whether the index holds codes (IVF-PQ), like that of a large archive.
    """

    modality = "joint"

    def __init__(self, encoder: DescriptorEncoder, hop_seconds: float, *, is_compressed: bool = False) -> None:
        self._encoder, self._hop_seconds, self._is_compressed = encoder, hop_seconds, is_compressed
        self.name = "avtempo-compressed" if is_compressed else "avtempo"
        self._matcher: Matcher
        self._parts: Parts

    def index(self, references: Mapping[str, Path], background: Mapping[str, Path]) -> int:
        """Describe references and background; the background normalises scores."""
        described = self._describe(references, self._hop_seconds)
        dense = self._hop_seconds / DESCRIPTORS_A_HOP
        apart = [*self._describe(background, dense), *describe_fades(self._encoder, dense)]
        flat_below = 1 if self._is_compressed else FLAT_BELOW_ROWS  # 1: a modality without rows has no codes
        library = build_library(described, self._hop_seconds, background=apart, flat_below_rows=flat_below)
        self._parts = Parts(references.get, SerialExecutor())
        self._matcher = Matcher(library, DEFAULT_FALSE_POSITIVE_RATE)
        if self._is_compressed:
            return sum(search.n_bytes for search in library.searches.values())
        vectors = [each for source in described for each in (source.video, source.audio) if each is not None]
        return STORED_BYTES * sum(each.size for each in vectors)

    def calibrate(self, queries: Mapping[str, Path]) -> None:
        """Do nothing: scores are rates of chance."""

    def match(self, queries: Mapping[str, Path]) -> list[Match]:
        """Find all spans with any evidence; spans above the threshold are decided."""
        matcher = ViewMatcher(self._matcher, self._encoder, self._parts)
        read = read_footage(_files(queries), self._encoder, ExtractOptions(self._hop_seconds))
        return [match for each in read if isinstance(each, FootageFile) for match in matcher.match(each)]

    def _describe(self, files: Mapping[str, Path], hop_seconds: float) -> list[Descriptors]:
        """Describe the files that can be read."""
        described = describe_files(_files(files), self._encoder, ExtractOptions(hop_seconds))
        return [each for each in described if isinstance(each, Descriptors)]


def _files(files: Mapping[str, Path]) -> list[MediaFile]:
    return [MediaFile(name, path) for name, path in files.items()]
