"""Exports hold everything, are the same bytes again, and need no pickle."""

import json
import time

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from store.errors import LayoutError
from store.export import PROVENANCE_KEY, export
from store.format import Rows
from store.layout import COLUMNS
from store.reader import EmbeddingStore
from store.writer import write_part
from tests.store.made_rows import PROVENANCE, build_rows, write_rows


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr("store.layout.BLOCK_BYTES", 2000)  # several blocks
    monkeypatch.setattr("store.layout.CHUNK_BYTES", 160)
    vectors = build_rows(0, 70).vectors
    vectors["video/projections"] = vectors["video/features"].astype(np.float16)
    return EmbeddingStore(write_rows(tmp_path / "a.h5", 0, 70, vectors=vectors))


def test_parquet_holds_everything(store, tmp_path):
    export(store, tmp_path / "a.parquet")
    frame = pd.read_parquet(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(frame[list(COLUMNS)], store.frame(), check_dtype=False)
    for name in store.vector_names:
        np.testing.assert_array_equal(np.stack(frame[name]), store.vectors(name))
        assert np.stack(frame[name]).dtype == store.vectors(name).dtype
    recorded = json.loads(pq.read_schema(tmp_path / "a.parquet").metadata[PROVENANCE_KEY.encode()])
    assert PROVENANCE.__dict__.items() <= recorded.items()


def test_npz_holds_everything_without_pickle(store, tmp_path):
    export(store, tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        assert set(archive) == {*COLUMNS, *store.vector_names, PROVENANCE_KEY}
        for name in (*COLUMNS, *store.vector_names):
            assert archive[name].tolist() == store.read(name).tolist()
        assert PROVENANCE.__dict__.items() <= json.loads(str(archive[PROVENANCE_KEY])).items()


def test_exports_of_chosen_vectors_and_of_no_rows(store, tmp_path):
    export(store, tmp_path / "a.parquet", ["audio/features"])
    assert pq.read_schema(tmp_path / "a.parquet").names == [*COLUMNS, "audio/features"]
    export(store, tmp_path / "a.npz", [])
    assert set(np.load(tmp_path / "a.npz")) == {*COLUMNS, PROVENANCE_KEY}
    empty = Rows(**{name: [] for name in COLUMNS}, vectors={"video/features": np.zeros((0, 3))})
    write_part(tmp_path / "empty.h5", empty, PROVENANCE)
    export(EmbeddingStore(tmp_path / "empty.h5"), tmp_path / "empty.parquet")
    assert len(pd.read_parquet(tmp_path / "empty.parquet")) == 0
    export(EmbeddingStore(tmp_path / "empty.h5"), tmp_path / "empty.npz")
    assert np.load(tmp_path / "empty.npz")["video/features"].shape == (0, 3)


@pytest.mark.parametrize("suffix", [".parquet", ".npz"])
def test_exports_are_the_same_bytes_again_and_leave_nothing_on_failure(store, tmp_path, suffix):
    export(store, tmp_path / f"a{suffix}")
    time.sleep(2.1)  # zip counts in steps of two seconds
    export(store, tmp_path / f"b{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    with pytest.raises(LayoutError, match="choose from: audio/features"):
        export(store, tmp_path / f"c{suffix}", ["audio/projections"])
    assert not list(tmp_path.glob("*c.*")), "a failed export leaves nothing"
