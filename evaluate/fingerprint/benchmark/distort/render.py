"""One query to a file: pieces cut and joined, distortions in order, encoded so that one seed gives the same bytes.

Sound first passes as samples (N,), because noise at a stated ratio and reverb need its level; then one ffmpeg process
joins the picture, filters both, and encodes. Sources are opened as those of preprocessing are: checked, by descriptor.
"""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import ffmpeg
import numpy as np

from evaluate.errors import FingerprintError
from evaluate.fingerprint.benchmark.distort import rates
from evaluate.fingerprint.benchmark.distort.distortion import Distortion, Scene, join_encodings
from evaluate.fingerprint.benchmark.truth import Piece, Span, spans_of
from preprocess.media.ffmpeg import ffmpeg_executable, run_ffmpeg
from preprocess.media.media_info import Limits, MediaInfo
from preprocess.media.probe import ALLOWED_FORMATS, open_source, probe_file

WORKING_RATE_HZ = 44_100
MAX_SHORT_SIDE_PX = 240
"""Larger sources are shrunk to it: queries come from small screens, and no method here looks at more."""
MAX_BITS_PER_SECOND = 1_500_000
"""Of the picture: noise would take ten times as much, and no place where clips are shared lets it."""
TIMEOUT_SECONDS = 300.0
_GLOBAL = ("-hide_banner", "-nostdin", "-nostats", "-loglevel", "repeat+error", "-y")
_ONE_THREAD = ("-filter_complex_threads", "1")
_SAME_BYTES = {"map_metadata": "-1", "fflags": "+bitexact", "flags:v": "+bitexact", "flags:a": "+bitexact"}


@dataclass(frozen=True)
class Order:
    """What to render.

    Attributes:
        wanted: what the query shows.
        host: foreign material for distortions that need some, of a video that is in no reference.
        distortions: in the order in which they are applied.
        seed: of all that is drawn; the same order gives the same bytes with the same ffmpeg.
    """

    wanted: Piece
    host: Piece
    distortions: tuple[Distortion, ...]
    seed: int

    def pieces_and_rate(self) -> tuple[tuple[Piece, ...], float]:
        """How the query is put together, and how fast it is played."""
        pieces: tuple[Piece, ...] = (self.wanted,)
        rate = 1.0
        for number, distortion in enumerate(self.distortions):
            random = self.random(number, 0)
            if distortion.cut:
                pieces = distortion.cut(self.wanted, self.host, random)
            if distortion.rate:
                rate = distortion.rate(random)
        return pieces, rate

    def truth(self) -> tuple[Span, ...]:
        """Which seconds of the query show which of the wanted source."""
        return spans_of(*self.pieces_and_rate())

    def random(self, number: int, part: int) -> np.random.Generator:
        """Generator of one part (cut, picture, samples, sound filter) of distortion `number`."""
        return np.random.default_rng([self.seed, number, part])


@dataclass(frozen=True)
class _Source:
    path: Path
    file: BinaryIO
    info: MediaInfo

    @property
    def size_px(self) -> tuple[int, int]:
        """Upright, square samples, even sides, the short one at most MAX_SHORT_SIDE_PX."""
        width, height = round(self.info.width_px * self.info.sample_aspect_ratio), self.info.height_px
        if self.info.rotation_degrees in (90, 270):
            width, height = height, width
        shrink = min(1.0, MAX_SHORT_SIDE_PX / min(width, height))
        return max(2, round(width * shrink / 2) * 2), max(2, round(height * shrink / 2) * 2)

    @property
    def fps(self) -> float:
        return round(min(max(self.info.fps, 1.0), 60.0), 3)

    def open(self, **options: Any) -> Any:
        return ffmpeg.input(
            f"file:/dev/fd/{self.file.fileno()}",
            f=self.info.format_name.split(",")[0],
            format_whitelist=ALLOWED_FORMATS,
            protocol_whitelist="file",
            threads=1,
            **options,
        )

    def cut(self, piece: Piece) -> Any:
        return self.open(ss=f"{piece.start_seconds:.6f}", t=f"{piece.seconds:.6f}")


def render(order: Order, folder: Path, target: Path) -> None:
    """Write one query as an mp4 file.

    Args:
        order: what to render; the sources' names are paths below `folder`.
        folder: of the sources.
        target: the file to write; the caller makes it appear whole.

    Raises:
        MediaError: a source cannot be read.
        FingerprintError: ffmpeg could not make the query; carries its words.
    """
    pieces, rate = order.pieces_and_rate()
    names = list(dict.fromkeys([*(piece.source for piece in pieces), order.host.source]))
    with contextlib.ExitStack() as stack:
        sources = {name: stack.enter_context(_opened(folder / name)) for name in names}
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        main = sources[order.wanted.source]
        encoding = join_encodings([distortion.encoding for distortion in order.distortions])
        sound = _samples(order, pieces, sources, scratch)
        picture = _picture(order, pieces, rate, sources, scratch)
        streams: list[Any] = []
        options: dict[str, Any] = dict(_SAME_BYTES)
        if picture is not None:
            streams.append(picture)
            options |= {"c:v": "libx264", "preset": "superfast", "crf": encoding.crf, "pix_fmt": "yuv420p"}
            options |= {"maxrate": MAX_BITS_PER_SECOND, "bufsize": 2 * MAX_BITS_PER_SECOND}
        if sound is not None:
            streams.append(_sound(order, sound, rate))
            options |= {"c:a": encoding.audio_codec, "b:a": encoding.audio_bits_per_second}
            options |= {"ar": encoding.audio_rate_hz}
        if not streams:
            raise FingerprintError(f"{main.path}: neither picture nor sound to make a query of")
        output = ffmpeg.output(*streams, str(target), format="mp4", threads=1, **options)
        _run(output, [source.file for source in sources.values()], target)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[_Source]:
    limits = Limits()
    with open_source(path, limits) as file:
        yield _Source(path, file, probe_file(file, path, limits))


