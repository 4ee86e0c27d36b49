"""Building a search: flat and compressed hold the same rows, and many rows are never copied at once."""

import tracemalloc

import numpy as np
import pytest

from evaluate.fingerprint.describe.descriptors import Descriptors
from evaluate.fingerprint.index import search
from evaluate.fingerprint.index.search import build_search

DIMS, ROWS = 32, 250


@pytest.fixture(scope="module")
def described():
    """80 sources of 250 rows; every third row has no video, and one source has no audio."""
    rng = np.random.default_rng(0)
    start = np.arange(ROWS) / 2
    has = np.arange(ROWS) % 3 > 0
    vectors = [rng.normal(size=(2, ROWS, DIMS)).astype(np.float32) for _ in range(80)]
    return [
        Descriptors(f"{n}", start, start + 1, has, np.full(ROWS, n != 5), picture, None if n == 5 else sound)
        for n, (picture, sound) in enumerate(vectors)
    ]


def test_rows_stand_in_the_order_of_sources_and_time(described):
    built = build_search(described, "video")
    expected = np.concatenate([each.video[each.has_video] for each in described])
    assert np.array_equal(built.vectors(np.arange(len(built))), expected)
    assert np.array_equal(built.source, np.repeat(np.arange(80), 166))
    assert np.array_equal(built.middle_seconds[:3], np.float32([1.0, 1.5, 2.5]))
    assert built.nearest(expected[[0, 200]], 1).rows.tolist() == [[0], [200]]
    assert build_search(described, "audio").rows_of(5) == slice(1250, 1250)
    assert len(build_search([], "audio")) == 0


def test_codes_are_of_the_rows_that_flat_search_has(described):
    flat, packed = build_search(described, "video"), build_search(described, "video", flat_below_rows=100)
    rows = np.arange(400, 700)
    given, coded = flat.vectors(rows), packed.vectors(rows)
    cosine = (given * coded).sum(1) / np.linalg.norm(given, axis=1) / np.linalg.norm(coded, axis=1)
    assert cosine.mean() > 0.9  # of other rows it would be 0
    assert "x8 " in packed.method  # whole bytes, as codes of large archives have
    assert np.array_equal(flat.source, packed.source)


def test_the_vectors_of_sources_are_those_of_their_rows(described, monkeypatch):
    """The audio of the sixth source is missing, and a block holds two and a half sources."""
    monkeypatch.setattr(search, "ROWS_AT_ONCE", 600)
    for built in (build_search(described[:10], "audio"), build_search(described[:10], "audio", flat_below_rows=1)):
        sources = [7, 5, 2, 9, 0, 5]
        for source, vectors in zip(sources, built.vectors_of(sources), strict=True):
            assert np.array_equal(vectors, built.vectors(np.arange(len(built))[built.rows_of(source)]))
        assert list(built.vectors_of([])) == []
        assert [len(each) for each in built.vectors_of([5])] == [0]


def test_memory_does_not_grow_with_the_vectors(described, monkeypatch):
    """The codes in FAISS are not traced; Python may hold only the training rows and the rows' numbers."""
    monkeypatch.setattr(search, "TRAINING_ROWS", 2000)
    monkeypatch.setattr(search, "ADDED_AT_ONCE", 1000)
    build_search(described[:10], "video", flat_below_rows=1)  # loads FAISS
    tracemalloc.start()
    build_search(described, "video", flat_below_rows=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.6 * sum(each.video[each.has_video].nbytes for each in described)


def test_similarities_to_codes_are_cosines():
    """Codes stand for means of unit vectors, which are shorter: 0.8 here."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(4000, DIMS)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    start, yes = np.arange(4000) / 2, np.ones(4000, bool)
    packed = build_search([Descriptors("0", start, start + 1, yes, yes, vectors, None)], "video", flat_below_rows=1)
    coded = packed.vectors(np.arange(4000))
    assert np.linalg.norm(coded, axis=1).mean() == pytest.approx(1, abs=0.01)
    found = packed.nearest(vectors[:200], 1)
    cosines = (vectors[:200] * coded[found.rows[:, 0]]).sum(1)
    assert np.allclose(found.similarities[:, 0], cosines, atol=1e-3)
