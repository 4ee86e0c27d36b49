"""Runs: start, progress, stop; two servers on one index."""

import json
import os
import shutil
import time
from multiprocessing import get_context

import pytest

from evaluate.archive import duplicates
from evaluate.archive.duplicates import find_duplicates
from evaluate.archive.last_run import LAST_RUN_FILE
from evaluate.fingerprint.api import Index
from evaluate.results.sheet import counted
from evaluate.server import app
from evaluate.server.state import parts
from evaluate.server.state.opened_index import OpenedIndex
from preprocess.executors.processes import interrupt
from store.atomic_files import LOCK_NAME, folder_lock
from tests.processes import wait_for


def ended(client, identity):
    def look():
        run = next(each for each in client.get("/api/runs").json() if each["id"] == identity)
        return run if run["state"] != "running" else None

    return wait_for(look, seconds=300)  # its processes load torch anew


def test_one_source_is_not_told_as_1_sources():
    assert [counted(n, "source") for n in (0, 1, 2)] == ["0 sources", "1 source", "2 sources"]


@pytest.mark.slow
def test_what_a_run_adds_is_served_and_matched(own):
    shutil.copy(own.videos / "3.mp4", own.videos / "new.mp4")
    with own.client(archive_folder=own.videos) as client:
        started = client.post("/api/runs", json={"kind": "index"})
        assert (started.status_code, started.json()["state"]) == (202, "running")
        assert client.post("/api/runs", json={"kind": "duplicates"}).status_code == 409
        assert client.post("/api/sources/remove", json={"names": ["0.mp4"]}).status_code == 409
        run = ended(client, started.json()["id"])
        assert (run["state"], run["message"].split(",")[0]) == ("done", "1 added")
        assert run["done"] == run["total"] > 0
        assert client.get("/api/sources?search=new").json()["total"] == 1
        found = client.post("/api/match-path", json={"path": "new.mp4"}).json()
        assert "new.mp4" in [each["reference"] for each in found["matches"] if each["decision"]]


def test_a_run_is_stopped_and_its_end_is_an_event(own):
    task = {"kind": "duplicates", "scope": {"agree": "both"}}
    with own.client() as client:
        identity = client.post("/api/runs", json=task).json()["id"]
        stopped = client.delete(f"/api/runs/{identity}").json()
        assert (stopped["state"], stopped["ended_at"] is not None) == ("stopped", True)
        assert client.delete(f"/api/runs/{identity}").json() == stopped
        assert client.delete("/api/runs/nonsense").status_code == 404
        assert client.get("/api/duplicates").json()["n_pairs"] == 3  # of the run before


def test_stopping_a_run_that_ends_in_that_instant_spares_the_next_one(own):
    task = {"kind": "duplicates"}
    with own.client() as client:
        first = client.post("/api/runs", json=task).json()["id"]
        begun = []

        class Late(set):
            def add(self, identity):
                ended(client, identity)
                begun.append(client.post("/api/runs", json=task).json()["id"])

        client.app.state.parts.runs._stopped = Late()
        assert client.delete(f"/api/runs/{first}").json()["state"] == "done"
        assert ended(client, begun[0])["state"] == "done"


def test_no_signal_goes_to_a_process_that_has_ended(monkeypatch):
    """Its number may be another one's: the fork server has waited for it."""
    process = get_context("forkserver").Process(target=int)
    process.start()
    process.join()
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("a signal was sent"))
    interrupt([process], 1.0)


def test_one_listener_too_many_is_refused(made, monkeypatch):
    monkeypatch.setattr(parts, "MOST_LISTENERS", 0)
    with made.client() as client:
        refused = client.get("/api/events")
        assert (refused.status_code, "close some" in refused.json()["detail"]) == (503, True)


def test_what_is_new_is_compared_at_the_rate_of_the_last_run(own):
    """Which another program may have begun at a rate of its own."""
    find_duplicates(Index.open(own.index), false_positive_rate=0.01)
    with own.client() as client:
        started = client.post("/api/runs", json={"kind": "duplicates", "since_last": True}).json()
        run = ended(client, started["id"])
        assert (run["state"], run["message"].split(" compared")[0]) == ("done", "0 sources")


