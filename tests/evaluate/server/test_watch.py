"""What comes into a watched folder: one line each, matches, the webhook, the index."""

import json
import os
import shutil
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from evaluate.server.problems import RefusedError
from evaluate.server.state import watch, webhook
from evaluate.server.state.runs import Runs
from tests.evaluate.server.conftest import Made
from tests.preprocess.made_media import run_ffmpeg
from tests.processes import wait_for


def lines(path):
    """Read what is whole: while a line is being written a reader may see its beginning alone."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


@pytest.fixture
def hook(monkeypatch):
    """A server that takes JSON, first answering the statuses of a list."""
    monkeypatch.setattr(webhook, "AGAIN_SECONDS", (0.1,))
    statuses, got = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body, status = self.rfile.read(int(self.headers["Content-Length"])), statuses.pop(0) if statuses else 204
            got.append((status, self.headers["Content-Type"], json.loads(body)))
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", statuses, got
    server.shutdown()
    server.server_close()


def test_a_file_is_matched_when_it_has_stopped_growing(made, tmp_path, hook):
    """The folder lies outside the archive: its files are matched only. The webhook fails once, and is tried again."""
    address, statuses, got = hook
    statuses.append(500)
    folder, out = tmp_path / "in", tmp_path / "out/matches.jsonl"
    (folder / "sub").mkdir(parents=True)
    whole = (made.videos / "web/small.mp4").read_bytes()
    shutil.copy(made.videos / "4.mp4", folder / "before.mp4")
    with made.client(watch_folder=folder, watch_out=out, webhook=address, settle_seconds=1.2) as client:

        def watched(n_matched):
            told = client.get("/api/status").json()["watched"]
            return told["n_matched"] == n_matched and told

        assert wait_for(lambda: lines(out))[0]["file"] == "before.mp4"
        (folder / os.fsdecode(b"notes\xff.txt")).write_text("no media")  # the watcher cannot tell such a name
        (folder / ".hidden.mp4").write_bytes(whole)
        (folder / "out.mp4").symlink_to(made.videos / "3.mp4")
        (folder / "shut.mp4").symlink_to("x" * 300)  # no status, but an error: as where one may not enter
        path = folder / "sub/growing.mp4"
        for eighths in range(1, 9):  # far longer in all than a file must stand still, each pause far shorter
            path.write_bytes(whole[: eighths * len(whole) // 8])
            time.sleep(0.3)
        _, line = wait_for(lambda: len(lines(out)) == 2 and lines(out))
        assert (line["file"], line["size_bytes"]) == ("sub/growing.mp4", len(whole))
        assert {each["reference"] for each in line["matches"] if each["decision"]} == {"0.mp4", "web/small.mp4"}
        assert client.get("/api/runs").json() == []
        told = wait_for(lambda: watched(2))  # its line is written first
        assert (told["n_waiting"], told["n_matched"], told["n_found"], told["n_failed"]) == (0, 2, 2, 0)
        assert [each["name"] for each in told["last"]] == ["sub/growing.mp4", "before.mp4"]
        assert set(told["last"][0]["references"]) == {"0.mp4", "web/small.mp4"}
        assert client.get(f"/api/queries/{told['last'][0]['query']}").json()["n_matches"] == 2
        assert client.get(f"/api/media/{told['last'][0]['query']}").content == whole
        wait_for(lambda: len(got) == 3)
    first, second = lines(out)
    assert got == [(status, "application/json", line) for status, line in ((500, first), (204, first), (204, second))]
    with out.open("ab") as file:
        file.write(b'{"file": "cut')  # by a kill
    shutil.copy(made.videos / "3.mp4", folder / "later.mp4")
    with made.client(watch_folder=folder, watch_out=out, settle_seconds=0.1):
        wait_for(lambda: len(out.read_bytes().splitlines()) == 4)
        time.sleep(0.8)
    assert json.loads(out.read_bytes().splitlines()[-1])["file"] == "later.mp4"  # and none of them again


def test_a_webhook_that_does_not_answer_delays_no_file_and_gets_all_lines_after_a_restart(
    made, tmp_path, hook, caplog, monkeypatch
):
    monkeypatch.setattr(webhook, "TIMEOUT_SECONDS", 600.0)  # longer than the test waits
    address, statuses, got = hook
    folder, out = tmp_path / "in", tmp_path / "matches.jsonl"
    folder.mkdir()
    out.write_text('{"before": "the webhook"}\n')
    given = {"watch_folder": folder, "watch_out": out, "settle_seconds": 0.1}
    silent = socket.create_server(("127.0.0.1", 0))  # takes connections and says nothing
    with silent, made.client(**given, webhook=f"http://127.0.0.1:{silent.getsockname()[1]}/"):
        for name in ("0.mp4", "3.mp4"):
            shutil.copy(made.videos / name, folder)
        wait_for(lambda: len(lines(out)) == 3)
    with out.open("ab") as file:
        file.write(b'{"file": "cut')  # by a kill
    shutil.copy(made.videos / "4.mp4", folder)
    statuses += [302, 429, 403]  # the redirect is not followed, the third answer is a refusal
    with made.client(**given, webhook=address):
        wait_for(lambda: len(got) == 5)
    assert [(status, line["file"]) for status, _, line in got] == [
        (302, "0.mp4"), (429, "0.mp4"), (403, "0.mp4"), (204, "3.mp4"), (204, "4.mp4"),
    ]  # fmt: skip
    assert "refuses a line" in caplog.text


def test_files_that_change_while_they_wait_or_are_matched_are_taken_once_at_their_end(made, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "matches.jsonl"
    folder.mkdir()
    whole = (made.videos / "0.mp4").read_bytes()
    for name in ("a.mp4", "b.mp4"):
        (folder / name).write_bytes(whole)
    with made.client(watch_folder=folder, watch_out=out, settle_seconds=0.3) as client:
        limiter = client.app.state.parts.queries.limiter
        wait_for(lambda: limiter.borrowed_tokens)  # a.mp4 is being matched, b.mp4 waits
        for name in ("a.mp4", "b.mp4"):
            with (folder / name).open("ab") as file:
                file.write(b"more")
        wait_for(lambda: len(lines(out)) == 2)
        time.sleep(1.5)
        assert sorted((each["file"], each["size_bytes"]) for each in lines(out)) == [
            ("a.mp4", len(whole) + 4), ("b.mp4", len(whole) + 4),
        ]  # fmt: skip
        assert [each["name"] for each in client.get("/api/queries").json()] == ["b.mp4", "a.mp4"]


def test_a_file_that_comes_before_the_index_waits_for_it(made, tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "AGAIN_SECONDS", 0.2)
    folder, out = tmp_path / "in", tmp_path / "matches.jsonl"
    folder.mkdir()
    shutil.copy(made.videos / "0.mp4", folder)
    given = {"archive_folder": made.videos, "watch_folder": folder, "watch_out": out, "settle_seconds": 0.1}
    with Made(tmp_path).client(**given) as client:
        wait_for(lambda: "make one" in client.get("/api/status").json()["watched"]["problem"])
        assert lines(out) == []
        shutil.copytree(made.index, tmp_path / "copied", ignore=shutil.ignore_patterns("server"))
        shutil.rmtree(tmp_path / "index")
        (tmp_path / "copied").rename(tmp_path / "index")
        (line,) = wait_for(lambda: lines(out))
    assert {each["reference"] for each in line["matches"] if each["decision"]} == {"0.mp4", "web/small.mp4"}


@pytest.mark.slow
def test_the_first_files_of_an_archive_are_indexed_and_then_matched(made, tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "AGAIN_SECONDS", 1.0)
    folder, out = tmp_path / "archive", tmp_path / "matches.jsonl"
    folder.mkdir()
    shutil.copy(made.videos / "0.mp4", folder)
    given = {"archive_folder": folder, "watch_folder": folder, "watch_out": out, "settle_seconds": 0.1}
    with Made(tmp_path).client(**given) as client:
        (line,) = wait_for(lambda: lines(out), seconds=300)
        wait_for(lambda: client.get("/api/status").json()["n_sources"] == 1)
    assert (line["file"], line["matches"]) == ("0.mp4", [])


@pytest.mark.slow
def test_many_files_at_once_are_each_taken_once(made, tmp_path):
    """Half are copies of real clips, a third are no media, the rest is audio."""
    folder, out = tmp_path / "in", tmp_path / "matches.jsonl"
    folder.mkdir()
    clip, audio = made.videos / "web/part.mkv", tmp_path / "audio.wav"
    run_ffmpeg("-i", clip, "-vn", audio)
    torn, video, sound = (b"torn", "mp4"), (clip.read_bytes(), "mkv"), (audio.read_bytes(), "wav")
    kinds = [video, torn, video, sound, torn, video] * 10
    files = {f"{number:02d}.{kind}": data for number, (data, kind) in enumerate(kinds)}
    with made.client(watch_folder=folder, watch_out=out, settle_seconds=1.0) as client:
        for name, data in files.items():
            (folder / name).write_bytes(data)
        seen = []

        def is_done():
            seen.append(client.get("/api/status").json()["watched"])
            return len(lines(out)) == len(files) and not seen[-1]["n_waiting"]

        wait_for(is_done, seconds=300)
        told = seen[-1]
        assert sorted(each["file"] for each in lines(out)) == sorted(files)
        assert (told["n_matched"], told["n_found"], told["n_failed"]) == (40, 40, 20)
        assert all(each["n_waiting"] + each["n_matched"] + each["n_failed"] <= len(files) for each in seen)
        assert len(told["last"]) == len(client.get("/api/queries").json()) == 10


@pytest.mark.slow
def test_a_file_that_comes_into_the_archive_is_matched_and_indexed(own, monkeypatch):
    start, asked = Runs.start, []

    def later(*given, **more):
        asked.append(given)
        if len(asked) == 1:
            raise RefusedError("not now", 409)
        return start(*given, **more)

    monkeypatch.setattr(Runs, "start", later)
    (own.videos / "incoming").mkdir()
    folder = own.videos / "incoming"
    with own.client(archive_folder=own.videos, watch_folder=folder, settle_seconds=0.3) as client:
        shutil.copy(own.videos / "3.mp4", folder / "new.mp4")
        wait_for(lambda: client.get("/api/sources?search=incoming").json()["total"] == 1, seconds=300)
        (line,) = lines(own.index / "watched.jsonl")
        assert {each["reference"] for each in line["matches"] if each["decision"]} == {"3.mp4"}
        assert client.get("/api/runs").json()[0]["kind"] == "index"
