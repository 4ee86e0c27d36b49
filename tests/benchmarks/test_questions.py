"""Every question on a tiny input, end to end; peers too where they are installed."""

import os

import pytest

from benchmarks import archive, embedding, growth, ingest, loading, searching, sources, storing
from benchmarks.peer import NOT_INSTALLED, peer_python
from benchmarks.race import OURS, RATIO, Effort

TINY = Effort(rounds=1, warm_up=0, scale=0.01)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Videos of two seconds, two a batch."""
    monkeypatch.setattr(sources, "SECONDS", 2.0)
    monkeypatch.setattr(ingest, "SECONDS", 2.0)
    monkeypatch.setattr(sources.collage, "__defaults__", (2.0,))
    monkeypatch.setattr(loading, "BATCH", 2)
    monkeypatch.setattr(loading, "WINDOWS", {"window": 8, "whole": 25})


@pytest.fixture
def no_peers(monkeypatch, tmp_path):
    monkeypatch.setenv("AVTEMPO_PEERS", str(tmp_path / "nothing"))


def check(races, names):
    for each in races:
        records = each.records()
        assert set(each.seconds) == {OURS, *names}
        assert all(record.value > 0 for record in records)
        assert {record.model for record in records if record.metric.endswith(RATIO)} == set(names)
        assert all(record.metric.startswith(f"{each.case}: ") for record in records)


def test_ingest_without_peers(data, no_peers):
    found = ingest.measure(data, TINY)
    check(found, [ingest.FLOOR, ingest.FRAME_TARS])
    assert found[0].missing == {ingest.VIDEO2DATASET: NOT_INSTALLED}


def test_loading_without_peers(data, no_peers):
    found = loading.measure(data, TINY)
    check(found, [loading.FLOOR])
    assert [each.case for each in found] == ["window", "whole"]
    assert all(set(each.missing) == set(loading.PEERS.values()) for each in found)


def test_embedding(data, monkeypatch):
    monkeypatch.setattr(embedding, "SIZES", {"tiny": 2})
    check(embedding.measure(data, TINY), [embedding.FLOOR, embedding.PARTS])


def test_storing_and_searching(data):
    empty, held = storing.measure(data, TINY)
    check([empty], [storing.RAW])
    check([held], [storing.RAW, storing.SAFE])
    check(searching.measure(data, TINY), [searching.FAISS])


def test_archives(data, monkeypatch):
    monkeypatch.setattr(archive, "HOURS", (50, 200))
    found = {(each.model, each.metric): each.value for each in archive.measure(data, TINY)}
    assert found["200 h", archive.ROWS] == 4 * found["50 h", archive.ROWS] == 40 * 360 * 2
    assert found["200 h", archive.MEGABYTES] == pytest.approx(2 * 2 * 3600 * 34 / 1e6)
    assert found["50 h", archive.FOUND] == found["200 h", archive.FOUND] == 1
    assert found["50 h", archive.MILLISECONDS] > 0


@pytest.mark.parametrize("stage", ["manifest", "store", "search"])
def test_growth_of_a_stage(data, stage):
    run = growth.in_process(stage, 20, data, data / "unused.pt")
    assert 0 < run[growth.SECONDS] < 60
    assert run[growth.MEBIBYTES] > 20


@pytest.mark.slow
def test_growth_of_what_reads_videos(data):
    found = growth.measure(data, Effort(rounds=1, warm_up=0, scale=0.2))
    assert {result.model for result in found} == set(growth.STAGES)
    assert {result.metric.partition(":")[0] for result in found} == {"1x", "10x"}


@pytest.mark.slow
@pytest.mark.skipif(peer_python() is None, reason=NOT_INSTALLED)
def test_peers_do_the_same_job(data):
    races = [*ingest.measure(data, TINY), *loading.measure(data, TINY)]
    assert {name: reason for each in races for name, reason in each.missing.items()} == {}


def test_peers_are_told_apart_from_errors(data, monkeypatch, tmp_path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'Error: no such codec' >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("AVTEMPO_PEERS", os.fspath(broken))
    found = loading.measure(data, TINY)
    assert set(found[0].missing.values()) == {"Error: no such codec (exit status 3)"}
