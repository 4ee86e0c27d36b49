"""Test videos beside their nearest training videos, with audio if the source files are there."""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path, PurePosixPath

import numpy as np

from evaluate.protocols.retrieval import Neighbourhood
from evaluate.report.strips import Thumbnail, data_uri, first_segments, thumbnails
from preprocess.errors import MediaError
from preprocess.sources import path_of
from preprocess.viewing.audio_part import audio_excerpt

logger = logging.getLogger(__name__)

IMAGE_BUDGET_BYTES = 5_500_000
AUDIO_BUDGET_BYTES = 2_000_000
"""Budgets for all galleries of a page, which then stays below 10 MB."""
QUERIES = 8
SEED = 0
FFMPEG_PROCESSES = 4
"""Running at once; each takes a fraction of a second, most of it to start."""


@dataclass(frozen=True)
class Media:
    """The shard set, the data roots with the source files, and this test's share of the page's budgets."""

    shards: Path
    folders: Sequence[Path]
    share: float = 1.0


@dataclass(frozen=True)
class Galleries:
    """Neighbours of all queries of a split and the queries shown, by modality, with images and audio (data URIs) by source.

    Sources that the shards lack have no image; those that lack audio or their file have no audio.
    """

    found: Mapping[str, Neighbourhood]
    picks: Mapping[str, Sequence[int]]
    images: Mapping[str, Thumbnail]
    audio: Mapping[str, str]


def build_galleries(found: Mapping[str, Neighbourhood], media: Media) -> Galleries:
    """Make a gallery for each modality; each video is read once."""
    picks = {modality: pick_queries(neighbours, QUERIES, SEED) for modality, neighbours in found.items()}
    rows = [
        [each.query_sources[query], *(each.reference_sources[i] for i in each.indices[query])]
        for modality, each in found.items()
        for query in picks[modality]
    ]
    by_rank = [source for rank in zip_longest(*rows) for source in rank if source is not None]
    images = thumbnails(media.shards, by_rank, int(media.share * IMAGE_BUDGET_BYTES))
    return Galleries(found, picks, images, cut_audio(media, by_rank))


def pick_queries(found: Neighbourhood, n: int, seed: int) -> list[int]:
    """Choose up to `n` shuffled queries, half with a correct nearest neighbour, from as many classes as possible.

    Each pick is the first with the wanted outcome whose class was picked least so far. If one outcome runs out, the other
    fills up. Correct ones come first.
    """
    free = np.random.default_rng(seed).permutation(len(found.query_labels)).tolist()
    right, labels = found.hits[:, 0], found.query_labels.tolist()
    picked: list[int] = []
    for wanted in ([True, False] * n)[: min(n, len(free))]:
        taken = [labels[query] for query in picked]
        pool = [query for query in free if bool(right[query]) == wanted] or free
        picked.append(min(pool, key=lambda query: taken.count(labels[query])))
        free.remove(picked[-1])
    return sorted(picked, key=lambda query: not right[query])


def cut_audio(media: Media, sources: Sequence[str]) -> dict[str, str]:
    """Cut the audio of each source's first segment: {source: data URI of an MP3}, as far as the budget allows.

    A source whose file is missing or unreadable is left out; the page then plays it without audio.
    """
    first = first_segments(media.shards, sources).set_index("source")
    spans = first.loc[first["has_audio"].astype(bool), ["start_seconds", "end_seconds"]].T.to_dict("list")
    heard = [source for source in dict.fromkeys(sources) if source in spans]

    def cut(source: str) -> str:
        path, (start, end) = find_source(media.folders, source), spans[source]
        try:
            mp3 = audio_excerpt(path, start, end - start) if path else b""
        except MediaError as error:
            logger.info("no audio on the page: %s", error)
            return ""
        return data_uri("audio/mpeg", mp3) if mp3 else ""

    kept, left = dict[str, str](), int(media.share * AUDIO_BUDGET_BYTES)
    with ThreadPoolExecutor(FFMPEG_PROCESSES) as pool:
        for source, audio in zip(heard, pool.map(cut, heard), strict=True):
            left -= len(audio)
            if audio and left >= 0:
                kept[source] = audio
    return kept


def find_source(folders: Sequence[Path], source: str) -> Path | None:
    """Find the file of a source in the data roots; None for a name that leads out of them."""
    name = PurePosixPath(source)
    if name.is_absolute() or ".." in name.parts:
        return None
    return next((path for folder in folders if (path := path_of(folder, source)).is_file()), None)
