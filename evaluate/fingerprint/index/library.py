"""All descriptors of an index in memory: searches, and the similarity that is expected by chance."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evaluate.fingerprint.describe.descriptors import Descriptors
from evaluate.fingerprint.index.search import FLAT_BELOW_ROWS, Found, ModalitySearch, build_search
from evaluate.fingerprint.match.normalise import TRUE_MATCHES, Background, evidence, expected_of_neighbours, sample
from evaluate.fingerprint.match.query_density import best_of_hops, first_of_hops, searched_of_hops
from evaluate.fingerprint.match.spans import Pair, Pairs

MODALITIES = ("video", "audio")
NEIGHBOURS = 128
"""Neighbours per query descriptor; a still image may fill many places with equal frames."""
ALIKE_WITHIN, ALIKE_FROM = 0.05, 0.75
"""Sources resemble a descriptor equally if their cosines are this close to the best, and the best is at least the second.
In six queries of real clips copies differed by 0.01, a match and the ninth source by 0.2; chance stayed below 0.75."""


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

    def places(self, n_hops: int) -> float:
        """Return the number of independent places of a query of `n_hops` in all sources; neighbours share their seconds."""
        return (int(self.n_columns.sum()) + n_hops * len(self)) / 2

    @property
    def method(self) -> str:
        """The kind of search of each modality."""
        return "; ".join(f"{name}: {search.method}" for name, search in self.searches.items())

    def ask(self, query: Descriptors) -> "Question":
        """Find the nearest rows of some of a query's descriptors, and the expected similarity of all.

        The expected similarity changes little from one descriptor to the next, so it is interpolated between those searched.
        """
        firsts = first_of_hops(query.start_seconds, self.hop_seconds)
        searched = searched_of_hops(firsts, len(query))
        asked = Question(query, firsts, {}, {}, {})
        for name, search in self.searches.items():
            has, vectors = query.of(name)
            if vectors is None or not has.any():
                continue
            rows = searched[has[searched]]
            rows = rows if len(rows) else np.flatnonzero(has)
            found = search.nearest(vectors[rows], min(NEIGHBOURS, len(search)))
            expected = self._expected(name, vectors[rows], found)
            between = np.interp(np.arange(len(query)), rows, expected)
            asked.searched[name], asked.found[name] = rows, found
            asked.expected[name] = np.where(has, between, np.inf).astype(np.float32)
        return asked

    def _expected(self, modality: str, vectors: np.ndarray, found: Found) -> np.ndarray:
        """Return the expected similarity (q,): the larger one of both backgrounds."""
        sources = np.where(found.rows >= 0, self.searches[modality].source[found.rows], -1)
        expected = [self.common[modality].expected(vectors), expected_of_neighbours(found.similarities, sources)]
        if modality in self.apart:
            expected.append(self.apart[modality].expected(vectors))
        return np.max(expected, axis=0)

    def candidates(self, question: "Question", n: int) -> list[int]:
        """Return the sources with the most evidence, video and audio together, best first."""
        sources, values = [np.zeros(0, np.int64)], [np.zeros(0)]
        for modality, found in question.found.items():
            near = evidence(found.similarities, question.expected[modality][question.searched[modality]])
            rows, columns = np.nonzero((found.rows >= 0) & (near > 0))
            source, value = self.searches[modality].source[found.rows[rows, columns]], near[rows, columns]
            order = np.lexsort((-value, source, rows))  # each source counts once per query descriptor, with its best
            is_best = np.diff(rows[order], prepend=-1).astype(bool) | np.diff(source[order], prepend=-1).astype(bool)
            sources.append(source[order][is_best])
            values.append(value[order][is_best].astype(np.float64))
        found_sources, place = np.unique(np.concatenate(sources), return_inverse=True)
        total = np.bincount(place, np.concatenate(values), len(found_sources))
        return [int(source) for source in found_sources[np.argsort(-total, kind="stable")[:n]]]

    def n_alike(self, query: Descriptors) -> int:
        """Count the sources that resemble most of a query equally; 0 if so few that each may be a match."""
        counts, firsts = [0], first_of_hops(query.start_seconds, self.hop_seconds)
        for name, search in self.searches.items():
            has, vectors = query.of(name)
            rows = firsts[has[firsts]]
            if vectors is not None and len(rows):
                found = search.nearest(vectors[rows], min(NEIGHBOURS, len(search)))
                near = found.similarities >= np.maximum(found.similarities[:, :1] - ALIKE_WITHIN, ALIKE_FROM)
                alike = np.zeros(len(firsts), np.int64)  # of seconds without the modality, none
                alike[: len(rows)] = [
                    len(np.unique(search.source[row[here]])) for row, here in zip(found.rows, near, strict=True)
                ]
                counts.append(int(np.median(alike)))
        return max(counts) if max(counts) > TRUE_MATCHES else 0

    def evidence(
        self, question: "Question", sources: Sequence[int]
    ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """Yield for each source the evidence of each hop's best descriptor, and the source's descriptors by modality.

        The evidence is float32 (m, h, r), by modality, hop of the query and descriptor of the source. The descriptors are
        float32 (r, d), zeros where the source lacks the modality.
        """
        vectors = {name: self.searches[name].vectors_of(sources) for name in question.expected}
        for source in sources:
            n_columns = int(self.n_columns[source])
            found = np.zeros((len(MODALITIES), len(question.firsts), n_columns), np.float32)
            laid = dict[str, np.ndarray]()
            for modality, rows in vectors.items():
                number, search = MODALITIES.index(modality), self.searches[modality]
                middle = search.middle_seconds[search.rows_of(source)] - self.first_seconds[source]
                columns = np.clip(np.rint(middle / self.hop_seconds).astype(np.int64), 0, n_columns - 1)
                own = next(rows)
                found[number][:, columns] = question.evidence(modality, own)
                laid[modality] = np.zeros((n_columns, own.shape[1]), np.float32)
                laid[modality][columns] = own
            yield found, laid


@dataclass(frozen=True, eq=False)
class Question:
    """A query, or a window of one, with the neighbours of its descriptors.

    Attributes:
        query: the q descriptors.
        firsts: the first descriptor of each of its h hops, int64 (h,).
        searched: by modality, numbers of the descriptors that were searched, int64 (m,).
        found: by modality, the nearest rows of these descriptors.
        expected: by modality, the expected similarity of every descriptor, float32 (q,); inf without the modality.
    """

    query: Descriptors
    firsts: np.ndarray
    searched: dict[str, np.ndarray]
    found: dict[str, Found]
    expected: dict[str, np.ndarray]

    def evidence(self, modality: str, rows: np.ndarray) -> np.ndarray:
        """Return the evidence (h, r) of a reference's rows (r, d) at each hop, from the hop's best descriptor."""
        vectors = self.query.of(modality)[1]
        assert vectors is not None  # noqa: S101 - `expected` holds only modalities of the query
        return best_of_hops(evidence(vectors @ rows.T, self.expected[modality]), self.firsts)

    def pairs(self, reference: Mapping[str, np.ndarray], hops: np.ndarray, columns: np.ndarray) -> Pairs:
        """Pair descriptors of hops with a reference's at columns (n,), where both have the modality.

        Args:
            reference: by modality, (r, d), as from `Library.evidence`.
            hops, columns: numbers of hops and of the reference's descriptors; a hop's most similar descriptor counts.
        """
        paired = {}
        sizes = np.diff(self.firsts, append=len(self.query))[hops]
        some = self.firsts[hops][:, None] + np.minimum(np.arange(sizes.max(initial=1)), sizes[:, None] - 1)  # (n, s)
        for modality, rows in reference.items():
            has, vectors = self.query.of(modality)
            assert vectors is not None  # noqa: S101 - `reference` holds only modalities of the query
            cosines = np.where(has[some], np.einsum("nsd,nd->ns", vectors[some], rows[columns]), -np.inf)
            best = np.take_along_axis(some, cosines.argmax(axis=1)[:, None], 1)[:, 0]
            both = has[best] & rows[columns].any(axis=1)
            if both.any():
                seconds = (self.query.start_seconds[best] + self.query.end_seconds[best]) / 2
                expected = self.expected[modality][best[both]]
                paired[modality] = Pair(seconds[both], vectors[best[both]], rows[columns[both]], expected)
        return paired


def build_library(
    described: Sequence[Descriptors], hop_seconds: float, *, background: Sequence[Descriptors] = (),
    flat_below_rows: int = FLAT_BELOW_ROWS,
) -> Library:  # fmt: skip
    """Gather the descriptors of all references.

    Args:
        described: the references.
        hop_seconds: time between descriptors.
        background: sources that hold no match of any reference.
        flat_below_rows: a modality with fewer rows is searched flat.
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
        common={name: sample(each.vectors, each.source, TRUE_MATCHES) for name, each in searches.items()},
        apart={name: sample(each.vectors, each.source, 0) for name, each in apart.items() if len(each)},
    )
