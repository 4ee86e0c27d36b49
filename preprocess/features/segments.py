"""Cuts a source into segments, the samples of a shard."""

import itertools
import math

from preprocess.errors import StripError
from preprocess.schema import MAX_STRIP_HEIGHT_PX, ShardParams

TOLERANCE = 0.05
"""A segment may be this much longer than requested: clips "of 10 s" often last 10.1 s and should stay whole."""


def longest_segment_frames(frame_height_px: int, params: ShardParams) -> int:
    """Most frames of one segment, tolerance included; fewer if the film strip would be too high.

    `frame_height_px` is ignored for audio data sets.
    """
    longest = math.floor(params.segment_frames * (1 + TOLERANCE))
    if params.media == "audio":
        return longest
    return min(longest, MAX_STRIP_HEIGHT_PX // frame_height_px)


def cut(n_frames: int, frame_height_px: int, params: ShardParams) -> list[range]:
    """Cut [0, n_frames) into as few segments as `longest_segment_frames` allows, all equal to within one frame.

    A segment is a range of frames, counted on the source's constant-rate clock from t = 0.

    Raises:
        StripError: a single frame is higher than a strip may be.
    """
    longest = longest_segment_frames(frame_height_px, params)
    if longest < 1:
        raise StripError(f"a frame of {frame_height_px} px is higher than a strip may be ({MAX_STRIP_HEIGHT_PX} px)")
    n_segments = math.ceil(n_frames / longest)
    bounds = [-(-number * n_frames // n_segments) for number in range(n_segments + 1)]
    return [range(start, stop) for start, stop in itertools.pairwise(bounds)]
