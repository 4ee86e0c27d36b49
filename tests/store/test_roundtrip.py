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

from store.errors import (
    DamagedStoreError,
    DuplicateRowsError,
    LayoutError,
    ProvenanceError,
    ReplacedError,
)
from store.format import Provenance, Rows
from store.layout import COLUMNS
from store.reader import EmbeddingStore
from store.verify import verify
from store.writer import GivenRows, append, join_parts, part_is_complete, write_part

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
    texts = {
        name: draw(st.lists(TEXT, min_size=n_rows, max_size=n_rows, unique=name == "key"))
        for name, kind in COLUMNS.items()
        if kind == "str"
    }
    label = draw(hnp.arrays(np.int64, n_rows))
    return Rows(
        **texts, **present, label=label, start_seconds=seconds[:, 0], end_seconds=seconds[:, 1], vectors=vectors
    )


def _assert_holds(store: EmbeddingStore, rows: Rows) -> None:
    assert store.n_rows == len(rows)
    assert store.layout == GivenRows(rows).layout
    for name in COLUMNS:
        expected = getattr(rows, name)
        assert store.column(name).dtype == expected.dtype
        assert store.column(name).tolist() == expected.tolist()
    for name, expected in rows.vectors.items():
        np.testing.assert_array_equal(store.vectors(name), expected)


@QUICK
@given(rows=any_rows())
def test_round_trip(provenance, rows):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.h5"
        write_part(path, rows, provenance)
        with EmbeddingStore(path) as store:
            assert store.provenance == provenance
            _assert_holds(store, rows)
        assert [each for each in verify(path) if each.hdf5_path != "/splits"] == []
        assert part_is_complete(path, provenance)


def test_same_rows_same_bytes_at_another_time_and_place(tmp_path, make_rows, provenance):
    write_part(tmp_path / "a.h5", make_rows(0, 300), provenance)
    time.sleep(1.1)  # HDF5 counts in seconds
    write_part(tmp_path / "elsewhere" / "b.h5", make_rows(0, 300), provenance)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "elsewhere" / "b.h5").read_bytes()


@settings(QUICK, max_examples=5)
@given(cuts=st.lists(st.integers(0, 40), max_size=5), order=st.randoms())
def test_joined_parts_equal_rows_written_at_once(make_rows, provenance, cuts, order):
    edges = [0, *sorted(cuts), 40]
    with tempfile.TemporaryDirectory() as folder:
        parts = []
        for start, stop in pairwise(edges):
            parts.append(Path(folder) / f"part-{len(parts)}.h5")
            write_part(parts[-1], make_rows(start, stop), provenance)
        order.shuffle(parts)
        join_parts(parts, Path(folder) / "joined.h5")
        write_part(Path(folder) / "whole.h5", make_rows(0, 40), provenance)
        assert (Path(folder) / "joined.h5").read_bytes() == (Path(folder) / "whole.h5").read_bytes()


