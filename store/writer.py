"""Writing stores: parts, a master joined from parts, appending. No file is ever changed in place.

Everything is written under a temporary name and renamed. The same rows and provenance give the same
bytes, whether written at once, joined from parts or appended.
"""

from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np

from store.atomic_files import replacing
from store.attributes import write_text
from store.duplicates import overlapping, refuse_repeated
from store.errors import LayoutError, RowsError, StoreError
from store.fill_dataset import fill
from store.forgiving_file import ForgivingFile
from store.format import Provenance, Rows, created_by
from store.layout import (
    COLUMNS,
    CONTENT_ATTRIBUTE,
    DIGEST_ATTRIBUTE,
    FORMAT_NAME,
    FORMAT_VERSION,
    TEXT_COLUMNS,
    Layout,
    content_digest,
)
from store.reader import EmbeddingStore
from store.row_sources import GivenRows, Piece, StoredRows
from store.verify import altered


def write_part(path: Path | str, rows: Rows, provenance: Provenance) -> None:
    """Write rows as one store; it appears under `path` whole or not at all, replacing what was there.

    Raises:
        DuplicateRowsError: two rows have the same key and start.
        BusyError, WriteError: another process writes this path, or the disk refuses.
    """
    given = GivenRows(rows)
    refuse_repeated(Path(path), [given])
    with replacing(Path(path)) as temporary:
        _write(temporary, provenance, [given])


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
    pieces = [_looked_at(Path(each)) for each in parts]
    pieces.sort(key=lambda piece: (piece.key_range[0], str(piece.store.path)))
    provenance = pieces[0].store.provenance
    for piece in pieces:
        piece.store.expect(**provenance.__dict__)
        piece.close()
    _refuse_other_vectors(pieces)
    refuse_repeated(out, overlapping(pieces))
    with replacing(out) as temporary:
        _write(temporary, provenance, pieces)


def _looked_at(path: Path) -> StoredRows:
    """Return a part of known keys that is not open."""
    part = StoredRows(path)
    part.key_range  # noqa: B018 - kept by the part
    part.close()
    return part


def append(path: Path | str, rows: Rows, provenance: Provenance) -> None:
    """Add rows at the end of a store, which is made if it is missing.

    The file is copied, added to and put in its place, so a crash leaves it as it was. Each call costs a copy: for many
    small additions write parts and join them once.

    Raises:
        ProvenanceError, LayoutError, DuplicateRowsError: the rows do not belong to what is there.
        BusyError, WriteError: another process writes `path`, or the disk refuses.
    """
    path, given = Path(path), GivenRows(rows)
    with replacing(path) as temporary:
        pieces: list[Piece] = [given]
        if path.exists():
            held = StoredRows(path)
            held.store.expect(**provenance.__dict__)
            pieces = [held, given]
            _refuse_other_vectors(pieces)
        refuse_repeated(path, pieces)
        _write(temporary, provenance, pieces)


def _refuse_other_vectors(pieces: Sequence[Piece]) -> None:
    first = pieces[0].layout
    for piece in pieces[1:]:
        if piece.layout.vectors != first.vectors:
            path = piece.store.path if isinstance(piece, StoredRows) else None
            problem = f"holds {piece.layout}, the others hold {first}"
            raise LayoutError(path, problem, "embed all of them with the same settings")


def _write(path: Path, provenance: Provenance, pieces: Sequence[Piece]) -> None:
    try:
        with ForgivingFile(path) as target, ThreadPoolExecutor(1) as hashing:
            # v110: readable by every HDF5 since 1.10 (2016), and its metadata carries checksums. Without a cache of
            # chunks they lie in the file in the order in which they come, however many come at once.
            with h5py.File(target, "w", libver=("v110", "v110"), rdcc_nbytes=0) as file:
                _fill(file, provenance, pieces, target, hashing)
            target.check()
    finally:
        pieces[0].close()


def _fill(
    file: h5py.File, provenance: Provenance, pieces: Sequence[Piece], target: ForgivingFile, hashing: Executor
) -> None:
    layout = _joint_layout(pieces)
    attributes = provenance.attributes()
    write_text(file, "format", FORMAT_NAME)
    file.attrs["format_version"] = FORMAT_VERSION
    file.attrs["n_rows"] = layout.n_rows
    for name, text in {"created_by": created_by(), **attributes}.items():
        write_text(file, name, text)
    digests = dict(attributes)
    for name in layout.names():
        dataset = _create(file, layout, name)
        n_rows, digest = fill(dataset, layout, pieces, target, hashing)
        if n_rows != layout.n_rows:
            raise RowsError(None, f"/{name}: {n_rows} rows came, {layout.n_rows} were announced", "write again")
        write_text(dataset, DIGEST_ATTRIBUTE, digest)
        digests[name] = digest
    write_text(file, CONTENT_ATTRIBUTE, content_digest(digests.items()))


def _joint_layout(pieces: Sequence[Piece]) -> Layout:
    layouts = [piece.layout for piece in pieces]
    text_bytes = {name: max(each.text_bytes[name] for each in layouts) for name in TEXT_COLUMNS}
    return Layout(sum(each.n_rows for each in layouts), layouts[0].vectors, text_bytes)


def _create(file: h5py.File, layout: Layout, name: str) -> h5py.Dataset:
    """Create one data set: chunked, without times, with HDF5's own checksum on every chunk."""
    shape, kind = _type(layout, name)
    stored = {"chunks": (layout.chunk_rows(name), *shape[1:]), "fletcher32": True} if layout.n_rows else {}
    return file.create_dataset(name, shape, kind, track_times=False, **stored)


def _type(layout: Layout, name: str) -> tuple[tuple[int, ...], np.dtype]:
    """Return shape and type of a data set."""
    if name in layout.vectors:
        n_dims, dtype = layout.vectors[name]
        return (layout.n_rows, n_dims), np.dtype(dtype)
    text = name in layout.text_bytes
    kind = h5py.string_dtype("utf-8", layout.text_bytes[name]) if text else np.dtype(COLUMNS[name])
    return (layout.n_rows,), kind
