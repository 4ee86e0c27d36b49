"""Rows and provenance for the store's tests."""

from pathlib import Path

import numpy as np

from store.format import Provenance, Rows
from store.writer import write_part

PROVENANCE = Provenance("ab" * 32, {"n_clips": 2, "size": (8, 64), "name": "tïny"}, "cd" * 32, "sample", "pretrained")


def build_rows(start: int, stop: int, n_dims: int = 16, **changes: object) -> Rows:
    """Clips start .. stop - 1 of an endless list: the same number always gives the same row."""
    n_rows = stop - start
    numbers = np.arange(start, stop)
    has_audio = numbers % 3 > 0
    video = np.sin(numbers[:, None] * 1.7 + np.arange(n_dims)[None] * 0.3 + 1).astype(np.float32)
    audio = np.cos(numbers[:, None] * 0.9 + np.arange(n_dims // 2)[None]).astype(np.float32)
    values: dict[str, object] = {
        "key": [f"{number // 2:08d}-{number % 2:05d}" for number in numbers],
        "source": [f"Café/v_ü g{number // 4:02d} 映画.mp4" for number in numbers],
        "label": numbers // 8,
        "label_name": [f"class {number // 8}" for number in numbers],
        "group": [f"g{number // 4:02d}" for number in numbers],
        "splits": ['{"1":"train","2":"test"}'] * n_rows,
        "start_seconds": numbers % 2 * 4.0,
        "end_seconds": numbers % 2 * 4.0 + 2.5,
        "has_video": np.ones(n_rows, bool),
        "has_audio": has_audio,
        "vectors": {"video/features": video, "audio/features": audio * has_audio[:, None]},
    }
    return Rows(**{**values, **changes})  # type: ignore[arg-type]


def write_rows(path: Path, start: int, stop: int, **changes: object) -> Path:
    """Write clips start .. stop - 1 as a store; return its path."""
    write_part(path, build_rows(start, stop, **changes), PROVENANCE)  # type: ignore[arg-type]
    return path
