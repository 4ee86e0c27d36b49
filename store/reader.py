"""Reading a store: numpy slices and a pandas frame, from any process or worker."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import h5py
import numpy as np

from store.errors import LayoutError, ProvenanceError, ReplacedError
from store.format import Provenance, canonical_json
from store.layout import COLUMNS, TEXT_COLUMNS, Layout, decode_texts, modality
from store.opening import Header, open_store, reading

if TYPE_CHECKING:
    import pandas as pd

    from store.averages import SourceVectors

RowIndex = slice | Sequence[int] | np.ndarray | None
"""All rows, a slice, row numbers in any order, or a bool mask of length n."""


class EmbeddingStore:
    """An embedding store, read-only; nothing is opened before the first use.

    It can be passed to forked and spawned workers (a DataLoader's, a pool's): each opens the file for itself. A store
    that was replaced by other content in between is refused, so row numbers keep their meaning.

    Raises:
        NotAStoreError, FormatVersionError, DamagedStoreError: on first use, if the file is not a whole store.
        ReplacedError: the path holds other content than when this object first opened it.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._file: h5py.File | None = None
        self._process = -1
        self._known: Header | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None, "_process": -1}

    def __len__(self) -> int:
        return self.n_rows

    def __repr__(self) -> str:
        known = "not opened yet" if self._known is None else str(self._known.layout)
        return f"EmbeddingStore({str(self.path)!r}, {known})"

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        if self._file is not None:
            self._file.close()
        self._file = None

    def _open(self) -> tuple[h5py.File, Header]:
        if self._file is not None and self._process != os.getpid():
            self.close()  # a handle that came through fork shares its state with the parent: never read through it
        if self._file is None or self._known is None:
            file, header = open_store(self.path, self._known)
            if self._known is not None and self._known.content_sha256 != header.content_sha256:
                file.close()
                problem = "the file was replaced by other content while it was in use"
                raise ReplacedError(self.path, problem, "make a new EmbeddingStore for it")
            self._file, self._known, self._process = file, header, os.getpid()
        return self._file, self._known

    @property
    def header(self) -> Header:
        """The facts that were checked when the file was opened, recorded checksums among them."""
        return self._known or self._open()[1]

    @property
    def layout(self) -> Layout:
        """Length and vectors."""
        return self.header.layout

    @property
    def n_rows(self) -> int:
        """Number of clips."""
        return self.layout.n_rows

    @property
    def provenance(self) -> Provenance:
        """Where the embeddings come from."""
        return self.header.provenance

    @property
    def vector_names(self) -> tuple[str, ...]:
        """Names such as "video/features", sorted."""
        return tuple(self.layout.vectors)

    def vectors(self, name: str, rows: RowIndex = None) -> np.ndarray:
        """Return vectors, (n, d) float32 or float16 as stored; rows without the modality are zeros, see `present`.

        Raises:
            LayoutError: the store holds no vectors of this name.
        """
        return self.sliceable(name)[rows]

    def videos(self, name: str) -> "SourceVectors":
        """Return one vector a source: the mean of its clips. Clips and sources without the modality are left out.

        Raises:
            LayoutError, RowsError: the store holds no vectors of this name, or vectors cannot have it.
            DamagedStoreError: a mean is not finite.
        """
        import pandas as pd

        from store.averages import SourceVectors, mean_by_number

        frame, present = self.frame(), self.present(name)
        numbers = np.full(len(frame), -1, np.int64)
        numbers[present], sources = pd.factorize(frame["source"][present])
        means, n_clips = mean_by_number(self, name, numbers, len(sources))
        first = frame[present].drop_duplicates("source").reset_index(drop=True)
        shared = first[["source", "label", "label_name", "group", "splits"]]
        return SourceVectors(shared.assign(n_clips=n_clips), means.astype(np.float32))

    def sliceable(self, name: str) -> "StoredVectors":
        """Return vectors that have a shape and are read when they are sliced: a search with flat memory.

        Raises:
            LayoutError: the store holds no vectors of this name.
        """
        if name not in self.layout.vectors:
            held = ", ".join(self.vector_names) or "none"
            raise LayoutError(self.path, f"there is no /{name}", f"choose from: {held}")
        return StoredVectors(self, name)

    def present(self, name: str) -> np.ndarray:
        """Return bool (n,): which rows have the modality of these vectors."""
        return self.read(f"has_{modality(name)}")

    def column(self, name: str, rows: RowIndex = None) -> np.ndarray:
        """Return a column (n,): int64, float64, bool, or str as objects.

        Raises:
            LayoutError: there is no column of this name.
        """
        if name not in COLUMNS:
            raise LayoutError(self.path, f"there is no column /{name}", f"choose from: {', '.join(COLUMNS)}")
        return self.read(name, rows)

    def frame(self, rows: RowIndex = None) -> "pd.DataFrame":
        """Return all columns as a pandas frame, one row a clip, without the vectors."""
        import pandas as pd

        return pd.DataFrame({name: self.read(name, rows) for name in COLUMNS})

    def blocks(self, name: str, *, as_stored: bool = False) -> Iterator[np.ndarray]:
        """Yield a column or vectors in order, a few MiB at a time; see `read`."""
        return (self.read(name, rows, as_stored=as_stored) for rows in self.layout.blocks(name))

    def read(self, name: str, rows: RowIndex = None, *, as_stored: bool = False) -> np.ndarray:
        """Return rows of a column or of vectors, in the requested order.

        `as_stored` gives texts as they lie in the file, UTF-8 `S` (n,), not as objects.

        Raises:
            IndexError: a row number out of range.
            DamagedStoreError: the data cannot be read, or fails HDF5's own checksum.
        """
        dataset = self._open()[0][name]
        wanted = _row_numbers(rows, self.n_rows)
        with reading(self.path, name):
            found = _gather(dataset, wanted, self.layout.chunk_rows(name))
            return decode_texts(found) if name in TEXT_COLUMNS and not as_stored else found

    def expect(self, **fields: str | Mapping[str, Any]) -> None:
        """Check where the embeddings come from, e.g. `expect(encoder_sha256=..., dataset=...)`.

        Raises:
            ProvenanceError: a field differs; the message names the HDF5 attribute and the remedy.
        """
        for name, value in fields.items():
            found = getattr(self.provenance, name)
            if canonical_json(found) != canonical_json(value):
                problem = f"attribute /{name} is {_short(found)}, expected {_short(value)}"
                raise ProvenanceError(self.path, problem, f"give the store of this {name}, or embed again")


