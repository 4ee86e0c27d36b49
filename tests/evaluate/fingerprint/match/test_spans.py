import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate.fingerprint.match.spans import Pair, Span, apart_spans, join_spans, trimmed


def of_pairs(modality, seconds, query, reference, reach):
    """A span of pairs that lie 20 s apart, each of clips that reach so far around their middle."""
    start, end = seconds[0] - reach, seconds[-1] + reach
    return Span(start, end, start + 20, end + 20, {modality: Pair(seconds, query, reference, np.zeros(len(query)))})


def test_windows_are_joined_where_one_goes_on_after_the_other():
    three, two = (Pair(np.zeros(n), np.ones((n, 4)), np.ones((n, 4)), np.zeros(n)) for n in (3, 2))
    first, on = Span(0, 10, 50, 60, {"video": three}), Span(9.5, 20, 59.5, 70, {"video": two})
    [joined] = join_spans([on, first], 2.5)
    assert (joined.query_start, joined.query_end, joined.reference_start, joined.reference_end) == (0, 20, 50, 70)
    assert [len(each) for each in joined.pairs["video"]] == [5] * 4
    [joined] = join_spans([first, replace(on, pairs={"audio": two})], 2.5)
    assert {name: len(pair.query) for name, pair in joined.pairs.items()} == {"video": 3, "audio": 2}


def test_spans_that_overlap_are_cut_in_the_middle_of_their_overlap():
    first, second = Span(0, 6, 10, 16, {}), Span(5, 9, 40, 48, {})
    apart = apart_spans([second, first])
    assert [(each.query_start, each.query_end) for each in apart] == [(0, 5.5), (5.5, 9)]
    assert [(each.reference_start, each.reference_end) for each in apart] == [(10, 15.5), (41, 48)]


def test_a_span_within_another_does_not_end_the_other():
    whole, within, after = Span(0, 20, 10, 30, {}), Span(5, 8, 40, 43, {}), Span(19, 30, 60, 71, {})
    apart = apart_spans([within, after, whole])
    assert [(each.query_start, each.query_end, each.reference_start) for each in apart] == [
        (0, 19.5, 10),
        (19.5, 30, 60.5),
    ]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20)), min_size=1, max_size=6))
def test_spans_kept_apart_do_not_overlap_and_lie_within_their_own_seconds(drawn):
    spans = [Span(start, start + length, start + 50, start + length + 50, {}) for start, length in drawn]
    apart = apart_spans(spans)
    assert apart
    assert all(each.query_start < each.query_end for each in apart)
    assert all(one.query_end <= other.query_start for one, other in itertools.pairwise(apart))
    assert all(each.reference_start == pytest.approx(each.query_start + 50) for each in apart)


def test_seconds_that_do_not_change_alike_are_cut_from_a_span():
    """Six clips are copies; before and after them, query and reference share a level and nothing else."""
    rng = np.random.default_rng(0)
    level, copied = rng.normal(size=24), np.arange(16) // 6 == 1

    def unit(own):
        vectors = level + 1.2 * own
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    own = rng.normal(size=(16, 24))
    query, reference = unit(own), unit(np.where(copied[:, None], own, rng.normal(size=own.shape)))
    seconds = 1 + 0.5 * np.arange(16)
    span = trimmed(of_pairs("audio", seconds, query, reference, 1.25), 1.25)
    assert (span.query_start, span.query_end) == (seconds[6] - 1.25, seconds[11] + 1.25)
    assert (span.reference_start, span.reference_end) == (20 + span.query_start, 20 + span.query_end)
    assert span.pairs["audio"].seconds.tolist() == seconds[copied].tolist()


@pytest.mark.parametrize("is_end", [False, True])
def test_a_cut_never_moves_an_end_outwards(is_end):
    """At a file's end a span reaches less far beyond its last clip, whose audio may be found a moment beside its video."""
    own = np.random.default_rng(0).normal(size=(12, 24))
    own /= np.linalg.norm(own, axis=1, keepdims=True)
    other = own.copy()
    other[-1 if is_end else 0] *= -1
    seconds = 1 + 0.5 * np.arange(12)
    sound = Pair(seconds + (-0.125 if is_end else 0.125), own, own, np.zeros(12))
    both = of_pairs("video", seconds, own, other, 0.8)
    both = replace(both, pairs={**both.pairs, "audio": sound})
    cut = trimmed(both, 1.25)
    assert both.query_start <= cut.query_start and cut.query_end <= both.query_end
    assert [len(pair.seconds) for pair in cut.pairs.values()] == [11, 12]


@pytest.mark.parametrize("great", [1.0, 10.0])
def test_a_copy_is_not_cut_not_even_after_its_one_great_change(great):
    own = np.random.default_rng(0).normal(size=(16, 24))
    own[:3] += great
    query = own / np.linalg.norm(own, axis=1, keepdims=True)
    whole = of_pairs("audio", 1 + 0.5 * np.arange(16), query, query, 1.25)
    assert trimmed(whole, 1.25) == whole
    assert trimmed(empty := Span(0, 1, 0, 1, {}), 1.25) == empty


@pytest.mark.parametrize("is_end", [False, True])
def test_a_copy_stays_whole_where_one_end_of_it_is_encoded_worse(is_end):
    random, turns = np.random.default_rng(0), np.arange(120) / 20  # the same few moments in every part of it
    reference = np.zeros((120, 64), np.float32)
    reference[:, 0], reference[:, 1] = np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)
    loss = np.linspace(0.02, 0.001, 120)[:: -1 if is_end else 1, None]
    query = (reference + loss * random.normal(size=(120, 64))).astype(np.float32)
    span = trimmed(of_pairs("video", np.arange(120) / 2, query, reference, 0.75), 0.75)
    assert span.query_end - span.query_start > 59
