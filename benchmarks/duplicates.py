"""Copies inside archives of 10 to 1,000 hours: the time to compare all sources with each other, and its memory.

The archives are those of benchmarks/archive.py, where one source in fifty is a copy of another with noise. Times and
memory are meaningful; the shares that are found are not. Real sources resemble others more, and more are aligned in vain.
Of a large archive a part of the sources, evenly spaced, is compared with all; the time is that of the part, scaled up.
"""

import time
from collections.abc import Sequence

import numpy as np
import psutil

from benchmarks import archive
from benchmarks.question import Setting, logger, records
from evaluate.archive.compare import Comparison
from evaluate.fingerprint.answer.matcher import DEFAULT_FALSE_POSITIVE_RATE
from evaluate.fingerprint.describe.descriptors import Descriptors
from evaluate.fingerprint.index.library import Library, build_library
from evaluate.results.results import Result

TASK = "duplicates"
SOURCES, COMPARED, SECONDS, PEAK = "sources", "of these compared", "s for all", "MiB more"
FOUND, FALSE = "copies found, per cent", "false pairs"
SOURCES_A_COPY = 50
MOST_COMPARED = 2000


def measure(setting: Setting) -> list[Result]:
    """Compare all sources of an archive of each size."""
    clips, values = archive.pool(setting.data, setting.sized(archive.N_VIDEOS, 4)), dict[tuple[str, str], float]()
    for hours in archive.HOURS:
        n_sources = setting.sized(round(hours * 3600 / archive.SOURCE_SECONDS), 4)
        n_copies = max(1, n_sources // SOURCES_A_COPY)
        described = archive.simulated(clips, n_sources, np.random.default_rng(hours), n_copies)
        found = _compared(described, build_library(described, archive.HOP_SECONDS), n_copies)
        values |= {(f"{hours} h", name): value for name, value in found.items()}
    return records(TASK, values, 1)


def _compared(described: Sequence[Descriptors], library: Library, n_copies: int) -> dict[str, float]:
    n = len(described)
    chosen = np.unique(np.linspace(0, n - 1, min(n, MOST_COMPARED)).astype(np.int64)).tolist()
    process, since, pairs = psutil.Process(), time.perf_counter(), set[tuple[str, str]]()
    before = most = process.memory_info().rss
    comparison = Comparison(library, DEFAULT_FALSE_POSITIVE_RATE)
    for number in chosen:
        for match in comparison.matches(described[number], np.arange(n) != number):
            pairs.add((min(match.query, match.reference), max(match.query, match.reference)))
        most = max(most, process.memory_info().rss)
    took = (time.perf_counter() - since) * n / len(chosen)
    copies = {
        (described[number - n_copies].source, described[number].source)
        for number in range(n - n_copies, n)
        if not {number - n_copies, number}.isdisjoint(chosen)
    }
    logger.info("%s: %d sources in %.0f s, %.0f MiB more", TASK, n, took, (most - before) / 2**20)
    return {
        SOURCES: n, COMPARED: len(chosen), SECONDS: took, PEAK: (most - before) / 2**20,
        FOUND: 100 * len(pairs & copies) / len(copies), FALSE: len(pairs - copies),
    }  # fmt: skip
