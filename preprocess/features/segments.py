"""Cuts a source into segments, the samples of a shard."""

import itertools
import math
from dataclasses import dataclass

from preprocess.errors import StripError
from preprocess.schema import MAX_STRIP_HEIGHT_PX, ShardParams

TOLERANCE = 0.05
"""A segment may be this much longer than requested: clips "of 10 s" often last 10.1 s and should stay whole."""


@dataclass(frozen=True)
class Segment:
    """Frames [start_frame, start_frame + n_frames) of a source, counted on its constant-rate clock from t = 0."""

    number: int
    start_frame: int
    n_frames: int

    @property
    def stop_frame(self) -> int:
        """First frame after the segment."""
        return self.start_frame + self.n_frames


def longest_segment_frames(frame_height_px: int, params: ShardParams) -> int:
    """Most frames of one segment, tolerance included; fewer if the film strip would be too high.

    `frame_height_px` is ignored for audio data sets.
    """
    longest = math.floor(params.segment_frames * (1 + TOLERANCE))
    if params.media == "audio":
        return longest
    return min(longest, MAX_STRIP_HEIGHT_PX // frame_height_px)


def cut(n_frames: int, frame_height_px: int, params: ShardParams) -> tuple[Segment, ...]:
    """Cut [0, n_frames) into as few segments as `longest_segment_frames` allows, all equal to within one frame.

    Raises:
        StripError: a single frame is higher than a strip may be.
    """
    longest = longest_segment_frames(frame_height_px, params)
    if longest < 1:
        raise StripError(f"a frame of {frame_height_px} px is higher than a strip may be ({MAX_STRIP_HEIGHT_PX} px)")
    n_segments = math.ceil(n_frames / longest)
    bounds = [-(-number * n_frames // n_segments) for number in range(n_segments + 1)]
    return tuple(
        Segment(number, start, stop - start) for number, (start, stop) in enumerate(itertools.pairwise(bounds))
    )
