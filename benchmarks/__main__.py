"""`python -m benchmarks`: measure on this machine, write docs/results/bench.json and docs/results/benchmarks.md."""

import argparse
import logging
import sys
import time
from pathlib import Path

import torch

from benchmarks.page import RESULTS, write_page
from benchmarks.peer import PeerError
from benchmarks.questions import QUESTIONS, Answer, Setting
from benchmarks.race import FULL, QUICK
from benchmarks.summary import show
from evaluate.results.origin import origin
from evaluate.results.results import read_header, read_results, write_results
from store.errors import AvtempoError

EPILOG = """\
examples:
  python -m benchmarks                         all questions; about 20 minutes on 2 cores
  python -m benchmarks --only loading ingest   these; the answers to the others stay
  python -m benchmarks --only loading --quick  see that it runs; nothing is written

Peers (video2dataset, torchcodec, decord, ...) are asked where `make bench-peers` has installed them.
"""


def main(argv: list[str] | None = None) -> int:
    """Ask the questions one after another; each answer is written as soon as it is there."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("benchmarks").setLevel(logging.INFO)
    effort = QUICK if arguments.quick else FULL
    setting = Setting(arguments.data, arguments.shards, arguments.preset, effort)
    try:
        arguments.data.mkdir(parents=True, exist_ok=True)
        for task in [] if arguments.page_only else arguments.only or list(QUESTIONS):
            since = time.monotonic()
            answer = QUESTIONS[task](setting)
            show(task, answer, time.monotonic() - since)
            if not arguments.quick:
                keep(arguments.root, task, answer)
        if not arguments.quick:
            write_page(arguments.root)
    except (AvtempoError, PeerError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--only", nargs="+", choices=list(QUESTIONS), metavar="QUESTION", help=", ".join(QUESTIONS))
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, one round; writes nothing")
    parser.add_argument("--data", type=Path, default=Path("data/bench"), help="made-up videos (default: %(default)s)")
    parser.add_argument(
        "--shards", type=Path, default=Path("shards/sample"), help="of the preset (default: %(default)s)"
    )
    parser.add_argument("--preset", default="sample", help="of the training step (default: %(default)s)")
    parser.add_argument("--root", type=Path, default=Path(), help="repository whose docs are written (default: here)")
    parser.add_argument(
        "--page-only", action="store_true", help="write docs/results/benchmarks.md anew, measure nothing"
    )
    return parser


def keep(root: Path, task: str, answer: Answer) -> None:
    """Put an answer in the place of the earlier one to the same question."""
    path = root / RESULTS
    results = [result for result in read_results(path) if result.task != task]
    questions = read_header(path).get("questions", {})
    questions[task] = {
        "command": f'make bench BENCH="{task}"', **origin(), "threads": torch.get_num_threads(), "missing": answer.missing,
    }  # fmt: skip
    write_results(path, [*results, *answer.results], {"questions": questions})


if __name__ == "__main__":
    sys.exit(main())
