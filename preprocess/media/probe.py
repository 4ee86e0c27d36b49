"""Opens and probes sources as hostile input: a file that is not plain media is refused, and nothing it names is opened.

A playlist or script (HLS, DASH, ffconcat, SDP ...) can be named .mp4 and make a careless reader open local files or
addresses. So the file is opened once, here, and must be a regular file. PyAV gets the open file, an allow-list of
containers, and an `io_open` that refuses. ffmpeg later gets the same descriptor, the same list, and the demuxer's name,
so that it does not guess again.
"""

import codecs
import itertools
import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from preprocess.errors import MediaError, MediaLimitError, MediaRefusedError
from preprocess.media.ffmpeg import clean_words
from preprocess.media.media_info import Limits, MediaInfo

ALLOWED_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,mxf,wav,w64,flac,mp3,aac,aiff,caf,au"
)
"""Demuxers that read one file and nothing else."""

SCRIPT_SIGNATURES = (b"#extm3u", b"ffconcat", b"v=0", b"[playlist]", b"[reference]", b"<asx", b"<smil")

MAX_PACKETS_TO_FIRST_FRAME = 200


@contextmanager
def open_source(path: Path, limits: Limits) -> Iterator[BinaryIO]:
    """Open a source for reading.

    Raises:
        MediaRefusedError: it is no regular file (a FIFO would block for ever).
        MediaLimitError: it is too large.
        MediaError: it is empty, cannot be opened, or was changed before the block ended.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise MediaRefusedError(path, "not a regular file")
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise MediaError(path, error.strerror or str(error)) from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise MediaRefusedError(path, "not a regular file")
        if status.st_size == 0:
            raise MediaError(path, "empty file")
        if status.st_size > limits.max_file_bytes:
            raise MediaLimitError(path, f"{status.st_size} bytes, the limit is {limits.max_file_bytes}")
        _refuse_scripts(file, path)
        yield file
        now = os.fstat(descriptor)
        if (now.st_size, now.st_mtime_ns) != (status.st_size, status.st_mtime_ns):
            raise MediaError(path, "was changed while it was read, perhaps it is still being written: try it later")


def _refuse_scripts(file: BinaryIO, path: Path) -> None:
    """Recognise playlists and scripts by their first bytes; the allow-list refuses them too, with a vaguer message."""
    head = file.read(1024).removeprefix(codecs.BOM_UTF8).lstrip().lower()
    file.seek(0)
    is_dash = head.startswith(b"<") and b"<mpd" in head
    if is_dash or head.startswith(SCRIPT_SIGNATURES):
        raise MediaRefusedError(path, "a playlist or script that names other files, not plain media: refused")


def probe(path: Path, limits: Limits | None = None) -> MediaInfo:
    """Read a source's properties from its container.

    Raises:
        MediaError: it is no media file that can be read; the subclasses say more.
    """
    limits = limits or Limits()
    with open_source(path, limits) as file:
        return probe_file(file, path, limits)


def probe_file(file: BinaryIO, path: Path, limits: Limits) -> MediaInfo:
    """Like `probe`, of a source that is open."""
    import av
    import av.logging

    options = {"format_whitelist": ALLOWED_FORMATS, "protocol_whitelist": "file", "max_pixels": str(limits.max_pixels)}
    av.logging.set_level(av.logging.ERROR)  # without it ffmpeg's reason is lost
    with av.logging.Capture() as log:
        try:
            with av.open(file, options=options, io_open=refuse_to_open, metadata_errors="replace") as container:
                info = _describe(container)
                is_too_long = _goes_beyond(limits.max_duration_seconds, container, info)
        except (av.error.FFmpegError, OSError, ValueError, EOFError) as error:
            raise _media_error(error, [(name, message) for _, name, message in log], path) from error
        finally:
            av.logging.set_level(None)
    if info.width_px * info.height_px > limits.max_pixels:
        size = f"{info.width_px}x{info.height_px} px"
        raise MediaLimitError(path, f"frames of {size}, the limit is {limits.max_pixels} pixels")
    if is_too_long:
        raise MediaLimitError(path, f"{info.duration_seconds:.0f} s, the limit is {limits.max_duration_seconds:.0f} s")
    return info


def _goes_beyond(second: float, container: Any, info: MediaInfo) -> bool:
    """Whether the header's duration is longer, and video or audio is there: a stray subtitle may make a header long."""
    import av

    if (info.duration_seconds or 0.0) <= second:
        return False
    for number in (info.video_stream, info.audio_stream):
        stream = container.streams[number] if number >= 0 else None
        if stream is None or not stream.time_base:
            continue
        at = int(second / stream.time_base) + (stream.start_time or 0)
        try:
            container.seek(at, stream=stream)
            if any(packet.pts is not None and packet.pts >= at for packet in container.demux(stream)):
                return True
        except (av.error.FFmpegError, OverflowError):
            continue  # the limit on what is decoded holds
    return False


