"""Media as browsers get them: ranges, copies, strips and waveforms."""

import io
import os
import shutil
import threading

import pytest
from PIL import Image

from evaluate.server.problems import CrashedError
from evaluate.server.routes import media
from evaluate.server.state import copies
from evaluate.server.state.opened_index import OpenedIndex
from evaluate.server.state.processes import Processes
from preprocess.viewing.playable import playback
from tests.processes import wait_for


def test_a_file_that_browsers_play_is_served_whole_and_in_ranges(client, ids, made):
    path, whole = f"/api/media/{ids['0.mp4']}", (made.videos / "0.mp4").read_bytes()
    answer = client.get(path)
    assert (answer.status_code, answer.content, answer.headers["accept-ranges"]) == (200, whole, "bytes")
    assert answer.headers["content-type"] == "video/mp4"
    for asked, part in (("0-99", whole[:100]), ("100-", whole[100:]), ("-50", whole[-50:]), ("0-999999999", whole)):
        answer = client.get(path, headers={"Range": f"bytes={asked}"})
        assert (answer.status_code, answer.content) == (206, part)
        assert answer.headers["content-range"].endswith(f"/{len(whole)}")
    for asked, status in ((f"bytes={len(whole)}-", 416), ("bytes=9-1", 400), ("9", 400)):
        answer = client.get(path, headers={"Range": asked})
        assert (answer.status_code, answer.headers["content-range"]) == (status, f"bytes */{len(whole)}")
        assert "no such range" in answer.json()["detail"]
    head = client.head(path)
    assert (head.status_code, head.content, int(head.headers["content-length"])) == (200, b"", len(whole))
    assert client.get("/api/media/0123456789abcdef").status_code == 404
    assert client.get(f"/api/media/{ids['torn.mp4']}").status_code == 422


