"""Clips planned before decoding are the clips cut out of whole windows; the plan comes again with the loader's state."""

from dataclasses import replace

import pytest
import torch

from tests.train.conftest import AT_ONE_MOMENT, SMALL, loading, write_shards
from train.config.clip_config import ClipConfig
from train.data.loader import SegmentLoader
from train.finetune.config import FinetuneClip
from train.finetune.trainer import OneClip
from train.plans.clip_planners import EvenClips, TwoViews

ANYWHERE = ClipConfig(n_frames=4, crop_px=32, speeds=(1, 2, 4), eval_speed=2, shared_direction=False)
MOMENT = replace(AT_ONE_MOMENT, n_frames=3, base_stride=4)
PLANNERS = [TwoViews(ANYWHERE), TwoViews(MOMENT), OneClip(FinetuneClip(4, 32, 2)), EvenClips(ANYWHERE, 3, (1, 4))]


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """16 segments of 13 to 32 frames, but for two of 3."""
    folder = tmp_path_factory.mktemp("planned") / "shards"
    long = replace(SMALL, segment_seconds=2.0)
    return write_shards(folder, 16, long, lambda index: 3 if index % 8 == 5 else 32 - index)


def config(shards, **changes):
    return loading(shards, **{"batch_size": 4, "window_frames": 20, "shuffle": True} | changes)


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
        for row, wanted in enumerate(batch.plan.frames(batch.n_frames, planner.n_frames)):
            shown = batch.clip_frames[row]
            assert torch.equal(batch.frames[row, shown], window.frames[row, wanted])
            distinct = wanted.unique()
            assert shown.unique().tolist() == list(range(len(distinct))), "each frame is there once"
            assert torch.equal(batch.frames[row, : len(distinct)], window.frames[row, distinct])
            assert (batch.frames[row, len(distinct) :] == batch.frames[row, len(distinct) - 1]).all()


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
