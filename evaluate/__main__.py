"""Command line of the evaluation stage: `python -m evaluate COMMAND`; the commands are in evaluate/commands."""

import argparse
import logging
import os
import sys
from functools import partial

from evaluate.commands import (
    ablate,
    duplicates,
    embed,
    esc50,
    export,
    finetune,
    index,
    match,
    matching_benchmark,
    publish,
    recognition,
    report,
    serve,
)  # fmt: skip
from evaluate.errors import EvaluateError
from evaluate.exit_status import exit_status
from store.standard_streams import guard_standard_streams

COMMANDS = (
    embed, recognition, finetune, esc50, report, index, match, duplicates, serve, matching_benchmark, ablate, export, publish,
)  # fmt: skip
"""In the order of the help."""

EPILOG = """\
examples:
  python -m evaluate ucf101 --run runs/sample --shards shards/sample
      embed what is missing, then evaluate on the official splits; numbers go to runs/sample/results.json
  python -m evaluate report --run runs/sample --shards shards/sample
      the page runs/sample/report/index.html
  python -m evaluate ablate --shards shards/sample --runs runs/ablation --objectives whole,avid
      train, measure and compare objectives: runs/ablation/results.json
  python -m evaluate index /archive --index index/archive
  python -m evaluate match clip.mp4 --index index/archive --out matches.json
      which video of the archive, and which seconds of it, a distorted clip came from
  python -m evaluate duplicates --index index/archive --out duplicates.json --page duplicates.html
      copies and partial copies inside the archive
  python -m evaluate serve --index index/archive
      all of this in a browser, and an API for programs

python -m evaluate COMMAND --help lists the options of a command, and more examples.
"""


def main(argv: list[str] | None = None) -> int:
    """Run a command; 0 success, 2 an error that was explained, 130 interrupted."""
    guard_standard_streams()
    about = "Embed videos with trained encoders, test the embeddings, and show the results."
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m evaluate", description=about, epilog=EPILOG, formatter_class=raw)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for each in COMMANDS:
        each.add_command(commands)
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("faiss").setLevel(logging.WARNING)  # it logs which processor it found
    return exit_status(partial(_run, arguments))


def _run(arguments: argparse.Namespace) -> None:
    """Run the command, unless torchrun started it several times over and all would write the same files."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not arguments.on_ranks:
        problem = "torchrun started this several times (WORLD_SIZE)"
        raise EvaluateError(f"{problem}: only finetune and esc50-scratch use ranks")
    arguments.command(arguments)


if __name__ == "__main__":
    sys.exit(main())
