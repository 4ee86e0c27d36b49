"""The store's errors: each names the file, the place in it, and what to do."""

from pathlib import Path

DAMAGED_REMEDY = "write the file again (embed, or merge its parts), or restore a copy"


class AvtempoError(Exception):
    """Base of every error that Avtempo raises on purpose, in all four packages; the message names the remedy."""


EXPLAINED = (AvtempoError, PermissionError)
"""What ends a command with a line: not every question about a path is guarded, and a folder may be closed to this user."""


def explain(error: BaseException) -> str:
    """Return what a command says of an error that ends it."""
    return f"{error}: change its owner or mode" if isinstance(error, PermissionError) else str(error)


class StoreError(AvtempoError):
    """Base of every error that this package raises on purpose: the file, what is wrong, and what to do about it.

    `path` is None for data that is not in a file yet. `problem` names the HDF5 path, such as /video/features.
    """

    def __init__(self, path: Path | None, problem: str, remedy: str) -> None:
        self.path, self.problem, self.remedy = path, problem, remedy
        super().__init__(path, problem, remedy)  # the three in args: the error survives a trip between processes

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path is not None else ""
        return f"{where}{self.problem}; {self.remedy}"


class RowsError(StoreError):
    """Rows or provenance that a store cannot hold: lengths, types, values."""


class NotAStoreError(StoreError):
    """The file is missing, is not HDF5, or is another kind of HDF5 file."""


class FormatVersionError(StoreError):
    """The file is a store of a format version that this program does not read."""


class DamagedStoreError(StoreError):
    """The file is truncated, incomplete, altered, or made to mislead: links, foreign filters, external data."""

    def __init__(self, path: Path | None, problem: str, remedy: str = DAMAGED_REMEDY) -> None:
        super().__init__(path, problem, remedy)


class ProvenanceError(StoreError):
    """The embeddings come from another encoder, shard set or data set than expected."""


class LayoutError(StoreError):
    """Two files that should be joined hold different vectors, or the store lacks the requested vectors."""


class DuplicateRowsError(StoreError):
    """The same clip would be in one store twice."""


class BusyError(StoreError):
    """Another process is writing this file."""


class WriteError(StoreError):
    """The disk is full or refuses; nothing of the failed file is left under its name."""


class ReplacedError(StoreError):
    """The file of an open store was replaced by one with other content."""


class SearchError(StoreError):
    """A search that cannot be run: shapes, values, an unknown key."""
