"""Which video and which audio stream of a container stand for it, as players choose."""

import itertools
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

PACKETS_TO_TELL_STILLS = 64
"""A stream with a single packet among so many first ones is a still picture: a thumbnail, a title."""


@dataclass(frozen=True)
class Chosen:
    """PyAV's streams, None where there is none, and the packets that were read to choose the video."""

    video: Any | None
    audio: Any | None
    packets: list[Any]


def choose_streams(container: Any, notes: "ContainerNotes") -> Chosen:
    """Choose among the streams that have a decoder; cover art is not a video stream.

    A video is no still picture if another one moves. Descriptions, comments and mixes for the impaired come last. Then
    count the `default` flag, and the size or the channels, and the order. The audio is of the video's programme.
    """
    from av.stream import Disposition as Is

    side = Is.comment | Is.hearing_impaired | Is.visual_impaired | Is.clean_effects | Is.descriptions | Is.dependent
    pictures = Is.attached_pic | Is.timed_thumbnails
    videos = [s for s in container.streams.video if s.codec_context is not None and not s.disposition & pictures]
    packets = list(itertools.islice(container.demux(videos), PACKETS_TO_TELL_STILLS)) if len(videos) > 1 else []
    counts = Counter(packet.stream_index for packet in packets if packet.size)

    def rank(stream: Any, size: int) -> tuple[bool, bool, bool, int]:
        disposition = stream.disposition
        moves = counts[stream.index] > 1 and not disposition & Is.still_image
        return moves, not disposition & side, bool(disposition & Is.default), size

    video = max(videos, key=lambda s: rank(s, s.codec_context.width * s.codec_context.height), default=None)
    audios = [s for s in container.streams.audio if s.codec_context is not None]
    programme = notes.programmes.get(video.index) if video else None
    audios = [s for s in audios if notes.programmes.get(s.index) == programme] or audios
    audio = max(audios, key=lambda s: rank(s, s.codec_context.channels), default=None)
    return Chosen(video, audio, packets)


@dataclass(frozen=True)
class ContainerNotes:
    """What PyAV says of streams only in ffmpeg's printed description, by the stream's index.

    `programmes` are those of transport streams. `cropping_px` is what the container cuts off, left, right, top, bottom:
    ffmpeg's executable does so, PyAV's decoder does not.
    """

    programmes: dict[int, int]
    cropping_px: dict[int, tuple[int, int, int, int]]


def read_notes(container: Any) -> ContainerNotes:
    """Read ffmpeg's description of a container; it is written as a log message of a level of its own."""
    import av.logging

    level = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)
    try:
        lines = container.dumps_format().splitlines()
    finally:
        av.logging.set_level(level)
    notes = ContainerNotes({}, {})
    programme, stream = None, -1
    for line in lines:
        if found := re.match(r" +Program (\d+)", line):
            programme = int(found[1])
        elif re.match(r" +No Program", line):
            programme = None
        elif found := re.match(r" +Stream #0:(\d+)", line):
            stream = int(found[1])
            if programme is not None:
                notes.programmes.setdefault(stream, programme)
        elif found := re.match(r" +Frame Cropping: (\d+)/(\d+)/(\d+)/(\d+)$", line):
            left, right, top, bottom = map(int, found.groups())
            notes.cropping_px[stream] = left, right, top, bottom
    return notes
