"""What is written comes back, byte for byte the same however the rows arrived."""

import tempfile
import time
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import store.opening
from store.errors import DamagedStoreError, DuplicateRowsError, LayoutError, ProvenanceError, ReplacedError
from store.format import Provenance, Rows
from store.layout import COLUMNS, TEXT_COLUMNS
from store.reader import EmbeddingStore
from store.verify import verify
from store.writer import join_parts, part_is_complete, write_part
from tests.store.made_rows import PROVENANCE, build_rows, write_rows

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
QUICK = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def any_rows(draw: st.DrawFn) -> Rows:
    n_rows = draw(st.integers(0, 6))
    dtype = draw(st.sampled_from([np.float16, np.float32]))
    width = np.dtype(dtype).itemsize * 8
    present = {name: draw(hnp.arrays(bool, n_rows)) for name in ("has_video", "has_audio")}
    seconds = np.sort(draw(hnp.arrays(float, (n_rows, 2), elements=st.floats(0, 1e6))), axis=1)
    vectors = {}
    for name in draw(st.sets(st.sampled_from(["video/features", "video/projections", "audio/features"]))):
        shape = (n_rows, draw(st.integers(1, 4)))
        values = draw(hnp.arrays(dtype, shape, elements=st.floats(-100, 100, width=width)))
        vectors[name] = np.where(present[f"has_{name[:5]}"][:, None], values, 0).astype(dtype)
    columns = {
        "label": draw(hnp.arrays(np.int64, n_rows)),
        "start_seconds": seconds[:, 0],
        "end_seconds": seconds[:, 1],
    }
    for name in TEXT_COLUMNS:
        columns[name] = draw(st.lists(TEXT, min_size=n_rows, max_size=n_rows, unique=name == "key"))
    return Rows(**columns, **present, vectors=vectors)


def _assert_same_bytes(path: Path, rows: Rows) -> None:
    """The file is the same as one that is written at once."""
    write_part(path.parent / "at_once" / "whole.h5", rows, PROVENANCE)
    assert path.read_bytes() == (path.parent / "at_once" / "whole.h5").read_bytes()


@QUICK
@given(rows=any_rows())
def test_round_trip(rows):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.h5"
        write_part(path, rows, PROVENANCE)
        with EmbeddingStore(path) as store:
            assert store.provenance == PROVENANCE
            assert store.layout == rows.layout
            for name in store.layout.names():
                expected = rows.vectors[name] if name in rows.vectors else getattr(rows, name)
                assert store.read(name).dtype == expected.dtype
                assert store.read(name).tolist() == expected.tolist()
        assert [each for each in verify(path) if not each.problem.startswith("/splits: ")] == []
        assert part_is_complete(path, PROVENANCE)


def test_joining_across_many_blocks_equals_writing_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("store.layout.BLOCK_BYTES", 2000)
    monkeypatch.setattr("store.layout.CHUNK_BYTES", 512)  # 8 rows of video/features, 16 of audio/features
    for start, stop in pairwise((0, 4, 100, 104, 230, 230, 300)):
        write_rows(tmp_path / "parts" / f"{start:03d}-{stop}.h5", start, stop)
    join_parts(sorted((tmp_path / "parts").iterdir(), reverse=True), tmp_path / "joined.h5")
    time.sleep(1.1)  # HDF5 counts in seconds
    _assert_same_bytes(tmp_path / "joined.h5", build_rows(0, 300))
    write_rows(tmp_path / "b.h5", 300, 310, label_name=["a much longer name"] * 10)
    join_parts([tmp_path / "b.h5", tmp_path / "joined.h5"], tmp_path / "joined.h5")
    names = [f"class {number // 8}" for number in range(300)] + ["a much longer name"] * 10
    _assert_same_bytes(tmp_path / "joined.h5", build_rows(0, 310, label_name=names))


def test_a_damaged_store_is_not_joined(tmp_path):
    write_rows(tmp_path / "a.h5", 0, 60)
    write_rows(tmp_path / "b.h5", 60, 70)
    for path, place in ((tmp_path / "a.h5", "video/features"), (tmp_path / "b.h5", "label")):
        with h5py.File(path, "r+") as file:  # HDF5 mends its own checksum: only sha256 tells
            file[place][3] = 7777
        with pytest.raises(DamagedStoreError, match=f"{path.name}: /{place} does not match its checksum"):
            join_parts([tmp_path / "a.h5", tmp_path / "b.h5"], tmp_path / "out.h5")
        assert not part_is_complete(path, PROVENANCE)
    assert not (tmp_path / "out.h5").exists()
    (tmp_path / "b.h5").write_bytes((tmp_path / "b.h5").read_bytes()[:2000])
    assert not part_is_complete(tmp_path / "b.h5", PROVENANCE)


def test_the_same_clip_twice_is_refused(tmp_path):
    for name, start, stop in (("a", 0, 10), ("b", 9, 20), ("c", 20, 30)):
        write_rows(tmp_path / f"{name}.h5", start, stop)
    with pytest.raises(DuplicateRowsError, match="00000004-00001"):
        join_parts([tmp_path / f"{name}.h5" for name in "cba"], tmp_path / "out.h5")
    with pytest.raises(DuplicateRowsError, match="'same'"):
        write_rows(tmp_path / "d.h5", 0, 3, key=["same"] * 3, start_seconds=[0] * 3)
    unnamed = [write_rows(tmp_path / f"{name}.h5", 0, 1, key=[""]) for name in "ef"]
    with pytest.raises(DuplicateRowsError, match="clip ''"):
        join_parts(unnamed, tmp_path / "out.h5")
    assert not (tmp_path / "out.h5").exists()


