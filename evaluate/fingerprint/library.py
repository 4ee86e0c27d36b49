"""All descriptors of an index in memory, ready to be asked: searches, and what similarity is to be expected."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluate.fingerprint.normalise import TRUE_MATCHES, Background, evidence, sample
from evaluate.fingerprint.records import Descriptors
from evaluate.fingerprint.search import FLAT_BELOW_ROWS, ModalitySearch, build_search

MODALITIES = ("picture", "sound")
NEIGHBOURS = 128
"""Of a query descriptor; equal frames of one still picture may take many places."""


@dataclass(frozen=True)
class LeaveOut:
    """What does not count for a query: a source of the library and a source of the background, -1 for none."""

    source: int = -1
    background: int = -1


class Library:
    """What queries are matched with.

    Attributes:
        sources: names, in the order of their numbers.
        hop_seconds: from one descriptor to the next.
        first_seconds, n_columns: of each source, the middle of its first clip and its number of descriptors.
        searches: by modality; those without a row are not there.
    """

    def __init__(
        self, described: Sequence[Descriptors], hop_seconds: float, *, background: Sequence[Descriptors] = (),
        flat_below_rows: int = FLAT_BELOW_ROWS,
    ) -> None:  # fmt: skip
        self.sources = tuple(each.source for each in described)
        self.hop_seconds = hop_seconds
        self.first_seconds = [float(each.start_seconds[0] + each.end_seconds[0]) / 2 for each in described]
        self.n_columns = [len(each) for each in described]
        built = {each: build_search(described, each, flat_below_rows=flat_below_rows) for each in MODALITIES}
        self.searches: dict[str, ModalitySearch] = {name: each for name, each in built.items() if len(each)}
        self._common = {name: _sampled(each, TRUE_MATCHES) for name, each in self.searches.items()}
        apart = {each: build_search(background, each) for each in self.searches}
        self._apart = {name: _sampled(each, 0) for name, each in apart.items() if len(each)}

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def method(self) -> str:
        """How each modality is searched."""
        return "; ".join(f"{name}: {search.method}" for name, search in self.searches.items())

    def expected(self, query: Descriptors, modality: str, leave_out: LeaveOut) -> np.ndarray:
        """Similarity (q,) of the query's descriptors to background, the larger of both kinds."""
        vectors = getattr(query, modality)
        found = self._common[modality].expected(vectors, leave_out.source)
        if modality in self._apart:
            found = np.maximum(found, self._apart[modality].expected(vectors, leave_out.background))
        return found

    def candidates(self, query: Descriptors, n: int, leave_out: LeaveOut) -> list[int]:
        """The sources with the most evidence, by picture and by sound apart, best first."""
        total = np.zeros(len(self.sources))
        for modality, search in self.searches.items():
            has, vectors = getattr(query, f"has_{modality}"), getattr(query, modality)
            if vectors is None or not has.any():
                continue
            found = search.nearest(vectors[has], min(NEIGHBOURS, len(search)))
            near = evidence(found.similarities, self.expected(query, modality, leave_out)[has])
            best = np.zeros((len(near), len(self.sources)), np.float32)  # a source counts once a query descriptor
            rows, columns = np.nonzero(found.rows >= 0)
            np.maximum.at(best, (rows, search.source[found.rows[rows, columns]]), near[rows, columns])
            total += best.sum(axis=0)
        if leave_out.source >= 0:
            total[leave_out.source] = 0
        order = np.argsort(-total, kind="stable")[:n]
        return [int(source) for source in order if total[source] > 0]

    def evidence(self, query: Descriptors, source: int, leave_out: LeaveOut) -> np.ndarray:
        """Evidence (q, r) in [0, 1] of picture and sound together: 1 - (1 - picture) x (1 - sound).

        So what one of them lacks, or does not show, takes nothing from the other: a muted or a black query loses no match.
        """
        doubt = np.ones((len(query), self.n_columns[source]), np.float32)
        for modality, search in self.searches.items():
            has, vectors = getattr(query, f"has_{modality}"), getattr(query, modality)
            rows = search.rows_of(source)
            if vectors is None or not has.any() or rows.start == rows.stop:
                continue
            similar = vectors[has] @ search.vectors(rows).T
            found = evidence(similar, self.expected(query, modality, leave_out)[has])
            middle = search.middle_seconds[rows] - self.first_seconds[source]
            columns = np.clip(np.rint(middle / self.hop_seconds).astype(np.int64), 0, doubt.shape[1] - 1)
            doubt[np.flatnonzero(has)[:, None], columns[None]] *= 1 - found
        return 1 - doubt


def _sampled(search: ModalitySearch, skipped: int) -> Background:
    return sample(search.vectors(slice(0, len(search))), search.source, skipped)
