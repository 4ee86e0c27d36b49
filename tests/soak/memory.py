"""Measure a training loader's memory over many segments."""

import re
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

SAMPLES = 50
SETTLED_SHARE = 0.2
"""Of the segments, within which buffers fill and the allocator finds its size."""
FLAT_MIB = 16.0
"""How much the memory may grow from there to the end."""
BATCH = 8


def loader_memory(shards: Path, n_segments: int) -> tuple[list[int], list[float]]:
    """Draw segments in a process of its own; return (segments drawn, MiB without mapped files) of each sample."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_draw, shards, n_segments).result()


def growth_mib(segments: Sequence[int], own_mib: Sequence[float]) -> float:
    """Return by how much a straight line through the settled samples rises."""
    settled = np.array(segments) >= SETTLED_SHARE * segments[-1]
    x = np.array(segments)[settled]
    slope = np.polyfit(x, np.array(own_mib)[settled], 1)[0]
    return float(slope * (x[-1] - x[0]))


def _draw(shards: Path, n_segments: int) -> tuple[list[int], list[float]]:
    from train.data.loader import LoaderConfig, SegmentLoader

    config = LoaderConfig(
        str(shards), batch_size=BATCH, frame_px=32, window_frames=8, shuffle=True, seed=0, num_threads=1
    )
    loader, segments, own_mib = SegmentLoader(config), list[int](), list[float]()
    n_batches = max(-(-n_segments // BATCH), SAMPLES)
    for number in range(1, n_batches + 1):
        next(loader)
        if number * SAMPLES // n_batches > len(segments):
            text = Path("/proc/self/status").read_text(encoding="utf-8")
            kib = {name: int(value) for name, value in re.findall(r"^(VmRSS|RssFile):\s+(\d+) kB$", text, re.MULTILINE)}
            segments.append(number * BATCH)
            own_mib.append((kib["VmRSS"] - kib["RssFile"]) / 1024)
    return segments, own_mib
