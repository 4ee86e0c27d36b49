"""Filling one data set from pieces, and its checksum on the way: every row is read once, hashed and written."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future

import h5py
import numpy as np

from store.forgiving_file import ForgivingFile
from store.layout import Digest, Layout
from store.row_sources import CHECKSUM_BYTES, Piece, StoredRows


def fill(
    dataset: h5py.Dataset, layout: Layout, pieces: Sequence[Piece], target: ForgivingFile, hashing: Executor
) -> tuple[int, str]:
    """Write all rows of a data set.

    Args:
        dataset: empty, of the file that is written.
        layout: of all pieces together.
        pieces: in order.
        target: the file, asked after each write whether the disk took it.
        hashing: a thread to hash in.

    Returns:
        Rows written, and their digest.

    Raises:
        DamagedStoreError: a piece does not match its checksum.
        OSError: the disk is full or refuses.
    """
    name, digest = dataset.name[1:], _Hashed(hashing)
    row = 0
    if isinstance(pieces[0], StoredRows) and name in layout.vectors:
        row = _copy_chunks(dataset, name, pieces[0], target, digest)
    for block in _aligned(_checked(pieces, name, row, digest, hashing), layout.chunk_rows(name)):
        # A text column is as wide as its longest text in all pieces.
        dataset[row : row + len(block)] = block.astype(dataset.dtype) if block.dtype.kind == "S" else block
        row += len(block)
        target.check()
    return row, digest.hexdigest()


class _Hashed:
    """A digest that is computed in a thread, beside the writing: sha256 leaves the interpreter free."""

    def __init__(self, thread: Executor) -> None:
        self._digest, self._thread = Digest(), thread
        self._last: Future[None] | None = None

    def update(self, block: np.ndarray) -> None:
        """Add the next rows; waits for those before, so that two blocks are in memory at most."""
        self._wait()
        self._last = self._thread.submit(self._digest.update, block)

    def hexdigest(self) -> str:
        """Return the digest of all rows so far."""
        self._wait()
        return self._digest.hexdigest()

    def _wait(self) -> None:
        if self._last is not None:
            self._last.result()


def _copy_chunks(dataset: h5py.Dataset, name: str, first: StoredRows, target: ForgivingFile, digest: _Hashed) -> int:
    """Copy the full chunks of vectors that more is added to as they are; return the number of rows."""
    row = 0
    for batch in first.full_chunks(name, dataset):
        digest.update(batch[:, :-CHECKSUM_BYTES])
        for chunk in batch:
            dataset.id.write_direct_chunk((row, 0), chunk)
            row += dataset.chunks[0]
        target.check()
    return row


def _checked(
    pieces: Sequence[Piece], name: str, first: int, digest: _Hashed, hashing: Executor
) -> Iterator[np.ndarray]:
    """Yield the rows from this one on; the rows of each store are held against its own checksum after the last."""
    for number, piece in enumerate(pieces):
        # What was hashed for the whole when the first piece ends is the first piece: its checksum comes for nothing.
        apart = isinstance(piece, StoredRows) and number > 0
        digests = [digest, _Hashed(hashing)] if apart else [digest]
        for block in piece.blocks(name, first if number == 0 else 0):
            for each in digests:
                each.update(block)
            yield block
        if isinstance(piece, StoredRows):
            piece.refuse_altered(name, digests[-1].hexdigest())
        if number > 0:
            piece.close()


def _aligned(blocks: Iterator[np.ndarray], chunk_rows: int) -> Iterator[np.ndarray]:
    """Yield the rows in whole chunks, so that bytes do not depend on where the pieces end."""
    held: list[np.ndarray] = []
    n_held = 0
    for block in blocks:
        rest = block
        if held and n_held + len(rest) >= chunk_rows:
            taken = chunk_rows - n_held
            yield np.concatenate([*held, rest[:taken]])
            held, n_held, rest = [], 0, rest[taken:]
        whole = 0 if held else len(rest) - len(rest) % chunk_rows
        if whole:
            yield rest[:whole]
        if whole < len(rest):
            held, n_held = [*held, rest[whole:]], n_held + len(rest) - whole
    if held:
        yield np.concatenate(held)
