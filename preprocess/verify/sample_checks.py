"""Checks inside one sample: every member decodes and agrees with the manifest. Pure functions."""

import io
import json
import math

import numpy as np

from preprocess import schema
from preprocess.errors import StripError
from preprocess.features.logmel import SILENCE_DBFS
from preprocess.features.sample_members import json_values, meta_numbers
from preprocess.features.splice import count_frames
from preprocess.features.strip import decode_strip
from preprocess.schema import ShardParams
from preprocess.shards.manifest_rows import Row

LOGMEL_RANGE = (math.log(schema.MEL_POWER_FLOOR) - 0.02, 20.0)
"""The floor as float16 stores it, and a level that no audio reaches: beyond it the exponent is damaged."""


def check_sample(members: dict[str, bytes], row: Row, params: ShardParams) -> list[tuple[str, str]]:
    """Check a sample's members against its row of the manifest; return (member, problem) pairs."""
    checks = {
        schema.FRAMES_MEMBER: _check_frames,
        schema.LOGMEL_MEMBER: _check_logmel,
        schema.META_MEMBER: _check_meta,
        schema.JSON_MEMBER: _check_json,
    }
    known = [(name, data) for name, data in members.items() if name in checks]
    return [(name, problem) for name, data in known for problem in checks[name](data, row, params)]


def _check_frames(data: bytes, row: Row, params: ShardParams) -> list[str]:
    n_frames = row.n_frames or 0
    try:
        frames = decode_strip(data, n_frames)  # (T, H, W, 3)
        n_apart = count_frames(data)
    except StripError as error:
        return [str(error)]
    expected = (n_frames, row.height_px, row.width_px, 3)
    problems = [] if frames.shape == expected else [f"has frames of shape {frames.shape}, the manifest says {expected}"]
    if n_apart != n_frames:
        problems.append(f"has restart markers around {n_apart} frames, the manifest says {n_frames}")
    if min(frames.shape[1:3]) != params.short_side_px:
        problems.append(f"has frames of shape {frames.shape}, the short side should be {params.short_side_px} px")
    return problems


def _check_logmel(data: bytes, row: Row, params: ShardParams) -> list[str]:
    mel = _load(data)
    expected = (params.n_mels, (row.n_frames or 0) * params.columns_per_frame)
    if mel is None or mel.dtype != np.float16 or mel.shape != expected or row.n_columns != expected[1]:
        found = "no array" if mel is None else f"{mel.dtype} {mel.shape}"
        return [f"holds {found}, should be float16 {expected}"]
    if not np.isfinite(mel).all():
        return ["holds values that are not finite"]
    low, high = float(mel.min()), float(mel.max())
    lowest, highest = LOGMEL_RANGE
    if low < lowest or high > highest:
        return [f"holds values from {low:.2f} to {high:.2f}, beyond the range of {lowest:.2f} to {highest:.2f}"]
    if not row.has_audio and _is_audible(mel, params):
        return [f"reaches {high:.2f} though the segment has no audio"]
    return []


def _is_audible(mel: np.ndarray, params: ShardParams) -> bool:
    """Whether log-mels (n_mels, C) are louder on average than the limit below which a segment counts as one without audio.

    The outer columns do not count: their windows reach into the neighbouring segments, which may have audio.
    """
    n_shared = math.ceil((params.win_length / params.hop_length - 1) / 2)
    power = np.exp(mel[:, n_shared : mel.shape[1] - n_shared].astype(np.float64)).sum(axis=0)  # (C,)
    # The floor of each band as float16 stores it, and the limit; columns that overlap count some samples twice.
    most = 1.02 * params.n_mels * schema.MEL_POWER_FLOOR + 2 * 10 ** (SILENCE_DBFS / 10)
    return bool(power.size and power.mean() > most)


def _check_meta(data: bytes, row: Row, params: ShardParams) -> list[str]:
    numbers = _load(data)
    expected = meta_numbers(row)
    if numbers is None or numbers.dtype != expected.dtype or numbers.shape != expected.shape:
        return [f"should hold {expected.dtype} {expected.shape}"]
    triples = zip(schema.META_FIELDS, numbers, expected, strict=True)
    return [f"says {name} is {found}, the manifest says {right}" for name, found, right in triples if found != right]


def _check_json(data: bytes, row: Row, params: ShardParams) -> list[str]:
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as error:
        return [f"is not JSON: {error}"]
    if not isinstance(values, dict):
        return ["is not a JSON object"]
    return [
        f"says {name} is {values.get(name)!r}, the manifest says {expected!r}"
        for name, expected in json_values(row, params).items()
        if values.get(name) != expected
    ]


def _load(data: bytes) -> np.ndarray | None:
    """Read an .npy file, never a pickle; None if it is not one."""
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError, MemoryError):  # MemoryError: a header that claims terabytes
        return None
    return array if isinstance(array, np.ndarray) else None
