"""`python -m tests.fuzz`: give mutated and hostile files to every reader, for as long as you like."""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.fuzz.hunt import hunt
from tests.fuzz.targets import TARGETS

EPILOG = """\
examples:
  python -m tests.fuzz --seconds 600
  python -m tests.fuzz --only store --seed 7 --cases 5000
  python -m tests.fuzz --only store --seed 7 --first 4711 --cases 1      repeats one case

A case passes if the reader reads the file, or refuses it with a typed error of the project, within a minute, without a
crash, without terabytes of memory, and without touching a file outside the output. Its seed and number define a case.

exit status: 0 nothing found; 1 a line for every finding.
"""
CASES_A_TURN = 200


def main(argv: list[str] | None = None) -> int:
    """Take the targets in turns until the time is up or the cases are done."""
    parser = argparse.ArgumentParser(
        "python -m tests.fuzz", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", choices=sorted(TARGETS), nargs="+", default=list(TARGETS), help="targets (default: all)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of all cases (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="number of the first case (default: %(default)s)")
    parser.add_argument("--cases", type=int, default=sys.maxsize, help="of each target (default: no end)")
    parser.add_argument("--seconds", type=float, default=600.0, help="for all targets together (default: %(default)s)")
    args = parser.parse_args(argv)
    console, until = Console(), time.monotonic() + args.seconds
    seen = {name: list[str]() for name in args.only}
    with tempfile.TemporaryDirectory(prefix="avtempo-fuzz-") as folder:
        try:
            for turn in range(0, args.cases, CASES_A_TURN):
                for number, name in enumerate(args.only):
                    share = max(0.0, until - time.monotonic()) / (len(args.only) - number)
                    n_cases, first = min(CASES_A_TURN, args.cases - turn), args.first + turn
                    more = hunt(TARGETS[name], Path(folder), args.seed, first, n_cases, seconds=share)
                    seen[name] += more
                    for said in (each for each in more if each.startswith("FOUND: ")):
                        console.print(escape(f"{name}: {said}"), style="red", highlight=False, soft_wrap=True)
                if time.monotonic() >= until:
                    break
        except KeyboardInterrupt:
            console.print("stopped")
    table, is_found = Table("files", "cases", "read", "refused", "found"), False
    for name, said in seen.items():
        counts = Counter(each.partition(":")[0] for each in said)
        table.add_row(name, str(len(said)), *(str(counts[each]) for each in ("read", "refused", "FOUND")))
        is_found = is_found or counts["FOUND"] > 0
    console.print(table)
    return int(is_found)


if __name__ == "__main__":
    sys.exit(main())
