"""Queries to files: pieces are cut and joined, distorted in order, and encoded; one seed gives the same bytes.

The audio is decoded to samples (N,) first, because noise at a stated ratio and reverb need its level. Then one ffmpeg
process joins the video, filters both, and encodes.

Rendered queries of a plan are kept in one folder, and only missing ones are rendered. A file's name contains a digest of
everything that determines its bytes, so a changed plan, source or ffmpeg gives a new file.
"""

import contextlib
import hashlib
import itertools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import ffmpeg
import numpy as np

from evaluate.errors import FingerprintError
from evaluate.fingerprint.benchmark.distort.audio import SAMPLE_RATE_HZ, speed, tempo
from evaluate.fingerprint.benchmark.distort.video import SCALING, Scene, even
from evaluate.fingerprint.benchmark.query import Query
from evaluate.fingerprint.benchmark.truth import Piece
from preprocess.errors import MediaError
from preprocess.media.ffmpeg import ffmpeg_version, run_ffmpeg
from preprocess.media.media_info import Limits, MediaInfo
from preprocess.media.probe import media_input, open_source, probe_file
from preprocess.sources import path_of
from store.atomic_files import replacing

RECIPE_VERSION = 1
"""Increase it with every change of a distortion, so that queries are rendered anew."""
MAX_SHORT_SIDE_PX = 240
"""Larger sources are shrunk to it: no method here uses more."""
MAX_BITS_PER_SECOND = 1_500_000
"""Limit for the video: noise would take ten times as much, more than sites for sharing clips allow."""
TIMEOUT_SECONDS = 300.0
_GLOBAL = ("-y", "-filter_complex_threads", "1")
_OPTIONS: dict[str, Any] = {
    "map_metadata": "-1", "fflags": "+bitexact", "flags:v": "+bitexact", "flags:a": "+bitexact",
    "c:v": "libx264", "preset": "superfast", "crf": 20, "pix_fmt": "yuv420p",
    "maxrate": MAX_BITS_PER_SECOND, "bufsize": 2 * MAX_BITS_PER_SECOND,
    "c:a": "aac", "b:a": 128_000, "ar": 44_100,
}  # fmt: skip


def render_queries(
    queries: Sequence[Query], folder: Path, cache: Path, jobs: int, progress: Callable[[int, int], None]
) -> dict[str, Path]:
    """Render the queries whose files are missing, and remove files of other plans.

    Args:
        queries: of the plan.
        folder: of the sources.
        cache: folder of the rendered files; it is made if it is missing.
        jobs: number of parallel ffmpeg processes.
        progress: called with (done, total).

    Returns:
        The file of every query, by name.

    Raises:
        FingerprintError, StoreError: the first failure in the plan's order, once running processes have ended.
    """
    cache.mkdir(parents=True, exist_ok=True)
    paths = {query.name: query_path(query, folder, cache) for query in queries}
    for path in set(cache.glob("*.mp4")).difference(paths.values()):
        path.unlink()
    missing = [query for query in queries if not paths[query.name].exists()]
    n_done = len(queries) - len(missing)
    progress(n_done, len(queries))
    with ThreadPoolExecutor(jobs) as executor:
        # Not kept in a variable: an error or Ctrl-C must close `map`, which then drops the waiting queries.
        for _ in executor.map(lambda query: render(query, folder, paths[query.name]), missing):
            n_done += 1
            progress(n_done, len(queries))
    return paths


def query_path(query: Query, folder: Path, cache: Path) -> Path:
    """Return the path of a query's file.

    Raises:
        FingerprintError: a source is missing.
    """
    digest = hashlib.sha256(f"{RECIPE_VERSION} {ffmpeg_version()} {query}".encode())
    for piece in (query.wanted, query.host):
        try:
            status = path_of(folder, piece.source).stat()
        except OSError as error:
            raise FingerprintError(f"{folder / piece.source}: {error.strerror}; the plan needs it") from error
        digest.update(f" {status.st_size} {status.st_mtime_ns}".encode())
    return cache / f"{query.name}-{digest.hexdigest()[:12]}.mp4"


def render(query: Query, folder: Path, target: Path) -> None:
    """Write one query as an mp4 file, whole or not at all.

    Args:
        query: its sources' names are paths below `folder`.
        folder: of the sources, which have video and audio.
        target: the file to write.

    Raises:
        FingerprintError: a source cannot be read, or ffmpeg cannot make the query.
        StoreError: the disk is full, or another process writes the same query.
    """
    options = dict(_OPTIONS)
    for distortion, _ in query.distortions_of("video-encoding", "audio-encoding"):
        options |= distortion.apply()
    try:
        with (
            open_media(path_of(folder, query.wanted.source)) as wanted,
            open_media(path_of(folder, query.host.source)) as host,
            tempfile.TemporaryDirectory() as scratch,
            replacing(target) as temporary,
        ):
            makers = {"video": _video, "audio": _audio}
            wanted_streams = makers if query.streams == "both" else (query.streams,)
            streams = [makers[name](query, wanted, host, Path(scratch)) for name in wanted_streams]
            output = ffmpeg.output(*streams, str(temporary), format="mp4", threads=1, **options)
            run_graph(output, (wanted, host), target)
    except MediaError as error:
        raise FingerprintError(f"{query.name} cannot be rendered: {error}") from error


