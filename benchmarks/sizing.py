"""`python -m benchmarks.sizing`: the tables of docs/explanation/scale.md from docs/results; nobody types a number.

Sizes come from sizes.json, speeds from bench.json; what nobody has measured says so. What no machine here could measure
is computed from assumptions that the table names.
"""

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import sizes
from evaluate.errors import EvaluateError, ResultsError
from evaluate.fingerprint.index.search import CODE_BYTES
from evaluate.results.results import read_header, read_results

PAGE, BENCH = Path("docs/explanation/scale.md"), Path("docs/results/bench.json")
UNKNOWN = "not measured"
_SECTION = re.compile(r"(<!-- sizing: (?P<name>\S+) -->\n).*?(<!-- end sizing -->)", re.DOTALL)

SEGMENT_SECONDS, CLIPS_A_SEGMENT, HOP_SECONDS = 10.0, 4, 0.5
SEARCH_BYTES = CODE_BYTES + 8 + 8 + 8 + 4
"""Of a row in memory: code, number and place in FAISS' lists, number of the source, middle of the clip."""
PASSES, CLIP_GFLOP, RATE_TFLOPS = 50, 81.0, 30.0
"""Assumed: passes over the data, r2plus1d_18 forward on 16 frames of 112 px, and a GPU's sustained rate."""
MEMORY_BYTES = 64 * 2**30
FILES_A_FOLDER = 1_000_000
STORE_BYTES = 4e12


@dataclass(frozen=True)
class Collection:
    """Videos to plan for.

    Attributes:
        n_sources: how many.
        source_seconds: length of each.
        sources_per_shard: of the parameters; fewer where sources are long.
    """

    name: str
    n_sources: int
    source_seconds: float
    sources_per_shard: int = 64

    @property
    def hours(self) -> float:
        """Of video, in all."""
        return self.n_sources * self.source_seconds / 3600

    @property
    def n_segments(self) -> float:
        """Ten-second segments, in all."""
        return self.n_sources * self.source_seconds / SEGMENT_SECONDS


COLLECTIONS = (
    Collection("Kinetics-400", 240_000, 10),
    Collection("VGG-Sound", 200_000, 10),
    Collection("AudioSet", 2_000_000, 10),
    Collection("archive, 10,000 h in files of an hour", 10_000, 3600, 4),
    Collection("archive, 1,000,000 h in files of an hour", 1_000_000, 3600, 4),
)


class Measured:
    """The figures that are there."""

    def __init__(self, root: Path) -> None:
        self.sizes = {r.metric: r.value for r in read_results(root / sizes.RESULTS) if r.task == sizes.TASK}
        self._bench, self._questions = read_results(root / BENCH), read_header(root / BENCH).get("questions", {})
        if not self.sizes:
            raise ResultsError(root / sizes.RESULTS, "is not there: run `python -m benchmarks.sizes SHARDS`")

    def core_hours_per_hour(self) -> float | None:
        """Of ingest: hours of a core for an hour of video."""
        return self._core_seconds("ingest", "seconds of video/s")

    def core_hours_per_clip(self) -> float | None:
        """Of embedding with the tiny encoder."""
        seconds = self._core_seconds("embedding", "tiny encoder: clips/s")
        return None if seconds is None else seconds / 3600

    def _core_seconds(self, task: str, metric: str) -> float | None:
        """Seconds of a core for one of what a question counts by the second; None where it has not been asked."""
        rates = [r.value for r in self._bench if (r.task, r.model) == (task, "Avtempo") and r.metric.endswith(metric)]
        cores = re.search(r"(\d+) cores", self._questions.get(task, {}).get("machine", ""))
        return int(cores[1]) / rates[0] if rates and cores else None


def tables(measured: Measured) -> dict[str, str]:
    """The page's tables by the names of their markers."""
    return {
        "ingest": _table(_INGEST, measured),
        "training": _table(_TRAINING, measured),
        "index": _table(_INDEX, measured),
        "limits": _limits(measured),
    }


Column = Callable[[Collection, Measured], str]


def _gpu_hours(n_clips: float, passes: float) -> float:
    return n_clips * passes * CLIP_GFLOP / (RATE_TFLOPS * 1e3) / 3600


def _hours(value: float | None, times: float) -> str:
    return UNKNOWN if value is None else f"{value * times:,.0f}"


def _rows(each: Collection) -> float:
    """Descriptors of a modality."""
    return each.hours * 3600 / HOP_SECONDS


