"""What is indexed: lists, reasons, removal; and what is never served."""

import os
import shutil
from dataclasses import replace

import pytest


def test_the_state_is_told(client):
    told = client.get("/api/status").json()
    assert (told["n_sources"], told["n_unreadable"], told["is_writer"], told["has_duplicates"]) == (8, 1, True, True)
    assert told["threshold"] == 3.0
    (error,) = client.get("/api/errors").json()
    assert (error["n_sources"], error["names"]) == (1, ["torn.mp4"])
    assert error["reason"]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("search=WEB", ["web/old.avi", "web/part.mkv", "web/small.mp4"]),
        ("search=web&descending=true&limit=2", ["web/small.mp4", "web/part.mkv"]),
        ("search=web&offset=2", ["web/small.mp4"]), ("status=unreadable", ["torn.mp4"]), ("status=gone", []),
        ("sort=seconds&limit=2", ["torn.mp4", "web/part.mkv"]), ("sort=status&descending=true&limit=1", ["torn.mp4"]),
    ],
)  # fmt: skip
def test_sources_are_searched_sorted_and_paged(client, query, names):
    assert [each["name"] for each in client.get(f"/api/sources?{query}").json()["sources"]] == names


def test_a_time_that_no_calendar_has_is_the_nearest(made):
    with made.client() as client:
        sources = client.app.state.parts.opened.now.sources
        sources["0.mp4"] = replace(sources["0.mp4"], modified_ns=10**21)
        sources["1.mp4"] = replace(sources["1.mp4"], modified_ns=-(10**21))
        told = {each["name"]: each["modified"] for each in client.get("/api/sources").json()["sources"]}
    assert (told["0.mp4"], told["1.mp4"]) == ("9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z")


def test_removed_sources_are_gone_from_index_and_matches(own):
    with own.client() as client:
        assert client.post("/api/sources/remove", json={"names": ["0.mp4", "nonsense"]}).status_code == 404
        assert client.get("/api/status").json()["n_sources"] == 8
        answer = client.post("/api/sources/remove", json={"names": ["0.mp4", "web/small.mp4"]})
        assert answer.json() == {"removed": ["0.mp4", "web/small.mp4"]}
        assert client.get("/api/status").json()["n_sources"] == 6
        assert client.post("/api/match-path", json={"path": "0.mp4"}).json()["n_matches"] == 0
        assert client.post("/api/sources/remove", json={"names": ["*"]}).status_code == 404  # names only, no patterns


def test_paths_outside_the_archive_are_not_read(own):
    """Links out of the archive are indexed, but not served."""
    outside = own.root / "outside"
    outside.mkdir()
    for place in (own.root / "secret.mp4", outside / "secret.mp4"):
        shutil.copy(own.videos / "3.mp4", place)
    (own.videos / "out.mp4").symlink_to(own.root / "secret.mp4")
    (own.videos / "folder").symlink_to(outside)
    paths = ["../secret.mp4", "/etc/passwd", "/etc/nonsense", "out.mp4", "web/../../secret.mp4", "folder/secret.mp4"]

    def statuses(client):
        return [client.post("/api/match-path", json={"path": path}).status_code for path in [*paths, ""]]

    with own.client(archive_folder=own.videos) as client:
        assert statuses(client) == [*[403] * len(paths), 422]
        for path in (*paths, ".."):
            assert client.post("/api/runs", json={"kind": "index", "folder": path}).status_code == 403
    with own.client(archive_folder=own.videos, allowed_folders=(outside,)) as client:
        assert statuses(client) == [*[403] * (len(paths) - 1), 200, 422]


@pytest.mark.parametrize("made_by", ["link", "folder", "gone", "fifo", "ailing disk"])
def test_a_source_that_became_something_else_is_not_served(own, made, made_by):
    place = own.videos / "web/small.mp4"
    place.unlink()
    if made_by == "link":
        place.symlink_to(made.videos / "3.mp4")
    elif made_by == "fifo":
        os.mkfifo(place)
    elif made_by == "folder":
        place.mkdir()
    elif made_by == "ailing disk":
        place.symlink_to("x" * 300)  # no status, but an error
    with own.client() as client:
        (source,) = client.get("/api/sources?search=small").json()["sources"]
        assert (source["status"] == "gone") == (made_by in ("gone", "ailing disk"))
        for path in ("", "/info", "/strip", "/waveform"):
            answer = client.get(f"/api/media/{source['id']}{path}")
            expected = {"link": {403}, "gone": {404}, "ailing disk": {404}}.get(
                made_by, {404, 422} if not path else {200, 204, 404, 422}
            )
            assert answer.status_code in expected
            assert b"ftyp" not in answer.content
