"""Shards that are not what they should be: an early error where it can be, a typed one that names the remedy always."""

import shutil

import numpy as np
import pytest

from tests.train.conftest import loading
from train.data.loader import SegmentLoader, iterate_once
from train.errors import ConfigError, LoaderError, ShardSetError, TooFewSegmentsError


@pytest.fixture
def copied(small_shards, tmp_path):
    return shutil.copytree(small_shards, tmp_path / "copied")


def member(shards, suffix):
    """(offset, size) of a member of the second segment in the fourth shard."""
    fields = (shards / "shard-000003.idx").read_text().splitlines()[2].split()
    at = fields.index(suffix)
    return int(fields[at + 1]), int(fields[at + 2])


def overwrite(shards, offset, data):
    with (shards / "shard-000003.tar").open("r+b") as file:
        file.seek(offset)
        file.write(data)


def no_header(shards):
    offset, _ = member(shards, "frames.jpg")
    overwrite(shards, offset, bytes(64))


def half_a_strip(shards):
    offset, size = member(shards, "frames.jpg")
    overwrite(shards, offset + size // 2, bytes(size - size // 2))


def no_numbers(shards):
    overwrite(shards, member(shards, "meta.npy")[0], b"XXXXXX")


def a_frame_height_that_the_strip_has_not(shards):
    offset, size = member(shards, "meta.npy")
    overwrite(shards, offset + size - 4 * 8, np.int64(640).tobytes())


@pytest.mark.parametrize("damage", [no_header, half_a_strip, no_numbers, a_frame_height_that_the_strip_has_not])
def test_a_segment_that_cannot_be_decoded_ends_the_run_with_the_remedy(copied, damage):
    damage(copied)
    with pytest.raises(ShardSetError, match="preprocess verify") as caught:
        list(iterate_once(loading(copied)))
    assert caught.value.path == copied
    loader = SegmentLoader(loading(copied, shuffle=True))
    with pytest.raises(ShardSetError):
        for _ in range(20):
            next(loader)


def test_pickles_in_place_of_arrays_are_not_loaded(copied):
    offset, size = member(copied, "meta.npy")
    pickle = b"cos\nsystem\n(S'touch pickled'\ntR."
    overwrite(copied, offset, pickle + bytes(size - len(pickle)))
    with pytest.raises(ShardSetError):
        list(iterate_once(loading(copied)))


def cut_short(shards):
    tar = shards / "shard-000003.tar"
    tar.write_bytes(tar.read_bytes()[: member(shards, "logmel.npy")[0]])


def no_shard(shards):
    (shards / "shard-000003.tar").unlink()


def no_index(shards):
    (shards / "shard-000003.idx").unlink()


def index_that_never_ends(shards):
    no_index(shards)
    (shards / "shard-000003.idx").symlink_to("/dev/zero")


def index_of_another(shards):
    index = shards / "shard-000003.idx"
    index.write_text("\n".join(index.read_text().splitlines()[:-1]) + "\n")


def index_of_nonsense(shards):
    (shards / "shard-000003.idx").write_text("v1.2 4\nnothing\nof\nany\nuse\n")


@pytest.mark.parametrize(
    "damage", [cut_short, no_shard, no_index, index_that_never_ends, index_of_another, index_of_nonsense]
)
def test_a_shard_that_is_not_whole_is_found_before_the_first_batch(copied, damage):
    damage(copied)
    with pytest.raises(ShardSetError, match="shard-000003"):
        SegmentLoader(loading(copied, shuffle=True))


def test_a_damaged_part_of_the_manifest_is_found_when_a_split_needs_it(copied):
    (copied / "shard-000003.parquet").write_bytes(b"PAR1")
    assert sum(len(batch) for batch in iterate_once(loading(copied))) == 48
    with pytest.raises(ShardSetError, match=r"shard-000003\.parquet"):
        SegmentLoader(loading(copied, shuffle=True, split="1:train"))


def test_stray_shards_that_the_data_set_does_not_name_are_not_read(copied):
    for suffix in (".tar", ".idx", ".parquet"):
        shutil.copy(copied / f"shard-000000{suffix}", copied / f"shard-000099{suffix}")
    assert sum(len(batch) for batch in iterate_once(loading(copied))) == 48


def test_an_unfinished_set_says_so(copied):
    (copied / "dataset.json").unlink()
    with pytest.raises(LoaderError, match="not finished"):
        SegmentLoader(loading(copied))


def test_shards_can_be_picked_by_name(small_shards):
    picked = loading(small_shards, only_shards=("shard-000002.tar", "shard-000000.tar"))
    seen = [s >> 20 for batch in iterate_once(picked) for s in batch.segment_id.tolist()]
    assert seen == [0, 1, 2, 3, 8, 9, 10, 11]
    with pytest.raises(LoaderError, match="shard-000077"):
        list(iterate_once(loading(small_shards, only_shards=("shard-000077.tar",))))


def test_ranks_take_turns_in_reading_once(small_shards):
    shares = [
        [
            s >> 20
            for batch in iterate_once(loading(small_shards, rank=rank, world_size=5))
            for s in batch.segment_id.tolist()
        ]
        for rank in range(5)
    ]
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
    [
        {"batch_size": 0},
        {"rank": 1},
        {"rank": -1},
        {"split": "train"},
        {"window_frames": 0},
        {"shuffle": True, "square": "last"},
    ],
)
def test_settings_that_make_no_sense_are_refused(changes):
    with pytest.raises(ConfigError):
        loading("anywhere", **changes)