def test_joining_across_many_blocks_equals_writing_at_once(tmp_path, make_rows, provenance, monkeypatch):
    monkeypatch.setattr("store.layout.BLOCK_BYTES", 2000)
    monkeypatch.setattr("store.layout.CHUNK_BYTES", 512)
    for start in range(0, 300, 60):
        write_part(tmp_path / f"{start:03d}.h5", make_rows(start, start + 60), provenance)
    join_parts(sorted(tmp_path.glob("*.h5")), tmp_path / "joined.h5")
    write_part(tmp_path / "whole.h5", make_rows(0, 300), provenance)
    assert (tmp_path / "joined.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()
    with EmbeddingStore(tmp_path / "joined.h5") as store:
        _assert_holds(store, make_rows(0, 300))


def test_append_equals_writing_at_once_and_makes_what_is_missing(tmp_path, make_rows, provenance):
    for start in (0, 10, 15):
        append(tmp_path / "a.h5", make_rows(start, start + (10 if start == 0 else 5)), provenance)
    write_part(tmp_path / "whole.h5", make_rows(0, 20), provenance)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.h5", "whole.h5"]


def test_append_copies_full_chunks_and_equals_writing_at_once(tmp_path, make_rows, provenance, monkeypatch):
    monkeypatch.setattr("store.layout.CHUNK_BYTES", 512)  # 8 rows of video/features, 16 of audio/features
    for start, stop in ((0, 4), (4, 100), (100, 104), (104, 230), (230, 230)):
        append(tmp_path / "a.h5", make_rows(start, stop), provenance)
    append(tmp_path / "a.h5", make_rows(230, 240, label_name=["a much longer name"] * 10), provenance)
    names = [f"class {number // 8}" for number in range(230)] + ["a much longer name"] * 10
    write_part(tmp_path / "whole.h5", make_rows(0, 240, label_name=names), provenance)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()
    with h5py.File(tmp_path / "a.h5", "r+") as file:  # HDF5 mends its own checksum: only sha256 tells
        file["video/features"][3] = 0
    with pytest.raises(DamagedStoreError, match="/video/features does not match its checksum"):
        append(tmp_path / "a.h5", make_rows(240, 250), provenance)


def test_chunks_of_other_sizes_are_not_copied(tmp_path, make_rows, provenance):
    write_part(tmp_path / "a.h5", make_rows(0, 60), provenance)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        values, digest = file["video/features"][:], file["video/features"].attrs["sha256"]
        del file["video/features"]
        file.create_dataset("video/features", data=values, chunks=(7, 3)).attrs["sha256"] = digest
    append(tmp_path / "a.h5", make_rows(60, 90), provenance)
    write_part(tmp_path / "whole.h5", make_rows(0, 90), provenance)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_the_same_clip_twice_is_refused(tmp_path, make_rows, provenance):
    write_part(tmp_path / "a.h5", make_rows(0, 10), provenance)
    write_part(tmp_path / "b.h5", make_rows(9, 20), provenance)
    write_part(tmp_path / "c.h5", make_rows(20, 30), provenance)
    before = (tmp_path / "a.h5").read_bytes()
    with pytest.raises(DuplicateRowsError, match="00000004-00001"):
        join_parts([tmp_path / f"{name}.h5" for name in "cba"], tmp_path / "out.h5")
    with pytest.raises(DuplicateRowsError, match="00000004-00001"):
        append(tmp_path / "a.h5", make_rows(9, 12), provenance)
    with pytest.raises(DuplicateRowsError, match="'same'"):
        write_part(tmp_path / "d.h5", make_rows(0, 3, key=["same"] * 3, start_seconds=[0] * 3), provenance)
    assert (tmp_path / "a.h5").read_bytes() == before
    assert not (tmp_path / "out.h5").exists()


def test_parts_whose_keys_interleave_are_joined_when_no_clip_is_in_both(tmp_path, make_rows, provenance):
    rows = make_rows(0, 8)
    for half in (0, 1):
        chosen = np.arange(half, 8, 2)
        columns = {name: getattr(rows, name)[chosen] for name in COLUMNS}
        vectors = {name: values[chosen] for name, values in rows.vectors.items()}
        write_part(tmp_path / f"{half}.h5", Rows(**columns, vectors=vectors), provenance)
    join_parts([tmp_path / "1.h5", tmp_path / "0.h5"], tmp_path / "out.h5")
    assert sorted(EmbeddingStore(tmp_path / "out.h5").column("key")) == sorted(rows.key)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("encoder_sha256", "ff" * 32),
        ("encoder_config", {"n_clips": 3}),
        ("shards_fingerprint", "ee" * 32),
        ("dataset", "ucf101"),
        ("model", "untrained"),
    ],
)
def test_other_provenance_is_an_error_that_names_place_and_remedy(tmp_path, make_rows, provenance, field, value):
    other = Provenance(**{**provenance.__dict__, field: value})
    write_part(tmp_path / "a.h5", make_rows(0, 5), provenance)
    write_part(tmp_path / "b.h5", make_rows(10, 15), other)
    attempts = (
        lambda: join_parts([tmp_path / "a.h5", tmp_path / "b.h5"], tmp_path / "out.h5"),
        lambda: append(tmp_path / "a.h5", make_rows(5, 10), other),
        lambda: EmbeddingStore(tmp_path / "a.h5").expect(**{field: value}),
    )
    for attempt in attempts:
        with pytest.raises(ProvenanceError) as caught:
            attempt()
        assert f"attribute /{field} is" in str(caught.value)
        assert str(caught.value.path) in str(caught.value)
        assert caught.value.remedy in str(caught.value)
    assert not part_is_complete(tmp_path / "a.h5", other)
    EmbeddingStore(tmp_path / "a.h5").expect(**provenance.__dict__)


