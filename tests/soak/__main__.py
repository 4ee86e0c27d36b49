"""`python -m tests.soak`: everything, killed again and again, must end as if nothing had happened."""

import argparse
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.soak.checks import ROOT
from tests.soak.disturb import SoakError
from tests.soak.record import keep, kept, publish, write
from tests.soak.stages import STAGES, Found, Plan
from train.errors import TrainError

EPILOG = """\
examples:
  python -m tests.soak --sources 3000 --bad-share 0.05 --kills 10 --seed 0
  python -m tests.soak --sources 40 --kills 2 --steps 60 --segments 2000 --out /tmp/soak      a minute or two

Makes an archive of small videos, some of them no videos; makes shards of it, trains, embeds, each once undisturbed and
once with workers, decoders and the first process killed at random places; then checks every invariant and draws segments
while it watches the memory. Stopped, the same command goes on after the last finished stage.

exit status: 0 every invariant holds; 1 one is broken; 2 a command failed by itself; 130 stopped.
"""


def parse(argv: list[str] | None) -> tuple[Plan, bool]:
    """Return what is asked, and whether docs/ shall tell of it."""
    parser = argparse.ArgumentParser(
        "python -m tests.soak", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/soak"), help="folder for all of it (default: %(default)s)"
    )
    parser.add_argument("--sources", type=int, default=3000, help="files of the archive (default: %(default)s)")
    parser.add_argument(
        "--bad-share", type=float, default=0.05, help="of them that cannot be read (default: %(default)s)"
    )
    parser.add_argument("--kills", type=int, default=10, help="in each stage (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=2000, help="of training (default: %(default)s)")
    parser.add_argument("--segments", type=int, default=100_000, help="drawn for the memory (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="of ingest (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is random (default: %(default)s)")
    parser.add_argument(
        "--publish",
        action="store_true",
        help="write docs/results/soak.json and the table of docs/explanation/reliability.md",
    )
    args = parser.parse_args(argv)
    plan = Plan(
        args.out.resolve(), args.sources, args.bad_share, args.kills, args.steps, args.segments, args.workers, args.seed
    )
    return plan, args.publish


def soak(plan: Plan, console: Console) -> dict[str, Found]:
    """Go through the stages that are not finished."""
    found, started = {}, time.monotonic()
    for number, (name, stage) in enumerate(STAGES, 1):
        head = f"[{number}/{len(STAGES)}] {name}: "

        def show(text: str, head: str = head) -> None:
            console.print(escape(f"{time.monotonic() - started:6.0f} s  {head}{text}"), highlight=False, soft_wrap=True)

        before = kept(plan, name)
        show("begins" if before is None else "was finished before")
        found[name] = before or stage(plan, show)
        keep(plan, name, found[name])
    return found


def show_summary(found: dict[str, Found], console: Console) -> bool:
    """Show every invariant, and what breaks it; true if all hold."""
    table = Table("stage", "invariant", "holds")
    for stage, each in found.items():
        for name, lines in each.breaches.items():
            table.add_row(stage, name, "[green]yes" if not lines else f"[red]{escape(chr(10).join(lines))}")
    console.print(table)
    for stage, each in found.items():
        counts = ", ".join(f"{name}: {value:g}" for name, value in each.counts.items())
        console.print(escape(f"{stage}: {counts}"), soft_wrap=True)
    return not any(lines for each in found.values() for lines in each.breaches.values())


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(argv: list[str] | None = None) -> int:
    """Soak, tell, publish."""
    plan, publishing = parse(argv)
    signal.signal(signal.SIGTERM, _stop)
    console = Console()
    try:
        found = soak(plan, console)
    except (SoakError, TrainError) as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        console.print("stopped; the same command goes on after the last finished stage")
        return 130
    is_whole = show_summary(found, console)
    write(plan, found, plan.path("results.json"))
    if publishing:
        publish(ROOT, plan.path("results.json"))
    return 0 if is_whole else 1


if __name__ == "__main__":
    sys.exit(main())
