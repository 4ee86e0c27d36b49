"""Every kind of damage is found, and named with its place."""

import io
import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import simplejpeg

from preprocess.build.pipeline import build
from preprocess.catalogues.open_catalogue import open_catalogue
from preprocess.errors import ShardError
from preprocess.executors.processes import SerialExecutor
from preprocess.features.strip import encode_strip
from preprocess.schema import ShardParams
from preprocess.shards.manifest import read_part, write_part
from preprocess.shards.manifest_rows import read_rows
from preprocess.shards.shard_files import ShardWriter, read_samples
from preprocess.verify.shard_set import verify

PLAIN = simplejpeg.encode_jpeg(np.zeros((7 * 48, 64, 3), np.uint8), quality=90, colorsubsampling="420")
"""Seven frames without restart markers between them."""

PARAMS = ShardParams(short_side_px=32, segment_seconds=0.8, sources_per_shard=2, n_mels=32)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, write_clip, counter_frames, tone) -> Path:
    """Three sources in two shards, the second one silent."""
    folder, work = tmp_path_factory.mktemp("clips"), tmp_path_factory.mktemp("raw")
    for name, sound in (("a", tone(1.0)), ("b", None), ("c", tone(1.0))):
        write_clip(work / f"{name}.mp4", counter_frames(25, 48, 64), 25, sound).rename(folder / f"{name}.mp4")
    out = tmp_path_factory.mktemp("whole") / "shards"
    build(open_catalogue("folder", folder), out, PARAMS, executor=SerialExecutor())
    return out


@pytest.fixture
def shards(whole, tmp_path) -> Path:
    return shutil.copytree(whole, tmp_path / "shards")


def _findings(folder: Path) -> list[str]:
    return [f"{f.path.name}|{f.where}|{f.problem}" for f in verify(folder, executor=SerialExecutor())]


def _members(tar: Path) -> dict[str, dict[str, bytes]]:
    with tar.open("rb") as file:
        samples = list(read_samples(file, tar))
        read = {}
        for sample in samples:
            read[sample.key] = {}
            for member in sample.members:
                file.seek(member.offset)
                read[sample.key][member.suffix] = file.read(member.n_bytes)
    return read


def _rewrite(folder: Path, samples: list[tuple[str, dict[str, bytes]]]) -> None:
    """Write shard 0 anew, its mark included: nothing but the contents themselves can give the damage away."""
    with ShardWriter(folder / "shard-000000.tar") as writer:
        for key, members in samples:
            writer.add(key, members)
        info = writer.commit()
    path = folder / "shard-000000.parquet"
    rows = pq.read_table(path)
    part = replace(read_part(path), file=info)
    write_part(folder, part, [])
    schema = pq.read_schema(path)
    pq.write_table(pa.table(rows.columns, schema=schema), path)


def test_counts_that_no_set_has_are_told_in_a_moment(shards):
    path = shards / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"n_sources": 10**18}))
    found = _findings(shards)
    assert any("n_sources|is 1000000000000000000, the shards have 3" in line for line in found)
    assert len(found) < 50


def test_an_array_that_claims_terabytes_is_told(shards):
    samples = list(_members(shards / "shard-000000.tar").items())
    header = b"{'descr': '<f2', 'fortran_order': False, 'shape': (99999999, 99999), }".ljust(117) + b"\n"
    samples[0][1]["logmel.npy"] = b"\x93NUMPY\x01\x00\x76\x00" + header + bytes(100)
    _rewrite(shards, samples)
    assert any("logmel.npy|holds no array" in line for line in _findings(shards))


@pytest.mark.parametrize("seconds", [1e308, -1e308])
def test_times_that_no_clock_shows_are_told(shards, seconds):
    path = shards / "shard-000000.parquet"
    table, schema = pq.read_table(path), pq.read_schema(path)
    column = schema.names.index("end_seconds")
    ends = [None if end is None else seconds for end in table.column(column).to_pylist()]
    pq.write_table(table.set_column(column, schema.field(column), pa.array(ends, schema.types[column])), path)
    assert any(f"lasts {seconds} s but has" in line for line in _findings(shards))


@pytest.mark.parametrize("name", ["source", "splits"])
def test_names_that_are_no_utf8_are_told(shards, name):
    path = shards / "shard-000000.parquet"
    table, schema = pq.read_table(path), pq.read_schema(path)
    column, texts = schema.names.index(name), pa.array([b"\xda{}"] * len(table)).view(pa.string())
    pq.write_table(table.set_column(column, schema.field(column), texts), path)
    with pytest.raises(ShardError, match=r"is damaged: .*UTF8"):
        read_rows(path)


def test_a_whole_set_has_no_findings(whole):
    assert _findings(whole) == []


def test_processes_find_the_same(shards):
    (shards / "shard-000001.idx").unlink()
    assert verify(shards, workers=2) == verify(shards, executor=SerialExecutor()) != []


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
        ("meta.npy", np.zeros(7, np.int32), r"should hold int64 \(7,\)"),
        ("meta.npy", np.array([1, 2, 3, 4, 5, 6, 7]), "says segment_id is 1, the manifest says 0"),
        ("meta.npy", b"\x93NUMPY\x01\x00", r"should hold int64 \(7,\)"),
        ("json", b"{", "no JSON"),
        ("json", b"[]", "no JSON object"),
        ("json", b"{}", "says key is None, the manifest says '00000000-00000'"),
    ],
)
def test_damage_inside_a_sample_is_found(shards, member, data, words):
    if isinstance(data, np.ndarray):
        buffer = io.BytesIO()
        np.save(buffer, data)
        data = buffer.getvalue()
    samples = _members(shards / "shard-000000.tar")
    samples["00000000-00000"][member] = data
    _rewrite(shards, list(samples.items()))
    findings = [f for f in _findings(shards) if f.startswith("shard-000000.tar")]
    assert findings
    assert all(f.startswith(f"shard-000000.tar|00000000-00000.{member}|") for f in findings)
    assert any(__import__("re").search(words, finding) for finding in findings)


