"""Exports hold everything, are the same bytes again, and need no pickle."""

import json
import time

import numpy as np
import pyarrow.parquet as pq
import pytest

from store.errors import LayoutError
from store.export import PROVENANCE_KEY, export
from store.format import Rows
from store.layout import COLUMNS, TEXT_COLUMNS
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


def from_parquet(path):
    """Return the arrays of a Parquet file, its provenance among them."""
    table = pq.read_table(path)
    arrays = {name: np.array([*table[name].to_numpy()]) for name in table.column_names}
    return {**arrays, PROVENANCE_KEY: table.schema.metadata[PROVENANCE_KEY.encode()].decode()}


@pytest.mark.parametrize(("suffix", "load"), [(".parquet", from_parquet), (".npz", np.load)])
def test_an_export_holds_everything_or_what_was_chosen(store, tmp_path, suffix, load):
    path = tmp_path / f"a{suffix}"
    export(store, path)
    found = load(path)  # np.load refuses pickle
    assert [*found] == [*COLUMNS, *store.vector_names, PROVENANCE_KEY]
    for name in (*COLUMNS, *store.vector_names):
        assert found[name].tolist() == store.read(name).tolist()
        assert name in TEXT_COLUMNS or found[name].dtype == store.read(name).dtype
    assert PROVENANCE.__dict__.items() <= json.loads(str(found[PROVENANCE_KEY])).items()
    for chosen in (["audio/features"], []):
        export(store, path, chosen)
        assert [*load(path)] == [*COLUMNS, *chosen, PROVENANCE_KEY]
    empty = Rows(**{name: [] for name in COLUMNS}, vectors={"video/features": np.zeros((0, 3))})
    write_part(tmp_path / "empty.h5", empty, PROVENANCE)
    export(EmbeddingStore(tmp_path / "empty.h5"), path)
    assert len(load(path)["key"]) == len(load(path)["video/features"]) == 0


@pytest.mark.parametrize("suffix", [".parquet", ".npz"])
def test_exports_are_the_same_bytes_again_and_leave_nothing_on_failure(store, tmp_path, suffix):
    export(store, tmp_path / f"a{suffix}")
    time.sleep(2.1 if suffix == ".npz" else 0)  # zip counts in steps of two seconds
    export(store, tmp_path / f"b{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    with pytest.raises(LayoutError, match="choose from: audio/features"):
        export(store, tmp_path / f"c{suffix}", ["audio/projections"])
    assert not list(tmp_path.glob("*c.*")), "a failed export leaves nothing"
