import shutil

import pytest

from evaluate.__main__ import main
from evaluate.archive.found_copies import find_copies, found_copies_table
from evaluate.errors import FingerprintError
from evaluate.fingerprint.api import Index
from tests.evaluate.fingerprint.conftest import write_video
from tests.preprocess.made_media import run_ffmpeg


def test_copies_are_counted_by_edit_and_the_weakest_edit_stands_first(tmp_path):
    videos, copies = tmp_path / "archive", tmp_path / "copies"
    (videos / "news").mkdir(parents=True)
    for seed, name in enumerate(("a.mp4", "b.mp4", "news/c.mp4")):
        write_video(videos / name, seed, seconds=8.0)
    torn = tmp_path / "torn.mp4"
    torn.write_bytes(b"no video at all" * 100)
    for edit, name, source in (
        ("same", "a.mp4", "a.mp4"), ("same", "news/c.mkv", "news/c.mp4"), ("other", "a.mp4", "b.mp4"),
        ("torn", "b.mp4", torn),
    ):  # fmt: skip
        (copies / edit / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(videos / source, copies / edit / name)
    (copies / "edited").mkdir()
    for name, filters in (("a.mp4", "hflip,setpts=PTS/1.25"), ("b.mp4", "transpose=clock,pad=iw*2:ih:iw/2:0")):
        run_ffmpeg("-i", videos / name, "-vf", filters, "-an", copies / "edited" / name)
    run = tmp_path / "run"
    assert main(["found-copies", "--videos", str(videos), "--copies", str(copies), "--run", str(run)]) == 0
    results, answers = find_copies(Index.open(run / "index"), copies, lambda *_: None)
    assert found_copies_table(results).rows == [
        ("all", "4 of 6", "4 of 6", "1 of 6", "1 boxed, 1 mirrored, 1 turned, 1 other speed"),
        ("other", "0 of 1", "0 of 1", "1 of 1", ""),
        ("torn", "0 of 1", "0 of 1", "0 of 1", ""),
        ("edited", "2 of 2", "2 of 2", "0 of 2", "1 boxed, 1 mirrored, 1 turned, 1 other speed"),
        ("same", "2 of 2", "2 of 2", "0 of 2", ""),
    ]
    assert [answer.query for answer in answers if answer.unreadable] == ["torn/b.mp4"]
    shutil.copy(videos / "a.mp4", copies / "same/stranger.mp4")
    with pytest.raises(FingerprintError, match=r"stranger\.mp4: no source of this name"):
        find_copies(Index.open(run / "index"), copies, lambda *_: None)
    (copies / "same/stranger.mp4").rename(copies / "0.mp4")
    with pytest.raises(FingerprintError, match=r"0\.mp4: no source of this name; lay copies in COPIES/EDIT/SOURCE"):
        find_copies(Index.open(run / "index"), copies, lambda *_: None)
    (copies / "0.mp4").unlink()
    shutil.copy(videos / "a.mp4", videos / "a.mov")
    Index.open(run / "index").add(videos)
    with pytest.raises(FingerprintError, match=r"edited/a\.mp4: sources a\.mov, a\.mp4 have this name"):
        find_copies(Index.open(run / "index"), copies, lambda *_: None)