@pytest.mark.slow
def test_a_scope_that_fits_nothing_fails_with_a_reason(own):
    with own.client() as client:
        for scope in ({"shortest_seconds": -1}, {"shortest_seconds": 9, "longest_seconds": 8}):
            assert client.post("/api/runs", json={"kind": "duplicates", "scope": scope}).status_code == 422
        started = client.post("/api/runs", json={"kind": "duplicates", "scope": {"references": ["nonsense"]}}).json()
        run = ended(client, started["id"])
        assert (run["state"], "nonsense" in run["message"]) == ("failed", True)


def test_the_second_server_reads_only_until_the_first_ends(made):
    with made.client() as first:
        assert first.get("/api/status").json()["is_writer"]
        with made.client() as second:
            told = second.get("/api/status").json()
            assert (told["is_writer"], "another server" in told["read_only_reason"]) == (False, True)
            refused = second.post("/api/runs", json={"kind": "index"})
            assert (refused.status_code, "another server" in refused.json()["detail"]) == (409, True)
            assert second.post("/api/sources/remove", json={"names": ["0.mp4"]}).status_code == 409
            assert second.post("/api/match-path", json={"path": "0.mp4"}).json()["n_matches"] == 2
            first.app.state.parts.opened.close()
            assert second.get("/api/status").json()["is_writer"]


def test_a_change_by_another_process_is_read(own):
    with own.client() as client:
        assert client.get("/api/sources?search=new").json()["total"] == 0
        shutil.copy(own.videos / "3.mp4", own.videos / "new.mp4")
        Index.open(own.index).add(own.videos)
        wait_for(lambda: client.get("/api/sources?search=new").json()["total"] == 1)


def test_the_lock_of_a_killed_process_does_not_keep_the_server_from_looking(own):
    opened = OpenedIndex(own.settings())
    shutil.copy(own.videos / "3.mp4", own.videos / "new.mp4")
    Index.open(own.index).add(own.videos)
    with folder_lock(own.index):
        opened.refresh()
        assert "new.mp4" not in opened.now.sources
    (own.index / LOCK_NAME).touch()
    opened.refresh()
    assert "new.mp4" in opened.now.sources


def test_an_index_that_is_damaged_while_it_is_served_leaves_the_former_state(own, monkeypatch, caplog):
    with own.client() as client:
        for part in (own.index / "parts").glob("*.json"):
            part.unlink()
            part.write_text("{")
        monkeypatch.setattr(app, "LOOK_EVERY_SECONDS", 0.1)
        wait_for(lambda: "former state is kept" in caplog.text)
        time.sleep(0.5)  # it looks again, and says nothing
        assert caplog.text.count("former state is kept") == 1
        assert client.get("/api/status").json()["n_sources"] == 8
        assert client.post("/api/match", content=(own.videos / "0.mp4").read_bytes()).json()["n_matches"] == 2


def test_an_error_that_ends_a_part_of_the_server_is_logged(made, monkeypatch, caplog):
    monkeypatch.setattr(app, "LOOK_EVERY_SECONDS", 0.1)
    monkeypatch.setattr(OpenedIndex, "refresh", lambda _: 1 // 0)
    with made.client() as client:
        wait_for(lambda: "ZeroDivisionError" in caplog.text)
        assert client.get("/api/status").is_success


def test_a_stopped_comparison_goes_on(own, monkeypatch):
    """Ctrl-C between two sources, in this process; a run of everything keeps what it did every few minutes."""
    (own.index / LAST_RUN_FILE).unlink()

    def stop(done, total, note):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_duplicates(Index.open(own.index), since_last=True, progress=stop)
    assert len(json.loads((own.index / LAST_RUN_FILE).read_text())["done"]) == 3
    assert find_duplicates(Index.open(own.index), since_last=True).n_compared == 5
    before = (own.index / LAST_RUN_FILE).read_text()
    with pytest.raises(KeyboardInterrupt):
        find_duplicates(Index.open(own.index), progress=stop)
    assert (own.index / LAST_RUN_FILE).read_text() == before
    monkeypatch.setattr(duplicates, "SAVE_EVERY_SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        find_duplicates(Index.open(own.index), progress=stop)
    rest = find_duplicates(Index.open(own.index), since_last=True)
    assert (rest.n_compared, len(rest.pairs)) == (6, 3)
