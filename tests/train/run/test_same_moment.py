"""Two views of the same moment: where they lie, their frames and columns, the terms that exclude them, and a training."""

import math
from dataclasses import replace

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocess.schema import PRESETS, ShardParams
from tests.train.conftest import write_shards
from tests.train.small_runs import records
from tests.train.views.test_views import MOMENT as CLIP
from tests.train.views.views import clock, generator
from train.config.load import load_config
from train.plans.clip_planners import EvenClips
from train.plans.plan import IGNORE, draw_plan
from train.plans.temporal_labels import temporal_labels
from train.ranks.distributed import join_world
from train.run.checkpoint import LAST_NAME, load_encoders
from train.run.pretraining import Trainer
from train.views.views import LOG_SCALE, eval_clips, normalise_logmel

PARAMS = ShardParams(
    fps=8.0, short_side_px=32, segment_seconds=3.0, hop_length=400, win_length=600, n_mels=16, sources_per_shard=4
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 80), min_size=1, max_size=30), st.floats(0, 4), st.floats(1, 1.5), st.integers(0, 999))
def test_both_views_lie_at_one_moment_inside_the_segment(n_frames, jitter, pace_max, seed):
    clip = replace(CLIP, jitter_frames=jitter, pace_max=pace_max)
    plan = draw_plan(torch.tensor(n_frames), clip, generator(seed))
    assert ((plan.stride / clip.base_stride).log().abs() <= math.log(pace_max) + 1e-5).all()
    assert ((plan.start[:, 0] - plan.start[:, 1]).abs() <= 2 * jitter + 1e-4).all()
    assert (plan.start >= 0).all()
    last = plan.start + 3 * plan.stride
    fits = torch.tensor(n_frames)[:, None] > 3 * plan.stride + 1
    assert (last[fits] <= (torch.tensor(n_frames)[:, None] - 1).expand(-1, 2)[fits] + 1e-4).all()
    has_audio = torch.ones(len(n_frames), dtype=torch.bool)
    assert all((labels == IGNORE).all() for labels in temporal_labels(plan, has_audio).values())
    assert not plan.reverse.any()


def test_moments_of_a_segment_become_segments_of_two_views():
    clip = replace(CLIP, moments=2, jitter_frames=0.0)
    plan = draw_plan(torch.tensor([80, 60]), clip, generator(3))
    whole = clock([80, 60], plan, 4)
    parted = whole.by_moment(2)
    assert parted.plan.start.shape == (4, 2)
    assert len(set(parted.segment_id.tolist())) == 2  # the clock's segments share one number; its moments do not
    assert parted.segment_id.tolist() == [0, 1, 0, 1]
    assert torch.equal(parted.plan.start[:, 0], parted.plan.start[:, 1])
    first, second = parted.plan.start[0::2, 0], parted.plan.start[1::2, 0]
    assert (second - first > 2).all()
    assert torch.equal(parted.clip_frames, whole.clip_frames.reshape(4, 2, 4))
    assert torch.equal(parted.frames[1], whole.frames[0])
    assert parted.n_heard == 4
    assert whole.by_moment(1) is whole


def test_plain_clips_keep_the_stride_and_hear_all_of_it():
    plan = EvenClips(CLIP, 1, (1,))(torch.tensor([80]), generator())
    clips = eval_clips(clock([80], plan, 4), CLIP, columns_per_frame=5)
    start = int(clips.start_frame)
    assert int(clips.span_frames) == 13
    shown = ((clips.video[0, 0, :, 0, 0] + 2) * 63.75).round().long()
    assert shown.tolist() == [start + 4 * k for k in range(4)]
    columns = normalise_logmel(5 * start + torch.arange(61.0))  # one by one, though every fourth frame is shown
    assert torch.allclose(clips.audio, columns.expand(1, 1, 2, -1), atol=0.501 / LOG_SCALE)


def test_the_shard_preset_fits_the_training_preset():
    config, params = load_config("fingerprint"), PRESETS["fingerprint"]
    assert params.columns_per_frame == 5
    assert params.short_side_px == config.data.frame_px
    assert (config.clip.clock_frames - 1) / params.fps == 1.5


def test_a_small_training_at_one_moment(tmp_path):
    shards = write_shards(tmp_path / "shards", 12, PARAMS)
    settings = [
        f"data.shards={shards}", "data.batch_size=4", "data.frame_px=32", "data.window_frames=20", "clip.crop_px=32",
        "model.tiny_width=4", "model.projection_hidden=16", "model.projection_dim=8", "steps=2", "log_every=1",
    ]  # fmt: skip
    run = tmp_path / "run"
    assert Trainer(load_config("fingerprint", settings), run, join_world("cpu")).train()
    assert [set(record["terms"]) for record in records(run).values()] == 2 * [{"video_video", "audio_audio"}]
    assert load_encoders(run / "checkpoints" / LAST_NAME).config.clip.base_stride == 4
