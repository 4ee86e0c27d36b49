"""Clips planned before decoding are the clips cut out of whole windows; the plan comes again with the loader's state."""

import itertools
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocess.features.strip import decode_strip, encode_strip
from tests.train.conftest import SMALL, make_frames, write_shards
from train.config.clip_config import ClipConfig
from train.data.frame_selection import N_PLACES, N_SEEDS, FrameSelector, Selection
from train.data.loader import LoaderConfig, SegmentLoader, iterate_once
from train.finetune.config import FinetuneClip
from train.finetune.trainer import OneClip
from train.plans.clip_planners import EvenClips, TwoViews, WholeWindow
from train.plans.plan import Plan

ANYWHERE = ClipConfig(n_frames=4, crop_px=32, speeds=(1, 2, 4), eval_speed=2, shared_direction=False)
MOMENT = ClipConfig(
    n_frames=3, crop_px=32, speeds=(1,), base_stride=4, views="same_moment", jitter_frames=1.0, eval_speed=1
)
PLANNERS = [TwoViews(ANYWHERE), TwoViews(MOMENT), OneClip(FinetuneClip(4, 32, 2)), EvenClips(ANYWHERE, 3, (1, 4))]


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """16 segments of 13 to 32 frames, but for two of 3."""
    folder = tmp_path_factory.mktemp("planned") / "shards"
    long = replace(SMALL, segment_seconds=2.0)
    return write_shards(folder, 16, long, lambda index: 3 if index % 8 == 5 else 32 - index)


def config(shards, **changes):
    plain = LoaderConfig(str(shards), 4, 32, 20, shuffle=True, seed=1, num_threads=1)
    return replace(plain, **changes)


def slow_index(plan, row, view, n_frames, length):
    """Frames of a clip, one by one."""
    start, stride = float(plan.start[row, view]), float(plan.stride[row, view])
    places = [min(int(np.rint(np.float32(start) + np.float32(stride) * i)), n_frames - 1) for i in range(length)]
    return places[::-1] if plan.reverse[row, view] else places


@pytest.mark.parametrize("frame_px", [32, 24])
@pytest.mark.parametrize("planner", PLANNERS, ids=repr)
def test_planned_clips_are_those_cut_out_of_whole_windows(shards, planner, frame_px):
    # Windows and squares are drawn by numbers of their own: they are the same with and without a plan.
    whole = SegmentLoader(config(shards, frame_px=frame_px))
    planned = SegmentLoader(config(shards, frame_px=frame_px, clips=planner))
    for _ in range(8):
        window, batch = next(whole), next(planned)
        assert torch.equal(window.logmel, batch.logmel)
        assert torch.equal(window.window_start_frame, batch.window_start_frame)
        assert batch.frames.shape[1] == min(20, planner.n_clips * planner.n_frames)
        for row, n in enumerate(batch.n_frames.tolist()):
            wanted = [slow_index(batch.plan, row, view, n, planner.n_frames) for view in range(planner.n_clips)]
            shown = batch.clip_frames[row]
            assert torch.equal(batch.frames[row, shown], window.frames[row, torch.tensor(wanted)])
            distinct = sorted(set(itertools.chain(*wanted)))
            assert shown.unique().tolist() == list(range(len(distinct))), "each frame is there once"
            assert torch.equal(batch.frames[row, : len(distinct)], window.frames[row, distinct])
            assert (batch.frames[row, len(distinct) :] == batch.frames[row, len(distinct) - 1]).all()


STRIP = encode_strip(make_frames(3, 40, 32, 48), 90)


def selector(planner, **changes):
    return replace(FrameSelector(planner, 20, 4, random=True, square=1, final_px=32), **changes)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(0, 999), st.sampled_from(PLANNERS))
def test_the_frames_of_any_plan_are_taken_once_and_found_again(n_frames, seed, planner):
    rng, each = np.random.default_rng(seed), len(n_frames)
    meta = [np.array([i, 0, n, 32, 48, 4 * n, 1]) for i, n in enumerate(n_frames)]
    noise = list(rng.random((each, N_PLACES + N_SEEDS), np.float32))
    strips = [np.frombuffer(STRIP, np.uint8)] * each
    taker = selector(planner)
    numbers, paces, columns, spliced, first, size, rows = taker(meta, noise, strips)
    chosen = Selection.unpacked(*(torch.from_numpy(np.stack(x)) for x in (numbers, paces)), planner.n_frames)
    windows = torch.tensor([min(n, 20) for n in n_frames])
    shown = chosen.plan.frames(windows, planner.n_frames).numpy()  # (B, V, T)
    assert torch.equal(chosen.numbers, torch.from_numpy(np.stack(meta)))
    for i, start in enumerate(chosen.start.tolist()):
        assert 0 <= start <= n_frames[i] - windows[i]
        assert columns[i].tolist() == [4 * start]
        taken = sorted(set(shown[i].flatten()))
        assert np.array_equal(np.array(taken)[chosen.clip_frames[i]], shown[i])
        pixels = decode_strip(spliced[i].tobytes(), len(taken))
        assert np.array_equal(pixels, decode_strip(STRIP, 40)[[start + frame for frame in taken]])
        (top, left), (height, width) = first[i].tolist(), size[i].tolist()
        assert (top, height, width) == (0, 32 * len(taken), 32)
        assert 0 <= left <= 16
        cut = pixels.reshape(-1, 48, 3)[rows[i]].reshape(-1, 32, 48, 3)
        assert len(cut) == taker.most_frames
        assert np.array_equal(cut[: len(taken), 1:-1], pixels[:, 1:-1])
        assert np.array_equal(cut[:, [0, -1]], cut[:, [1, -2]]), (
            "outer rows are their neighbours': the decoder mixed them"
        )
        assert (cut[len(taken) :] == cut[len(taken) - 1]).all()


