"""One store object in many processes: forked, spawned, and in a DataLoader."""

import multiprocessing
import pickle

import numpy as np
import pytest

from store.errors import ReplacedError
from store.reader import EmbeddingStore
from store.writer import append, write_part


@pytest.fixture
def path(tmp_path, make_rows, provenance):
    write_part(tmp_path / "a.h5", make_rows(0, 3000), provenance)
    return tmp_path / "a.h5"


def _sum(store: EmbeddingStore, start: int) -> tuple[float, str]:
    vectors = store.vectors("video/features", slice(start, start + 100))
    return float(vectors.sum(dtype=np.float64)), store.column("source", [start])[0]


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("opened", [True, False])
def test_pool_workers_read_what_the_parent_reads(path, method, opened):
    store = EmbeddingStore(path)
    if opened:
        assert store.n_rows == 3000
    starts = range(0, 3000, 300)
    with multiprocessing.get_context(method).Pool(2) as pool:
        found = pool.starmap(_sum, [(store, start) for start in starts])
    assert found == [_sum(store, start) for start in starts]


def _opens_its_own(store: EmbeddingStore, answers) -> None:
    inherited = store._file
    store.column("key", [0])
    answers.put(not inherited and bool(store._file))  # a closed h5py.File is false


def test_a_forked_child_closes_the_inherited_handle_and_opens_its_own(path):
    context = multiprocessing.get_context("fork")
    store = EmbeddingStore(path)
    assert store.n_rows == 3000
    answers = context.Queue()
    child = context.Process(target=_opens_its_own, args=(store, answers))  # through fork, not through pickle
    child.start()
    assert answers.get(timeout=60)
    child.join()
    assert store._file
    assert store.column("key", [0])[0] == "00000000-00000"


def _read_many(store: EmbeddingStore, seed: int, answers) -> None:
    rng = np.random.default_rng(seed)
    expected = np.arange(16) * 0.3 + 1
    wrong = 0
    for row in rng.integers(0, 3000, 150):
        found = store.vectors("video/features", slice(row, row + 1))[0]
        wrong += not np.allclose(found, np.sin(row * 1.7 + expected), atol=1e-4)
    answers.put(wrong)


def test_forked_children_with_an_inherited_handle_and_the_parent_read_at_once(path):
    context = multiprocessing.get_context("fork")
    store = EmbeddingStore(path)
    assert store.n_rows == 3000
    answers = context.Queue()
    children = [context.Process(target=_read_many, args=(store, seed, answers)) for seed in range(3)]
    for child in children:
        child.start()
    _read_many(store, 99, answers)
    assert [answers.get(timeout=60) for _ in range(4)] == [0, 0, 0, 0]
    for child in children:
        child.join()
        assert child.exitcode == 0


def test_pickle_carries_no_handle_and_remembers_the_content(path, make_rows, provenance):
    store = EmbeddingStore(path)
    assert store.n_rows == 3000
    copy, late = (pickle.loads(pickle.dumps(store)) for _ in range(2))  # noqa: S301 - our own bytes
    store.close()
    assert copy.column("label").tolist() == make_rows(0, 3000).label.tolist()
    append(path, make_rows(3000, 3001), provenance)
    with pytest.raises(ReplacedError):
        late.column("label")


class _Clips:
    """A map-style data set for torch."""

    def __init__(self, store: EmbeddingStore) -> None:
        self.store = store

    def __len__(self) -> int:
        return len(self.store)

    def __getitem__(self, row: int) -> tuple[np.ndarray, int]:
        return self.store.vectors("video/features", [row])[0], int(self.store.column("label", [row])[0])


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_in_a_dataloader_with_workers(path, make_rows, provenance, tmp_path, method):
    from torch.utils.data import DataLoader

    write_part(tmp_path / "small.h5", make_rows(0, 200), provenance)
    clips = _Clips(EmbeddingStore(tmp_path / "small.h5"))
    loader = DataLoader(clips, batch_size=16, num_workers=2, multiprocessing_context=method)
    for _ in range(2 if method == "fork" else 1):
        batches = list(loader)
        vectors = np.concatenate([batch[0].numpy() for batch in batches])
        labels = np.concatenate([batch[1].numpy() for batch in batches])
        np.testing.assert_array_equal(vectors, make_rows(0, 200).vectors["video/features"])
        np.testing.assert_array_equal(labels, make_rows(0, 200).label)
