"""From one decoded source to its samples: members for the archive and rows for the manifest. No files, no processes."""

import dataclasses
import json
import math
from collections.abc import Iterator, Sequence

import numpy as np

from preprocess.features.logmel import DBFS_FLOOR, SILENCE_DBFS, log_mel, rms_dbfs, silence
from preprocess.features.segments import Segment, cut
from preprocess.features.strip import encode_planes
from preprocess.media.media_info import Decoded
from preprocess.media.planes import frame_height_px
from preprocess.schema import (
    FRAMES_MEMBER,
    JSON_MEMBER,
    LOGMEL_MEMBER,
    META_FIELDS,
    META_MEMBER,
    SEGMENTS_PER_SOURCE_LIMIT,
    ShardParams,
)
from preprocess.shards.manifest_rows import Row
from preprocess.shards.shard_files import array_bytes, sample_key
from preprocess.sources import Source


def source_row(source: Source) -> Row:
    """Row of a source as the catalogue knows it, before anything is decoded."""
    return Row(
        kind="source",
        source_index=source.index,
        source=source.name,
        source_bytes=source.n_bytes,
        label=source.label,
        label_name=source.label_name,
        group=source.group,
        splits=json.dumps(source.splits, sort_keys=True, ensure_ascii=False),
    )


def decoded_row(row: Row, decoded: Decoded, segments: Sequence[Row]) -> Row:
    """Row of a source with what decoding has found out; its loudness is that of all its segments together."""
    info = decoded.info
    return dataclasses.replace(
        row,
        warnings=decoded.warnings,
        duration_seconds=info.duration_seconds,
        source_fps=info.fps if info.has_video else None,
        rotation_degrees=info.rotation_degrees if info.has_video else None,
        width_px=info.width_px if info.has_video else None,
        height_px=info.height_px if info.has_video else None,
        has_audio=decoded.waveform is not None,
        audio_loudness_dbfs=_joint_loudness_dbfs(segments),
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
    for segment in cut(decoded.n_frames, height, params):
        row = _segment_row(source, decoded, segment, params)
        members = {}
        if decoded.planes is not None:
            planes = decoded.planes[segment.start_frame : segment.stop_frame]  # (n_frames, H * 3 / 2, W)
            members[FRAMES_MEMBER] = encode_planes(planes, params.jpeg_quality)
        columns = slice(segment.start_frame * per_frame, segment.stop_frame * per_frame)
        sound = silence(segment.n_frames * per_frame, params) if mel is None else mel[:, columns]
        members[LOGMEL_MEMBER] = array_bytes(np.ascontiguousarray(sound))
        members[META_MEMBER] = array_bytes(meta_numbers(row))
        members[JSON_MEMBER] = _json(row, segment, params)
        yield row, members


def _segment_row(source: Row, decoded: Decoded, segment: Segment, params: ShardParams) -> Row:
    """Row of a segment, its shard still open. Sound below SILENCE_DBFS does not count as sound."""
    info, planes = decoded.info, decoded.planes
    loudness = None if decoded.waveform is None else _loudness_dbfs(decoded.waveform, segment, params)
    return dataclasses.replace(
        source,
        kind="segment",
        has_audio=loudness is not None and loudness > SILENCE_DBFS,
        width_px=None if planes is None else planes.shape[2],
        height_px=None if planes is None else frame_height_px(planes),
        source_fps=info.fps if info.has_video else None,
        rotation_degrees=info.rotation_degrees if info.has_video else None,
        duration_seconds=info.duration_seconds,
        audio_loudness_dbfs=loudness,
        key=sample_key(source.source_index, segment.number),
        segment_id=source.source_index * SEGMENTS_PER_SOURCE_LIMIT + segment.number,
        start_seconds=segment.start_frame / params.fps,
        end_seconds=segment.stop_frame / params.fps,
        n_frames=segment.n_frames,
        n_columns=segment.n_frames * params.columns_per_frame,
    )


def _loudness_dbfs(waveform: np.ndarray, segment: Segment, params: ShardParams) -> float:
    per_frame = params.samples_per_frame
    return round(rms_dbfs(waveform[segment.start_frame * per_frame : segment.stop_frame * per_frame]), 2)


def meta_numbers(row: Row) -> np.ndarray:
    """Give the numbers that the loader needs: (7,) int64 in the order of META_FIELDS, sizes 0 without frames."""
    numbers = {
        "segment_id": row.segment_id,
        "label": row.label,
        "n_frames": row.n_frames,
        "frame_height_px": row.height_px or 0,
        "frame_width_px": row.width_px or 0,
        "n_columns": row.n_columns,
        "has_audio": row.has_audio,
    }
    return np.array([int(numbers[name] or 0) for name in META_FIELDS], dtype=np.int64)


def _json(row: Row, segment: Segment, params: ShardParams) -> bytes:
    """Say the same and more for people; keys sorted, UTF-8."""
    names = (
        "key segment_id source source_index label label_name group start_seconds end_seconds n_frames n_columns"
        " has_audio audio_loudness_dbfs rotation_degrees source_fps duration_seconds"
    )
    values = {name: getattr(row, name) for name in names.split()}
    values |= {
        "splits": json.loads(row.splits),
        "segment_number": segment.number,
        "fps": params.fps,
        "frame_height_px": row.height_px,
        "frame_width_px": row.width_px,
    }
    return json.dumps(values, sort_keys=True, ensure_ascii=False, indent=1).encode() + b"\n"
