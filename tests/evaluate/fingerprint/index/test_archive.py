import json
import multiprocessing
import sys
from contextlib import suppress
from dataclasses import replace

import pytest

from evaluate.errors import ArchiveError, FingerprintError
from evaluate.fingerprint.describe.encoder import load_encoder
from evaluate.fingerprint.describe.extract import ExtractOptions
from evaluate.fingerprint.index import archive as archive_module
from evaluate.fingerprint.index.archive import Archive, IndexedSource
from evaluate.fingerprint.index.update import follow, grow
from store.errors import BusyError, ProvenanceError
from tests.evaluate.fingerprint.conftest import write_video


@pytest.fixture
def archive(encoder, tmp_path):
    return Archive.open_or_make(tmp_path / "index", encoder, 0.5)


@pytest.fixture
def update(archive, encoder, here):
    """Bring the archive up to date with a folder."""
    options = ExtractOptions(0.5, num_threads=1, executor=here)
    return lambda folder, **changes: grow(archive, folder, encoder, options, **changes)


@pytest.fixture
def copied(videos, tmp_path):
    """The archive's folder, to be changed."""
    root = tmp_path / "videos"
    (root / "news").mkdir(parents=True)
    for name in ("a.mp4", "broken.mp4", "news/c.mp4"):
        (root / name).write_bytes((videos / name).read_bytes())
    return root


def test_an_index_follows_its_folder(archive, update, copied):
    def described():
        return {each.source: each.video.shape[1] for each in archive.descriptors()}

    first = update(copied)
    assert first.added == ("a.mp4", "news/c.mp4")
    assert [(each.name, bool(each.reason)) for each in first.unreadable] == [("broken.mp4", True)]
    assert described() == {"a.mp4": 6, "news/c.mp4": 6}

    again = update(copied)
    assert (again.added, again.changed, again.removed) == ((), (), ())

    lengths = {each.source: len(each) for each in archive.descriptors()}
    write_video(copied / "a.mp4", 77, 2.0)
    write_video(copied / "d.mp4", 78, 2.0)
    (copied / "news" / "c.mp4").unlink()
    grown = update(copied)
    assert (grown.added, grown.changed, grown.gone) == (("d.mp4",), ("a.mp4",), ("news/c.mp4",))
    assert sorted(described()) == ["a.mp4", "d.mp4", "news/c.mp4"]
    assert {each.source: len(each) for each in archive.descriptors()}["a.mp4"] < lengths["a.mp4"]

    assert update(None, remove=["news/*"]).removed == ("news/c.mp4",)
    assert sorted(described()) == ["a.mp4", "d.mp4"]
    with pytest.raises(FingerprintError, match="no source fits 'films/"):
        update(None, remove=["films/*"])


def test_a_source_that_cannot_be_looked_at_now_keeps_its_descriptors(archive, update, copied):
    """As one whose disk is away; retrying failed files does not take them either."""
    update(copied)
    for name in ("a.mp4", "broken.mp4"):
        (copied / name).unlink()
        (copied / name).symlink_to(copied / "away" / name)
    for retry_failed in (False, True):
        grown = update(copied, retry_failed=retry_failed)
        assert (grown.added, grown.changed, grown.gone, grown.n_sources) == ((), (), (), 2)
        assert {each.name for each in grown.unreadable} == {"a.mp4", "broken.mp4"}
        assert sorted(each.source for each in archive.descriptors()) == ["a.mp4", "news/c.mp4"]


def test_a_list_that_a_writer_takes_away_while_the_others_are_read_is_no_fault(archive, update, copied, monkeypatch):
    update(copied)
    [part] = archive.parts()
    archive.write_list(2, part.sources)
    read = archive_module._read_part

    def slow(path):
        found = read(path)
        archive.write_list(2, ())
        return found

    monkeypatch.setattr(archive_module, "_read_part", slow)
    assert list(archive.parts()) == [part]
    archive.part_path(2).with_suffix(".json").symlink_to("nowhere")
    monkeypatch.undo()
    with pytest.raises(ArchiveError, match=r"part-000002\.json: there is no such file"):
        archive.parts()


