"""Verdicts survive kills and rivals, belong to contents, and travel as JSON lines."""

import math
import os
import signal
import time

import pytest

from evaluate.archive.contents import BLOCK_BYTES, BLOCKS, content_of
from evaluate.archive.verdicts import Place, Verdict, Verdicts, _line
from evaluate.errors import VerdictError
from evaluate.fingerprint.index.archive import IndexedSource
from store.errors import WriteError
from tests.processes import start

A, B = f"1-{32 * 'a'}", f"2-{32 * 'b'}"
WRITER = """
import sys
from pathlib import Path
from evaluate.archive.verdicts import Place, Verdicts
verdicts, number = Verdicts(Path(sys.argv[1])), 0
while number < int(sys.argv[3]):
    verdicts.add("keep", [Place(f"{number}-{sys.argv[2] * 32}", "a")])
    number += 1
    print(number, flush=True)
"""


def test_two_writers_lose_nothing(tmp_path):
    writers = [start("-c", WRITER, tmp_path, name, 40) for name in "ab"]
    for writer in writers:
        assert writer.communicate(timeout=120)[1] == ""
    assert len(Verdicts(tmp_path).current()) == 80
    assert [path.name for path in tmp_path.iterdir()] == ["verdicts.sqlite"]


def test_a_killed_writer_leaves_what_it_said_was_written(tmp_path):
    for number in range(3):
        writer = start("-c", WRITER, tmp_path, number, 1_000_000)
        assert writer.stdout.readline() == "1\n"
        time.sleep(0.05 * number)
        os.killpg(writer.pid, signal.SIGKILL)
        told = [1, *map(int, writer.stdout.read().split())]  # not `communicate`, which drops what `readline` read ahead
        writer.communicate()
        mine = [each for each in Verdicts(tmp_path).log() if each.places[0].content.endswith(str(number) * 32)]
        assert len(mine) - told[-1] in (0, 1)  # the last was written, but perhaps not told any more


def test_the_latest_verdict_counts_and_one_can_be_withdrawn(tmp_path):
    verdicts, one, other = Verdicts(tmp_path), Place(A, "a.mp4"), Place(B, "b.mp4")
    assert verdicts.current() == ()
    verdicts.add("same", [one, other])
    verdicts.add("keep", [one], note="the\nmaster \udcff\u2028")
    verdicts.add("different", [other, one])
    assert [each.kind for each in verdicts.current()] == ["different", "keep"]
    verdicts.add("same", [one, other], withdraw=True)
    assert [each.kind for each in verdicts.current()] == ["keep"]
    assert verdicts.export(tmp_path / "log.jsonl") == 4
    (tmp_path / "elsewhere").mkdir()
    copy = Verdicts(tmp_path / "elsewhere")
    (tmp_path / "log.jsonl").write_text((tmp_path / "log.jsonl").read_text().replace("\\u2028", "\u2028"))
    copy.add("keep", [other])
    assert [copy.take_in(tmp_path / "log.jsonl") for _ in range(2)] == [4, 0]
    assert {(each.kind, each.places) for each in copy.current()} == {("keep", (one,)), ("keep", (other,))}


