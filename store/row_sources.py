"""What a store is written from: rows in memory, and stores that are joined or appended to."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Protocol

import h5py
import numpy as np

from store.errors import DamagedStoreError
from store.format import Rows
from store.layout import COLUMNS, TEXT_COLUMNS, Layout
from store.opening import DAMAGED_REMEDY, reading
from store.reader import EmbeddingStore
from store.texts import encode

CHECKSUM_BYTES = 4
"""Of HDF5's fletcher32, at the end of a chunk."""
_COPIED_BYTES = 4 * 1024 * 1024
"""Of chunks that are copied at once."""


class Piece(Protocol):
    """Consecutive rows that can be gone through more than once, and may be after `close` too."""

    @property
    def layout(self) -> Layout:
        """Length and types."""
        ...

    def blocks(self, name: str, first: int = 0) -> Iterator[np.ndarray]:
        """Yield a column or vectors from this row on, as they are stored."""
        ...

    def close(self) -> None:
        """Give back an open file until it is needed again: there may be more parts than a process may open files."""
        ...


class GivenRows:
    """Rows in memory, their texts encoded once."""

    def __init__(self, rows: Rows) -> None:
        texts = {name: encode(getattr(rows, name)) for name in TEXT_COLUMNS}
        self._stored = {name: getattr(rows, name) for name in COLUMNS} | texts | rows.vectors
        self.layout = Layout(
            len(rows),
            {name: (array.shape[1], array.dtype.str) for name, array in rows.vectors.items()},
            {name: array.dtype.itemsize for name, array in texts.items()},
        )

    def blocks(self, name: str, first: int = 0) -> Iterator[np.ndarray]:
        """Yield the rest in one block."""
        yield self._stored[name][first:]

    def close(self) -> None:
        """Nothing is open."""


class StoredRows:
    """The rows of a store, which is open from the first use to `close`."""

    def __init__(self, path: Path) -> None:
        self.store = EmbeddingStore(path)
        self.layout = self.store.layout

    @cached_property
    def key_range(self) -> tuple[bytes, bytes]:
        """Least and greatest key; empty without rows."""
        keys = [key for block in self.blocks("key") for key in (min(block.tolist()), max(block.tolist()))]
        return min(keys, default=b""), max(keys, default=b"")

    def blocks(self, name: str, first: int = 0) -> Iterator[np.ndarray]:
        """Yield the rows a few MiB at a time."""
        return (self.store.stored(name, rows) for rows in self.layout.blocks(name, first))

    def close(self) -> None:
        """Close the file."""
        self.store.close()

    def full_chunks(self, name: str, like: h5py.Dataset) -> Iterator[np.ndarray]:
        """Yield the leading chunks that another data set may hold as they lie here, HDF5's checksum included.

        There are none where the two differ in type, chunks or filters. They come as uint8 (m, bytes of a chunk), a few
        MiB that are valid until the next but one.

        Raises:
            DamagedStoreError: a chunk that is not of its size.
        """
        own = self.store.dataset(name)
        if (own.dtype, own.chunks, own.fletcher32) != (like.dtype, like.chunks, like.fletcher32) or not like.chunks:
            return
        chunk_rows = like.chunks[0]
        chunk_bytes = chunk_rows * self.layout.row_bytes(name) + CHECKSUM_BYTES
        buffers = np.empty((2, max(1, _COPIED_BYTES // chunk_bytes), chunk_bytes), np.uint8)
        n_chunks = self.layout.n_rows // chunk_rows
        for turn, start in enumerate(range(0, n_chunks, buffers.shape[1])):
            batch = buffers[turn % 2][: n_chunks - start]
            for number, chunk in enumerate(batch, start):
                with reading(self.store.path, name):
                    skipped, found = own.id.read_direct_chunk((number * chunk_rows, 0), out=chunk)
                if skipped or len(found) != chunk_bytes:
                    raise DamagedStoreError(self.store.path, f"/{name} has a chunk of another size", DAMAGED_REMEDY)
            yield batch

    def refuse_altered(self, name: str, digest: str) -> None:
        """Hold what was read against the checksum that was recorded.

        Raises:
            DamagedStoreError: they differ.
        """
        if digest != self.store.recorded_digest(name):
            raise DamagedStoreError(self.store.path, f"/{name} does not match its checksum", DAMAGED_REMEDY)
