"""Published numbers: copied with their origin, and the docs' tables follow the files."""

import contextlib
import json
import subprocess

import pytest

from evaluate.errors import ResultsError
from evaluate.publish import KINDS, draw_figures, fill_pages, publish
from evaluate.results.origin import code, commit
from evaluate.results.results import RESULTS_NAME, Result, read_results, write_results

HEADER = {"date": "2020-01-02", "commit": "abc", "machine": "an abacus"}
PAGE = "# Results\n\n<!-- table: demo test=ucf101 split=1 -->\nstale\n<!-- end table -->\n\ntail\n"


def results():
    named = (("raw", "R@1", 0.1), ("pretrained", "R@1", 0.512), ("pretrained", "R@5", 0.8))
    return [
        *(Result("ucf101", "retrieval", 1, "video", *each, 20, each[2] - 0.1, each[2] + 0.1) for each in named),
        Result("ucf101", "cross-modal", 1, "audio-to-video", "pretrained", "R@1", 0.3, 8),
        Result("ucf101", "linear", None, "video", "pretrained", "top-1", 0.9, 60),
    ]


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "runs" / "demo"
    write_results(folder / RESULTS_NAME, results(), HEADER)
    (folder / "training.json").write_text(json.dumps({"steps": 7, "seconds": 3.4}))
    return folder


def filled(root, text):
    """A page of the docs with its tables written."""
    page = root / "docs" / "results.md"
    page.write_text(text)
    assert fill_pages(root, KINDS) == {page: True}
    return page.read_text()


def test_tables_are_written_from_the_published_file_with_its_origin(run, tmp_path):
    path = publish(run, "demo", "make demo", tmp_path)
    assert list(read_results(path)) == results()
    text = filled(tmp_path, PAGE)
    assert "| modality | model | R@1 | R@5 | videos evaluated |" in text
    assert "| video | pretrained | 51.2 (41–61) | 80.0 | 20 |" in text
    assert "| video | raw | 10.0 (0–20) | - | 20 |" in text
    assert "audio-to-video" not in text
    assert text.index("pretrained") < text.index("raw")
    assert "`make demo`, 7 steps in 3 s" in text
    assert "(results/demo.json)" in text
    assert "stale" not in text
    assert text.endswith("\n\ntail\n")
    assert "90.0" not in text  # the mean is another table
    assert not any(fill_pages(tmp_path, KINDS).values())


def test_a_marker_chooses_the_task_models_and_metrics(run, tmp_path):
    publish(run, "demo", "make demo", tmp_path)
    for wanted, row in (
        ("split=1 task=cross-modal", "| audio-to-video | pretrained | 30.0 | 8 |"),
        ("split=1 models=raw metrics=R@1", "| video | raw | 10.0 (0–20) | 20 |"),
    ):
        text = filled(tmp_path, PAGE.replace("split=1", wanted))
        assert [line for line in text.splitlines() if line.startswith("| ")][1:] == [row]
    page, stale = tmp_path / "README.md", text.replace("0.0", "9.0")
    page.write_text(stale)
    assert fill_pages(tmp_path, KINDS, write=False)[page]
    assert page.read_text() == stale


def test_the_commit_is_that_of_this_code_or_unknown(tmp_path, monkeypatch):
    (tmp_path / "docs").mkdir()
    assert commit(tmp_path) == "unknown"  # no repository
    here = commit()
    with contextlib.suppress(FileNotFoundError):
        subprocess.run(["git", "init", "-q", tmp_path], check=True)
    assert commit(tmp_path / "docs") == "unknown"  # a folder of another repository
    monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))
    monkeypatch.chdir(tmp_path)
    assert commit() == here
    monkeypatch.setenv("PATH", "")
    assert commit() == "unknown"  # no git


def test_a_table_names_the_code_that_changed_after_its_numbers_were_measured(run, tmp_path):
    since = {"train/views": "0", "evaluate/report": "0", "evaluate/protocols/esc50": "0"}
    named = "commit abc; changed since: train/views, evaluate/protocols ([data]"
    for changed, line in (({}, "commit abc ([data]"), (since, named)):
        write_results(run / RESULTS_NAME, results(), HEADER | {"code": code() | changed})
        publish(run, "demo", "make demo", tmp_path)
        assert line in filled(tmp_path, PAGE)


