"""What a scan finds in a folder, and what it names: folders that it cannot read, files of other extensions, links."""

import contextlib
import dataclasses
import os
from pathlib import Path

import pytest

from evaluate.report.gallery import find_source
from preprocess.__main__ import main
from preprocess.catalogues.open_catalogue import open_catalogue
from preprocess.catalogues.scan import scan
from preprocess.errors import CatalogueError
from preprocess.media.decode import decode
from preprocess.shards.manifest import read_dataset
from preprocess.sources import path_of
from tests.preprocess.catalogues.test_catalogues import touch, write
from tests.preprocess.made_media import SMALL, counter_frames, run_ffmpeg, tone, write_clip

TONE = ("-f", "lavfi", "-i", "sine=d=1")
PICTURES = ("-f", "lavfi", "-i", "testsrc=d=1:s=160x128:r=25")
CAMERA = (*PICTURES, *TONE, "-c:v", "mpeg2video", "-c:a", "mp2", "-f", "vob")
MADE = {
    "camera.MOD": CAMERA, "camera.m2p": CAMERA, "plain.m2v": (*PICTURES, "-f", "mpeg2video"), "still.gif": PICTURES,
    "tape.dv": (*PICTURES, "-s", "720x576", "-pix_fmt", "yuv420p"), "stream.m2t": (*PICTURES, "-f", "mpegts"),
    "real.rm": (*PICTURES, "-c:v", "rv20", "-s", "352x288"), "flash.swf": PICTURES, "flash.f4v": (*PICTURES, "-f", "mov"),
    "book.m4b": (*TONE, "-f", "ipod"), "sound.mka": (*TONE, "-f", "matroska"), "layer.mp2": TONE, "dolby.ac3": TONE,
    "dolby.eac3": TONE, "voice.amr": (*TONE, "-c:a", "libopencore_amrnb", "-ar", "8000", "-ac", "1", "-b:a", "12.2k"),
}  # fmt: skip


@pytest.mark.parametrize("name", MADE)
def test_less_common_containers_are_found_and_read(name, tmp_path):
    run_ffmpeg(*MADE[name], tmp_path / name)
    (found,) = scan(tmp_path, "video", "audio").files
    kind = "audio" if MADE[name][: len(TONE)] == TONE else "video"
    assert [file.name for file in scan(tmp_path, kind).files] == [name]
    decoded = decode(found.path, dataclasses.replace(SMALL, media=kind))
    assert abs(decoded.n_frames / SMALL.fps - 1) < 0.1


def test_files_that_may_be_media_are_counted_and_named_but_not_what_lies_beside_them(tmp_path, caplog):
    beside = ("lost+found/f.mp4.part", "a.srt", "a.nfo", "cover.JPG", "a.info.json", ".DS_Store", ".cache/b.part")
    touch(tmp_path, "a.mp4", "b.mp4.part", "c", "d.wav", *(f"e{number}.xyz" for number in range(9)), *beside)
    scan(tmp_path, "video")
    named = "b.mp4.part, c, d.wav, e0.xyz, e1.xyz, ..."
    assert caplog.messages == [f"{tmp_path}: 12 files passed over, not video by name: {named}"]
    words = r"no audio files below it .*; 1 files passed over, not audio by name: x\.mp4"
    with pytest.raises(CatalogueError, match=words):
        scan(touch(tmp_path / "other", "x.mp4"), "audio")