def test_a_killed_run_goes_on_and_leaves_nothing_behind(archive, update, videos, monkeypatch):
    monkeypatch.setattr("evaluate.fingerprint.index.update.FILES_A_PART", 1)

    def stop(_done, _total, note):
        if note.startswith("3 of"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        update(videos, progress=stop)
    kept = set(archive.sources())
    assert 0 < len(kept) < 4
    archive.part_path(7).write_bytes(b"half a part")  # as a kill between the part and its list leaves it
    assert set(update(videos).added) == {"a.mp4", "b.mp4", "news/c.mp4"} - kept
    assert set(archive.sources()) == {"a.mp4", "b.mp4", "broken.mp4", "news/c.mp4"}
    assert not archive.part_path(7).exists()
    assert sorted(each.source for each in archive.descriptors()) == ["a.mp4", "b.mp4", "news/c.mp4"]


def test_another_checkpoint_or_hop_is_refused(archive, update, make_checkpoint, encoder, copied, tmp_path):
    other = load_encoder(make_checkpoint(tmp_path / "other.pt", seed=6))
    features = load_encoder(tmp_path / "encoder.pt", video_vectors="features")
    for another, hop_seconds, words in (
        (other, 0.5, "made with encoder"),
        (encoder, 1.0, r"hop_seconds is 0\.5, now 1\.0"),
        (features, 0.5, "video_vectors is within, now features"),
    ):
        with pytest.raises(ProvenanceError, match=words):
            Archive.open_or_make(archive.folder, another, hop_seconds)
    update(copied)
    with pytest.raises(ProvenanceError, match=r"part-000001\.h5: attribute /encoder_sha256"):
        list(replace(archive, encoder_sha256="0" * 64).descriptors())


def test_the_folder_of_an_archive_may_be_the_root():
    assert IndexedSource("news/c.mp4", "/news/c.mp4", 0, 0).root == "/"


def _first_run(folder, encoder, barrier):
    barrier.wait(30)
    with suppress(BusyError, ProvenanceError):
        Archive.open_or_make(folder, encoder, 0.5)
        (folder / encoder.sha256).touch()


def test_of_two_first_runs_with_two_encoders_one_makes_the_index(make_checkpoint, encoder, tmp_path):
    encoders = [encoder, load_encoder(make_checkpoint(tmp_path / "other.pt", seed=6))]
    context = multiprocessing.get_context("fork")
    for turn in range(20):
        folder, barrier = tmp_path / f"index {turn}", context.Barrier(2)
        folder.mkdir()
        runs = [context.Process(target=_first_run, args=(folder, each, barrier)) for each in encoders]
        for run in runs:
            run.start()
        for run in runs:
            run.join()
        assert [run.exitcode for run in runs] == [0, 0]
        went_on = [each.sha256 for each in encoders if (folder / each.sha256).exists()]
        assert went_on == [Archive.open(folder).encoder_sha256]


def test_the_second_of_two_writers_is_refused(archive, update, videos):
    with archive.only_writer(), pytest.raises(BusyError, match="another process is writing here"):
        update(videos)


@pytest.mark.parametrize("hop_seconds", [0.0, float("nan"), float("inf")])
def test_a_hop_that_cannot_work_makes_no_index(encoder, tmp_path, hop_seconds):
    with pytest.raises(FingerprintError, match="the hop must be above 0 s"):
        Archive.open_or_make(tmp_path / "index", encoder, hop_seconds)
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize(("asked", "kept"), [(0.5, 0.5), (0.7, 0.75), (0.01, 0.125)])
def test_a_hop_is_of_whole_frames_as_descriptors_are(asked, kept, shipped_encoder, tmp_path):
    assert Archive.open_or_make(tmp_path / "index", shipped_encoder, asked).hop_seconds == kept
    assert Archive.open_or_make(tmp_path / "index", shipped_encoder, asked).hop_seconds == kept


def test_a_file_that_was_changed_is_not_described_as_it_was(archive, update, encoder, copied, here, tmp_path):
    update(copied)
    sources = archive.sources()
    write_video(copied / "a.mp4", 77)
    beside = Archive.open_or_make(tmp_path / "mirrored", encoder.varied("mirrored"), 0.5)
    options = ExtractOptions(0.5, num_threads=1, executor=here)
    follow(beside, sources, encoder.varied("mirrored"), options, lambda *_: None)
    assert {name: bool(each.reason) for name, each in beside.sources().items() if name != "broken.mp4"} == {
        "a.mp4": True, "news/c.mp4": False,
    }  # fmt: skip
    assert [each.source for each in beside.descriptors()] == ["news/c.mp4"]


def test_a_second_folder_is_refused_and_an_archive_that_moved_is_not(archive, update, copied, tmp_path):
    update(copied)
    before, second = archive.sources(), tmp_path / "second"
    second.mkdir()
    write_video(second / "a.mp4", 9, 2.0)
    with pytest.raises(FingerprintError, match=r"is of .*videos, and .*second has 0 of its 3 files; .*another index"):
        update(second)
    assert archive.sources() == before
    moved = copied.rename(tmp_path / "moved")
    grown = update(moved)
    assert (grown.added, grown.changed, grown.gone) == ((), (), ())
    assert {source.root for source in archive.sources().values()} == {str(moved)}
    for name in ("a.mp4", "broken.mp4", "news/c.mp4"):
        (moved / name).unlink()
    write_video(moved / "d.mp4", 10, 2.0)
    (tmp_path / "link").symlink_to(moved)  # all of its files are new, and it is the same folder
    assert update(tmp_path / "link").added == ("d.mp4",)


def test_a_name_that_looks_like_a_pattern_means_itself_first(archive, update, copied):
    for old, new in (("a.mp4", "Fire [abc].mp4"), ("news/c.mp4", "Fire b.mp4")):
        (copied / old).rename(copied / new)
    update(copied)
    with pytest.raises(FingerprintError, match="no source fits 'films"):
        update(None, remove=["Fire b.mp4", "films/*"])
    assert update(copied, remove=["Fire [abc].mp4"]).removed == ("Fire [abc].mp4",)
    assert sorted(archive.sources()) == ["Fire b.mp4", "broken.mp4"]
    assert update(None, remove=["Fire [abc].mp4"]).removed == ("Fire b.mp4",)


def test_the_parts_are_not_listed_again_for_every_part(update, copied, monkeypatch):
    monkeypatch.setattr("evaluate.fingerprint.index.update.FILES_A_PART", 1)
    listed, watching, counts = [], [True], []

    def hook(event, args):  # stays until the process ends
        if watching and event in ("os.scandir", "os.listdir"):
            listed.append(str(args[0]).rpartition("/")[2])

    sys.addaudithook(hook)
    for names in ("0", "123"):
        for name in names:
            (copied / f"{name}.mp4").write_bytes(b"no video")
        listed.clear()
        update(copied)
        counts.append(listed.count("parts"))
    watching.clear()
    assert counts[0] == counts[1] > 0


def test_a_changed_file_counts_once_even_if_a_kill_left_both(archive, update, videos):
    update(videos)
    [part] = archive.parts()
    archive.part_path(2).write_bytes(archive.part_path(1).read_bytes())
    archive.write_list(2, part.sources[:1])
    assert len(list(archive.descriptors())) == 3
    archive.tidy()
    listed = json.loads(archive.part_path(1).with_suffix(".json").read_text())["sources"]
    assert part.sources[0].name not in [source["name"] for source in listed]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"format": "something"}', "index anew"),
        ("[" * 100_000, "cannot be read"),
        (None, "there is no such file; make one"),
        (
            '{"format": "avtempo-fingerprints", "format_version": 2, "encoder_sha256": "", "encoder_path": "", '
            '"settings": {"hop_seconds": {}}}',
            "is damaged",
        ),
    ],
)
def test_a_missing_or_damaged_index_is_named(tmp_path, text, problem):
    path = tmp_path / "archive.json"
    path.symlink_to("/dev/zero") if text is None else path.write_text(text)  # a device has no end
    with pytest.raises(ArchiveError, match=problem):
        Archive.open(tmp_path)


def test_a_list_of_other_types_is_named(archive):
    (archive.folder / "parts").mkdir()
    source = {"name": ["x"], "path": "x", "size_bytes": 1, "modified_ns": 1}
    (archive.folder / "parts" / "part-000001.json").write_text(json.dumps({"sources": [source]}))
    with pytest.raises(ArchiveError, match=r"part-000001\.json: is damaged .sources"):
        archive.parts()
