"""Opening a file that may be anything: only a whole store of a known version gets through.

An HDF5 file can point to other files (links, external or virtual data sets), make the library load code (filter
plugins) and claim more data than it holds. A store does none of that, so all of it is refused before data is read.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from store.attributes import read_number, read_text
from store.errors import DamagedStoreError, FormatVersionError, NotAStoreError, RowsError
from store.format import Provenance
from store.layout import (
    COLUMNS,
    CONTENT_ATTRIBUTE,
    DIGEST_ATTRIBUTE,
    FORMAT_NAME,
    FORMAT_VERSION,
    VECTOR_DTYPES,
    VECTOR_NAME,
    Layout,
)

DAMAGED_REMEDY = "write the file again (embed, or merge its parts), or restore a copy"
_FLETCHER32 = 3
"""HDF5's number of the only filter that a store may use."""


@dataclass(frozen=True)
class Header:
    """What is known of a file once it was checked.

    Attributes:
        layout: length and vectors.
        provenance: where the embeddings come from.
        content: digest that stands for all data and the provenance, as recorded.
        created_by: JSON text, versions of what wrote the file.
        signature: device, inode, size and time of change of the file that was checked.
    """

    layout: Layout
    provenance: Provenance
    content: str
    created_by: str
    signature: tuple[int, ...]


@contextlib.contextmanager
def reading(path: Path, name: str) -> Iterator[None]:
    """Turn what HDF5 raises on damaged data into DamagedStoreError that names file and HDF5 path."""
    try:
        yield
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DamagedStoreError(path, f"/{name} cannot be read ({reason})", DAMAGED_REMEDY) from error


def open_store(path: Path, known: Header | None = None) -> tuple[h5py.File, Header]:
    """Open and check a store; a file that was checked before and has not changed since is only opened.

    No lock is taken: a store never changes, writers replace it by renaming, and locks fail on many network disks.

    Raises:
        NotAStoreError: missing, not HDF5, or HDF5 of another kind.
        FormatVersionError: another version of the format.
        DamagedStoreError: truncated, incomplete, or made to mislead.
    """
    file = _open_hdf5(path)
    try:
        status = path.stat()
        signature = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        if known is not None and known.signature == signature:
            return file, known
        _check_kind(path, file)
        content, created_by = (_text_attribute(path, file, name) for name in (CONTENT_ATTRIBUTE, "created_by"))
        return file, Header(_layout(path, file), _provenance(path, file), content, created_by, signature)
    except BaseException:
        file.close()
        raise


def _open_hdf5(path: Path) -> h5py.File:
    if not path.is_file():
        raise NotAStoreError(path, "there is no such file", "give the path of an embedding store, such as NAME.h5")
    try:
        return h5py.File(path, "r", locking=False)
    except PermissionError as error:
        raise NotAStoreError(path, "cannot be read: permission denied", "ask its owner for read access") from error
    except (OSError, RuntimeError, ValueError) as error:
        if h5py.is_hdf5(path):
            raise DamagedStoreError(path, f"HDF5 cannot open it ({error})", DAMAGED_REMEDY) from error
        raise NotAStoreError(path, "is not an HDF5 file", "give the path of an embedding store") from error


def _check_kind(path: Path, file: h5py.File) -> None:
    with reading(path, "format"):
        is_named = "format" in file.attrs
        version = read_number(file, "format_version") if is_named else None
        name = read_text(file, "format")
    if version not in (None, FORMAT_VERSION) or (name == FORMAT_NAME and version is None):
        remedy = "use the release that wrote it, or embed again with this one"
        raise FormatVersionError(path, f"attribute /format_version is {version}, known is {FORMAT_VERSION}", remedy)
    if name != FORMAT_NAME:
        problem = f"is no embedding store: attribute /format is {name!r}, not {FORMAT_NAME!r}"
        raise NotAStoreError(path, problem, "give another file")


def _text_attribute(path: Path, file: h5py.File, name: str) -> str:
    with reading(path, name):
        value = read_text(file, name)
    if value is None:
        raise DamagedStoreError(path, f"attribute /{name} is missing or no text", DAMAGED_REMEDY)
    return value


def _provenance(path: Path, file: h5py.File) -> Provenance:
    names = Provenance.__dataclass_fields__
    texts = {name: _text_attribute(path, file, name) for name in names}
    try:
        return Provenance.from_attributes(texts)
    except (ValueError, RowsError, RecursionError) as error:
        raise DamagedStoreError(path, f"attribute /encoder_config is not JSON ({error})", DAMAGED_REMEDY) from error