def open_embeddings(path: Path | str) -> EmbeddingStore:
    """Open an embedding store, read-only; also a context manager.

    Raises:
        NotAStoreError, FormatVersionError, DamagedStoreError: the file is not a whole store.
    """
    store = EmbeddingStore(path)
    len(store)  # opens and checks it
    return store


class StoredVectors:
    """Vectors (n, d) of a store that are read when they are sliced."""

    def __init__(self, store: EmbeddingStore, name: str) -> None:
        self._store, self._name = store, name

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, d)."""
        return self._store.layout.shape(self._name)

    def __getitem__(self, rows: RowIndex) -> np.ndarray:
        return self._store.read(self._name, rows)


def _short(value: object) -> str:
    text = value if isinstance(value, str) else canonical_json(value)
    return repr(text if len(text) <= 120 else f"{text[:117]}...")


def _row_numbers(rows: RowIndex, n_rows: int) -> slice | np.ndarray:
    """Return int64 row numbers in 0 .. n_rows - 1, or a slice of consecutive rows."""
    if rows is None:
        return slice(0, n_rows)
    if isinstance(rows, slice):
        start, stop, step = rows.indices(n_rows)
        return slice(start, max(start, stop)) if step == 1 else np.arange(start, stop, step)
    array = np.asarray(rows)
    if array.dtype == bool and array.shape == (n_rows,):
        return np.flatnonzero(array)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise IndexError(f"rows are a slice, a list of row numbers, or a bool mask of shape ({n_rows},)")
    numbers = array.astype(np.int64)
    numbers = np.where(numbers < 0, numbers + n_rows, numbers)
    if ((numbers < 0) | (numbers >= n_rows)).any():
        raise IndexError(f"row numbers must be below {n_rows}")
    return numbers


def _gather(dataset: h5py.Dataset, wanted: slice | np.ndarray, chunk_rows: int) -> np.ndarray:
    """Read rows in any order, one contiguous read a chunk: HDF5's own point selection is far slower."""
    if isinstance(wanted, slice):
        return dataset[wanted]
    rows, inverse = np.unique(wanted, return_inverse=True)
    starts = np.flatnonzero(np.diff(rows // chunk_rows, prepend=-1))
    found = [dataset[each[0] : each[-1] + 1][each - each[0]] for each in np.split(rows, starts[1:]) if len(each)]
    return np.concatenate(found)[inverse] if found else dataset[0:0]
