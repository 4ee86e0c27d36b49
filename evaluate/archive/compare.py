"""One source against the others: spans of what they share, aligned and judged as those of a query are."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from evaluate.archive.neighbours import Neighbours
from evaluate.fingerprint.answer.matcher import numpy_on_one
from evaluate.fingerprint.describe.descriptors import Descriptors
from evaluate.fingerprint.index.library import Library, Question
from evaluate.fingerprint.match.align import WINDOW_SECONDS, Grid, find_spans
from evaluate.fingerprint.match.chance import threshold
from evaluate.fingerprint.match.matches import Match, judged
from evaluate.fingerprint.match.spans import Span, apart_spans, join_spans, trimmed

COMMON_SHARE = 0.75
"""The expected similarity is that to the sources beyond this share of the archive, the most similar first."""
MOST_EXPECTED = 0.8
"""So that a segment that all sources hold keeps evidence."""


class Comparison:
    """Compares sources with a library that holds them; `false_positive_rate` is the share that may get a false match."""

    def __init__(self, library: Library, false_positive_rate: float) -> None:
        self.library, self.threshold = library, threshold(false_positive_rate)
        self._neighbours = Neighbours(library)
        self.backgrounds = {
            name: [
                replace(each, skipped=int(COMMON_SHARE * each.n_sources)),
                *([library.apart[name]] if name in library.apart else []),
            ]
            for name, each in library.common.items()
        }

    def matches(self, source: Descriptors, among: np.ndarray) -> list[Match]:
        """Return the decided spans that a source, one descriptor a hop, shares with those `among` others, bool (s,)."""
        clip_seconds = float(source.end_seconds[0] - source.start_seconds[0])
        hop, places = self.library.hop_seconds, self.library.places(len(source))
        spans, found = defaultdict[int, list[Span]](list), list[Match]()
        with numpy_on_one():
            windows = _windows(source)
            proposed = self._neighbours.propose(source, among, np.cumsum([len(each) for each in windows]).tolist())
            for window, others in zip(windows, proposed, strict=True):
                for number, each in self._spans(window, others):
                    spans[number] += each
            for number, each in spans.items():
                joined = join_spans(each, clip_seconds + 2 * hop)
                for span in apart_spans(trimmed(one, (clip_seconds + hop) / 2) for one in joined):
                    other, seconds = self.library.sources[number], float(source.end_seconds[-1])
                    found.append(judged(span, source.source, other, seconds, places, self.threshold))
        return [match for match in found if match.decision]

    def _spans(self, window: Descriptors, proposed: list[int]) -> Iterator[tuple[int, list[Span]]]:
        if not proposed:
            return
        expected = {}
        for name, backgrounds in self.backgrounds.items():
            has, vectors = window.of(name)
            if vectors is not None and has.any():
                chance = np.minimum(np.max([each.expected(vectors) for each in backgrounds], axis=0), MOST_EXPECTED)
                expected[name] = np.where(has, chance, np.inf).astype(np.float32)
        question = Question(window, np.arange(len(window)), {}, {}, expected)
        middles = (window.start_seconds + window.end_seconds) / 2
        clip_seconds = float(window.end_seconds[0] - window.start_seconds[0])
        for number, (evidence, laid) in zip(proposed, self.library.evidence(question, proposed), strict=True):
            first, pairs = self.library.first_seconds[number], partial(question.pairs, laid)
            yield number, find_spans(Grid(middles, first, self.library.hop_seconds, evidence, clip_seconds, pairs))


def _windows(source: Descriptors) -> list[Descriptors]:
    seconds = source.start_seconds[-1] - source.start_seconds[0]
    parts = np.array_split(np.arange(len(source)), max(1, int(np.ceil(seconds / WINDOW_SECONDS))))
    return [source.rows(slice(part[0], part[-1] + 1)) for part in parts]
