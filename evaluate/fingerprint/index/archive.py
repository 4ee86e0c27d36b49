"""The folder of an index: its settings, and parts of descriptors, each with the list of its current sources.

    INDEX/archive.json            encoder, settings: written once
    INDEX/parts/part-000001.h5    descriptors of a few sources, an embedding store
    INDEX/parts/part-000001.json  its current sources, written last: without it the part does not exist
    INDEX/parts/new/              parts that are being made

A source is removed by rewriting its part's list without it; a part with an empty list is removed. If two parts name a
source, the later one counts, so a changed file can be added before its old descriptors are removed.
"""

import json
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from evaluate.errors import ArchiveError, FingerprintError
from evaluate.fingerprint.describe.descriptors import Descriptors, read_descriptors
from evaluate.fingerprint.describe.encoder import DescriptorEncoder
from preprocess.sources import escaped_name
from store.atomic_files import atomic_file, folder_lock, remove_temporaries
from store.errors import ProvenanceError
from store.format import Provenance, canonical_json

FORMAT_NAME = "avtempo-fingerprints"
FORMAT_VERSION = 2
ARCHIVE_FILE = "archive.json"
PARTS_FOLDER = "parts"
NEW_FOLDER = "new"
"""Below the parts: writing a part lists its folder for leftovers, and this one stays small."""


@dataclass(frozen=True)
class IndexedSource:
    """A file recorded in the index.

    Attributes:
        name: its path below the archive's folder.
        path: of the file when it was indexed.
        size_bytes, modified_ns: differ if the file was changed.
        n_descriptors: 0 if the file could not be read.
        seconds: end of the last descriptor.
        reason: why the file could not be read; "" if it could.
    """

    name: str
    path: str
    size_bytes: int
    modified_ns: int
    n_descriptors: int = 0
    seconds: float = 0.0
    reason: str = ""

    @property
    def root(self) -> str:
        """The archive's folder when the file was indexed."""
        return self.path.rsplit("/", self.name.count("/") + 1)[0] or "/"

    def is_still(self, path: Path) -> bool:
        """Whether a file is the one that was indexed, by size and time."""
        try:
            status = path.stat()
        except OSError:
            return False
        return (status.st_size, status.st_mtime_ns) == (self.size_bytes, self.modified_ns)


_SOURCES = TypeAdapter(tuple[IndexedSource, ...])


@dataclass(frozen=True)
class Part:
    """Descriptors of a few sources, and the list of the current ones."""

    number: int
    sources: tuple[IndexedSource, ...]


