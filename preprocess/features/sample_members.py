"""From one decoded source to its samples: members for the archive and rows for the manifest. Pure functions."""

import dataclasses
import itertools
import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from preprocess import schema
from preprocess.errors import StripError
from preprocess.features.logmel import DBFS_FLOOR, SILENCE_DBFS, log_mel, rms_dbfs, silence
from preprocess.features.strip import encode_planes
from preprocess.media.media_info import Decoded
from preprocess.media.planes import frame_height_px
from preprocess.schema import ShardParams
from preprocess.shards.manifest_rows import Row
from preprocess.shards.shard_files import array_bytes, sample_key
from preprocess.sources import Source

TOLERANCE = 0.05
"""A segment may be this much longer than requested: clips "of 10 s" often last 10.1 s and should stay whole."""


def source_row(source: Source) -> Row:
    """Row of a source before it is decoded, from the catalogue alone."""
    splits = json.dumps(source.splits, sort_keys=True, ensure_ascii=False)
    return Row(
        kind="source", source_index=source.index, source=source.name, source_bytes=source.n_bytes,
        label=source.label, label_name=source.label_name, group=source.group, splits=splits,
    )  # fmt: skip


def decoded_row(row: Row, decoded: Decoded, segments: Sequence[Row]) -> Row:
    """Row of a source after decoding; its loudness is that of all its segments together."""
    info = decoded.info
    return dataclasses.replace(
        _with_info(row, decoded),
        warnings=decoded.warnings,
        width_px=info.width_px if info.has_video else None,
        height_px=info.height_px if info.has_video else None,
        has_audio=decoded.waveform is not None,
        audio_loudness_dbfs=_joint_loudness_dbfs(segments),
    )


def _with_info(row: Row, decoded: Decoded) -> Row:
    """Add the container's facts to the row of a source or of a segment."""
    info = decoded.info
    return dataclasses.replace(
        row,
        duration_seconds=info.duration_seconds,
        source_fps=info.fps if info.has_video else None,
        rotation_degrees=info.rotation_degrees if info.has_video else None,
    )


def _joint_loudness_dbfs(segments: Sequence[Row]) -> float | None:
    """Level over several segments: the mean of their powers, weighted by their lengths."""
    levels = [(row.audio_loudness_dbfs, row.n_frames or 0) for row in segments if row.audio_loudness_dbfs is not None]
    if not levels:
        return None
    power = sum(10 ** (level / 10) * n for level, n in levels) / sum(n for _, n in levels)
    return round(max(10 * math.log10(power), DBFS_FLOOR), 2)


def samples(source: Row, decoded: Decoded, params: ShardParams) -> Iterator[tuple[Row, dict[str, bytes]]]:
    """Cut a decoded source into segments; yield each one's row (still without shard) and its members in order.

    Raises:
        StripError: the frames do not fit into a film strip.
    """
    height = 0 if decoded.planes is None else frame_height_px(decoded.planes)
    per_frame = params.columns_per_frame
    mel = None if decoded.waveform is None else log_mel(decoded.waveform, params)  # (n_mels, T * per_frame)
    for number, segment in enumerate(cut(decoded.n_frames, height, params)):
        row = _segment_row(source, decoded, number, segment, params)
        members = {}
        if decoded.planes is not None:
            planes = decoded.planes[segment.start : segment.stop]  # (n_frames, H * 3 / 2, W)
            members[schema.FRAMES_MEMBER] = encode_planes(planes, params.jpeg_quality)
        columns = slice(segment.start * per_frame, segment.stop * per_frame)
        audio = silence(len(segment) * per_frame, params) if mel is None else mel[:, columns]
        members[schema.LOGMEL_MEMBER] = array_bytes(np.ascontiguousarray(audio))
        members[schema.META_MEMBER] = array_bytes(meta_numbers(row))
        text = json.dumps(json_values(row, params), sort_keys=True, ensure_ascii=False, indent=1)
        members[schema.JSON_MEMBER] = text.encode() + b"\n"
        yield row, members


def longest_segment_frames(frame_height_px: int, params: ShardParams) -> int:
    """Most frames of one segment, tolerance included; fewer if the film strip would be too high.

    `frame_height_px` is ignored for audio data sets.
    """
    longest = math.floor(params.segment_frames * (1 + TOLERANCE))
    if params.media == "audio":
        return longest
    return min(longest, schema.MAX_STRIP_HEIGHT_PX // frame_height_px)


def cut(n_frames: int, frame_height_px: int, params: ShardParams) -> list[range]:
    """Cut [0, n_frames) into as few segments as `longest_segment_frames` allows, all equal to within one frame.

    A segment is a range of frames, counted on the source's constant-rate clock from t = 0.

    Raises:
        StripError: a single frame is higher than a strip may be.
    """
    longest = longest_segment_frames(frame_height_px, params)
    if longest < 1:
        raise StripError(
            f"a frame of {frame_height_px} px is higher than a strip may be ({schema.MAX_STRIP_HEIGHT_PX} px)"
        )
    n_segments = math.ceil(n_frames / longest)
    bounds = [-(-number * n_frames // n_segments) for number in range(n_segments + 1)]
    return [range(start, stop) for start, stop in itertools.pairwise(bounds)]


def _segment_row(source: Row, decoded: Decoded, number: int, segment: range, params: ShardParams) -> Row:
    """Row of a segment, still without its shard. A segment below SILENCE_DBFS counts as one without audio."""
    planes, loudness = decoded.planes, None
    if decoded.waveform is not None:
        span = slice(segment.start * params.samples_per_frame, segment.stop * params.samples_per_frame)
        loudness = round(rms_dbfs(decoded.waveform[span]), 2)
    return dataclasses.replace(
        _with_info(source, decoded),
        kind="segment",
        has_audio=loudness is not None and loudness > SILENCE_DBFS,
        width_px=None if planes is None else planes.shape[2],
        height_px=None if planes is None else frame_height_px(planes),
        audio_loudness_dbfs=loudness,
        key=sample_key(source.source_index, number),
        segment_id=source.source_index * schema.SEGMENTS_PER_SOURCE_LIMIT + number,
        start_seconds=segment.start / params.fps,
        end_seconds=segment.stop / params.fps,
        n_frames=len(segment),
        n_columns=len(segment) * params.columns_per_frame,
    )


def meta_numbers(row: Row) -> np.ndarray:
    """Numbers of a segment for the loader: (7,) int64 in the order of META_FIELDS, sizes 0 without frames."""
    columns = {"frame_height_px": "height_px", "frame_width_px": "width_px"}
    return np.array([int(getattr(row, columns.get(name, name)) or 0) for name in schema.META_FIELDS], dtype=np.int64)


def json_values(row: Row, params: ShardParams) -> dict[str, Any]:
    """Content of a segment's JSON member: the numbers of `meta_numbers`, and more for people."""
    names = (
        "key segment_id source source_index label label_name group start_seconds end_seconds n_frames n_columns"
        " has_audio audio_loudness_dbfs rotation_degrees source_fps duration_seconds"
    )
    return {name: getattr(row, name) for name in names.split()} | {
        "splits": json.loads(row.splits),
        "segment_number": (row.segment_id or 0) % schema.SEGMENTS_PER_SOURCE_LIMIT,
        "fps": params.fps,
        "frame_height_px": row.height_px,
        "frame_width_px": row.width_px,
    }
