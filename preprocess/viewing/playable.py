"""What browsers play, and copies in MP4 of what they do not; a copy keeps the clock of the source."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from preprocess.errors import MediaError
from preprocess.media.ffmpeg import run_ffmpeg
from preprocess.media.frame_filters import deinterlaced, fitted
from preprocess.media.media_info import USUAL_LIMITS, Limits, MediaInfo
from preprocess.media.mono import mix_filters
from preprocess.media.probe import media_input, open_source, probe_file

Plays = Literal["direct", "remuxed", "transcoded", "none"]
"""How a browser gets a source: as it is; its streams in another container; encoded again; or not at all."""

_TYPES = {
    "mov,mp4,m4a,3gp,3g2,mj2": ("video/mp4", "audio/mp4"), "matroska,webm": ("video/webm", "audio/webm"),
    "ogg": ("video/ogg", "audio/ogg"), "mp3": ("", "audio/mpeg"), "flac": ("", "audio/flac"), "wav": ("", "audio/wav"),
}  # fmt: skip
"""Container -> media types with and without video, of what Chromium and Firefox read."""
_CONTAINERS_TO_COPY = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "mpegts", "flv"}
"""Their packets have times, which AVI's lack."""
_VIDEO = {"h264": ("yuv420p", "yuvj420p"), "vp8": ("yuv420p",), "vp9": ("yuv420p",), "av1": ("yuv420p", "yuv420p10le")}
_AUDIO = {"aac", "mp3", "opus", "vorbis", "flac"}
_IN_MP4 = {"h264", "vp9", "av1", "aac", "mp3", "opus", "flac"}
COPY_BYTES = 1 << 30
"""Largest source whose streams are copied."""
EXCERPT_SECONDS = 600
"""Length of a transcoded copy; a longer source is transcoded in parts."""
HEIGHT_PX = 480
TIMEOUT_SECONDS, TIMEOUT_FACTOR = 60.0, 1.5


@dataclass(frozen=True)
class Playback:
    """How a browser plays a source."""

    plays: Plays  # as it is, or what must be done
    info: MediaInfo | None  # of the source; None if it cannot be read
    media_type: str  # of the source or of its copy; "" if it is not played
    reason: str = ""  # why it is not played

    @property
    def is_in_parts(self) -> bool:
        """Whether one copy does not hold all of it."""
        seconds = (self.info and self.info.duration_seconds) or math.inf
        return self.plays == "transcoded" and seconds > EXCERPT_SECONDS


def playback(path: Path, limits: Limits = USUAL_LIMITS) -> Playback:
    """Probe a source, and say how a browser plays it."""
    try:
        with open_source(path, limits) as source:
            info, n_bytes = probe_file(source, path, limits), source.seek(0, 2)
    except MediaError as error:
        return Playback("none", None, "", error.reason)
    if not (info.has_audio or (info.has_video and info.width_px and info.height_px)):
        return Playback("none", info, "", "it has neither video nor audio")
    kind = "video/mp4" if info.has_video else "audio/mp4"
    first = {0, 1} if info.has_video and info.has_audio else {0}
    is_first = {info.video_stream, info.audio_stream} - {-1} == first  # else a browser would choose other streams
    is_known = _is_played(info)
    media_type = _TYPES.get(info.format_name, ("", ""))[not info.has_video]
    is_webm = info.format_name == "matroska,webm" and path.suffix.lower() in (".webm", ".weba")
    if is_known and is_first and media_type and (is_webm or info.format_name != "matroska,webm"):
        return Playback("direct", info, media_type)
    codecs = {info.video_codec if info.has_video else "", info.audio_codec if info.has_audio else ""} - {""}
    if is_known and info.format_name in _CONTAINERS_TO_COPY and codecs <= _IN_MP4 and n_bytes <= COPY_BYTES:
        return Playback("remuxed", info, kind)
    return Playback("transcoded", info, kind)


def _is_played(info: MediaInfo) -> bool:
    """Whether browsers decode all of its streams."""
    is_video = not info.has_video or info.pixel_format in _VIDEO.get(info.video_codec, ())
    is_raw = info.format_name == "wav" and info.audio_codec in ("pcm_s16le", "pcm_u8", "pcm_f32le")
    return is_video and (not info.has_audio or info.audio_codec in _AUDIO or is_raw)


def write_playable(
    path: Path, target: Path, plays: Plays, start_seconds: float = 0.0, limits: Limits = USUAL_LIMITS
) -> None:
    """Write a copy of a source to `target` as MP4; the source is opened as hostile input.

    `plays` is that of `playback`: "remuxed" copies the streams, "transcoded" encodes EXCERPT_SECONDS of them. Second
    `start_seconds` of the source becomes second 0 of a transcoded copy.

    Raises:
        MediaError: the source cannot be decoded; the subclasses say more.
        DiskFullError: there is no space left for the copy.
    """
    with open_source(path, limits) as source:
        info = probe_file(source, path, limits)
        is_copy = plays == "remuxed"
        output = _copied(source, info, target) if is_copy else _encoded(source, info, target, start_seconds, limits)
        seconds = min(info.duration_seconds or EXCERPT_SECONDS, EXCERPT_SECONDS)
        run_ffmpeg(
            path, output, pass_fds=[source.fileno()], timeout_seconds=TIMEOUT_SECONDS + TIMEOUT_FACTOR * seconds,
            work="making a copy to play", folder=target.parent,
        )  # fmt: skip


def _copied(source: Any, info: MediaInfo, target: Path) -> Any:
    media = media_input(source, info)
    streams = [media[str(number)] for number in (info.video_stream, info.audio_stream) if number >= 0]
    return _output(streams, target, c="copy", strict="experimental", fs=2 * COPY_BYTES)


def _encoded(source: Any, info: MediaInfo, target: Path, start_seconds: float, limits: Limits) -> Any:
    start = {"ss": f"{start_seconds:.3f}"} if start_seconds else {}
    media = media_input(source, info, max_pixels=limits.max_pixels, **start)
    streams, coding = [], dict[str, Any]()
    if info.has_video and info.width_px and info.height_px:
        height = min(HEIGHT_PX, 2 * max(1, round(info.height_px / 2)))
        width = 2 * max(1, min(2 * HEIGHT_PX, round(height * info.aspect_ratio / 2)))
        colours = ("scale=out_range=tv:out_color_matrix=bt709", "setsar=1")
        filters = ",".join([*deinterlaced(info), *fitted(info, width, height), *colours])
        streams.append(media[str(info.video_stream)])
        coding |= {"vf": filters, "c:v": "libx264", "preset": "veryfast", "crf": 26, "pix_fmt": "yuv420p", "g": 25}
    if info.has_audio:
        streams.append(media[str(info.audio_stream)])
        mix = mix_filters(info)  # for layouts that ffmpeg cannot mix by itself
        audio = ",".join([*mix, "aresample=async=1:first_pts=0"])
        coding |= {"af": audio, "ac": 1 if mix else 2, "ar": 48_000, "c:a": "aac", "b:a": "128k"}
    return _output(streams, target, t=EXCERPT_SECONDS, fs=COPY_BYTES, **coding)


def _output(streams: list[Any], target: Path, **options: Any) -> Any:
    import ffmpeg

    fixed = {"f": "mp4", "movflags": "+faststart", "map_metadata": -1, "map_chapters": -1, "threads": 2}
    output = ffmpeg.output(*streams, f"file:{target}", **fixed, **options)
    return output.global_args("-y", "-filter_threads", "1", "-max_error_rate", "1")
