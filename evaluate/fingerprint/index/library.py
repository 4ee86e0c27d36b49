"""All descriptors of an index in memory: searches, and the similarity to expect by chance."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from evaluate.fingerprint.describe.descriptors import Descriptors
from evaluate.fingerprint.index.search import FLAT_BELOW_ROWS, Found, ModalitySearch, build_search
from evaluate.fingerprint.match.normalise import TRUE_MATCHES, Background, evidence, expected_of_neighbours, sample
from evaluate.fingerprint.match.query_density import best_of_hops, first_of_hops, searched_of_hops

MODALITIES = ("picture", "sound")
NEIGHBOURS = 128
"""Neighbours per query descriptor; a still image may fill many places with equal frames."""


@dataclass(frozen=True, eq=False)
class Library:
    """Everything that queries are matched with; made by `build_library`.

    Attributes:
        sources: names, in the order of their numbers.
        hop_seconds: time between descriptors.
        first_seconds: middle of the first clip of each source, float64 (s,).
        n_columns: number of descriptors of each source, int64 (s,).
        searches: by modality; a modality without rows is missing.
        common: by modality, a sample of the library itself.
        apart: by modality, a sample of videos known not to be in it; may be empty.
    """

    sources: tuple[str, ...]
    hop_seconds: float
    first_seconds: np.ndarray
    n_columns: np.ndarray
    searches: dict[str, ModalitySearch]
    common: dict[str, Background]
    apart: dict[str, Background]

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def method(self) -> str:
        """The kind of search of each modality."""
        return "; ".join(f"{name}: {search.method}" for name, search in self.searches.items())

    def ask(self, query: Descriptors, without_background: int = -1) -> "Question":
        """Find the nearest rows of some of a query's descriptors, and the expected similarity of all.

        What is expected changes little from one descriptor to the next: between those searched it is interpolated. A piece of
        the background itself is asked about without the source that it is from.
        """
        firsts = first_of_hops(query.start_seconds, self.hop_seconds)
        searched = searched_of_hops(firsts, len(query))
        asked = Question(query, firsts, {}, {}, {})
        for name, search in self.searches.items():
            has, vectors = asked.given(name)
            if vectors is None or not has.any():
                continue
            rows = searched[has[searched]]
            rows = rows if len(rows) else np.flatnonzero(has)
            found = search.nearest(vectors[rows], min(NEIGHBOURS, len(search)))
            expected = self._expected(name, vectors[rows], found, without_background)
            between = np.interp(np.arange(len(query)), rows, expected)
            asked.searched[name], asked.found[name] = rows, found
            asked.expected[name] = np.where(has, between, np.inf).astype(np.float32)
        return asked

    def _expected(self, modality: str, vectors: np.ndarray, found: Found, without_background: int) -> np.ndarray:
        """Return the expected similarity (q,): the larger one of both backgrounds."""
        search = self.searches[modality]
        sources = np.where(found.rows >= 0, search.source[found.rows], -1)
        expected = [
            self.common[modality].expected(vectors),
            expected_of_neighbours(found.similarities, sources),
        ]
        if modality in self.apart:
            expected.append(self.apart[modality].expected(vectors, without_background))
        return np.max(expected, axis=0)

    def candidates(self, question: "Question", n: int) -> list[int]:
        """Return the sources with the most evidence, video and audio together, best first."""
        total = np.zeros(len(self.sources))
        for modality, found in question.found.items():
            search = self.searches[modality]
            near = evidence(found.similarities, question.expected[modality][question.searched[modality]])
            best = np.zeros((len(near), len(self.sources)), np.float32)  # a source counts once a query descriptor
            rows, columns = np.nonzero(found.rows >= 0)
            np.maximum.at(best, (rows, search.source[found.rows[rows, columns]]), near[rows, columns])
            total += best.sum(axis=0)
        order = np.argsort(-total, kind="stable")[:n]
        return [int(source) for source in order if total[source] > 0]

    def evidence(self, question: "Question", sources: Sequence[int]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield for each source the evidence (m, h, r) of each hop's best descriptor, and where both have it, bool."""
        vectors = {name: self.searches[name].vectors_of(sources) for name in question.expected}
        for source in sources:
            found = np.zeros((len(MODALITIES), len(question.firsts), int(self.n_columns[source])), np.float32)
            both = np.zeros(found.shape, bool)
            for modality, rows in vectors.items():
                number, columns = MODALITIES.index(modality), self._columns(modality, source)
                found[number][:, columns] = question.evidence(modality, next(rows))
                both[number][:, columns] = question.hops_with(modality)[:, None]
            yield found, both

    def _columns(self, modality: str, source: int) -> np.ndarray:
        """Return the column of each row in its source, int64 (r,)."""
        search = self.searches[modality]
        middle = search.middle_seconds[search.rows_of(source)] - self.first_seconds[source]
        return np.clip(np.rint(middle / self.hop_seconds).astype(np.int64), 0, int(self.n_columns[source]) - 1)


