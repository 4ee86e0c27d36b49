"""Opening a file that may be anything: only a whole store of a known version passes.

An HDF5 file can point to other files (links, external or virtual data sets), make the library load code (filter
plugins) and claim more data than it holds. A store does none of these, so all of them are refused before data is read.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from store.errors import DamagedStoreError, FormatVersionError, NotAStoreError, RowsError
from store.format import Provenance
from store.layout import (
    COLUMNS,
    FORMAT_NAME,
    FORMAT_VERSION,
    TEXT_COLUMNS,
    VECTOR_DTYPES,
    VECTOR_NAME,
    Layout,
    content_digest,
)

_FLETCHER32 = 3
"""HDF5's number of the only filter that a store may use."""
_UNTRUSTED = "do not trust this file"


@dataclass(frozen=True)
class Header:
    """The facts about a file that was checked."""

    layout: Layout
    digests: dict[str, str]  # column or vectors -> the recorded sha256
    provenance: Provenance
    content_sha256: str  # recorded digest of all data and the provenance
    created_by: dict[str, str]  # versions of the libraries that wrote the file
    signature: tuple[int, ...]  # device, inode, size and time of change of the file


@contextlib.contextmanager
def reading(path: Path, name: str) -> Iterator[None]:
    """Turn HDF5's errors about damaged data into a DamagedStoreError that names the file and the HDF5 path."""
    try:
        yield
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DamagedStoreError(path, f"/{name} cannot be read ({reason})") from error


def open_store(path: Path, known: Header | None = None) -> tuple[h5py.File, Header]:
    """Open and check a store; a file that was checked before and has not changed since is only opened.

    No lock is taken: a store never changes, writers replace it by renaming, and locks fail on many network disks.

    Raises:
        NotAStoreError: missing, not HDF5, or another kind of HDF5 file.
        FormatVersionError: another version of the format.
        DamagedStoreError: truncated, incomplete, or made to mislead.
    """
    file = _open_hdf5(path)
    try:
        status = os.fstat(file.id.get_vfd_handle())  # of what was opened: the path may hold another file by now
        signature = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        if known is not None and known.signature == signature:
            return file, known
        return file, _checked_header(path, file, signature)
    except BaseException:
        file.close()
        raise


def _checked_header(path: Path, file: h5py.File, signature: tuple[int, ...]) -> Header:
    _check_kind(path, file)
    layout, digests = _contents(path, file)
    provenance, content = _provenance(path, file), _required_text(path, file, "content_sha256")
    if content_digest({**provenance.attributes(), **digests}.items()) != content:
        raise DamagedStoreError(path, "the provenance or a recorded sha256 was altered after writing")
    with reading(path, "created_by"):
        created_by = json.loads(_required_text(path, file, "created_by"))
    return Header(layout, digests, provenance, content, created_by, signature)


def _open_hdf5(path: Path) -> h5py.File:
    try:
        if not path.is_file():
            raise NotAStoreError(path, "there is no such file", "give the path of an embedding store, such as NAME.h5")
        return h5py.File(path, "r", locking=False)
    except PermissionError as error:
        raise NotAStoreError(path, "cannot be read: permission denied", "ask its owner for read access") from error
    except (OSError, RuntimeError, ValueError) as error:
        if h5py.is_hdf5(path):
            raise DamagedStoreError(path, f"HDF5 cannot open it ({error})") from error
        raise NotAStoreError(path, "is not an HDF5 file", "give the path of an embedding store") from error


def _check_kind(path: Path, file: h5py.File) -> None:
    name, version = _attribute(path, file, "format"), _attribute(path, file, "format_version")
    if "format" not in file.attrs or not isinstance(version, int):
        version = None
    if version not in (None, FORMAT_VERSION) or (name == FORMAT_NAME and version is None):
        remedy = "use the release that wrote it, or embed again with this one"
        raise FormatVersionError(path, f"attribute /format_version is {version}, known is {FORMAT_VERSION}", remedy)
    if name != FORMAT_NAME:
        problem = f"is not an embedding store: attribute /format is {name!r}, not {FORMAT_NAME!r}"
        raise NotAStoreError(path, problem, "give another file")


