from itertools import pairwise

import numpy as np
import pytest

from evaluate.fingerprint.answer.answers import records
from evaluate.fingerprint.answer.matcher import DESCRIPTORS_A_HOP, Matcher
from evaluate.fingerprint.describe.descriptors import Descriptors
from evaluate.fingerprint.index.library import build_library
from tests.evaluate.fingerprint.conftest import Signal, answered, describe

SECONDS = ("query_start_seconds", "query_end_seconds", "reference_start_seconds", "reference_end_seconds")


def test_a_clip_is_found_with_its_seconds_at_another_speed(matcher):
    source = Signal(7, 40)
    [match] = answered(matcher, describe("q", lambda t: source.at(12 + 1.12 * t), 10, noise=0.3)).decided
    assert match.reference == "r7"
    assert match.reference_start_seconds == pytest.approx(12, abs=0.5)
    assert match.reference_end_seconds == pytest.approx(12 + 11.2, abs=0.5)


def test_dense_descriptors_find_a_query_that_begins_between_two_of_its_reference(matcher):
    sparse, dense = (
        matcher.match(describe("q", lambda t: Signal(7, 40).at(12.27 + t), 9.3, hop=hop))[0]
        for hop in (0.5, 0.5 / DESCRIPTORS_A_HOP)
    )
    assert sparse.reference == dense.reference == "r7"
    assert dense.score > sparse.score + 1
    assert dense.query_start_seconds == 0
    assert dense.reference_start_seconds == pytest.approx(12.27, abs=0.1)
    assert dense.reference_end_seconds - dense.query_end_seconds == pytest.approx(12.27, abs=0.1)


@pytest.mark.parametrize("n_clips", [21, 22, 24, 29])
def test_spans_end_with_their_files(n_clips, matcher):
    seconds = 1.8 + 0.125 * (n_clips - 1)
    to_the_end = lambda t: Signal(7, 40).at(40 - 1.16 * (seconds - t))  # noqa: E731 - faster
    found = matcher.match(describe("q", to_the_end, seconds, hop=0.125))
    assert found
    assert max(match.query_end_seconds for match in found) <= seconds
    assert max(match.reference_end_seconds for match in found) <= 40


def test_queries_without_video_or_audio_are_found_by_the_other_and_one_second_is_named(matcher):
    def source(number):
        return lambda t: Signal(number, 40).at(t + 5)

    muted = describe("muted", source(3), 8)
    black = describe("black", source(0), 8, video=False, audio=source(1003))
    for query in (muted, black):
        assert [match.reference for match in answered(matcher, query).decided] == ["r3"]
    assert answered(matcher, describe("neither", source(3), 8, video=False)).matches == ()
    assert answered(matcher, describe("q", source(4), 1.0, audio=source(1004))).matches[0].reference == "r4"


def test_a_still_image_names_itself_and_decides_nothing():
    def still(number):
        return lambda t: np.repeat(Signal(number, 4).knots[:1], len(t), 0)

    references = [describe(f"r{i}", still(i) if i < 10 else Signal(i, 60).at, 60) for i in range(30)]
    matcher = Matcher(build_library(references, 0.5))
    answer = answered(matcher, describe("q", still(3), 10))
    assert answer.matches[0].reference == "r3"  # one moment, however long: it names, and hardly decides
    assert answer.reason.startswith("undecided") and not answer.decided
    assert not answered(matcher, describe("other", still(77), 10)).decided


def test_an_intro_that_many_videos_share_matches_none_of_them():
    intro = Signal(999, 10)

    def with_intro(number):
        own = Signal(number, 60)
        return lambda t: np.where((t < 6)[:, None], intro.at(t), own.at(t))

    references = [describe(f"r{i}", with_intro(i), 30) for i in range(30)]
    unmatched = [describe(f"u{i}", Signal(2000 + i, 30).at, 30) for i in range(30)]
    matcher = Matcher(build_library(references, 0.5, background=unmatched))
    assert not answered(matcher, describe("intro", intro.at, 6)).decided
    decided = answered(matcher, describe("q", with_intro(8), 20)).decided
    assert [match.reference for match in decided] == ["r8"]


