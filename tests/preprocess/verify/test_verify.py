"""Every kind of damage is found, and named with its place."""

import hashlib
import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import simplejpeg

from preprocess.errors import ShardError
from preprocess.shards.manifest import read_part, read_segments, write_part
from preprocess.shards.manifest_rows import read_rows
from preprocess.shards.shard_files import ShardWriter, array_bytes, read_samples
from preprocess.verify.shard_checks import _read_members
from preprocess.verify.shard_set import verify
from tests.planes import encode_strip
from tests.preprocess.made_media import counter_frames, tone, write_clip
from tests.preprocess.whole_run import build_folder

PLAIN = simplejpeg.encode_jpeg(np.zeros((7 * 48, 64, 3), np.uint8), quality=90, colorsubsampling="420")
"""Seven frames without restart markers between them."""
HEADER = b"{'descr': '<f2', 'fortran_order': False, 'shape': (99999999, 99999), }".ljust(117) + b"\n"
TERABYTES = b"\x93NUMPY\x01\x00\x76\x00" + HEADER + bytes(100)


def _findings(folder: Path) -> str:
    """One line a finding: file|where|problem."""
    found = verify(folder)
    return "\n".join(f"{finding.path.name}|{finding.where}|{finding.problem}" for finding in found)


def _members(tar: Path) -> dict[str, dict[str, bytes]]:
    with tar.open("rb") as file:
        return {sample.key: _read_members(file, sample) for sample in list(read_samples(file, tar))}


def _rewrite(folder: Path, samples: list[tuple[str, dict[str, bytes]]]) -> None:
    """Write shard 0 anew, its mark included: only the contents themselves can give the damage away."""
    with ShardWriter(folder / "shard-000000.tar") as writer:
        for key, members in samples:
            writer.add(key, members)
        info = writer.commit()
    path = folder / "shard-000000.parquet"
    rows = pq.read_table(path)
    write_part(folder, replace(read_part(path), file=info), [])
    pq.write_table(pa.table(rows.columns, schema=pq.read_schema(path)), path)


def _replace_members(folder: Path, key: str, members: dict[str, bytes]) -> None:
    """Change members of a sample of shard 0."""
    samples = _members(folder / "shard-000000.tar")
    samples[key] |= members
    _rewrite(folder, list(samples.items()))


def _set_column(path: Path, name: str, values) -> None:
    table, schema = pq.read_table(path), pq.read_schema(path)
    column = schema.names.index(name)
    if not isinstance(values, pa.Array):
        values = pa.array([values(value) for value in table.column(column).to_pylist()], schema.types[column])
    pq.write_table(table.set_column(column, schema.field(column), values), path)


def test_processes_find_the_same(shards):
    (shards / "shard-000001.idx").unlink()
    assert verify(shards, workers=2) == verify(shards) != []


@pytest.mark.parametrize("seconds", [1e308, -1e308])
def test_times_that_no_clock_shows_are_found(shards, seconds):
    _set_column(shards / "shard-000000.parquet", "end_seconds", lambda end: None if end is None else seconds)
    assert f"lasts {seconds} s but has" in _findings(shards)


@pytest.mark.parametrize("name", ["source", "splits"])
def test_names_that_are_not_utf8_are_found(shards, name):
    path = shards / "shard-000000.parquet"
    _set_column(path, name, pa.array([b"\xda{}"] * len(pq.read_table(path))).view(pa.string()))
    with pytest.raises(ShardError, match=r"is damaged: .*UTF8"):
        read_rows(path)


@pytest.mark.parametrize(
    ("member", "data", "words"),
    [
        ("frames.jpg", b"\xff\xd8 no jpeg", "not a JPEG"),
        ("frames.jpg", encode_strip(np.zeros((5, 32, 48, 3), np.uint8), 90), "does not hold 7 frames|frames of shape"),
        ("frames.jpg", encode_strip(np.zeros((7, 48, 64, 3), np.uint8), 90), "frames of shape"),
        ("frames.jpg", PLAIN, "restart marker at every border"),
        ("logmel.npy", np.zeros((32, 28), np.float32), "float32"),
        ("logmel.npy", np.zeros((32, 27), np.float16), r"\(32, 27\), should be float16 \(32, 28\)"),
        ("logmel.npy", np.full((32, 28), np.nan, np.float16), "not finite"),
        ("logmel.npy", np.full((32, 28), 90, np.float16), "beyond the range"),
        ("logmel.npy", np.full((32, 28), -30, np.float16), "beyond the range"),
        ("logmel.npy", TERABYTES, "holds no array"),
        ("meta.npy", np.zeros(7, np.int32), r"should hold int64 \(7,\)"),
        ("meta.npy", np.array([1, 2, 3, 4, 5, 6, 7]), "says segment_id is 1, the manifest says 0"),
        ("meta.npy", b"\x93NUMPY\x01\x00", r"should hold int64 \(7,\)"),
        ("json", b"{", "not JSON"),
        ("json", b"[]", "not a JSON object"),
        ("json", b"{}", "says key is None, the manifest says '00000000-00000'"),
    ],
)
def test_damage_inside_a_sample_is_found(shards, member, data, words):
    content = array_bytes(data) if isinstance(data, np.ndarray) else data
    _replace_members(shards, "00000000-00000", {member: content})
    findings = [line for line in _findings(shards).splitlines() if line.startswith("shard-000000.tar")]
    assert findings
    assert all(line.startswith(f"shard-000000.tar|00000000-00000.{member}|") for line in findings)
    assert any(re.search(words, line) for line in findings)


