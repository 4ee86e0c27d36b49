"""Opens and probes sources as hostile input: a file that is not plain media is refused, and nothing it names is opened.

A playlist or script (HLS, DASH, ffconcat, SDP ...) can be named .mp4 and make a careless reader open local files or
addresses. So the file is opened once, here, and must be a regular file. PyAV gets the open file, an allow-list of
containers, and an `io_open` that refuses. ffmpeg later gets the same descriptor, the same list, and the demuxer's name,
so that it does not guess again.
"""

import codecs
import itertools
import logging
import math
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from preprocess.errors import MediaError, MediaLimitError, MediaRefusedError
from preprocess.media.ffmpeg import cause, clean_words
from preprocess.media.media_info import USUAL_LIMITS, Limits, MediaInfo
from preprocess.media.streams import ContainerNotes, choose_streams, read_notes

logger = logging.getLogger(__name__)

ALLOWED_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,swf,asf,rm,ogg,mxf,dv,gif,wav,w64,flac,mp3,aac,ac3,"
    "eac3,amr,aiff,caf,au"
)
"""Demuxers that read one file and nothing else."""

SCRIPT_SIGNATURES = (b"#extm3u", b"ffconcat", b"v=0", b"[playlist]", b"[reference]", b"<asx", b"<smil")

MAX_PACKETS_TO_FIRST_FRAME = 200
PROGRESSIVE = 1
"""ffmpeg's number for a field order without fields; 0 means unknown, higher numbers which field is first."""


@contextmanager
def open_source(path: Path, limits: Limits) -> Iterator[BinaryIO]:
    """Open a source for reading.

    Raises:
        MediaRefusedError: it is no regular file (a FIFO would block for ever), or a link although none may be followed.
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
        if not limits.follows_links and Path(f"/proc/self/fd/{descriptor}").readlink() != path:
            raise MediaRefusedError(path, "a link, or replaced while it was opened")
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


def probe(path: Path, limits: Limits = USUAL_LIMITS) -> MediaInfo:
    """Read a source's properties from its container.

    Raises:
        MediaError: it is no media file that can be read; the subclasses say more.
    """
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
            with av.open(file, options=options, io_open=_refuse_to_open, metadata_errors="replace") as container:
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


def _refuse_to_open(url: str, flags: int, options: dict[str, str]) -> BinaryIO:
    """Answer a container that wants to open another file."""
    raise PermissionError(f"refused to open {url!r}")


def _media_error(error: Exception, log: list[tuple[str, str]], path: Path) -> MediaError:
    """Quote ffmpeg, and distinguish refused containers from damaged ones."""
    reason = clean_words(getattr(error, "strerror", None) or str(error))
    for name, message in log:
        if "not on whitelist" in message:
            return MediaRefusedError(path, f"not plain media but {name}: refused")
    words = clean_words("\n".join(f"{name}: {message}" if name else message for name, message in log))
    logger.info("%s cannot be probed: %s", path, words)
    return MediaError(path, f"{cause(words)}; {reason}" if words else reason)


def _describe(container: Any) -> MediaInfo:
    notes = read_notes(container)
    chosen = choose_streams(container, notes)
    video, audio = chosen.video, chosen.audio
    picture = _describe_video(container, video, chosen.packets, notes) if video else {}
    return MediaInfo(
        duration_seconds=_duration_seconds(container),
        has_video=video is not None,
        has_audio=audio is not None,
        audio_codec=audio.codec_context.codec.canonical_name if audio else "",
        format_name=container.format.name,
        video_stream=video.index if video else -1,
        audio_stream=audio.index if audio else -1,
        audio_channels=audio.codec_context.channels if audio else 0,
        audio_layout=audio.codec_context.layout.name if audio else "",
        **picture,
    )


def _duration_seconds(container: Any) -> float | None:
    """Duration from the container, else its longest stream, else None."""
    import av

    if container.duration is not None and container.duration > 0:
        return container.duration / av.time_base
    seconds = [float(s.duration * s.time_base) for s in container.streams if s.duration and s.time_base]
    return max((s for s in seconds if s > 0), default=None)


def _describe_video(container: Any, stream: Any, packets: list[Any], notes: ContainerNotes) -> dict[str, Any]:
    """Fields of MediaInfo; the first decoded frame counts before the stream's header."""
    from av.video.reformatter import ColorTrc

    codec = stream.codec_context
    codec.thread_count = 1
    frame = _first_frame(itertools.chain(packets, container.demux(stream)), stream.index)
    first = frame or codec
    left, right, top, bottom = notes.cropping_px.get(stream.index, (0, 0, 0, 0))
    ratio = float(stream.sample_aspect_ratio or 1)
    return {
        "width_px": max(0, first.width - left - right),
        "height_px": max(0, first.height - top - bottom),
        "fps": float(stream.average_rate or stream.guessed_rate or stream.base_rate or 0),
        "rotation_degrees": round(-frame.rotation / 90) * 90 % 360 if frame else 0,  # PyAV counts counter-clockwise
        "video_codec": codec.codec.canonical_name,
        "pixel_format": (frame.format.name if frame else codec.pix_fmt) or "",
        "sample_aspect_ratio": ratio if math.isfinite(ratio) and ratio > 0 else 1.0,
        "is_interlaced": codec.field_order > PROGRESSIVE or bool(frame and frame.interlaced_frame),
        "is_hdr": first.color_trc in (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67),
    }


def _first_frame(packets: Iterable[Any], index: int) -> Any | None:
    import av

    of_stream = (packet for packet in packets if packet.stream_index == index)
    for packet in itertools.islice(of_stream, MAX_PACKETS_TO_FIRST_FRAME):
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            continue  # damaged or cut before the first key frame: the next packets may do
        if frames:
            return frames[0]
    return None