def test_pickles_are_never_loaded(shards, tmp_path):
    class Bomb:
        def __reduce__(self):
            return Path.touch, (tmp_path / "exploded",)

    buffer = io.BytesIO()
    np.save(buffer, np.array([Bomb()], dtype=object), allow_pickle=True)
    samples = _members(shards / "shard-000000.tar")
    samples["00000000-00000"]["meta.npy"] = samples["00000000-00000"]["logmel.npy"] = buffer.getvalue()
    _rewrite(shards, list(samples.items()))
    assert len([f for f in _findings(shards) if "00000000-00000" in f]) == 2
    assert not (tmp_path / "exploded").exists()


def test_sound_where_there_should_be_none_is_found(shards):
    samples = _members(shards / "shard-000000.tar")
    assert json.loads(samples["00000001-00000"]["json"])["has_audio"] is False
    samples["00000001-00000"]["logmel.npy"] = samples["00000000-00000"]["logmel.npy"]
    _rewrite(shards, list(samples.items()))
    assert any("00000001-00000.logmel.npy" in f and "has no audio" in f for f in _findings(shards))


def test_order_of_members_duplicates_and_missing_samples_are_found(shards):
    samples = list(_members(shards / "shard-000000.tar").items())
    key, members = samples[0]
    _rewrite(shards, [(key, dict(reversed(members.items()))), *samples[1:]])
    assert any(f"|{key}|has members ('json', " in f for f in _findings(shards))
    _rewrite(shards, [*samples, samples[0]])
    assert any(f"|{key}|stands 2 times in the archive" in f for f in _findings(shards))
    _rewrite(shards, samples[1:])
    findings = _findings(shards)
    assert any("speaks of 3 segments but has 4 rows" in f for f in findings)


def test_a_flipped_bit_is_found(shards):
    tar = shards / "shard-000001.tar"
    data = bytearray(tar.read_bytes())
    data[700] ^= 4
    tar.write_bytes(data)
    assert "shard-000001.tar||has another checksum than when it was written" in _findings(shards)


def test_truncation_is_found(shards):
    tar = shards / "shard-000001.tar"
    tar.write_bytes(tar.read_bytes()[:-10_240])
    assert any("cut short" in f for f in _findings(shards))


def test_a_wrong_index_is_found_with_its_line(shards):
    path = shards / "shard-000000.idx"
    lines = path.read_text().splitlines()
    lines[2] = lines[2].replace(" ", "  ", 1)
    path.write_text("\n".join(lines))
    assert any(f.startswith("shard-000000.idx|line 3|is 'frames.jpg  ") for f in _findings(shards))
    path.write_text("\n".join(lines[:2]))
    assert any(f.startswith("shard-000000.idx||has 2 lines, should have 5") for f in _findings(shards))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("shard-000000.tar", "is missing"),
        ("shard-000001.idx", "is missing"),
        ("shard-000001.parquet", "is missing"),
        ("manifest.parquet", "is missing"),
        ("dataset.json", "is not finished"),
    ],
)
def test_missing_files_are_found(shards, name, words):
    (shards / name).unlink()
    assert any(words in finding for finding in _findings(shards))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (".shard-000000.tar.123.tmp", "left from a run that was killed"),
        (".lock", "a run is at work here"),
        ("shard-000007.tar", "belongs to no finished shard"),
        ("notes.txt", "belongs to no finished shard"),
    ],
)
def test_leftover_files_are_found(shards, name, words):
    (shards / name).write_bytes(b"")
    assert [finding for finding in _findings(shards) if words in finding and finding.startswith(name)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fingerprint": "0"}, "|fingerprint|does not follow"),
        ({"n_segments": 7}, "|n_segments|is 7, the shards have 6"),
        ({"n_failed": 1}, "|n_failed|is 1, the shards have 0"),
        ({"manifest_sha256": "0"}, "manifest.parquet||has another checksum"),
        ({"shards": []}, "|shards|names other archives"),
        ({"sources_sha256": "0"}, "does not belong to the set"),
    ],
)
def test_disagreement_of_the_description_is_found(shards, change, words):
    path = shards / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert any(words in finding for finding in _findings(shards))


def test_a_manifest_of_other_rows_is_found(shards):
    import hashlib

    path = shards / "manifest.parquet"
    table = pq.read_table(path)
    labels = pa.array([5] * len(table), pa.int64())
    position = table.schema.get_field_index("label")
    pq.write_table(table.set_column(position, table.schema.field(position), labels), path)
    description = json.loads((shards / "dataset.json").read_text())
    description["manifest_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (shards / "dataset.json").write_text(json.dumps(description))
    assert any("manifest.parquet|row group 0|holds other rows" in finding for finding in _findings(shards))


def test_a_link_in_an_archive_is_found_not_followed(shards):
    tar = shards / "shard-000000.tar"
    with tarfile.open(tar, "a", format=tarfile.USTAR_FORMAT) as archive:
        entry = tarfile.TarInfo("00000009-00000.json")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(entry)
    assert any("which is no member of a sample" in finding for finding in _findings(shards))


def test_no_folder_is_an_error(tmp_path):
    with pytest.raises(ShardError, match="is no folder"):
        verify(tmp_path / "none")
