"""Sources compared through each kind of index: flat, by inverted lists, and codes."""

import numpy as np
import pytest

from evaluate.archive import neighbours
from evaluate.archive.compare import Comparison
from evaluate.fingerprint.index.library import build_library
from tests.evaluate.fingerprint.conftest import HOP, Signal, describe


@pytest.mark.parametrize(("flat_rows", "flat_below_rows"), [(10**6, 10**6), (100, 10**6), (100, 0)])
def test_a_copy_and_an_intro_of_all_are_found_in_every_kind_of_index(flat_rows, flat_below_rows, monkeypatch):
    monkeypatch.setattr(neighbours, "FLAT_ROWS", flat_rows)
    intro = Signal(999, 10)

    def begin(seed):
        own = Signal(seed, 60)
        return lambda t: np.where((t < 6)[:, None], intro.at(t), own.at(t))

    sources = [describe(f"{n:02d}", begin(n), 40, sound=Signal(1000 + n, 60).at, noise=0.2) for n in range(40)]
    sources.append(
        describe("copy", lambda t: begin(7)(t + 15), 12, sound=lambda t: Signal(1007, 60).at(t + 15), noise=0.4)
    )
    comparison = Comparison(build_library(sources, HOP, flat_below_rows=flat_below_rows), 0.001)
    (copied,) = comparison.matches(sources[-1], np.arange(41) != 40)
    assert copied.reference == "07"
    assert (copied.reference_start_seconds, copied.reference_end_seconds) == pytest.approx((15, 27), abs=1)
    assert comparison.matches(sources[-1], np.arange(41) < 7) == []
    intros = [each for each in comparison.matches(sources[3], np.arange(41) != 3) if each.query_start_seconds < 1]
    assert len({each.reference for each in intros}) > 8
    assert all(each.query_end_seconds == pytest.approx(6, abs=1.3) for each in intros)
