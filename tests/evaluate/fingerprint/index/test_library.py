import tracemalloc
from dataclasses import replace

import numpy as np

from evaluate.fingerprint.index.library import build_library
from evaluate.fingerprint.match.normalise import evidence

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


def test_candidates_are_those_of_the_dense_table(signal, described):
    """Noise keeps most pairs apart; two sources are equal, and their order is that of their numbers."""
    seeds = [*range(20), 7]
    references = [described(f"r{i:02d}", signal(s, 20).at, 20, sound=signal(99 + s, 20).at) for i, s in enumerate(seeds)]
    library = build_library(references, HOP)
    found = []
    for seed in (3, 7, 50):
        query = described("q", signal(seed, 20).at, 8, noise=1.5, sound=signal(99 + seed, 20).at)
        question = library.ask(query)
        for n in (3, 20):
            found.append(library.candidates(question, n))
            assert found[-1] == dense_candidates(library, question, n)
    assert found[0][0] == 3 and found[2][:2] == [7, 20] and len(found[1]) > 5
    assert library.candidates(library.ask(described("q", signal(1, 9).at, 3, picture=False)), 5) == []


def test_memory_for_candidates_does_not_grow_with_the_sources(signal, described):
    library = build_library([described("r", signal(0, 20).at, 20)], HOP)
    question = library.ask(described("q", signal(0, 20).at, 8))
    tracemalloc.start()
    assert replace(library, sources=("r",) * 2_000_000).candidates(question, 5) == [0]
    peak_bytes = tracemalloc.get_traced_memory()[1] - 2_000_000 * 8
    tracemalloc.stop()
    assert peak_bytes < 1_000_000
