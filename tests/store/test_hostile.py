"""Files that are not what they say: each is refused by name, before any data is read."""

import pickle
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest

from store.errors import DamagedStoreError, FormatVersionError, NotAStoreError, StoreError
from store.layout import COLUMNS
from store.opening import read_text
from store.reader import EmbeddingStore
from store.verify import verify
from store.writer import write_part, write_text


@pytest.fixture
def good(tmp_path, make_rows, provenance):
    write_part(tmp_path / "a.h5", make_rows(0, 600), provenance)
    return tmp_path / "a.h5"


def _refused(path: Path, kind: type[StoreError], said: str) -> None:
    with pytest.raises(kind) as caught:
        EmbeddingStore(path).column("key")
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert caught.value.remedy
    assert verify(path)


@contextmanager
def _replacing_member(path, name):
    """Open the file for a member to be written anew, with a checksum that looks right."""
    with h5py.File(path, "r+") as file:
        del file[name]
        yield file
        if isinstance(file.get(name), h5py.Dataset):
            file[name].attrs["sha256"] = "0" * 64


def test_missing_empty_text_pickle_and_folder(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    _refused(tmp_path / "none.h5", NotAStoreError, "there is no such file")
    (tmp_path / "folder.h5").mkdir()
    _refused(tmp_path / "folder.h5", NotAStoreError, "there is no such file")
    for content in (b"", b"key,label\n", pickle.dumps(Trap())):
        (tmp_path / "a.h5").write_bytes(content)
        _refused(tmp_path / "a.h5", NotAStoreError, "is not an HDF5 file")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.999])
def test_truncated(good, share):
    data = good.read_bytes()
    good.write_bytes(data[: int(len(data) * share)])
    _refused(good, DamagedStoreError, "HDF5 cannot open it")


def test_other_hdf5_files_and_other_versions(tmp_path, good):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["key"] = [1, 2]
    _refused(tmp_path / "other.h5", NotAStoreError, "attribute /format is None")
    for version, said in ((1, "is 1, known is 3; use the release that wrote it"), ("1", "is None")):
        with h5py.File(good, "r+") as file:
            file.attrs["format_version"] = version
        _refused(good, FormatVersionError, f"attribute /format_version {said}")


@pytest.mark.parametrize("name", [*COLUMNS])
def test_every_column_is_missed(good, name):
    with _replacing_member(good, name):
        pass
    _refused(good, DamagedStoreError, f"/{name} is missing")


@pytest.mark.parametrize("name", ["encoder_sha256", "encoder_config", "model", "n_rows", "content_sha256"])
def test_every_attribute_is_missed(good, name):
    with h5py.File(good, "r+") as file:
        del file.attrs[name]
    _refused(good, DamagedStoreError, f"attribute /{name} is missing")


@pytest.mark.parametrize("name", ["dataset", "encoder_config", "content_sha256", "created_by"])
def test_texts_of_variable_length_are_refused_unread(good, name):
    """On a damaged heap, where they lie, HDF5 loops for ever; a store has none."""
    assert b"GCOL" not in good.read_bytes()
    with h5py.File(good, "r+") as file:
        file.attrs[name] = read_text(file, name)
    data = bytearray(good.read_bytes())
    heap = data.index(b"GCOL") + 16
    data[heap + 8 : heap + 16] = bytes(8)  # an object that takes no place: the next one is the same
    good.write_bytes(data)
    _refused(good, DamagedStoreError, f"attribute /{name} is missing or not a text")


@pytest.mark.parametrize("name", ["label", "key", "video/features", "video"])
@pytest.mark.parametrize("kind", ["soft", "external"])
def test_links_are_refused(good, tmp_path, name, kind):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["secret"] = np.zeros(600)
    with h5py.File(good, "r+") as file:
        file.move(name, "hidden")
        elsewhere = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/secret")
        file[name] = h5py.SoftLink("/hidden") if kind == "soft" else elsewhere
    _refused(good, DamagedStoreError, f"/{name} is a link elsewhere")


