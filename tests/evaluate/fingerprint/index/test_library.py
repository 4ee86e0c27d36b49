import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from evaluate.fingerprint.answer.answers import answers_table, records
from evaluate.fingerprint.answer.matcher import Matcher
from evaluate.fingerprint.index.library import build_library
from evaluate.fingerprint.match.normalise import evidence
from evaluate.fingerprint.page import write_page
from tests.evaluate.fingerprint.conftest import Signal, answered, describe

HOP = 0.5


def dense_candidates(library, question, n):
    """The same from a table of all query descriptors and all sources."""
    total = np.zeros(len(library))
    for modality, found in question.found.items():
        source = library.searches[modality].source
        near = evidence(found.similarities, question.expected[modality][question.searched[modality]])
        best = np.zeros((len(near), len(library)))
        for (row, column), neighbour in np.ndenumerate(found.rows):
            if neighbour >= 0:
                best[row, source[neighbour]] = max(best[row, source[neighbour]], near[row, column])
        total += best.sum(axis=0)
    return [source for source in np.argsort(-total, kind="stable")[:n].tolist() if total[source] > 0]


def test_candidates_are_those_of_the_dense_table():
    """Noise keeps most pairs apart; two sources are equal, and their order is that of their numbers."""
    seeds = [*range(20), 7]

    def source(name, seed, seconds, **changes):
        return describe(name, Signal(seed, 20).at, seconds, audio=Signal(99 + seed, 20).at, **changes)

    library = build_library([source(f"r{number:02d}", seed, 20) for number, seed in enumerate(seeds)], HOP)
    found = []
    for seed in (3, 7, 50):
        question = library.ask(source("q", seed, 8, noise=1.5))
        for n in (3, 20):
            found.append(library.candidates(question, n))
            assert found[-1] == dense_candidates(library, question, n)
    assert found[0][0] == 3 and found[2][:2] == [7, 20] and len(found[1]) > 5
    assert library.candidates(library.ask(describe("q", Signal(1, 9).at, 3, video=False)), 5) == []


def test_memory_for_candidates_does_not_grow_with_the_sources():
    library = build_library([describe("r", Signal(0, 20).at, 20)], HOP)
    question = library.ask(describe("q", Signal(0, 20).at, 8))
    tracemalloc.start()
    assert replace(library, sources=("r",) * 2_000_000).candidates(question, 5) == [0]
    peak_bytes = tracemalloc.get_traced_memory()[1] - 2_000_000 * 8
    tracemalloc.stop()
    assert peak_bytes < 1_000_000


def test_a_jingle_that_many_share_is_not_the_whole_clip():
    jingle = Signal(500, 40).at
    references = [describe(f"r{i}", Signal(i, 20).at, 20, audio=jingle) for i in range(14)]
    matcher = Matcher(build_library(references, HOP))
    heard = describe("q", Signal(99, 20).at, 15, audio=jingle)
    assert matcher.library.n_alike(heard) == 14
    assert matcher.library.n_alike(replace(heard, has_audio=np.arange(len(heard)) < 4)) == 0


@pytest.mark.parametrize(("n_copies", "n_alike"), [(14, 14), (3, 0)])
def test_an_answer_says_that_many_sources_hold_a_clip(tmp_path, n_copies, n_alike):
    references = [describe(f"copy {i}", Signal(0, 20).at, 20) for i in range(n_copies)]
    references += [describe(f"r{i}", Signal(1 + i, 20).at, 20) for i in range(15)]
    matcher = Matcher(build_library(references, HOP))
    other = answered(matcher, describe("other", Signal(99, 20).at, 8))
    assert (other.n_alike, other.reason) == (0, "no match")
    answer = answered(matcher, describe("q", Signal(0, 20).at, 8, noise=0.3))
    assert (answer.n_alike, bool(answer.decided)) == (n_alike, not n_alike)
    reason = "no match: 14 sources resemble it equally, as copies and common content do" if n_alike else ""
    assert records([answer])[0]["reason"] == reason
    assert (reason or "copy 0") in next(iter(answers_table([answer], 3.0).columns[1].cells))
    write_page(tmp_path / "page.html", [answer], {"q": tmp_path / "q"}, {}, 3.0)
    assert (reason or "copy 0")[1:] in (tmp_path / "page.html").read_text()
