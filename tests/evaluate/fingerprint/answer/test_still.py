"""Stills of real videos as queries: named with their second, undecided; and pictures that are none."""

import json
import shutil
import struct

import pytest
from PIL import Image, ImageOps

from evaluate.__main__ import main
from evaluate.fingerprint.api import Index, query_files
from evaluate.fingerprint.describe.image import read_image, read_image_apart
from evaluate.fingerprint.index.archive import Archive
from preprocess.errors import CatalogueError, MediaError
from preprocess.executors.processes import ProcessExecutor
from preprocess.media.media_info import Limits
from tests.evaluate.archive.conftest import write_pieces
from tests.preprocess.made_media import run_ffmpeg
from tests.processes import die

SECOND = 3.2
"""Of the still; the video shows the same from 3.0 to 3.5 s."""


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Six videos, the still of one, and an index with single frames."""
    root = tmp_path_factory.mktemp("stills")
    (root / "videos").mkdir()
    for number in range(6):
        write_pieces(root / "videos" / f"{number}.mp4", (number, 8.0))
    run_ffmpeg("-ss", SECOND, "-i", root / "videos/2.mp4", "-frames:v", 1, root / "still.png")
    index = Index.open(root / "index")
    index.add(root / "videos", stills=True)
    return root, index


def in_a_corner(picture):
    larger = Image.new("RGB", (2 * picture.width, 2 * picture.height), "black")
    larger.paste(picture, (picture.width, 0))
    return larger


EDITS = {
    "scaled.jpg": lambda picture: picture.resize((picture.width // 2, picture.height // 2)),
    "mirrored.webp": ImageOps.mirror,
    "corner.png": in_a_corner,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", EDITS)
def test_the_video_and_the_second_of_a_still(archive, name, tmp_path, capsys):
    root, index = archive
    EDITS[name](Image.open(root / "still.png")).save(tmp_path / name)
    command = ["match", str(tmp_path / name), "--index", str(index.folder)]
    assert main([*command, "--top", "4", "--out", str(tmp_path / "m.json"), "--page", str(tmp_path / "m.html")]) == 0
    undecided, best, *others = json.loads((tmp_path / "m.json").read_text())
    assert (undecided["reference"], undecided["reason"][:9]) == (None, "undecided")
    assert (best["reference"], best["decision"], best["mirrored"]) == ("2.mp4", False, "mirrored" in name)
    assert best["reference_start_seconds"] <= SECOND <= best["reference_end_seconds"] <= SECOND + 0.6
    assert (best["region"] == [0, 0, 1, 1]) == ("corner" not in name)
    assert [len(others), max(each["score"] for each in others) < best["score"]] == [3, True]
    assert "2.mp4" in capsys.readouterr().out


@pytest.mark.slow
def test_stills_follow_the_index_unasked(archive, tmp_path):
    root, index = archive
    write_pieces(root / "videos/new.mp4", (77, 6.0))
    run_ffmpeg("-ss", 4.1, "-i", root / "videos/new.mp4", "-frames:v", 1, tmp_path / "new.png")
    index.add(root / "videos")
    assert index.match(tmp_path / "new.png").matches[0].reference == "new.mp4"


@pytest.mark.slow
def test_removing_a_source_describes_no_stills_of_others(archive, tmp_path):
    """One video has none yet, as after a kill; the next call with the folder makes them."""
    shutil.copytree(archive[0], tmp_path / "own")
    videos, index = tmp_path / "own/videos", Index.open(tmp_path / "own/index")
    frames = Archive.open(index.folder / "still")
    (part,) = (each for each in frames.parts() if "1.mp4" in [source.name for source in each.sources])
    frames.write_list(part.number, [source for source in part.sources if source.name != "1.mp4"])
    before = frames.sources().keys()
    growth = index.add(None, remove=["0.mp4"])
    assert growth.removed == ("0.mp4",)
    assert frames.sources().keys() == before - {"0.mp4"}
    still = archive[0] / "still.png"
    assert index.match(still).matches[0].reference == "2.mp4"
    index.add(videos)
    assert frames.sources().keys() == before | {"0.mp4", "1.mp4"}


@pytest.mark.slow
def test_without_single_frames_a_picture_says_what_to_do(archive, tmp_path, capsys):
    root, _ = archive
    index = Index.open(tmp_path / "index")
    index.add(root / "videos")
    assert main(["match", str(root / "still.png"), "--index", str(index.folder)]) == 2
    assert "--stills" in capsys.readouterr().err


def test_pictures_of_a_folder_count_where_there_is_no_video(tmp_path):
    for name in ("b.JPG", "a/c.webp", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert [file.name for file in query_files(tmp_path)[0]] == ["a/c.webp", "b.JPG"]
    (tmp_path / "clip.mp4").write_bytes(b"x")
    assert [file.name for file in query_files(tmp_path)[0]] == ["clip.mp4"]
    (tmp_path / "nothing").mkdir()
    with pytest.raises(CatalogueError, match="no video or audio files"):
        query_files(tmp_path / "nothing")


def test_pictures_are_read_upright_and_reduced(tmp_path):
    picture = Image.new("RGB", (300, 100), "red")
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn clockwise to show
    picture.save(tmp_path / "photo.jpg", exif=exif)
    assert read_image(tmp_path / "photo.jpg", 80).shape == (240, 80, 3)
    picture.convert("P").save(tmp_path / "palette.png")
    assert read_image(tmp_path / "palette.png", 80)[0, 0].tolist() == [255, 0, 0]


BOMB = b"BM" + struct.pack("<IIIIiiHHIIIIII", 54, 0, 54, 40, 40_000, 40_000, 1, 24, 0, 0, 0, 0, 0, 0)
"""The first bytes of a bitmap of 40,000 by 40,000 pixels."""


def test_a_crash_of_the_decoder_costs_one_picture(tmp_path):
    class Crashing(ProcessExecutor):
        def start(self, work, task):
            return super().start(die, task)  # killed from here, it might have read the picture before

    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    assert read_image_apart(tmp_path / "a.png", 32, Limits(), ProcessExecutor(1)).shape == (32, 32, 3)
    with pytest.raises(MediaError, match="ended: signal SIGKILL"):
        read_image_apart(tmp_path / "a.png", 32, Limits(), Crashing(1))


def test_what_is_no_picture_is_refused(tmp_path):
    Image.effect_noise((64, 64), 50).save(tmp_path / "whole.jpg")
    whole = (tmp_path / "whole.jpg").read_bytes()
    Image.new("RGB", (64, 64)).save(tmp_path / "gif.jpg", "GIF")
    bad = {
        "empty.png": b"", "cut.jpg": whole[:300], "list.jpg": b"#EXTM3U\n", "text.webp": b"hello", "bomb.bmp": BOMB,
        "gif.jpg": (tmp_path / "gif.jpg").read_bytes(),
    }  # fmt: skip
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(MediaError):
            read_image(tmp_path / name, 128)
    with pytest.raises(MediaError, match="64x64 px, the limit is 100"):
        read_image(tmp_path / "whole.jpg", 128, Limits(max_pixels=100))
