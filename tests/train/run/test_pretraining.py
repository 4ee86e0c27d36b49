"""Whole small trainings on real shards: resume is exact, signals save, one run a directory."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from store.atomic_files import folder_lock
from tests.train.conftest import write_shards
from train.__main__ import main
from train.config.load import load_config
from train.errors import CheckpointError, RunError, TrainError
from train.ranks.distributed import join_world
from train.run.checkpoint import LAST_NAME, load_encoders, read_checkpoint, untrained_encoders
from train.run.pretraining import Trainer

ROOT = Path(__file__).parents[3]
SMALL = (
    "data.split=''", "data.batch_size=6", "data.frame_px=32", "data.window_frames=8", "clip.n_frames=4", "clip.crop_px=24",
    "clip.speeds=[1, 2]", "clip.eval_speed=2", "model.tiny_width=4", "model.head_hidden=16", "model.projection_hidden=16",
    "model.projection_dim=8", "bank.size=64", "bank.negative_rank_low=8", "bank.negative_rank_high=32",
    "bank.n_negatives=8", "bank.warmup_steps=3", "log_every=1", "checkpoint_every=100", "optim.warmup_steps=2",
    "optim.lr=0.001", "bank.positives=nearest",
    "loss.video_video=1.0", "heldout.split=''",
)  # fmt: skip


def config(shards, *overrides):
    return load_config("sample", [*SMALL, f"data.shards={shards}", *overrides])


def train(run, shards, *overrides):
    return Trainer(config(shards, *overrides), run, join_world("cpu")).train()


def losses(run):
    return {r["step"]: r["loss"] for r in map(json.loads, (run / "log.jsonl").read_text().splitlines())}


def test_a_resumed_run_equals_an_uninterrupted_one(small_shards, tmp_path):
    # 48 segments in batches of 6: the border of an epoch lies inside, and so does the end of the bank's warm-up.
    assert train(tmp_path / "whole", small_shards, "steps=14")
    assert train(tmp_path / "parts", small_shards, "steps=14", "optim.final_lr_fraction=1.0") is True
    half = tmp_path / "half"
    trainer = Trainer(config(small_shards, "steps=14"), half, join_world("cpu"))
    record, steps = trainer._train_step, []

    def stop_after_seven():
        steps.append(1)
        if len(steps) == 7:
            os.kill(os.getpid(), signal.SIGTERM)
        return record()

    trainer._train_step = stop_after_seven
    assert trainer.train() is False
    assert read_checkpoint(half / "checkpoints" / LAST_NAME).step == 7
    assert train(half, small_shards, "steps=14")
    assert losses(half) == losses(tmp_path / "whole")
    assert losses(half) != losses(tmp_path / "parts")
    ends = [read_checkpoint(tmp_path / name / "checkpoints" / LAST_NAME) for name in ("whole", "half")]
    for name, value in ends[0].model.items():
        assert torch.equal(value, ends[1].model[name]), name
    for name, value in ends[0].bank.items():
        assert torch.equal(value, ends[1].bank[name]), name


def test_time_trained_since_the_last_record_is_saved_too(small_shards, tmp_path):
    trainer = Trainer(config(small_shards, "steps=9", "log_every=9"), tmp_path, join_world("cpu"))
    step = trainer._train_step

    def stop():
        os.kill(os.getpid(), signal.SIGTERM)
        return step()

    trainer._train_step = stop
    assert trainer.train() is False
    assert read_checkpoint(tmp_path / "checkpoints" / LAST_NAME).seconds > 0


def test_a_finished_run_has_nothing_to_do_and_says_how_it_went(small_shards, tmp_path):
    assert train(tmp_path, small_shards, "steps=3")
    before = (tmp_path / "checkpoints" / LAST_NAME).stat().st_mtime_ns
    assert train(tmp_path, small_shards, "steps=3")
    assert (tmp_path / "checkpoints" / LAST_NAME).stat().st_mtime_ns == before
    summary = json.loads((tmp_path / "training.json").read_text())
    assert summary["steps"] == 3
    assert summary["shards_fingerprint"] == read_checkpoint(tmp_path / "checkpoints" / LAST_NAME).shards_fingerprint
    assert load_config(tmp_path / "config.yaml") == config(small_shards, "steps=3")


def test_other_settings_or_other_shards_are_refused(small_shards, tmp_path):
    train(tmp_path / "run", small_shards, "steps=2")
    with pytest.raises(RunError, match=r"optim\.lr: 0\.001 there, 0\.1 asked"):
        train(tmp_path / "run", small_shards, "steps=4", "optim.lr=0.1")
    other = write_shards(tmp_path / "other", 20)
    with pytest.raises(RunError, match="other shards"):
        train(tmp_path / "run", other, "steps=4")


def test_two_trainings_on_one_run_directory_the_second_is_refused(small_shards, tmp_path):
    with folder_lock(tmp_path), pytest.raises(RunError, match="another process"):
        train(tmp_path, small_shards, "steps=2")


def test_on_a_file_system_without_locks_a_run_trains_with_a_warning(small_shards, tmp_path, monkeypatch, caplog):
    def refuse(descriptor, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert train(tmp_path, small_shards, "steps=1")
    assert "has no locks" in caplog.text


def test_terms_of_weight_zero_are_neither_computed_nor_logged(small_shards, tmp_path):
    off = [f"loss.{name}=0" for name in ("order_video", "order_audio", "order_video_audio", "video_audio")]
    train(tmp_path, small_shards, "steps=1", *off)
    record = json.loads((tmp_path / "log.jsonl").read_text())
    assert set(record["terms"]) == {"video_video", "speed_video", "speed_audio", "direction_video", "direction_audio"}
    assert record["loss"] == pytest.approx(sum(record["terms"].values()), abs=1e-4)


@pytest.mark.parametrize("setting", ["optim.channels_last=true", "optim.precision=bf16"])
def test_other_layout_and_precision_give_about_the_same_first_loss(small_shards, tmp_path, setting):
    train(tmp_path / "plain", small_shards, "steps=1")
    train(tmp_path / "other", small_shards, "steps=1", setting)
    assert losses(tmp_path / "other")[1] == pytest.approx(losses(tmp_path / "plain")[1], rel=0.05)


def test_a_step_of_two_accumulated_batches_draws_two_and_moves_the_weights_once(small_shards, tmp_path):
    train(tmp_path, small_shards, "steps=1", "optim.accumulate=2")
    saved = read_checkpoint(tmp_path / "checkpoints" / LAST_NAME)
    assert int(saved.bank["cursor"]) == 12
    assert {int(state["step"]) for state in saved.optimizer["state"].values()} == {1}


def test_the_command_names_what_is_missing_and_the_remedy(tmp_path, capsys):
    assert main(["pretrain", "--preset", "sample", "--run", str(tmp_path / "run"), "--shards", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert str(tmp_path) in said
    assert "python -m preprocess shards" in said
    assert "Traceback" not in said


def test_checkpoints_give_back_their_encoders_and_refuse_garbage(small_shards, tmp_path):
    train(tmp_path, small_shards, "steps=2")
    path = tmp_path / "checkpoints" / LAST_NAME
    loaded, again, fresh = load_encoders(path), load_encoders(path), untrained_encoders(path)
    clip = torch.randn(2, 3, 4, 24, 24)
    assert not loaded.encoders.training
    assert torch.equal(loaded.encoders.video(clip), again.encoders.video(clip))
    assert loaded.sha256 == again.sha256 != fresh.sha256
    assert untrained_encoders(path).sha256 == fresh.sha256
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="damaged"):
        load_encoders(path)
    path.write_bytes(b"text")
    with pytest.raises(CheckpointError, match="damaged"):
        load_encoders(path)
    with pytest.raises(CheckpointError, match="train first"):
        load_encoders(tmp_path / "none.pt")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": None}, "damaged: model: "),
        ({"step": "two"}, "damaged: step: "),
        ({"model": {"encoders.x": torch.zeros(3)}}, "weights do not fit"),
        ({"shard_params": {"fps": 0}}, "shard_params|fps must be above 0"),
    ],
)
def test_checkpoints_that_say_something_odd_are_refused(small_shards, tmp_path, change, words):
    train(tmp_path, small_shards, "steps=1")
    path = tmp_path / "checkpoints" / LAST_NAME
    torch.save(torch.load(path, weights_only=True) | change, path)
    with pytest.raises(TrainError, match=words):
        load_encoders(path)


def test_a_run_does_not_go_on_from_a_state_that_does_not_fit(small_shards, tmp_path):
    train(tmp_path, small_shards, "steps=1")
    path = tmp_path / "checkpoints" / LAST_NAME
    whole = torch.load(path, weights_only=True)
    groups = [group | {"amsgrad": True} for group in whole["optimizer"]["param_groups"]]
    other = whole["optimizer"] | {"param_groups": groups}
    first, *rest = sorted(whole["optimizer"]["state"])
    moments = whole["optimizer"]["state"][first]
    states = [
        moments | {"exp_avg": [1.0]}, moments | {"exp_avg": torch.zeros(3, 5, 7)},
        {name: value for name, value in moments.items() if name != "exp_avg_sq"},
    ]  # fmt: skip
    kept = {number: whole["optimizer"]["state"][number] for number in rest}
    damaged = [{"optimizer": whole["optimizer"] | {"state": {first: state} | kept}} for state in states]
    for change in (
        *damaged, {"optimizer": {}}, {"optimizer": other}, {"loaders": []}, {"bank": {"x": 1}}, {"model": {}},
    ):  # fmt: skip
        torch.save(whole | change, path)
        with pytest.raises(TrainError, match="damaged"):
            train(tmp_path, small_shards, "steps=2")


def start(run, shards, *overrides):
    command = [
        sys.executable,
        "-m",
        "train",
        "pretrain",
        "--run",
        run,
        "--shards",
        shards,
        "--device",
        "cpu",
        "--threads",
        "1",
    ]
    settings = [x for item in (*SMALL, *overrides) for x in ("--set", item)]
    return subprocess.Popen([*map(str, command), *settings], cwd=ROOT, stderr=subprocess.PIPE, text=True)


def wait_for_step(run, step, seconds=90):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (run / "log.jsonl").exists() and (run / "log.jsonl").read_text().count("\n") >= step:
            return
        time.sleep(0.05)
    raise AssertionError("no progress")


@pytest.mark.slow
def test_killed_and_terminated_from_outside_it_goes_on_to_the_same_end(small_shards, tmp_path):
    # The same process settings for both: another number of threads adds in another order, and 40 steps amplify that.
    settings = ("steps=40", "checkpoint_every=4")
    whole = start(tmp_path / "whole", small_shards, *settings)
    assert whole.wait(120) == 0, whole.stderr.read()
    run = tmp_path / "killed"
    for number, step, status in ((signal.SIGKILL, 6, -9), (signal.SIGTERM, 14, 3)):
        process = start(run, small_shards, *settings)
        wait_for_step(run, step)
        process.send_signal(number)
        assert process.wait(60) == status, process.stderr.read()
    process = start(run, small_shards, *settings)
    assert process.wait(120) == 0, process.stderr.read()
    assert losses(run) == losses(tmp_path / "whole")
