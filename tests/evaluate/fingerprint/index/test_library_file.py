import pytest

from evaluate.errors import ArchiveError
from evaluate.fingerprint.answer.matcher import Matcher
from evaluate.fingerprint.index import library_file
from evaluate.fingerprint.index.library import build_library
from evaluate.fingerprint.index.library_file import load_library, save_library
from tests.evaluate.fingerprint.conftest import Signal, describe


@pytest.mark.parametrize(("flat_below_rows", "method"), [(10_000, "flat"), (100, "IVF")])
def test_a_library_finds_a_clip_and_the_same_after_it_is_read_back(tmp_path, flat_below_rows, method):
    references = [describe(f"r{i}", Signal(i, 60).at, 60) for i in range(12)]
    background = [describe(f"u{i}", Signal(100 + i, 60).at, 60) for i in range(6)]
    library = build_library(references, 0.5, background=background, flat_below_rows=flat_below_rows)
    assert method in library.method
    save_library(tmp_path / "library", "key", library)
    read = load_library(tmp_path / "library", "key")
    query = describe("q", lambda t: Signal(6, 60).at(t + 20), 10)
    once, again = (Matcher(each).match(query)[0] for each in (library, read))
    assert (again.reference, again.decision) == (once.reference, once.decision) == ("r6", True)
    assert again.score == pytest.approx(once.score, rel=1e-2)


def test_a_library_that_is_replaced_while_it_is_read_is_not_used(tmp_path, monkeypatch):
    """Its numbers would go with the other's names."""
    folder = tmp_path / "library"
    first, second = (build_library([describe(name, Signal(0, 9).at, 9)], 0.5) for name in "ab")
    save_library(folder, "key", first)
    read = library_file._read

    def replaced(*of):
        save_library(folder, "other key", second)
        return read(*of)

    monkeypatch.setattr(library_file, "_read", replaced)
    assert load_library(folder, "key") is None


@pytest.mark.parametrize("name", ["video.faiss", "library.npz", "library.json"])
def test_an_outdated_or_a_damaged_library_is_not_used(tmp_path, name):
    """FAISS reads most damaged bytes without an error, and finds rows that do not exist."""
    folder, library = tmp_path / "library", build_library([describe("r", Signal(0, 9).at, 9)], 0.5)
    assert load_library(folder, "key") is None
    folder.write_text("in the way")
    with pytest.raises(ArchiveError, match="free some space"):
        save_library(folder / "library", "key", library)
    folder.unlink()
    save_library(folder, "key", library)
    assert load_library(folder, "key")
    assert load_library(folder, "other key") is None
    data = bytearray((folder / name).read_bytes())
    data[len(data) * 2 // 3] ^= 1
    (folder / name).write_bytes(data)
    assert load_library(folder, "key") is None
