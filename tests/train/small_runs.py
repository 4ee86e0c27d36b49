"""Small pretrainings, in this process or in one of their own, and what they leave behind."""

import json
import os
import signal
from pathlib import Path

import pytest
import torch

from tests.processes import wait_for
from train.config.load import load_config
from train.config.schema import Config
from train.ranks.distributed import join_world
from train.run.checkpoint import LAST_NAME, Checkpoint, read_checkpoint
from train.run.loop import TrainingLoop
from train.run.pretraining import Trainer

SETTINGS = (
    "data.split=''", "data.batch_size=6", "data.frame_px=32", "data.window_frames=8", "clip.n_frames=4", "clip.crop_px=24",
    "clip.speeds=[1, 2]", "clip.eval_speed=2", "model.tiny_width=4", "model.head_hidden=16", "model.projection_hidden=16",
    "model.projection_dim=8", "bank.size=64", "bank.negative_rank_low=8", "bank.negative_rank_high=32",
    "bank.n_negatives=8", "bank.warmup_steps=3", "bank.positives=nearest", "log_every=1", "checkpoint_every=100",
    "optim.warmup_steps=2", "optim.lr=0.001", "loss.video_video=1.0", "heldout.split=''",
)  # fmt: skip


DEVICE = "cuda"
_LACKS_GPU = "torch finds no GPU here; `make gpu-check` runs these tests"
needs_gpu = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason=_LACKS_GPU)]
"""Marks of tests that compare a GPU with the CPU, whose results the other tests verify."""


def config(shards: Path, *overrides: str, objective: str = "whole") -> Config:
    return load_config("sample", [*SETTINGS, f"data.shards={shards}", *overrides], objective)


def trainer(run: Path, shards: Path, *overrides: str, objective: str = "whole", device: str = "cpu") -> Trainer:
    return Trainer(config(shards, *overrides, objective=objective), run, join_world(device))


def train(run: Path, shards: Path, *overrides: str) -> bool:
    return trainer(run, shards, *overrides).train()


def stop_in_step(training: TrainingLoop, number: int) -> None:
    """Have a training stopped by a signal in its step of this number, counted from 1."""
    step, count = training._train_step, iter(range(1, number + 1))

    def signalled():
        if next(count) == number:
            os.kill(os.getpid(), signal.SIGTERM)
        return step()

    training._train_step = signalled


def records(run: Path) -> dict[int, dict]:
    """Lines of the log by their step."""
    return {record["step"]: record for record in map(json.loads, (run / "log.jsonl").read_text().splitlines())}


def losses(run: Path) -> dict[int, float]:
    return {step: record["loss"] for step, record in records(run).items()}


def saved(run: Path) -> Checkpoint:
    return read_checkpoint(run / "checkpoints" / LAST_NAME)


def assert_same_end(one: Path, other: Path) -> None:
    """Losses (as far as both logged them), weights and bank of two runs are equal to the last bit."""
    logged = losses(one), losses(other)
    common = logged[0].keys() & logged[1].keys()
    assert common
    assert [step for step in common if logged[0][step] != logged[1][step]] == []
    a, b = saved(one), saved(other)
    for ours, theirs in ((a.model, b.model), (a.bank, b.bank)):
        assert ours.keys() == theirs.keys()
        assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


def command(run: Path, shards: Path, *overrides: str) -> list[str]:
    """The words after the name of the program."""
    words = ["pretrain", "--run", run, "--shards", shards, "--device", "cpu", "--threads", "1"]
    return [*map(str, words), *(word for setting in (*SETTINGS, *overrides) for word in ("--set", setting))]


def wait_for_step(run: Path, step: int, seconds: float = 90) -> None:
    log = run / "log.jsonl"
    wait_for(lambda: log.exists() and log.read_text().count("\n") >= step, seconds)
