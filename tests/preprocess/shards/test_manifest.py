"""Tables: parts and their join, the description of a set, and what the errors say when they are damaged."""

import json
from dataclasses import asdict, replace

import pyarrow.parquet as pq
import pytest

from preprocess.errors import ShardError
from preprocess.schema import ShardParams
from preprocess.shards import manifest
from preprocess.shards.manifest import Part, fingerprint, join_parts, part_path, read_part, read_segments, write_part
from preprocess.shards.manifest_rows import Row, read_rows
from preprocess.shards.recipe import Recipe
from preprocess.shards.shard_files import ShardInfo
from tests.preprocess.whole_run import PARAMS

RECIPE = Recipe("folder", ShardParams(sources_per_shard=2), 5, "0" * 64, "9.0", {"torch": "2.14"})
INFO = ShardInfo("shard-000000.tar", 2, 10240, "f" * 64)
PART = Part(0, RECIPE, INFO, 2, 0)
SOURCE = Row("source", 0, "0.mp4", splits='{"1": "train"}', source_bytes=100, duration_seconds=8.0)
SEGMENT = replace(
    SOURCE, kind="segment", key="00000000-00000", segment_id=0, has_audio=True, n_columns=200, start_seconds=0.0,
    end_seconds=4.0, n_frames=50,
)  # fmt: skip


def test_parts_come_back_as_they_were_written(tmp_path):
    write_part(tmp_path, PART, [SOURCE, SEGMENT])
    assert read_part(part_path(tmp_path, 0)) == PART
    assert [Row(**row) for row in read_rows(part_path(tmp_path, 0)).to_pylist()] == [SOURCE, SEGMENT]
    empty = Part(8, RECIPE, None, 2, 2)
    write_part(tmp_path, empty, [Row("source", 0, "a\nb ö.mp4", "failed", "why 'not'")])
    assert read_part(part_path(tmp_path, 8)) == empty


@pytest.mark.parametrize(("rows_per_group", "n_groups"), [(1, 3), (7, 2), (8192, 1)])
def test_the_joined_table_is_all_rows_in_order_and_always_the_same_bytes(shards, monkeypatch, rows_per_group, n_groups):
    monkeypatch.setattr(manifest, "ROWS_PER_GROUP", rows_per_group)
    path, written = shards / "manifest.parquet", (shards / "manifest.parquet").read_bytes()
    join_parts(shards, 3)
    assert read_rows(path).to_pylist() == [
        row for shard in range(3) for row in read_rows(part_path(shards, shard)).to_pylist()
    ]
    assert pq.ParquetFile(path).num_row_groups == n_groups
    monkeypatch.undo()
    join_parts(shards, 3)
    assert path.read_bytes() == written


def test_fingerprint_changes_with_contents_and_parameters_only():
    shards = (INFO, replace(INFO, name="shard-000001.tar", sha256="e" * 64))
    base = fingerprint(RECIPE.params, shards)
    assert fingerprint(replace(RECIPE.params, jpeg_quality=91), shards) != base
    assert fingerprint(RECIPE.params, shards[::-1]) != base
    assert fingerprint(RECIPE.params, shards[:1]) != base


def _edit(folder, **changes) -> None:
    path = folder / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda p: (p / "dataset.json").unlink(), "is not finished .no dataset.json.: run"),
        (lambda p: [path.unlink() for path in p.iterdir()], "holds no shards"),
        (lambda p: (p / "dataset.json").write_text("{"), "is damaged"),
        (lambda p: _edit(p, format="other"), "has shard format version other, this release reads 3"),
        (lambda p: _edit(p, format_version=1), "has shard format version 1, this release reads 3: remove"),
        (lambda p: _edit(p, n_sources={"x": None}), "is damaged.*n_sources"),
        (lambda p: _edit(p, shards=[asdict(INFO) | {"name": "../shard-000000.tar"}]), "outside of its folder"),
        (lambda p: _edit(p, params=PARAMS.as_dict() | {"segment_seconds": float("nan")}), "must be above 0 and finite"),
        (lambda p: (p / "dataset.json").write_text("[" * 100_000), "is damaged.*RecursionError"),
    ],
)
def test_sets_that_cannot_be_read_say_why(shards, damage, words):
    damage(shards)
    with pytest.raises(ShardError, match=words):
        read_segments(shards)


@pytest.mark.parametrize("n_kept", [0, 10, 1000, -1])
def test_damaged_parts_are_named(shards, n_kept):
    path = part_path(shards, 0)
    path.write_bytes(path.read_bytes()[:n_kept])
    with pytest.raises(ShardError, match="is damaged"):
        read_part(path)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (replace(PART, n_failed="some"), r"is damaged.*n_failed"),
        (replace(PART, recipe=replace(RECIPE, format_version=9)), "has shard format version 9"),
    ],
)
def test_a_mark_with_other_types_or_of_another_version_is_named(tmp_path, part, words):
    write_part(tmp_path, part, [SOURCE])
    with pytest.raises(ShardError, match=words):
        read_part(part_path(tmp_path, 0))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"segment_id": None}, "a segment without segment_id"),
        ({"end_seconds": float("inf")}, "end_seconds is not finite"),
        ({"splits": "[1]"}, "splits that are not a JSON object"),
        ({"splits": "{"}, "splits that are not a JSON object"),
    ],
)
def test_rows_that_no_writer_writes_are_named(tmp_path, change, words):
    write_part(tmp_path, PART, [SOURCE, replace(SEGMENT, **change)])
    with pytest.raises(ShardError, match=words):
        read_rows(part_path(tmp_path, 0))


def test_foreign_tables_are_refused(reference, tmp_path):
    path = tmp_path / "manifest.parquet"
    pq.write_table(read_rows(part_path(reference, 0)).drop_columns(["label"]).replace_schema_metadata(None), path)
    with pytest.raises(ShardError, match="other columns"):
        read_rows(path)
    with pytest.raises(ShardError, match="is damaged"):
        read_part(path)  # no description in it
