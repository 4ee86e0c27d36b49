"""One store object in many processes: inherited through fork, or sent as a pickle."""

import multiprocessing
import pickle

import numpy as np
import pytest

from store.errors import ReplacedError
from store.reader import EmbeddingStore
from tests.store.made_rows import build_rows, write_rows


@pytest.fixture
def store(tmp_path):
    return EmbeddingStore(write_rows(tmp_path / "a.h5", 0, 3000))


def _read_many(store: EmbeddingStore, seed: int, answers) -> None:
    inherited = store._file
    expected = build_rows(0, 3000).vectors["video/features"]
    rows = np.random.default_rng(seed).integers(0, 3000, 150)
    wrong = sum((store.vectors("video/features", [row]) != expected[row]).any() for row in rows)
    answers.put((wrong, bool(inherited)))  # a closed h5py.File is false


def test_forked_children_close_the_inherited_handle_and_read_beside_the_parent(store):
    context = multiprocessing.get_context("fork")
    assert store.n_rows == 3000
    answers = context.Queue()
    children = [context.Process(target=_read_many, args=(store, seed, answers)) for seed in range(3)]
    for child in children:
        child.start()  # the store goes through fork, not through pickle
    assert [answers.get(timeout=60) for _ in children] == [(0, False)] * 3
    _read_many(store, 99, answers)
    assert answers.get(timeout=60) == (0, True)
    for child in children:
        child.join()
        assert child.exitcode == 0


def test_pickle_carries_no_handle_and_remembers_the_content(store):
    assert store.n_rows == 3000
    copy, late = (pickle.loads(pickle.dumps(store)) for _ in range(2))  # noqa: S301 - our own bytes
    store.close()
    assert copy.column("label").tolist() == build_rows(0, 3000).label.tolist()
    write_rows(store.path, 0, 3001)
    with pytest.raises(ReplacedError):
        late.column("label")