def _shards(each: Collection) -> int:
    return -(-each.n_sources // each.sources_per_shard)


_INGEST: dict[str, Column] = {
    "hours": lambda c, m: f"{c.hours:,.0f}",
    "sources a shard": lambda c, m: str(c.sources_per_shard),
    "shards": lambda c, m: f"{_shards(c):,}",
    "bytes of shards": lambda c, m: _bytes(c.hours * 3600 * m.sizes[sizes.SHARD_BYTES]),
    "a shard": lambda c, m: _bytes(c.sources_per_shard * c.source_seconds * m.sizes[sizes.SHARD_BYTES]),
    "manifest in memory": lambda c, m: _bytes(c.n_segments * m.sizes[sizes.FRAME_BYTES]),
    "core hours": lambda c, m: _hours(m.core_hours_per_hour(), c.hours),
}
_TRAINING: dict[str, Column] = {
    "clips a pass": lambda c, m: f"{2 * c.n_segments:,.0f}",
    "GPU hours of training, computed": lambda c, m: f"{_gpu_hours(2 * c.n_segments, 3 * PASSES):,.0f}",
    "GPU hours of embedding, computed": lambda c, m: f"{_gpu_hours(CLIPS_A_SEGMENT * c.n_segments, 1):,.0f}",
    "core hours of embedding, tiny encoder": lambda c, m: _hours(
        m.core_hours_per_clip(), CLIPS_A_SEGMENT * c.n_segments
    ),
    "rows": lambda c, m: f"{CLIPS_A_SEGMENT * c.n_segments:,.0f}",
    "store": lambda c, m: _bytes(CLIPS_A_SEGMENT * c.n_segments * m.sizes[sizes.STORE_BYTES]),
}
_INDEX: dict[str, Column] = {
    "descriptors a modality": lambda c, m: f"{_rows(c):,.0f}",
    "parts on disk": lambda c, m: _bytes(_rows(c) * m.sizes[sizes.DESCRIPTOR_BYTES]),
    "memory to build": lambda c, m: _bytes(_rows(c) * 4 * m.sizes[sizes.DIMS]),
    "memory to search, IVF-PQ": lambda c, m: _bytes(_rows(c) * 2 * SEARCH_BYTES),
}


def _table(columns: dict[str, Column], measured: Measured) -> str:
    lines = [f"| collection | {' | '.join(columns)} |", "|---|" + "---:|" * len(columns)]
    lines += [
        f"| {each.name} | {' | '.join(column(each, measured) for column in columns.values())} |" for each in COLLECTIONS
    ]
    return "\n".join(lines)


def _limits(measured: Measured) -> str:
    """Hours of video at which each part of the pipeline reaches its limit, the first to break first."""
    found = measured.sizes
    segments, rows = 3600 / SEGMENT_SECONDS, 3600 / HOP_SECONDS
    memory = f"{MEMORY_BYTES // 2**30} GiB"
    at = [
        ("building the index: all vectors as float32", memory, MEMORY_BYTES / (rows * 4 * found[sizes.DIMS])),
        ("searching: IVF-PQ of both modalities", memory, MEMORY_BYTES / (rows * 2 * SEARCH_BYTES)),
        ("embedding and training read the manifest", memory, MEMORY_BYTES / (segments * found[sizes.FRAME_BYTES])),
        (
            "one HDF5 master, written again when it is joined", _bytes(STORE_BYTES),
            STORE_BYTES / (segments * CLIPS_A_SEGMENT * found[sizes.STORE_BYTES]),
        ),
        (
            "files in one folder, 64 sources of 10 s a shard", f"{FILES_A_FOLDER:,} files",
            FILES_A_FOLDER / 3 * 64 * SEGMENT_SECONDS / 3600,
        ),
        (
            "the catalogue in one process, sources of 10 s", memory,
            MEMORY_BYTES / found[sizes.SOURCE_BYTES] * SEGMENT_SECONDS / 3600,
        ),
    ]  # fmt: skip
    lines = ["| what breaks | limit | reached at, hours of video |", "|---|---:|---:|"]
    lines += [f"| {what} | {limit} | {hours:,.0f} |" for what, limit, hours in sorted(at, key=lambda row: row[2])]
    return "\n".join(lines)


def _bytes(n: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if n >= size:
            return f"{n / size:,.1f} {unit}" if n < 100 * size else f"{n / size:,.0f} {unit}"
    return f"{n / 1e3:,.1f} kB"


def write_page(root: Path) -> None:
    """Fill the tables of docs/explanation/scale.md.

    Raises:
        ResultsError: sizes.json is not there.
    """
    filled = tables(Measured(root))
    page = root / PAGE
    text = page.read_text(encoding="utf-8")
    page.write_text(_SECTION.sub(lambda m: f"{m[1]}\n{filled[m['name']]}\n\n{m[3]}", text), encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sizing", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(), help="repository whose docs are written (default: here)")
    try:
        write_page(parser.parse_args(argv).root)
    except EvaluateError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
