"""A model card says what the run's records say, and names what they lack."""

import json
import re
from dataclasses import replace

import pytest

from evaluate.errors import ResultsError
from evaluate.export.export import export_run
from evaluate.export.model_card import result_tables
from evaluate.results.results import Result, update_results
from store.format import Provenance, Rows
from store.layout import COLUMNS
from store.writer import write_part
from tests.train.conftest import write_shards
from train.errors import CheckpointError, ExportError
from train.run.checkpoint import LAST_NAME, read_checkpoint, save_checkpoint


def card(run, out="out"):
    return (export_run(run, run.parent / out, onnx=False) / "README.md").read_text()


def change_config(run, **changes):
    """Change groups of settings in the run's checkpoint, keys or values."""
    path = run / "checkpoints" / LAST_NAME
    saved = read_checkpoint(path)
    groups = {key: {**saved.config[key], **new} if isinstance(new, dict) else new for key, new in changes.items()}
    save_checkpoint(replace(saved, config=saved.config | groups), path)


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
        "None: this run has not been evaluated", "No quality was measured", "`audio_audio` was switched off: `project_within",
        "at speed 2 where they fit: steps of 2 frames and of 2 log-mel",
    ):  # fmt: skip
        assert text in said, text
    assert not any(text in said for text in ("| `order_audio` |", "not recorded", "- `video_", str(run.parent)))


@pytest.mark.parametrize(
    ("off", "line"),
    [
        ({"video_audio"}, r"- `video_audio` was switched off: .*`project_audio`.* not trained"),
        ({"video_video"}, r"- `video_video` was switched off: .*`project_within_video`.* not trained"),
        ({"audio_audio"}, r"- `audio_audio` was switched off: .*`audio\.onnx`.* not trained"),
        ({"video_audio", "speed_audio", "direction_audio", "order_video_audio"}, "- No term reads the audio encoder"),
    ],
)
def test_networks_that_no_term_trained_are_named(run, off, line):
    change_config(run, loss=dict.fromkeys(off, 0.0))
    said = card(run)
    assert re.search(rf"^{line}", said, re.MULTILINE)
    assert "No term reads the video encoder" not in said


def result(model, metric, value, split=None, n=40, test="ucf101", task="retrieval", modality="video"):
    return Result(test, task, split, modality, model, metric, value, n)


def test_results_become_a_table_of_means_and_of_splits_where_no_mean_is_recorded(run):
    results = [
        result("pretrained", "R@1", 0.5, 1), result("pretrained", "R@1", 0.25, 2), result("pretrained", "R@1", 0.375),
        result("pretrained", "top-1", 0.4567, task="linear"), result("chance", "R@1", 1 / 14),
        result("pretrained", "R@1", 0.9, 3, 7, "hmdb51"),
        result("pretrained", "R@1", 0.2, 3, 7, "hmdb51", "cross-modal", "audio-to-video"),
    ]  # fmt: skip
    (run / "results.json").write_text(json.dumps([{"header": {}}, *(each.__dict__ for each in results)]))
    _, _, said = card(run).partition("## Results")
    assert "| modality | model | retrieval R@1 | linear top-1 | queries |\n|---|---|---:|---:|---:|\n" in said
    for line in (
        "ucf101, mean over 2 splits:", "| video | pretrained | 37.5 | 45.7 | 40 |", "| video | chance | 7.1 | - | 40 |",
        "hmdb51, split 3:", "| video | pretrained | 90.0 | - | 7 |", "| audio-to-video | pretrained | - | 20.0 | 7 |",
    ):  # fmt: skip
        assert line in said.splitlines(), line
    assert "50.0" not in said, "a split is not shown beside its mean"


FIRST = "ucf101, split 1, whose training part the encoders learnt from"
SEEN = "; the pretraining has seen test videos of it, without labels"


@pytest.mark.parametrize(
    ("split", "dataset", "measured", "titles"),
    [
        ("1:train", "ucf101", (1, 2, 3, None), [FIRST, f"ucf101, mean over 3 splits{SEEN}"]),
        ("1:train", None, (1, 2, None), [FIRST, f"ucf101, mean over 2 splits{SEEN}"]),
        ("1:train", "ucf101", (1, None), [FIRST]),
        ("1:train", "ucf101", (2,), [f"ucf101, split 2{SEEN}"]),
        ("", "ucf101", (1, 2, None), [f"ucf101, mean over 2 splits{SEEN}"]),
        ("fold:2,3", "ucf101", (1, 2, 3, None), [FIRST, f"ucf101, mean over 3 splits{SEEN}"]),
        ("fold:2,3", "ucf101", (1,), [FIRST]),
        ("1:train", "kinetics400", (1, 2, None), ["ucf101, mean over 2 splits"]),
        ("", "kinetics400", (None,), ["ucf101, no split named"]),
    ],
)
def test_a_mean_over_splits_that_training_has_seen_comes_second_and_says_so(split, dataset, measured, titles):
    results = [result("pretrained", "R@1", 0.5, k) for k in measured]
    assert [table.title for table in result_tables(results, split, dataset)] == titles


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


def test_results_of_earlier_weights_are_called_so(run):
    update_results(run / "results.json", [result("pretrained", "R@1", 0.5)])
    own = json.loads((run / "training.json").read_text())["encoder_sha256"]
    for number, sha256 in enumerate((own, "0" * 64)):
        rows = Rows(**{name: [] for name in COLUMNS})
        write_part(run / "embeddings/ucf101.h5", rows, Provenance(sha256, {}, "", "ucf101", "pretrained"))
        assert ("went on after it was evaluated" in card(run, f"out-{number}")) == (sha256 != own)


def test_records_that_are_damaged_or_of_other_weights_are_refused_and_nothing_is_written(run):
    path = run / "training.json"
    values = json.loads(path.read_text()) | {"encoder_sha256": "0" * 64}
    for content, error, says in (
        (json.dumps(values), CheckpointError, "other weights"), ("[]", ExportError, "how the training went"),
        ("[", ExportError, "not JSON"),
    ):  # fmt: skip
        path.write_text(content)
        with pytest.raises(error, match=says):
            card(run)
    path.write_text(json.dumps(values | {"steps": 1}))
    (run / "results.json").write_text("[")
    with pytest.raises(ResultsError):
        card(run)
    assert not (run.parent / "out").exists()
    (run / "results.json").unlink()
    assert "the run was not complete" in card(run)  # a summary of fewer steps is passed over


def test_shards_that_are_gone_or_others_are_not_named(run, tmp_path):
    unknown = "| dataset, by the name of its catalogue | not known"
    change_config(run, data={"shards": "nowhere"})
    assert unknown in card(run)
    other = write_shards(tmp_path / "other", 20)
    change_config(run, data={"shards": str(other)})
    assert unknown in card(run, "other-out")
    (other / "dataset.json").write_text("{}")
    assert unknown in card(run, "damaged-out")


def test_names_cannot_break_out_of_their_cell_and_a_base_stride_takes_steps_of_so_many_frames(run):
    strides = {"clip": {"base_stride": 2, "eval_speed": 2}, "data": {"window_frames": 16}}
    change_config(run, name="a`b|c\n# d <script>", **strides)
    said = card(run)
    assert said.splitlines()[0] == "# Encoders of the Avtempo run `a'b/c # d <script>`"
    assert "at speed 2 where they fit: steps of 4 frames and of 2 log-mel columns" in said