def test_pickles_are_never_loaded(shards, tmp_path):
    class Bomb:
        def __reduce__(self):
            return Path.touch, (tmp_path / "exploded",)

    buffer = io.BytesIO()
    np.save(buffer, np.array([Bomb()], dtype=object), allow_pickle=True)
    _replace_members(shards, "00000000-00000", dict.fromkeys(("meta.npy", "logmel.npy"), buffer.getvalue()))
    assert _findings(shards).count("00000000-00000") == 2
    assert not (tmp_path / "exploded").exists()


def test_audio_in_a_segment_without_audio_is_found(shards):
    samples = _members(shards / "shard-000000.tar")
    assert json.loads(samples["00000001-00000"]["json"])["has_audio"] is False
    _replace_members(shards, "00000001-00000", {"logmel.npy": samples["00000000-00000"]["logmel.npy"]})
    assert re.search(r"00000001-00000.logmel.npy\|reaches .* though the segment has no audio", _findings(shards))


@pytest.mark.parametrize(("codec", "suffix"), [("pcm_s16le", "mov"), ("aac", "mp4")])
def test_audio_that_ends_where_a_segment_begins_is_no_finding(codec, suffix, tmp_path):
    """The first window of a silent segment reaches into the segment before, and AAC rings on after its end."""
    write_clip(tmp_path / f"a.{suffix}", counter_frames(40, 48, 64), 25, tone(0.8), audio_codec=codec)
    build_folder(tmp_path, tmp_path / "shards")
    assert read_segments(tmp_path / "shards")["has_audio"].tolist() == [True, False]
    assert _findings(tmp_path / "shards") == ""


def test_order_of_members_duplicates_and_missing_samples_are_found(shards):
    samples = list(_members(shards / "shard-000000.tar").items())
    key, members = samples[0]
    _rewrite(shards, [(key, dict(reversed(members.items()))), *samples[1:]])
    assert f"|{key}|has members ('json', " in _findings(shards)
    _rewrite(shards, [*samples, samples[0]])
    assert f"|{key}|is in the archive 2 times" in _findings(shards)
    _rewrite(shards, samples[1:])
    assert "names an archive of 3 segments but has 4 rows" in _findings(shards)


def _flip_a_bit(path: Path, at: int = 700) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)


def _make_or_remove(path: Path) -> None:
    path.unlink() if path.exists() else path.touch()


def _copy_of_the_first(path: Path) -> None:
    shutil.copy(path.with_name("shard-000000.parquet"), path)


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("shard-000001.tar", _flip_a_bit, "has another checksum than when it was written"),
        ("shard-000001.tar", lambda tar: tar.write_bytes(tar.read_bytes()[:-10_240]), "is cut short"),
        ("shard-000001.idx", lambda index: _flip_a_bit(index, 20), "lists other members"),
        ("shard-000000.tar", _make_or_remove, "is missing"),
        ("shard-000001.idx", _make_or_remove, "is missing"),
        ("shard-000001.parquet", _make_or_remove, "is missing"),
        ("manifest.parquet", _make_or_remove, "is missing"),
        ("dataset.json", _make_or_remove, "is not finished"),
        (".shard-000000.tar.123.tmp", _make_or_remove, "is left from a run that was killed"),
        (".lock", _make_or_remove, "a run is at work here"),
        ("shard-000007.tar", _make_or_remove, "belongs to no finished shard"),
        ("notes.txt", _make_or_remove, "belongs to no finished shard"),
        ("shard-000000 (copy).parquet", _copy_of_the_first, "holds the mark of shard 0"),
        ("shard-000001.parquet", _copy_of_the_first, "holds the mark of shard 0"),
    ],
)
def test_damaged_missing_and_leftover_files_are_found(shards, name, damage, words):
    damage(shards / name)
    assert f"{shards.name if name == 'dataset.json' else name}||{words}" in _findings(shards)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fingerprint": "0"}, "|fingerprint|is '0', the shards' own marks say"),
        ({"n_segments": 8}, "|n_segments|is 8, the shards' own marks say 7"),
        ({"n_failed": 2}, "|n_failed|is 2, the shards' own marks say 1"),
        ({"n_sources": 10**18}, "n_sources|is 1000000000000000000, the shards' own marks say 5"),
        ({"manifest_sha256": "0"}, "manifest.parquet||has another checksum"),
        ({"shards": []}, "|shards|is (), the shards' own marks say (ShardInfo"),
        ({"sources_sha256": "0"}, "does not belong to the set"),
    ],
)
def test_disagreement_of_the_description_is_found(shards, change, words):
    path = shards / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    found = _findings(shards)
    assert words in found
    assert len(found.splitlines()) < 50  # a damaged count does not fill the screen


def test_a_manifest_of_other_rows_is_found(shards):
    path = shards / "manifest.parquet"
    _set_column(path, "label", lambda label: 5)
    description = json.loads((shards / "dataset.json").read_text())
    description["manifest_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (shards / "dataset.json").write_text(json.dumps(description))
    assert "manifest.parquet|row group 0|holds other rows" in _findings(shards)
