"""What a store holds: names, types, chunks and checksums of its data sets.

The written specification is docs/store-format.md; this file is its single statement in code.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from store.errors import RowsError

FORMAT_NAME = "avtempo-embeddings"
FORMAT_VERSION = 1

COLUMNS: dict[str, str] = {
    "key": "str",
    "source": "str",
    "label": "<i8",
    "label_name": "str",
    "group": "str",
    "splits": "str",
    "start_seconds": "<f8",
    "end_seconds": "<f8",
    "has_video": "bool",
    "has_audio": "bool",
}
"""Name and type of the columns, in the order in which they are written."""

VECTOR_NAME = re.compile(r"(video|audio)/[a-z][a-z0-9_]*")
VECTOR_DTYPES = ("<f4", "<f2")
DIGEST_ATTRIBUTE = "sha256"
CONTENT_ATTRIBUTE = "content_sha256"

COLUMN_CHUNK_ROWS = 8192
CHUNK_BYTES = 256 * 1024
"""A vector chunk: one read for a few hundred rows, and 4 fit into the smallest HDF5 chunk cache."""
BLOCK_BYTES = 8 * 1024 * 1024
"""What a streaming loop holds of one data set at a time."""
TEXT_BYTES = 64
"""Memory that a short string is taken to cost when blocks of rows are planned."""


def modality(vector_name: str) -> str:
    """Return "video" or "audio" for a vector name such as "video/features".

    Raises:
        RowsError: the name is not of that form.
    """
    if not VECTOR_NAME.fullmatch(vector_name):
        raise RowsError(
            None, f"{vector_name!r} is no name for vectors", "use video/NAME or audio/NAME, in small letters"
        )
    return vector_name.partition("/")[0]


def vector_chunk_rows(n_dims: int, dtype: str) -> int:
    """Rows of a chunk of vectors: the largest power of two whose chunk is at most CHUNK_BYTES, at least 1."""
    rows = max(1, CHUNK_BYTES // (n_dims * np.dtype(dtype).itemsize))
    return 1 << (rows.bit_length() - 1)


@dataclass(frozen=True)
class Layout:
    """Length and vectors of a store, without the data; its text form shows the shapes.

    Attributes:
        n_rows: rows of every data set.
        vectors: name to (dimensions, dtype), sorted by name.
    """

    n_rows: int
    vectors: dict[str, tuple[int, str]]

    def __str__(self) -> str:
        shapes = [f"/{name} ({self.n_rows}, {n_dims}) {dtype}" for name, (n_dims, dtype) in self.vectors.items()]
        return ", ".join(shapes) or f"{self.n_rows} rows without vectors"

    def names(self) -> tuple[str, ...]:
        """Every data set in the order in which it is written and digested."""
        return (*COLUMNS, *self.vectors)

    def chunk_rows(self, name: str) -> int:
        """Rows of a chunk of this data set, never more than there are rows."""
        rows = vector_chunk_rows(*self.vectors[name]) if name in self.vectors else COLUMN_CHUNK_ROWS
        return max(1, min(rows, self.n_rows))

    def block_rows(self, name: str) -> int:
        """Rows that a streaming loop takes at once: whole chunks, about BLOCK_BYTES of memory."""
        if name in self.vectors:
            n_dims, dtype = self.vectors[name]
            row_bytes = n_dims * np.dtype(dtype).itemsize
        else:
            row_bytes = TEXT_BYTES
        chunk = self.chunk_rows(name)
        return chunk * max(1, BLOCK_BYTES // (chunk * row_bytes))

    def blocks(self, name: str) -> Iterator[slice]:
        """Row slices that cover the data set once, in order."""
        step = self.block_rows(name)
        return (slice(start, min(start + step, self.n_rows)) for start in range(0, self.n_rows, step))


class RowSource(Protocol):
    """Consecutive rows that can be gone through more than once: `Rows` in memory, or a store."""

    @property
    def layout(self) -> Layout:
        """Length and vectors."""
        ...

    def blocks(self, name: str) -> Iterator[np.ndarray]:
        """Yield a column or vectors in order."""
        ...


class Digest:
    """sha256 over a data set, row by row, whatever the blocks it is fed in.

    Numbers count as their little-endian C-order bytes, a bool as one byte, a string as its UTF-8 bytes and a NUL.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def update(self, block: np.ndarray) -> None:
        """Add the next rows."""
        if block.dtype == object:
            self._hash.update("".join(f"{value}\0" for value in block).encode())
        else:
            self._hash.update(np.ascontiguousarray(block).reshape(-1).view(np.uint8).data)

    def hexdigest(self) -> str:
        """Return the digest of all rows so far."""
        return self._hash.hexdigest()


def content_digest(digests: Iterable[tuple[str, str]]) -> str:
    """Return one digest for a whole store from (name, digest) of its data sets."""
    return hashlib.sha256("".join(f"{name} {digest}\n" for name, digest in digests).encode()).hexdigest()