def _layout(path: Path, file: h5py.File) -> Layout:
    """Check every data set and return what there is."""
    with reading(path, "n_rows"):
        n_rows = read_number(file, "n_rows")
    if n_rows is None or n_rows < 0:
        raise DamagedStoreError(path, "attribute /n_rows is missing or no number", DAMAGED_REMEDY)
    text_bytes = {}
    for name in COLUMNS:
        dataset = _dataset(path, file, name)
        _check_column(path, dataset, name)
        if COLUMNS[name] == "str":
            text_bytes[name] = dataset.dtype.itemsize
    vectors = {}
    for name in _vector_names(path, file):
        dataset = _dataset(path, file, name)
        if dataset.ndim != 2 or dataset.shape[1] < 1 or dataset.dtype.str not in VECTOR_DTYPES:
            problem = f"/{name} is {dataset.dtype} of shape {dataset.shape}, not float32 or float16 of shape (n, d)"
            raise DamagedStoreError(path, problem, DAMAGED_REMEDY)
        vectors[name] = (int(dataset.shape[1]), dataset.dtype.str)
    layout = Layout(n_rows, vectors, text_bytes)
    for name in layout.names():
        if file[name].shape[0] != n_rows:
            problem = f"/{name} has {file[name].shape[0]} rows, attribute /n_rows says {n_rows}"
            raise DamagedStoreError(path, problem, DAMAGED_REMEDY)
    return layout


def _vector_names(path: Path, file: h5py.File) -> list[str]:
    names = []
    for group in ("video", "audio"):
        with reading(path, group):
            if group in file:
                _refuse_link(path, file, group)
                names += [f"{group}/{member}" for member in file[group]]
    return sorted(name for name in names if VECTOR_NAME.fullmatch(name))


def _refuse_link(path: Path, file: h5py.File, name: str) -> None:
    link = file.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        problem = f"/{name} is a link elsewhere ({type(link).__name__}), which a store never holds"
        raise DamagedStoreError(path, problem, "do not trust this file")


def _dataset(path: Path, file: h5py.File, name: str) -> h5py.Dataset:
    """Return a data set whose data lies in this very file, whole and unfiltered."""
    with reading(path, name):
        group = name.rpartition("/")[0]
        if group:
            _refuse_link(path, file, group)
        if file.get(name, getlink=True, default=None) is None:
            raise DamagedStoreError(path, f"/{name} is missing", DAMAGED_REMEDY)
        _refuse_link(path, file, name)
        dataset = file[name]
        if not isinstance(dataset, h5py.Dataset):
            raise DamagedStoreError(path, f"/{name} is no data set", DAMAGED_REMEDY)
        _check_storage(path, dataset, name)
        if read_text(dataset, DIGEST_ATTRIBUTE) is None:
            raise DamagedStoreError(path, f"/{name} has no attribute {DIGEST_ATTRIBUTE}", DAMAGED_REMEDY)
    return dataset


def _check_storage(path: Path, dataset: h5py.Dataset, name: str) -> None:
    """Refuse data that lies elsewhere, needs foreign code, or is not there."""
    properties = dataset.id.get_create_plist()
    filters = {properties.get_filter(number)[0] for number in range(properties.get_nfilters())}
    if dataset.is_virtual or dataset.external or filters - {_FLETCHER32}:
        problem = f"/{name} keeps its data in other files or behind a filter, which a store never does"
        raise DamagedStoreError(path, problem, "do not trust this file")
    needed = int(np.prod(dataset.shape, dtype=object)) * dataset.id.get_type().get_size()
    if not needed <= dataset.id.get_storage_size() <= path.stat().st_size:
        raise DamagedStoreError(path, f"/{name} claims more data than the file holds", DAMAGED_REMEDY)


def _check_column(path: Path, dataset: h5py.Dataset, name: str) -> None:
    kind = COLUMNS[name]
    text = h5py.check_string_dtype(dataset.dtype)
    if kind == "str":
        right = text is not None and text.encoding == "utf-8" and text.length is not None
    else:
        right = text is None and dataset.dtype == np.dtype(kind)
    if dataset.ndim != 1 or not right:
        problem = f"/{name} is {dataset.dtype} of shape {dataset.shape}, not {kind} of shape (n,)"
        raise DamagedStoreError(path, problem, DAMAGED_REMEDY)
