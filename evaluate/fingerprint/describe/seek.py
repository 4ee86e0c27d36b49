"""Where decoding must begin so that ffmpeg arrives at a moment: in some containers a seek goes astray."""

import math

from preprocess.media.media_info import MediaInfo

EARLIER_SECONDS = {"mpegts": 12.0, "mpeg": 12.0, "mpegvideo": math.inf, "avi": 0.0, "flv": 0.0}
"""Of containers without a true index: a seek lands between key frames, and in raw video at another time."""
FIRST_SECONDS = 1.0
"""A seek to less lands behind the first key frame in these containers; decoding begins with the file."""
_CLOCK_OF_ALL_STREAMS = ("mpegts", "mpeg")


def _container(info: MediaInfo) -> str:
    return info.format_name.split(",")[0]


def skipped_seconds(info: MediaInfo, start_seconds: float) -> float:
    """Return how many seconds before a moment decoding must begin."""
    if (earlier := EARLIER_SECONDS.get(_container(info))) is None:
        return 0.0
    return min(start_seconds, earlier) if start_seconds - earlier >= FIRST_SECONDS else start_seconds


def seek_options(start_seconds: float) -> dict[str, str]:
    """Return ffmpeg's options of an input that is decoded from a moment on; none at its very start."""
    return {"ss": f"{start_seconds:.3f}"} if start_seconds > 0 else {}


def streams_of_clock(info: MediaInfo, stream: int) -> list[int]:
    """Return streams that must be read beside one: ffmpeg counts MPEG's time from the first packet of those that it reads."""
    both = [number for number in (info.video_stream, info.audio_stream) if number >= 0]
    return [number for number in both if number != stream] if _container(info) in _CLOCK_OF_ALL_STREAMS else []
