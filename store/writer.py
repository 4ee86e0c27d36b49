"""Writing stores: parts, a master joined from parts, appending. No file is ever changed in place.

Everything is written under a temporary name, read back, and renamed. The same rows and provenance give the same
bytes, whether written at once, joined from parts or appended.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from store.atomic import ForgivingFile, replacing
from store.duplicates import overlapping, refuse_repeated
from store.errors import DamagedStoreError, LayoutError, RowsError, StoreError
from store.format import Provenance, Rows, created_by
from store.layout import (
    COLUMNS,
    CONTENT_ATTRIBUTE,
    DIGEST_ATTRIBUTE,
    FORMAT_NAME,
    FORMAT_VERSION,
    Digest,
    Layout,
    RowSource,
    content_digest,
)
from store.opening import DAMAGED_REMEDY
from store.reader import EmbeddingStore
from store.verify import altered


@dataclass(frozen=True)
class _Part:
    """A part file that is open only while it is read: there may be more parts than a process may open files."""

    store: EmbeddingStore
    layout: Layout
    first_key: str
    last_key: str

    def blocks(self, name: str) -> Iterator[np.ndarray]:
        """Yield the data set block by block, then hold it against its checksum."""
        digest = Digest()
        with self.store:
            for block in self.store.blocks(name):
                digest.update(block)
                yield block
            if digest.hexdigest() != self.store.recorded_digest(name):
                raise DamagedStoreError(self.store.path, f"/{name} does not match its checksum", DAMAGED_REMEDY)


def write_part(path: Path | str, rows: Rows, provenance: Provenance) -> None:
    """Write rows as one store; it appears under `path` whole or not at all, replacing what was there.

    Raises:
        DuplicateRowsError: two rows have the same key and start.
        BusyError, WriteError: another process writes this path, or the disk refuses.
    """
    refuse_repeated(Path(path), [rows])
    with replacing(Path(path)) as temporary:
        _write(temporary, rows.layout, provenance, [rows])


def part_is_complete(path: Path | str, provenance: Provenance) -> bool:
    """Tell whether this is a whole, undamaged store of this provenance; a resumed run writes it again if not."""
    try:
        with EmbeddingStore(path) as store:
            return store.provenance == provenance and not altered(store)
    except StoreError:
        return False


def join_parts(parts: Sequence[Path | str], out: Path | str) -> None:
    """Join parts into one store, a few MiB at a time.

    Parts are put in the order of their first key, so the result does not depend on the order they are given in.

    Raises:
        ProvenanceError: a part comes from another encoder or shard set than the first.
        LayoutError: a part holds other vectors than the first, or there are no parts.
        DuplicateRowsError: a clip is in two parts.
        BusyError, WriteError: another process writes `out`, or the disk refuses.
    """
    out = Path(out)
    if not parts:
        raise LayoutError(out, "there are no parts to join", "give at least one")
    pieces = sorted((_part(Path(each)) for each in parts), key=lambda part: (part.first_key, str(part.store.path)))
    provenance = pieces[0].store.provenance
    for piece in pieces:
        with piece.store:
            piece.store.expect(**provenance.__dict__)
    layout = _joint_layout(pieces)
    refuse_repeated(out, overlapping(pieces))
    with replacing(out) as temporary:
        _write(temporary, layout, provenance, pieces)


def append(path: Path | str, rows: Rows, provenance: Provenance) -> None:
    """Add rows at the end of a store, which is made if it is missing.

    The file is copied, added to and put in its place, so a crash leaves it as it was. Each call costs a copy: for many
    small additions write parts and join them once.

    Raises:
        ProvenanceError, LayoutError, DuplicateRowsError: the rows do not belong to what is there.
        BusyError, WriteError: another process writes `path`, or the disk refuses.
    """
    path = Path(path)
    with replacing(path) as temporary:
        if not path.exists():
            refuse_repeated(path, [rows])
            _write(temporary, rows.layout, provenance, [rows])
            return
        part = _part(path)
        part.store.expect(**provenance.__dict__)
        pieces: list[RowSource] = [part, rows]
        layout = _joint_layout(pieces)
        refuse_repeated(path, pieces)
        _write(temporary, layout, provenance, pieces)


def _part(path: Path) -> _Part:
    with EmbeddingStore(path) as store:
        keys = [key for block in store.blocks("key") if len(block) for key in (min(block), max(block))]
        return _Part(store, store.layout, min(keys, default=""), max(keys, default=""))


def _joint_layout(pieces: Sequence[RowSource]) -> Layout:
    first = pieces[0].layout
    for piece in pieces[1:]:
        if piece.layout.vectors != first.vectors:
            path = piece.store.path if isinstance(piece, _Part) else None
            problem = f"holds {piece.layout}, the others hold {first}"
            raise LayoutError(path, problem, "embed all of them with the same settings")
    return Layout(sum(piece.layout.n_rows for piece in pieces), first.vectors)


def _write(path: Path, layout: Layout, provenance: Provenance, pieces: Sequence[RowSource]) -> None:
    """Write the file and read it back."""
    with ForgivingFile(path) as target:
        # v110: readable by every HDF5 since 1.10 (2016), and its metadata carries checksums.
        with h5py.File(target, "w", libver=("v110", "v110")) as file:
            _fill(file, layout, provenance, pieces, target)
        target.check()
    with EmbeddingStore(path) as store:
        damaged = altered(store)
    if damaged:
        raise DamagedStoreError(path, f"/{damaged[0]} does not read back as written", "check the disk")


def _fill(
    file: h5py.File, layout: Layout, provenance: Provenance, pieces: Sequence[RowSource], target: ForgivingFile
) -> None:
    attributes = provenance.attributes()
    file.attrs["format"] = FORMAT_NAME
    file.attrs["format_version"] = FORMAT_VERSION
    file.attrs["n_rows"] = layout.n_rows
    file.attrs["created_by"] = created_by()
    for name, text in attributes.items():
        file.attrs[name] = text
    digests = dict(attributes)
    for name in layout.names():
        dataset = _create(file, layout, name)
        digest, row = Digest(), 0
        for block in _aligned(pieces, name, layout.block_rows(name)):
            dataset[row : row + len(block)] = block
            digest.update(block)
            row += len(block)
            target.check()
        if row != layout.n_rows:
            raise RowsError(None, f"/{name}: {row} rows came, {layout.n_rows} were announced", "write again")
        digests[name] = dataset.attrs[DIGEST_ATTRIBUTE] = digest.hexdigest()
    file.attrs[CONTENT_ATTRIBUTE] = content_digest(digests.items())


def _create(file: h5py.File, layout: Layout, name: str) -> h5py.Dataset:
    """Create one data set: chunked, without times, vectors with HDF5's own checksum on every chunk."""
    n_rows, chunk = layout.n_rows, layout.chunk_rows(name)
    if name in layout.vectors:
        n_dims, dtype = layout.vectors[name]
        stored = {"chunks": (chunk, n_dims), "fletcher32": True} if n_rows else {}
        return file.create_dataset(name, (n_rows, n_dims), dtype, track_times=False, **stored)
    kind = h5py.string_dtype("utf-8") if COLUMNS[name] == "str" else np.dtype(COLUMNS[name])
    return file.create_dataset(name, (n_rows,), kind, track_times=False, chunks=(chunk,) if n_rows else None)


def _aligned(pieces: Sequence[RowSource], name: str, block_rows: int) -> Iterator[np.ndarray]:
    """Yield the rows of all pieces in blocks of this many, so that bytes do not depend on where the pieces end."""
    held: list[np.ndarray] = []
    n_held = 0
    for block in (block for piece in pieces for block in piece.blocks(name)):
        rest = block
        while n_held + len(rest) >= block_rows:
            taken = block_rows - n_held
            yield np.concatenate([*held, rest[:taken]]) if held else rest[:taken]
            held, n_held, rest = [], 0, rest[taken:]
        if len(rest):
            held, n_held = [*held, rest], n_held + len(rest)
    if held:
        yield np.concatenate(held)
