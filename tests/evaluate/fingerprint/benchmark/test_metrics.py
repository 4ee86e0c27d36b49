"""Metrics of the fingerprint benchmark: scenarios with known answers, and slow independent versions."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from evaluate.fingerprint.benchmark import metrics
from evaluate.fingerprint.benchmark.metrics import micro_average_precision, recall_at, segment_average_precision
from evaluate.fingerprint.benchmark.truth import Piece, Span, spans_of
from evaluate.fingerprint.match.matches import Match


def match(query, reference, score, spans=(0, 5, 10, 15), *, decision=True):
    return Match(query, reference, *map(float, spans), score, decision)


TRUTH = {(f"q{i}", f"r{i}"): (Span(0, 5, 10, 15),) for i in range(4)}
PERFECT = [match(f"q{i}", f"r{i}", 1.0 - 0.1 * i) for i in range(4)]


def slow_micro_ap(matches, truth):
    """scikit-learn's, of the pairs that were found; the others lower the highest recall."""
    best = {(m.query, m.reference): m.score for m in sorted(matches, key=lambda m: m.score)}
    right = [pair in truth for pair in best]
    return average_precision_score(right, list(best.values())) * sum(right) / len(truth) if any(right) else 0


def slow_segment_ap(matches, truth, step=0.5):
    """From the definition, over cells of half a second: spans of the tests end on whole cells."""

    def cells(boxes, axis):
        return {
            (pair, cell) for pair, box in boxes for cell in range(*(round(end / step) for end in box[axis : axis + 2]))
        }

    def meet(one, other):
        return all(cells([one], axis) & cells([other], axis) for axis in (0, 2))

    true = [(pair, tuple(vars(span).values())) for pair, spans in truth.items() for span in spans]
    area = before = 0.0
    for threshold in sorted({m.score for m in matches}, reverse=True):
        claimed = [((m.query, m.reference), tuple(vars(m).values())[2:6]) for m in matches if m.score >= threshold]
        reached = [each for each in true if any(meet(each, one) for one in claimed)]
        recall = precision = 1.0
        for axis in (0, 2):
            n_right = len(cells(claimed, axis) & cells(reached, axis))
            recall *= n_right / len(cells(true, axis))
            precision *= n_right / max(1, len(cells(claimed, axis)))
        area += math.sqrt(precision) * (math.sqrt(recall) - before)
        before = math.sqrt(recall)
    return area


half_seconds, lengths = st.integers(0, 12), st.integers(1, 8)
matches_drawn = st.lists(
    st.builds(
        lambda q, r, score, a, n, b, m: match(
            f"q{q}", f"r{r}", score / 4, (a / 2, (a + n) / 2, b / 2 + 8, (b + m) / 2 + 8)
        ),
        st.integers(0, 5), st.integers(0, 5), st.integers(0, 6), half_seconds, lengths, half_seconds, lengths,
    ),
    max_size=14,
)  # fmt: skip
MANY_SPANS = TRUTH | {("q4", "r5"): (Span(0, 2, 8, 10), Span(3, 5, 12, 14))}


@settings(deadline=None)
@given(matches_drawn)
def test_both_average_precisions_equal_their_slow_versions(matches):
    assert micro_average_precision(matches, MANY_SPANS) == pytest.approx(slow_micro_ap(matches, MANY_SPANS))
    assert segment_average_precision(matches, MANY_SPANS) == pytest.approx(slow_segment_ap(matches, MANY_SPANS))


def test_badly_calibrated_scores_cost_the_global_ranking_but_not_top_1_and_equal_ones_find_nothing():
    """An unmatched query is certain of wrong references; each matched query alone is ranked well."""
    loud = [match("unmatched", "r9", 50.0), match("unmatched", "r8", 40.0)]
    assert recall_at([*PERFECT, *loud], TRUTH, 1) == 1
    assert micro_average_precision([*PERFECT, *loud], TRUTH) == pytest.approx((1 / 3 + 2 / 4 + 3 / 5 + 4 / 6) / 4)
    flat, one = [match("q0", f"r{i}", 0.5) for i in range(20)], {("q0", "r0"): TRUTH["q0", "r0"]}
    assert (recall_at(flat, one, 1), recall_at(flat[:10], one, 10)) == (0, 1)


def test_rates_at_low_false_positives():
    wrong = [match("q0", f"x{i}", 0.95 - 0.001 * i) for i in range(100)]
    # 1,004 pairs, 4 right: a rate of 0 lets none through, 0.1 lets 100.
    rates = [metrics.true_positive_rate([*PERFECT, *wrong], TRUTH, 1004, rate) for rate in (0.0, 0.1)]
    assert rates == [0.25, 1.0]


@pytest.mark.parametrize("rate", [0.84, 1.0, 1.16])
def test_truth_runs_through_cuts_hosts_and_speed(rate):
    foreign = [Piece("host", 0, 2, is_host=True), Piece("host", 2, 3, is_host=True)]
    first, second = spans_of([foreign[0], Piece("a", 10, 12), Piece("a", 13, 16), foreign[1]], rate)
    assert (first.query_start_seconds, first.query_end_seconds) == pytest.approx((2 / rate, 4 / rate))
    assert (second.query_start_seconds, second.query_end_seconds) == pytest.approx((4 / rate, 7 / rate))
    assert second.reference_at(5 / rate) == pytest.approx(14)
    truth = {("q", "a"): (first, second)}
    exact = [match("q", "a", 1.0, (2 / rate, 4 / rate, 10, 12))]
    late = [match("q", "a", 1.0, (4 / rate, 7 / rate, 13.5, 16.5))]
    assert metrics.localisation_errors_seconds(exact, truth) == pytest.approx([0])
    assert metrics.localisation_errors_seconds(late, truth) == pytest.approx([0.5])


def test_false_matches_count_queries_with_a_decision():
    found = [match("u0", "r0", 0.9), match("u0", "r1", 0.9), match("u1", "r0", 0.1, decision=False)]
    assert metrics.false_match_rate(found, ["u0", "u1", "u2", "u3"]) == 0.25
