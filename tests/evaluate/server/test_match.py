"""Matching by upload and by path, bounds of uploads, and decisions on matches."""

import asyncio
import io
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from evaluate.fingerprint.api import Index
from evaluate.server.problems import RefusedError
from evaluate.server.state import queries as queries_module
from evaluate.server.state.opened_index import OpenedIndex
from evaluate.server.state.processes import Processes
from tests.evaluate.server.conftest import Made
from tests.preprocess.made_media import run_ffmpeg
from tests.processes import wait_for


@pytest.fixture(scope="module")
def clip(made, tmp_path_factory):
    """Seconds 2 to 7 of 1.mp4, smaller."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    run_ffmpeg("-ss", 2, "-i", made.videos / "1.mp4", "-t", 5, "-vf", "scale=96:64", "-c:a", "aac", path)
    return path


def folder_of(client):
    return client.app.state.parts.queries.folder


def test_an_upload_is_matched_kept_and_removed(client, ids, clip):
    answer = client.post("/api/match", params={"name": "../../a clip.mp4"}, content=clip.read_bytes())
    found = answer.json()
    assert (answer.status_code, found["name"], found["unreadable"]) == (200, "a clip.mp4", "")
    decided = {each["reference"]: each for each in found["matches"] if each["decision"]}
    assert set(decided) == {"1.mp4", "web/part.mkv"}
    assert decided["1.mp4"]["reference_start_seconds"] == pytest.approx(2, abs=0.6)
    assert decided["1.mp4"]["reference_id"] == ids["1.mp4"]
    assert decided["1.mp4"]["view"]["region"] == {"left": 0, "top": 0, "right": 1, "bottom": 1}
    assert client.get(f"/api/queries/{found['id']}").json() == found
    assert client.get("/api/queries").json()[0]["id"] == found["id"]
    assert client.get(f"/api/media/{found['id']}").content == clip.read_bytes()
    assert len(list(folder_of(client).glob(f"{found['id']}*"))) == 1
    assert client.delete(f"/api/queries/{found['id']}").status_code == 200
    assert not list(folder_of(client).glob(f"{found['id']}*"))
    for path in (f"queries/{found['id']}", f"media/{found['id']}"):
        assert client.get(f"/api/{path}").status_code == 404


def test_a_path_below_the_archive_is_matched(client, made):
    for path in ("web/part.mkv", str(made.videos / "web/part.mkv")):
        found = client.post("/api/match-path", json={"path": path, "top": 1}).json()
        assert [each["reference"] for each in found["matches"]] == ["web/part.mkv"]
        assert client.delete(f"/api/queries/{found['id']}").status_code == 200
    assert (made.videos / "web/part.mkv").exists()  # it is no upload


def test_a_source_whose_name_is_not_utf_8_is_matched_wherever_the_archive_is_said_to_be(own):
    (own.videos / "web/part.mkv").rename(own.videos / os.fsdecode(b"web/part \xff.mkv"))
    Index.open(own.index).add(own.videos)
    with own.client(archive_folder=own.root) as client:
        found = client.post("/api/match-path", json={"path": "web/part \\xff.mkv", "top": 1}).json()
    assert [each["reference"] for each in found["matches"]] == ["web/part \\xff.mkv"]


def test_a_short_clip_is_decided_by_a_closer_look_unless_the_files_have_changed(own):
    run_ffmpeg("-ss", 2, "-i", own.videos / "1.mp4", "-t", 1.1, own.videos / "short.avi")
    with own.client() as client:

        def match():
            return client.post("/api/match-path", json={"path": "short.avi", "top": 5}).json()

        found = match()
        assert found["n_matches"] and found["moved"] == []
        for path in own.videos.rglob("*.m*"):
            path.touch()
        found = match()
        assert not found["n_matches"] and "1.mp4" in found["moved"]
        assert set(found["moved"]) == {each["reference"] for each in found["matches"]}


@pytest.mark.slow
def test_a_picture_names_videos_with_their_second_and_is_never_decided(own):
    still = own.videos / "still.png"
    run_ffmpeg("-ss", 3.2, "-i", own.videos / "3.mp4", "-frames:v", 1, still)
    with own.client() as client:

        def match(content):
            return client.post("/api/match", params={"name": "a/still.PNG"}, content=content).json()

        found = match(still.read_bytes())
        assert (found["is_image"], found["matches"], "--stills" in found["unreadable"]) == (True, [], True)
        Index.open(own.index).add(own.videos, stills=True)
        for found in (match(still.read_bytes()), client.post("/api/match-path", json={"path": "still.png"}).json()):
            assert (found["is_image"], found["n_matches"], found["reason"][:9]) == (True, 0, "undecided")
            best = found["matches"][0]
            assert (best["reference"], best["decision"]) == ("3.mp4", False)
            assert best["reference_start_seconds"] <= 3.2 <= best["reference_end_seconds"]
        assert client.get(f"/api/media/{found['id']}/info").json()["is_image"]
        assert client.get(f"/api/media/{found['id']}").status_code == 422
        for n, size in ((1, (528, 352)), (8, (768, 64))):
            strip = client.get(f"/api/media/{found['id']}/strip?n={n}").content
            assert Image.open(io.BytesIO(strip)).size == size
        client.delete(f"/api/queries/{found['id']}")
        assert still.exists()
        uploads = list(folder_of(client).glob("*.png"))
        assert len(uploads) == 2
        for path in uploads:
            client.delete(f"/api/queries/{path.stem}")
            assert not path.exists()
        for content in (still.read_bytes()[:500], b"no picture", b"#EXTM3U\nfile:///etc/passwd"):
            found = match(content)
            assert found["unreadable"]
            assert client.get(f"/api/media/{found['id']}/strip").status_code == 204


@pytest.mark.parametrize(
    "content", [b"no media", b"#EXTM3U\nfile:///etc/passwd", b"ffconcat version 1.0\nfile /etc/passwd"]
)
def test_what_cannot_be_read_says_why(client, content):
    found = client.post("/api/match?name=x.mp4", content=content).json()
    assert found["unreadable"]
    assert found["reason"] == found["unreadable"]
    assert found["matches"] == []
    assert "/" not in found["unreadable"].replace("file:///etc/passwd", "")


def test_uploads_beyond_the_limits_leave_nothing_behind(made):
    with made.client(upload_bytes=1000, uploads_bytes=1500) as client:
        assert client.post("/api/match", content=b"x" * 1001).status_code == 413
        assert client.post("/api/match", content=(b"x" * 100 for _ in range(100))).status_code == 413
        assert client.post("/api/match", content=b"").status_code == 422
        assert not list(folder_of(client).glob("[!.]*"))
        _, second = (client.post("/api/match", content=b"x" * 900).json()["id"] for _ in range(2))
        assert [each["id"] for each in client.get("/api/queries").json()] == [second]  # the older one made room
        assert [path.name for path in folder_of(client).glob("[!.]*")] == [second]
        folder = folder_of(client)
    assert not folder.exists()


def test_uploads_that_wait_count_and_make_room(made):
    with made.client(upload_bytes=1000, uploads_bytes=2500) as client, ThreadPoolExecutor(4) as pool:
        for _ in range(2):
            assert client.post("/api/match", content=b"x" * 900).is_success
        limiter = client.app.state.parts.queries.limiter
        client.portal.call(limiter.acquire_on_behalf_of, client)
        asked = [pool.submit(client.post, "/api/match", content=b"x" * 900) for _ in range(4)]
        try:
            wait_for(lambda: sum(each.done() for each in asked) == 2, seconds=20)
            assert len(client.get("/api/queries").json()) == 1
        finally:
            client.portal.call(limiter.release_on_behalf_of, client)
        assert sorted(each.result().status_code for each in asked) == [200, 200, 503, 503]


def test_a_query_that_is_removed_while_room_is_made_is_no_error(made, monkeypatch):
    with made.client(uploads_bytes=3000) as client:
        queries, ids = client.app.state.parts.queries, []

        def removes(content):
            while len(ids) == 2:
                queries.remove(ids.pop())
            return int(content.partition("-")[0])

        ids += [client.post("/api/match", content=b"x" * 900).json()["id"] for _ in range(2)]
        monkeypatch.setattr(queries_module, "size_of", removes)
        assert client.post("/api/match", content=b"x" * 900).is_success
        assert len(client.get("/api/queries").json()) == 2


def test_an_upload_that_drips_is_ended(made, tmp_path):
    async def drip():
        while True:
            yield b"x"
            await asyncio.sleep(0.01)

    queries = queries_module.Queries(tmp_path, OpenedIndex(made.settings(upload_seconds=0.2)), Processes())
    with pytest.raises(RefusedError, match="took more than") as caught:
        asyncio.run(queries.match_upload("clip.mp4", drip(), None))
    assert caught.value.status == 408
    assert not list(tmp_path.iterdir())


def test_one_match_too_many_is_refused_and_others_go_on(made, clip, monkeypatch):
    """The event loop answers while matches wait; afterwards all is as before."""
    release, began = threading.Event(), threading.Event()
    matched = queries_module.Queries.match

    def slow(self, *arguments):
        began.set()
        assert release.wait(30)
        return matched(self, *arguments)

    monkeypatch.setattr(queries_module.Queries, "match", slow)
    with made.client(n_waiting=1) as client, ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(client.post, "/api/match", content=b"x") for _ in range(6)]
        assert began.wait(30)
        while sum(each.done() for each in asked) < 4:
            assert client.get("/api/status").status_code == 200
        release.set()
        assert sorted(each.result().status_code for each in asked) == [200, 200, 503, 503, 503, 503]
        assert client.post("/api/match", content=clip.read_bytes()).json()["n_matches"] == 2


def test_a_decision_on_a_match_lasts(client, ids, clip):
    """It is on contents: another query of the same file has it too."""
    first, second = (client.post("/api/match", content=clip.read_bytes()).json() for _ in range(2))

    def verdicts(query):
        matches = client.get(f"/api/queries/{query['id']}").json()["matches"]
        return {each["reference"]: each["verdict"] for each in matches}

    assert set(verdicts(first).values()) == {""}
    body = [{"kind": "same", "ids": [first["id"], ids["1.mp4"]]}]
    undo = client.post("/api/verdicts", json=body).json()["undo"]
    assert verdicts(second)["1.mp4"] == "same"
    assert verdicts(second)["web/part.mkv"] == ""
    assert client.post("/api/verdicts", json=undo).is_success
    assert set(verdicts(second).values()) == {""}
    client.post("/api/verdicts", json=body)
    client.delete(f"/api/queries/{first['id']}")
    assert verdicts(second)["1.mp4"] == "same"
    withdrawn = [{**body[0], "ids": [second["id"], ids["1.mp4"]], "withdraw": True}]
    assert client.post("/api/verdicts", json=withdrawn).is_success
    assert set(verdicts(second).values()) == {""}


def test_an_empty_index_says_so(tmp_path):
    (tmp_path / "videos").mkdir()
    with Made(tmp_path).client(archive_folder=tmp_path / "videos") as client:
        assert client.get("/api/status").json()["n_sources"] == 0
        assert client.get("/api/sources").json() == {"total": 0, "sources": []}
        assert client.post("/api/match", content=b"x").status_code == 409
        assert client.get("/api/duplicates").json()["n_pairs"] == 0
        assert client.get("/api/duplicates/export?form=pairs.csv").status_code == 409
