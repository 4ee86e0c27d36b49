"""What a store holds: names, types, chunks, text encoding and checksums of its data sets.

The written specification is docs/reference/store-format.md; this file is its single statement in code.
"""

import hashlib
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from store.errors import RowsError

FORMAT_NAME = "avtempo-embeddings"
FORMAT_VERSION = 3

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
TEXT_COLUMNS = tuple(name for name, kind in COLUMNS.items() if kind == "str")

VECTOR_NAME = re.compile(r"(video|audio)/[a-z][a-z0-9_]*")
VECTOR_DTYPES = ("<f4", "<f2")

CHUNK_BYTES = 256 * 1024
"""Size of a chunk: one read for a few hundred vectors, and 4 chunks fit into the smallest HDF5 chunk cache."""
BLOCK_BYTES = 8 * 1024 * 1024
"""Memory that a streaming loop takes for one data set at a time."""


def modality(vector_name: str) -> str:
    """Return "video" or "audio" for a vector name such as "video/features".

    Raises:
        RowsError: the name is not of that form.
    """
    if not VECTOR_NAME.fullmatch(vector_name):
        problem = f"{vector_name!r} is not a valid name for vectors"
        raise RowsError(None, problem, "use video/NAME or audio/NAME, in small letters")
    return vector_name.partition("/")[0]


@dataclass(frozen=True)
class Layout:
    """Length and types of a store, without the data; its text form shows the shapes of the vectors."""

    n_rows: int  # of every data set
    vectors: dict[str, tuple[int, str]]  # name -> (dimensions, dtype), sorted by name
    text_bytes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TEXT_COLUMNS, 1))  # of the longest text

    def __str__(self) -> str:
        shapes = [f"/{name} ({self.n_rows}, {n_dims}) {dtype}" for name, (n_dims, dtype) in self.vectors.items()]
        return ", ".join(shapes) or f"{self.n_rows} rows without vectors"

    def names(self) -> tuple[str, ...]:
        """Return the name of every data set, in the order in which they are written and digested."""
        return (*COLUMNS, *self.vectors)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return (n,) of a column, (n, d) of vectors."""
        return (self.n_rows, self.vectors[name][0]) if name in self.vectors else (self.n_rows,)

    def dtype(self, name: str) -> np.dtype:
        """Return the type in the file; `S` for texts."""
        if name in self.vectors:
            return np.dtype(self.vectors[name][1])
        return np.dtype(f"S{self.text_bytes[name]}" if name in self.text_bytes else COLUMNS[name])

    def chunk_rows(self, name: str) -> int:
        """Rows of a chunk: the largest power of two that fits into CHUNK_BYTES, at least 1, at most all rows."""
        rows = max(1, CHUNK_BYTES // self._row_bytes(name))
        return max(1, min(1 << (rows.bit_length() - 1), self.n_rows))

    def block_rows(self, name: str) -> int:
        """Rows that a streaming loop takes at once: whole chunks, about BLOCK_BYTES of memory."""
        chunk = self.chunk_rows(name)
        return chunk * max(1, BLOCK_BYTES // (chunk * self._row_bytes(name)))

    def _row_bytes(self, name: str) -> int:
        return self.dtype(name).itemsize * math.prod(self.shape(name)[1:])

    def blocks(self, name: str) -> Iterator[slice]:
        """Row slices that cover the data set once, in order."""
        step = self.block_rows(name)
        return (slice(start, min(start + step, self.n_rows)) for start in range(0, self.n_rows, step))


def encode_texts(texts: Sequence[str] | np.ndarray) -> np.ndarray:
    """Return texts without NUL as they lie in a store: UTF-8, `S` (n,), as wide as the longest text, at least 1 byte.

    A text column is one array, which is written and checked like numbers and cannot claim more memory than the file has.
    """
    joined = "\0".join(texts).encode()  # one call instead of n: several times as fast
    return np.array(joined.split(b"\0") if len(texts) else [], dtype=np.bytes_)


def decode_texts(stored: np.ndarray) -> np.ndarray:
    """Return the texts, objects (n,).

    Raises:
        UnicodeDecodeError: bytes that are not UTF-8.
    """
    return np.array([text.decode() for text in stored.tolist()], dtype=object)


def digest_bytes(block: np.ndarray) -> bytes | memoryview:
    """Return what the sha256 of a data set counts, for rows as they are stored.

    Numbers count as their little-endian C-order bytes, a bool as one byte, a string as its UTF-8 bytes and a NUL.
    """
    return b"\0".join([*block.tolist(), b""]) if block.dtype.kind == "S" else np.ascontiguousarray(block).data


def content_digest(digests: Iterable[tuple[str, str]]) -> str:
    """Return one digest for a whole store from (name, digest) of its data sets."""
    return hashlib.sha256("".join(f"{name} {digest}\n" for name, digest in digests).encode()).hexdigest()
