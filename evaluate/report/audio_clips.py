"""Sound for the galleries, cut from the source files where they are at hand."""

import base64
import logging
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from preprocess.errors import MediaError
from preprocess.media.excerpt import sound_excerpt
from preprocess.shards.manifest import read_segments

logger = logging.getLogger(__name__)

WORKERS = 4
"""ffmpeg processes at a time; each takes a fraction of a second, most of it to start."""


def cut_sounds(shards: Path, folders: Sequence[Path], sources: Iterable[str], budget_bytes: int) -> dict[str, str]:
    """Cut the audio of each source's first segment: {source: data URI of an MP3}, until the budget is used up.

    Args:
        shards: the shard set; its manifest says where the first segment begins and whether it has audio.
        folders: data roots that may hold the files.
        sources: names as in the manifest, the most wanted first.
        budget_bytes: of all data URIs together.

    A source whose file is not there, or that cannot be cut, is left out: the page then plays it without audio.
    """
    wanted = list(dict.fromkeys(sources))
    table = read_segments(shards)
    table = table[table["source"].isin(wanted) & table["has_audio"].astype(bool)].sort_values("segment_id")
    first = table.drop_duplicates("source")
    spans = zip(first["start_seconds"].tolist(), first["end_seconds"].tolist(), strict=True)
    span_of = dict(zip(first["source"].tolist(), spans, strict=True))
    jobs = [
        (source, path, *span_of[source])
        for source in wanted
        if source in span_of and (path := find_source(folders, source)) is not None
    ]
    with ThreadPoolExecutor(WORKERS) as pool:
        sounds = pool.map(lambda job: _cut(*job[1:]), jobs)
        return _within({job[0]: sound for job, sound in zip(jobs, sounds, strict=True)}, budget_bytes)


def find_source(folders: Sequence[Path], source: str) -> Path | None:
    """Look for a source in data roots; a name that leads out of them is not followed."""
    name = PurePosixPath(source)
    if name.is_absolute() or ".." in name.parts:
        return None
    return next((path for folder in folders if (path := folder / name).is_file()), None)


def _cut(path: Path, start_seconds: float, end_seconds: float) -> str:
    try:
        sound = sound_excerpt(path, start_seconds, end_seconds - start_seconds)
    except MediaError as error:
        logger.info("no audio on the page: %s", error)
        return ""
    return f"data:audio/mpeg;base64,{base64.b64encode(sound).decode('ascii')}"


def _within(sounds: Mapping[str, str], budget_bytes: int) -> dict[str, str]:
    """Keep the sounds that are there, in order, as far as the budget goes."""
    kept: dict[str, str] = {}
    for source, sound in sounds.items():
        budget_bytes -= len(sound)
        if sound and budget_bytes >= 0:
            kept[source] = sound
    return kept
