"""Test videos beside their nearest training videos, playable."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np

from evaluate.protocols.retrieval import Neighbourhood
from evaluate.report.audio_clips import cut_sounds
from evaluate.report.strips import Thumbnail, thumbnails

PICTURE_BUDGET_BYTES = 5_500_000
SOUND_BUDGET_BYTES = 2_000_000
"""Of all galleries of a page; leaves room for everything else on a page of 10 MB."""
QUERIES = 8
SEED = 0


@dataclass(frozen=True)
class Card:
    """One video; `right` is None for a query, `picture` None where the shards do not hold it."""

    class_name: str
    source: str
    picture: Thumbnail | None
    right: bool | None = None
    similarity: float = 1.0


@dataclass(frozen=True)
class Row:
    """A query and its neighbours, nearest first."""

    query: Card
    neighbours: tuple[Card, ...]


@dataclass(frozen=True)
class Gallery:
    """The rows of one modality; `recall` is R@1 over all `n_queries` of the split that they were picked from."""

    modality: str
    recall: float
    n_queries: int
    rows: tuple[Row, ...]


def pick_queries(found: Neighbourhood, n: int, seed: int) -> list[int]:
    """Choose up to `n` queries: half right and half wrong at first place, from as many classes as possible.

    Queries are shuffled by `seed`; each pick is the first of the wanted outcome whose class was taken least so far.
    Where one outcome runs out, the other fills up. Right ones come first.
    """
    order = np.random.default_rng(seed).permutation(len(found.query_labels)).tolist()
    right = found.hits[:, 0]
    picked: list[int] = []
    for wanted in ([True, False] * n)[:n]:
        free = [query for query in order if query not in picked]
        pool = [query for query in free if bool(right[query]) == wanted] or free
        if not pool:
            break
        taken = [int(found.query_labels[query]) for query in picked]
        picked.append(min(pool, key=lambda query: taken.count(int(found.query_labels[query]))))
    return sorted(picked, key=lambda query: not right[query])


@dataclass(frozen=True)
class Media:
    """Where video and audio are read: the shard set, data roots with the source files, and this page's share."""

    shards: Path
    folders: Sequence[Path]
    share: float = 1.0


@dataclass(frozen=True)
class Galleries:
    """A gallery a modality, and the audio of the videos on show: {source: data URI}, each once."""

    galleries: tuple[Gallery, ...]
    sounds: Mapping[str, str]


def build_galleries(found: Mapping[str, Neighbourhood], media: Media) -> Galleries:
    """Make a gallery for each modality; a video that several rows show is read once."""
    picks = {modality: pick_queries(neighbours, QUERIES, SEED) for modality, neighbours in found.items()}
    rows = [_row_sources(found[modality], query) for modality, queries in picks.items() for query in queries]
    shown = [source for row in rows for source in row]
    by_rank = [source for rank in zip_longest(*rows) for source in rank if source is not None]
    pictures = thumbnails(media.shards, shown, int(media.share * PICTURE_BUDGET_BYTES)) if shown else {}
    galleries = tuple(
        Gallery(
            modality,
            float(neighbours.hits[:, 0].mean()),
            len(neighbours.query_labels),
            tuple(_row(neighbours, query, pictures) for query in picks[modality]),
        )
        for modality, neighbours in found.items()
    )
    sounds = cut_sounds(media.shards, media.folders, by_rank, int(media.share * SOUND_BUDGET_BYTES))
    return Galleries(galleries, sounds)


def _row_sources(found: Neighbourhood, query: int) -> Sequence[str]:
    return [found.query_sources[query], *(found.reference_sources[index] for index in found.indices[query])]


def _row(found: Neighbourhood, query: int, pictures: Mapping[str, Thumbnail]) -> Row:
    source, *others = _row_sources(found, query)
    label = int(found.query_labels[query])
    neighbours = tuple(
        Card(
            found.label_names[int(found.neighbour_labels[query, rank])],
            other,
            pictures.get(other),
            bool(found.hits[query, rank]),
            float(found.scores[query, rank]),
        )
        for rank, other in enumerate(others)
    )
    return Row(Card(found.label_names[label], source, pictures.get(source)), neighbours)
