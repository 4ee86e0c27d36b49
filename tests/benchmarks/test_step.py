"""The step that is timed part by part is the trainer's step."""

import json

import pytest
import torch

from benchmarks.step import CPU, PARTS, bench_config, timed_step
from benchmarks.stopwatch import Stopwatch
from tests.train.conftest import write_shards
from train.run.pretraining import Trainer

SMALL = (
    "steps=4", "log_every=1", "data.batch_size=8", "data.frame_px=32", "data.window_frames=8", "clip.n_frames=4",
    "clip.crop_px=24", "clip.speeds=[1,2]", "model.tiny_width=4", "bank.size=64", "bank.n_negatives=8",
    "bank.negative_rank_low=8", "bank.negative_rank_high=32",
)  # fmt: skip


def test_it_trains_as_the_trainer_does(tmp_path):
    config = bench_config("sample", write_shards(tmp_path / "shards", 48), (*SMALL, "data.split=''"))
    torch.set_num_threads(1)
    trainer = Trainer(config, tmp_path / "run", CPU)
    assert trainer.train()
    lines = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    composed, watch = Trainer(config, tmp_path / "other", CPU), Stopwatch()
    losses = [float(timed_step(composed, watch)) for _ in range(4)]
    assert losses == pytest.approx([json.loads(line)["loss"] for line in lines], abs=1e-4)
    for ours, theirs in zip(composed.model.parameters(), trainer.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert all(set(step) == set(PARTS) and min(step.values()) > 0 for step in watch.steps)