def test_what_is_chosen_comes_back_out_of_two_arrays_whatever_the_plan():
    lengths, meta = torch.tensor([20, 3, 9]), torch.arange(21).reshape(3, 7) + (1 << 52)
    for planner in PLANNERS:
        plan = planner(lengths, torch.Generator().manual_seed(3))
        chosen = Selection(meta, torch.tensor([5, 0, 1]), plan, plan.frames(lengths, planner.n_frames))
        again = Selection.unpacked(*map(torch.from_numpy, chosen.packed()), planner.n_frames)
        for name in ("numbers", "start", "clip_frames"):
            assert torch.equal(getattr(again, name), getattr(chosen, name))
        for field in fields(Plan):
            value, expected = getattr(again.plan, field.name), getattr(plan, field.name)
            assert (value.dtype, value.shape) == (expected.dtype, expected.shape)
            assert torch.equal(value, expected)


@pytest.mark.parametrize(("size", "room"), [((32, 48), (0, 16)), ((80, 32), (48, 0)), ((32, 32), (0, 0))])
def test_squares_lie_anywhere_inside_or_where_they_are_asked_for(size, room):
    (height, width), n = size, 400
    meta = [np.array([i, 0, 30, height, width, 120, 1]) for i in range(n)]
    noise = list(np.random.default_rng(1).random((n, N_PLACES + N_SEEDS), np.float32))
    strips = [np.frombuffer(encode_strip(make_frames(3, 30, height, width), 90), np.uint8)] * n

    def places(**changes):
        *_, first, _, _, shape, begin, end, order = selector(WholeWindow(20), final_px=0, **changes)(
            meta, noise, strips
        )
        assert shape[0].tolist() == [20, height, min(size), 3]
        assert order[0].tolist() == list(range(20))
        assert {tuple(b - a) for a, b in zip(begin, end, strict=True)} == {(min(size), min(size))}
        return np.stack([np.stack(begin)[:, 0], np.stack(first)[:, 1]], 1)  # (n, 2) top and left

    for axis, last in enumerate(room):
        assert set(places()[:, axis]) == set(range(last + 1))
    for square, place in enumerate(((0, 0), (room[0] // 2, room[1] // 2), room)):
        assert (places(random=False, square=square) == place).all()


def everything(batch):
    plan = [getattr(batch.plan, name) for name in ("start", "speed", "stride", "reverse", "order", "timed")]
    return [batch.frames, batch.clip_frames, batch.logmel, batch.segment_id, batch.window_start_frame, *plan]


def same(left, right):
    return all(torch.equal(x, y) for x, y in zip(everything(left), everything(right), strict=True))


@pytest.mark.parametrize("drawn", [0, 1, 3, 6])
def test_plans_come_again_with_the_state_on_every_rank_whatever_was_read_ahead(shards, drawn):
    for rank in (0, 1):
        asked = config(shards, clips=TwoViews(MOMENT), rank=rank, world_size=2)
        loader = SegmentLoader(asked)
        for _ in range(drawn):
            next(loader)
        state = loader.state_dict()
        expected = [next(loader) for _ in range(5)]
        again = SegmentLoader(replace(asked, num_threads=2))
        again.load_state_dict(state)
        assert all(same(next(again), batch) for batch in expected)


def test_the_same_seed_draws_the_same_plans_and_ranks_seeds_and_batches_draw_others(shards):
    def starts(**changes):
        loader = SegmentLoader(config(shards, clips=TwoViews(MOMENT), **changes))
        return [next(loader).plan.start for _ in range(4)]

    first = starts()
    assert all(torch.equal(x, y) for x, y in zip(first, starts(), strict=True))
    assert len({float(start[0, 0]) for start in first}) == 4
    others = [*starts(seed=2), *starts(rank=0, world_size=2), *starts(rank=1, world_size=2)]
    drawn = {float(x) for start in first for x in start.flatten() if x}
    assert not drawn & {float(x) for start in others[:4] for x in start.flatten() if x}
    assert not torch.equal(others[4], others[8])


def test_sound_alone_is_planned_without_frames(tmp_path):
    shards = write_shards(tmp_path / "audio", 6, replace(SMALL, media="audio"))
    asked = LoaderConfig(str(shards), 4, 32, 8, shuffle=False, seed=0, num_threads=1, clips=TwoViews(ANYWHERE))
    batches = list(iterate_once(asked))
    assert [(b.frames, b.clip_frames) for b in batches] == [(None, None)] * 2
    assert [len(b.plan.start) for b in batches] == [4, 2]