def test_expect_knows_its_fields(tmp_path, make_rows, provenance):
    write_part(tmp_path / "a.h5", make_rows(0, 5), provenance)
    with pytest.raises(TypeError, match="encoder_sha"):
        EmbeddingStore(tmp_path / "a.h5").expect(encoder_sha="x")


def test_other_vectors_are_refused(tmp_path, make_rows, provenance):
    write_part(tmp_path / "a.h5", make_rows(0, 5), provenance)
    write_part(tmp_path / "b.h5", make_rows(10, 15, n_dims=8), provenance)
    with pytest.raises(LayoutError, match=r"b\.h5: holds .*/video/features \(5, 8\)"):
        join_parts([tmp_path / "a.h5", tmp_path / "b.h5"], tmp_path / "out.h5")
    with pytest.raises(LayoutError, match="no parts"):
        join_parts([], tmp_path / "out.h5")


@QUICK
@given(rows=st.one_of(st.slices(60), st.lists(st.integers(-60, 59), max_size=20), hnp.arrays(bool, 60)))
def test_any_index_reads_as_numpy_would(tmp_path_factory, make_rows, provenance, rows):
    folder = tmp_path_factory.getbasetemp() / "indexed"
    if not folder.exists():
        write_part(folder / "a.h5", make_rows(0, 60), provenance)
    whole = make_rows(0, 60)
    index = np.array(rows, dtype=np.int64) if isinstance(rows, list) else rows
    with EmbeddingStore(folder / "a.h5") as store:
        np.testing.assert_array_equal(store.vectors("video/features", rows), whole.vectors["video/features"][index])
        assert store.column("source", rows).tolist() == whole.source[index].tolist()


@pytest.mark.parametrize("rows", [[60], [-61], np.zeros(59, bool), [[1]], [0.5], np.ones((2, 2), int)])
def test_a_wrong_index_is_an_index_error(tmp_path, make_rows, provenance, rows):
    write_part(tmp_path / "a.h5", make_rows(0, 60), provenance)
    with pytest.raises(IndexError):
        EmbeddingStore(tmp_path / "a.h5").vectors("video/features", rows)


def test_frame_and_sizes(tmp_path, make_rows, provenance):
    write_part(tmp_path / "a.h5", make_rows(0, 60), provenance)
    store = EmbeddingStore(tmp_path / "a.h5")
    assert "not opened yet" in repr(store)
    frame = store.frame(slice(10, 20))
    assert list(frame.columns) == list(COLUMNS)
    assert frame["label"].tolist() == make_rows(10, 20).label.tolist()
    assert len(store) == 60
    assert store.vector_names == ("audio/features", "video/features")
    assert "/video/features (60, 16)" in repr(store)
    assert store.present("audio/features").tolist() == make_rows(0, 60).has_audio.tolist()
    assert "h5py" in store.created_by
    with pytest.raises(LayoutError, match="choose from: audio/features, video/features"):
        store.vectors("video/projections")
    with pytest.raises(LayoutError, match="choose from: key"):
        store.column("video/features")


def test_a_store_replaced_by_other_content_is_refused_by_who_opens_it_again(tmp_path, make_rows, provenance):
    write_part(tmp_path / "a.h5", make_rows(0, 60), provenance)
    store = EmbeddingStore(tmp_path / "a.h5")
    first = store.vectors("video/features")
    append(tmp_path / "a.h5", make_rows(60, 70), provenance)
    np.testing.assert_array_equal(store.vectors("video/features"), first)  # the open handle keeps what it had
    store.close()
    with pytest.raises(ReplacedError, match="replaced"):
        store.vectors("video/features")
    assert EmbeddingStore(tmp_path / "a.h5").n_rows == 70
    write_part(tmp_path / "b.h5", make_rows(0, 60), provenance)
    store = EmbeddingStore(tmp_path / "b.h5")
    assert store.n_rows == 60
    write_part(tmp_path / "b.h5", make_rows(0, 60), provenance)
    store.close()
    assert store.n_rows == 60  # written again with the same content: no harm


def test_a_damaged_part_is_not_joined(tmp_path, make_rows, provenance):
    write_part(tmp_path / "a.h5", make_rows(0, 60), provenance)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["label"][3] = 7777
    with pytest.raises(DamagedStoreError, match=r"a\.h5: /label does not match its checksum"):
        join_parts([tmp_path / "a.h5"], tmp_path / "out.h5")
    assert not (tmp_path / "out.h5").exists()
    assert not part_is_complete(tmp_path / "a.h5", provenance)
