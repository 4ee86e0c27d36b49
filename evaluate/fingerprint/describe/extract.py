"""Media files to descriptors: passing shards through preprocess' own pipeline, then clips at a fixed hop.

Shards are made of a few files at a time and removed once these are described, so the disk holds little whatever the
archive's size.
"""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluate.fingerprint.describe.clip_stream import Track
from evaluate.fingerprint.describe.descriptors import Descriptors, Unreadable
from evaluate.fingerprint.describe.encoder import DescriptorEncoder, shard_params_for
from preprocess.build.pipeline import build
from preprocess.catalogues.files import AUDIO_EXTENSIONS
from preprocess.errors import MediaError, ShardError
from preprocess.executors.processes import Executor
from preprocess.media.probe import probe
from preprocess.schema import SEGMENTS_PER_SOURCE_LIMIT, Media
from preprocess.shards.manifest import MANIFEST_FILE, read_rows, read_segments
from preprocess.sources import Catalogue, Source
from train.data.loader import LoaderConfig, iterate_once

SEGMENTS_AT_ONCE = 8
"""Ten-second segments decoded together: at 128 px about 50 MB of frames."""


@dataclass(frozen=True)
class MediaFile:
    """A file to describe.

    Attributes:
        name: what it is called in descriptors, always valid UTF-8.
        path: where it lies.
    """

    name: str
    path: Path


@dataclass(frozen=True)
class ExtractOptions:
    """How files are described.

    Attributes:
        hop_seconds: from one descriptor to the next; rounded to whole frames of the encoder's clock.
        workers: processes that decode files.
        num_threads: threads that decode shards.
        device: where the encoder runs.
        executor: where files are decoded instead of `workers` processes.
        part_executor: where whole parts of an index are made; without one in this process, one after another.
    """

    hop_seconds: float
    workers: int = 1
    num_threads: int = 2
    device: str = "cpu"
    executor: Executor | None = None
    part_executor: Executor | None = None


def describe_files(
    files: Sequence[MediaFile], encoder: DescriptorEncoder, options: ExtractOptions, work: Path | None = None
) -> Iterator[Descriptors | Unreadable]:
    """Describe files, those with pictures first; what cannot be read comes with ffmpeg's words.

    Args:
        files: with names that differ.
        encoder: what describes them.
        options: hop and means.
        work: folder for passing shards; without it one in the system's temporary folder.

    Raises:
        preprocess.errors.DiskFullError: no space for the shards.
        train.errors.LoaderError: the shards cannot be read back.
    """
    by_media: dict[Media, list[MediaFile]] = {"video": [], "audio": []}
    for file in sorted(files, key=lambda each: each.name):
        by_media[_media(file.path)].append(file)
    for media, chosen in by_media.items():
        if chosen:
            folder = Path(tempfile.mkdtemp(prefix="avtempo-describe-", dir=work))
            try:
                yield from _describe(chosen, media, encoder, options, folder / "shards")
            finally:
                shutil.rmtree(folder, ignore_errors=True)


def _media(path: Path) -> Media:
    """Tell files of audio only; what cannot be probed goes the way of videos and fails there with its reason."""
    if path.suffix.lower() in AUDIO_EXTENSIONS:
        return "audio"
    try:
        info = probe(path)
    except MediaError:
        return "video"
    return "audio" if info.has_audio and not info.has_video else "video"


def _describe(
    files: Sequence[MediaFile], media: Media, encoder: DescriptorEncoder, options: ExtractOptions, shards: Path
) -> Iterator[Descriptors | Unreadable]:
    params = shard_params_for(encoder, media)
    sources = tuple(Source(index, file.path, file.name) for index, file in enumerate(files))
    catalogue = Catalogue("fingerprint", media, sources)
    failed = _build(catalogue, shards, encoder, options)
    yield from failed
    if len(failed) == len(files):
        return
    longest = int(read_segments(shards)["n_frames"].max())
    config = LoaderConfig(
        str(shards), SEGMENTS_AT_ONCE, encoder.clip.frame_px, longest, shuffle=False, seed=0,
        num_threads=options.num_threads,
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


def _build(
    catalogue: Catalogue, shards: Path, encoder: DescriptorEncoder, options: ExtractOptions
) -> tuple[Unreadable, ...]:
    """Make the shards; return the sources that could not be read."""
    params = shard_params_for(encoder, catalogue.media)
    manifest = shards / MANIFEST_FILE
    try:
        build(catalogue, shards, params, workers=options.workers, executor=options.executor)
    except ShardError:
        if not manifest.is_file():  # where none of the sources can be read, the table is there and says why
            raise
    rows = [row for row in read_rows(manifest).to_pylist() if row["kind"] == "source" and row["status"] == "failed"]
    return tuple(Unreadable(row["source"], row["reason"]) for row in rows)
