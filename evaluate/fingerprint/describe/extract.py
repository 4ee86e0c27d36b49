"""Media files to descriptors: temporary shards from preprocess' own pipeline, then clips at a fixed hop.

The shards of a few files are removed once these are described. So an archive of any size needs little disk space.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from evaluate.fingerprint.describe.clip_stream import Track
from evaluate.fingerprint.describe.descriptors import Descriptors, Unreadable
from evaluate.fingerprint.describe.encoder import DescriptorEncoder
from evaluate.fingerprint.describe.footage import FootageFile, footage_files
from preprocess.build.pipeline import PRELOAD, build
from preprocess.catalogues.scan import EXTENSIONS
from preprocess.errors import MediaError, ShardError
from preprocess.executors.processes import Executor, ProcessExecutor
from preprocess.held_folder import held_folder
from preprocess.media.ffmpeg import cause
from preprocess.media.media_info import Limits
from preprocess.media.probe import probe
from preprocess.schema import SEGMENTS_PER_SOURCE_LIMIT, Media, ShardParams
from preprocess.shards.manifest import MANIFEST_FILE, read_rows, read_segments
from preprocess.sources import Catalogue, Source
from train.data.loader import iterate_once
from train.data.loader_config import LoaderConfig

_log = logging.getLogger(__name__)

SOURCES_PER_SHARD = 8
"""Few, so that several processes find work in one batch of files."""
QUERY_SIDE_PX = 160
"""Short side of the frames of a query: a quarter of the frame has more pixels than an encoder takes."""
SEGMENTS_AT_ONCE = 8
"""Ten-second segments decoded together: at 128 px about 50 MB of frames."""


@dataclass(frozen=True)
class MediaFile:
    """A file to describe.

    Attributes:
        name: its name in descriptors, always valid UTF-8.
        path: of the file.
    """

    name: str
    path: Path


@dataclass(frozen=True)
class ExtractOptions:
    """How files are described.

    Attributes:
        hop_seconds: time between descriptors, rounded to whole frames of the encoder's clock.
        workers: processes that decode files.
        num_threads: threads that decode shards.
        device: where the encoder runs.
        executor: decodes files; None starts `workers` processes.
        limits: on one file.
        part_executor: runs the parts of an index; None makes them in this process, one after another.
    """

    hop_seconds: float
    workers: int = 1
    num_threads: int = 2
    device: str = "cpu"
    executor: Executor | None = None
    limits: Limits = field(default_factory=Limits)
    part_executor: Executor | None = None


def describe_files(
    files: Sequence[MediaFile], encoder: DescriptorEncoder, options: ExtractOptions
) -> Iterator[Descriptors | Unreadable]:
    """Describe files with different names: first those with video, then those with audio only.

    Raises:
        preprocess.errors.DiskFullError: the system's temporary folder has no space for the shards.
        train.errors.LoaderError: the shards cannot be read back.
    """
    for media, chosen, shards in _by_media(files, options):
        yield from _describe(chosen, media, encoder, options, shards)


@dataclass(frozen=True)
class _Asked:
    """Files that a process is asked about, and what is known of the first ones."""

    files: tuple[MediaFile, ...]
    limits: Limits
    known: tuple[Media, ...] = ()


def _tell_media(asked: _Asked, report: Callable[[tuple[Media, ...]], None]) -> tuple[Media, ...]:
    """Tell files of audio only; a file that cannot be probed counts as video, and building shards gives the reason."""
    known = asked.known
    for file in asked.files[len(known) :]:
        report(known)
        known = (*known, _media(file.path, asked.limits))
    return known


def _after_crash(asked: _Asked, last: tuple[Media, ...] | None, how: str) -> _Asked:
    """Go on with the next file: a decoder crashed, and building shards gives the reason."""
    del how
    return replace(asked, known=(*(last or asked.known), "video"))


def _media(path: Path, limits: Limits) -> Media:
    if path.suffix.lower() in EXTENSIONS["audio"]:
        return "audio"
    try:
        info = probe(path, limits)
    except MediaError:
        return "video"
    return "audio" if info.has_audio and not info.has_video else "video"


def read_footage(
    files: Sequence[MediaFile], encoder: DescriptorEncoder, options: ExtractOptions
) -> Iterator[FootageFile | Unreadable]:
    """Read files with different names to be described in views; a file is of use until the next one is asked for.

    Raises:
        preprocess.errors.DiskFullError: the system's temporary folder has no space for the shards.
    """
    for media, chosen, shards in _by_media(files, options):
        params = replace(
            encoder.shard_params, media=media, sources_per_shard=SOURCES_PER_SHARD, short_side_px=QUERY_SIDE_PX
        )
        failed = _build(chosen, params, options, shards)
        yield from failed
        if len(failed) < len(chosen):
            yield from footage_files(shards, params, {index: file.name for index, file in enumerate(chosen)})


def _by_media(files: Sequence[MediaFile], options: ExtractOptions) -> Iterator[tuple[Media, list[MediaFile], Path]]:
    """Give the files with video, then those with audio only, and a folder for the shards of each; it is removed afterwards."""
    by_media: dict[Media, list[MediaFile]] = {"video": [], "audio": []}
    asked = _Asked(tuple(sorted(files, key=lambda each: each.name)), options.limits)
    executor = options.executor or ProcessExecutor(1, PRELOAD)
    (known,) = executor.run(_tell_media, [asked], lambda _: None, _after_crash)
    for file, media in zip(asked.files, known, strict=True):
        by_media[media].append(file)
    for media, chosen in by_media.items():
        if chosen:
            with held_folder("describe") as folder:
                yield media, chosen, folder / "shards"


def _build(files: Sequence[MediaFile], params: ShardParams, options: ExtractOptions, shards: Path) -> list[Unreadable]:
    """Make the shards of files; return those that cannot be read. The log names those read with warnings, as cut ones."""
    sources = tuple(Source(index, file.path, file.name) for index, file in enumerate(files))
    try:
        build(
            Catalogue("fingerprint", params.media, sources), shards, params, workers=options.workers,
            executor=options.executor, limits=options.limits,
        )  # fmt: skip
    except ShardError:
        if not (shards / MANIFEST_FILE).is_file():  # if no source can be read, the manifest is there and says why
            raise
    rows = read_rows(shards / MANIFEST_FILE).to_pylist()
    told = [row for row in rows if row["kind"] == "source"]
    ends = {row["source_index"]: row["end_seconds"] for row in rows if row["kind"] == "segment"}  # of the last segments
    for row in told:
        if row["warnings"]:
            stated = f" of {row['duration_seconds']:.1f}" if row["duration_seconds"] else ""
            read = f"{ends[row['source_index']]:.1f}{stated} s were read"
            _log.warning("%s: %s, with a warning: %s", row["source"], read, cause(row["warnings"]))
    return [Unreadable(row["source"], row["reason"]) for row in told if row["status"] == "failed"]


def _describe(
    files: Sequence[MediaFile], media: Media, encoder: DescriptorEncoder, options: ExtractOptions, shards: Path
) -> Iterator[Descriptors | Unreadable]:
    params = replace(encoder.shard_params, media=media, sources_per_shard=SOURCES_PER_SHARD)
    options = replace(options, limits=replace(options.limits, is_coarse=True))
    failed = _build(files, params, options, shards)
    yield from failed
    if len(failed) == len(files):
        return
    config = LoaderConfig(
        str(shards), SEGMENTS_AT_ONCE, encoder.clip.frame_px, int(read_segments(shards)["n_frames"].max()),
        shuffle=False, seed=0, num_threads=options.num_threads,
    )  # fmt: skip
    hop = max(1, round(options.hop_seconds * params.fps))
    track: Track | None = None
    for batch in iterate_once(config, options.device):
        for row, segment in enumerate(batch.segment_id.tolist()):
            name = files[segment // SEGMENTS_PER_SOURCE_LIMIT].name
            if track is None or track.source != name:
                if track is not None:
                    yield track.finish()
                track = Track(name, encoder, params, hop)
            n_frames = int(batch.n_frames[row])
            frames = None if batch.frames is None else batch.frames[row, :n_frames]
            columns = batch.logmel[row, :, : n_frames * params.columns_per_frame]
            track.add(frames, columns, has_audio=bool(batch.has_audio[row]))
    if track is not None:
        yield track.finish()
