"""Test videos beside their nearest training videos, playable, with audio where the source files are at hand."""

import base64
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path, PurePosixPath

import numpy as np

from evaluate.protocols.retrieval import Neighbourhood
from evaluate.report.strips import Thumbnail, thumbnails
from preprocess.errors import MediaError
from preprocess.media.excerpt import sound_excerpt
from preprocess.shards.manifest import read_segments

logger = logging.getLogger(__name__)

PICTURE_BUDGET_BYTES = 5_500_000
AUDIO_BUDGET_BYTES = 2_000_000
"""Budgets of all galleries of a page; a page of 10 MB has room for everything else."""
QUERIES = 8
SEED = 0
FFMPEG_PROCESSES = 4
"""At a time; each takes a fraction of a second, most of it to start."""


@dataclass(frozen=True)
class Media:
    """Where video and audio are read: the shard set, data roots with the source files, and this page's share."""

    shards: Path
    folders: Sequence[Path]
    share: float = 1.0


@dataclass(frozen=True)
class Galleries:
    """Some queries of each modality, and what is shown of their videos.

    Attributes:
        found: neighbours of all queries of a split, by modality.
        picks: the queries on show, by modality.
        pictures: by source; a source that the shards lack is missing.
        audio: by source, as data URIs; a source without audio or without its file is missing.
    """

    found: Mapping[str, Neighbourhood]
    picks: Mapping[str, Sequence[int]]
    pictures: Mapping[str, Thumbnail]
    audio: Mapping[str, str]


def build_galleries(found: Mapping[str, Neighbourhood], media: Media) -> Galleries:
    """Make a gallery for each modality; a video that several rows show is read once."""
    picks = {modality: pick_queries(neighbours, QUERIES, SEED) for modality, neighbours in found.items()}
    rows = [
        [
            found[modality].query_sources[query],
            *(found[modality].reference_sources[i] for i in found[modality].indices[query]),
        ]
        for modality, queries in picks.items()
        for query in queries
    ]
    by_rank = [source for rank in zip_longest(*rows) for source in rank if source is not None]
    pictures = thumbnails(media.shards, by_rank, int(media.share * PICTURE_BUDGET_BYTES))
    return Galleries(found, picks, pictures, cut_audio(media, by_rank))


def pick_queries(found: Neighbourhood, n: int, seed: int) -> list[int]:
    """Choose up to `n` queries: half right and half wrong at first place, from as many classes as possible.

    Queries are shuffled by `seed`; each pick is the first of the wanted outcome whose class was taken least so far.
    Where one outcome runs out, the other fills up. Right ones come first.
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
    """Cut the audio of each source's first segment: {source: data URI of an MP3}, the first sources that fit the page.

    A source whose file is missing, or that cannot be cut, is left out: the page then plays it without audio.
    """
    table = read_segments(media.shards)
    table = table[table["source"].isin(list(sources)) & table["has_audio"].astype(bool)].sort_values("segment_id")
    first = table.drop_duplicates("source")
    spans = dict(zip(first["source"], zip(first["start_seconds"], first["end_seconds"], strict=True), strict=True))
    files = {source: find_source(media.folders, source) for source in dict.fromkeys(sources) if source in spans}

    def cut(source: str) -> str:
        path, (start, end) = files[source], spans[source]
        try:
            mp3 = sound_excerpt(path, start, end - start) if path else b""
        except MediaError as error:
            logger.info("no audio on the page: %s", error)
            return ""
        return f"data:audio/mpeg;base64,{base64.b64encode(mp3).decode('ascii')}" if mp3 else ""

    kept, left = dict[str, str](), int(media.share * AUDIO_BUDGET_BYTES)
    with ThreadPoolExecutor(FFMPEG_PROCESSES) as pool:
        for source, audio in zip(files, pool.map(cut, files), strict=True):
            left -= len(audio)
            if audio and left >= 0:
                kept[source] = audio
    return kept


def find_source(folders: Sequence[Path], source: str) -> Path | None:
    """Look for a source in data roots; a name that leads out of them is not followed."""
    name = PurePosixPath(source)
    if name.is_absolute() or ".." in name.parts:
        return None
    return next((path for folder in folders if (path := folder / name).is_file()), None)