def test_data_in_other_files_is_refused(good, tmp_path):
    (tmp_path / "passwords").write_bytes(bytes(600 * 8))
    with _replacing_member(good, "label") as file:
        file.create_dataset("label", (600,), "<i8", external=[(str(tmp_path / "passwords"), 0, 600 * 8)])
    _refused(good, DamagedStoreError, "/label keeps its data in other files")
    with _replacing_member(good, "label") as file:
        layout = h5py.VirtualLayout((600,), "<i8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "label", shape=(600,))
        file.create_virtual_dataset("label", layout)
    _refused(good, DamagedStoreError, "/label keeps its data in other files")


@pytest.mark.parametrize("options", [{"compression": "gzip"}, {"shuffle": True, "chunks": (100, 4)}])
def test_filters_are_refused(good, options):
    with _replacing_member(good, "video/features") as file:
        file.create_dataset("video/features", data=np.ones((600, 4), "<f4"), **options)
    _refused(good, DamagedStoreError, "/video/features keeps its data in other files or behind a filter")


def test_claims_beyond_the_file_are_refused(good):
    with _replacing_member(good, "video/features") as file:
        file.create_dataset("video/features", (10**9, 10**4), "<f4", chunks=(64, 10**4))
    _refused(good, DamagedStoreError, "/video/features claims more data than the file holds")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("label", np.zeros(600, "<i4")),
        ("label", np.zeros((600, 1), "<i8")),
        ("label", np.zeros(599, "<i8")),
        ("has_audio", np.zeros(600, np.uint8)),
        ("key", np.zeros(600, "S8")),
        ("key", np.zeros(600, "<i8")),
        ("group", h5py.ref_dtype),
        ("group", h5py.Group),
        ("video/features", np.zeros((600, 4))),
        ("video/features", np.zeros(600, "<f4")),
        ("video/features", np.zeros((600, 4), ">f4")),
        ("audio/features", np.zeros((601, 4), "<f4")),
    ],
)
def test_wrong_types_and_lengths_are_refused(good, name, data):
    with _replacing_member(good, name) as file:
        if data is h5py.Group:
            file.create_group(name)
        else:
            contents = {"shape": 600, "dtype": data} if isinstance(data, np.dtype) else {"data": data}
            file.create_dataset(name, **contents)
    _refused(good, DamagedStoreError, f"/{name}")


def test_unknown_members_are_ignored(good):
    with h5py.File(good, "r+") as file:
        file["notes"] = h5py.SoftLink("/nowhere")
        file["video/Capital"] = 3
        file.attrs["owner"] = "someone"
    assert EmbeddingStore(good).vector_names == ("audio/features", "video/features")
    assert verify(good) == []


@pytest.mark.parametrize("name", ["source", "has_audio", "video/features"])
def test_a_flipped_bit_is_noticed_on_reading(good, name):
    with h5py.File(good) as file:
        chunk = file[name].id.get_chunk_info(0)
    data = bytearray(good.read_bytes())
    data[chunk.byte_offset + chunk.size // 2] ^= 1
    good.write_bytes(data)
    with EmbeddingStore(good) as store, pytest.raises(DamagedStoreError, match=f"/{name} cannot be read"):
        store.read(name)
    assert [each.hdf5_path for each in verify(good)] == [f"/{name}"]


def test_text_that_is_not_utf8_is_an_error_that_names_the_column(good):
    with h5py.File(good, "r+") as file:
        file["source"][5] = b"\xff\xfe"
    with EmbeddingStore(good) as store, pytest.raises(DamagedStoreError, match="/source cannot be read"):
        store.column("source")
    assert [each.hdf5_path for each in verify(good)] == ["/source"]


def test_verify_finds_changed_values_changed_provenance_and_broken_rules(good, tmp_path, make_rows, provenance):
    with h5py.File(good, "r+") as file:
        write_text(file, "dataset", "ucf101")
    (finding,) = verify(good)
    assert "provenance" in finding.problem
    with h5py.File(good, "r+") as file:
        file["label"][3] = 7777  # HDF5 mends its own checksum: only sha256 tells
    (finding,) = verify(good)
    assert (finding.hdf5_path, "sha256" in finding.problem) == ("/label", True)
    write_part(tmp_path / "b.h5", make_rows(0, 3, splits=["{}", "train", ""]), provenance)
    (finding,) = verify(tmp_path / "b.h5")
    assert (finding.hdf5_path, "row 1" in finding.problem) == ("/splits", True)
