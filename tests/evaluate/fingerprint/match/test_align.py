from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate.fingerprint.match.align import Grid, find_spans
from evaluate.fingerprint.match.spans import Pair

HOP, CLIP = 0.5, 1.8


def grid(seconds, *evidence):
    def numbers(rows, columns):
        return {"video": Pair(seconds[rows], rows, columns, np.zeros(len(rows)))}

    return Grid(seconds, CLIP / 2, HOP, np.array(evidence, np.float32), CLIP, numbers)


def n_pairs(span):
    return len(span.pairs["video"].query)


def plant(n_rows, n_columns, offset, speed, *, rows=None, noise=0.0, seed=0):
    """Evidence of a query whose time t lies at offset + speed * t of the reference."""
    seconds = CLIP / 2 + HOP * np.arange(n_rows)
    reference = CLIP / 2 + HOP * np.arange(n_columns)
    apart = np.abs(reference[None] - (offset + speed * seconds)[:, None])
    evidence = np.clip(1 - apart / 1.2, 0, 1)
    evidence[[row for row in range(n_rows) if rows is not None and row not in rows]] = 0
    evidence = np.maximum(evidence, noise * np.random.default_rng(seed).random((n_rows, n_columns)))
    return grid(seconds, evidence)


@settings(max_examples=40, deadline=None)
@given(
    speed=st.floats(0.84, 1.16), offset=st.floats(0, 20), n_rows=st.integers(6, 40), noise=st.floats(0, 0.4),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_a_planted_span_is_found_at_any_speed_and_offset(speed, offset, n_rows, noise, seed):
    spans = find_spans(plant(n_rows, 120, offset, speed, noise=noise, seed=seed))
    best = max(spans, key=n_pairs)
    seconds = CLIP + HOP * (n_rows - 1)
    assert abs(best.query_start) < 0.6 and abs(best.query_end - seconds) < 0.6
    assert abs(best.reference_start - offset) < 0.75
    assert abs(best.reference_end - (offset + speed * seconds)) < 0.75


@pytest.mark.parametrize(("later", "first"), [(0.2, 0), (-0.2, 15)])
def test_a_span_that_is_cut_where_the_file_ends_stays_on_its_line(later, first):
    """The clips of a query's hop reach further than one of the reference."""
    given = grid(later + CLIP / 2 + HOP * np.arange(5), np.eye(5, 20, first))
    [span] = find_spans(replace(given, clip_seconds=CLIP + 0.4))
    assert span.query_end - span.query_start == pytest.approx(CLIP + 4 * HOP + 0.2, abs=0.01)
    assert span.reference_end - span.reference_start == pytest.approx(span.query_end - span.query_start)


def test_no_evidence_gives_no_span():
    assert find_spans(plant(20, 50, 0, 1, rows=())) == []


def test_equal_frames_of_a_still_picture_count_once_a_query_descriptor():
    still = grid(CLIP / 2 + HOP * np.arange(10), np.full((10, 200), 0.9))
    spans = find_spans(still)
    assert len(spans) == 1
    assert n_pairs(spans[0]) == 10


def test_a_short_gap_is_bridged_and_a_long_one_is_not():
    assert len(find_spans(plant(12, 60, 3, 1, rows=[*range(5), *range(6, 12)]))) == 1
    assert len(find_spans(plant(24, 60, 3, 1, rows=[*range(6), *range(18, 24)]))) == 2


def test_the_sound_of_a_still_picture_tells_where_it_lies():
    sound = plant(10, 60, 7, 1).evidence[0]
    still = np.full(sound.shape, 0.95)
    [span] = find_spans(grid(CLIP / 2 + HOP * np.arange(10), still, sound))
    assert abs(span.reference_start - 7) < 0.3
    assert n_pairs(span) == 10
