"""Which file to keep, and what is written: a script for any name, edit lists, tables."""

import csv
import itertools
import json
import os
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import opentimelineio as otio
import pytest
from opentimelineio.opentime import RationalTime, TimeRange

from evaluate.archive.keep import Decision, MediaFacts, media_facts, propose_kept
from evaluate.archive.keep_files import write_decisions
from evaluate.archive.pairs import Duplicates, Pair
from evaluate.archive.segments import Segment, common_segments
from evaluate.archive.span_files import write_duplicates, write_matches
from evaluate.archive.timelines import Event
from evaluate.errors import EvaluateError
from evaluate.fingerprint.index.archive import IndexedSource
from evaluate.fingerprint.match.matches import Answer, Match
from tests.evaluate.archive.conftest import write_pieces
from tests.preprocess.made_media import run_ffmpeg

COPY = "web\n/copy.mp4"
ODD = ["-rf x.mp4", "two\nlines '$(touch bad)'.mp4", "web/ö .mp4"]


def match(one, other, span, where=None, score=20.0, **others):
    values = {"decision": True, "video_score": 9.0, "audio_score": 9.0, **others}
    return Match(one, other, *span, *(where or span), score, **values)


def indexed(path, name):
    status = path.stat() if path.exists() else os.stat_result([1] * 10)
    return IndexedSource(name, str(path), status.st_size, status.st_mtime_ns, 9, 8.0)


def duplicates(root, pairs, *, kept=(), has=("video", "audio"), segments=()):
    names = sorted({name for pair in pairs for name in (pair.one, pair.other)})
    shared = [place[0] for segment in segments for place in segment.places]
    sources = {name: indexed(root / name, name) for name in [*names, *shared]}
    return Duplicates(
        tuple(pairs), tuple(segments), (), (), (tuple(names),), sources, dict.fromkeys(names, frozenset(has)),
        frozenset(kept), len(names), 3.0,
    )  # fmt: skip