def _attribute(path: Path, owner: h5py.Group | h5py.Dataset, name: str) -> str | int | None:
    """Return a text of fixed length or a whole number; None where it is missing or anything else.

    HDF5 keeps texts of variable length in a heap of its own, and on a damaged heap its library loops for ever. A store
    has no such texts, so an attribute of another type is not read at all.
    """
    with reading(path, f"{owner.name}/{name}".lstrip("/")):
        if name not in owner.attrs:
            return None
        attribute = owner.attrs.get_id(name)
        kind = attribute.get_type()
        is_text = isinstance(kind, h5py.h5t.TypeStringID) and not kind.is_variable_str()
        if attribute.shape != () or not (is_text or isinstance(kind, h5py.h5t.TypeIntegerID)):
            return None
        value = owner.attrs[name]
        return str(value.decode()) if is_text else int(value)


def _required_text(path: Path, owner: h5py.Group | h5py.Dataset, name: str) -> str:
    value = _attribute(path, owner, name)
    if not isinstance(value, str):
        place = f"{owner.name}/{name}".lstrip("/")
        raise DamagedStoreError(path, f"attribute /{place} is missing or not a text")
    return value


def _provenance(path: Path, file: h5py.File) -> Provenance:
    values: dict[str, Any] = {name: _required_text(path, file, name) for name in Provenance.__dataclass_fields__}
    try:
        return Provenance(**values | {"encoder_config": json.loads(values["encoder_config"])})
    except (ValueError, RowsError, RecursionError) as error:
        raise DamagedStoreError(path, f"attribute /encoder_config is not JSON ({error})") from error


def _contents(path: Path, file: h5py.File) -> tuple[Layout, dict[str, str]]:
    """Check every data set; return the layout and the recorded digests."""
    n_rows = _attribute(path, file, "n_rows")
    if not isinstance(n_rows, int) or n_rows < 0:
        raise DamagedStoreError(path, "attribute /n_rows is missing or not a number")
    datasets = {name: _dataset(path, file, name) for name in (*COLUMNS, *_vector_names(path, file))}
    digests = {}
    for name, dataset in datasets.items():
        if not _is_of_kind(dataset, COLUMNS.get(name)):
            expected = f"{COLUMNS[name]} of shape (n,)" if name in COLUMNS else "float32 or float16 of shape (n, d)"
            raise DamagedStoreError(path, f"/{name} is {dataset.dtype} of shape {dataset.shape}, not {expected}")
        if len(dataset) != n_rows:
            raise DamagedStoreError(path, f"/{name} has {len(dataset)} rows, attribute /n_rows says {n_rows}")
        digests[name] = _required_text(path, dataset, "sha256")
    vectors = {name: (each.shape[1], each.dtype.str) for name, each in datasets.items() if name not in COLUMNS}
    return Layout(n_rows, vectors, {name: datasets[name].dtype.itemsize for name in TEXT_COLUMNS}), digests


def _is_of_kind(dataset: h5py.Dataset, kind: str | None) -> bool:
    """Tell whether this is a column of this kind, or vectors for None."""
    text = h5py.check_string_dtype(dataset.dtype)
    if kind is None:
        return dataset.ndim == 2 and dataset.shape[1] >= 1 and dataset.dtype.str in VECTOR_DTYPES
    if kind == "str":
        return dataset.ndim == 1 and text is not None and text.encoding == "utf-8" and text.length is not None
    return dataset.ndim == 1 and text is None and dataset.dtype == np.dtype(kind)


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
        raise DamagedStoreError(path, problem, _UNTRUSTED)


def _dataset(path: Path, file: h5py.File, name: str) -> h5py.Dataset:
    """Return a data set whose data lies in this very file, whole and unfiltered."""
    with reading(path, name):
        if file.get(name, getlink=True, default=None) is None:
            raise DamagedStoreError(path, f"/{name} is missing")
        _refuse_link(path, file, name)
        dataset = file[name]
        if not isinstance(dataset, h5py.Dataset):
            raise DamagedStoreError(path, f"/{name} is not a data set")
        properties = dataset.id.get_create_plist()
        filters = {properties.get_filter(number)[0] for number in range(properties.get_nfilters())}
        if dataset.is_virtual or dataset.external or filters - {_FLETCHER32}:
            problem = f"/{name} keeps its data in other files or behind a filter, which a store never does"
            raise DamagedStoreError(path, problem, _UNTRUSTED)
        needed = int(np.prod(dataset.shape, dtype=object)) * dataset.id.get_type().get_size()
        if not needed <= dataset.id.get_storage_size() <= file.id.get_filesize():
            raise DamagedStoreError(path, f"/{name} claims more data than the file holds")
    return dataset