def test_the_checksum_of_a_folder_follows_its_code(tmp_path):
    (tmp_path / "train" / "views").mkdir(parents=True)
    views = tmp_path / "train" / "views" / "views.py"
    views.write_text("def f(a='#'):\n    return (a,\n  \"b\")\n")
    before = code(tmp_path)
    assert list(before) == ["train/views"]
    (tmp_path / "train" / "preset.yaml").write_text("# why\n\nsteps: 2\n")
    settings = code(tmp_path)["train"]
    (tmp_path / "train" / "preset.yaml").write_text("steps: 2\n")
    assert code(tmp_path)["train"] == settings
    (tmp_path / "train" / "preset.yaml").write_text("steps: 3\n")
    assert code(tmp_path)["train"] != settings
    assert code(tmp_path) == before | {"train": code(tmp_path)["train"]}
    views.write_text(
        '"""Doc.\n\nMore."""\n# why\ndef f(a=\'#\'):  # why\n    """Doc."""\n\n    return (a,  # why\n  "b")\n'
    )
    assert code(tmp_path)["train/views"] == before["train/views"]  # the same statements
    (tmp_path / "train/views/of/clips").mkdir(parents=True)
    (tmp_path / "train/views/of/clips/cut.py").write_text("first = 0\n")
    below = code(tmp_path)
    assert set(below) == {"train", "train/views", "train/views/of"}
    assert below["train/views"] == before["train/views"]
    for changed in ("def f(a=''):\n    return (a,\n  \"b\")\n", "def f(a='#'):\n    return (a,\n  \"c\")\n"):
        views.write_text(changed)
        assert code(tmp_path)["train/views"] != before["train/views"]


def test_the_temporal_tasks_of_a_training_are_a_table(run, tmp_path):
    (run / "training.json").write_text(json.dumps({"steps": 7, "seconds": 3.4, "heldout": {"speed_video": 0.8442}}))
    publish(run, "demo", "make demo", tmp_path)
    text = filled(tmp_path, "<!-- heldout: demo -->\n<!-- end heldout -->\n")
    assert "| `speed_video` | 84.4 |\n\n`make demo`, 7 steps" in text


def test_markers_without_numbers_and_runs_without_results_or_of_code_that_is_not_committed_are_errors(run, tmp_path):
    publish(run, "demo", "make demo", tmp_path)
    for marker, words in (("split=3", "split=3"), ("split=1 task=guessed", "no such table")):
        with pytest.raises(ResultsError, match=words):
            filled(tmp_path, PAGE.replace("split=1", marker))
    write_results(run / RESULTS_NAME, results(), HEADER | {"commit": "abc-dirty"})
    for folder, words in ((tmp_path / "nothing", "evaluate the run first"), (run, "not committed")):
        with pytest.raises(ResultsError, match=words):
            publish(folder, "demo", "make demo", tmp_path)
    write_results(run / RESULTS_NAME, results(), HEADER | {"older_commits": ["abc-dirty"]})
    with pytest.raises(ResultsError, match="also holds numbers of abc-dirty"):
        publish(run, "demo", "make demo", tmp_path)


def test_the_fingerprint_benchmark_is_tables_and_figures(tmp_path):
    run = tmp_path / "runs" / "archive" / "fingerprint"
    measured = [
        Result("fingerprint", task, None, "joint", model, metric, value * share, 9)
        for model, share in (("avtempo", 0.991), ("vpdq", 0.45))
        for metric in ("micro-AP", "top-1", "found-and-decided")
        for task, value in (("all", 1.0), ("flip/medium", 1.0), ("crop/medium", 1.0), ("crop/strong", 0.5))
    ]
    write_results(run / RESULTS_NAME, measured, HEADER | {"plan": "7 references"})
    publish(run, "found", "make eval-fingerprint", tmp_path)
    kinds = ("fingerprint", "plan")
    text = filled(tmp_path, "".join(f"<!-- {kind}: found -->\n<!-- end {kind} -->\n" for kind in kinds))
    assert "7 references." in text and "7 references: `make eval-fingerprint`" in text
    assert "| micro-AP | 99.1 | 45.0 |" in text
    assert "| crop (strong) | 50/50 | 22/22 |\n| flip, crop | 99/99 | 45/45 |\n\n" in text
    assert "`make eval-fingerprint`; an abacus; 2020-01-02, commit abc, older than today's code" in text
    draw_figures(tmp_path)
    for figure in ("found-distortions.svg", "found-roc.svg"):
        assert f"](figures/{figure})" in text
        assert (tmp_path / "docs" / "figures" / figure).exists()
