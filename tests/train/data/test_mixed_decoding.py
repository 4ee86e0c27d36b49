"""Decoding on a GPU beside decoding on the CPU: the same segments and clips, and nearly the same pixels."""

from dataclasses import fields, replace

import pytest
import torch

from tests.train.conftest import SMALL, loading, write_shards
from tests.train.small_runs import DEVICE, config, needs_gpu
from train.data.loader import SegmentLoader
from train.ranks.distributed import World
from train.run.pretraining import loader_config

pytestmark = needs_gpu


def both(settings, n):
    """The next n batches of a CPU's loader and of a GPU's, as pairs on the CPU."""
    loaders = [SegmentLoader(settings, device) for device in ("cpu", DEVICE)]
    return [[next(loader).to("cpu") for loader in loaders] for _ in range(n)]


def assert_nearly_equal(pairs):
    """By the largest and mean difference of pixels in grey levels; printed, as a GPU's decoder has its own rounding."""
    off = torch.cat([(a.frames.int() - b.frames.int()).abs().flatten() for a, b in pairs]).float()
    print(f"pixels differ by at most {off.max():.0f} and by {off.mean():.3f} on average")  # noqa: T201 - `make gpu-check` shows it
    assert off.max() <= 16
    assert off.mean() <= 1


@pytest.mark.parametrize("frame_px", [32, 24], ids=["cut", "resized"])
def test_frames_of_planned_clips(small_shards, frame_px):
    settings = config(small_shards, f"data.frame_px={frame_px}", "clip.crop_px=24")
    pairs = both(loader_config(settings, World(0, 1, torch.device("cpu"))), 8)
    for cpu, gpu in pairs:
        for name in (f.name for f in fields(cpu) if f.name not in ("frames", "plan")):
            assert torch.equal(torch.as_tensor(getattr(cpu, name)), torch.as_tensor(getattr(gpu, name))), name
        assert torch.equal(cpu.plan.start, gpu.plan.start)
    assert_nearly_equal(pairs)


def test_whole_strips_with_restart_markers_of_16384_px(tmp_path):
    big = replace(SMALL, short_side_px=128, segment_seconds=8.0)
    shards = write_shards(tmp_path / "shards", 4, big, n_frames=lambda _: 128)
    settings = loading(shards, batch_size=4, frame_px=128, window_frames=128, shuffle=True)
    assert_nearly_equal(both(settings, 1))


def test_frames_stay_whole_while_the_gpu_lags_behind_the_host(small_shards):
    settings = loader_config(config(small_shards), World(0, 1, torch.device("cpu")))
    found = []
    for cycles in (0, 50_000_000):
        loader, sums = SegmentLoader(settings, DEVICE), []
        for _ in range(12):
            frames = next(loader).frames
            torch.cuda._sleep(cycles)
            sums.append(frames.long().sum((1, 2, 3, 4)))
            del frames  # the GPU has yet to read them
            if not cycles:
                torch.cuda.synchronize()
        found.append(torch.stack(sums).cpu())
    assert torch.equal(*found)
