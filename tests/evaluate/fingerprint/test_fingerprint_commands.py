import json
import shutil
import subprocess

import pytest

from evaluate.__main__ import main
from preprocess.media.ffmpeg import ffmpeg_executable
from preprocess.synthetic.collage.archive import generate


@pytest.fixture(scope="module")
def index(videos, tmp_path_factory, checkpoint):
    from evaluate.fingerprint.api import Index

    folder = tmp_path_factory.mktemp("index")
    Index.open(folder, encoder=checkpoint).add(videos)
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, make_checkpoint):
    return make_checkpoint(tmp_path_factory.mktemp("encoder") / "last.pt")


@pytest.mark.slow
def test_clips_are_matched_and_a_corrupt_one_fails_alone(index, videos, video, tmp_path, capsys):
    queries = tmp_path / "queries"
    queries.mkdir()
    shutil.copy(videos / "a.mp4", queries / "same.mp4")
    video(queries / "black.mp4", 50, 2.0, look="black", sound=False)
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
    assert "No match" in text and "Cannot be read" in text and "data:image/jpeg" in text
    assert "http" not in text


@pytest.mark.slow
def test_the_shipped_encoder_finds_mangled_clips_of_videos_it_has_never_seen(tmp_path):
    generate(tmp_path / "archive", n_videos=16, seconds=10.0, seed=77, workers=2)
    index = tmp_path / "index"
    assert main(["index", str(tmp_path / "archive"), "--index", str(index)]) == 0
    names = sorted(path.name for path in (tmp_path / "archive").glob("*.mp4"))
    queries = tmp_path / "queries"
    queries.mkdir()
    for number, name in enumerate(names[:4]):
        mangled = [
            "-ss",
            str(number + 1),
            "-i",
            str(tmp_path / "archive" / name),
            "-t",
            "5",
            "-vf",
            "hflip,crop=iw*.8:ih*.8",
        ]
        coded = ["-af", "volume=-10dB", "-c:v", "libx264", "-crf", "33", "-c:a", "aac", "-b:a", "48k"]
        subprocess.run([ffmpeg_executable(), "-v", "error", *mangled, *coded, str(queries / name)], check=True)
    out = tmp_path / "matches.json"
    assert main(["match", str(queries), "--index", str(index), "--out", str(out)]) == 0
    for number, name in enumerate(names[:4]):
        best = next(each for each in json.loads(out.read_text()) if each["query"] == name)
        assert (best["reference"], best["decision"]) == (name, True)
        assert best["reference_start_seconds"] == pytest.approx(number + 1, abs=0.6)


@pytest.mark.slow
def test_another_encoder_is_refused_by_name(index, make_checkpoint, tmp_path, videos, capsys):
    other = make_checkpoint(tmp_path / "other.pt", seed=9)
    assert main(["match", str(videos / "a.mp4"), "--index", str(index), "--encoder", str(other)]) == 2
    assert "made with encoder" in capsys.readouterr().err


def test_what_is_missing_is_said(tmp_path, capsys):
    assert main(["index", "--index", str(tmp_path)]) == 2
    assert "give a folder of videos" in capsys.readouterr().err
    assert main(["match", "nowhere.mp4", "--index", str(tmp_path)]) == 2
    assert "make one with" in capsys.readouterr().err