def media_input(file: BinaryIO, info: MediaInfo, **options: object) -> Any:
    """ffmpeg-python's input node of an open, probed source; ffmpeg reads this descriptor and opens nothing else."""
    import ffmpeg

    return ffmpeg.input(
        f"file:/dev/fd/{file.fileno()}",
        f=info.format_name.split(",")[0],
        format_whitelist=ALLOWED_FORMATS,
        protocol_whitelist="file",
        threads=1,
        **options,
    )


def refuse_to_open(url: str, flags: int, options: dict[str, str]) -> BinaryIO:
    """Answer a container that wants to open another file."""
    raise PermissionError(f"refused to open {url!r}")


def _media_error(error: Exception, log: list[tuple[str, str]], path: Path) -> MediaError:
    """Quote ffmpeg, and distinguish refused containers from damaged ones."""
    reason = clean_words(getattr(error, "strerror", None) or str(error))
    for name, message in log:
        if "not on whitelist" in message:
            return MediaRefusedError(path, f"not plain media but {name}: refused")
    words = clean_words("\n".join(f"{name}: {message}" if name else message for name, message in log))
    return MediaError(path, f"{words}; {reason}" if words else reason)


def _describe(container: Any) -> MediaInfo:
    """Describe the first video and audio stream that have a decoder; cover art is not a video stream."""
    from av.stream import Disposition

    videos = (s for s in container.streams.video if not s.disposition & Disposition.attached_pic)
    video = next((s for s in videos if s.codec_context is not None), None)
    audio = next((s for s in container.streams.audio if s.codec_context is not None), None)
    rotation, aspect = _frame_geometry(container, video) if video else (0, 1.0)
    rate = (video.average_rate or video.guessed_rate or video.base_rate or 0) if video else 0
    return MediaInfo(
        duration_seconds=_duration_seconds(container),
        width_px=video.codec_context.width if video else 0,
        height_px=video.codec_context.height if video else 0,
        fps=float(rate),
        rotation_degrees=rotation,
        has_video=video is not None,
        has_audio=audio is not None,
        video_codec=video.codec_context.codec.canonical_name if video else "",
        audio_codec=audio.codec_context.codec.canonical_name if audio else "",
        format_name=container.format.name,
        sample_aspect_ratio=aspect,
        video_stream=video.index if video else -1,
        audio_stream=audio.index if audio else -1,
        audio_channels=audio.codec_context.channels if audio else 0,
        audio_layout=audio.codec_context.layout.name if audio else "",
    )


def _duration_seconds(container: Any) -> float | None:
    """Duration from the container, else its longest stream, else None."""
    import av

    if container.duration is not None and container.duration > 0:
        return container.duration / av.time_base
    seconds = [float(s.duration * s.time_base) for s in container.streams if s.duration and s.time_base]
    return max((s for s in seconds if s > 0), default=None)


def _frame_geometry(container: Any, stream: Any) -> tuple[int, float]:
    """Clockwise rotation in degrees and sample aspect ratio; the rotation comes with the first decoded frame."""
    stream.codec_context.thread_count = 1
    frame = _first_frame(container, stream)
    ratio = float(stream.sample_aspect_ratio or 1)
    counter_clockwise = frame.rotation if frame is not None else 0
    return round(-counter_clockwise / 90) * 90 % 360, ratio if math.isfinite(ratio) and ratio > 0 else 1.0


def _first_frame(container: Any, stream: Any) -> Any | None:
    import av

    for packet in itertools.islice(container.demux(stream), MAX_PACKETS_TO_FIRST_FRAME):
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            continue  # damaged or cut before the first key frame: the next packets may do
        if frames:
            return frames[0]
    return None
