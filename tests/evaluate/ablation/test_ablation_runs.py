"""Whole small ablations on real shards: trained once, measured once, failures named, signals obeyed."""

import json
import os
import signal
import threading
import time
from dataclasses import replace

import pytest
import yaml

from evaluate.__main__ import main
from evaluate.ablation.aggregate import read_cells
from evaluate.ablation.measuring import RUN_RESULTS_NAME, measure_runs
from evaluate.ablation.plan import Options, make_plan
from evaluate.ablation.training import OUTPUT_NAME, command, last_step, train_runs
from evaluate.errors import AblationError
from evaluate.protocols.stores import EMBEDDINGS_FOLDER
from evaluate.results.origin import code
from evaluate.results.results import read_header, read_results
from store.atomic_files import folder_lock
from tests.evaluate.conftest import TINY
from tests.processes import start, wait_for
from train.config.load import load_config, objective_names
from train.errors import ConfigError
from train.run.checkpoint import LAST_NAME, read_checkpoint, untrained_encoders

PRESET = TINY | {
    "steps": 3, "log_every": 1, "checkpoint_every": 100,
    "data": TINY["data"] | {"split": "1:train", "num_threads": 1},
    "bank": {
        "size": 64, "n_positives": 1, "positive_ranks": 2, "n_negatives": 4, "negative_rank_low": 2,
        "negative_rank_high": 8, "warmup_steps": 1,
    },
    "optim": {"warmup_steps": 1, "lr": 0.01},
    "heldout": {"split": "1:test", "n_batches": 1},
}  # fmt: skip


@pytest.fixture
def preset(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(PRESET))
    return path


def plan_of(tmp_path, shards, preset, **changes):
    settings = {"objectives": ("whole", "avid"), "seeds": (0, 1)} | changes
    return make_plan(Options(tmp_path / "ablation", shards, str(preset), **settings))


def arguments(tmp_path, shards, preset, *more, objectives="whole,avid", seeds="0,1"):
    return [
        "ablate", "--shards", str(shards), "--preset", str(preset), "--runs", str(tmp_path / "ablation"),
        "--objectives", objectives, "--seeds", seeds, "--device", "cpu", *more,
    ]  # fmt: skip


def stamps(folder):
    """Of what training, embedding and evaluation make."""
    made = [*folder.glob("*/checkpoints/*"), *folder.glob("*/embeddings/*"), *folder.glob(f"*/{RUN_RESULTS_NAME}")]
    return {path: path.stat().st_mtime_ns for path in [*made, *folder.glob("results.json")]}


def test_a_plan_varies_objective_and_seed_and_nothing_else(tmp_path, shards, preset):
    plan = plan_of(tmp_path, shards, preset, objectives=(), seeds=(3, 5), overrides=["steps=7"])
    assert plan.options.objectives == objective_names()
    assert [run.name for run in plan.runs[:3]] == ["whole-3", "whole-5", "avid-3"]
    assert (plan.steps, plan.held_out_split, plan.shards.dataset) == (7, "1", "ucf101")
    avid, whole = (next(run.config for run in plan.runs if run.objective == name) for name in ("avid", "whole"))
    assert (avid.data, avid.clip, avid.model, avid.optim) == (whole.data, whole.clip, whole.model, whole.optim)
    assert (avid.loss.video_video, whole.loss.video_video) == (0.0, 1.0)
    words = command(plan.runs[1], plan.options)
    assert words[1:4] == ["-m", "train", "pretrain"]
    assert {"seed=5", "steps=7", "--stop-with-stdin"} <= set(words)
    assert "--threads" not in words
    two = command(plan.runs[1], replace(plan.options, jobs=2))
    assert two[two.index("--threads") + 1] == "1"
    assert "data.num_threads=1" in two


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"objectives": ("avidd",)}, "no objective avidd"),
        ({"seeds": ()}, "--seeds"),
        ({"seeds": (1, 1)}, "--seeds"),
        ({"jobs": 0}, "--jobs"),
        ({"overrides": ["seed=4"]}, "--seeds"),
        ({"overrides": ["loss.video_video=1"]}, "avid says 0.0"),
        ({"overrides": ["data.split=''", "heldout.split=''"]}, "data.split=1:train"),
        ({"overrides": ["data.split=1:test", "heldout.split=''"]}, "data.split=1:train"),
        ({"overrides": ["optim.rate=3"]}, r"optim\.rate"),
    ],
)
def test_plans_that_would_mislead_are_refused_before_anything_is_trained(tmp_path, shards, preset, change, words):
    with pytest.raises((AblationError, ConfigError), match=words):
        plan_of(tmp_path, shards, preset, **change)
    assert not (tmp_path / "ablation").exists()


