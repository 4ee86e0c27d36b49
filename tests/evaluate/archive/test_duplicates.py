"""Copies planted in a folder of real videos: found, compared with a slow search, incremental, by scope and by verdict."""

import json
import shutil

import pytest

from evaluate.__main__ import main
from evaluate.archive.duplicates import DECODING, find_duplicates, last_duplicates
from evaluate.archive.keep import propose_kept
from evaluate.archive.scope import Scope
from evaluate.archive.verdicts import Verdicts
from evaluate.errors import EvaluateError
from evaluate.fingerprint.api import Index
from tests.evaluate.archive.conftest import INTRO, PLANTED, write_pieces
from tests.preprocess.made_media import run_ffmpeg

pytestmark = pytest.mark.slow


def names(pairs):
    return {(pair.one, pair.other) for pair in pairs}


@pytest.fixture
def own(indexed, tmp_path):
    """A copy of the folder and of its index that a test may change."""
    shutil.copytree(indexed[0], tmp_path / "videos")
    shutil.copytree(indexed[1].folder, tmp_path / "index", ignore=shutil.ignore_patterns("duplicates.json"))
    return tmp_path / "videos", Index.open(tmp_path / "index")


def test_planted_copies_and_nothing_else(indexed):
    found = find_duplicates(indexed[1])
    assert names(found.pairs) == PLANTED
    by_other = {pair.other: pair for pair in found.pairs}
    part = by_other["web/part.mp4"]
    assert (part.spans[0].query_start_seconds, part.spans[0].query_end_seconds) == pytest.approx((2, 7), abs=0.6)
    assert (part.one_share, part.other_share) == pytest.approx((5 / 8, 1.0), abs=0.05)
    assert (part.video, part.audio) == ("agrees", "agrees")
    assert (by_other["web/mute.mp4"].video, by_other["web/mute.mp4"].audio) == ("agrees", "missing")
    assert by_other["news/joined.mp4"].other_share == pytest.approx(8 / 14, abs=0.05)
    (intro,) = found.segments
    assert [name for name, _, _ in intro.places] == [f"news/{number:02d}.mp4" for number in range(10)]
    for _, start, end in intro.places:
        assert (start, end) == pytest.approx((0, INTRO[1]), abs=0.6)


def test_a_slow_search_finds_the_same_pairs(indexed):
    """Every file is a query of `match`, which names some pairs of those that share the intro."""
    videos, index = indexed
    decided = [
        (name, match.reference) for name in index.archive.sources() for match in index.match(videos / name).decided
    ]
    found = find_duplicates(index)
    holders = {name for name, _, _ in found.segments[0].places}
    matched = {tuple(sorted(pair)) for pair in decided if len({*pair}) == 2 and not holders.issuperset(pair)}
    assert matched == names(found.pairs)


def test_a_new_file_is_compared_alone_and_the_answer_is_that_of_a_full_run(own):
    videos, index = own
    first = find_duplicates(index)
    assert first.n_compared == 24
    write_pieces(videos / "web/new.mp4", (16, 8.0))
    (videos / "news/12.mp4").rename(videos / "news/moved.mp4")
    index.add(videos, remove=["news/12.mp4"])
    later = find_duplicates(index, since_last=True)
    assert later.n_compared == 2
    expected = {pair for pair in PLANTED if pair[0] != "news/12.mp4"}
    expected |= {("news/16.mp4", "web/new.mp4"), ("news/moved.mp4", "web/small.mp4")}
    whole = find_duplicates(index)
    assert names(later.pairs) == names(whole.pairs) == expected
    assert [name for name, _, _ in later.segments[0].places] == [name for name, _, _ in whole.segments[0].places]
    assert (len(later.segments), later.segments[0].seconds) == (1, pytest.approx(whole.segments[0].seconds, abs=0.5))
    with pytest.raises(EvaluateError, match="another scope"):
        find_duplicates(index, scope=Scope(is_across_folders=True), since_last=True)


def test_mirrored_copies(own):
    """One without audio, one whose audio alone is found anyway. The plain pairs stay plain; nothing is decoded twice."""
    videos, index = own
    for name, audio in (("16", ["-an"]), ("17", [])):
        edits = ("-vf", "hflip", *audio, "-c:v", "libx264")
        run_ffmpeg("-i", videos / f"news/{name}.mp4", *edits, videos / f"web/{name}.mp4")
    index.add(videos)
    mirrored = {("news/16.mp4", "web/16.mp4"), ("news/17.mp4", "web/17.mp4")}
    assert names(find_duplicates(index).pairs) == PLANTED | {("news/17.mp4", "web/17.mp4")}
    scope = Scope(is_mirrored=True)
    seen = []
    found = find_duplicates(index, scope=scope, progress=lambda *state: seen.append(state))
    assert names(found.pairs) == PLANTED | mirrored
    n_bytes = sum(each.size_bytes for each in index.archive.sources().values())
    assert {(total, note) for _, total, note in seen} == {(n_bytes, DECODING), (2 * 26, "")}
    told = {(pair.one, pair.other): (pair.video, pair.audio) for pair in found.pairs if pair.is_mirrored}
    assert set(told) == mirrored
    assert set(told.values()) == {("agrees", "missing"), ("agrees", "agrees")}
    assert {each.copy_of for each in propose_kept(found) if each.name[-6:] in ("16.mp4", "17.mp4")} == {""}
    (videos / "web/16.mp4").rename(videos / "web/18.mp4")
    index.add(videos, remove=["web/16.mp4"])
    kept = index.folder / "mirrored/parts/part-000001.h5"
    before = kept.stat().st_mtime_ns
    later = find_duplicates(index, scope=scope, since_last=True)
    assert (later.n_compared, kept.stat().st_mtime_ns) == (1, before)
    assert names(later.pairs) == PLANTED | {("news/16.mp4", "web/18.mp4"), ("news/17.mp4", "web/17.mp4")}
    assert names(last_duplicates(index).pairs) == names(later.pairs)


