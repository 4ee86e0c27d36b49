"""Writing stores: parts, and a master joined from parts. No file is ever changed in place.

Every store is written under a temporary name and renamed. The same rows and provenance give the same bytes, whether
they are written at once or joined from parts.
"""

import hashlib
import io
import itertools
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from store.atomic_files import replacing
from store.errors import DamagedStoreError, DuplicateRowsError, LayoutError, StoreError
from store.format import Provenance, Rows, canonical_json
from store.layout import FORMAT_NAME, FORMAT_VERSION, TEXT_COLUMNS, Layout, content_digest, digest_bytes
from store.reader import EmbeddingStore
from store.verify import altered

Piece = Rows | EmbeddingStore
"""Consecutive rows of a store that is written. A store is closed after each use: a process may open only so many files."""


def write_part(path: Path | str, rows: Rows, provenance: Provenance) -> None:
    """Write rows as one store; it appears under `path` whole or not at all, replacing what was there.

    Raises:
        DuplicateRowsError: two rows have the same key, start and end.
        BusyError, WriteError: another process writes this path, or the disk refuses.
    """
    _refuse_repeated(Path(path), [rows])
    with replacing(Path(path)) as temporary:
        _write(temporary, provenance, [rows])


def part_is_complete(path: Path | str, provenance: Provenance) -> bool:
    """Tell whether this is a whole, undamaged store of this provenance; a resumed run writes it again if not."""
    try:
        with EmbeddingStore(path) as store:
            return store.provenance == provenance and not altered(store)
    except StoreError:
        return False


def join_parts(parts: Sequence[Path | str], out: Path | str) -> None:
    """Join parts into one store, a few MiB at a time; `out` may be one of them, to which the others are added.

    Parts are put in the order of their least key, so the result does not depend on the order in which they are given.
    A crash leaves `out` as it was.

    Raises:
        ProvenanceError: a part comes from another encoder or shard set than the first.
        LayoutError: a part holds other vectors than the first, or there are no parts.
        DuplicateRowsError: a clip is in two parts.
        BusyError, WriteError: another process writes `out`, or the disk refuses.
    """
    out = Path(out)
    if not parts:
        raise LayoutError(out, "there are no parts to join", "give at least one")
    ranges = sorted((*_key_range(Path(each)), Path(each)) for each in parts)
    pieces = [EmbeddingStore(path) for _, _, path in ranges]
    provenance, layout = pieces[0].provenance, pieces[0].layout
    for piece in pieces:
        piece.expect(**provenance.__dict__)
        if piece.layout.vectors != layout.vectors:
            problem = f"holds {piece.layout}, the others hold {layout}"
            raise LayoutError(piece.path, problem, "embed all of them with the same settings")
        piece.close()
    if any(last >= first for (_, last, _), (first, _, _) in itertools.pairwise(ranges)):
        _refuse_repeated(out, pieces)
    with replacing(out) as temporary:
        _write(temporary, provenance, pieces)


def write_text(owner: h5py.Group | h5py.Dataset, name: str, text: str) -> None:
    """Write a text without NUL as an attribute of fixed length, which needs no global heap."""
    data = text.encode()
    owner.attrs.create(name, data, dtype=h5py.string_dtype("utf-8", max(len(data), 1)))


def _key_range(path: Path) -> tuple[bytes, bytes]:
    """Return the least and the greatest key of a store; empty without rows."""
    with EmbeddingStore(path) as store:
        ends = [end(block.tolist()) for block in store.blocks("key", as_stored=True) for end in (min, max)]
    return min(ends, default=b""), max(ends, default=b"")


def _refuse_repeated(path: Path, pieces: Sequence[Piece]) -> None:
    """Check that all rows are different clips; 8 bytes of memory a row.

    Raises:
        DuplicateRowsError: two rows have the same key, start and end; names the key.
    """
    hashes = np.fromiter((hash(clip) for piece in pieces for clip in _clips(piece)), np.int64)
    ordered = np.sort(hashes)
    if (ordered[1:] == ordered[:-1]).any():
        _, first, counts = np.unique(hashes, return_index=True, return_counts=True)
        clips = (clip for piece in pieces for clip in _clips(piece))
        key, *_ = next(itertools.islice(clips, first[counts > 1].min(), None))
        problem = f"clip {key.decode()!r} would be in it twice"
        raise DuplicateRowsError(path, problem, "leave out the rows that are there")


def _clips(piece: Piece) -> Iterator[tuple[bytes, float, float]]:
    """Yield key, start and end of every row, which together name a clip: of two speeds only the ends differ."""
    keys, starts, ends = (
        itertools.chain.from_iterable(block.tolist() for block in piece.blocks(name, as_stored=True))
        for name in ("key", "start_seconds", "end_seconds")
    )
    yield from zip(keys, starts, ends, strict=True)
    if isinstance(piece, EmbeddingStore):
        piece.close()


