"""Finding clips that would stand in one store twice; a clip is known by its key and its start."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from store.errors import DuplicateRowsError
from store.layout import RowSource


class _Keyed(RowSource, Protocol):
    """Rows whose least and greatest key are known."""

    @property
    def first_key(self) -> str: ...

    @property
    def last_key(self) -> str: ...


_KeyedT = TypeVar("_KeyedT", bound=_Keyed)


def overlapping(parts: Sequence[_KeyedT]) -> list[_KeyedT]:
    """Return those parts whose range of keys meets another part's: only they can share a clip.

    Args:
        parts: in the order of their first key.
    """
    chosen: set[int] = set()
    widest: int | None = None  # of the parts so far, the one whose keys reach furthest
    for number, part in enumerate(parts):
        if part.layout.n_rows == 0:
            continue
        if widest is not None and part.first_key <= parts[widest].last_key:
            chosen |= {widest, number}
        if widest is None or part.last_key > parts[widest].last_key:
            widest = number
    return [parts[number] for number in sorted(chosen)]


def refuse_repeated(path: Path, pieces: Sequence[RowSource]) -> None:
    """Check that all rows are different clips; 8 bytes of memory a row.

    Raises:
        DuplicateRowsError: two rows have the same key and start; names the key.
    """
    every = np.concatenate([np.zeros(0, np.uint64), *(_row_hashes(piece) for piece in pieces)])
    _, first, counts = np.unique(every, return_index=True, return_counts=True)
    if (counts > 1).any():
        row = int(first[counts > 1].min())
        keys = (key for piece in pieces for block in piece.blocks("key") for key in block)
        key = next(key for number, key in enumerate(keys) if number == row)
        raise DuplicateRowsError(path, f"clip {key!r} would stand in it twice", "leave out the rows that are there")


def _row_hashes(piece: RowSource) -> np.ndarray:
    """Return uint64 (n,), equal for rows with equal key and start."""
    starts = np.concatenate([np.zeros(0), *piece.blocks("start_seconds")])
    keys = (key for block in piece.blocks("key") for key in block)
    hashes = (
        hashlib.blake2b(f"{start!r} {key}".encode(), digest_size=8).digest()
        for start, key in zip(starts.tolist(), keys, strict=True)
    )
    return np.frombuffer(b"".join(hashes), dtype=np.uint64)