def _run(output: Any, files: Sequence[BinaryIO], target: Path) -> None:
    arguments = ffmpeg.compile(output.global_args(*_GLOBAL, *_ONE_THREAD), cmd=ffmpeg_executable())
    descriptors = [file.fileno() for file in files]
    try:
        status, words = run_ffmpeg(arguments, pass_fds=descriptors, timeout_seconds=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise FingerprintError(f"{target}: ffmpeg took more than {TIMEOUT_SECONDS:.0f} s") from error
    if status != 0:
        raise FingerprintError(f"{target}: ffmpeg could not make this query: {words or status}")


def _picture(
    order: Order, pieces: Sequence[Piece], rate: float, sources: dict[str, _Source], scratch: Path
) -> Any | None:
    """Join the pieces at the wanted source's size and rate, then filter; None where it has no picture."""
    main = sources[order.wanted.source]
    if not main.info.has_video:
        return None

    def fitted(stream: Any) -> Any:
        scaled = stream.filter("fps", main.fps, start_time=0, round="near")
        return scaled.filter("scale", *main.size_px, flags="bicubic+accurate_rnd").filter("setsar", 1)

    def host() -> Any:
        opened = sources[order.host.source].open(stream_loop=-1, ss=f"{order.host.start_seconds:.6f}")
        return fitted(opened[_video(sources[order.host.source])])

    parts = [fitted(sources[piece.source].cut(piece)[_video(sources[piece.source])]) for piece in pieces]
    stream = parts[0] if len(parts) == 1 else ffmpeg.concat(*parts, v=1, a=0)
    seconds = sum(piece.seconds for piece in pieces)
    for number, distortion in enumerate(order.distortions):
        if distortion.picture:
            random = order.random(number, 1)
            layers = scratch / str(number)
            layers.mkdir(exist_ok=True)
            stream = distortion.picture(stream, Scene(*main.size_px, main.fps, seconds, random, layers, host))
    if rate != 1.0:
        stream = stream.filter("setpts", f"PTS/{rate}").filter("fps", main.fps, round="near")
    # x264's 4:2:0 needs even sides, also after a crop of small pictures.
    return stream.filter("scale", "trunc(iw/2)*2", "trunc(ih/2)*2", flags="bicubic+accurate_rnd")


def _video(source: _Source) -> str:
    return str(source.info.video_stream)


def _samples(order: Order, pieces: Sequence[Piece], sources: dict[str, _Source], scratch: Path) -> Path | None:
    """Mono samples of the pieces after the distortions that work on samples, as a raw file; None without sound."""
    if not sources[order.wanted.source].info.has_audio:
        return None
    joined = np.concatenate(
        [_decode(sources[piece.source], piece, scratch / f"piece-{i}.f32") for i, piece in enumerate(pieces)]
    )
    for number, distortion in enumerate(order.distortions):
        if distortion.waveform:
            joined = distortion.waveform(joined, WORKING_RATE_HZ, order.random(number, 2))
    path = scratch / "sound.f32"
    path.write_bytes(joined.astype("<f4").tobytes())
    return path


def _decode(source: _Source, piece: Piece, path: Path) -> np.ndarray:
    """Samples of a piece, (seconds * WORKING_RATE_HZ,) float32: padded where the sound is shorter, or there is none."""
    n_samples = round(piece.seconds * WORKING_RATE_HZ)
    samples = np.zeros(n_samples, np.float32)
    if source.info.has_audio:
        stream = source.cut(piece)[str(source.info.audio_stream)]
        stream = stream.filter("aresample", WORKING_RATE_HZ, **{"async": 1, "first_pts": 0, "rematrix_maxval": 1})
        stream = stream.filter("aformat", sample_fmts="flt", channel_layouts="mono")
        _run(ffmpeg.output(stream, str(path), format="f32le"), [source.file], path)
        found = np.fromfile(path, "<f4", n_samples)
        samples[: len(found)] = found
    return samples


def _sound(order: Order, path: Path, rate: float) -> Any:
    stream = ffmpeg.input(str(path), f="f32le", ar=WORKING_RATE_HZ, ac=1).audio
    for number, distortion in enumerate(order.distortions):
        if distortion.sound:
            stream = distortion.sound(stream, WORKING_RATE_HZ, order.random(number, 3))
        if distortion.rate:
            stream = rates.tempo(stream, rate) if distortion.keeps_pitch else rates.speed(stream, rate, WORKING_RATE_HZ)
    return stream


def rendered(order: Order, folder: Path, target: Path) -> None:
    """Render, whole or not at all.

    Raises:
        MediaError, FingerprintError: as `render` does.
        StoreError: the disk is full, or another process writes the same query.
    """
    from store.atomic_files import replacing

    with replacing(target) as temporary:
        render(order, folder, temporary)
