"""The tables beside the shards: a row per source and per segment, and the description of the whole set.

Every shard has its own part of the table. It is written last and marks the shard as finished. At the end the parts are
joined to `manifest.parquet`, and `dataset.json` marks the set as finished.
"""

import contextlib
import hashlib
import json
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import TypeAdapter, ValidationError

from preprocess.errors import ShardError, disk_errors
from preprocess.schema import FORMAT_NAME, FORMAT_VERSION, ShardParams
from preprocess.shards.manifest_rows import SCHEMA, SEGMENT_COLUMNS, Row, read_rows
from preprocess.shards.recipe import Recipe
from preprocess.shards.shard_files import ShardInfo, file_sha256, shard_name
from store.atomic_files import atomic_file

if TYPE_CHECKING:
    import pandas as pd

DATASET_FILE = "dataset.json"
MANIFEST_FILE = "manifest.parquet"
ROWS_PER_GROUP = 8192
"""Least rows of a row group of the joined table; bounds the memory that joining takes."""

_METADATA_KEY = FORMAT_NAME.encode()


@dataclass(frozen=True)
class Part:
    """The mark of a finished shard. `file` is None if no source of the shard could be read."""

    shard: int
    recipe: Recipe
    file: ShardInfo | None
    n_sources: int
    n_failed: int
    n_skipped: int = 0


@dataclass(frozen=True, kw_only=True)
class DatasetInfo(Recipe):
    """The content of `dataset.json`: the recipe and what came of it.

    `fingerprint` changes if, and only if, the contents of the set change.
    """

    label_names: tuple[str, ...]
    shards: tuple[ShardInfo, ...]
    n_failed: int
    n_skipped: int
    n_segments: int
    n_missing: int
    n_extra: int
    manifest_sha256: str
    fingerprint: str


_ADAPTERS: dict[type, TypeAdapter[Any]] = {kind: TypeAdapter(kind) for kind in (Part, DatasetInfo)}


def part_path(folder: Path, shard: int) -> Path:
    """Path of the mark of a shard."""
    return folder / f"{shard_name(shard)}.parquet"


def write_part(folder: Path, part: Part, rows: list[Row]) -> None:
    """Mark a shard as finished."""
    table = pa.Table.from_pylist([asdict(row) for row in rows], schema=_with_metadata(asdict(part)))
    with atomic_file(part_path(folder, part.shard), disk_errors) as file:
        pq.write_table(table, file, compression="zstd")


def _with_metadata(values: dict[str, Any]) -> pa.Schema:
    return SCHEMA.with_metadata({_METADATA_KEY: json.dumps(values, sort_keys=True).encode()})


def read_part(path: Path) -> Part:
    """Read the mark of a finished shard, without its rows.

    Raises:
        ShardError: it is damaged or has another format version.
    """
    with _damage_named(path, "delete it and run the same command again"):
        values = json.loads((pq.read_schema(path).metadata or {})[_METADATA_KEY])
        _check_version(values["recipe"]["format_version"], path)
        return _ADAPTERS[Part].validate_python(values)


@contextlib.contextmanager
def _damage_named(path: Path, remedy: str) -> Iterator[None]:
    """Turn all errors that a damaged record causes into a ShardError with this remedy."""
    try:
        with disk_errors(path):
            yield
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ShardError(path, f"is damaged ({place}: {first['msg']}): {remedy}") from error
    except (pa.ArrowException, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ShardError(path, f"is damaged ({error!r}): {remedy}") from error


def _check_version(found: object, path: Path) -> None:
    if found != FORMAT_VERSION:
        remedy = f"remove {path.parent} and make the shards again"
        raise ShardError(path, f"has shard format version {found}, this release reads {FORMAT_VERSION}: {remedy}")


def join_parts(folder: Path, n_shards: int) -> str:
    """Join the parts of all shards, in order, to `manifest.parquet`; return its checksum."""
    path = folder / MANIFEST_FILE
    schema = _with_metadata({"format_version": FORMAT_VERSION})
    with atomic_file(path, disk_errors) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for table in grouped_rows(folder, n_shards):
            writer.write_table(table.cast(schema), row_group_size=1 << 30)
    return file_sha256(path)


def grouped_rows(folder: Path, n_shards: int) -> Iterator[pa.Table]:
    """Yield the rows of whole parts in tables of at least ROWS_PER_GROUP rows."""
    waiting: list[pa.Table] = []
    for shard in range(n_shards):
        waiting.append(read_rows(part_path(folder, shard)).replace_schema_metadata(None))
        if sum(table.num_rows for table in waiting) >= ROWS_PER_GROUP or shard == n_shards - 1:
            yield pa.concat_tables(waiting).combine_chunks()
            waiting = []


def fingerprint(params: ShardParams, shards: tuple[ShardInfo, ...]) -> str:
    """Checksum over the parameters and the checksums of all archives."""
    content = {"format_version": FORMAT_VERSION, "params": params.as_dict(), "shards": [s.sha256 for s in shards]}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_dataset(folder: Path, info: DatasetInfo) -> None:
    """Mark the whole set as finished."""
    values = {"format": FORMAT_NAME} | asdict(info)
    with atomic_file(folder / DATASET_FILE, disk_errors) as file:
        file.write(json.dumps(values, indent=1, sort_keys=True).encode() + b"\n")


def read_dataset(folder: Path) -> DatasetInfo:
    """Read the description of a finished shard set.

    Raises:
        ShardError: the set is missing, unfinished, damaged, or of another format version.
    """
    path = folder / DATASET_FILE
    if not path.is_file():
        state = "is not finished" if part_path(folder, 0).exists() else "holds no shards"
        raise ShardError(folder, f"{state} (no {DATASET_FILE}): run `python -m preprocess shards --out {folder} ...`")

    with _damage_named(path, "run the command that made the shards again"):
        values = json.loads(path.read_bytes())
        _check_version(values["format_version"] if values["format"] == FORMAT_NAME else values["format"], path)
        return _ADAPTERS[DatasetInfo].validate_python(values)


def read_segments(folder: Path, *, only_shards: Collection[str] = ()) -> "pd.DataFrame":
    """Read the segments of a finished set, or of some of its shards, a row each, sorted by `segment_id`."""
    rows = _read_kind(folder, "segment", only_shards).sort_by("segment_id").to_pandas()
    return rows.drop(columns=["kind", "status", "reason", "warnings", "source_bytes"])


def read_sources(folder: Path) -> "pd.DataFrame":
    """Read the sources of a finished set, failed ones included, a row each, sorted by `source_index`."""
    return _read_kind(folder, "source").sort_by("source_index").to_pandas().drop(columns=["kind", *SEGMENT_COLUMNS])


def _read_kind(folder: Path, kind: str, only_shards: Collection[str] = ()) -> pa.Table:
    read_dataset(folder)  # refuses an unfinished set
    table = read_rows(folder / MANIFEST_FILE, only_shards)
    return table.filter(pc.equal(table["kind"], kind))
