"""Held-out accuracy of the heads: right by hand, on segments apart, and without a trace in the training."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.train.conftest import SMALL as SMALL_SHARDS
from tests.train.conftest import write_shards
from tests.train.run.test_pretraining import SMALL
from train.config.load import load_config
from train.data.loader import LoaderConfig, SegmentLoader
from train.errors import ConfigError
from train.model.heads import Model
from train.plans.clip_planners import TwoViews
from train.ranks.distributed import join_world
from train.run.checkpoint import LAST_NAME, read_checkpoint
from train.run.heldout import _SEED, Heldout
from train.run.pretraining import Trainer
from train.views.views import normalise_logmel

ROOT = Path(__file__).parents[3]
SETTINGS = (*SMALL, "data.split=1:train", "data.window_frames=16", "heldout.split=1:test", "heldout.n_batches=3")
PARAMS = dataclasses.replace(SMALL_SHARDS, segment_seconds=1.0)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """32 segments of 5 to 16 frames, 8 of them on the test side; a third silent."""
    folder = tmp_path_factory.mktemp("heldout") / "shards"
    return write_shards(folder, 32, PARAMS, lambda index: 16 - index % 12)


def config(shards, *overrides):
    return load_config("sample", [*SETTINGS, f"data.shards={shards}", *overrides])


def train(run, shards, *overrides):
    return Trainer(config(shards, *overrides), run, join_world("cpu")).train()


def records(run):
    return {r["step"]: r for r in map(json.loads, (run / "log.jsonl").read_text().splitlines())}


def losses(run):
    return {step: record["loss"] for step, record in records(run).items()}


def slow_clip(batch, row, start, stride, reverse, length=4, crop_px=24):
    """One clip cut frame by frame and column by column: (3, T, crop, crop) and (1, n_mels, C)."""
    last = int(batch.n_frames[row]) - 1
    frames = [batch.frames[row, min(start + stride * i, last)].float() / 63.75 - 2 for i in range(length)]
    edge = (32 - crop_px) // 2
    video = torch.stack([f[edge : edge + crop_px, edge : edge + crop_px] for f in frames])
    per_frame = PARAMS.columns_per_frame
    final = (last + 1) * per_frame - 1
    columns = [min(start * per_frame + stride * i, final) for i in range((length - 1) * per_frame + 1)]
    audio = torch.stack([batch.logmel[row, :, c] for c in columns], 1)
    if reverse:
        video, audio = video.flip(0), audio.flip(1)
    return video.permute(3, 0, 1, 2), normalise_logmel(audio)[None]


def slow_counts(settings, shards, model):
    """(right, asked) of each head, one clip or pair at a time."""
    data = settings.data
    whole = LoaderConfig(
        str(shards), 6, data.frame_px, data.window_frames, shuffle=True, seed=_SEED, num_threads=1, split="1:test"
    )
    loaders = SegmentLoader(whole), SegmentLoader(dataclasses.replace(whole, clips=TwoViews(settings.clip)))
    counts = {name: [0, 0] for name in model.heads}

    def ask(name, features, label):
        answer = int(model.heads[name](torch.cat(features)[None]).argmax())
        counts[name][0] += answer == label
        counts[name][1] += 1

    for _ in range(settings.heldout.n_batches):
        batch, plan = next(loaders[0]), next(loaders[1]).plan
        for row in range(len(batch)):
            cuts = [(int(plan.start[row, v]), int(plan.stride[row, v]), bool(plan.reverse[row, v])) for v in (0, 1)]
            clips = [slow_clip(batch, row, *cut) for cut in cuts]
            video = [model.encoders.video(v[None])[0] for v, _ in clips]
            audio = [model.encoders.audio(a[None])[0] for _, a in clips]
            heard = bool(batch.has_audio[row])
            if int(batch.n_frames[row]) < settings.clip.n_frames:
                continue
            for view, (_, stride, reverse) in enumerate(cuts):
                for name, features, known in (("video", video, True), ("audio", audio, heard)):
                    if known:
                        ask(f"speed_{name}", [features[view]], settings.clip.speeds.index(stride))
                        ask(f"direction_{name}", [features[view]], int(reverse))
            spans = [3 * stride + 1 for _, stride, _ in cuts]
            if sum(spans) > int(batch.n_frames[row]):
                continue  # no room for all three orders
            (first, *_), (second, *_) = cuts
            order = 0 if first + spans[0] <= second else 2 if second + spans[1] <= first else 1
            ask("order_video", video, order)
            if heard:
                ask("order_audio", audio, order)
                ask("order_video_audio", [video[0], audio[1]], order)
                ask("order_video_audio", [video[1], audio[0]], 2 - order)
    return counts


def test_every_heads_accuracy_is_that_of_a_slow_count_over_single_clips(shards, tmp_path):
    settings = config(shards, "steps=4", "heldout.n_batches=8")
    trainer = Trainer(settings, tmp_path, join_world("cpu"))
    trainer.train()
    model = trainer.model.eval()
    with torch.no_grad():
        counts = slow_counts(settings, shards, model)
    scores = Heldout(settings, torch.device("cpu")).scores(model)
    assert set(scores) == set(model.heads)
    for name, (right, asked) in counts.items():
        assert scores[name].n_labels == asked > 5, name
        assert scores[name].accuracy == pytest.approx(right / asked), name
    assert [scores[f"{task}_video"].chance for task in ("speed", "direction", "order")] == [1 / 2, 1 / 2, 1 / 3]
    assert all(1 >= score.commonest >= score.chance for score in scores.values())


def test_asking_twice_gives_the_same_and_leaves_the_model_as_it_was(shards):
    settings = config(shards)
    model, heldout = Model(settings).train(), Heldout(settings, torch.device("cpu"))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    assert heldout.scores(model) == heldout.scores(model)
    assert model.training
    assert all(module.training for module in model.modules())
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_training_is_the_same_with_and_without_and_so_is_a_resumed_one(shards, tmp_path):
    assert train(tmp_path / "without", shards, "steps=8", "heldout.split=''")
    assert train(tmp_path / "with", shards, "steps=8", "heldout.every=3")
    trainer = Trainer(config(shards, "steps=8", "heldout.every=3"), tmp_path / "half", join_world("cpu"))
    ask = trainer._evaluate_heldout

    def stop_while_asking():
        os.kill(os.getpid(), signal.SIGTERM)
        return ask()

    trainer._evaluate_heldout = stop_while_asking
    assert trainer.train() is False
    assert list(records(tmp_path / "half")) == [1, 2, 3]
    # What is asked may be changed on the way: it changes nothing else.
    assert train(tmp_path / "half", shards, "steps=8", "heldout.every=2")
    assert losses(tmp_path / "without") == losses(tmp_path / "with") == losses(tmp_path / "half")
    ends = [read_checkpoint(tmp_path / name / "checkpoints" / LAST_NAME).model for name in ("without", "with", "half")]
    for name, value in ends[0].items():
        assert torch.equal(value, ends[1][name]), name
        assert torch.equal(value, ends[2][name]), name


def test_results_stand_in_the_log_tensorboard_and_the_summary(shards, tmp_path, caplog):
    caplog.set_level("INFO", logger="train")
    train(tmp_path, shards, "steps=5", "heldout.every=2", "log_every=4")
    found = {step: {k for k in r["metrics"] if k.startswith("heldout/")} for step, r in records(tmp_path).items()}
    names = {"speed_video", "speed_audio", "direction_video", "direction_audio", "order_video", "order_audio",
             "order_video_audio"}  # fmt: skip
    assert found == {step: {f"heldout/{name}" for name in names} for step in (2, 4, 5)}
    last = records(tmp_path)[5]["metrics"]
    summary = json.loads((tmp_path / "training.json").read_text())["heldout"]
    assert {f"heldout/{name}": value for name, value in summary.items()} == {
        name: value for name, value in last.items() if name in found[5]
    }
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    events = board.Scalars("metrics/heldout/order_video")
    assert [event.step for event in events] == [2, 4, 5]
    assert events[-1].value == pytest.approx(summary["order_video"], abs=1e-5)
    table = next(m for m in caplog.messages if m.startswith("held out"))
    assert len(table.splitlines()) == 1 + len(names)
    assert "50.0" in table


def test_without_temporal_heads_nothing_is_asked(shards, tmp_path):
    settings = load_config("sample", [*SETTINGS, f"data.shards={shards}", "steps=1"], "without-temporal")
    assert Trainer(settings, tmp_path, join_world("cpu")).train()
    assert json.loads((tmp_path / "training.json").read_text())["heldout"] == {}


@pytest.mark.parametrize("trained", ["''", "1:test", "2:train"])
def test_segments_that_the_training_may_see_are_refused_as_held_out(shards, tmp_path, trained):
    with pytest.raises(ConfigError, match="not held out from"):
        train(tmp_path / "run", shards, f"data.split={trained}" if trained != "2:train" else "heldout.split=2:test")


def test_a_held_out_part_that_does_not_exist_is_refused_before_the_first_step(shards, tmp_path):
    with pytest.raises(ConfigError, match=r"no segment of heldout\.split 1:validation"):
        train(tmp_path / "run", shards, "heldout.split=1:validation")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_two_ranks_leave_one_checkpoint_and_the_main_one_asks(shards, tmp_path):
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "--", "train",
        "pretrain", "--run", tmp_path / "run", "--shards", shards, "--device", "cpu", "--threads", "1",
    ]  # fmt: skip
    settings = [x for item in (*SETTINGS, "steps=4", "heldout.every=2") for x in ("--set", item)]
    done = subprocess.run(
        [*map(str, command), *settings], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    saved = read_checkpoint(tmp_path / "run" / "checkpoints" / LAST_NAME)
    assert (saved.step, saved.world_size, len(saved.loaders)) == (4, 2, 2)
    assert int(saved.bank["cursor"]) == 4 * 2 * 6
    asked = [step for step, r in records(tmp_path / "run").items() if "heldout/speed_video" in r["metrics"]]
    assert asked == [2, 4]