def test_settings_of_a_rival_are_not_taken_for_the_whole_method(tmp_path, shards, preset):
    preset.write_text(load_config(preset, objective="avid").to_yaml())  # the config.yaml of a run
    with pytest.raises(AblationError, match="its objective is avid"):
        plan_of(tmp_path, shards, preset)


def test_an_objective_that_changes_nothing_is_said(tmp_path, shards, preset, caplog):
    objectives = ("whole", "without-positives")
    plan_of(tmp_path, shards, preset, objectives=objectives)
    assert caplog.text == ""
    plan_of(tmp_path, shards, preset, objectives=objectives, overrides=["bank.positives=none"])
    assert "without-positives is the same as whole" in caplog.text


@pytest.mark.slow
def test_two_objectives_and_two_seeds_end_in_one_list_and_are_not_made_twice(tmp_path, shards, preset, capsys):
    assert main(arguments(tmp_path, shards, preset, "--jobs", "2")) == 0
    output = capsys.readouterr().out
    folder = tmp_path / "ablation"
    assert "4 runs of 3 steps; tested on split 1" in output
    assert "6 comparisons, of which " in output
    header = read_header(folder / "results.json")
    assert (header["seeds"], header["steps"], header["missing"]) == ([0, 1], 3, [])
    assert set(header) >= {"date", "commit", "machine"}
    cells = read_cells(read_results(folder / "results.json"))
    assert list(cells) == ["whole", "avid", "untrained", "raw", "chance"]
    for model in ("whole", "avid", "untrained"):
        assert set(cells[model]["retrieval", "video", "R@1"].by_seed) == {0, 1}
    assert not [column for row in cells.values() for column in row if column[0].startswith("pairs-")]
    # Held-out accuracies are the heads' own: avid has none.
    logged = json.loads((folder / "whole-1" / "log.jsonl").read_text().splitlines()[-1])["metrics"]
    direction = cells["whole"]["temporal-direction", "audio", "accuracy"].by_seed[1]
    assert direction == pytest.approx(logged["heldout/direction_audio"])
    assert not [column for column in cells["avid"] if column[0].startswith("temporal")]
    # Every run is its own: seeds differ, and the untrained rows start from the runs' own weights.
    shas = {json.loads(path.read_text())["encoder_sha256"] for path in folder.glob("*/training.json")}
    shas |= {untrained_encoders(path).sha256 for path in folder.glob("*/checkpoints/last.pt")}
    assert len(shas) == 4 + 2
    stores = {path.relative_to(folder).as_posix() for path in folder.glob(f"*/{EMBEDDINGS_FOLDER}/*.h5")}
    assert stores == {f"{run}/embeddings/ucf101.h5" for run in ("whole-0", "whole-1", "avid-0", "avid-1")} | {
        "whole-0/embeddings/ucf101-untrained.h5", "whole-1/embeddings/ucf101-untrained.h5",
        "whole-0/embeddings/ucf101-raw.h5",
    }  # fmt: skip

    before = stamps(folder)
    figure = (folder / "ablation.svg").read_bytes()
    assert main(arguments(tmp_path, shards, preset)) == 0
    assert stamps(folder) == before
    assert (folder / "ablation.svg").read_bytes() == figure
    # A checkpoint that is another one is measured anew, the others are not.
    (folder / "avid-1" / "training.json").unlink()
    (folder / "avid-1" / "checkpoints" / LAST_NAME).unlink()
    assert main(arguments(tmp_path, shards, preset, "--set", "bank.n_negatives=4")) == 0
    changed = {path.relative_to(folder).parts[0] for path, stamp in stamps(folder).items() if before.get(path) != stamp}
    assert changed >= {"avid-1"}
    assert not changed & {"whole-0", "whole-1", "avid-0"}


