"""Rows of the manifest: a row a source and a row a segment, and how they are read back, nothing taken on trust."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from preprocess.errors import ShardError, disk_errors


@dataclass(frozen=True)
class Row:
    """One row of the manifest; fields that a row of its kind has not are None (null).

    `reason` says why a source failed or was skipped, `warnings` what ffmpeg complained of in one that was read.
    Of a source `width_px` and `height_px` are as coded in the file, of a segment those of its frames in the strip.
    """

    kind: str
    source_index: int
    source: str
    status: str = "ok"
    reason: str = ""
    warnings: str = ""
    source_bytes: int | None = None
    duration_seconds: float | None = None
    source_fps: float | None = None
    rotation_degrees: int | None = None
    has_audio: bool | None = None
    width_px: int | None = None
    height_px: int | None = None
    audio_loudness_dbfs: float | None = None
    label: int = -1
    label_name: str = ""
    group: str = ""
    splits: str = "{}"
    key: str | None = None
    shard: str | None = None
    segment_id: int | None = None
    start_seconds: float | None = None
    end_seconds: float | None = None
    n_frames: int | None = None
    n_columns: int | None = None


_STRINGS = ("kind", "source", "status", "reason", "warnings", "label_name", "group", "splits", "key", "shard")
_FLOATS = ("duration_seconds", "source_fps", "audio_loudness_dbfs", "start_seconds", "end_seconds")
_REQUIRED = ("kind", "source_index", "source", "status", "reason", "warnings", "label", "label_name", "group", "splits")


def _column_type(name: str) -> pa.DataType:
    if name == "has_audio":
        return pa.bool_()
    return pa.string() if name in _STRINGS else pa.float64() if name in _FLOATS else pa.int64()


SCHEMA = pa.schema([pa.field(n, _column_type(n), n not in _REQUIRED) for n in Row.__dataclass_fields__])
SEGMENT_COLUMNS = ("key", "shard", "segment_id", "start_seconds", "end_seconds", "n_frames", "n_columns")


def read_rows(path: Path, only_shards: Collection[str] = ()) -> pa.Table:
    """Read the rows of a part or of the manifest, nothing taken on trust but the column names and types.

    With `only_shards` the segments of these alone; groups of rows that hold none of them are not read.

    Raises:
        ShardError: it cannot be read, has other columns, or holds what no writer writes: a segment that lacks a value or
            has one without bounds, splits that are no JSON object.

    """
    try:
        with disk_errors(path):
            chosen = [("shard", "in", set(only_shards))] if only_shards else None
            table = pq.read_table(path, partitioning=None, filters=chosen)
            table.validate(full=True)  # texts that are not UTF-8 among them
    except pa.ArrowException as error:
        raise ShardError(path, f"is damaged: {error}") from error
    if not table.schema.equals(SCHEMA):
        raise ShardError(path, "has other columns than the manifest of this format version")
    if wrong := next(_wrong_cells(table), None):
        raise ShardError(path, f"is damaged: {wrong}")
    return table


def _wrong_cells(table: pa.Table) -> Iterator[str]:
    """Name values that whoever reads the rows could stumble over."""
    segments = table.filter(pc.equal(table["kind"], "segment"))
    for name in ("key", "segment_id", "start_seconds", "end_seconds", "n_frames", "n_columns", "has_audio"):
        if segments[name].null_count:
            yield f"a segment without {name}"
    for name in ("start_seconds", "end_seconds"):
        if not pc.all(pc.is_finite(segments[name]), min_count=0).as_py():
            yield f"a segment whose {name} is not finite"
    for text in pc.unique(table["splits"]).to_pylist():
        if not _is_json_object(text):
            yield f"splits that are no JSON object: {text[:80]!r}"


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
