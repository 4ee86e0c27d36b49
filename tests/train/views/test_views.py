"""Plans and gathers against slow per-sample versions; labels follow from the plan by construction."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.train.views.views import clock, generator
from train.config.clip_config import ClipConfig
from train.errors import ConfigError
from train.plans.clip_planners import EvenClips
from train.plans.plan import AFTER, BEFORE, IGNORE, OVERLAP, draw_plan
from train.views.training_clips import plain_clips
from train.views.views import LOG_SCALE, eval_clips, normalise_logmel, plain_video

CLIP = ClipConfig(n_frames=8, crop_px=8, speeds=(1, 2, 4, 8), eval_speed=4)
MOMENT = ClipConfig(
    n_frames=4, crop_px=8, speeds=(1,), base_stride=4, views="same_moment", jitter_frames=2.0, eval_speed=1
)


def plan_for(n_frames, seed=0):
    return draw_plan(torch.as_tensor(n_frames), CLIP, generator(seed))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 125), min_size=1, max_size=40), st.integers(0, 2**31))
def test_every_clip_stays_inside_its_segment_and_the_order_label_is_true(n_frames, seed):
    plan = plan_for(n_frames, seed)
    for i, n in enumerate(n_frames):
        assert bool(plan.timed[i]) == (n >= CLIP.n_frames)
        if n < CLIP.n_frames:
            assert plan.order[i] == IGNORE
            continue
        first, last = [], []
        for view in (0, 1):
            stride = CLIP.speeds[plan.speed[i, view]]
            assert stride == plan.stride[i, view]
            first.append(int(plan.start[i, view]))
            last.append(first[-1] + stride * (CLIP.n_frames - 1))
        assert min(first) >= 0
        assert max(last) < n
        truth = BEFORE if last[0] < first[1] else AFTER if first[0] > last[1] else OVERLAP
        assert plan.order[i] in (truth, IGNORE)


def test_speed_and_order_are_balanced_and_order_says_nothing_about_speed():
    plan = plan_for([64] * 60_000)
    shares = torch.bincount(plan.speed.flatten()).float() / plan.speed.numel()
    assert torch.allclose(shares, torch.full((4,), 0.25), atol=0.01)
    assert plan.reverse.float().mean().item() == pytest.approx(0.5, abs=0.01)
    known = plan.order >= 0
    for speed in range(3):  # at 8x a 64-frame segment leaves no room for a second clip: no order label there
        rows = known & (plan.speed[:, 0] == speed)
        order = torch.bincount(plan.order[rows], minlength=3).float() / rows.sum()
        assert torch.allclose(order, torch.full((3,), 1 / 3), atol=0.015)
    assert not (known & (plan.speed == 3).any(1)).any()


def test_a_speed_that_clips_are_not_cut_at_is_refused_not_rounded_down():
    with pytest.raises(ConfigError, match=r"speeds 1, 2, 4, 8 .*, not at 3"):
        EvenClips(CLIP, 2, (2, 3))


@pytest.mark.parametrize("clip", [CLIP, MOMENT], ids=["at speeds", "at one moment"])
def test_views_equal_a_slow_loop_and_sound_keeps_the_span_of_the_picture(clip):
    n_frames, per_frame = [80, 64, 40, 20, 9, 5], 3
    plan = draw_plan(torch.tensor(n_frames), clip, generator(3))
    clips = plain_clips(clock(n_frames, plan, clip.n_frames, per_frame), clip, per_frame)
    assert bool(plan.reverse.any()) == (clip is CLIP)
    for view in (0, 1):
        for i, n in enumerate(n_frames):
            start, stride = plan.start[i, view].item(), plan.stride[i, view].item()
            shown = [min(start + t * stride, n - 1) for t in range(clip.n_frames)]
            heard = [
                start * per_frame + c * stride / clip.base_stride
                for c in range((clip.clock_frames - 1) * per_frame + 1)
            ]
            heard = [min(column, n * per_frame - 1) for column in heard]
            way, row = -1 if plan.reverse[i, view] else 1, len(n_frames) * view + i
            pixels = (clips.video[row, 0, :, 0, 0] + 2) * 63.75
            assert torch.allclose(pixels, torch.tensor(shown[::way]).float(), atol=0.501)
            columns = normalise_logmel(torch.tensor(heard[::way]))
            assert torch.allclose(clips.audio[row, 0, 0], columns, atol=0.501 / LOG_SCALE)


def test_eval_clips_are_spread_evenly_and_fit_short_segments():
    plan = EvenClips(CLIP, 3, (4,))(torch.tensor([64, 16]), torch.Generator())
    clips = eval_clips(clock([64, 16], plan, 8, columns_per_frame=2), CLIP, columns_per_frame=2)
    assert clips.video.shape == (6, 3, 8, 8, 8)
    assert clips.audio.shape == (6, 1, 2, 15)
    assert clips.start_frame.tolist() == [0, 17, 35, 0, 0, 1]
    assert clips.span_frames.tolist() == [29, 29, 29, 15, 15, 15]  # 16 frames hold a clip at 2x, not at 4x
    shown = ((clips.video[:, 0, :, 0, 0] + 2) * 63.75).round().long()
    assert shown[2].tolist() == list(range(35, 64, 4))
    assert shown[5].tolist() == list(range(1, 16, 2))


def test_log_mels_and_middle_squares_are_normalised_to_minus_two_and_two():
    assert torch.allclose(normalise_logmel(torch.tensor([1e-8, 1.0]).log()), torch.tensor([-2.0, 2.0]))
    frames = torch.zeros(1, 1, 8, 6, 3, dtype=torch.uint8)
    frames[:, :, 2:6, 1:5] = 255
    assert torch.allclose(plain_video(frames, 4), torch.full((1, 3, 1, 4, 4), 2.0))


def test_the_views_of_a_segment_share_the_direction_unless_told_otherwise():
    n_frames = torch.full((2000,), 64)
    together = draw_plan(n_frames, CLIP, generator()).reverse
    assert torch.equal(together[:, 0], together[:, 1])
    assert together[:, 0].float().mean().item() == pytest.approx(0.5, abs=0.05)
    apart = draw_plan(n_frames, replace(CLIP, shared_direction=False), generator()).reverse
    assert (apart[:, 0] == apart[:, 1]).float().mean().item() == pytest.approx(0.5, abs=0.05)


def test_views_without_order_start_anywhere_apart_or_together_and_carry_no_order_label():
    clip = replace(CLIP, balanced_order=False, reverse_probability=0.0)
    plan = draw_plan(torch.full((4000,), 40), clip, generator())
    assert (plan.order == IGNORE).all()
    assert not plan.reverse.any()
    once = plan.speed == 0
    for view in (0, 1):
        starts = plan.start[once[:, view], view]
        assert set(starts.tolist()) == set(range(33))  # 40 frames, clips of 8
    both = once.all(1)
    correlation = torch.corrcoef(plan.start[both].double().T)[0, 1]
    assert abs(correlation) < 0.2
    span = (CLIP.n_frames - 1) * plan.stride + 1
    assert (plan.start + span <= 40).all()