def pair(one, other, shares=(1.0, 1.0), video="agrees", audio="agrees", verdict=""):
    one, other, shares = (one, other, shares) if one < other else (other, one, shares[::-1])
    return Pair(one, other, (match(one, other, (0, 7.5)),), *shares, video, audio, verdict)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A master, and copies of it whose names a shell might misread."""
    root = tmp_path_factory.mktemp("files")
    (root / "web").mkdir()
    write_pieces(root / "master.mp4", (1, 8.0))
    coding = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", "2"]
    for name, width in zip(ODD, (96, 64, 48), strict=True):
        run_ffmpeg("-i", root / "master.mp4", "-vf", f"scale={width}:-2", *coding, f"file:{root / name}")
    return root


def test_facts_of_a_file(files):
    facts = media_facts(IndexedSource("a", str(files / ODD[0]), 1, 1))
    assert (facts.width_px, facts.height_px, facts.fps, facts.audio_channels) == (96, 64, 16.0, 2)
    assert (facts.video_codec, facts.audio_codec) == ("h264", "aac")
    assert "mp4" in facts.container
    assert facts.size_bytes == (files / ODD[0]).stat().st_size
    assert facts.bit_rate_bps == pytest.approx(8 * facts.size_bytes / 8.0, rel=0.02)
    assert media_facts(IndexedSource("a", str(files / "none.mp4"), 1, 1)) is None


def test_the_best_is_kept_and_what_it_does_not_hold(files):
    pairs = [pair("master.mp4", ODD[0]), pair("master.mp4", ODD[1], (1.0, 0.5))]
    pairs.append(pair("master.mp4", ODD[2], audio="unclear"))
    told = {each.name: each for each in propose_kept(duplicates(files, pairs))}
    assert re.fullmatch(r"best of 4: 8\.0 s, 144x96, \d{2,4} kbit/s", told["master.mp4"].reason)
    assert (told[ODD[0]].copy_of, told[ODD[0]].keeps) == ("master.mp4", False)
    assert told[ODD[1]].keeps
    assert told[ODD[1]].reason == "50 % of it is in master.mp4"
    assert told[ODD[2]].keeps
    assert told[ODD[2]].reason == "100 % of it is in master.mp4, whose audio may differ"
    assert not {each.name: each for each in propose_kept(duplicates(files, pairs, has=["video"]))}[ODD[2]].keeps
    smallest = propose_kept(duplicates(files, pairs[:1], kept=[ODD[0]]))
    assert [(each.name, each.reason) for each in smallest if each.keeps] == [(ODD[0], "kept by verdict")]
    assert next(each.name for each in propose_kept(duplicates(files, pairs[:1]), ["channels"])) == ODD[0]
    said = propose_kept(duplicates(files, [pair("master.mp4", ODD[1], (0.1, 0.1), "unclear", verdict="same")]))
    assert [each.keeps for each in said] == [True, False]
    gone = propose_kept(duplicates(files, [pair("former name.mp4", "master.mp4")], kept=["former name.mp4"]))
    assert [(each.name, each.keeps, each.reason[:14]) for each in gone] == [
        ("former name.mp4", True, "cannot be read"), ("master.mp4", True, "best of 2: 8.0"),
    ]  # fmt: skip
    with pytest.raises(EvaluateError, match="no order by beauty"):
        propose_kept(duplicates(files, pairs), ["beauty"])


def test_a_file_that_was_replaced_since_it_was_indexed_is_kept(files, tmp_path):
    """It may be another video by now; nor does another one go because of it."""
    root = tmp_path / "archive"
    subprocess.run(["cp", "-r", files, root], check=True)
    found = duplicates(root, [pair("master.mp4", ODD[0]), pair("master.mp4", ODD[2]), pair(ODD[0], ODD[2])])
    write_pieces(root / "master.mp4", (2, 8.0))
    told = {each.name: (each.copy_of, each.reason) for each in propose_kept(found)}
    assert told["master.mp4"] == ("", "cannot be read, or was changed since it was indexed")
    assert (told[ODD[0]][0], told[ODD[2]][0]) == ("", ODD[0])
    assert told[ODD[0]][1].startswith("best of 3: 8.0 s, 96x64")


@pytest.mark.parametrize("links", [False, True])
def test_links_are_followed_and_no_file_goes_for_its_own_name(links, tmp_path):
    """Of the kept names one is a link to the copy itself, one a relative link to a file of another folder."""
    root, pool, script = tmp_path / "archive", tmp_path / "pool", tmp_path / "keep.sh"
    (root / COPY).parent.mkdir(parents=True)
    pool.mkdir()
    (pool / "real.mp4").write_bytes(b"a video")
    (root / COPY).write_bytes(b"its copy")
    (root / "kept.mp4").symlink_to("../pool/real.mp4")
    (root / "own.mp4").write_bytes(b"alone")
    (root / "alias.mp4").symlink_to("own.mp4")
    decisions = [
        Decision(1, name, str(root / name), not copy_of, copy_of, "", None)
        for name, copy_of in (("kept.mp4", ""), (COPY, "kept.mp4"), ("alias.mp4", ""), ("own.mp4", "alias.mp4"))
    ]  # fmt: skip
    write_decisions(script, decisions, tmp_path / "away", links=links)
    said = subprocess.run(["sh", script, "--run"], check=True, capture_output=True, text=True).stdout
    assert said == f"left: {root / 'own.mp4'}\n"
    assert (root / "own.mp4").read_bytes() == b"alone"
    assert (tmp_path / "away" / COPY).read_bytes() == b"its copy"
    assert (root / COPY).exists() == links
    if links:
        assert (root / COPY).samefile(pool / "real.mp4")
        assert not (root / COPY).is_symlink()


@pytest.mark.parametrize("links", [False, True])
def test_the_script_shows_then_moves_and_survives_any_name(links, files, tmp_path):
    root, away, script = tmp_path / "archive", tmp_path / "it's away", tmp_path / "keep.sh"
    subprocess.run(["cp", "-r", files, root], check=True)
    decisions = propose_kept(duplicates(root, [pair("master.mp4", name) for name in ODD]))
    write_decisions(script, decisions, away, links=links)
    before = {path: path.read_bytes() for path in root.rglob("*.mp4")}
    said = subprocess.run(["sh", script], check=True, capture_output=True, text=True).stdout
    assert said.count("would mv -n --") == (6 if links else 3)
    assert {path: path.read_bytes() for path in root.rglob("*.mp4")} == before
    assert not away.exists()
    (root / ODD[2]).unlink()  # gone since: it is left alone
    for _ in range(2):  # again: nothing more happens
        subprocess.run(["sh", script, "--run"], check=True, cwd=tmp_path)
        for name in ODD[:2]:
            assert (away / name).read_bytes() == before[root / name]
            assert (root / name).exists() == links
    assert not list(tmp_path.rglob("bad"))
    if links:
        assert (root / ODD[0]).samefile(root / "master.mp4")
        copy = root / ODD[2]
        for path in (copy, Path(f"{copy}.link")):  # no link can be made, as to another disk
            path.write_bytes(b"copy")
        said = subprocess.run(["sh", script, "--run"], check=True, capture_output=True, text=True).stdout
        assert said.endswith(f"left: {copy}\n")
        assert copy.read_bytes() == b"copy"


def test_decisions_as_tables(files, tmp_path):
    decisions = propose_kept(duplicates(files, [pair("master.mp4", name) for name in ODD]))
    write_decisions(tmp_path / "keep.csv", decisions, tmp_path)
    with (tmp_path / "keep.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["name"] for row in rows} == {"master.mp4", "'-rf x.mp4", *ODD[1:]}  # a spreadsheet would calculate -rf
    assert {"reason", "container", "width_px", "bit_rate_bps", "fps", *MediaFacts.__annotations__} <= set(rows[0])
    with pytest.raises(EvaluateError, match=r"\.csv, \.json or \.sh"):
        write_decisions(tmp_path / "keep.txt", decisions, tmp_path)


def test_edit_lists(tmp_path):
    matches = [
        match("q", "a\nb.mp4", (0, 4), (10.5, 14.5)), match("q", "c.mp4", (4, 14), (0, 11), audio_score=None),
        match("q", "weaker.mp4", (1, 3), score=5.0),
    ]  # fmt: skip
    answers = [Answer("q", 14.0, tuple(matches)), Answer("r", 3.0, (match("r", "d", (1, 3)),))]
    sources = {each.reference: IndexedSource(each.reference, "/gone", 1, 1) for one in answers for each in one.matches}
    write_matches(tmp_path / "m.edl", answers, 25, {}, sources)
    assert (tmp_path / "m.edl").read_text().splitlines() == [
        "TITLE: m", "FCM: NON-DROP FRAME", "",
        "001  AX       B     C        00:00:10:12 00:00:14:12 00:00:00:00 00:00:04:00",
        "* FROM CLIP NAME: a\\x0ab.mp4", "* QUERY: q", "* SCORE: 20.0",
        "002  AX       V     C        00:00:00:00 00:00:11:00 00:00:04:00 00:00:14:00",
        "M2   AX       027.5                00:00:00:00",
        "* FROM CLIP NAME: c.mp4", "* QUERY: q", "* SCORE: 20.0",
        "003  AX       B     C        00:00:01:00 00:00:03:00 00:00:15:00 00:00:17:00",
        "* FROM CLIP NAME: d", "* QUERY: r", "* SCORE: 20.0",
    ]  # fmt: skip
    with pytest.raises(EvaluateError, match="999"):
        write_matches(tmp_path / "m.edl", [Answer("q", 3.0, (matches[0],))] * 1000, 25, {}, sources)


def test_a_picture_on_a_timeline_has_no_speed():
    assert Event("film", Path("film.mp4"), 3.0, 5.0, 0.0, 0.0).speed == 1


def seconds(each):
    return round(each.start_time.to_seconds(), 2), round(each.duration.to_seconds(), 2)


def test_timelines_of_matches(files, tmp_path):
    """The query has 16 frames/s. Of its sources one has 30000/1001, one plays faster, one is gone."""
    run_ffmpeg("-i", files / "master.mp4", "-r", "30000/1001", "-t", 6, files / "ntsc.mp4")
    sources = {name: IndexedSource(name, str(files / name), 1, 1) for name in ("ntsc.mp4", ODD[1], "gone.mp4")}
    matches = [
        match(ODD[0], "ntsc.mp4", (1, 4), (2, 5)), match(ODD[0], ODD[1], (5, 7), (0, 3), audio_score=None),
        match(ODD[0], "gone.mp4", (0.5, 3), score=5.0), match(ODD[0], "gone.mp4", (4, 5), score=5.0, decision=False),
    ]  # fmt: skip
    answers = [Answer(ODD[0], 8.0, tuple(matches)), Answer("nothing", 3.0, ())]
    write_matches(tmp_path / "m.otio", answers, 25, {ODD[0]: files / ODD[0]}, sources)
    timeline = otio.adapters.read_from_file(tmp_path / "m.otio")
    assert [(each.name, each.kind) for each in timeline.tracks] == [
        (name, kind) for name in (ODD[0], "sources 2", "sources 1") for kind in ("Video", "Audio")
    ]  # fmt: skip
    own, _, weaker, _, best, best_audio = timeline.tracks
    assert (timeline.name, timeline.global_start_time.rate, seconds(own[0].source_range)) == (ODD[0], 16, (0, 8))
    before, ntsc, between, faster = best
    assert [seconds(best.range_of_child(each)) for each in best] == [(0, 1), (1, 3), (4, 1), (5, 2)]
    assert isinstance(before, otio.schema.Gap)
    assert isinstance(between, otio.schema.Gap)
    assert ntsc.source_range == TimeRange(RationalTime(60, 30000 / 1001), RationalTime(90, 30000 / 1001))
    assert seconds(ntsc.media_reference.available_range) == (0, 6.01)
    assert Path(url2pathname(urlsplit(faster.media_reference.target_url).path)) == files / ODD[1]
    assert (seconds(faster.source_range), faster.effects[0].time_scalar) == ((0, 2), 1.5)
    assert [each.name for each in best_audio] == ["", "ntsc.mp4"]
    assert (weaker[1].name, weaker[1].source_range.duration.rate) == ("gone.mp4", 25)
    told = dict(ntsc.metadata["avtempo"])
    assert (told["score"], told["mirrored"], told["speed"], list(told["region"])) == (20, False, 1, [0, 0, 1, 1])


def test_timelines_of_duplicates(files, tmp_path):
    segment = Segment(((ODD[0], 1.0, 3.0), ("master.mp4", 4.0, 5.5)))
    write_duplicates(tmp_path / "d.otio", duplicates(files, [pair("master.mp4", ODD[0])], segments=[segment]), 25)
    of_pair, of_segment = otio.adapters.read_from_file(tmp_path / "d.otio")
    assert (of_pair.name, of_pair.metadata["avtempo"]["one_share"]) == (f"{ODD[0]} | master.mp4", 1)
    assert [each[0].name for each in of_pair.tracks] == [ODD[0]] * 2 + ["master.mp4"] * 2
    assert seconds(of_pair.tracks[2][0].source_range) == (0, 7.5)
    places = of_segment.tracks[0]
    assert [(each.name, seconds(places.range_of_child(each)), seconds(each.source_range)) for each in places] == [
        (ODD[0], (0, 2), (1, 2)), ("master.mp4", (2, 1.5), (4, 1.5))
    ]  # fmt: skip


def test_timelines_of_files_whose_names_are_not_utf_8(tmp_path):
    path = tmp_path / os.fsdecode(b"\xff.mp4")
    found = duplicates(tmp_path, [pair("a.mp4", "b.mp4"), pair("a.mp4", "c.mp4")])
    found.sources["a.mp4"] = IndexedSource("a.mp4", str(path), 1, 1, 9, 8.0)
    write_duplicates(path.with_suffix(".otio"), found, 25)
    timelines = otio.adapters.read_from_string(path.with_suffix(".otio").read_text(), "otio_json")
    assert timelines[0].tracks[0].name == r"\xff.mp4"


def test_duplicates_as_tables_and_edit_lists(tmp_path):
    segment = Segment(tuple((f"{number}.mp4", 0.0, 5.0) for number in range(9)))
    found = duplicates(Path("/archive"), [pair("a.mp4", "b.mp4"), pair("a.mp4", "c.mp4")], segments=[segment])
    write_duplicates(tmp_path / "d.csv", found, 25)
    with (tmp_path / "d.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["kind"], row["query"], row["reference"]) for row in rows[:3]] == [
        ("pair", "a.mp4", "b.mp4"), ("pair", "a.mp4", "c.mp4"), ("segment", "0.mp4", ""),
    ]  # fmt: skip
    assert (rows[0]["reference_end_seconds"], rows[0]["video"], len(rows)) == ("7.5", "agrees", 11)
    assert not json.loads(rows[0]["view"])["is_mirrored"]
    write_duplicates(tmp_path / "d.edl", found, 25)
    text = (tmp_path / "d.edl").read_text()
    assert text.count("FROM CLIP NAME") == 13
    assert text.splitlines()[6].endswith("00:00:07:12 00:00:07:13 00:00:15:00")


def test_a_segment_of_nine_sources_is_common_and_a_copy_beside_it_is_not():
    seconds = {f"{number}": 30.0 for number in range(9)}
    places = [(10, 15), *((5 + a, 10 + a) for a in range(1, 9))]
    intro = [match(f"{a}", f"{b}", places[a], places[b]) for a, b in itertools.combinations(range(9), 2)]
    (found,) = common_segments([*intro, match("0", "1", (16, 30))], seconds, 0.5)
    assert found.places[:3] == (("0", 10.0, 15.0), ("1", 6.0, 11.0), ("2", 7.0, 12.0))
    assert (found.n_sources, found.seconds) == (9, 5.0)
    assert common_segments([each for each in intro if each.reference != "8"], seconds, 0.5) == ()
