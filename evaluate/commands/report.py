"""`python -m evaluate report`: the page of a run."""

import argparse
from pathlib import Path

from evaluate.commands.common import Commands, add_parser, say
from evaluate.errors import EvaluateError

EPILOG = """\
examples:
  python -m evaluate report --run runs/sample --shards shards/sample --data data/sample
      every test of the run on one page, with the audio of its clips
  python -m evaluate report --run runs/ours --shards shards/ucf101 shards/esc50 --compare runs/avid runs/video-only
      two data sets, and two other runs' numbers beside this one's
"""


def add_command(commands: Commands) -> None:
    """Put the command on the command line."""
    summary = "write one HTML page with all tests of a run, beside other runs"
    parser = add_parser(commands, "report", summary, _report, EPILOG)
    parser.add_argument("--run", type=Path, required=True, help="folder of the training run, such as runs/sample")
    parser.add_argument("--shards", type=Path, nargs="+", default=[], help="shard sets that were evaluated")
    parser.add_argument("--dataset", help="name of the stores and results (default: the shard set's own)")
    parser.add_argument("--data", type=Path, nargs="+", default=[], help="folders with the source files, for audio")
    parser.add_argument("--compare", type=Path, nargs="+", default=[], metavar="RUN", help="other runs for comparison")


def _report(arguments: argparse.Namespace) -> None:
    from evaluate.report.page import write_report
    from preprocess.shards.manifest import read_dataset

    folders, name = arguments.shards, arguments.dataset
    if name and len(folders) != 1:
        raise EvaluateError(f"--dataset {name} names one shard set; give one --shards, or leave the names to the sets")
    shards = {name or read_dataset(folder).dataset: folder for folder in folders}
    if len(shards) < len(folders):
        raise EvaluateError("two of the --shards are of the same data set; give one of each")
    say(str(write_report(arguments.run, shards, data=arguments.data, compare=arguments.compare)))
