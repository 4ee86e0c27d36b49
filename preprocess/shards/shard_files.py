"""The tar files of a data set: the same samples always give the same bytes, and no archive is ever half written.

A shard is a plain ustar archive. Its members have a fixed order, and all times and owners are zero. It is written under a
temporary name, flushed to disk, read back, and only then renamed. DALI's index (`.idx`) lies beside it.
"""

import contextlib
import hashlib
import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np

from preprocess.errors import ShardError, disk_errors
from preprocess.schema import FRAMES_MEMBER, JSON_MEMBER, LOGMEL_MEMBER, META_MEMBER, Media
from store.atomic_files import atomic_file, temporary_path

INDEX_VERSION = "v1.2"
"""Version of DALI's index format; the first line holds it and the number of samples."""

BLOCK_BYTES = 512
RECORD_BYTES = 20 * BLOCK_BYTES
"""Archives are padded to whole records, as tar itself does it."""


def shard_name(shard: int) -> str:
    """Name of a shard without its suffix: `shard-000012`."""
    return f"shard-{shard:06d}"


def sample_key(source_index: int, segment_number: int) -> str:
    """Key of a sample: `00000012-00003`. It does not depend on the number of sources a shard."""
    return f"{source_index:08d}-{segment_number:05d}"


def member_order(media: Media) -> tuple[str, ...]:
    """Names of a sample's members in the order of the archive."""
    rest = (LOGMEL_MEMBER, META_MEMBER, JSON_MEMBER)
    return rest if media == "audio" else (FRAMES_MEMBER, *rest)


@dataclass(frozen=True)
class Member:
    """One file of a sample inside an archive: `n_bytes` of data from `offset`."""

    suffix: str
    offset: int
    n_bytes: int


@dataclass(frozen=True)
class Sample:
    """A key and the places of its members."""

    key: str
    members: tuple[Member, ...]


@dataclass(frozen=True)
class ShardInfo:
    """A finished archive; the checksum is over the whole file.

    Raises:
        ValueError: the name leads to another folder.
    """

    name: str
    n_segments: int
    n_bytes: int
    sha256: str

    def __post_init__(self) -> None:
        if "/" in self.name:
            raise ValueError(f"an archive outside of its folder: {self.name!r}")


def array_bytes(array: np.ndarray) -> bytes:
    """Serialise an array as an .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def file_sha256(path: Path) -> str:
    """Checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class ShardWriter:
    """Writes one archive; a context manager that leaves nothing behind unless `commit` was called.

    `rollback` removes the samples of a source that fails half way, so no sample waits in memory.

    Args:
        path: of the finished archive, ending in `.tar`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._temporary = temporary_path(path)
        self._samples: list[Sample] = []
        with disk_errors(path):
            self._file = self._temporary.open("w+b")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # a full disk was reported by the write that failed first
            self._file.close()
        self._temporary.unlink(missing_ok=True)

    @property
    def n_samples(self) -> int:
        """Samples written so far; also the argument that makes `rollback` return to this state."""
        return len(self._samples)

    def add(self, key: str, members: Mapping[str, bytes]) -> None:
        """Append one sample, its members in the order given.

        Raises:
            DiskFullError: there is no space left.
        """
        placed = []
        with disk_errors(self.path):
            for suffix, data in members.items():
                entry = tarfile.TarInfo(f"{key}.{suffix}")  # times and owners are zero by default
                entry.size = len(data)
                entry.mode = 0o644
                self._file.write(entry.tobuf(tarfile.USTAR_FORMAT))
                placed.append(Member(suffix, self._file.tell(), len(data)))
                self._file.write(data)
                self._file.write(bytes(-len(data) % BLOCK_BYTES))
        self._samples.append(Sample(key, tuple(placed)))

    def rollback(self, n_samples: int) -> None:
        """Remove samples from the end until `n_samples` are left."""
        if n_samples < len(self._samples):
            first = self._samples[n_samples].members[0]
            del self._samples[n_samples:]
            with disk_errors(self.path):
                self._file.seek(first.offset - BLOCK_BYTES)
                self._file.truncate()

    def commit(self) -> ShardInfo:
        """Finish the archive and its index, read both back from disk, and rename them.

        Raises:
            DiskFullError: there is no space left.
            ShardError: the disk returns something else than was written.
        """
        with disk_errors(self.path):
            end = self._file.tell() + 2 * BLOCK_BYTES
            self._file.write(bytes(2 * BLOCK_BYTES + -end % RECORD_BYTES))
            self._file.flush()
            os.fsync(self._file.fileno())
            if list(read_samples(self._file, self.path)) != self._samples:
                raise ShardError(self.path, "was not read back as it was written: check the disk, then run again")
            self._file.seek(0)
            digest = hashlib.file_digest(self._file, "sha256").hexdigest()
            n_bytes = self._file.seek(0, os.SEEK_END)
            self._file.close()
            self._temporary.replace(self.path)
        with atomic_file(self.path.with_suffix(".idx"), disk_errors) as file:
            file.write(index_text(self._samples).encode())
        return ShardInfo(self.path.name, len(self._samples), n_bytes, digest)


def read_samples(file: BinaryIO, path: Path) -> Iterator[Sample]:
    """List an archive's samples from its headers; members of one key that are not adjacent form two samples.

    This is stricter than tar itself, which takes a damaged header for the end of the archive.

    Raises:
        ShardError: the archive is cut short or damaged, or holds anything but plain files named KEY.SUFFIX.
    """
    n_bytes = file.seek(0, os.SEEK_END)
    key, members, offset = "", list[Member](), 0
    while (entry := _read_header(file, offset, path)) is not None:
        name, _, suffix = entry.name.partition(".")
        if entry.type != tarfile.REGTYPE or not name or not suffix or "/" in entry.name:
            raise ShardError(path, f"holds {entry.name!r} at byte {offset}, which is not a member of a sample")
        if members and name != key:
            yield Sample(key, tuple(members))
            members = []
        key = name
        members.append(Member(suffix, offset + BLOCK_BYTES, entry.size))
        offset += BLOCK_BYTES + entry.size + -entry.size % BLOCK_BYTES
        if offset > n_bytes:
            raise ShardError(path, f"is cut short: {entry.name} should end at byte {offset}, the file has {n_bytes}")
    if members:
        yield Sample(key, tuple(members))


def _read_header(file: BinaryIO, offset: int, path: Path) -> tarfile.TarInfo | None:
    """Header at `offset`, or None at the end of the archive: zeros up to a whole record."""
    file.seek(offset)
    block = file.read(BLOCK_BYTES)
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        rest = block + file.read(2 * RECORD_BYTES)
        n_rest = len(rest)
        whole = 2 * BLOCK_BYTES <= n_rest < 2 * BLOCK_BYTES + RECORD_BYTES and (offset + n_rest) % RECORD_BYTES == 0
        if whole and not any(rest):
            return None
        raise ShardError(path, f"is damaged or cut short at byte {offset}: {error}") from error


def index_text(samples: list[Sample]) -> str:
    """DALI's index: a line a sample, four fields a member (suffix, offset, size, name)."""
    lines = [f"{INDEX_VERSION} {len(samples)}"]
    lines += (" ".join(f"{m.suffix} {m.offset} {m.n_bytes} {s.key}.{m.suffix}" for m in s.members) for s in samples)
    return "\n".join(lines) + "\n"
