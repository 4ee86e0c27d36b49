"""What must hold inside one sample: every member decodes, and all say the same as the manifest. Pure functions."""

import io
import json
import math
from typing import Any

import numpy as np

from preprocess.errors import StripError
from preprocess.features.splice import count_frames
from preprocess.features.strip import decode_strip
from preprocess.schema import (
    FRAMES_MEMBER,
    JSON_MEMBER,
    LOGMEL_MEMBER,
    MEL_POWER_FLOOR,
    META_FIELDS,
    META_MEMBER,
    ShardParams,
)

LOGMEL_RANGE = (math.log(MEL_POWER_FLOOR) - 0.02, 20.0)
"""The floor as float16 has it; and a level that no audio reaches, for damage in the exponent."""

JSON_FIELDS = (
    "key",
    "segment_id",
    "source",
    "label",
    "label_name",
    "start_seconds",
    "end_seconds",
    "n_frames",
    "has_audio",
)


def check_sample(members: dict[str, bytes], row: dict[str, Any], params: ShardParams) -> list[tuple[str, str]]:
    """Check a sample's members against its row of the manifest; return (member, what is wrong with it)."""
    checks = {
        FRAMES_MEMBER: _check_frames,
        LOGMEL_MEMBER: _check_logmel,
        META_MEMBER: _check_meta,
        JSON_MEMBER: _check_json,
    }
    return [
        (name, problem)
        for name, data in members.items()
        if name in checks
        for problem in checks[name](data, row, params)
    ]


def _check_frames(data: bytes, row: dict[str, Any], params: ShardParams) -> list[str]:
    try:
        frames = decode_strip(data, row["n_frames"])  # (T, H, W, 3)
        n_apart = count_frames(data)
    except StripError as error:
        return [str(error)]
    expected = (row["n_frames"], row["height_px"], row["width_px"], 3)
    problems = [] if frames.shape == expected else [f"has frames of shape {frames.shape}, the manifest says {expected}"]
    if n_apart != row["n_frames"]:
        problems.append(f"has restart markers around {n_apart} frames, the manifest says {row['n_frames']}")
    if min(frames.shape[1:3]) != params.short_side_px:
        problems.append(
            f"has frames of {frames.shape[2]}x{frames.shape[1]} px, the short side should be {params.short_side_px}"
        )
    return problems


def _check_logmel(data: bytes, row: dict[str, Any], params: ShardParams) -> list[str]:
    mel = _load(data)
    expected = (params.n_mels, row["n_frames"] * params.columns_per_frame)
    if mel is None or mel.dtype != np.float16 or mel.shape != expected or row["n_columns"] != expected[1]:
        found = "no array" if mel is None else f"{mel.dtype} {mel.shape}"
        return [f"holds {found}, should be float16 {expected}"]
    if not np.isfinite(mel).all():
        return ["holds values that are not finite"]
    low, high = float(mel.min()), float(mel.max())
    lowest, highest = LOGMEL_RANGE
    if low < lowest or high > highest:
        return [f"holds values from {low:.2f} to {high:.2f}, beyond the range of {lowest:.2f} to {highest:.2f}"]
    if not row["has_audio"] and high > lowest + 0.04:
        return [f"reaches {high:.2f} though the segment has no audio"]
    return []


def _check_meta(data: bytes, row: dict[str, Any], params: ShardParams) -> list[str]:
    numbers = _load(data)
    if numbers is None or numbers.dtype != np.int64 or numbers.shape != (len(META_FIELDS),):
        return [f"should hold int64 ({len(META_FIELDS)},)"]
    names = {"frame_height_px": "height_px", "frame_width_px": "width_px"}
    problems = []
    for name, found in zip(META_FIELDS, numbers.tolist(), strict=True):
        expected = int(row[names.get(name, name)] or 0)
        if found != expected:
            problems.append(f"says {name} is {found}, the manifest says {expected}")
    return problems


def _check_json(data: bytes, row: dict[str, Any], params: ShardParams) -> list[str]:
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as error:
        return [f"is no JSON: {error}"]
    if not isinstance(values, dict):
        return ["is no JSON object"]
    problems = [
        f"says {name} is {values.get(name)!r}, the manifest says {row[name]!r}"
        for name in JSON_FIELDS
        if values.get(name) != row[name]
    ]
    if values.get("splits") != json.loads(row["splits"]):
        problems.append("has other splits than the manifest")
    if values.get("fps") != params.fps:
        problems.append(f"says {values.get('fps')} frames/s, the parameters say {params.fps}")
    return problems


def _load(data: bytes) -> np.ndarray | None:
    """Read an .npy file, never a pickle."""
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError, MemoryError):  # the last: a header that claims terabytes
        return None
    return array if isinstance(array, np.ndarray) else None
