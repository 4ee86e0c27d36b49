"""ESC-50 from recordings: pretraining that keeps folds apart, embedding, folds, cepstra, training from scratch."""

import itertools
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import scipy.fft
import torch

from evaluate.__main__ import main as evaluate_main
from evaluate.embedding.clip_encoders import N_MFCC, MfccEncoder
from evaluate.errors import SplitError
from evaluate.protocols.esc50.folds import STRICT, TRANSDUCTIVE, Contestant, evaluate, folds_read
from evaluate.protocols.esc50.scratch import ScratchTrainer, accuracy_on_fold, settings
from evaluate.results.results import read_results
from preprocess.shards.manifest import read_dataset, read_segments
from tests.evaluate.conftest import AUDIO, build_esc50
from tests.evaluate.protocols.test_esc50 import recordings
from tests.processes import run as start_python
from train.__main__ import main as train_main
from train.config.load import load_config
from train.config.schema import TERMS, Config, LossConfig
from train.data.loader import SegmentLoader, iterate_once
from train.data.loader_config import LoaderConfig
from train.errors import ConfigError, RunError
from train.ranks.distributed import join_world
from train.run.checkpoint import LAST_NAME, read_checkpoint, save_checkpoint
from train.run.pretraining import refuse_blind

CLASSES = ("dog", "rain", "clock_tick", "engine")
SMALL = [
    "data.batch_size=6", "data.window_frames=50", "clip.n_frames=20", "model.tiny_width=4", "model.projection_dim=8",
    "model.projection_hidden=16", "model.head_hidden=16", "bank.size=64", "bank.negative_rank_low=4", "bank.warmup_steps=1",
    "bank.negative_rank_high=32", "bank.n_negatives=8", "log_every=1", "optim.warmup_steps=2", "augment.mask_columns=5",
]  # fmt: skip


@pytest.fixture(scope="module")
def esc_shards(tmp_path_factory):
    """One recording of four classes in every fold."""
    return build_esc50(tmp_path_factory.mktemp("esc50"), CLASSES, 5) / "shards"


def pretrain(run, shards, *settings):
    more = [part for setting in (*SMALL, *settings) for part in ("--set", setting)]
    words = ["pretrain", "--preset", "esc50", "--run", run, "--shards", shards, "--device", "cpu", *more]
    assert train_main([*map(str, words)]) == 0
    return run


def evaluate_command(command, run, shards, *more):
    return evaluate_main([*map(str, (command, "--run", run, "--shards", shards, *more))])


@pytest.fixture(scope="module")
def runs(esc_shards, tmp_path_factory):
    """Three steps on all folds, and three on folds 2 to 5."""
    run = pretrain(tmp_path_factory.mktemp("runs") / "esc50", esc_shards, "steps=3")
    pretrain(run / "strict-1", esc_shards, "steps=3", "data.split=fold:2,3,4,5")
    return run


def test_from_recordings_to_the_table_with_the_strict_and_the_transductive_row_apart(esc_shards, runs):
    terms = [json.loads(line)["terms"] for line in (runs / "log.jsonl").read_text().splitlines()]
    assert set(terms[-1]) == {"audio_audio", "direction_audio"}
    assert all(np.isfinite(value) for value in terms[-1].values())
    words = ("--strict", runs / "strict-1", "--clips", 2, "--device", "cpu", "--threads", 1)
    assert evaluate_command("esc50", runs, esc_shards, *words) == 0
    results = read_results(runs / "results.json")
    folds = {(r.model, r.split) for r in results if r.split and not r.task.endswith("esc10")}
    whole = itertools.product((TRANSDUCTIVE, "untrained", "raw", "mfcc", "chance"), (1, 2, 3, 4, 5))
    assert folds == {(STRICT, 1), *whole}
    assert {r.task for r in results if r.model == "mfcc"} == {"logistic", "logistic-esc10"}
    assert {r.n for r in results if r.split and r.task == "svm"} == {4}
    assert {r.n for r in results if r.split and r.task == "svm-esc10"} == {3}  # an engine is none of the ten
    means = [r for r in results if r.split is None]
    assert all((r.low is None) == (r.model == "chance") for r in means)  # the bootstrap over all folds together
    assert {r.n for r in means if r.model == "chance" and r.task == "svm"} == {20}
    assert evaluate_command("report", runs, esc_shards) == 0
    page = (runs / "report" / "index.html").read_text()
    assert all(word in page for word in (STRICT, TRANSDUCTIVE, "mfcc"))
    assert "are there" not in page  # no recording is missing
    assert "test videos of split 1, 2, 3, 4, 5; held out: none" in page
    assert evaluate_command("report", runs / "strict-1", esc_shards) == 0
    page = (runs / "strict-1" / "report" / "index.html").read_text()
    assert "pretraining read fold:2,3,4,5" in page
    assert "test videos of split 2, 3, 4, 5; held out: split 1" in page


