"""A server of its own process under load, and killed at any moment."""

import asyncio
import contextlib
import os
import signal
import socket
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import psutil
import pytest

from evaluate.archive.verdicts import Verdicts
from evaluate.fingerprint.api import Index
from evaluate.server.serve import MOST_CONNECTIONS
from store.atomic_files import is_folder_locked
from tests.evaluate.server.conftest import BEARER, answers, serving
from tests.preprocess.made_media import run_ffmpeg
from tests.processes import wait_for

pytestmark = pytest.mark.slow


def requests(ids, clip):
    """200 requests, of which every second is bad."""
    good = [
        ("GET", "/api/status", {}), ("GET", f"/api/media/{ids[0]}/strip?start=0&end=8", {}), ("GET", "/api/duplicates", {}),
        ("POST", "/api/match?name=clip.mp4", {"content": clip}), ("GET", f"/api/media/{ids[0]}", {}),
    ]  # fmt: skip
    bad = [
        ("POST", "/api/match", {"content": b"\0" * 5000}), ("GET", "/api/media/../../etc/passwd", {}),
        ("GET", "/api/status", {"headers": {"Authorization": "Bearer wrong"}}), ("POST", "/api/verdicts", {"content": b"{"}),
        ("GET", f"/api/media/{ids[0]}", {"headers": {**BEARER, "Range": "bytes=9-1"}}),
    ]  # fmt: skip
    return [(good, bad)[number % 2][number // 2 % 5] for number in range(200)]


def test_two_hundred_requests_at_once_leave_it_answering(made, ids):
    clip = (made.videos / "web/small.mp4").read_bytes()

    async def all_at_once(address):
        limits = httpx2.Limits(max_connections=None)
        async with httpx2.AsyncClient(base_url=address, headers=BEARER, timeout=600, limits=limits) as client:
            asked = [client.request(method, path, **rest) for method, path, rest in requests(list(ids.values()), clip)]
            return [answer.status_code for answer in await asyncio.gather(*asked)]

    with serving(made.index) as (client, server):
        codes = asyncio.run(all_at_once(client.base_url))
        assert set(codes) <= {200, 206, 400, 401, 404, 416, 422, 503}
        assert codes[0] == codes[4] == codes[8] == 200
        after = client.post("/api/match?name=clip.mp4", content=clip)
        assert after.json()["n_matches"] == 2
        assert server.poll() is None


def test_killed_among_verdicts_all_that_were_answered_are_there(own, ids):
    """SIGKILL while four clients decide; what was answered with 200 lasts, and the file is whole."""
    answered, names = [], [name for name in ids if name != "torn.mp4"]

    def decide(client, number):
        for at in range(1000):
            note = f"{number} {at}"
            body = {"kind": "keep", "ids": [ids[names[at % len(names)]]], "note": note}
            try:
                answer = client.post("/api/verdicts", json=[body])
            except httpx2.HTTPError:
                return
            assert answer.status_code == 200
            answered.append(note)

    for _ in range(2):
        with serving(own.index) as (client, server), ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(decide, client, number) for number in range(4)]
            before = len(answered)
            wait_for(lambda before=before: len(answered) > before + 40)
            server.kill()
            assert [each.result() for each in asked] == [None] * 4
        assert set(answered) <= {each.note for each in Verdicts(own.index).log()}


@pytest.mark.parametrize("after_seconds", [0.5, 3.0, 4.5])
def test_killed_in_a_run_the_index_is_whole_and_the_run_continues(own, after_seconds):
    """The run's process ends with the server; the next one finishes the work, and finds no leftovers in the way."""
    for number in range(20):
        run_ffmpeg("-i", own.videos / f"{number % 5}.mp4", "-vf", "hue=h=90", own.videos / f"new{number:02d}.mp4")
    words = ("--archive", own.videos)
    with serving(own.index, *words) as (client, server):
        uploaded = client.post("/api/match", content=b"no media")
        assert uploaded.status_code == 200
        assert client.post("/api/runs", json={"kind": "index"}).status_code == 202
        time.sleep(after_seconds)
        server.kill()
        server.wait()
        wait_for(lambda: not is_folder_locked(own.index))
    assert len(Index.open(own.index).archive.sources()) >= 9
    Index.open(own.index).matcher()
    with serving(own.index, *words) as (client, _):
        assert client.get("/api/status").json()["is_writer"]
        assert client.post("/api/match", content=b"x").status_code == 200
        folders = list(Path(tempfile.gettempdir()).glob(f"avtempo-uploads-*/{uploaded.json()['id']}"))
        assert not folders  # the killed server's
        assert client.post("/api/runs", json={"kind": "index"}).status_code == 202
        wait_for(lambda: client.get("/api/runs").json()[0]["state"] != "running", seconds=300)
        assert client.get("/api/runs").json()[0]["state"] == "done"
        assert client.get("/api/status").json()["n_sources"] == 28


def end(server, number):
    """End a server by a signal; it must be quick, and no error."""
    server.send_signal(number)
    server.wait(timeout=20)
    assert "Traceback" not in server.communicate(timeout=60)[1]


def test_events_tell_of_a_run_and_an_interrupt_ends_the_server(own):
    seen = []

    def listen(client):
        with client.stream("GET", "/api/events") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            seen.extend(line for line in answer.iter_lines() if line.startswith("data"))

    with serving(own.index) as (client, server), ThreadPoolExecutor(1) as pool:
        pool.submit(listen, client)
        run = client.post("/api/runs", json={"kind": "duplicates"}).json()
        wait_for(lambda: any('"state": "done"' in line for line in seen), seconds=300)
        assert all(run["id"] in line for line in seen)
        again = client.post("/api/runs", json={"kind": "duplicates"})
        assert again.status_code == 202
        end(server, signal.SIGINT)
        assert server.returncode in (0, 130)


@pytest.fixture
def long(own):
    """The archive with an AVI of nine minutes, of which copies take long to make and stills to decode."""
    path = own.videos / "long.avi"
    run_ffmpeg("-stream_loop", 70, "-i", own.videos / "web/old.avi", "-c", "copy", path)
    path.replace(own.videos / "web/old.avi")
    return own


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("asked", ["copy", "match"])
def test_the_end_of_the_server_ends_what_it_started(long, ids, number, asked):
    """Also while requests wait for that; the end is quick, and no error."""
    with serving(long.index) as (client, server), ThreadPoolExecutor(1) as pool:
        asking = pool.submit(_ask, client, asked, ids["web/old.avi"])
        wait_for(lambda: _ffmpegs(server))
        processes = psutil.Process(server.pid).children(recursive=True)
        end(server, number)
        asking.result()
        wait_for(lambda: not [each for each in processes if _runs(each)], seconds=20)


def test_an_upload_that_finds_no_space_is_told_and_the_next_one_is_matched(made):
    clip = (made.videos / "web/small.mp4").read_bytes()
    with serving(made.index) as (client, server):
        process = psutil.Process(server.pid)
        soft, hard = process.rlimit(psutil.RLIMIT_FSIZE)
        for most, status in ((1000, 507), (soft, 200)):  # beyond the limit the system writes no more, as on a full disk
            process.rlimit(psutil.RLIMIT_FSIZE, (most, hard))
            told = client.post("/api/match?name=clip.mp4", content=clip)
            assert told.status_code == status, told.text


def test_a_crash_of_a_decoder_costs_one_answer(long, ids):
    with serving(long.index) as (client, server), ThreadPoolExecutor(1) as pool:
        asking, killed = pool.submit(_ask, client, "match", ids["web/old.avi"]), set[int]()
        while not asking.done():
            for ffmpeg in _ffmpegs(server):
                with contextlib.suppress(psutil.NoSuchProcess):
                    decoder = ffmpeg.parent()
                    if decoder and decoder.pid not in {*killed, server.pid}:
                        killed.add(decoder.pid)
                        decoder.send_signal(signal.SIGSEGV)
            time.sleep(0.02)
        answer = asking.result()
        assert answer.status_code in (200, 422), answer.text  # 422: between two sources the whole query ends
        assert "SIGSEGV" in answer.text
        assert answers(client)


def _ask(client, asked, identity):
    with contextlib.suppress(httpx2.HTTPError):
        if asked == "copy":
            return client.get(f"/api/media/{identity}")
        return client.post("/api/match-path", json={"path": "web/old.avi"})
    return None


def _ffmpegs(server):
    with contextlib.suppress(psutil.NoSuchProcess):
        below = psutil.Process(server.pid).children(recursive=True)
        return [each for each in below if _runs(each) and "ffmpeg" in each.name()]
    return []


def _runs(process):
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


@pytest.mark.parametrize(
    "sent", [b"", b"GET /api/status HTTP/1.1\r\nHost: local", b"GET /static/page.css HTTP/1.1\r\n" * 2]
)
def test_connections_without_a_token_do_not_lock_others_out(made, sent):
    with serving(made.index) as (client, server), contextlib.ExitStack() as held:
        for _ in range(MOST_CONNECTIONS + 5):
            held.enter_context(socket.create_connection(("127.0.0.1", client.base_url.port))).sendall(sent)
        wait_for(lambda: answers(client), seconds=15)
        end(server, signal.SIGTERM)


@pytest.mark.parametrize("change", ["shrinks", "grows"])
def test_a_file_that_changes_while_it_is_sent_breaks_the_answer_off(own, ids, change):
    path = own.videos / "0.mp4"
    os.truncate(path, 40 << 20)
    with serving(own.index) as (client, server):
        with client.stream("GET", f"/api/media/{ids['0.mp4']}") as answer:
            assert answer.headers["content-length"] == str(40 << 20)
            os.truncate(path, 1000 if change == "shrinks" else 50 << 20)
            with pytest.raises(httpx2.RemoteProtocolError):
                answer.read()
        assert answers(client)
        end(server, signal.SIGINT)
