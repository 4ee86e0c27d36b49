"""A model card says what the run's records say, and says so where they say nothing."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from evaluate.errors import ResultsError
from evaluate.export.export import export_run
from evaluate.export.model_card import result_tables
from evaluate.results.results import Result
from tests.train.conftest import write_shards
from tests.train.run.test_pretraining import config
from train.errors import CheckpointError, ExportError
from train.ranks.distributed import join_world
from train.run.checkpoint import LAST_NAME, read_checkpoint, save_checkpoint
from train.run.pretraining import Trainer


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run and the shards it learnt from, to be copied before anything is changed."""
    folder = tmp_path_factory.mktemp("card")
    shards = write_shards(folder / "shards", 24)
    settings = ("steps=3", "name=card", "data.split=1:train", "loss.order_audio=0", "loss.video_video=0.5")
    Trainer(config(shards, *settings), folder / "run", join_world("cpu")).train()
    return folder


@pytest.fixture
def run(trained, tmp_path):
    return Path(shutil.copytree(trained / "run", tmp_path / "run"))


def card(run, out="out"):
    return (export_run(run, run.parent / out, onnx=False) / "README.md").read_text()


def record(model, metric, value, split=None, n=40, test="ucf101", task="retrieval"):
    return {
        "test": test, "task": task, "split": split, "modality": "video", "model": model, "metric": metric,
        "value": value, "n": n,
    }  # fmt: skip


def test_the_card_says_what_the_records_say(run):
    said = card(run)
    training = json.loads((run / "training.json").read_text())
    last = json.loads((run / "log.jsonl").read_text().splitlines()[-1])
    for text in (
        training["encoder_sha256"], training["shards_fingerprint"], training["torch"], "`made-up`", "`1:train`",
        "| its labels, which training does not use | 5: `label-0`, `label-1`, `label-2`, `label-3`, `label-4` |",
        f"| segments trained on | {training['segments']} |", "| segments in the set | 24 of 24 sources",
        f"| loss at step 3 | {last['loss']:.4f} |", "| `video_video` | 0.5 |", "Switched off: `audio_audio`, `order_audio`.",
        "negative_rank_high `32`", "| device | `cpu` |", "| seed | 0 |", "step | 3 of 3 |", "US patent 12,586,350 B2",
        f"{100 * last['metrics']['accuracy/speed_video']:.1f}", "6 segments a rank, 1 rank(s)",
        'loaded = load_exported("PATH/TO/THIS/FOLDER")', "`batch x 3 x 4 x 24 x 24`", "no ONNX files",
        "None: this run has not been evaluated", "No quality was measured",
    ):  # fmt: skip
        assert text in said, text
    assert "| `order_audio` |" not in said
    assert "not recorded" not in said
    assert str(run.parent) not in said


def test_projections_that_no_term_trained_are_named(run):
    path = run / "checkpoints" / LAST_NAME
    saved = read_checkpoint(path)
    assert "not trained" not in card(run)
    for term, projection in (("video_audio", "`project_audio`"), ("video_video", "`project_within_video`")):
        loss = {**saved.config["loss"], term: 0.0}
        save_checkpoint(replace(saved, config={**saved.config, "loss": loss}), path)
        (line,) = [line for line in card(run, term).splitlines() if "not trained" in line]
        assert line.startswith(f"- `{term}` was switched off")
        assert projection in line
    deaf = {name: 0.0 if "audio" in name else weight for name, weight in saved.config["loss"].items()}
    save_checkpoint(replace(saved, config={**saved.config, "loss": deaf}), path)
    said = card(run, "deaf")
    assert "No term reads the audio encoder" in said
    assert "No term reads the video encoder" not in said


def test_results_become_a_table_of_means_and_of_splits_where_no_mean_is_recorded(run):
    records = [
        {"header": {"command": "make demo"}},
        record("pretrained", "R@1", 0.5, 1), record("pretrained", "R@1", 0.25, 2),
        record("pretrained", "R@1", 0.375) | {"low": 0.3, "high": 0.45},
        record("pretrained", "top-1", 0.4567, task="linear"), record("chance", "R@1", 1 / 14),
        record("pretrained", "R@1", 0.9, 3, test="hmdb51", n=7),
        record("pretrained", "R@1", 0.2, 3, test="hmdb51", n=7, task="cross-modal") | {"modality": "audio-to-video"},
    ]  # fmt: skip
    (run / "results.json").write_text(json.dumps(records))
    said = card(run)
    assert "ucf101, mean over 2 splits:" in said
    assert "| modality | model | retrieval R@1 | linear top-1 | queries |\n|---|---|---:|---:|---:|\n" in said
    assert "| video | pretrained | 37.5 | 45.7 | 40 |" in said
    assert "| video | chance | 7.1 | - | 40 |" in said
    assert "hmdb51, split 3:" in said
    assert "| video | pretrained | 90.0 | - | 7 |" in said
    assert "| audio-to-video | pretrained | - | 20.0 | 7 |" in said
    assert "50.0" not in re.sub(r"(?s).*## Results", "", said), "a split is not shown beside its mean"
    assert "Nothing beyond the tables above was measured" in said


