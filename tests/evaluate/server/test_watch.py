"""What comes into a watched folder: one line each, matches, the webhook, the index."""

import json
import os
import shutil
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from evaluate.server.state import webhook
from tests.evaluate.server.conftest import wait_for


def lines(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


@pytest.fixture
def hook(monkeypatch):
    """A server that takes JSON, first answering the statuses of a list."""
    monkeypatch.setattr(webhook, "PAUSES_SECONDS", (0.0, 0.1, 0.1))
    statuses, got = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((self.headers["Content-Type"], self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(statuses.pop(0) if statuses else 204)
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
    with made.client(watch_folder=folder, watch_out=out, webhook=address, settle_seconds=0.6) as client:
        assert wait_for(lambda: lines(out))[0]["file"] == "before.mp4"
        (folder / os.fsdecode(b"notes\xff.txt")).write_text("no media")  # the watcher cannot tell such a name
        (folder / ".hidden.mp4").write_bytes(whole)
        (folder / "out.mp4").symlink_to(made.videos / "3.mp4")
        path = folder / "sub/growing.mp4"
        for share in (0.3, 0.6, 1.0):
            path.write_bytes(whole[: int(share * len(whole))])
            time.sleep(0.3)
        _, line = wait_for(lambda: len(lines(out)) == 2 and lines(out))
        assert (line["file"], line["size_bytes"]) == ("sub/growing.mp4", len(whole))
        assert {each["reference"] for each in line["matches"] if each["decision"]} == {"0.mp4", "web/small.mp4"}
        assert client.get("/api/runs").json() == []
    assert [json.loads(body) for kind, body in got if kind == "application/json"][1:] == lines(out)
    with out.open("ab") as file:
        file.write(b'{"file": "cut')  # by a kill
    shutil.copy(made.videos / "3.mp4", folder / "later.mp4")
    with made.client(watch_folder=folder, watch_out=out, settle_seconds=0.1):
        wait_for(lambda: len(out.read_bytes().splitlines()) == 4)
        time.sleep(0.8)
    assert json.loads(out.read_bytes().splitlines()[-1])["file"] == "later.mp4"  # and none of them again


def test_a_webhook_that_always_fails_is_given_up(hook, caplog):
    import asyncio

    address, statuses, got = hook
    statuses += [500, 302, 404]
    assert not asyncio.run(webhook.post(address, b"{}"))
    assert len(got) == 3  # the redirect is not followed
    assert "did not take" in caplog.text


@pytest.mark.slow
def test_a_file_that_comes_into_the_archive_is_matched_and_indexed(own):
    (own.videos / "incoming").mkdir()
    folder = own.videos / "incoming"
    with own.client(archive_folder=own.videos, watch_folder=folder, settle_seconds=0.3) as client:
        shutil.copy(own.videos / "3.mp4", folder / "new.mp4")
        wait_for(lambda: client.get("/api/sources?search=incoming").json()["total"] == 1)
        (line,) = lines(own.index / "watched.jsonl")
        assert {each["reference"] for each in line["matches"] if each["decision"]} == {"3.mp4"}
        assert client.get("/api/runs").json()[0]["kind"] == "index"
