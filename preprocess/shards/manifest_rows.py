"""Rows of the manifest, one a source and one a segment, and how they are read back without trust in the file."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from types import NoneType
from typing import get_args

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from preprocess.errors import ShardError, disk_errors


@dataclass(frozen=True)
class Row:
    """One row of the manifest; fields that its kind of row does not have are None (null).

    `reason` says why a source failed; `warnings` holds what ffmpeg complained about in a source that was read.
    `width_px` and `height_px` of a source are those of its first image, less the container's cropping, before rotation;
    those of a segment are of the frames in the strip.
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


_COLUMN_TYPES = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
_FIELD_TYPES = {field.name: get_args(field.type) or (field.type,) for field in fields(Row)}

SCHEMA = pa.schema([pa.field(n, _COLUMN_TYPES[types[0]], NoneType in types) for n, types in _FIELD_TYPES.items()])
SEGMENT_COLUMNS = ("key", "shard", "segment_id", "start_seconds", "end_seconds", "n_frames", "n_columns")


def read_rows(path: Path, only_shards: Collection[str] = ()) -> pa.Table:
    """Read the rows of a part or of the manifest.

    With `only_shards`, read the segments of these shards only; row groups without them are skipped.

    Raises:
        ShardError: the file cannot be read, has other columns, or holds what no writer writes: a segment without a
            value, times that are not finite, splits that are not a JSON object.
    """
    try:
        with disk_errors(path):
            chosen = [("shard", "in", set(only_shards))] if only_shards else None
            table = pq.read_table(path, partitioning=None, filters=chosen)
            table.validate(full=True)  # finds texts that are not UTF-8, among others
    except pa.ArrowException as error:
        raise ShardError(path, f"is damaged: {error}") from error
    if not table.schema.equals(SCHEMA):
        raise ShardError(path, "has other columns than the manifest of this format version")
    if wrong := next(_wrong_cells(table), None):
        raise ShardError(path, f"is damaged: {wrong}")
    return table


def _wrong_cells(table: pa.Table) -> Iterator[str]:
    """Name the values that a reader of the rows could fail on."""
    segments = table.filter(pc.equal(table["kind"], "segment"))
    for name in ("key", "segment_id", "start_seconds", "end_seconds", "n_frames", "n_columns", "has_audio"):
        if segments[name].null_count:
            yield f"a segment without {name}"
    for name in ("start_seconds", "end_seconds"):
        if not pc.all(pc.is_finite(segments[name]), min_count=0).as_py():
            yield f"a segment whose {name} is not finite"
    for text in pc.unique(table["splits"]).to_pylist():
        try:
            is_object = isinstance(json.loads(text), dict)
        except (ValueError, RecursionError):
            is_object = False
        if not is_object:
            yield f"splits that are not a JSON object: {text[:80]!r}"