@dataclass(frozen=True)
class OpenMedia:
    """An open source and its properties."""

    file: BinaryIO
    info: MediaInfo

    def cut(self, index: int, piece: Piece) -> Any:
        """Return ffmpeg-python's node of one stream from the piece's start to its end."""
        return self.stream(index, ss=f"{piece.start_seconds:.6f}", t=f"{piece.seconds:.6f}")

    def stream(self, index: int, **options: Any) -> Any:
        """Return ffmpeg-python's node of one stream; ffmpeg reads this file and opens nothing else."""
        return media_input(self.file, self.info, max_pixels=Limits().max_pixels, **options)[str(index)]


@contextlib.contextmanager
def open_media(path: Path) -> Iterator[OpenMedia]:
    """Open and probe a source.

    Raises:
        MediaError: it cannot be read, or is not a plain media file.
    """
    limits = Limits()
    with open_source(path, limits) as file:
        yield OpenMedia(file, probe_file(file, path, limits))


def run_graph(output: Any, sources: Sequence[OpenMedia], path: Path) -> None:
    """Run ffmpeg on an output node of ffmpeg-python that reads these sources; errors name the path.

    Raises:
        MediaError: ffmpeg failed, or took longer than TIMEOUT_SECONDS.
    """
    descriptors = [source.file.fileno() for source in sources]
    graph = output.global_args(*_GLOBAL)
    run_ffmpeg(path, graph, pass_fds=descriptors, timeout_seconds=TIMEOUT_SECONDS, work="rendering it")


def _video(query: Query, wanted: OpenMedia, host: OpenMedia, scratch: Path) -> Any:
    """Join the pieces at the wanted source's size and frame rate, then filter."""
    size_px, fps = _size_px(wanted.info), round(min(max(wanted.info.fps, 1.0), 60.0), 3)

    def fitted(stream: Any) -> Any:
        scaled = stream.filter("fps", fps, start_time=0, round="near").filter("scale", *size_px, flags=SCALING)
        return scaled.filter("setsar", 1)

    endless = fitted(host.stream(host.info.video_stream, stream_loop=-1, ss=f"{query.host.start_seconds:.6f}"))
    hosts = map(endless.filter_multi_output("split").__getitem__, itertools.count())  # each distortion takes one
    sources = [host if piece.is_host else wanted for piece in query.pieces]
    parts = [fitted(each.cut(each.info.video_stream, piece)) for each, piece in zip(sources, query.pieces, strict=True)]
    stream = parts[0] if len(parts) == 1 else ffmpeg.concat(*parts, v=1, a=0)
    for distortion, random in query.distortions_of("video"):
        layer = scratch / f"{distortion.name}.png"
        stream = distortion.apply(stream, Scene(*size_px, fps, random, layer, hosts.__next__))
    if query.rate != 1.0:
        stream = stream.filter("setpts", f"PTS/{query.rate}").filter("fps", fps, round="near")
    # x264's 4:2:0 needs even sides, also after a crop of small frames.
    return stream.filter("scale", "trunc(iw/2)*2", "trunc(ih/2)*2", flags=SCALING)


def _size_px(info: MediaInfo) -> tuple[int, int]:
    """Return (width, height) of a query: upright, square pixels, even sides, at most MAX_SHORT_SIDE_PX short."""
    width, height = round(info.width_px * info.sample_aspect_ratio), info.height_px
    if info.rotation_degrees in (90, 270):
        width, height = height, width
    shrink = min(1.0, MAX_SHORT_SIDE_PX / min(width, height))
    return even(width * shrink), even(height * shrink)


def _audio(query: Query, wanted: OpenMedia, host: OpenMedia, scratch: Path) -> Any:
    """Join the pieces' samples, distort these, then filter the stream made of them."""
    path = scratch / "samples.f32"
    waveform = np.concatenate([_samples(host if piece.is_host else wanted, piece, path) for piece in query.pieces])
    for distortion, random in query.distortions_of("waveform"):
        waveform = distortion.apply(waveform, random)  # (N,)
    path.write_bytes(waveform.astype("<f4").tobytes())
    stream = ffmpeg.input(str(path), f="f32le", ar=SAMPLE_RATE_HZ, ac=1).audio
    for distortion, random in query.distortions_of("audio", "speed", "tempo"):
        if distortion.part == "audio":
            stream = distortion.apply(stream, random)
        else:
            stream = (tempo if distortion.part == "tempo" else speed)(stream, query.rate)
    return stream


def _samples(source: OpenMedia, piece: Piece, path: Path) -> np.ndarray:
    """Decode a piece through a file to (seconds * SAMPLE_RATE_HZ,) float32; audio that ends early is padded."""
    stream = source.cut(source.info.audio_stream, piece)
    stream = stream.filter("aresample", SAMPLE_RATE_HZ, **{"async": 1, "first_pts": 0, "rematrix_maxval": 1})
    stream = stream.filter("aformat", sample_fmts="flt", channel_layouts="mono")
    run_graph(ffmpeg.output(stream, str(path), format="f32le"), (source,), Path(piece.source))
    samples = np.zeros(round(piece.seconds * SAMPLE_RATE_HZ), np.float32)
    found = np.fromfile(path, "<f4", len(samples))
    samples[: len(found)] = found
    return samples
