"""Files that are not what they say: each is refused by name, before any data is read."""

import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest

from store.errors import DamagedStoreError, FormatVersionError, NotAStoreError, StoreError
from store.layout import COLUMNS
from store.reader import EmbeddingStore
from store.verify import verify
from store.writer import write_text
from tests.store.made_rows import write_rows


@pytest.fixture
def good(tmp_path):
    return write_rows(tmp_path / "a.h5", 0, 600)


def _refused(path: Path, kind: type[StoreError], said: str) -> None:
    with pytest.raises(kind) as caught:
        EmbeddingStore(path).column("key")
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert caught.value.remedy
    assert verify(path)


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
    for version, said in ((1, "is 1, known is 3; use the release that wrote it"), ("1", "is None"), (2, "is 2")):
        with h5py.File(good, "r+") as file:
            file.attrs["format_version"] = version
            if version == 2:  # which had texts of variable length
                file.attrs["format"] = "avtempo-embeddings"
        _refused(good, FormatVersionError, f"attribute /format_version {said}")


@pytest.mark.parametrize("name", ["dataset", "encoder_config", "content_sha256", "created_by"])
def test_texts_of_variable_length_are_refused_unread(good, name):
    """On a damaged heap, where they lie, HDF5 loops for ever; a store has none."""
    assert b"GCOL" not in good.read_bytes()
    with h5py.File(good, "r+") as file:
        file.attrs[name] = file.attrs[name].decode()
    data = bytearray(good.read_bytes())
    heap = data.index(b"GCOL") + 16
    data[heap + 8 : heap + 16] = bytes(8)  # an object that takes no place: the next one is the same
    good.write_bytes(data)
    _refused(good, DamagedStoreError, f"attribute /{name} is missing or not a text")


def _remade(name, **options):
    """Make a data set anew, with a checksum that looks right."""

    def edit(file):
        del file[name]
        file.create_dataset(name, **options).attrs["sha256"] = "0" * 64

    return edit


def _linked(name, link):
    def edit(file):
        file.move(name, "hidden")
        file[name] = link

    return edit


def _virtual(file):
    layout = h5py.VirtualLayout((600,), "<i8")
    layout[:] = h5py.VirtualSource("secret.h5", "label", shape=(600,))
    del file["label"]
    file.create_virtual_dataset("label", layout)


def _group(file):
    del file["group"]
    file.create_group("group")


ELSEWHERE = (h5py.SoftLink("/hidden"), h5py.ExternalLink("secret.h5", "/secret"))
FACTS = ("encoder_sha256", "encoder_config", "model", "n_rows", "content_sha256")
WIDE = {"shape": (10**9, 10**4), "dtype": "<f4", "chunks": (64, 10**4)}
PASSED = {"data": np.ones((600, 4), "<f4")}
DAMAGES = [
    *((lambda file, name=name: file.__delitem__(name), f"/{name} is missing") for name in COLUMNS),
    *((lambda file, name=name: file.attrs.__delitem__(name), f"attribute /{name} is missing") for name in FACTS),
    *(
        (_linked(name, link), f"/{name} is a link elsewhere")
        for name in ("label", "key", "video/features", "video")
        for link in ELSEWHERE
    ),
    (_remade("label", shape=(600,), dtype="<i8", external=[("passwords", 0, 4800)]), "/label keeps its data in other"),
    (_virtual, "/label keeps its data in other files"),
    (_remade("video/features", **PASSED, compression="gzip"), "/video/features keeps its data in other files"),
    (_remade("video/features", **PASSED, shuffle=True, chunks=(100, 4)), "/video/features keeps its data in"),
    (_remade("video/features", **WIDE), "/video/features claims more data than the file holds"),
    (_group, "/group is not a data set"),
    (lambda file: write_text(file, "dataset", "ucf101"), "the provenance or a recorded sha256 was altered"),
    (lambda file: write_text(file["label"], "sha256", "0" * 64), "the provenance or a recorded sha256 was altered"),
    (_remade("group", shape=600, dtype=h5py.ref_dtype), "/group"),
    *(
        (_remade(name, data=data), f"/{name} ")
        for name, data in (
            ("label", np.zeros(600, "<i4")),
            ("label", np.zeros((600, 1), "<i8")),
            ("label", np.zeros(599, "<i8")),
            ("has_audio", np.zeros(600, np.uint8)),
            ("key", np.zeros(600, "S8")),
            ("key", np.zeros(600, "<i8")),
            ("video/features", np.zeros((600, 4))),
            ("video/features", np.zeros(600, "<f4")),
            ("video/features", np.zeros((600, 4), ">f4")),
            ("audio/features", np.zeros((601, 4), "<f4")),
        )
    ),
]


@pytest.mark.parametrize(("edit", "said"), DAMAGES)
def test_what_no_writer_writes_is_refused(good, edit, said):
    with h5py.File(good, "r+") as file:
        edit(file)
    _refused(good, DamagedStoreError, said)


def test_unknown_members_are_ignored(good):
    with h5py.File(good, "r+") as file:
        file["notes"] = h5py.SoftLink("/nowhere")
        file["video/Capital"] = 3
        file.attrs["owner"] = "someone"
    assert EmbeddingStore(good).vector_names == ("audio/features", "video/features")
    assert verify(good) == []


@pytest.mark.parametrize("name", ["source", "has_audio", "video/features", "group"])
def test_a_flipped_bit_and_text_that_is_not_utf8_are_noticed_on_reading(good, name):
    with h5py.File(good, "r+") as file:
        chunk = file[name].id.get_chunk_info(0)
        if name == "group":
            file[name][5] = b"\xff\xfe"
    data = bytearray(good.read_bytes())
    data[chunk.byte_offset + chunk.size // 2] ^= name != "group"
    good.write_bytes(data)
    with EmbeddingStore(good) as store, pytest.raises(DamagedStoreError, match=f"/{name} cannot be read"):
        store.read(name)
    (finding,) = verify(good)
    assert finding.problem.startswith(f"/{name}: ")


def test_verify_finds_changed_values_and_broken_rules(good, tmp_path):
    with h5py.File(good, "r+") as file:
        file["label"][3] = 7777  # HDF5 mends its own checksum: only sha256 tells
    (finding,) = verify(good)
    assert finding.problem == "/label: does not match its recorded sha256"
    (finding,) = verify(write_rows(tmp_path / "b.h5", 0, 3, splits=["{}", "train", ""]))
    assert finding.problem.startswith("/splits: row 1")
