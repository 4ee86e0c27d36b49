"""A loader's state across processes, epochs, ranks and shuffle buffers; the rest must come out bit by bit."""

import hashlib
from dataclasses import fields

import pytest
import torch

import train.data.dali_graph
from preprocess.schema import SEGMENTS_PER_SOURCE_LIMIT
from tests.processes import run
from tests.train.conftest import AT_ONE_MOMENT, loading
from train.data.loader import SegmentLoader
from train.errors import LoaderStateError
from train.plans.clip_planners import TwoViews


def config(shards, **changes):
    """Windows and plans are drawn too, the latter at fractional places."""
    return loading(shards, **{"window_frames": 6, "shuffle": True, "clips": TwoViews(AT_ONE_MOMENT)} | changes)


def digests(loader, n):
    """Of every byte of the next n batches."""
    found = []
    for _ in range(n):
        batch = next(loader)
        names = ("segment_id", "window_start_frame", "n_frames", "frames", "clip_frames", "logmel")
        tensors = [getattr(batch, name) for name in names]
        tensors += [getattr(batch.plan, field.name) for field in fields(batch.plan)]
        found.append(hashlib.sha256(b"".join(t.contiguous().numpy().tobytes() for t in tensors)).hexdigest())
    return found


def sources(loader, n):
    return [s // SEGMENTS_PER_SOURCE_LIMIT for _ in range(n) for s in next(loader).segment_id.tolist()]


REST = """
import torch
from tests.train.data.test_loader_resume import config, digests
from train.data.loader import SegmentLoader
saved = torch.load({path!r}, weights_only=True)
for rank, state in enumerate(saved):
    loader = SegmentLoader(config({shards!r}, rank=rank, world_size=2, num_threads=2))
    loader.load_state_dict(state)
    print(*digests(loader, 12))
"""


def test_a_new_process_goes_on_with_the_very_next_batch_on_every_rank(small_shards, tmp_path):
    # 24 segments a rank in batches of 5: the state is taken 2 batches before the border of an epoch, inside which DALI
    # has read ahead already; the rest crosses two borders. It travels as a checkpoint does, without pickled code.
    states, expected = [], []
    for rank in (0, 1):
        loader = SegmentLoader(config(small_shards, rank=rank, world_size=2))
        digests(loader, 3)
        states.append(loader.state_dict())
        expected.append(digests(loader, 12))
    path = tmp_path / "state.pt"
    torch.save(states, path)
    done = run("-c", REST.format(path=str(path), shards=str(small_shards)))
    assert [line.split() for line in done.stdout.splitlines()] == expected


@pytest.mark.parametrize("buffer", [1, 7, 16_384])
def test_one_loader_can_be_sent_to_any_batch_whatever_the_shuffle_buffer(small_shards, monkeypatch, buffer):
    """And taking the state changes nothing: the second loader does not take it between batches."""
    monkeypatch.setattr(train.data.dali_graph, "SHUFFLE_SEGMENTS", buffer)
    loader = SegmentLoader(config(small_shards))
    states, whole = [], []
    for _ in range(24):
        states.append(loader.state_dict())
        whole += digests(loader, 1)
    again = SegmentLoader(config(small_shards))
    assert digests(again, 3) == whole[:3]
    for k in (20, 0, 1, 8, 9, 10, 19):  # an epoch ends inside batch 9, another inside batch 19
        again.load_state_dict(states[k])
        assert again.state_dict() == states[k]
        assert digests(again, 4) == whole[k : k + 4], k


def test_epochs_are_whole_and_ranks_change_shares(small_shards):
    loaders = [SegmentLoader(config(small_shards, batch_size=6, rank=rank, world_size=2)) for rank in (0, 1)]
    shares = [[set(sources(loader, 4)) for _ in range(3)] for loader in loaders]
    for first, second in zip(*shares, strict=True):
        assert first | second == set(range(48))
    assert shares[0][0] != shares[0][1]


def test_the_order_of_shards_is_drawn_anew_from_the_first_epoch_on(small_shards, monkeypatch):
    monkeypatch.setattr(train.data.dali_graph, "SHUFFLE_SEGMENTS", 1)  # what is left is the order of the shards
    loader = SegmentLoader(config(small_shards, batch_size=4))
    epochs = [[s // 4 for s in sources(loader, 12)[::4]] for _ in range(3)]
    assert all(sorted(order) == list(range(12)) for order in epochs)
    assert len({tuple(order) for order in [*epochs, list(range(12))]}) == 4


@pytest.mark.parametrize("changes", [{"batch_size": 6}, {"rank": 1, "world_size": 2}, {"split": "1:train"}])
def test_a_state_of_other_settings_names_them(small_shards, changes):
    state = SegmentLoader(config(small_shards)).state_dict()
    with pytest.raises(LoaderStateError, match=next(iter(changes))):
        SegmentLoader(config(small_shards, **changes)).load_state_dict(state)


def test_a_damaged_state_is_refused(small_shards):
    loader = SegmentLoader(config(small_shards))
    next(loader)
    for checkpoint in (None, b"no such thing"):
        with pytest.raises(LoaderStateError, match="damaged"):
            SegmentLoader(config(small_shards)).load_state_dict(loader.state_dict() | {"checkpoint": checkpoint})