def test_names_that_are_not_utf8_are_escaped(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.mp4")).touch()
    (found,) = scan(tmp_path, "video").files
    assert found.name == "caf\\xe9.mp4"
    assert find_source([tmp_path], found.name) == found.path
    assert path_of(tmp_path / "elsewhere", found.name).name == found.path.name
    (tmp_path / "caf\\xe9.mp4").touch()  # a file that is called so
    assert path_of(tmp_path, found.name) == tmp_path / "caf\\xe9.mp4"


def test_links_to_folders_are_followed_once(tmp_path):
    touch(tmp_path / "elsewhere", "a.mp4")
    root = touch(tmp_path / "root", "sub/b.mp4")
    (root / "elsewhere").symlink_to(tmp_path / "elsewhere")
    (root / "sub/loop").symlink_to(root)
    (root / "dangling.mp4").symlink_to(tmp_path / "nowhere")
    (root / "circle.mp4").symlink_to("circle.mp4")
    (root / "unmounted").symlink_to(tmp_path / "nowhere")
    found = scan(root, "video")
    assert [file.name for file in found.files] == ["circle.mp4", "dangling.mp4", "elsewhere/a.mp4", "sub/b.mp4"]
    assert found.unreadable == ("unmounted/ (No such file or directory)",)
    assert found.is_below_unreadable("unmounted/a.mp4")


def test_unreadable_folder_is_named(tmp_path, nobody):
    root = touch(tmp_path / "root", "a.mp4", "closed/b.mp4")
    for folder in [root, *root.parents]:
        if folder.stat().st_mode & 0o005 != 0o005:
            folder.chmod(0o755)  # pytest's own folders keep others out
    (root / "closed").chmod(0)
    csv = write(root / "list.csv", "path", "closed/b.mp4", "gone.mp4")
    open_catalogue("folder", root, csv=csv)  # loads modules, which nobody may not be allowed to read
    with nobody():
        catalogue = open_catalogue("folder", root, csv=csv)
        with pytest.raises(CatalogueError, match=r"no video files below it .*; 1 folders cannot be read: \./ \(Perm"):
            scan(root / "closed", "video")
        with pytest.raises(CatalogueError, match="cannot be read: Permission denied"):
            scan(root / "closed" / "deeper", "video")
    (root / "closed").chmod(0o755)
    assert [source.name for source in catalogue.sources] == ["a.mp4"]
    assert catalogue.unreadable == ("closed/ (Permission denied)",)
    assert catalogue.missing == ("gone.mp4",)


def deep_folder(root: Path) -> None:
    """Make folders whose path is too long for the system, so that root cannot read them either."""
    with contextlib.chdir(root):
        for _ in range(20):
            Path("x" * 250).mkdir()
            os.chdir("x" * 250)


def test_shards_of_a_folder_that_cannot_be_read_whole_are_built_named_and_not_a_success(tmp_path, capsys, caplog):
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    write_clip(tmp_path / "a.mp4", counter_frames(13), 12.5, tone(1)).rename(data / "a.mp4")
    arguments = ["shards", "--dataset", "folder", "--data", str(data), "--out", str(out), "--workers", "1"]
    assert main(arguments) == 0
    deep_folder(data)
    assert main(arguments) == 1
    assert read_dataset(out).n_segments == 1
    assert "1 folders cannot be read: x" in caplog.text
    assert "(File name too long)" in caplog.text
    assert main([*arguments, "--set", "n_mels=64"]) == 2
    assert "cannot be read now" not in capsys.readouterr().err, "it makes no difference here"
    touch(data, "b.mp4")
    assert main(arguments) == 2
    assert "x/ (File name too long) cannot be read now" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("place", "words"), [("loop", "cannot be read: Too many levels"), ("x" * 300, "cannot be read: File name too long")]
)
def test_a_root_that_cannot_be_opened_is_named(place, words, tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(CatalogueError, match=words):
        scan(tmp_path / place, "video")


def test_a_file_with_several_links_is_taken_once_under_the_name_that_is_known(tmp_path, caplog):
    touch(tmp_path, "a.mp4", "other.mp4")
    (tmp_path / "b.mp4").hardlink_to(tmp_path / "a.mp4")
    (tmp_path / "0.mp4").symlink_to("other.mp4")
    (tmp_path / "c.mp4").symlink_to("a.mp4")
    listing = scan(tmp_path, "video")
    assert len(listing.files) == 5
    assert [file.name for file in listing.without_links(())] == ["a.mp4", "other.mp4"]
    links = "b.mp4 = a.mp4, 0.mp4 = other.mp4, c.mp4 = a.mp4"
    assert caplog.messages == [f"3 names are links of files that count already: {links}"]
    assert {file.name for file in listing.without_links({"c.mp4"})} == {"c.mp4", "other.mp4"}
