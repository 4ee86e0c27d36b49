"""Odd files and folders of an archive: names that are not UTF-8, links, folders that cannot be read; the media stay as is."""

import json
import os

import pytest

from evaluate.__main__ import main
from evaluate.errors import ArchiveError, FingerprintError
from evaluate.fingerprint.api import Index
from preprocess.__main__ import main as main_shards
from store.errors import ProvenanceError
from store.reader import EmbeddingStore
from tests.preprocess.catalogues.test_scan import deep_folder

LATIN_1 = os.fsdecode(b"caf\xe9.mp4")


def state(folder):
    """Names and times of all files and folders: a folder's time changes with every file that is made in it."""
    return {path: path.stat().st_mtime_ns for path in (folder, *folder.rglob("*"))}


@pytest.fixture
def copied(videos, tmp_path):
    """Two videos of the archive, in a folder whose name is not UTF-8."""
    root = tmp_path / os.fsdecode(b"vid\xe9os")
    (root / "news").mkdir(parents=True)
    (root / LATIN_1).write_bytes((videos / "a.mp4").read_bytes())
    (root / "news" / "c.mp4").write_bytes((videos / "news/c.mp4").read_bytes())
    return root


@pytest.fixture
def index(make_checkpoint, tmp_path):
    return Index.open(tmp_path / "index", encoder=make_checkpoint(tmp_path / "encoder.pt"))


def test_a_name_that_is_not_utf8_is_escaped_wherever_it_is_written_and_its_file_is_found_again(index, copied, tmp_path):
    before = state(copied)
    assert index.add(copied).added == ("caf\\xe9.mp4", "news/c.mp4")
    with EmbeddingStore(index.archive.part_path(1)) as store:
        assert set(store.frame()["source"]) == {"caf\\xe9.mp4", "news/c.mp4"}
    again = Index.open(index.folder, encoder=tmp_path / "encoder.pt")
    assert again.add(copied).changed == ()
    out, page = tmp_path / "out.json", tmp_path / "out.html"
    usual = ["match", str(copied), "--index", str(index.folder), "--out", str(out), "--page", str(page)]
    assert main([*usual, "--false-positive-rate", "0.5"]) == 0  # an untrained encoder tells little
    assert {each["query"] for each in json.loads(out.read_bytes())} == {"caf\\xe9.mp4", "news/c.mp4"}
    assert "caf\\xe9.mp4" in page.read_text("utf-8")
    assert page.read_text().count("data:image/jpeg") >= 4  # strips of the query and of the reference
    assert again.match(copied / LATIN_1).query == "caf\\xe9.mp4"
    with pytest.raises(FingerprintError, match="no such file"):
        again.match(copied / "missing.mp4")
    assert main_shards(["shards", "--dataset", "folder", "--data", str(copied), "--out", str(tmp_path / "shards")]) == 0
    assert state(copied) == before  # an archive on a read-only mount works
    with pytest.raises(ArchiveError, match="not UTF-8"):
        Index.open(copied / "index", encoder=tmp_path / "encoder.pt").add(copied)


def test_settings_of_an_index_are_its_own_until_others_are_asked_for(index, copied):
    """Others are refused, whether the encoder is named again or not."""
    index.add(copied, hop_seconds=1.0)
    others = {
        r"hop_seconds is 1\.0, now 0\.5": {"hop_seconds": 0.5},
        "within, now features": {"video_vectors": "features"},
    }
    for again in (index, Index.open(index.folder)):
        assert again.add(copied).added == ()
        for words, other in others.items():
            with pytest.raises(ProvenanceError, match=words):
                again.add(copied, **other)


def test_links_of_one_file_count_once(index, copied):
    for number in range(3):
        (copied / f"link {number}.mp4").hardlink_to(copied / "news" / "c.mp4")
    assert index.add(copied).added == ("caf\\xe9.mp4", "link 0.mp4")
    (copied / "a new link.mp4").hardlink_to(copied / "news" / "c.mp4")
    grown = index.add(copied)
    assert (grown.added, grown.gone, grown.n_sources) == ((), (), 2)


def test_sources_in_a_folder_that_cannot_be_read_are_not_gone_and_the_command_fails(index, copied, tmp_path, capsys):
    index.add(copied)
    (copied / "news").rename(tmp_path / "away")
    deep_folder(tmp_path)
    (tmp_path / ("x" * 250)).rename(copied / "news")  # now a part of news cannot be read
    grown = index.add(copied)
    assert grown.gone == ("news/c.mp4",)  # it would lie in the part that can be read
    [folder] = grown.unreadable_folders
    assert folder.endswith("x/ (File name too long)")
    for words, told in (
        (["index", str(copied)], "folders that could not be read: news/xxx"),
        (["match", str(copied)], "x/ (File name too long)"),
        (["match", "x" * 300], "File name too long; give a file"),
    ):
        assert main([*words, "--index", str(index.folder)]) == 2
        assert told in " ".join(capsys.readouterr().err.split())