def test_a_mean_over_splits_that_training_has_seen_comes_second_and_says_so():
    def titles(split, dataset, *splits):
        records = [Result(**record("pretrained", "R@1", 0.5, k)) for k in splits]
        return [table.title for table in result_tables(records, split, dataset)]

    first = "ucf101, split 1, whose training part the encoders learnt from"
    seen = "; the pretraining has seen test videos of it, without labels"
    assert titles("1:train", "ucf101", 1, 2, 3, None) == [first, f"ucf101, mean over 3 splits{seen}"]
    assert titles("1:train", None, 1, 2, None) == [first, f"ucf101, mean over 2 splits{seen}"]
    assert titles("1:train", "ucf101", 1, None) == [first]
    assert titles("1:train", "ucf101", 2) == [f"ucf101, split 2{seen}"]
    assert titles("", "ucf101", 1, 2, None) == [f"ucf101, mean over 2 splits{seen}"]
    assert titles("1:train", "kinetics400", 1, 2, None) == ["ucf101, mean over 2 splits"]
    assert titles("", "kinetics400", None) == ["ucf101, no split named"]


def test_damaged_results_are_refused_and_nothing_is_written(run):
    (run / "results.json").write_text("[")
    with pytest.raises(ResultsError, match="is not JSON"):
        card(run)
    assert not (run.parent / "out").exists()


def test_a_run_that_is_not_complete_says_so(run):
    (run / "training.json").unlink()
    said = card(run)
    assert "the run was not complete when this was exported" in said
    assert "| device | not recorded" in said
    path = run / "checkpoints" / LAST_NAME
    save_checkpoint(replace(read_checkpoint(path), step=2), path)
    with (run / "log.jsonl").open("a") as log:
        log.write('{"step": 4, "lo')
    assert "| loss at step 2 |" in card(run, "earlier"), "what was logged after the checkpoint is not of these weights"
    (run / "log.jsonl").unlink()
    without = card(run, "without")
    assert "| last loss | not recorded |" in without
    assert "No accuracies" in without


def test_a_summary_of_other_weights_is_refused_and_one_of_fewer_steps_is_passed_over(run):
    path = run / "training.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps(values | {"encoder_sha256": "0" * 64}))
    with pytest.raises(CheckpointError, match="other weights"):
        card(run)
    path.write_text(json.dumps(values | {"encoder_sha256": "0" * 64, "steps": 1}))
    assert "the run was not complete" in card(run)
    path.write_text("[]")
    with pytest.raises(ExportError, match="how the training went"):
        card(run, "again")


def test_shards_that_are_gone_or_others_are_not_named(trained, run):
    path = run / "checkpoints" / LAST_NAME
    saved = read_checkpoint(path)
    gone = {**saved.config, "data": {**saved.config["data"], "shards": "nowhere"}}
    save_checkpoint(replace(saved, config=gone), path)
    assert "| dataset, by the name of its catalogue | not known" in card(run)
    other = write_shards(run.parent / "other", 20)
    save_checkpoint(replace(saved, config={**gone, "data": {**gone["data"], "shards": str(other)}}), path)
    assert "| dataset, by the name of its catalogue | not known" in card(run, "other-out")
    (other / "dataset.json").write_text("{}")
    assert "| dataset, by the name of its catalogue | not known" in card(run, "damaged-out")


def test_names_from_the_records_cannot_break_out_of_their_cell(run):
    path = run / "checkpoints" / LAST_NAME
    saved = read_checkpoint(path)
    save_checkpoint(replace(saved, config={**saved.config, "name": "a`b|c\n# d <script>"}), path)
    assert card(run).splitlines()[0] == "# Encoders of the Avtempo run `a'b/c # d <script>`"
