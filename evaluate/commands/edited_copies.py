"""`python -m evaluate edited-copies`: copies of some videos as people make them, to try the tools of an archive."""

import argparse
from pathlib import Path

from evaluate.commands.common import Commands, add_parser, say
from preprocess.progress import Progress

EPILOG = """\
examples:
  python -m evaluate edited-copies --videos /archive --out /archive/copies
  python -m evaluate edited-copies --videos /archive --out /tmp/copies --copies 20 --seed 7

Copies are named by what was done: mirrored, upright, with text and logo, faster, cut, inside another video, ...
"""


def add_command(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Put the command on the command line."""
    summary = "make edited copies of some videos, to try the tools of an archive"
    parser = add_parser(commands, "edited-copies", summary, _edited_copies, EPILOG)
    parser.add_argument("--videos", type=Path, required=True, help="folder of videos with audio")
    parser.add_argument("--out", type=Path, required=True, help="folder of the copies")
    parser.add_argument("--copies", type=int, default=12, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random choices")


def _edited_copies(arguments: argparse.Namespace) -> None:
    from evaluate.fingerprint.benchmark.edited_copies import write_edited_copies

    with Progress("copies") as shown:
        paths = write_edited_copies(
            arguments.videos, arguments.out, arguments.copies, arguments.seed, progress=shown.show
        )
    say(f"{arguments.out}: {len(paths)} edited copies")