@dataclass(frozen=True, eq=False)
class Question:
    """A query, or a window of one, with the neighbours of its descriptors, by modality.

    Attributes:
        query: the q descriptors.
        firsts: the first of each of its h hops, int64 (h,).
        searched: numbers of those that were searched, int64 (m,).
        found: the nearest rows of these.
        expected: what similarity is to be expected of every descriptor, float32 (q,); inf of those without the modality.
    """

    query: Descriptors
    firsts: np.ndarray
    searched: dict[str, np.ndarray]
    found: dict[str, Found]
    expected: dict[str, np.ndarray]

    def given(self, modality: str) -> tuple[np.ndarray, np.ndarray | None]:
        """Return which descriptors have the modality, bool (q,), and the vectors of all, (q, d)."""
        return getattr(self.query, f"has_{modality}"), getattr(self.query, modality)

    def hops_with(self, modality: str) -> np.ndarray:
        """Return in which hops a descriptor has the modality, bool (h,)."""
        found: np.ndarray = np.logical_or.reduceat(self.given(modality)[0], self.firsts)
        return found

    def evidence(self, modality: str, rows: np.ndarray) -> np.ndarray:
        """Return the evidence (h, r) of a reference's rows (r, d) at each hop, from the hop's best descriptor."""
        vectors = self.given(modality)[1]
        assert vectors is not None  # noqa: S101 - what is expected is known of modalities that it has
        return best_of_hops(evidence(vectors @ rows.T, self.expected[modality]), self.firsts)


def build_library(
    described: Sequence[Descriptors], hop_seconds: float, *, background: Sequence[Descriptors] = (),
    flat_below_rows: int = FLAT_BELOW_ROWS,
) -> Library:  # fmt: skip
    """Gather the descriptors of all references.

    Args:
        described: the references.
        hop_seconds: from one descriptor to the next.
        background: sources that hold no match of any reference.
        flat_below_rows: up to how many rows a modality is searched flat.
    """
    built = {each: build_search(described, each, flat_below_rows=flat_below_rows) for each in MODALITIES}
    searches = {name: each for name, each in built.items() if len(each)}
    apart = {name: build_search(background, name) for name in searches}
    return Library(
        sources=tuple(each.source for each in described),
        hop_seconds=hop_seconds,
        first_seconds=np.array([(each.start_seconds[0] + each.end_seconds[0]) / 2 for each in described]),
        n_columns=np.array([len(each) for each in described], np.int64),
        searches=searches,
        common={name: _sampled(each, TRUE_MATCHES) for name, each in searches.items()},
        apart={name: _sampled(each, 0) for name, each in apart.items() if len(each)},
    )


def _sampled(search: ModalitySearch, skipped: int) -> Background:
    return sample(search.vectors, search.source, skipped)