def test_a_new_verdict_counts_although_a_clock_elsewhere_was_ahead(tmp_path):
    verdicts, places = Verdicts(tmp_path), [Place(A, "a.mp4"), Place(B, "b.mp4")]
    (tmp_path / "log.jsonl").write_text(_line(Verdict("same", tuple(places), "2990-01-01T00:00:00+00:00")))
    assert verdicts.take_in(tmp_path / "log.jsonl") == 1
    for kind, withdraw in (("different", False), ("different", True), ("different", False)):
        verdicts.add(kind, places, withdraw=withdraw)
        assert [each.kind for each in verdicts.current()] == ["different"] * (not withdraw)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{}", "line 2: kind"), ('{"kind": "keep", "places": [], "made_at": ""}', "0 places"), ("no", "line 2"),
        ('{"kind": "keep", "places": [{"content": "abc", "name": ""}], "made_at": "2026-01-01"}', "no content: 'abc'"),
        (f'{{"kind": "keep", "places": [{{"content": "{A}", "name": ""}}], "made_at": "z"}}', "isoformat"),
        (f'{{"kind": "keep", "places": [{{"content": "{A}", "name": ""}}], "made_at": "9999-12-31"}}', "made at 9999"),
        (f'{{"kind": "keep", "places": [{{"content": "{A}", "name": ""}}], "made_at": "20260101T100000"}}', "made at 2026"),
    ],
)  # fmt: skip
def test_a_damaged_file_adds_nothing(line, why, tmp_path):
    verdicts = Verdicts(tmp_path)
    verdicts.add("keep", [Place(A, "a")])
    verdicts.export(tmp_path / "log.jsonl")
    verdicts.path.unlink()
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write(line)
    with pytest.raises(VerdictError, match=why):
        verdicts.take_in(tmp_path / "log.jsonl")
    assert verdicts.log() == []
    verdicts.path.write_bytes(b"no database at all" * 100)
    with pytest.raises(VerdictError, match="cannot be used"):
        verdicts.log()
    with pytest.raises(VerdictError, match="no verdict: same: 1 places"):
        verdicts.add("same", [Place(A, "a")])


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [("ignore", (5, math.inf)), ("ignore", (math.nan, 5)), ("ignore", (12, 0)), ("ignore", (-1, 5)), ("ignore", ()),
     ("keep", (0, 5))],
)  # fmt: skip
def test_seconds_that_no_source_has_are_refused(kind, seconds, tmp_path):
    with pytest.raises(VerdictError, match="a place"):
        Verdicts(tmp_path).add(kind, [Place(A, "a", *seconds)])
    assert Verdicts(tmp_path).log() == []


def source(path):
    status = path.stat()
    return IndexedSource(path.name, str(path), status.st_size, status.st_mtime_ns)


def test_contents_follow_a_file_and_change_with_it(tmp_path):
    verdicts, old, new = Verdicts(tmp_path), tmp_path / "old", tmp_path / "new"
    bytes_ = os.urandom(BLOCKS * BLOCK_BYTES + 12345)
    old.write_bytes(bytes_)
    known = source(old)
    place = verdicts.places_of({"old": known}, ["old"])["old"]
    old.rename(new)
    away = {"old": known}  # the index still has it, and its file is not there
    assert verdicts.names_of(away, [place.content]) == {place.content: ["old"]}
    assert verdicts.names_of({"new": source(new)}, [place.content]) == {place.content: ["new"]}
    new.write_bytes(bytes_[:-1] + b"!" if bytes_[-1:] != b"!" else bytes_[:-1] + b"?")
    assert content_of(new) != place.content
    assert verdicts.names_of({"new": source(new)}, [place.content]) == {}


def test_a_content_is_not_read_through_a_link_and_nothing_waits_for_a_writer(tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "link").symlink_to("secret")
    with pytest.raises(OSError, match="link"):
        content_of(tmp_path / "link", follows_links=False)
    assert content_of(tmp_path / "secret", follows_links=False) == content_of(tmp_path / "link")
    os.mkfifo(tmp_path / "fifo")
    content_of(tmp_path / "fifo")


def test_verdicts_are_read_where_nothing_can_be_written(tmp_path, monkeypatch):
    """As on a disk that is mounted for reading: SQLite would make two files beside the verdicts."""
    verdicts = Verdicts(tmp_path)
    made = verdicts.add("keep", [Place(A, "a")])
    monkeypatch.setattr(os, "access", lambda *_: False)
    before = [*tmp_path.iterdir()]
    with verdicts._connection() as connection:
        connection.execute("SELECT * FROM verdicts").fetchall()
        assert [*tmp_path.iterdir()] == before
    assert verdicts.current() == (made,)
    (tmp_path / "b").write_bytes(b"b")
    assert verdicts.names_of({"b": source(tmp_path / "b")}, [content_of(tmp_path / "b")]) != {}
    with pytest.raises(VerdictError, match="readonly"):
        verdicts.add("keep", [Place(B, "b")])


def test_a_full_disk_is_told_and_nothing_is_lost(tmp_path, monkeypatch):
    verdicts = Verdicts(tmp_path)
    made, connect = verdicts.add("keep", [Place(A, "a")]), Verdicts._connect

    def full(self):
        connection = connect(self)
        connection.execute("PRAGMA max_page_count = 1")  # SQLite takes the pages that are there, and no more
        return connection

    monkeypatch.setattr(Verdicts, "_connect", full)
    with pytest.raises(WriteError, match="free space"):
        verdicts.add("keep", [Place(B, "b" * 100_000)])
    assert verdicts.current() == (made,)
