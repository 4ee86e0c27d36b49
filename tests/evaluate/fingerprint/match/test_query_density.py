"""Hops of a query: which of its descriptors are searched, and the expected similarity between them."""

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from evaluate.fingerprint.answer.matcher import numpy_on_one
from evaluate.fingerprint.describe.descriptors import Descriptors
from evaluate.fingerprint.index.library import MODALITIES
from evaluate.fingerprint.match.normalise import NEAREST, TRUE_MATCHES, expected_of_neighbours
from evaluate.fingerprint.match.query_density import SEARCHED, first_of_hops, searched_of_hops
from tests.evaluate.fingerprint.conftest import Signal

HOP = 0.5


def dense(seconds, *, start_seconds=0.0, heard=None):
    """A query of r7 with four descriptors a hop."""
    start = np.arange(0, seconds, HOP / 4)
    vectors = [Signal(number, 40).at(start_seconds + start + 0.9) for number in (7, 1007)]
    yes = np.ones(len(start), bool)
    heard = yes if heard is None else heard(start)
    return Descriptors("q", start, start + 1.8, yes, heard, vectors[0], vectors[1] * heard[:, None])


def test_a_long_window_is_searched_once_a_hop_at_every_place_in_turn_and_a_short_one_everywhere():
    firsts = first_of_hops(np.arange(80) * HOP / 4, HOP)
    assert firsts.tolist() == list(range(0, 80, 4))
    searched = searched_of_hops(firsts, 80)
    assert np.array_equal(searched // 4, np.arange(20))
    assert np.bincount(searched % 4).tolist() == [5, 5, 5, 5]
    for n in (1, 5, SEARCHED):
        assert searched_of_hops(first_of_hops(np.arange(n) * HOP / 4, HOP), n).tolist() == list(range(n))
    assert searched_of_hops(np.arange(40), 40).tolist() == list(range(40))  # one a hop


def test_interpolated_expectations_are_near_to_searched_ones(matcher):
    library, query = matcher.library, dense(10)
    question = library.ask(query)
    for name in MODALITIES:
        assert len(question.searched[name]) == 20
        vectors = getattr(query, name)
        found = library.searches[name].nearest(vectors, 128)
        sources = library.searches[name].source[found.rows]
        expected = np.maximum(
            library.common[name].expected(vectors), expected_of_neighbours(found.similarities, sources)
        )
        assert np.abs(question.expected[name] - expected).max() < 0.15
        assert np.abs(question.expected[name] - expected).mean() < 0.03


def test_evidence_of_a_hop_is_that_of_its_best_descriptor_that_has_the_modality(matcher):
    query = dense(6.2, start_seconds=3, heard=lambda start: (start < 2) | (start > 4.1))
    question = matcher.library.ask(query)
    [(found, laid)] = matcher.library.evidence(question, [7])
    [vectors] = matcher.library.searches["audio"].vectors_of([7])
    for hop, first in enumerate(question.firsts):
        some = [each for each in range(first, min(first + 4, len(query))) if query.has_audio[each]]
        cosines = query.audio[some] @ vectors.T
        expected = question.expected["audio"][some][:, None]
        best = np.clip((cosines - expected) / (1 - expected), 0, 1).max(axis=0, initial=0)
        assert np.allclose(found[1, hop], best, atol=1e-5)
        pairs = question.pairs(laid, np.array([hop]), np.array([20]))
        assert ("audio" in pairs) == bool(some)
        if some:
            assert np.allclose(pairs["audio"].query, query.audio[some[cosines[:, 20].argmax()]])
            assert np.allclose(pairs["audio"].reference, vectors[20])


def test_a_modality_that_no_searched_descriptor_has_is_searched_anyway(matcher):
    query = dense(10, heard=lambda start: np.arange(len(start)) == 1)
    assert 1 not in matcher.library.ask(dense(10)).searched["video"]
    assert matcher.library.ask(query).searched["audio"].tolist() == [1]


def test_the_expectation_from_neighbours_is_the_mean_of_the_sources_after_the_best():
    rng = np.random.default_rng(0)
    similarities = -np.sort(-rng.random((40, 64)).astype(np.float32), axis=1)
    sources = rng.integers(-1, rng.integers(2, 60, (40, 1)), (40, 64))
    expected = []
    for values, found in zip(similarities, sources, strict=True):
        best = sorted((max(values[found == kind]) for kind in set(found.tolist()) - {-1}), reverse=True)
        enough = len(best) >= TRUE_MATCHES + NEAREST
        expected.append(np.mean(best[TRUE_MATCHES : TRUE_MATCHES + NEAREST]) if enough else 0)
    assert 0 < np.count_nonzero(expected) < 40
    assert np.allclose(expected_of_neighbours(similarities, sources), expected, atol=1e-6)
    assert expected_of_neighbours(similarities[:, :3], sources[:, :3]).tolist() == [0] * 40


def test_products_take_one_thread_while_a_query_is_answered():
    def blas():
        return [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]

    with threadpool_limits(2, user_api="blas"):
        before = blas()
        with numpy_on_one():
            assert set(blas()) == {1}
        assert blas() == before
