"""`python -m benchmarks.sizes SHARDS`: bytes of what the stages leave, on disk and in memory, to docs/results/sizes.json.

Sizes do not depend on the machine's speed, so they are measured apart from the timings. SHARDS is a finished set of the
preset `default` made from real videos; stores and descriptors have random vectors of the lengths of the large encoders.
"""

import argparse
import sys
import tempfile
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from evaluate.errors import EvaluateError
from evaluate.fingerprint.describe.descriptors import Descriptors, make_rows
from evaluate.publish import commit, machine
from evaluate.results.results import Result, write_results
from preprocess.errors import PreprocessError
from preprocess.shards.manifest import read_dataset, read_segments
from preprocess.sources import Source
from store.format import Provenance, Rows
from store.writer import write_part
from train.config.load import load_config
from train.model.encoders import build_encoders

RESULTS = Path("docs/results/sizes.json")
TASK = "sizes"
PRESET = "kinetics400"
N_ROWS = 4096
N_SOURCES = 20_000
SHARD_BYTES = "shard bytes a second of media"
FRAME_BYTES, SOURCE_BYTES = "manifest in memory, bytes a segment", "catalogue in memory, bytes a source"
STORE_BYTES, DESCRIPTOR_BYTES = "store bytes a row", "descriptors on disk, bytes a row"
DIMS = "numbers of a descriptor, picture and sound"


def measure(shards: Path) -> list[Result]:
    """Measure all sizes.

    Raises:
        ShardError: there is no finished set.
    """
    info = read_dataset(shards)
    segments = read_segments(shards)
    seconds = float((segments["end_seconds"] - segments["start_seconds"]).sum())
    config = load_config(PRESET)
    encoders = build_encoders(config.model)
    projection = config.model.projection_dim
    dims = {"video/features": encoders.video_dim, "audio/features": encoders.audio_dim}
    dims |= {"video/projections": projection, "audio/projections": projection}
    n = len(segments)
    values = {
        SHARD_BYTES: (sum(shard.n_bytes for shard in info.shards) / seconds, n),
        FRAME_BYTES: (float(segments.memory_usage(deep=True).sum()) / n, n),
        SOURCE_BYTES: (_in_memory(_sources) / N_SOURCES, N_SOURCES),
        STORE_BYTES: (_stored(_rows(dims)), N_ROWS),
        DESCRIPTOR_BYTES: (_stored(_descriptors(projection)), N_ROWS),
        DIMS: (2.0 * projection, 1),
    }
    return [Result("bench", TASK, None, "joint", PRESET, name, value, n) for name, (value, n) in values.items()]


def _in_memory(make: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        kept = make()
        n_bytes, _ = tracemalloc.get_traced_memory()
        del kept
        return n_bytes
    finally:
        tracemalloc.stop()


def _sources() -> tuple[Source, ...]:
    names = (f"class/{number:011d}_000030_000040.mp4" for number in range(N_SOURCES))
    return tuple(Source(number, Path("/data") / name, name) for number, name in enumerate(names))


def _rows(dims: dict[str, int]) -> Rows:
    """Rows as `evaluate embed` writes them: four clips a segment."""
    rng = np.random.default_rng(0)
    source = [f"class/{number // 4:011d}_000030_000040.mp4" for number in range(N_ROWS)]
    texts = {"key": [f"{number // 4:08d}-00000" for number in range(N_ROWS)], "source": source}
    texts |= {
        "label_name": ["playing the violin"] * N_ROWS,
        "group": [""] * N_ROWS,
        "splits": ['{"1": "train"}'] * N_ROWS,
    }
    return Rows(
        **{name: np.array(text, object) for name, text in texts.items()},
        label=np.zeros(N_ROWS, np.int64), start_seconds=np.arange(N_ROWS) % 4 * 2.0,
        end_seconds=np.arange(N_ROWS) % 4 * 2.0 + 1.28, has_video=np.ones(N_ROWS, bool), has_audio=np.ones(N_ROWS, bool),
        vectors={name: rng.normal(size=(N_ROWS, d)).astype(np.float32) for name, d in dims.items()},
    )  # fmt: skip


def _descriptors(dims: int) -> Rows:
    """Rows of an index: one source, a descriptor every half second."""
    vectors = np.random.default_rng(0).normal(size=(2, N_ROWS, dims)).astype(np.float32)
    start, there = np.arange(N_ROWS) / 2, np.ones(N_ROWS, bool)
    return make_rows([Descriptors("shelf/video.mp4", start, start + 1.8, there, there, *vectors)], dims, dims)


def _stored(rows: Rows) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.h5"
        write_part(path, rows, Provenance("", {}, "", "sizes", "pretrained"))
        return path.stat().st_size / len(rows)


def main(argv: list[str] | None = None) -> int:
    """Measure and write the file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sizes", description=__doc__)
    parser.add_argument("shards", type=Path, help="finished set of the preset `default`, of real videos")
    parser.add_argument("--root", type=Path, default=Path(), help="repository whose docs are written (default: here)")
    args = parser.parse_args(argv)
    try:
        results = measure(args.shards)
        header = {
            "command": "python -m benchmarks.sizes SHARDS", "date": datetime.now(UTC).date().isoformat(),
            "commit": commit(args.root), "machine": machine(),
        }  # fmt: skip
        write_results(args.root / RESULTS, results, header)
    except (PreprocessError, EvaluateError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
