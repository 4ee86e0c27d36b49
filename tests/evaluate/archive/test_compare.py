"""Sources compared through each kind of index: flat, by inverted lists, and codes."""

from dataclasses import replace

import numpy as np
import pytest

from evaluate.archive import neighbours
from evaluate.archive.compare import Comparison
from evaluate.archive.duplicates import merged
from evaluate.archive.segments import swapped
from evaluate.fingerprint.index.library import build_library
from evaluate.fingerprint.match.matches import Match
from tests.evaluate.fingerprint.conftest import HOP, Signal, describe


@pytest.mark.parametrize(("flat_rows", "flat_below_rows"), [(10**6, 10**6), (100, 10**6), (100, 0)])
def test_a_copy_and_an_intro_of_all_are_found_in_every_kind_of_index(flat_rows, flat_below_rows, monkeypatch):
    monkeypatch.setattr(neighbours, "FLAT_ROWS", flat_rows)
    intro = Signal(999, 10)

    def begin(seed):
        own = Signal(seed, 60)
        return lambda t: np.where((t < 6)[:, None], intro.at(t), own.at(t))

    def late(signal):
        return lambda t: signal(t + 15)

    sources = [describe(f"{n:02d}", begin(n), 40, audio=Signal(1000 + n, 60).at, noise=0.2) for n in range(40)]
    sources.append(describe("copy", late(begin(7)), 12, audio=late(Signal(1007, 60).at), noise=0.4))
    comparison = Comparison(build_library(sources, HOP, flat_below_rows=flat_below_rows), 0.001)
    (copied,) = comparison.matches(sources[-1], np.arange(41) != 40)
    assert copied.reference == "07"
    assert (copied.reference_start_seconds, copied.reference_end_seconds) == pytest.approx((15, 27), abs=1)
    assert comparison.matches(sources[-1], np.arange(41) < 7) == []
    intros = [each for each in comparison.matches(sources[3], np.arange(41) != 3) if each.query_start_seconds < 1]
    assert len({each.reference for each in intros}) > 8
    assert all(each.query_end_seconds == pytest.approx(6, abs=1.3) for each in intros)


def test_expected_similarities_are_those_of_the_sources_that_have_the_modality():
    """Were all sources counted, those with audio would be skipped as the most similar ones, and none were left."""
    loud = [describe(f"loud {n}", Signal(n, 60).at, 40, audio=Signal(200 + n, 60).at) for n in range(12)]
    mute = [describe(f"mute {n}", Signal(100 + n, 60).at, 40) for n in range(60)]
    heard = Signal(99, 9).at(np.arange(8.0))
    alone, among = (
        Comparison(build_library(sources, HOP), 0.001).backgrounds["audio"][0].expected(heard)
        for sources in (loud, [*loud, *mute])
    )
    assert among == pytest.approx(alone) and among.min() > 0


def test_spans_of_scenes_in_another_order_end_where_the_copy_is_cut():
    """In the source the scenes are apart, so each runs on over the cut; seen from the copy they meet at 8 s."""
    overlapping, seen = (
        [Match("copy", "film", *span, 9.0, True) for span in spans]
        for spans in (((0, 8.6, 20, 28.6), (7.4, 15, 2.4, 10)), ((0, 8, 20, 28), (8, 15, 3, 10)))
    )
    found = merged([*seen, *map(swapped, overlapping)])
    cut = [each.query_end_seconds for each in found[:1]] + [each.query_start_seconds for each in found[1:]]
    assert (len(found), cut) == (2, [8, 8])
    assert [each.reference_start_seconds for each in found] == pytest.approx([20, 3])
    assert merged(found) == found


def test_a_scene_that_the_source_shows_twice_stays_two_spans():
    twice = [Match("copy", "film", 0, 8, at, at + 8, 9.0, True) for at in (10, 40)]
    assert merged(twice) == twice
    longer = [replace(each, query_end_seconds=9.0) for each in twice]
    assert merged(reversed(longer)) == longer