def test_strict_runs_of_two_calls_have_one_mean_and_unfit_ones_are_refused(esc_shards, runs, tmp_path, capsys):
    run = shutil.copytree(runs, tmp_path / "run")
    pretrain(run / "strict-2", esc_shards, "steps=1", "data.split=fold:1,3,4,5")
    words = ("--models", "raw", "--clips", 1, "--device", "cpu", "--threads", 1, "--strict")
    for name in ("strict-1", "strict-2"):
        assert evaluate_command("esc50", run, esc_shards, *words, run / name) == 0
    rows = {r.split: r for r in read_results(run / "results.json") if (r.model, r.task) == (STRICT, "svm")}
    assert set(rows) == {1, 2, None}
    assert (rows[None].n, rows[None].value) == (8, pytest.approx((rows[1].value + rows[2].value) / 2))
    assert rows[None].low <= rows[None].value <= rows[None].high
    before = (run / "results.json").read_bytes()
    again, all_folds = "is tested on fold 2, and so is", "is not of a strict run, it has read all folds"
    for strict, said in ((("strict-2", "strict-2"), again), (("strict-1", "."), all_folds)):
        assert evaluate_command("esc50", run, esc_shards, *words, *(run / name for name in strict)) == 2
        assert said in capsys.readouterr().err
    assert (run / "results.json").read_bytes() == before


def test_the_strict_pretraining_never_reads_the_fold_that_it_is_tested_on(esc_shards, runs):
    assert folds_read(runs / "strict-1" / "checkpoints" / LAST_NAME, esc_shards) == {"2", "3", "4", "5"}
    assert folds_read(runs / "checkpoints" / LAST_NAME, esc_shards) == {"1", "2", "3", "4", "5"}
    segments = read_segments(esc_shards)
    fold = {row.segment_id: json.loads(row.splits)["fold"] for row in segments.itertuples()}

    def config(split):
        return LoaderConfig(str(esc_shards), 4, 8, 50, shuffle=True, seed=0, num_threads=1, split=split)

    loader = SegmentLoader(config("fold:2,3,4,5"))
    seen = {fold[int(i)] for _ in range(12) for i in next(loader).segment_id}
    assert seen == {"2", "3", "4", "5"}
    held = [fold[int(i)] for batch in iterate_once(config("fold:1")) for i in batch.segment_id]
    assert held == ["1"] * len(CLASSES)


def test_a_run_on_a_part_that_is_no_fold_is_refused(esc_shards, make_checkpoint, tmp_path):
    path = make_checkpoint(tmp_path / "a.pt", params=AUDIO)
    assert folds_read(path, esc_shards) == frozenset()  # of other shards: it has read none of these
    saved = read_checkpoint(path)
    config = saved.config | {"data": saved.config["data"] | {"split": "1:train"}}
    save_checkpoint(replace(saved, config=config, shards_fingerprint=read_dataset(esc_shards).fingerprint), path)
    with pytest.raises(SplitError, match=r"data\.split=fold"):
        folds_read(path, esc_shards)


