"""Archives: the same bytes for the same samples, readable by webdataset, never half."""

import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest

from preprocess.errors import ShardError
from preprocess.shards.shard_files import ShardWriter, member_order, read_samples, sample_key

SUFFIXES = member_order("video")


def _members(number: int, rng: np.random.Generator) -> dict[str, bytes]:
    """Sizes around the 512 bytes of a block, where padding goes wrong if it does."""
    sizes = (number, 511 + number % 3, 56, 1000 * number)
    return {suffix: rng.bytes(size) for suffix, size in zip(SUFFIXES, sizes, strict=True)}


def _samples(n_samples: int = 7) -> dict[str, dict[str, bytes]]:
    rng = np.random.default_rng(0)
    return {sample_key(number // 3, number % 3): _members(number, rng) for number in range(n_samples)}


def _write(path: Path, samples: dict[str, dict[str, bytes]]) -> Path:
    with ShardWriter(path) as writer:
        for key, members in samples.items():
            writer.add(key, members)
        writer.commit()
    return path


def test_archive_holds_what_was_written_and_nothing_that_depends_on_the_day(tmp_path):
    import webdataset

    samples = _samples()
    path = _write(tmp_path / "shard-000000.tar", samples)
    with tarfile.open(path) as archive:
        entries = archive.getmembers()
        assert [entry.name for entry in entries] == [f"{k}.{s}" for k, members in samples.items() for s in members]
        assert {(e.mtime, e.uid, e.gid, e.uname, e.gname, e.mode, e.type) for e in entries} == {
            (0, 0, 0, "", "", 0o644, tarfile.REGTYPE)
        }
        for entry in entries:
            key, _, suffix = entry.name.partition(".")
            assert archive.extractfile(entry).read() == samples[key][suffix]
    for sample, (key, members) in zip(
        webdataset.WebDataset(str(path), shardshuffle=False), samples.items(), strict=True
    ):
        assert {name: sample[name] for name in ("__key__", *SUFFIXES)} == {"__key__": key, **members}
    again = _write(tmp_path / "shard-000001.tar", samples)
    assert again.read_bytes() == path.read_bytes()
    assert again.with_suffix(".idx").read_bytes() == path.with_suffix(".idx").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "shard-000000.idx", "shard-000000.tar", "shard-000001.idx", "shard-000001.tar",
    ]  # fmt: skip


def test_rollback_takes_a_source_out_without_a_trace(tmp_path):
    samples = _samples()
    plain = _write(tmp_path / "plain.tar", samples)
    with ShardWriter(tmp_path / "rolled.tar") as writer:
        for key, members in samples.items():
            before = writer.n_samples
            writer.add("99999999-00000", {"frames.jpg": b"x" * 5000, "json": b"{}"})
            writer.add("99999999-00001", {"frames.jpg": b"y" * 50})
            writer.rollback(before)
            writer.add(key, members)
        info = writer.commit()
    assert (tmp_path / "rolled.tar").read_bytes() == plain.read_bytes()
    assert (info.n_segments, info.n_bytes) == (len(samples), plain.stat().st_size)


@pytest.mark.parametrize("n_lost", [1, 512, 5_000, 20_000, 30_000])
def test_truncated_archives_are_told(tmp_path, n_lost):
    path = _write(tmp_path / "shard.tar", _samples())
    os.truncate(path, path.stat().st_size - n_lost)
    with path.open("rb") as file, pytest.raises(ShardError, match="cut short"):
        list(read_samples(file, path))


def test_a_damaged_header_is_not_taken_for_the_end(tmp_path):
    path = _write(tmp_path / "shard.tar", _samples())
    with path.open("rb") as file:
        offset = list(read_samples(file, path))[3].members[0].offset - 512
    data = bytearray(path.read_bytes())
    data[offset + 130] ^= 1  # in the size field: the header's checksum is wrong now
    path.write_bytes(data)
    with tarfile.open(path) as archive:
        assert len(archive.getmembers()) < 28  # what tar itself makes of it: a shorter archive
    with path.open("rb") as file, pytest.raises(ShardError, match="is damaged"):
        list(read_samples(file, path))


@pytest.mark.parametrize("name", ["../evil.json", "a/b.json", "no_suffix", "link.json"])
def test_what_is_no_plain_member_is_refused(tmp_path, name):
    path = tmp_path / "shard.tar"
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        entry = tarfile.TarInfo(name)
        if name.startswith("link"):
            entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(entry, io.BytesIO())
    with path.open("rb") as file, pytest.raises(ShardError, match="not a member of a sample"):
        list(read_samples(file, path))
