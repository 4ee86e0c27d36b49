"""`python -m benchmarks`: run every benchmark on this machine, write docs/results/bench.json and docs/benchmarks.md."""

import argparse
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path

import torch

from benchmarks import layout, loading, training_step
from benchmarks.page import RESULTS, write_page
from evaluate.errors import EvaluateError
from evaluate.publish import commit, machine
from evaluate.results import write_results
from preprocess.errors import PreprocessError
from train.errors import TrainError


def main(argv: list[str] | None = None) -> int:
    """Measure, or only write the page from the numbers that are there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--shards", type=Path, default=Path("shards/sample"), help="of the preset (default: %(default)s)"
    )
    parser.add_argument("--preset", default="sample", help="(default: %(default)s)")
    parser.add_argument("--root", type=Path, default=Path(), help="repository whose docs are written (default: here)")
    parser.add_argument("--page-only", action="store_true", help="write docs/benchmarks.md anew, measure nothing")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("benchmarks").setLevel(logging.INFO)
    try:
        if not args.page_only:
            results = [
                *training_step.records(args.preset, training_step.measure(args.preset, args.shards)),
                *loading.records(loading.measure_all(args.preset, args.shards)),
                *layout.records(layout.compare_all(args.preset, args.shards)),
            ]
            header = {
                "command": "make bench", "date": datetime.now(UTC).date().isoformat(), "commit": commit(args.root),
                "machine": machine(), "threads": torch.get_num_threads(),
            }  # fmt: skip
            write_results(args.root / RESULTS, results, header)
        write_page(args.root)
    except (TrainError, PreprocessError, EvaluateError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
