"""The search against a slow one that looks at all pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from store.errors import SearchError
from store.search import Exclude, nearest


def _slow(queries, references, k, exclude=None):
    """All pairs, one at a time; sorted by falling score, then by index."""
    indices = np.full((len(queries), k), -1, np.int64)
    scores = np.full((len(queries), k), -np.inf, np.float32)
    for number, query in enumerate(np.asarray(queries, np.float64)):
        found = []
        for row, reference in enumerate(np.asarray(references, np.float64)):
            if exclude is not None and exclude.queries[number] == exclude.references[row]:
                continue
            lengths = np.linalg.norm(query) * np.linalg.norm(reference)
            found.append((-np.float32(query @ reference / lengths if lengths else 0.0), row))
        for rank, (score, row) in enumerate(sorted(found)[:k]):
            indices[number, rank], scores[number, rank] = row, -score
    return indices, scores


def _same(found, expected):
    np.testing.assert_array_equal(found.indices, expected[0])
    np.testing.assert_allclose(found.scores, expected[1], atol=1e-7)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_equals_the_slow_version(dtype, monkeypatch):
    monkeypatch.setattr("store.search.REFERENCE_BLOCK_BYTES", 8 * 24 * 37)  # many blocks
    monkeypatch.setattr("store.search.QUERY_BLOCK", 7)
    rng = np.random.default_rng(0)
    queries, references = rng.normal(size=(20, 24)).astype(dtype), rng.normal(size=(300, 24)).astype(dtype)
    exclude = Exclude(rng.integers(0, 5, 20).astype(str), rng.integers(0, 5, 300).astype(str))
    for k in (1, 5, 50):
        _same(nearest(queries, references, k), _slow(queries, references, k))
        excluded = nearest(queries, references, k, exclude=exclude)
        _same(excluded, _slow(queries, references, k, exclude))


def test_plain_lists_are_searched_like_arrays():
    lists = [[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]
    _same(nearest(lists[:1], lists, 2), _slow(lists[:1], lists, 2))


def test_ties_go_to_the_lower_index_wherever_the_rows_lie(monkeypatch):
    monkeypatch.setattr("store.search.REFERENCE_BLOCK_BYTES", 8 * 129 * 50)
    rng = np.random.default_rng(1)
    distinct = rng.normal(size=(7, 129)).astype(np.float32)
    kinds = rng.integers(0, 7, 501)
    references = distinct[kinds] * np.array([1, 2, 0.5, 4], np.float32)[rng.integers(0, 4, 501)][:, None]
    found = nearest(distinct, references, 40)
    for kind in range(7):
        assert found.indices[kind].tolist() == np.flatnonzero(kinds == kind)[:40].tolist()
    np.testing.assert_array_equal(found.scores, np.ones((7, 40), np.float32))


def test_differences_below_the_error_of_float32_products_are_distinguished(monkeypatch):
    monkeypatch.setattr("store.search.REFERENCE_BLOCK_BYTES", 8 * 600 * 40)
    rng = np.random.default_rng(3)
    base = rng.normal(size=600)
    references = (base + 3e-5 * rng.normal(size=(1500, 600))).astype(np.float32)
    queries = (base + 0.2 * rng.normal(size=(60, 600))).astype(np.float32)

    def ranked(dtype):
        wide = [each.astype(dtype) for each in (queries, references)]
        units = [each / np.linalg.norm(each, axis=1)[:, None] for each in wide]
        return np.argsort(-(units[0] @ units[1].T).astype(np.float32), axis=1, kind="stable")[:, :5]

    expected = ranked(np.float64)
    assert (ranked(np.float32) != expected).any(axis=1).mean() > 0.5, "too easy: float32 alone would nearly do"
    np.testing.assert_array_equal(nearest(queries, references, 5).indices, expected)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_few_small_whole_numbers_with_many_ties_and_zeros(data):
    def whole_numbers(*shape, least):
        return data.draw(hnp.arrays(np.float32, shape, elements=st.integers(least, 2)))

    n_queries, n_references = (data.draw(st.integers(0, most)) for most in (4, 12))
    n_dims, k = (data.draw(st.integers(1, most)) for most in (4, 14))
    queries, references = (whole_numbers(n, n_dims, least=-2) for n in (n_queries, n_references))
    exclude = Exclude(whole_numbers(n_queries, least=0), whole_numbers(n_references, least=0))
    _same(nearest(queries, references, k, exclude=exclude), _slow(queries, references, k, exclude))


def test_huge_and_tiny_values():
    queries = np.array([[1e30, 1e30], [1e-30, 0]], np.float32)
    references = np.array([[1e-38, 1e-38], [3e38, 0], [0, -1]], np.float32)
    assert nearest(queries, references, 1).indices.tolist() == [[0], [1]]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"k": 0}, "k is 0"),
        ({"queries": np.ones((2, 4), np.float32)}, "do not fit"),
        ({"queries": np.ones(3, np.float32)}, "queries are float32 of shape"),
        ({"references": np.ones((2, 3), int)}, "references are int64"),
        ({"references": np.full((2, 3), np.nan, np.float32)}, "references hold NaN"),
        ({"exclude": Exclude(np.zeros(2), np.zeros(3))}, "exclude has (2,) and (3,) ids"),
    ],
)
def test_wrong_questions(changes, said):
    ones = np.ones((2, 3), np.float32)
    arguments = {"queries": ones, "references": ones, "k": 1, **changes}
    with pytest.raises(SearchError) as caught:
        nearest(**arguments)
    assert said in str(caught.value)
