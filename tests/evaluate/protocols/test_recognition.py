import json
from dataclasses import replace

import numpy as np
import pytest

from evaluate.__main__ import main
from evaluate.errors import SplitError
from evaluate.protocols.coverage import pretraining_note
from evaluate.protocols.recognition import evaluate
from evaluate.protocols.video_features import folds_as_splits
from evaluate.results.results import Result, read_results, write_results
from preprocess.build.pipeline import build
from preprocess.catalogues.open_catalogue import open_catalogue
from preprocess.executors.processes import SerialExecutor
from preprocess.shards.manifest import read_dataset, read_sources
from store.reader import EmbeddingStore
from tests.evaluate.conftest import PARAMS, build_videos
from train.run.checkpoint import LAST_NAME, read_checkpoint, save_checkpoint

SPLITS = ("1", "2", "3")


def sample(rng, signal, n_classes=6, per_class=20):
    labels = np.repeat(np.arange(n_classes), per_class)
    sides = ["test" if i % per_class < 6 else "train" for i in range(len(labels))]
    vectors = [signal * np.eye(20)[labels] + rng.normal(size=(len(labels), 20)) for _ in range(2)]
    has_audio = np.arange(len(labels)) % 5 > 0
    return build_videos(
        labels, sides=sides, video=vectors[0], audio=vectors[1], has_audio=has_audio, splits=SPLITS,
        groups=[f"g{i % per_class}" for i in range(len(labels))],
    )  # fmt: skip


def pick(results, **fields):
    found = [r for r in results if all(getattr(r, k) == v for k, v in fields.items())]
    assert len(found) == 1
    return found[0]


def test_every_number_of_the_protocol_is_there_once():
    rng = np.random.default_rng(0)
    models = {"pretrained": sample(rng, 3.0), "raw": sample(rng, 0.0)}
    results = evaluate(models, "sample", shared={"pretrained": models["pretrained"]})
    # models and chance by modalities by metrics by splits and their mean; one model and chance in two directions
    assert len({r.identity for r in results}) == len(results) == 3 * 3 * 7 * (3 + 1) + 2 * 2 * 3 * (3 + 1)
    assert {r.test for r in results} == {"sample"}
    assert {r.metric for r in results if r.task == "retrieval"} == {"R@1", "R@5", "R@10", "R@20", "R@50"}
    assert {r.metric for r in results if r.task in {"linear", "knn"}} == {"top-1"}
    assert {(r.modality, r.metric) for r in results if r.task == "cross-modal"} == {
        (direction, f"R@{k}") for direction in ("audio-to-video", "video-to-audio") for k in (1, 5, 10)
    }
    assert all((r.low is None) == (r.model == "chance") for r in results)
    assert all(r.low <= r.value <= r.high for r in results if r.low is not None)
    assert {r.split for r in results} == {1, 2, 3, None}
    one = {"task": "retrieval", "metric": "R@1", "model": "pretrained", "split": 1}
    assert pick(results, modality="video", **one).n == 36
    assert pick(results, modality="audio", **one).n == pick(results, modality="joint", **one).n == 24
    for modality in ("video", "audio", "joint"):
        best, raw, chance = (
            pick(results, task="retrieval", metric="R@1", split=None, modality=modality, model=m).value
            for m in ("pretrained", "raw", "chance")
        )
        assert best > 0.7 > 0.4 > raw
        assert chance == pytest.approx(1 / 6, abs=0.01)
        for task in ("knn", "linear"):
            assert pick(results, task=task, split=None, modality=modality, model="pretrained").value > 0.75
            assert pick(results, task=task, split=None, modality=modality, model="chance").value == chance


def test_videos_without_splits_are_refused_with_a_remedy():
    with pytest.raises(SplitError, match="--splits"):
        evaluate({"raw": build_videos([0, 1], sides=["", ""], video=np.eye(2))})


def test_what_pretraining_has_seen_is_said():
    """Six videos; split s tests on video s - 1 and trains on the others."""
    videos = build_videos([0, 1, 0, 1, 0, 1], video=np.eye(6))
    sides = tuple({s: "test" if int(s) - 1 == i else "train" for s in SPLITS} for i in range(6))
    videos = replace(videos, splits=sides)
    note = pretraining_note(videos, "1:train")
    assert "read 1:train" in note
    assert "test videos of split 2, 3; held out: split 1" in note
    assert "split 1, 2, 3; held out: none" in pretraining_note(videos, "")
    assert pretraining_note(replace(videos, splits=tuple({"1": s["1"]} for s in sides)), "1:train") == ""
    assert "split 1, 2, 3; held out: none" in pretraining_note(videos, "1:train,test")
    folds = replace(videos, splits=folds_as_splits([{"fold": str(1 + i % 3)} for i in range(6)]))
    assert "test videos of split 2, 3; held out: split 1" in pretraining_note(folds, "fold:2,3")


