import numpy as np
import pytest

from evaluate.errors import FingerprintError
from evaluate.fingerprint.describe.descriptors import Descriptors
from evaluate.fingerprint.index.library import build_library
from evaluate.fingerprint.match.calibrate import GUESS, Calibration, Tail, fit, threshold
from evaluate.fingerprint.match.match import DESCRIPTORS_A_HOP, Matcher, calibrate

UNKNOWN = Calibration({})


def calibrated(library, background):
    return Matcher(library, calibrate(library, background))


def test_a_clip_is_found_with_its_seconds_at_another_speed(matcher, signal, described):
    source = signal(7, 40)
    answer = matcher.answer(described("q", lambda t: source.at(12 + 1.12 * t), 10, noise=0.3))
    assert [match.reference for match in answer.decided] == ["r7"]
    match = answer.decided[0]
    assert match.reference_start_seconds == pytest.approx(12, abs=0.5)
    assert match.reference_end_seconds == pytest.approx(12 + 11.2, abs=0.5)


def test_dense_descriptors_find_a_query_that_begins_between_two_of_its_reference(matcher, signal):
    def best(hop):
        start = np.arange(0, 8, hop)
        vectors = signal(7, 40).at(12.27 + start + 0.9)
        yes = np.ones(len(start), bool)
        return matcher.match(Descriptors("q", start, start + 1.8, yes, ~yes, vectors, None))[0]

    sparse, dense = best(0.5), best(0.5 / DESCRIPTORS_A_HOP)
    assert sparse.reference == dense.reference == "r7"
    assert dense.score > sparse.score + 1
    assert dense.query_start_seconds == 0
    assert dense.reference_start_seconds == pytest.approx(12.27, abs=0.1)
    assert dense.reference_end_seconds - dense.query_end_seconds == pytest.approx(12.27, abs=0.1)


@pytest.mark.parametrize("n_clips", [21, 22, 24, 29])
def test_spans_end_with_their_files(n_clips, matcher, signal):
    start = np.arange(n_clips) * 0.125
    yes = np.ones(n_clips, bool)
    vectors = signal(7, 40).at(40 - 1.16 * (start[-1] + 1.8) + 1.16 * (start + 0.9))  # faster, to the reference's end
    for match in matcher.match(Descriptors("q", start, start + 1.8, yes, ~yes, vectors, None)):
        assert match.query_end_seconds <= start[-1] + 1.8
        assert match.reference_end_seconds <= 40


def test_an_unmatched_query_gets_no_match(matcher, signal, described):
    decided = [matcher.answer(described("q", signal(5000 + n, 20).at, 2 + n % 9)).decided for n in range(60)]
    assert not any(decided)


def test_a_muted_and_a_black_query_are_found_by_the_other_modality(matcher, signal, described):
    muted = described("muted", lambda t: signal(3, 40).at(t + 5), 8)
    black = described("black", signal(0, 40).at, 8, picture=False, sound=lambda t: signal(1003, 40).at(t + 5))
    for query in (muted, black):
        assert [match.reference for match in matcher.answer(query).decided] == ["r3"]
    assert matcher.answer(described("both", signal(3, 40).at, 8, picture=False)).matches == ()


def test_two_references_cut_together_are_both_found(matcher, signal, described):
    first, second = signal(2, 40), signal(9, 40)

    def cut(t):
        return np.where((t < 6)[:, None], first.at(t + 10), second.at(t + 14))

    decided = matcher.answer(described("q", cut, 12)).decided
    assert {match.reference for match in decided} == {"r2", "r9"}
    spans = {match.reference: match for match in decided}
    assert spans["r2"].query_end_seconds == pytest.approx(6, abs=1.3)
    assert spans["r9"].query_start_seconds == pytest.approx(6, abs=1.3)


def test_one_second_of_a_reference_names_it_first(matcher, signal, described):
    source = signal(4, 40)
    answer = matcher.answer(described("q", lambda t: source.at(t + 8), 1.0, sound=lambda t: signal(1004, 40).at(t + 8)))
    assert answer.matches[0].reference == "r4"  # a second alone decides nothing


