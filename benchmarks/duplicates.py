"""Copies inside archives of 10 to 1,000 hours: the time to compare all sources with each other, and its memory.

The archives are those of benchmarks/archive.py, where one source in fifty is a copy of another with noise. Times and
memory are meaningful; the shares that are found are not. Real sources resemble others more, and more are aligned in vain.
"""

import time
from collections.abc import Sequence

import numpy as np
import psutil

from benchmarks.archive import (
    DISTORTION,
    HOP_SECONDS,
    HOURS,
    N_VIDEOS,
    SOURCE_SECONDS,
    SPREAD,
    Vectors,
    descriptors,
    pool,
)
from benchmarks.question import Setting, logger, records
from evaluate.archive.compare import Comparison
from evaluate.fingerprint.describe.descriptors import Descriptors
from evaluate.fingerprint.index.library import MODALITIES, Library, build_library
from evaluate.fingerprint.match.match import DEFAULT_FALSE_POSITIVE_RATE
from evaluate.results.results import Result

TASK = "duplicates"
SOURCES, SECONDS, PEAK, FOUND, FALSE = "sources", "s", "MiB more", "copies found", "false pairs"
SOURCES_A_COPY = 50


def measure(setting: Setting) -> list[Result]:
    """Compare all sources of an archive of each size."""
    clips = pool(setting.data, setting.sized(N_VIDEOS, 4))
    values = {(f"{hours} h", name): value for hours in HOURS for name, value in of_size(clips, hours, setting).items()}
    return records(TASK, values, 1)


def of_size(clips: Vectors, hours: int, setting: Setting) -> dict[str, float]:
    """Make an archive and compare it."""
    rng, n_hop = np.random.default_rng(hours), round(SOURCE_SECONDS / HOP_SECONDS)
    n_sources = setting.sized(round(hours * 3600 / SOURCE_SECONDS), 4)
    n_copies = max(1, n_sources // SOURCES_A_COPY)
    described: list[Descriptors] = []
    for number in range(n_sources):
        is_copy = number >= n_sources - n_copies
        rows = rng.integers(len(clips[MODALITIES[0]]), size=n_hop)
        drawn = {
            name: np.asarray(getattr(described[number - n_copies], name)) if is_copy else vectors[rows]
            for name, vectors in clips.items()
        }
        noise = DISTORTION if is_copy else SPREAD
        described.append(descriptors(f"{number:06d}", drawn, HOP_SECONDS, noise, rng, np.float16))
    return _compared(described, build_library(described, HOP_SECONDS), n_copies)


def _compared(described: Sequence[Descriptors], library: Library, n_copies: int) -> dict[str, float]:
    process, since, pairs = psutil.Process(), time.perf_counter(), set[tuple[str, str]]()
    before = most = process.memory_info().rss
    comparison = Comparison(library, DEFAULT_FALSE_POSITIVE_RATE)
    for number, source in enumerate(described):
        for match in comparison.matches(source, np.arange(len(described)) != number):
            pairs.add((min(match.query, match.reference), max(match.query, match.reference)))
        most = max(most, process.memory_info().rss)
    took, n = time.perf_counter() - since, len(described)
    copies = {(described[number - n_copies].source, described[number].source) for number in range(n - n_copies, n)}
    logger.info("%s: %d sources in %.0f s, %.0f MiB more", TASK, n, took, (most - before) / 2**20)
    return {
        SOURCES: n, SECONDS: took, PEAK: (most - before) / 2**20, FOUND: len(pairs & copies) / n_copies,
        FALSE: len(pairs - copies),
    }  # fmt: skip