def test_numbers_of_other_code_are_measured_again(tmp_path, shards, preset, run_folder, monkeypatch):
    plan = plan_of(tmp_path, shards, preset)
    runs, path = [replace(plan.runs[0], folder=run_folder)], run_folder / RUN_RESULTS_NAME

    def measured():
        found, failures = measure_runs(plan, runs, "cpu", lambda *_: None)
        assert not failures
        assert found["whole", 0] == read_results(path)
        return path.stat().st_mtime_ns

    before = measured()
    assert measured() == before
    now = code()
    monkeypatch.setattr("evaluate.ablation.measuring.code", lambda: now | {"evaluate/protocols": "another"})
    assert measured() > before


def test_a_signal_ends_the_wait_for_a_training_that_is_left(tmp_path, shards, preset):
    plan, said = plan_of(tmp_path, shards, preset), []
    plan.runs[0].folder.mkdir(parents=True)
    with folder_lock(plan.runs[0].folder), pytest.raises(KeyboardInterrupt):
        signals = threading.Timer(2, os.kill, (os.getpid(), signal.SIGTERM))
        signals.start()
        began = time.monotonic()
        train_runs(plan, lambda *_: None, said.append)
    assert time.monotonic() - began < 30
    assert said == []


@pytest.mark.slow
def test_a_run_that_fails_is_named_and_the_others_go_on(tmp_path, shards, preset, capsys):
    folder = tmp_path / "ablation"
    other = arguments(tmp_path, shards, preset, "--set", "optim.lr=0.5", objectives="avid", seeds="0")
    assert main(other) == 0
    longer = arguments(tmp_path, shards, preset, "--set", "steps=4", objectives="whole", seeds="0")
    assert main(longer) == 0
    before = stamps(folder)
    capsys.readouterr()
    assert main(arguments(tmp_path, shards, preset)) == 2
    error = capsys.readouterr().err
    assert "2 of 4 runs have no numbers" in error
    assert "avid-0: " in error
    assert "optim.lr: 0.5 in the run, 0.01 now" in error
    assert "whole-0 holds a run of 4 steps, not 3" in error
    assert "Traceback" not in error
    weights = {path for path in before if path.name == LAST_NAME}
    assert len(weights) == 2
    assert {path: stamps(folder)[path] for path in weights} == {path: before[path] for path in weights}
    cells = read_cells(read_results(folder / "results.json"))
    assert {model: set(row["retrieval", "video", "R@1"].by_seed) for model, row in cells.items()} == {
        "whole": {1}, "avid": {1}, "untrained": {1}, "raw": set(), "chance": set(),
    }  # fmt: skip
    assert read_header(folder / "results.json")["missing"] == ["whole-0", "avid-0"]


def steps_of(folder):
    return {path.parent.name: last_step(path.parent) for path in folder.glob("*/log.jsonl")}


def start_beyond(folder, step, words):
    """An ablation of two trainings at a time, both of which have logged a later step."""
    process = start("-m", "evaluate", *words)
    wait_for(lambda: process.poll() is not None or sum(n > step for n in steps_of(folder).values()) == 2, 600)
    assert process.poll() is None
    return process


@pytest.mark.slow
def test_an_ablation_that_is_killed_leaves_no_training_behind_and_starts_again_at_once(tmp_path, shards, preset):
    folder = tmp_path / "ablation"
    first, words = folder / "whole-0", ("--jobs", "2", "--set", "steps=5000")
    words = arguments(tmp_path, shards, preset, *words, objectives="whole")
    killed = start_beyond(folder, 2, words)
    killed.kill()
    killed.communicate()
    with folder_lock(first, patience_seconds=60):
        begun = read_checkpoint(first / "checkpoints" / LAST_NAME).step
        assert 2 < begun == last_step(first) < 5000
    assert "stopped by a signal" in (first / OUTPUT_NAME).read_text()
    again = start_beyond(folder, begun, words)  # maybe while the other orphan still saves
    again.terminate()
    said = again.communicate(timeout=300)
    assert again.returncode == 130
    for name, step in steps_of(folder).items():
        with folder_lock(folder / name, patience_seconds=0):  # its training has ended before
            assert read_checkpoint(folder / name / "checkpoints" / LAST_NAME).step == step
    assert f"at step {begun}" in (first / OUTPUT_NAME).read_text()
    assert "failed" not in "".join(said)