def test_from_shards_to_results(run_folder, shards, capsys):
    arguments = ["ucf101", "--run", str(run_folder), "--shards", str(shards), "--threads", "1", "--clips", "2"]
    assert main([*arguments, "--projections"]) == 0
    output = capsys.readouterr().out
    assert "split 2: 12 of 12 training and 6 of 6 test videos are there" in output
    results = read_results(run_folder / "results.json")
    models = {r.model for r in results}
    assert models == {"pretrained", "untrained", "raw", "chance", "pretrained-projections", "untrained-projections"}
    assert {r.model for r in results if r.task == "cross-modal"} == {"pretrained", "untrained", "chance"}
    crossed = {"task": "cross-modal", "metric": "R@1", "modality": "audio-to-video", "model": "pretrained"}
    assert pick(results, split=1, **crossed).n == 3
    assert {r.test for r in results} == {"ucf101"}
    one = {"task": "retrieval", "metric": "R@1", "model": "pretrained"}
    assert pick(results, modality="video", split=2, **one).n == 6
    assert pick(results, modality="audio", split=1, **one).n == 3  # group 2 is silent
    assert pick(results, modality="video", split=None, **one | {"model": "chance"}).value == pytest.approx(1 / 3)
    with EmbeddingStore(run_folder / "embeddings" / "ucf101.h5") as store:
        assert len(store) == 36
    stamp = (run_folder / "embeddings" / "ucf101.h5").stat().st_mtime_ns
    other = Result("hmdb51", "linear", 1, "video", "raw", "top-1", 0.5, 2)
    write_results(run_folder / "results.json", [*results, other])
    assert main([*arguments, "--models", "raw", "--no-probe"]) == 0
    assert (run_folder / "embeddings" / "ucf101.h5").stat().st_mtime_ns == stamp
    again = read_results(run_folder / "results.json")
    assert len(again) == 1 + len([r for r in results if (r.task, r.model) != ("linear", "raw")])
    # A probe that was not fitted again may be of another checkpoint; all other numbers are the same again.
    assert [r for r in again if r.test == "ucf101"] == [r for r in results if (r.task, r.model) != ("linear", "raw")]
    assert main([*arguments, "--models", "untrained", "--no-probe"]) == 0  # so do its projections
    left = {r.model for r in read_results(run_folder / "results.json") if r.test == "ucf101"}
    assert left == models - {"untrained-projections"}


def test_a_labelled_folder_is_evaluated_like_an_official_data_set(ucf_folder, shards, run_folder, tmp_path, capsys):
    listed = read_sources(shards)
    sides = [json.loads(splits)["1"] for splits in listed["splits"]]
    rows = zip(listed["source"], listed["label_name"], listed["group"], sides, strict=True)
    (tmp_path / "labels.csv").write_text("path,label,group,split\n" + "".join(",".join(row) + "\n" for row in rows))
    for out, csv in (("mine", tmp_path / "labels.csv"), ("unlabelled", None)):
        build(open_catalogue("folder", ucf_folder, csv=csv), tmp_path / out, PARAMS, executor=SerialExecutor())
    run = ["--run", str(run_folder), "--models", "raw", "--threads", "1", "--shards"]
    assert main(["ucf101", *run, str(shards)]) == 0
    assert main(["folder", *run, str(tmp_path / "mine"), "--dataset", "mine"]) == 0
    assert "split 1: 12 of 12 training and 6 of 6 test videos are there" in capsys.readouterr().out
    results = [r for r in read_results(run_folder / "results.json") if r.split == 1]
    own = [replace(r, test="ucf101") for r in results if r.test == "mine"]
    assert len(own) > 20
    assert own == [r for r in results if r.test == "ucf101"]
    assert main(["folder", *run, str(tmp_path / "unlabelled")]) == 2
    assert "no video has a label; make the shards with --csv" in capsys.readouterr().err


def test_what_pretraining_read_is_known_by_what_the_shards_hold_not_by_their_path(run_folder, shards, capsys):
    path = run_folder / "checkpoints" / LAST_NAME
    saved = read_checkpoint(path)
    config = {**saved.config, "data": {**saved.config["data"], "shards": "where/it/was/trained", "split": "1:train"}}
    arguments = ["ucf101", "--run", str(run_folder), "--shards", str(shards), "--models", "pretrained", "--no-probe"]
    own, nothing = read_dataset(shards).fingerprint, config | {"data": config["data"] | {"split": "extra:train"}}
    for settings, fingerprint, said in ((config, "another", False), (nothing, own, False), (config, own, True)):
        save_checkpoint(replace(saved, config=settings, shards_fingerprint=fingerprint), path)
        assert main([*arguments, "--threads", "1"]) == 0
        output = capsys.readouterr().out
        assert ("pretraining read 1:train of these shards" in output) == said
        assert "are there\n\n" not in output  # no empty line where there is nothing to say
        assert main(["report", "--run", str(run_folder), "--shards", str(shards)]) == 0
        page = (run_folder / "report" / "index.html").read_text(encoding="utf-8")
        assert ("pretraining read 1:train of these shards" in page) == said


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--run", "missing"], "no checkpoint there"),
        (["--shards", "missing"], "holds no shards"),
        (["hmdb51"], "holds ucf101, not hmdb51; give the shards of hmdb51"),
        (["--models", "guessed"], "unknown model guessed"),
        (["--dataset", "../escape"], "file name"),
        (["--speeds", "fast"], "--speeds"),
        (["--clips", "0"], "n_clips"),
        (["--speeds", "0"], "not at 0"),
        (["--batch-size", "-1"], "above 0"),
    ],
)
def test_errors_are_explained_on_stderr_with_status_2(run_folder, shards, capsys, change, words):
    given = ["--shards", str(shards), "--run", str(run_folder)]  # of an option that comes again, the last counts
    assert main([*change, *given] if change == ["hmdb51"] else ["ucf101", *given, *change]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert words in captured.err
    assert "Traceback" not in captured.err
    assert not (run_folder / "results.json").exists()