def test_training_from_scratch_reads_the_other_folds_and_is_tested_on_its_own(esc_shards, runs, tmp_path):
    folds, world = (1, 2, 3, 4, 5), join_world("cpu")

    def config(fold, steps=6):
        return settings(runs / "checkpoints" / LAST_NAME, esc_shards, fold, folds, steps)

    assert config(1).clip.speeds == (1,)
    assert config(1).clip.reverse_probability == 0
    assert config(1).data.split == "fold:2,3,4,5"
    saved = read_checkpoint(runs / "checkpoints" / LAST_NAME)
    speeds_alone = {term: float("speed" in term) for term in TERMS}
    for other in (*map(load_config, ("sample", "ucf101", "fingerprint")), Config(loss=LossConfig(**speeds_alone))):
        save_checkpoint(replace(saved, config=other.as_dict()), tmp_path / "other.pt")
        assert settings(tmp_path / "other.pt", esc_shards, 1, folds, 6).clip.speeds == (1,)
    whole = ScratchTrainer(config(1), tmp_path / "whole", world)
    assert whole.train()
    with pytest.raises(RunError, match=r"other settings.*remove that folder"):
        ScratchTrainer(config(2), tmp_path / "whole", world).train()
    found = {r.task: r for r in accuracy_on_fold(whole.model, config(1), 1, 2, world, "mine")}
    assert {task: r.n for task, r in found.items()} == {"supervised": 4, "supervised-esc10": 3}
    assert {(r.test, r.model, r.split) for r in found.values()} == {("mine", "scratch", 1)}


def test_the_scratch_command_adds_folds_to_those_of_earlier_calls(esc_shards, runs, tmp_path, capsys):
    run = shutil.copytree(runs, tmp_path / "run")  # its results are not for the other tests
    words = ("--steps", 2, "--clips", 2, "--dataset", "mine")
    for folds in ("1", "3, 1"):
        assert evaluate_command("esc50-scratch", run, esc_shards, *words, "--folds", folds) == 0
    found = read_results(run / "results.json")
    rows = [r for r in found if (r.test, r.model, r.task) == ("mine", "scratch", "supervised")]
    values = {r.split: r.value for r in rows}
    assert set(values) == {1, 3, None}
    assert values[None] == pytest.approx((values[1] + values[3]) / 2)
    for folds in ("6", ""):
        assert evaluate_command("esc50-scratch", run, esc_shards, "--folds", folds) == 2
        assert "--folds" in capsys.readouterr().err


def test_video_terms_on_audio_data_are_refused_early_and_named():
    config = load_config("sample", ["loss.order_video=0"])
    with pytest.raises(ConfigError, match=r"loss\.video_video, loss\.video_audio, loss\.speed_video") as caught:
        refuse_blind(config, "audio")
    assert "order_video," not in str(caught.value)
    refuse_blind(config, "video")
    refuse_blind(load_config("esc50"), "audio")


def test_cepstra_are_scipys_and_distinguish_classes():
    logmel = torch.randn(5, 1, 64, 30, generator=torch.Generator().manual_seed(0))
    slow = scipy.fft.dct(logmel[:, 0].double().numpy(), type=2, norm="ortho", axis=1)[:, :N_MFCC]
    wanted = np.concatenate([slow.mean(axis=2), slow.std(axis=2, ddof=1)], axis=1)
    found = MfccEncoder().encode("audio", logmel)["features"].numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    assert MfccEncoder().encode("video", torch.zeros(1)) == {}
    some = recordings(3.0)
    scaled = replace(some, features=some.features * np.logspace(-3, 3, 12))
    results = evaluate([("mfcc", Contestant(scaled, "logistic", folds=(2,)))])
    assert {(r.task, r.split) for r in results if r.model == "mfcc"} == {
        (task, split) for task in ("logistic", "logistic-esc10") for split in (2, None)
    }
    assert next(r.value for r in results if (r.task, r.split, r.model) == ("logistic", 2, "mfcc")) > 0.9


@pytest.mark.slow
def test_two_ranks_train_and_one_tests_and_writes(esc_shards, tmp_path):
    run = pretrain(tmp_path / "run", esc_shards, "steps=1")
    command = ["esc50-scratch", "--run", str(run), "--shards", str(esc_shards), "--folds", "1,2", "--steps", "2"]
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "--", "evaluate"]
    done = start_python(*launch, *command, "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("esc50: top-1") == 1, done.stdout
    rows = {row.split: row.n for row in read_results(run / "results.json") if row.task == "supervised"}
    assert rows == {1: 4, 2: 4, None: 8}


def test_a_command_that_does_not_use_ranks_refuses_several(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert evaluate_main(["match", "clip.mp4", "--index", str(tmp_path)]) == 2
    assert "torchrun started this several times" in capsys.readouterr().err
