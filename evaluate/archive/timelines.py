"""Events of a timeline, and whole timelines as OpenTimelineIO: clips that refer to the media files.

The lowest track is the query (of a pair its first source), whole. Above it lie the sources that hold the same, where they
belong, with gaps. Where several hold the same seconds, the best one lies on the highest track.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import opentimelineio as otio
from opentimelineio.opentime import RationalTime, TimeRange

from preprocess.errors import MediaError
from preprocess.media.media_info import MediaInfo
from preprocess.media.probe import probe
from preprocess.sources import escaped_name
from store.atomic_files import replacing

SAME_LENGTH_SECONDS = 0.75
"""Ends of spans are found to about half a second; a smaller difference is not taken for another speed."""


@dataclass(frozen=True)
class Event:
    """Seconds of a file, from start to end, at a place of the timeline, where it begins at `record_seconds`.

    Another length on the timeline than that in the source means another speed. Channels are "B" for both, "V" or "A". Notes
    are comments of an EDL, and `told` is metadata of OpenTimelineIO.
    """

    source: str
    path: Path
    start_seconds: float
    end_seconds: float
    record_seconds: float
    length_seconds: float
    channels: str = "B"
    notes: tuple[str, ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict)

    @property
    def speed(self) -> float:
        """How many times as fast as the source the timeline plays it."""
        seconds, shown = self.end_seconds - self.start_seconds, self.length_seconds  # none of an image
        return 1.0 if abs(seconds - shown) < SAME_LENGTH_SECONDS or not shown else seconds / shown


@dataclass(frozen=True)
class Timeline:
    """A timeline; its layers are events in order of time that do not overlap, the best layer first.

    `below` is the file of the lowest track, and its seconds if its container has none. `told` is metadata.
    """

    name: str
    below: tuple[Path, float] | None
    layers: Sequence[Sequence[Event]]
    told: Mapping[str, Any] = field(default_factory=dict)


def write_timelines(path: Path, timelines: Sequence[Timeline], fps: float) -> None:
    """Write one timeline, or a collection of several, whole or not at all.

    The rate `fps` is that of files without video, and of those that cannot be read.
    """
    info_of = cache(_info)
    made = [_timeline(each, info_of, fps) for each in timelines]
    root = made[0] if len(made) == 1 else otio.schema.SerializableCollection(escaped_name(path.stem), made)
    with replacing(path) as temporary:
        temporary.write_text(otio.adapters.write_to_string(root, "otio_json"), encoding="utf-8")


def _timeline(timeline: Timeline, info_of: Callable[[Path], MediaInfo], fps: float) -> otio.schema.Timeline:
    layers, rate = [(f"sources {number}", each) for number, each in enumerate(timeline.layers, 1)], fps
    if timeline.below is not None:
        path, seconds = timeline.below
        info = info_of(path)
        rate, seconds = info.fps or fps, info.duration_seconds or seconds
        channels = "B" if info.has_video == info.has_audio else "V" if info.has_video else "A"
        name = escaped_name(path.name)
        layers.append((name, [Event(name, path, 0.0, seconds, 0.0, seconds, channels)]))
    made = otio.schema.Timeline(timeline.name, global_start_time=RationalTime(0, rate))
    made.metadata["avtempo"] = dict(timeline.told)
    for name, events in reversed(layers):
        clips = [(each, _clip(each, info_of(each.path), fps)) for each in events]
        for kind in (otio.schema.TrackKind.Video, otio.schema.TrackKind.Audio):
            track, end = otio.schema.Track(name, kind=kind), 0.0
            for event, clip in clips:
                if event.channels in ("B", kind[0]):
                    gap = RationalTime(max(0, round((event.record_seconds - end) * rate)), rate)
                    track.extend([otio.schema.Gap(duration=gap)] if gap.value else [])
                    track.append(clip.deepcopy())
                    end += gap.to_seconds() + clip.source_range.duration.to_seconds()
            if len(track):
                made.tracks.append(track)
    return made


def _clip(event: Event, info: MediaInfo, fps: float) -> otio.schema.Clip:
    """Refer to seconds of a file, in frames of its own rate; as with all effects, they are as long as on the timeline."""
    rate = info.fps or fps

    def span(start: float, seconds: float) -> TimeRange:
        return TimeRange(*(RationalTime(round(each * rate), rate) for each in (start, seconds)))

    available = span(0.0, info.duration_seconds) if info.duration_seconds else None
    clip = otio.schema.Clip(
        event.source, otio.schema.ExternalReference(event.path.absolute().as_uri(), available),
        span(event.start_seconds, event.length_seconds), metadata={"avtempo": dict(event.told)},
    )  # fmt: skip
    if event.speed != 1:
        clip.effects.append(otio.schema.LinearTimeWarp("speed", time_scalar=event.speed))
    return clip


def _info(path: Path) -> MediaInfo:
    """Probe a file; nothing is known of one that cannot be read."""
    try:
        return probe(path)
    except MediaError:
        return MediaInfo(None)
