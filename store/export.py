"""Leaving HDF5: Parquet for data frames and databases, npz for numpy. Block by block, whole file or none."""

import io
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from store.atomic_files import replacing
from store.errors import StoreError
from store.format import canonical_json
from store.layout import COLUMNS, Layout
from store.reader import EmbeddingStore

if TYPE_CHECKING:
    import pyarrow as pa

PROVENANCE_KEY = "avtempo_provenance"
"""Name of the provenance: a key of Parquet's metadata, a text array in the npz."""


def export(store: EmbeddingStore, out: Path | str, vectors: Sequence[str] | None = None) -> None:
    """Write a Parquet table or an npz archive, as the suffix of `out` says.

    Parquet holds vectors as lists of fixed length under names such as "video/features". `numpy.load` reads the archive
    without pickle: strings are fixed-width Unicode arrays. All vectors are included by default, none by `()`.

    Raises:
        StoreError: another suffix.
        LayoutError: the store holds no such vectors.
        WriteError: the disk refuses.
    """
    writers = {".parquet": _write_parquet, ".npz": _write_npz}
    suffix = Path(out).suffix
    if suffix not in writers:
        raise StoreError(Path(out), f"unknown kind of file {suffix!r}", "end it in .parquet or .npz")
    chosen = store.vector_names if vectors is None else tuple(vectors)
    for name in chosen:
        store.sliceable(name)  # refuses a name that is not there
    with replacing(Path(out)) as temporary:
        writers[suffix](store, temporary, (*COLUMNS, *chosen))


def _write_parquet(store: EmbeddingStore, path: Path, names: Sequence[str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [(name, _arrow_type(store.layout, name)) for name in names], {PROVENANCE_KEY: _provenance(store)}
    )
    rows_at_once = min(store.layout.block_rows(name) for name in names)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for start in range(0, store.n_rows, rows_at_once):
            arrays = []
            for field in schema:
                block = store.read(field.name, slice(start, start + rows_at_once))
                flat = pa.array(block.reshape(-1))
                arrays.append(flat if block.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, block.shape[1]))
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _write_npz(store: EmbeddingStore, path: Path, names: Sequence[str]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            dtype = store.layout.dtype(name)
            if dtype.kind == "S":
                dtype = np.dtype(
                    f"<U{max((len(text) for block in store.blocks(name) for text in block), default=1) or 1}"
                )
            _write_array(archive, name, dtype, store.layout.shape(name), store.blocks(name))
        text = np.array(_provenance(store))
        _write_array(archive, PROVENANCE_KEY, text.dtype, (), [text])


def _provenance(store: EmbeddingStore) -> str:
    return canonical_json({**store.provenance.__dict__, "content_sha256": store.header.content_sha256})


def _arrow_type(layout: Layout, name: str) -> "pa.DataType":
    import pyarrow as pa

    dtype, (_, *n_dims) = layout.dtype(name), layout.shape(name)
    value = pa.string() if dtype.kind == "S" else pa.from_numpy_dtype(dtype)
    return pa.list_(value, *n_dims) if n_dims else value


def _write_array(
    archive: zipfile.ZipFile, name: str, dtype: np.dtype, shape: tuple[int, ...], blocks: Iterable[np.ndarray]
) -> None:
    """Write one .npy member block by block; its date is fixed, so the same store gives the same bytes."""
    header = io.BytesIO()
    description = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_2_0(header, description)
    with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
        member.write(header.getvalue())
        for block in blocks:
            member.write(np.ascontiguousarray(block.astype(dtype)).tobytes())