class _ForgivingFile(io.FileIO):
    """A file that keeps the first error and drops all later writes, until `check` raises the error.

    HDF5 cannot close a file whose writes fail: it keeps the objects open and crashes the interpreter at exit
    (segmentation fault measured with HDF5 2.0 on a full disk). With this file HDF5 closes in peace.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+b")
        self._error: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write all of it, or, after a failure, nothing."""
        rest = view = memoryview(data).cast("B")
        try:
            while self._error is None and rest:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self._error = error
        return len(view)

    def readinto(self, buffer: Any, /) -> int:
        """Fill the buffer; bytes that were never written read as zeros."""
        view = memoryview(buffer).cast("B")
        count = super().readinto(view) or 0
        view[count:] = bytes(len(view) - count)
        return len(view)

    def truncate(self, size: int | None = None, /) -> int:
        """Set the length."""
        try:
            return super().truncate(size) if self._error is None else size or 0
        except OSError as error:
            self._error = error
            return size or 0

    def check(self) -> None:
        """Raise the OSError that a write met, if one did."""
        if self._error is not None:
            raise self._error


def _write(path: Path, provenance: Provenance, pieces: Sequence[Piece]) -> None:
    layouts = [piece.layout for piece in pieces]
    text_bytes = {name: max(each.text_bytes[name] for each in layouts) for name in TEXT_COLUMNS}
    layout = Layout(sum(each.n_rows for each in layouts), layouts[0].vectors, text_bytes)
    digests = provenance.attributes()
    with _ForgivingFile(path) as target:
        # v110: readable by every HDF5 since 1.10 (2016), and its metadata carries checksums. Without a cache of
        # chunks they lie in the file in the order in which they come, however many come at once.
        with h5py.File(target, "w", libver=("v110", "v110"), rdcc_nbytes=0) as file:
            write_text(file, "format", FORMAT_NAME)
            file.attrs["format_version"] = FORMAT_VERSION
            file.attrs["n_rows"] = layout.n_rows
            libraries = {"numpy": np.__version__, "h5py": h5py.__version__, "hdf5": h5py.version.hdf5_version}
            write_text(file, "created_by", canonical_json({"python": platform.python_version(), **libraries}))
            for name, text in digests.items():
                write_text(file, name, text)
            for name in layout.names():
                dataset = _create(file, layout, name)
                digests[name] = _fill(dataset, layout, pieces, target)
                write_text(dataset, "sha256", digests[name])
            write_text(file, "content_sha256", content_digest(digests.items()))
        target.check()


def _create(file: h5py.File, layout: Layout, name: str) -> h5py.Dataset:
    """Create one data set: chunked, without times, with HDF5's own checksum on every chunk."""
    shape, kind = layout.shape(name), layout.dtype(name)
    if kind.kind == "S":
        kind = h5py.string_dtype("utf-8", kind.itemsize)
    stored = {"chunks": (layout.chunk_rows(name), *shape[1:]), "fletcher32": True} if layout.n_rows else {}
    return file.create_dataset(name, shape, kind, track_times=False, **stored)


def _fill(dataset: h5py.Dataset, layout: Layout, pieces: Sequence[Piece], target: _ForgivingFile) -> str:
    """Write all rows of a data set and return their digest.

    Raises:
        DamagedStoreError: a piece does not match its checksum.
        OSError: the disk is full or refuses.
    """
    name, digest, row = dataset.name[1:], hashlib.sha256(), 0
    for block in _whole_chunks(_checked(pieces, name, digest), layout.chunk_rows(name)):
        # A text column is as wide as its longest text in all pieces.
        dataset[row : row + len(block)] = block.astype(dataset.dtype) if block.dtype.kind == "S" else block
        row += len(block)
        target.check()
    return digest.hexdigest()


def _checked(pieces: Sequence[Piece], name: str, digest: "hashlib._Hash") -> Iterator[np.ndarray]:
    """Yield all rows of a data set and digest them; the rows of a store are verified against its own checksum."""
    for number, piece in enumerate(pieces):
        own = hashlib.sha256() if number > 0 else digest  # at the end of the first piece the two are the same
        for block in piece.blocks(name, as_stored=True):
            for each in {digest, own}:
                each.update(digest_bytes(block))
            yield block
        if isinstance(piece, EmbeddingStore):
            if own.hexdigest() != piece.header.digests[name]:
                raise DamagedStoreError(piece.path, f"/{name} does not match its checksum")
            piece.close()


def _whole_chunks(blocks: Iterator[np.ndarray], chunk_rows: int) -> Iterator[np.ndarray]:
    """Yield the rows in whole chunks, so that bytes do not depend on where the pieces end."""
    rest: np.ndarray | None = None
    for block in blocks:
        rows = block if rest is None else np.concatenate([rest, block])
        whole = len(rows) - len(rows) % chunk_rows
        if whole:
            yield rows[:whole]
        rest = rows[whole:] if whole < len(rows) else None
    if rest is not None:
        yield rest
