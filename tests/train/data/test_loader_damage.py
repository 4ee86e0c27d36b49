"""Shards that are not what they should be: an early error where it can be, a typed one that names the remedy always."""

import os
import shutil

import numpy as np
import pytest

from tests.train.conftest import loading
from train.data.loader import SegmentLoader, iterate_once
from train.errors import ConfigError, LoaderError, ShardSetError, TooFewSegmentsError


@pytest.fixture
def copied(small_shards, tmp_path):
    return shutil.copytree(small_shards, tmp_path / "copied")


def member(tar, suffix):
    """Slice of a member of the second segment in a shard."""
    fields = tar.with_suffix(".idx").read_text().splitlines()[2].split()
    offset, size = map(int, fields[fields.index(suffix) + 1 :][:2])
    return slice(offset, offset + size)


PICKLE = b"cos\nsystem\n(S'touch pickled'\ntR."
DAMAGED_MEMBERS = {
    "no header": ("frames.jpg", lambda data: bytes(64) + data[64:]),
    "half a strip": ("frames.jpg", lambda data: data[: len(data) // 2].ljust(len(data), b"\0")),
    "no numbers": ("meta.npy", lambda data: b"XXXXXX" + data[6:]),
    "no such frame height": ("meta.npy", lambda data: data[:-32] + np.int64(640).tobytes() + data[-24:]),
    "a pickle, which is not loaded": ("meta.npy", lambda data: PICKLE.ljust(len(data), b"\0")),
}


@pytest.mark.parametrize(("suffix", "damage"), DAMAGED_MEMBERS.values(), ids=DAMAGED_MEMBERS)
def test_a_segment_that_cannot_be_decoded_ends_the_run_with_the_remedy(copied, suffix, damage):
    tar = copied / "shard-000003.tar"
    data, place = bytearray(tar.read_bytes()), member(tar, suffix)
    data[place] = damage(bytes(data[place]))
    assert len(data) == tar.stat().st_size
    tar.write_bytes(data)
    with pytest.raises(ShardSetError, match="preprocess verify") as caught:
        list(iterate_once(loading(copied)))
    assert caught.value.path == copied
    loader = SegmentLoader(loading(copied, shuffle=True))
    with pytest.raises(ShardSetError):
        for _ in range(20):
            next(loader)


NOT_WHOLE = {
    "cut short": lambda tar, index: os.truncate(tar, member(tar, "logmel.npy").start),
    "no shard": lambda tar, index: tar.unlink(),
    "no index": lambda tar, index: index.unlink(),
    "index that never ends": lambda tar, index: (index.unlink(), index.symlink_to("/dev/zero")),
    "index of another": lambda tar, index: index.write_text("".join(index.read_text().splitlines(keepends=True)[:-1])),
    "index of nonsense": lambda tar, index: index.write_text("v1.2 4\nnothing\nof\nany\nuse\n"),
}


@pytest.mark.parametrize("damage", NOT_WHOLE.values(), ids=NOT_WHOLE)
def test_a_shard_that_is_not_whole_is_found_before_the_first_batch(copied, damage):
    damage(copied / "shard-000003.tar", copied / "shard-000003.idx")
    with pytest.raises(ShardSetError, match="shard-000003"):
        SegmentLoader(loading(copied, shuffle=True))


def test_what_is_not_needed_is_not_read_and_an_unfinished_set_says_so(copied):
    (copied / "shard-000003.parquet").write_bytes(b"PAR1")
    assert sum(len(batch) for batch in iterate_once(loading(copied))) == 48
    with pytest.raises(ShardSetError, match=r"shard-000003\.parquet"):
        SegmentLoader(loading(copied, shuffle=True, split="1:train"))
    for suffix in (".tar", ".idx", ".parquet"):
        shutil.copy(copied / f"shard-000000{suffix}", copied / f"shard-000099{suffix}")
    assert sum(len(batch) for batch in iterate_once(loading(copied))) == 48
    (copied / "dataset.json").unlink()
    with pytest.raises(LoaderError, match="not finished"):
        SegmentLoader(loading(copied))


def sources(settings):
    return [s >> 20 for batch in iterate_once(settings) for s in batch.segment_id.tolist()]


def test_ranks_take_turns_in_reading_once(small_shards):
    shares = [sources(loading(small_shards, rank=rank, world_size=5)) for rank in range(5)]
    assert [s for share in shares for s in share] == list(range(48))
    assert {len(share) for share in shares} == {9, 10}


def test_too_few_segments_for_a_split_or_a_batch(small_shards):
    with pytest.raises(TooFewSegmentsError, match="1:nobody"):
        list(iterate_once(loading(small_shards, split="1:nobody")))
    with pytest.raises(TooFewSegmentsError, match=r"0 segments: .*train on all: --set \"data\.split=''\""):
        SegmentLoader(loading(small_shards, split="1:nobody"))
    assert len(next(SegmentLoader(loading(small_shards, split="1:test", batch_size=12)))) == 12
    with pytest.raises(
        TooFewSegmentsError, match=r"12 segments: too few for 2 rank\(s\) .*of 7\..* data\.batch_size=4, or"
    ):
        SegmentLoader(loading(small_shards, split="1:test", batch_size=7, world_size=2))


@pytest.mark.parametrize(
    "changes",
    [{"batch_size": 0}, {"rank": 1}, {"rank": -1}, {"split": "train"}, {"window_frames": 0},
     {"shuffle": True, "square": "last"}],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(changes):
    with pytest.raises(ConfigError):
        loading("anywhere", **changes)
