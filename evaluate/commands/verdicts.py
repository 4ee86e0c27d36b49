"""`python -m evaluate verdicts`: decisions of a person on an archive's copies, which later runs apply."""

import argparse
from pathlib import Path

from evaluate.commands.common import Commands, add_parser, say

EPILOG = """\
examples:
  python -m evaluate verdicts add different a.mp4 b.mp4 --index index/archive --note 'two takes'
  python -m evaluate verdicts add same a.mp4 b.mp4 --index index/archive
  python -m evaluate verdicts add keep a.mp4 --index index/archive
  python -m evaluate verdicts add ignore a.mp4 --seconds 0 12.5 --index index/archive
      these seconds everywhere, in all sources that share them
  python -m evaluate verdicts add keep a.mp4 --withdraw --index index/archive
  python -m evaluate verdicts export verdicts.jsonl --index index/archive
  python -m evaluate verdicts import verdicts.jsonl --index index/archive

Verdicts are on contents of files: they hold after a rename, a move, or indexing anew. The latest on a subject counts.
"""


def add_command(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Put the command on the command line."""
    summary = "record, export or import decisions on copies: same, different, keep, ignore"
    parser = add_parser(commands, "verdicts", summary, _verdicts, EPILOG)
    parser.add_argument("action", choices=["add", "export", "import"])
    parser.add_argument(
        "words", nargs="+", metavar="WORD", help="add: same|different|keep|ignore NAME ...; else a file"
    )
    parser.add_argument("--index", type=Path, required=True, help="folder of the index")
    parser.add_argument("--seconds", type=float, nargs=2, metavar=("START", "END"), help="of a segment to ignore")
    parser.add_argument("--note", default="", help="any text")
    parser.add_argument("--withdraw", action="store_true", help="take an earlier verdict back")


def _verdicts(arguments: argparse.Namespace) -> None:
    from dataclasses import replace

    from evaluate.archive.verdicts import N_PLACES, Verdicts
    from evaluate.errors import EvaluateError
    from evaluate.fingerprint.index.archive import Archive

    archive, verdicts, given = Archive.open(arguments.index), Verdicts(arguments.index), arguments.words
    if arguments.action == "add":
        if given[0] not in N_PLACES:
            raise EvaluateError(f"give a verdict, one of {', '.join(N_PLACES)}, and names as `duplicates` prints them")
        places = list(verdicts.places_of(archive.sources(), given[1:]).values())
        if arguments.seconds:
            start, end = arguments.seconds
            places = [replace(place, start_seconds=start, end_seconds=end) for place in places]
        verdict = verdicts.add(given[0], places, note=arguments.note, withdraw=arguments.withdraw)
        say(f"{verdict.kind}{' withdrawn' if verdict.is_withdrawn else ''}: {', '.join(given[1:])}")
    elif len(given) != 1:
        raise EvaluateError(f"give one file to {arguments.action}")
    elif arguments.action == "export":
        say(f"{given[0]}: {verdicts.export(Path(given[0]))} verdicts")
    else:
        say(f"{given[0]}: {verdicts.take_in(Path(given[0]))} new verdicts")
