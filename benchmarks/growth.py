"""Growth of time and memory with the number of videos or rows: 1, 10 and 100 times as many.

Every stage is one command of the project, measured from outside: its start counts, and so do all its processes.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median

import psutil

from benchmarks.question import BenchmarkError, Setting, logger, records
from benchmarks.sources import collage
from benchmarks.storing import PROVENANCE, make_rows
from evaluate.results.results import Result
from store.writer import write_part

TASK = "growth"
TIMES = (1, 10, 100)
SECONDS, MEBIBYTES = "seconds", "MiB at its peak"
EVERY_SECONDS = 0.02
"""Between two looks at the memory."""
ROWS_A_PART = 500


def _linked(folder: Path, n: int, videos: Sequence[Path]) -> Path:
    """A folder of n videos, hard links to the few."""
    out = folder / "videos"
    out.mkdir()
    for number in range(n):
        os.link(videos[number % len(videos)], out / f"{number:06d}.mp4")
    return out


def _shards(folder: Path, n: int, videos: Sequence[Path]) -> list[object]:
    data, settings = _linked(folder, n, videos), ("--set", "short_side_px=96", "--set", "sources_per_shard=4")
    return ["preprocess", "shards", "--dataset", "folder", "--data", data, "--out", folder / "shards", *settings]


def _index(folder: Path, n: int, videos: Sequence[Path]) -> list[object]:
    return ["evaluate", "index", _linked(folder, n, videos), "--index", folder / "index"]


def _merge(folder: Path, n: int, _videos: Sequence[Path]) -> list[object]:
    parts = [folder / f"part-{number:04d}.h5" for number in range(-(-n // ROWS_A_PART))]
    for path in parts:
        write_part(path, make_rows(min(ROWS_A_PART, n), path.stem), PROVENANCE)
    return ["store", "merge", *parts, "--out", folder / "whole.h5"]


def _search(folder: Path, n: int, _videos: Sequence[Path]) -> list[object]:
    write_part(folder / "whole.h5", make_rows(n, "rows"), PROVENANCE)
    return ["store", "search", folder / "whole.h5", "--query", "0"]


Words = Callable[[Path, int, Sequence[Path]], list[object]]
"""Makes the input of a command in a folder, of a size, from a few videos; returns the words after `python -m`."""
STAGES: dict[str, tuple[str, int, Words]] = {
    "shards": ("sources", 2, _shards),
    "index": ("sources", 2, _index),
    "store": ("rows", 1000, _merge),
    "search": ("rows", 1000, _search),
}
"""Commands: the unit of their size, the smallest size, and the words."""


def measure(setting: Setting) -> list[Result]:
    """Run every stage at every size, sizes in turns; a smaller scale leaves the largest out."""
    videos, times = collage(setting.data, 4, 1.0), TIMES if setting.scale == 1 else TIMES[:-1]
    values: dict[tuple[str, str], float] = {}
    for name, (unit, base, words) in STAGES.items():
        sizes = {factor: factor * setting.sized(base, 2) for factor in times}
        runs: dict[int, list[tuple[float, float]]] = {factor: [] for factor in times}
        for number in range(setting.rounds):
            for factor, size in sizes.items():
                runs[factor].append(run(words, size, videos))
            logger.info("%s, %s: round %d of %d", TASK, name, number + 1, setting.rounds)
        for factor, found in runs.items():
            for metric, measured in zip((SECONDS, MEBIBYTES), zip(*found, strict=True), strict=True):
                values[name, f"{factor}x: {metric}"] = median(measured)
            values[name, f"{factor}x: {unit}"] = sizes[factor]
    return records(TASK, values, setting.rounds)


def run(words: Words, size: int, videos: Sequence[Path]) -> tuple[float, float]:
    """Run a command once; return its seconds and its largest memory in MiB, where pages that processes share count twice.

    Raises:
        BenchmarkError: the command failed.
    """
    with tempfile.TemporaryDirectory(prefix="growth-", dir=videos[0].parents[1]) as folder:  # hard links work there
        command = [sys.executable, "-m", *map(str, words(Path(folder), size, videos))]
        log, peak, since = Path(folder) / "log.txt", 0, time.perf_counter()
        with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
            watched = psutil.Process(process.pid)
            while process.poll() is None:
                with suppress(psutil.Error):  # a process has just ended
                    family = [watched, *watched.children(recursive=True)]
                    peak = max(peak, sum(each.memory_info().rss for each in family))
                time.sleep(EVERY_SECONDS)
        seconds = time.perf_counter() - since
        if process.returncode:
            raise BenchmarkError(f"{TASK}: {' '.join(command[2:4])}: {log.read_text(encoding='utf-8')[-300:]}")
    return seconds, peak / 2**20