def test_a_still_image_matches_itself_and_not_other_stills(signal, described):
    def still(number):
        return lambda t: np.repeat(signal(number, 4).knots[:1], len(t), 0)

    references = [described(f"r{i}", still(i) if i < 10 else signal(i, 60).at, 60) for i in range(30)]
    matcher = Matcher(build_library(references, 0.5), UNKNOWN)
    answer = matcher.answer(described("q", still(3), 10))
    assert [match.reference for match in answer.decided] == ["r3"]
    assert not matcher.answer(described("other", still(77), 10)).decided


def test_an_intro_that_many_videos_share_matches_none_of_them(signal, described):
    intro = signal(999, 10)

    def with_intro(number):
        own = signal(number, 60)
        return lambda t: np.where((t < 6)[:, None], intro.at(t), own.at(t))

    references = [described(f"r{i}", with_intro(i), 30) for i in range(30)]
    unmatched = [described(f"u{i}", signal(2000 + i, 30).at, 30) for i in range(30)]
    matcher = calibrated(build_library(references, 0.5, background=unmatched), unmatched)
    assert not matcher.answer(described("intro", intro.at, 6)).decided
    decided = matcher.answer(described("q", with_intro(8), 20)).decided
    assert [match.reference for match in decided] == ["r8"]


def test_a_three_hour_reference_is_found_at_its_second(signal, described):
    long = signal(1, 3 * 3600)
    references = [
        described("long", long.at, 3 * 3600),
        *(described(f"r{i}", signal(i, 60).at, 60) for i in range(5, 9)),
    ]
    matcher = Matcher(build_library(references, 0.5), UNKNOWN)
    answer = matcher.answer(described("q", lambda t: long.at(t + 9000), 10))
    assert answer.decided[0].reference == "long"
    assert answer.decided[0].reference_start_seconds == pytest.approx(9000, abs=0.5)


def test_the_score_of_one_modality_is_the_rate_of_chance_and_tolerates_a_few_copies():
    rng = np.random.default_rng(0)
    scores = rng.gumbel(0.2, 0.03, 400)
    more = rng.gumbel(0.2, 0.03, 100_000)

    def passing(tail):
        return np.mean([Calibration({"picture": tail}).score({"picture": each}) >= threshold(0.01) for each in more])

    assert passing(fit(scores)) == pytest.approx(0.01, abs=0.006)
    assert passing(fit(np.where(np.arange(400) % 20 == 0, 0.9, scores))) == pytest.approx(0.01, abs=0.008)


def test_two_modalities_keep_the_rate_too_and_agreement_scores_more_than_either():
    rng = np.random.default_rng(1)
    tail = Tail(0.2, 0.03, 1.0, 400)
    both = Calibration({"picture": tail, "sound": tail})
    pairs = rng.gumbel(0.2, 0.03, (50_000, 2))
    scores = [both.score({"picture": picture, "sound": sound}) for picture, sound in pairs]
    assert np.mean(np.array(scores) >= threshold(0.01)) == pytest.approx(0.01, abs=0.002)
    alone, joined, contradicted = (
        both.score(each) for each in ({"picture": 0.5}, {"picture": 0.5, "sound": 0.5}, {"picture": 0.5, "sound": 0.0})
    )
    assert joined > alone > contradicted > 0.7 * alone


def test_too_few_scores_give_the_built_in_tail():
    assert fit([0.1] * 99) == GUESS
    assert fit([0.1] * 100).n_scores == 100
    assert Calibration({"sound": GUESS, "picture": Tail(0.2, 0.03, 1.0, 50)}).n_scores == 0
    with pytest.raises(FingerprintError, match="between 0 and 1"):
        threshold(0)


def test_descriptors_must_agree_in_length():
    with pytest.raises(ValueError, match="different lengths"):
        Descriptors("a", np.zeros(2), np.zeros(2), np.ones(2, bool), np.ones(2, bool), np.zeros((3, 4)), None)
