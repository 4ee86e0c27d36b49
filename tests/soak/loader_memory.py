"""Memory of a training loader over many segments: what it holds itself, and with the archives mapped into it."""

import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

SAMPLES = 50
SETTLED_SHARE = 0.2
"""Of the segments: buffers fill and the allocator finds its size within these."""
FLAT_MIB = 16.0
"""What the memory may grow from there to the end."""
BATCH = 8


@dataclass(frozen=True)
class MemoryCurve:
    """Memory of the loader's process.

    Attributes:
        segments: drawn when the sample was taken, int (n,).
        own_mib: resident memory without mapped files, float (n,).
        resident_mib: all resident memory, float (n,).
    """

    segments: tuple[int, ...]
    own_mib: tuple[float, ...]
    resident_mib: tuple[float, ...]

    @property
    def growth_mib(self) -> float:
        """By how much a straight line through the settled samples of `own_mib` rises."""
        settled = np.array(self.segments) >= SETTLED_SHARE * self.segments[-1]
        segments = np.array(self.segments)[settled]
        slope = np.polyfit(segments, np.array(self.own_mib)[settled], 1)[0]
        return float(slope * (segments[-1] - segments[0]))

    @property
    def breaches(self) -> list[str]:
        """Whether it is flat."""
        grown = self.growth_mib
        return [] if grown < FLAT_MIB else [f"grew by {grown:.1f} MiB over {self.segments[-1]} segments"]


def memory_over(shards: Path, n_segments: int, show: Callable[[str], None]) -> MemoryCurve:
    """Draw that many segments in a process of their own."""
    show(f"drawing {n_segments} segments")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_draw, shards, n_segments).result()


def _draw(shards: Path, n_segments: int) -> MemoryCurve:
    from train.data.loader import LoaderConfig, SegmentLoader

    config = LoaderConfig(
        str(shards), batch_size=BATCH, frame_px=32, window_frames=8, shuffle=True, seed=0, num_threads=1
    )
    loader, taken = SegmentLoader(config), []
    n_batches = max(-(-n_segments // BATCH), SAMPLES)
    for number in range(1, n_batches + 1):
        next(loader)
        if number * SAMPLES // n_batches > len(taken):
            taken.append((number * BATCH, *_memory_mib()))
    segments, own, resident = zip(*taken, strict=True)
    return MemoryCurve(segments, own, resident)


def _memory_mib() -> tuple[float, float]:
    """(without mapped files, all) of this process."""
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    kib = {name: int(value) for name, value in re.findall(r"^(VmRSS|RssFile):\s+(\d+) kB$", text, re.MULTILINE)}
    return (kib["VmRSS"] - kib["RssFile"]) / 1024, kib["VmRSS"] / 1024
