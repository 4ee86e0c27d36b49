"""Finding clips that would stand in one store twice; a clip is known by its key and its start."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from store.errors import DuplicateRowsError
from store.row_sources import Piece, StoredRows


def overlapping(parts: Sequence[StoredRows]) -> list[StoredRows]:
    """Return those parts whose range of keys meets another part's: only they can share a clip.

    Args:
        parts: in the order of their first key.
    """
    chosen: set[int] = set()
    widest: int | None = None  # of the parts so far, the one whose keys reach furthest
    for number, part in enumerate(parts):
        if part.layout.n_rows == 0:
            continue
        first, last = part.key_range
        if widest is not None and first <= parts[widest].key_range[1]:
            chosen |= {widest, number}
        if widest is None or last > parts[widest].key_range[1]:
            widest = number
    return [parts[number] for number in sorted(chosen)]


def refuse_repeated(path: Path, pieces: Sequence[Piece]) -> None:
    """Check that all rows are different clips; 8 bytes of memory a row.

    Raises:
        DuplicateRowsError: two rows have the same key and start; names the key.
    """
    every = np.concatenate([np.zeros(0, np.int64), *(_row_hashes(piece) for piece in pieces)])
    ordered = np.sort(every)
    if (ordered[1:] == ordered[:-1]).any():
        _, first, counts = np.unique(every, return_index=True, return_counts=True)
        row = int(first[counts > 1].min())
        keys = (key for piece in pieces for block in piece.blocks("key") for key in block.tolist())
        key = next(itertools.islice(keys, row, None)).decode()
        raise DuplicateRowsError(path, f"clip {key!r} would stand in it twice", "leave out the rows that are there")


def _row_hashes(piece: Piece) -> np.ndarray:
    """Return int64 (n,), equal for rows with equal key and start: Python's own hash, of 64 bits and for this process."""
    starts = np.concatenate([np.zeros(0), *piece.blocks("start_seconds")]).tolist()
    keys = (key for block in piece.blocks("key") for key in block.tolist())
    hashes = np.fromiter(map(hash, zip(keys, starts, strict=True)), np.int64, piece.layout.n_rows)
    piece.close()
    return hashes
