"""Held-out accuracy of the heads: right by hand, on segments apart, and without a trace in the training."""

import dataclasses
import json
import os
import signal

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.train import small_runs
from tests.train.conftest import SMALL, loading, write_shards
from tests.train.small_runs import assert_same_end, records
from train.config.schema import TEMPORAL_TERMS
from train.data.loader import SegmentLoader
from train.errors import ConfigError
from train.plans.clip_planners import TwoViews
from train.run.heldout import _SEED, Heldout
from train.views.training_clips import plain_clips

SETTINGS = ("data.split=1:train", "data.window_frames=16", "heldout.split=1:test", "heldout.n_batches=3")
PARAMS = dataclasses.replace(SMALL, segment_seconds=1.0)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """32 segments of 6 to 16 frames, 8 of them on the test side; a third silent."""
    folder = tmp_path_factory.mktemp("heldout") / "shards"
    return write_shards(folder, 32, PARAMS, lambda index: 16 - index % 11)


def trainer(run, shards, *overrides, objective="whole"):
    return small_runs.trainer(run, shards, *SETTINGS, *overrides, objective=objective)


def slow_counts(settings, shards, model):
    """[right, evaluated] of each head, one clip or pair at a time."""
    whole = loading(shards, batch_size=6, window_frames=16, shuffle=True, seed=_SEED, split="1:test")
    loader = SegmentLoader(dataclasses.replace(whole, clips=TwoViews(settings.clip)))
    counts = {name: [0, 0] for name in model.heads}

    def ask(name, features, label):
        answer = int(model.heads[name](torch.cat(features)[None]).argmax())
        counts[name][0] += answer == label
        counts[name][1] += 1

    for _ in range(settings.heldout.n_batches):
        batch = next(loader)
        clips, plan = plain_clips(batch, settings.clip, PARAMS.columns_per_frame), batch.plan
        for row, n_frames in enumerate(batch.n_frames.tolist()):
            if n_frames < settings.clip.n_frames:
                continue
            has_audio = bool(batch.has_audio[row])
            views = (row, len(batch) + row)
            video = [model.encoders.video(clips.video[each, None])[0] for each in views]
            audio = [model.encoders.audio(clips.audio[each, None])[0] for each in views]
            for view in (0, 1):
                for name, features in (("video", video), ("audio", audio))[: 1 + has_audio]:
                    ask(f"speed_{name}", [features[view]], settings.clip.speeds.index(plan.stride[row, view]))
                    ask(f"direction_{name}", [features[view]], int(plan.reverse[row, view]))
            (first, second), spans = plan.start[row].tolist(), (3 * plan.stride[row] + 1).tolist()
            if sum(spans) > n_frames:
                continue  # no room for all three orders
            order = 0 if first + spans[0] <= second else 2 if second + spans[1] <= first else 1
            ask("order_video", video, order)
            if has_audio:
                ask("order_audio", audio, order)
                ask("order_video_audio", [video[0], audio[1]], order)
                ask("order_video_audio", [video[1], audio[0]], 2 - order)
    return counts


def test_every_heads_accuracy_is_that_of_a_slow_count_over_single_clips(shards, tmp_path):
    training = trainer(tmp_path, shards, "steps=4", "heldout.n_batches=8")
    training.train()
    model = training.model.eval()
    with torch.no_grad():
        counts = slow_counts(training.config, shards, model)
    scores = Heldout(training.config, torch.device("cpu")).scores(model)
    assert set(scores) == set(model.heads)
    for name, (right, n_labels) in counts.items():
        assert scores[name].n_labels == n_labels > 5, name
        assert scores[name].accuracy == pytest.approx(right / n_labels), name
    assert [scores[f"{task}_video"].chance for task in ("speed", "direction", "order")] == [1 / 2, 1 / 2, 1 / 3]
    assert all(1 >= score.commonest >= score.chance for score in scores.values())


def test_the_training_is_the_same_with_and_without_and_so_is_a_resumed_one(shards, tmp_path):
    assert trainer(tmp_path / "without", shards, "steps=8", "heldout.split=''").train()
    assert trainer(tmp_path / "with", shards, "steps=8", "heldout.every=3").train()
    half = trainer(tmp_path / "half", shards, "steps=8", "heldout.every=3")
    evaluate = half._evaluate_heldout

    def stop_while_evaluating():
        os.kill(os.getpid(), signal.SIGTERM)
        return evaluate()

    half._evaluate_heldout = stop_while_evaluating
    assert half.train() is False
    assert list(records(tmp_path / "half")) == [1, 2, 3]
    # The evaluation may be changed on the way: it changes nothing else.
    assert trainer(tmp_path / "half", shards, "steps=8", "heldout.every=2").train()
    assert_same_end(tmp_path / "with", tmp_path / "without")
    assert_same_end(tmp_path / "half", tmp_path / "without")


def test_results_stand_in_the_log_tensorboard_and_the_summary(shards, tmp_path, caplog):
    caplog.set_level("INFO", logger="train")
    trainer(tmp_path, shards, "steps=5", "heldout.every=2", "log_every=4").train()
    found = {step: {k for k in r["metrics"] if k.startswith("heldout/")} for step, r in records(tmp_path).items()}
    assert found == {step: {f"heldout/{name}" for name in TEMPORAL_TERMS} for step in (2, 4, 5)}
    last = records(tmp_path)[5]["metrics"]
    summary = json.loads((tmp_path / "training.json").read_text())["heldout"]
    assert summary == {name.removeprefix("heldout/"): last[name] for name in found[5]}
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    events = board.Scalars("metrics/heldout/order_video")
    assert [event.step for event in events] == [2, 4, 5]
    assert events[-1].value == pytest.approx(summary["order_video"], abs=1e-5)
    table = next(m for m in caplog.messages if m.startswith("held out"))
    assert len(table.splitlines()) == 1 + len(TEMPORAL_TERMS)


def test_without_temporal_heads_nothing_is_evaluated(shards, tmp_path):
    assert trainer(tmp_path, shards, "steps=1", objective="without-temporal").train()
    assert json.loads((tmp_path / "training.json").read_text())["heldout"] == {}


@pytest.mark.parametrize(
    "setting", ["data.split=''", "data.split=1:test", "heldout.split=2:test", "heldout.split=1:dev"]
)
def test_segments_that_training_may_see_or_that_do_not_exist_are_refused(shards, tmp_path, setting):
    words = "not held out from" if "dev" not in setting else r"no segment of heldout\.split 1:dev"
    with pytest.raises(ConfigError, match=words):
        trainer(tmp_path / "run", shards, setting).train()
    assert not (tmp_path / "run").exists()
