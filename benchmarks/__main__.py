"""`python -m benchmarks`: measure on this machine, write docs/results/bench.json and docs/results/benchmarks.md."""

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks import archive, duplicates, embedding, indexing, ingest, loading, storing, training_step
from benchmarks.page import BENCH, RESULTS, table
from benchmarks.question import Setting, logger
from evaluate.exit_status import exit_status
from evaluate.publish import fill_pages
from evaluate.results.origin import origin
from evaluate.results.results import Result, read_header, read_results, write_results

EPILOG = """\
examples:
  python -m benchmarks                         all questions; about 20 minutes on 2 cores
  python -m benchmarks --only loading ingest   these; the answers to the others stay
  python -m benchmarks --only loading --quick  see that it runs; nothing is written

Peers (video2dataset, webdataset, torchcodec) are measured where `make bench-peers` has installed them.
exit status: 0 measured; 2 an error that is explained, such as parts that do not add up.
"""
QUESTIONS = {
    question.TASK: question.measure
    for question in (ingest, loading, embedding, storing, indexing, archive, duplicates, training_step)
}


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__, epilog=EPILOG, formatter_class=raw)
    add = parser.add_argument
    add("--only", nargs="+", choices=list(QUESTIONS), metavar="QUESTION", help=", ".join(QUESTIONS))
    add("--quick", action="store_true", help="a tenth of the work, one round; writes nothing")
    add("--data", type=Path, default=Path("data/bench"), help="made-up videos (default: %(default)s)")
    add("--shards", type=Path, default=Path("shards/sample"), help="of the preset (default: %(default)s)")
    add("--preset", default="sample", help="of the training step (default: %(default)s)")
    add("--page-only", action="store_true", help="write docs/results/benchmarks.md anew, measure nothing")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logger.setLevel(logging.INFO)
    return exit_status(partial(_run, arguments))


def _run(arguments: argparse.Namespace) -> None:
    """Measure question by question; write each answer at once."""
    effort = {"rounds": 1, "warm_up": 0, "scale": 0.1} if arguments.quick else {}
    setting = Setting(arguments.data, arguments.shards, arguments.preset, **effort)
    arguments.data.mkdir(parents=True, exist_ok=True)
    for task in [] if arguments.page_only else arguments.only or list(QUESTIONS):
        since = time.monotonic()
        results = QUESTIONS[task](setting)
        print(f"\n{task}, after {time.monotonic() - since:.0f} s\n\n{table(task, results)}\n")
        if not arguments.quick:
            keep(Path(), task, results)
    if not arguments.quick:
        fill_pages(Path(), BENCH)


def keep(root: Path, task: str, results: Sequence[Result]) -> None:
    """Replace the earlier answer to the same question."""
    path = root / RESULTS
    others = [result for result in read_results(path) if result.task != task]
    questions = read_header(path).get("questions", {})
    questions[task] = {"command": f'make bench BENCH="{task}"', **origin()}
    write_results(path, [*others, *results], {"questions": questions})


if __name__ == "__main__":
    sys.exit(main())
