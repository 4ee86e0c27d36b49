import json
import os
import shutil

import numpy as np
import pytest

from evaluate.__main__ import main
from evaluate.fingerprint.api import Index
from preprocess.synthetic.collage.archive import generate
from tests.evaluate.fingerprint.conftest import write_video
from tests.preprocess.made_media import run_ffmpeg
from tests.store.test_standard_streams import run_without_reader


@pytest.fixture(scope="module")
def index(videos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("index")
    Index.open(folder).add(videos)
    return folder


@pytest.mark.slow
def test_clips_are_matched_and_a_corrupt_one_fails_alone(index, videos, tmp_path, capsys):
    queries = tmp_path / "queries"
    queries.mkdir()
    shutil.copy(videos / "a.mp4", queries / "same.mp4")
    write_video(queries / "black.mp4", 50, 2.0, is_black=True, audio=False)
    (queries / "corrupt.mp4").write_bytes(b"nothing" * 500)
    out, page = tmp_path / "matches.json", tmp_path / "matches.html"
    status = main(["match", str(queries), "--index", str(index), "--out", str(out), "--page", str(page)])
    assert status == 2
    assert "corrupt.mp4" in capsys.readouterr().err
    records = json.loads(out.read_text())
    by_query = {name: [each for each in records if each["query"] == name] for name in ("same.mp4", "black.mp4")}
    best = by_query["same.mp4"][0]
    assert (best["reference"], best["decision"]) == ("a.mp4", True)
    assert best["reference_start_seconds"] == pytest.approx(0, abs=0.5)
    assert best["reference_end_seconds"] == pytest.approx(3, abs=0.6)
    assert [(each["reference"], each["decision"]) for each in by_query["black.mp4"]] == [(None, False)]
    text = page.read_text()
    assert "Undecided" in text and "Cannot be read" in text and "data:image/jpeg" in text
    assert "http" not in text


EDITS = {
    "mirrored": ("[0:v]hflip", {"mirrored": True, "turned_degrees": 0}),
    "turned": ("[0:v]transpose=clock", {"mirrored": False, "turned_degrees": 90}),
    "corner": ("[0:v]scale=iw*.45:ih*.45[c];[1:v][c]overlay=W-w-4:H-h-4", {}),
    "upright": ("[0:v]pad=iw:iw*16/9:0:(oh-ih)/2", {"mirrored": False}),
    "fast": ("[0:v]setpts=PTS/2", {"mirrored": False, "turned_degrees": 0}),
    "softer": ("[0:v]hflip,crop=iw*.8:ih*.8", {"mirrored": True}),
}
SOFTER = ["-map", "0:a", "-af", "volume=-10dB", "-c:v", "libx264", "-crf", 33, "-c:a", "aac", "-b:a", "48k"]


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Generated videos, and one that is not among them: the folder, its index, and the other one's path."""
    root = tmp_path_factory.mktemp("generated")
    generate(root / "archive", n_videos=12, seconds=10.0, seed=78, workers=2)
    *_, host = sorted((root / "archive").glob("*.mp4"))
    host = host.rename(root / host.name)
    assert main(["index", str(root / "archive"), "--index", str(root / "index")]) == 0
    return root / "archive", root / "index", host


@pytest.mark.slow
def test_edits_of_new_videos_are_found_by_the_shipped_encoder_and_told(archive, tmp_path):
    """All but one without audio."""
    videos, index, kept = archive
    queries, out = tmp_path / "queries", tmp_path / "matches.json"
    names = sorted(path.name for path in videos.glob("*.mp4"))
    queries.mkdir()
    for name, (edit, (filters, _)) in zip(names, EDITS.items(), strict=False):
        inputs = ["-ss", 1, "-t", 8, "-i", videos / name, "-t", 8, "-i", kept]
        sound = SOFTER if edit == "softer" else ["-an"]
        run_ffmpeg(*inputs, "-filter_complex", f"{filters}[v]", "-map", "[v]", *sound, "-t", 8, queries / f"{edit}.mp4")
    page = tmp_path / "matches.html"
    assert main(["match", str(queries), "--index", str(index), "--out", str(out), "--page", str(page)]) == 0
    records = json.loads(out.read_text())
    for name, (edit, (_, wanted)) in zip(names, EDITS.items(), strict=False):
        decided = [each for each in records if each["query"] == f"{edit}.mp4" and each["decision"]]
        assert decided and {each["reference"] for each in decided} == {name}, edit
        best, speed = decided[0], 2.0 if edit == "fast" else 1.0
        assert {key: best[key] for key in wanted} == wanted, edit
        assert best["matched_by"] == "video" or edit == "softer"
        assert best["speed"] == pytest.approx(speed, abs=0.1), edit
        assert best["reference_start_seconds"] == pytest.approx(1 + speed * best["query_start_seconds"], abs=0.6), edit
    left, top, right, bottom = next(each for each in records if each["query"] == "corner.mp4")["region"]
    assert (left, top) == pytest.approx((0.52, 0.51), abs=0.06)
    assert right > 0.9 and bottom > 0.9
    assert "mirrored" in page.read_text() and "of the width" in page.read_text()


@pytest.mark.slow
def test_a_closer_look_decides_what_descriptors_leave_in_doubt(archive, tmp_path, capsys):
    """Short clips, such below another video, and quiet audio: more than where the videos are gone, none wrongly."""
    videos, index, kept = archive
    queries, out = tmp_path / "queries", tmp_path / "matches.json"
    queries.mkdir()
    second, blended = {}, "[0:v][1:v]blend=all_expr=A*.5+B*.5[v]"
    for number, path in enumerate(sorted(videos.glob("*.mp4"))[:6]):
        for kind, start, length, coding in (
            ("short", 2 + number, 2, ["-an"]),
            ("over", 2 + number / 2, 3, ["-t", 3, "-i", kept, "-filter_complex", blended, "-map", "[v]"]),
            ("quiet", 2 + number, 2, ["-vn", "-af", "volume=0.2"]),
        ):
            second[f"{kind}-{path.name}"] = start
            run_ffmpeg("-ss", start, "-t", length, "-i", path, *coding, queries / f"{kind}-{path.name}")
        run_ffmpeg("-ss", number, "-t", 2, "-i", kept, "-an", queries / f"other-{number}.mp4")

    def decided():
        assert main(["match", str(queries), "--index", str(index), "--out", str(out)]) == 0
        return {each["query"]: each for each in json.loads(out.read_text()) if each["decision"]}

    found = decided()
    assert "moved or changed" not in capsys.readouterr().out
    assert not any(query.startswith("other") for query in found)
    assert len(found) >= 10 and sum(query.startswith("quiet") for query in found) >= 4
    assert all(each["reference"] == query.split("-", 1)[1] for query, each in found.items())
    apart = [each["reference_start_seconds"] - second[q] - each["query_start_seconds"] for q, each in found.items()]
    assert np.median(np.abs(apart)) < 0.2
    changed = next(path for path in sorted(videos.glob("*.mp4")) if f"short-{path.name}" in found)
    moved = [path for path in videos.glob("*.mp4") if path != changed]
    modified_ns = changed.stat().st_mtime_ns
    try:
        changed.touch()
        for path in moved:
            path.rename(tmp_path / path.name)
        left = decided()
        assert len(left) <= len(found) - 5 and f"short-{changed.name}" not in left
        assert "moved or changed" in capsys.readouterr().out
    finally:
        os.utime(changed, ns=(modified_ns, modified_ns))
        for path in moved:
            (tmp_path / path.name).rename(path)


@pytest.mark.slow
def test_a_closer_look_decides_nothing_that_many_videos_hold(tmp_path):
    videos = tmp_path / "videos"
    videos.mkdir()
    intro = write_video(tmp_path / "intro.mp4", 90, 3.0, audio=False)
    for number in range(14):
        own = write_video(tmp_path / f"own-{number}.mp4", 100 + number, 3.0, audio=False)
        joined = ["-filter_complex", "[0:v][1:v]concat=n=2:v=1[v]", "-map", "[v]"]
        run_ffmpeg("-i", intro, "-i", own, *joined, videos / f"{number}.mp4")
    index = Index.open(tmp_path / "index")
    index.add(videos)
    answer = index.match(intro)
    assert not answer.decided and answer.n_alike > 8


@pytest.mark.slow
def test_matches_are_written_though_nobody_reads_the_table(index, videos, tmp_path):
    out, page = tmp_path / "matches.json", tmp_path / "matches.html"
    words = ("match", str(videos / "a.mp4"), "--index", str(index), "--out", str(out), "--page", str(page))
    status, errors = run_without_reader("evaluate", *words)
    assert (status, "Traceback" in errors) == (0, False)
    assert json.loads(out.read_text())[0]["reference"] == "a.mp4"
    assert page.exists()


@pytest.mark.slow
def test_answers_are_told_though_their_file_cannot_be_written(index, videos, tmp_path, capsys):
    (tmp_path / "a file").write_text("no folder")
    out, page = tmp_path / "a file/matches.json", tmp_path / "matches.html"
    words = ("match", str(videos / "a.mp4"), "--index", str(index), "--out", str(out), "--page", str(page))
    assert main([*words]) != 0
    told = capsys.readouterr()
    assert "a.mp4" in told.out.split("written")[-1]
    assert "a file/matches.json: cannot be written" in told.err
    assert page.exists()


@pytest.mark.slow
def test_another_encoder_is_refused_by_name(index, make_checkpoint, tmp_path, videos, capsys):
    other = make_checkpoint(tmp_path / "other.pt", seed=9)
    assert main(["match", str(videos / "a.mp4"), "--index", str(index), "--encoder", str(other)]) == 2
    assert "made with encoder" in capsys.readouterr().err


def test_a_missing_argument_or_index_is_named(tmp_path, capsys):
    for words, told in ((["index"], "give the folder of videos"), (["match", "nowhere.mp4"], "make one with")):
        assert main([*words, "--index", str(tmp_path)]) == 2
        assert told in capsys.readouterr().err


def test_a_file_over_the_limit_is_not_added_until_the_limit_is_longer(make_checkpoint, tmp_path, capsys):
    archive, checkpoint = tmp_path / "archive", make_checkpoint(tmp_path / "encoder.pt")
    archive.mkdir()
    write_video(archive / "long.mp4", 1, 3.0)
    write_video(archive / "short.mp4", 2, 1.0)
    words = ["index", str(archive), "--index", str(tmp_path / "index"), "--encoder", str(checkpoint), "--workers", "1"]
    limit = ["--max-hours", str(2 / 3600)]
    for added in ("1 added", "0 added"):
        assert main([*words, *limit]) == 2
        said = capsys.readouterr()
        assert added in said.out and "cannot be read: long.mp4: 3 s, the limit is 2 s" in said.out
        assert "1 file could not be read" in said.err
    assert main([*words, "--retry-failed"]) == 0
    assert "2 sources" in capsys.readouterr().out
    assert main(["match", str(archive), "--index", str(tmp_path / "index"), *limit]) == 2
    assert "long.mp4: 3 s, the limit is 2 s" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*words, "--max-hours", "0"])


