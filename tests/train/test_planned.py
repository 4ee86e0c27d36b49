"""Clips planned before decoding are the clips cut out of whole windows; the plan comes again with the loader's state."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocess.strip import decode_strip, encode_strip
from tests.train.conftest import SMALL, make_frames, write_shards
from train.clip_config import ClipConfig
from train.finetune.clips import OneClip
from train.finetune.config import FinetuneClip
from train.loader import LoaderConfig, SegmentLoader, iterate_once
from train.plan import Plan
from train.planned import BatchPlanner, take_frames
from train.planners import EvenClips, TwoViews

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
    # Windows and squares are drawn by generators of their own: they are the same with and without a plan.
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
            assert not batch.frames[row, len(distinct) :].any()


STRIP = encode_strip(make_frames(3, 30, 32, 48), 90)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 9), st.lists(st.integers(1, 21), min_size=1, max_size=6), st.integers(0, 999))
def test_the_frames_of_any_plan_are_taken_once_and_found_again(start, n_frames, seed):
    noise = [np.random.default_rng(seed).random(2, np.float32)] * len(n_frames)
    needed, rows, *plan = BatchPlanner(TwoViews(ANYWHERE))([np.array(n, np.int32) for n in n_frames], noise)
    frames = Plan(*(torch.from_numpy(np.stack(each)) for each in plan)).frames(torch.tensor(n_frames), 4).numpy()
    each = len(n_frames)
    first, height, first_row, n_rows = ([np.array(x, np.int32)] * each for x in (start, 32, 0, 24))
    strips, kept = take_frames([np.frombuffer(STRIP, np.uint8)] * each, first, needed, height, first_row, n_rows)
    for i in range(each):
        assert needed[i].tolist() == sorted(set(frames[i].flatten()))
        pixels = decode_strip(strips[i].tobytes(), len(needed[i]))
        assert np.array_equal(pixels[rows[i]], decode_strip(STRIP, 30)[start + frames[i]])
        cut = pixels.reshape(-1, *pixels.shape[2:])[kept[i]].reshape(len(needed[i]), 24, *pixels.shape[2:])
        assert np.array_equal(cut[:, 1:], pixels[:, 1:24])
        assert np.array_equal(cut[:, 0], pixels[:, 1]), "the first row is its neighbour's: the decoder mixed it"


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