def test_a_three_hour_reference_is_found_at_its_second():
    long = Signal(1, 3 * 3600)
    others = [describe(f"r{i}", Signal(i, 60).at, 60) for i in range(5, 9)]
    matcher = Matcher(build_library([describe("long", long.at, 3 * 3600), *others], 0.5))
    best, *_ = answered(matcher, describe("q", lambda t: long.at(t + 9000), 10)).decided
    assert best.reference == "long"
    assert best.reference_start_seconds == pytest.approx(9000, abs=0.5)


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([(7, 3, 3)] * 3, id="loop"),
        pytest.param([(7, 2, 5), (8, 9, 5)], id="compilation of two"),
        pytest.param([(7, 2, 5), (7, 20, 5)], id="compilation of one"),
        pytest.param([(7, 0, 4), (8, 11, 4), (7, 5, 4)], id="A-B-A"),
        pytest.param([(7, 0, 4), (5000, 0, 8)], id="intro"),
        pytest.param([(5000, 0, 3), (7, 0, 40), (5001, 0, 3)], id="whole in a longer one"),
    ],
)
def test_spans_end_where_the_sameness_ends(matcher, pieces):
    """Pieces are (source, its first second, seconds); sources from 5000 on are not in the archive."""
    starts = np.cumsum([0, *(seconds for _, _, seconds in pieces)])

    def at(shift):
        def cut(t):
            first, last = (np.searchsorted(starts[1:-1], t + end, "right") for end in (-0.85, 0.85))
            made = [Signal(shift + source, 40).at(t - starts[i] + at) for i, (source, at, _) in enumerate(pieces)]
            across = Signal(shift + 7000, 40).at(t)  # a clip across a cut is like neither side
            return np.where((first == last)[:, None], np.stack(made)[first, np.arange(len(t))], across)

        return cut

    truth = [
        (f"r{source}", starts[i], starts[i + 1], first, first + seconds)
        for i, (source, first, seconds) in enumerate(pieces)
        if source < 5000
    ]
    decided = answered(matcher, describe("q", at(0), float(starts[-1]), audio=at(1000))).decided
    found = sorted((each.query_start_seconds, each) for each in decided)
    assert [each.reference for _, each in found] == [reference for reference, *_ in truth]
    for (_, each), (_, *seconds) in zip(found, truth, strict=True):
        assert [vars(each)[name] for name in SECONDS] == pytest.approx(seconds, abs=0.5)
    for (_, before), (_, after) in pairwise(found):
        assert before.reference != after.reference or before.query_end_seconds <= after.query_start_seconds


def test_audio_that_disagrees_lowers_the_score_and_each_verdict_is_told(matcher):
    def source(number):
        return lambda t: Signal(number, 40).at(t + 5)

    muted, own, other = (
        matcher.match(describe("q", source(3), 8, audio=number and source(number)))[0] for number in (None, 1003, 9999)
    )
    assert own.score > muted.score > other.score > matcher.threshold
    assert muted.audio_score is None and muted.video_score == pytest.approx(muted.score)
    assert other.audio_score < 0 < matcher.threshold < other.video_score
    assert own.audio_score > matcher.threshold
    [record, *_] = records([answered(matcher, describe("q", Signal(3, 40).at, 8))])
    assert record["video_score"] > matcher.threshold and record["audio_score"] is None


def test_a_hum_matches_no_other_hum():
    """Other recordings of a kind are alike throughout: along every line, not along one."""
    hum = Signal(0, 4).knots[0]

    def room(number):
        own = Signal(number, 40)
        return lambda t: (hum + 0.3 * own.at(t)) / np.linalg.norm(hum + 0.3 * own.at(t), axis=1, keepdims=True)

    def recording(name, at, seconds):
        return describe(name, at, seconds, audio=at, video=False)

    for n_references in (1, 4, 12):
        references = [recording(f"r{i}", room(i), 30) for i in range(1, n_references + 1)]
        matcher = Matcher(build_library(references, 0.5))
        assert not any(answered(matcher, recording("q", room(100 + i), 10)).decided for i in range(10))
        copy = answered(matcher, recording("q", lambda t: room(1)(t + 8), 10))
        assert [match.reference for match in copy.decided] == ["r1"]


@pytest.mark.parametrize("n_references", [1, 2, 5, 20])
def test_unmatched_queries_keep_the_stated_rate_without_a_background(n_references):
    references = [describe(f"r{i}", Signal(i, 40).at, 40, audio=Signal(1000 + i, 40).at) for i in range(n_references)]
    matcher = Matcher(build_library(references, 0.5), 0.01)
    queries = [describe("q", Signal(5000 + i, 20).at, 3 + i % 9, audio=Signal(8000 + i, 20).at) for i in range(100)]
    assert sum(bool(answered(matcher, query).decided) for query in queries) <= 3


def test_descriptors_must_agree_in_length():
    with pytest.raises(ValueError, match="different lengths"):
        Descriptors("a", np.zeros(2), np.zeros(2), np.ones(2, bool), np.ones(2, bool), np.zeros((3, 4)), None)