@dataclass(frozen=True)
class Archive:
    """An index of descriptors on disk.

    Attributes:
        folder: of the index.
        encoder_sha256: checksum of the encoder that it was made with.
        settings: of the encoder, and the hop.
        encoder_path: of the encoder when the index was made; "" for the shipped one.
    """

    folder: Path
    encoder_sha256: str
    settings: dict[str, Any]
    encoder_path: str

    @classmethod
    def open(cls, folder: Path) -> "Archive":
        """Open an index.

        Raises:
            ArchiveError: the index is missing, damaged or of another version.
        """
        values = _read_json(folder / ARCHIVE_FILE, "make one with `python -m evaluate index VIDEOS --index DIR`")
        if (values.get("format"), values.get("format_version")) != (FORMAT_NAME, FORMAT_VERSION):
            raise ArchiveError(folder / ARCHIVE_FILE, f"is not of {FORMAT_NAME} version {FORMAT_VERSION}; index anew")
        try:
            archive = cls(folder, str(values["encoder_sha256"]), dict(values["settings"]), str(values["encoder_path"]))
            hop_seconds = archive.hop_seconds
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ArchiveError(folder / ARCHIVE_FILE, f"is damaged ({error!r}); index anew") from error
        if not 0 < hop_seconds < math.inf:
            raise ArchiveError(folder / ARCHIVE_FILE, f"is damaged (a hop of {hop_seconds} s); index anew")
        return archive

    @classmethod
    def open_or_make(
        cls, folder: Path, encoder: DescriptorEncoder, hop_seconds: float, encoder_path: str = ""
    ) -> "Archive":
        """Open the index of this encoder and hop, rounded to whole frames, or start one.

        Raises:
            ProvenanceError: it was made with another encoder or other settings.
            ArchiveError: FAISS cannot write there.
            FingerprintError: the hop is not above 0.
            BusyError: another process starts this index.
        """
        if escaped_name(str(folder)) != str(folder):
            raise ArchiveError(
                folder, "has a path that is not UTF-8, which FAISS cannot open; index into another folder"
            )
        if not 0 < hop_seconds < math.inf:
            raise FingerprintError(f"the hop must be above 0 s, not {hop_seconds}")
        fps = encoder.shard_params.fps
        hop_seconds = max(1, round(hop_seconds * fps)) / fps  # as clips are cut
        settings = json.loads(canonical_json({**encoder.settings(), "hop_seconds": hop_seconds}))
        made = cls(folder, encoder.sha256, settings, encoder_path)
        if not (folder / ARCHIVE_FILE).is_file():
            with made.only_writer():
                if not (folder / ARCHIVE_FILE).is_file():  # still: two first runs may have come here
                    values = {"format": FORMAT_NAME, "format_version": FORMAT_VERSION, "encoder_sha256": encoder.sha256}
                    _write_json(folder / ARCHIVE_FILE, {**values, "encoder_path": encoder_path, "settings": settings})
                    return made
        archive = cls.open(folder)
        archive.check(encoder.sha256, settings)
        return archive

    def check(self, encoder_sha256: str, settings: dict[str, Any]) -> None:
        """Refuse another encoder or other settings.

        Raises:
            ProvenanceError: it names the differences.
        """
        remedy = "give the encoder and settings that made the index, or index into another folder"
        path = self.folder / ARCHIVE_FILE
        if encoder_sha256 != self.encoder_sha256:
            problem = f"made with encoder {self.encoder_sha256[:12]}, this is {encoder_sha256[:12]}"
            raise ProvenanceError(path, problem, remedy)
        names = sorted(settings.keys() | self.settings.keys())
        differ = [name for name in names if settings.get(name) != self.settings.get(name)]
        if differ:
            changes = "; ".join(f"{name} is {self.settings.get(name)}, now {settings.get(name)}" for name in differ)
            raise ProvenanceError(path, f"made with other settings: {changes}", remedy)

    @property
    def hop_seconds(self) -> float:
        """Seconds between descriptors."""
        return float(self.settings["hop_seconds"])

    @property
    def provenance(self) -> Provenance:
        """Provenance of every part."""
        return Provenance(self.encoder_sha256, self.settings, "", "fingerprint", "pretrained")

    @contextmanager
    def only_writer(self) -> Iterator[None]:
        """Lock the index against other writers.

        Raises:
            BusyError: another process adds to this index.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with folder_lock(self.folder):
            yield

    def parts(self) -> tuple[Part, ...]:
        """Return all parts with their current sources, by number.

        Raises:
            ArchiveError: a list is damaged.
        """
        parts = self._written_parts()
        latest = {source.name: part.number for part in parts for source in part.sources}
        return tuple(
            replace(part, sources=tuple(each for each in part.sources if latest[each.name] == part.number))
            for part in parts
        )

    def sources(self) -> dict[str, IndexedSource]:
        """Return every source by name, unreadable ones included."""
        return {source.name: source for part in self.parts() for source in part.sources}

    def descriptors(self) -> Iterator[Descriptors]:
        """Read all current descriptors, one part at a time.

        Raises:
            store.errors.StoreError: a part is damaged, or made by another encoder.
        """
        for part in self.parts():
            names = [source.name for source in part.sources if source.n_descriptors]
            if names:
                yield from read_descriptors(self.part_path(part.number), names, self.provenance)

    def part_path(self, number: int) -> Path:
        """Return the path of a part's descriptors."""
        return self.folder / PARTS_FOLDER / f"part-{number:06d}.h5"

    def new_part_path(self, number: int) -> Path:
        """Return the path at which a part is made."""
        return self.folder / PARTS_FOLDER / NEW_FOLDER / self.part_path(number).name

    def add_part(self, part: Part) -> None:
        """Take over a part that was made; a part whose files could not be read has a list only."""
        if self.new_part_path(part.number).exists():
            self.new_part_path(part.number).rename(self.part_path(part.number))
        self.write_list(part.number, part.sources)  # from here on the part exists

    def write_list(self, number: int, sources: Sequence[IndexedSource]) -> None:
        """Record the current sources of a part; a part without any is removed."""
        path = self.part_path(number)
        if sources:
            _write_json(path.with_suffix(".json"), {"sources": [asdict(source) for source in sources]})
            return
        path.with_suffix(".json").unlink(missing_ok=True)
        path.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove leftovers of killed processes and outdated descriptors; call it only while holding the lock."""
        for written, current in zip(self._written_parts(), self.parts(), strict=True):
            if written != current:
                self.write_list(written.number, current.sources)
        remove_temporaries(self.folder / PARTS_FOLDER)
        shutil.rmtree(self.folder / PARTS_FOLDER / NEW_FOLDER, ignore_errors=True)
        for path in (self.folder / PARTS_FOLDER).glob("part-*.h5"):
            if not path.with_suffix(".json").exists():
                path.unlink()

    def _written_parts(self) -> list[Part]:
        """Read all lists, outdated sources included, by number."""
        while True:
            paths = self._lists()
            try:
                return [_read_part(path) for path in paths]
            except ArchiveError:
                if self._lists() == paths:  # else a writer took a list away while the others were read
                    raise

    def _lists(self) -> list[Path]:
        return sorted((self.folder / PARTS_FOLDER).glob("part-*.json"))


def _read_part(path: Path) -> Part:
    values = _read_json(path, "index anew")
    try:
        return Part(int(path.stem.removeprefix("part-")), _SOURCES.validate_python(values["sources"]))
    except ValidationError as error:
        first = error.errors()[0]
        problem = f"sources.{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise ArchiveError(path, f"is damaged ({problem}); remove it and index again") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ArchiveError(path, f"is damaged ({error!r}); remove it and index again") from error


def _read_json(path: Path, remedy: str) -> dict[str, Any]:
    if not path.is_file():  # a device would be read for ever
        raise ArchiveError(path, f"there is no such file; {remedy}")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ArchiveError(path, f"cannot be read ({error}); {remedy}") from error
    if not isinstance(values, dict):
        raise ArchiveError(path, f"is damaged; {remedy}")
    return values


def _write_json(path: Path, values: dict[str, Any]) -> None:
    """Write a file; only for the holder of the index's lock."""
    text = json.dumps(values, indent=1, ensure_ascii=False) + os.linesep
    with atomic_file(path) as file:  # bytes of a path that are not UTF-8 become JSON's own escapes, which are read back
        file.write(text.encode("utf-8", "backslashreplace"))
