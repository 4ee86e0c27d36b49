"""Every question on a tiny input, end to end, without peers."""

import time
from types import SimpleNamespace

import pytest

from benchmarks import archive, duplicates, embedding, ingest, loading, peer, sources, storing, training_step
from benchmarks.page import cases_of, table, values_of
from benchmarks.question import OURS, Setting
from tests.train.conftest import write_shards
from tests.train.small_runs import SETTINGS
from train.run import loop


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    data = tmp_path_factory.mktemp("bench")
    return Setting(data, write_shards(data / "shards", 48), rounds=1, warm_up=0, scale=0.01)


@pytest.fixture(autouse=True)
def short(monkeypatch, tmp_path):
    """Videos of two seconds, two a batch; no peers."""
    monkeypatch.setattr(sources, "SECONDS", 2.0)
    monkeypatch.setattr(loading, "BATCH", 2)
    monkeypatch.setattr(loading, "WINDOW", 8)
    monkeypatch.setattr(embedding, "SIZES", {"tiny": 2})
    monkeypatch.setattr(peer, "ENVIRONMENT", tmp_path / "nothing")


@pytest.mark.parametrize(
    ("question", "cases"),
    [
        (ingest, {"archive": [ingest.FLOOR, ingest.FRAME_TARS]}),
        (loading, {"window": [loading.FLOOR], "whole": [loading.FLOOR]}),
        (embedding, {"tiny encoder": [embedding.FLOOR, embedding.PARTS]}),
        (storing, {"to an empty store": [storing.RAW], "to as many rows": [storing.RAW, storing.SAFE]}),
    ],
)
def test_races_without_peers(question, cases, setting):
    results = question.measure(setting)
    assert {case: list(ways) for case, ways in cases_of(results).items()} == {
        case: [OURS, *others] for case, others in cases.items()
    }
    assert all(result.value > 0 for result in results)
    assert f"| {OURS} |" in table(question.TASK, results)


def test_archives(setting, monkeypatch):
    monkeypatch.setattr(archive, "HOURS", (50, 200))
    small, large = values_of(archive.measure(setting)).values()
    assert large[archive.ROWS] == 4 * small[archive.ROWS] == 40 * 360 * 2
    assert large[archive.MEGABYTES] == pytest.approx(2 * 2 * 3600 * 34 / 1e6)
    assert small[archive.FOUND] == large[archive.FOUND] == 100
    assert small[archive.MILLISECONDS] > 0


def test_duplicates(setting, monkeypatch):
    monkeypatch.setattr(archive, "HOURS", (10, 20))
    monkeypatch.setattr(archive, "SOURCE_SECONDS", 30.0)
    results = duplicates.measure(setting)
    for values, n in zip(values_of(results).values(), (12, 24), strict=True):
        assert (values[duplicates.SOURCES], values[duplicates.FOUND]) == (n, 100)
    assert "| 20 h | 24 |" in table(duplicates.TASK, results)


def test_the_parts_of_a_training_step_add_up_to_the_whole(setting, monkeypatch):
    """By clocks that stand still while this thread does: on a busy machine it stands still between parts too."""
    monkeypatch.setattr(training_step, "clock", time.thread_time)
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=time.thread_time))
    (values,) = values_of(training_step.measure(setting, *SETTINGS, "data.batch_size=12")).values()
    parts = {name: values[f"{name}, seconds"] for name in training_step.FUNCTIONS}
    assert min(parts.values()) > 0
    assert sum(parts.values()) == pytest.approx(values["step, seconds"], rel=0.1)