@pytest.mark.parametrize(
    ("name", "plays"), [("0.mp4", "direct"), ("web/part.mkv", "remuxed"), ("web/old.avi", "transcoded")]
)
def test_other_formats_become_mp4_with_the_same_clock(client, ids, tmp_path, made, name, plays):
    told = client.get(f"/api/media/{ids[name]}/info").json()
    assert (told["plays"], told["has_video"], told["has_audio"], told["excerpt_seconds"]) == (plays, True, True, None)
    answer = client.get(f"/api/media/{ids[name]}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
    (tmp_path / "copy.mp4").write_bytes(answer.content)
    found = playback(tmp_path / "copy.mp4")
    assert found.plays == "direct"
    assert found.info.duration_seconds == pytest.approx(playback(made.videos / name).info.duration_seconds, abs=0.15)
    ranged = client.get(f"/api/media/{ids[name]}", headers={"Range": "bytes=-7"})
    assert (ranged.status_code, ranged.content) == (206, answer.content[-7:])


def test_a_copy_is_made_once_kept_within_a_limit_and_removed_at_the_end(made, ids):
    with made.client(copies_bytes=1) as client:
        folder = client.app.state.parts.copies.folder
        made_at = []
        for name in ("web/old.avi", "web/old.avi", "web/part.mkv"):
            assert client.get(f"/api/media/{ids[name]}").status_code == 200
            made_at.append([path.stat().st_ctime_ns for path in sorted(folder.glob("*.mp4"))])
        assert [len(each) for each in made_at] == [1, 1, 1]  # the newest always stays
    assert not folder.exists()


def test_too_many_copies_at_once_are_refused(made, ids, monkeypatch):
    release, running, most = threading.Event(), set(), []

    def slow(processes, work, *given):
        if work is not copies.write_playable:
            return call(processes, work, *given)
        target = given[1]
        running.add(target)
        most.append(len(running))
        release.wait(20)
        target.write_bytes(b"copy")
        running.discard(target)
        return None

    call = Processes.call
    monkeypatch.setattr(Processes, "call", slow)
    monkeypatch.setattr(copies, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(copies, "MOST_WAITING", 0)
    with made.client() as client:
        monkeypatch.setattr(copies.Playback, "is_in_parts", True)
        path = f"/api/media/{ids['web/old.avi']}"
        first = client.get(path)
        assert (first.status_code, first.headers["retry-after"]) == (503, "5")
        assert client.get(path, params={"start": 60}).status_code == 503
        refused = client.get(path, params={"start": 120})
        assert "too many" in refused.json()["detail"]
        assert client.get("/api/status").status_code == 200
        release.set()
        wait_for(lambda: client.get(path).is_success)
        assert client.get(path).content == b"copy"
        assert max(most) <= copies.AT_ONCE


SWAPPED = [
    ("0.mp4", "media/ID", (422, b"link")), ("web/old.avi", "media/ID", (422, b"link")),
    ("0.mp4", "media/ID/info", (200, b'"facts":null')), ("0.mp4", "media/ID/strip?start=0&end=8", (204, b"")),
    ("0.mp4", "media/ID/waveform?start=0&end=8", (200, b'"peaks":[]')),
    ("0.mp4", "match-path", (404, b"replaced")),
]  # fmt: skip


@pytest.mark.parametrize("above", [False, True])
@pytest.mark.parametrize(("name", "asked", "denied"), SWAPPED)
def test_a_link_that_is_put_there_after_the_check_is_not_followed(own, monkeypatch, name, asked, denied, above):
    """The file, or the folder of the archive, becomes a link to a file that may not be read."""
    shutil.copytree(own.videos, own.root / "away")
    where, attribute = (media, "_probed") if asked == "media/ID" else (OpenedIndex, "permitted")
    check = getattr(where, attribute)

    def swapped(*given):
        found = check(*given)
        path = own.videos / ("" if above else name)
        if not path.is_symlink():
            path.rename(own.root / "moved")
            path.symlink_to(own.root / "away" / ("" if above else name))
        return found

    with own.client() as client:
        (source,) = client.get("/api/sources", params={"search": name}).json()["sources"]
        monkeypatch.setattr(where, attribute, swapped)
        if asked == "match-path":
            answer = client.post("/api/match-path", json={"path": name})
        else:
            answer = client.get(f"/api/{asked.replace('ID', source['id'])}")
        assert answer.status_code == denied[0]
        assert denied[1] in answer.content


def test_strips_are_stills_side_by_side(client, ids):
    answer = client.get(f"/api/media/{ids['0.mp4']}/strip?start=0&end=8&n=4")
    image = Image.open(io.BytesIO(answer.content))
    assert (answer.headers["content-type"], image.size) == ("image/jpeg", (4 * 96, 64))
    assert "max-age" in answer.headers["cache-control"]
    assert client.get(f"/api/media/{ids['torn.mp4']}/strip?start=0&end=8").status_code == 204
    assert client.get(f"/api/media/{ids['0.mp4']}/strip?start=0&end=8&n=1000").status_code == 422


def test_waveforms_are_peaks(client, ids):
    found = client.get(f"/api/media/{ids['0.mp4']}/waveform?start=0&end=8&n=16").json()["peaks"]
    assert len(found) == 16
    assert 0 < max(found) <= 1
    none = client.get(f"/api/media/{ids['torn.mp4']}/waveform?start=0&end=8")
    assert (none.json(), none.headers["cache-control"]) == ({"peaks": []}, "no-store")


def test_a_file_that_was_mended_can_be_read(own, ids, monkeypatch):
    """It has the size and the time of change that it had before; then a process dies, once."""
    path, told, call = own.videos / "0.mp4", [], Processes.call
    whole, status = path.read_bytes(), path.stat()
    with own.client() as client:
        for content in (whole, b"torn" + whole[4:1000] + bytes(len(whole) - 1000), whole):
            path.write_bytes(content)
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
            told.append(client.get(f"/api/media/{ids['0.mp4']}/info").json()["plays"])
        path.touch()
        monkeypatch.setattr(Processes, "call", _crashes)
        told.append(client.get(f"/api/media/{ids['0.mp4']}/info").json()["plays"])
        monkeypatch.setattr(Processes, "call", call)
        told.append(client.get(f"/api/media/{ids['0.mp4']}/info").json()["plays"])
    assert told == ["direct", "none", "direct", "none", "direct"]


def _crashes(*_):
    raise CrashedError("its process died")