def test_what_has_left_the_folder_is_taken_out_at_once(index, videos, tmp_path, capsys):
    shutil.copytree(index, tmp_path / "index")
    shutil.copytree(videos, tmp_path / "videos")
    (tmp_path / "videos/a.mp4").rename(tmp_path / "videos/new name.mp4")
    words = ["index", str(tmp_path / "videos"), "--index", str(tmp_path / "index"), "--workers", "1"]
    for more, told in ((["--remove-gone"], "1 added, 0 changed, 1 removed\nremoved: a.mp4\n"), ([], ", 0 removed\n")):
        assert main([*words, *more]) == 2  # broken.mp4 cannot be read
        said = capsys.readouterr().out
        assert told in said and "have left" not in said


@pytest.mark.parametrize("asked", [["--remove-gone"], ["--remove-gone", "--remove", "news/*"]])
def test_without_a_folder_sources_are_removed_by_name_alone(index, capsys, asked):
    assert main(["index", "--index", str(index), *asked]) == 2
    assert "give the folder of videos; only --remove PATTERN works without one" in capsys.readouterr().err


def test_names_taken_out_are_listed(index, capsys):
    assert main(["index", "--index", str(index), "--remove", "news/*"]) == 0
    assert "removed: news/c.mp4" in capsys.readouterr().out