def test_parts_whose_keys_interleave_are_joined_when_no_clip_is_in_both(tmp_path):
    parts = [write_rows(tmp_path / f"{keys}.h5", 0, 3, key=[*keys]) for keys in ("bdf", "ace")]
    join_parts(parts, tmp_path / "out.h5")
    assert "".join(EmbeddingStore(tmp_path / "out.h5").column("key")) == "acebdf"


@pytest.mark.parametrize("field", PROVENANCE.__dict__)
def test_other_provenance_is_an_error_that_names_place_and_remedy(tmp_path, field):
    value = {"n_clips": 3, "names": ["x" * 50] * 4000} if field == "encoder_config" else "other"
    other = Provenance(**{**PROVENANCE.__dict__, field: value})
    write_rows(tmp_path / "a.h5", 0, 5)
    write_part(tmp_path / "b.h5", build_rows(10, 15), other)
    with pytest.raises(ProvenanceError, match=rf"b\.h5: attribute /{field} is .*; give the store of this"):
        join_parts([tmp_path / "a.h5", tmp_path / "b.h5"], tmp_path / "out.h5")
    with pytest.raises(ProvenanceError, match=rf"a\.h5: attribute /{field} is"):
        EmbeddingStore(tmp_path / "a.h5").expect(**{field: value})
    assert not part_is_complete(tmp_path / "a.h5", other)
    EmbeddingStore(tmp_path / "a.h5").expect(**PROVENANCE.__dict__)
    with pytest.raises(AttributeError, match="encoder_sha"):
        EmbeddingStore(tmp_path / "a.h5").expect(encoder_sha="x")


def test_other_vectors_are_refused(tmp_path):
    write_rows(tmp_path / "a.h5", 0, 5)
    write_rows(tmp_path / "b.h5", 10, 15, n_dims=8)
    with pytest.raises(LayoutError, match=r"b\.h5: holds .*/video/features \(5, 8\)"):
        join_parts([tmp_path / "a.h5", tmp_path / "b.h5"], tmp_path / "out.h5")
    with pytest.raises(LayoutError, match="no parts"):
        join_parts([], tmp_path / "out.h5")


@pytest.fixture(scope="module")
def sixty(tmp_path_factory):
    return EmbeddingStore(write_rows(tmp_path_factory.mktemp("sixty") / "a.h5", 0, 60))


@QUICK
@given(rows=st.one_of(st.slices(60), st.lists(st.integers(-60, 59), max_size=20), hnp.arrays(bool, 60)))
def test_any_index_reads_as_numpy_would(sixty, rows):
    whole = build_rows(0, 60)
    index = np.array(rows, dtype=np.int64) if isinstance(rows, list) else rows
    np.testing.assert_array_equal(sixty.vectors("video/features", rows), whole.vectors["video/features"][index])
    assert sixty.column("source", rows).tolist() == whole.source[index].tolist()


@pytest.mark.parametrize("rows", [[60], [-61], np.zeros(59, bool), [[1]], [0.5], np.ones((2, 2), int)])
def test_a_wrong_index_is_an_index_error(sixty, rows):
    with pytest.raises(IndexError):
        sixty.vectors("video/features", rows)


def test_frame_and_sizes(sixty):
    assert "not opened yet" in repr(EmbeddingStore(sixty.path))
    frame = sixty.frame(slice(10, 20))
    assert list(frame.columns) == list(COLUMNS)
    assert frame["label"].tolist() == build_rows(10, 20).label.tolist()
    assert len(sixty) == 60
    assert "/video/features (60, 16)" in repr(sixty)
    assert sixty.present("audio/features").tolist() == build_rows(0, 60).has_audio.tolist()
    assert "h5py" in sixty.header.created_by
    with pytest.raises(LayoutError, match="choose from: audio/features, video/features"):
        sixty.vectors("video/projections")
    with pytest.raises(LayoutError, match="choose from: key"):
        sixty.column("video/features")


def test_a_store_replaced_by_other_content_is_refused_when_it_is_opened_again(tmp_path):
    path = write_rows(tmp_path / "a.h5", 0, 60)
    store = EmbeddingStore(path)
    assert len(store.column("key")) == 60
    write_rows(path, 0, 60)
    store.close()
    assert len(store.column("key")) == 60, "the same content again does no harm"
    write_rows(path, 0, 70)
    assert len(store.column("key")) == 60, "the open handle keeps its content"
    store.close()
    with pytest.raises(ReplacedError, match="replaced"):
        store.column("key")
    assert EmbeddingStore(path).n_rows == 70


def test_a_store_replaced_while_it_is_being_opened_is_refused_later(tmp_path, monkeypatch):
    path = write_rows(tmp_path / "a.h5", 0, 60)

    def open_and_replace(path: Path) -> h5py.File:
        file = opening(path)
        write_rows(path, 0, 70)
        return file

    opening = store.opening._open_hdf5
    store_of_60 = EmbeddingStore(path)
    with monkeypatch.context() as patch:
        patch.setattr("store.opening._open_hdf5", open_and_replace)
        assert len(store_of_60.column("key")) == 60
    store_of_60.close()
    with pytest.raises(ReplacedError):
        store_of_60.column("key")