@pytest.mark.parametrize(
    ("scope", "left"),
    [
        (Scope(references=("news",), candidates=("web",)), {"web/small.mp4", "web/part.mp4", "web/mute.mp4"}),
        (Scope(references=("news/1[23].mp4",)), {"web/small.mp4", "web/part.mp4"}),
        (Scope(is_across_folders=True), {"web/small.mp4", "web/part.mp4", "web/mute.mp4"}),
        (Scope(shortest_seconds=5), {"web/small.mp4", "web/mute.mp4", "news/joined.mp4"}),
        (Scope(longest_seconds=9), {"web/small.mp4", "web/part.mp4", "web/mute.mp4"}),
        (Scope(shortest_shared_seconds=6), {"web/small.mp4", "web/mute.mp4", "news/joined.mp4"}),
        (Scope(agree="both"), {"web/small.mp4", "web/part.mp4", "news/joined.mp4"}),
        (Scope(agree="video"), {other for _, other in PLANTED}),
    ],
)
def test_scopes(scope, left, indexed):
    assert {pair.other for pair in find_duplicates(indexed[1], scope=scope).pairs} == left


def test_verdicts_outlive_renames_and_indexing_anew(own, tmp_path, capsys):
    videos, index = own
    words = ["verdicts", "add", "--index", str(index.folder)]
    assert main([*words, "different", "web/part.mp4", "news/13.mp4"]) == 0
    assert main([*words, "same", "news/18.mp4", "news/19.mp4"]) == 0
    for name, seconds in (("news/00.mp4", "5"), ("news/12.mp4", "8")):
        assert main([*words, "ignore", name, "--seconds", "0", seconds]) == 0
    (videos / "web/part.mp4").rename(videos / "part of 13.mp4")
    (videos / "news/00.mp4").rename(videos / "first.mp4")
    shutil.rmtree(index.folder / "parts")
    shutil.rmtree(index.folder / "library")
    index.add(videos)
    found = find_duplicates(index)
    left = PLANTED - {("news/13.mp4", "web/part.mp4"), ("news/12.mp4", "web/small.mp4")}
    assert names(found.pairs) == left | {("news/18.mp4", "news/19.mp4")}
    aside = {pair.other: pair.verdict for pair in found.set_aside}
    assert aside == {"part of 13.mp4": "different", "web/small.mp4": "ignored"}
    assert (len(found.segments), len(found.ignored)) == (0, 1)
    assert main(["verdicts", "export", str(tmp_path / "told.jsonl"), "--index", str(index.folder)]) == 0
    Verdicts(index.folder).path.unlink()
    assert names(find_duplicates(index, since_last=True).pairs) >= {("news/13.mp4", "part of 13.mp4")}
    for new in ("4 new", "0 new"):
        assert main(["verdicts", "import", str(tmp_path / "told.jsonl"), "--index", str(index.folder)]) == 0
        assert new in capsys.readouterr().out
    assert names(find_duplicates(index, since_last=True).pairs) == names(found.pairs)
    assert main([*words, "keep", "nothing.mp4"]) == 2
    assert "no source 'nothing.mp4'" in capsys.readouterr().err


def test_the_command_writes_all_files(indexed, tmp_path, capsys):
    out, page, keep = (tmp_path / name for name in ("found.json", "found.html", "keep.sh"))
    words = ["duplicates", "--index", str(indexed[1].folder)]
    assert main([*words, "--out", str(out), "--page", str(page), "--keep", str(keep)]) == 0
    assert "10 sources share 5.0 s" in capsys.readouterr().out
    told = json.loads(out.read_text())
    assert {(each["one"], each["other"]) for each in told["pairs"]} == PLANTED
    assert len(told["segments"][0]["places"]) == 10
    assert page.read_text().count("data:image/jpeg") >= 2 * 8 * 5
    moved = {line.split()[1].rpartition("/")[2] for line in keep.read_text().splitlines() if line.startswith("away /")}
    assert moved == {"small.mp4", "part.mp4", "mute.mp4", "15.mp4"}
    assert main([*words, "--out", str(tmp_path / "found.xml")]) == 2
    assert ".json, .csv, .edl, .otio" in capsys.readouterr().err
    words = ["duplicates", "--index", str(tmp_path / "none")]  # what is wrong is told before the index is read
    assert main([*words, "--keep", str(tmp_path / "keep.xml")]) == 2
    assert ".csv, .json or .sh" in capsys.readouterr().err
    assert main([*words, "--order", "beauty"]) == 2
    assert "no order by beauty" in capsys.readouterr().err


def test_the_best_k_however_weak(indexed, tmp_path):
    for top in (1, 6):
        out = tmp_path / f"{top}.json"
        words = ["match", str(indexed[0] / "web/mute.mp4"), "--index", str(indexed[1].folder), "--top", str(top)]
        assert main([*words, "--out", str(out)]) == 0
        records = [each for each in json.loads(out.read_text()) if each["reference"]]
        assert len(records) == top
        assert all(each["decision"] for each in records) == (top == 1)
        assert {each["reference"] for each in records[:2]} <= {"web/mute.mp4", "news/14.mp4"}
