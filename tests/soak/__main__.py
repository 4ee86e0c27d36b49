"""`python -m tests.soak`: kill ingest, training and embedding again and again; the results must be as if undisturbed."""

import argparse
import json
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape

from evaluate.publish import RESULTS_DIR, fill_pages
from evaluate.results.origin import origin
from evaluate.results.results import Result, write_results
from tests.processes import ROOT
from tests.soak.disturb import SoakError
from tests.soak.stages import STAGES, Found, Plan
from train.errors import TrainError

EPILOG = """\
examples:
  python -m tests.soak --sources 3000 --bad-share 0.05 --kills 10 --seed 0
  python -m tests.soak --sources 40 --kills 2 --steps 60 --segments 2000 --out /tmp/soak      a minute or two

Makes an archive of small videos, some of them unreadable. Makes shards of it, trains and embeds, each once undisturbed and
once with workers, decoders and the first process killed at random places. Then checks every invariant, and draws segments
while it watches the memory. If it is stopped, the same command continues after the last finished stage.

exit status: 0 every invariant holds; 1 one is broken; 2 a command failed by itself; 130 stopped.
"""
_HELD = "invariant: "


def parse(argv: list[str] | None) -> tuple[Plan, bool]:
    """Return the options, and whether to publish the results in docs/."""
    parser = argparse.ArgumentParser(
        "python -m tests.soak", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default, text in (
        ("out", Path("runs/soak"), "folder for all of it"),
        ("sources", 3000, "files of the archive"),
        ("bad-share", 0.05, "share of them that cannot be read"),
        ("kills", 10, "in each stage"),
        ("steps", 2000, "of training"),
        ("segments", 100_000, "drawn for the memory"),
        ("workers", 2, "of ingest"),
        ("seed", 0, "of all that is random"),
    ):
        parser.add_argument(f"--{name}", type=type(default), default=default, help=f"{text} (default: %(default)s)")
    parser.add_argument(
        "--publish",
        action="store_true",
        help="write docs/results/soak.json and the table of docs/explanation/reliability.md",
    )
    values = vars(parser.parse_args(argv))
    publishing = values.pop("publish")
    return Plan(**values | {"out": Path(values["out"]).resolve()}), publishing


def soak(plan: Plan, asked: dict[str, float], console: Console) -> dict[str, Found]:
    """Go through the stages that are not finished, and note each that is."""
    found, started = {}, time.monotonic()
    for name, stage in STAGES.items():

        def show(text: str, name: str = name) -> None:
            line = f"{time.monotonic() - started:6.0f} s  {name}: {text}"
            console.print(escape(line), highlight=False, soft_wrap=True)

        note = plan.out / "stages" / f"{name.replace(' ', '-')}.json"
        note.parent.mkdir(parents=True, exist_ok=True)
        kept = json.loads(note.read_text(encoding="utf-8")) if note.exists() else {}
        if kept.get("asked") == asked:
            found[name] = Found(**kept["found"])
            show("was finished before")
        else:
            found[name] = stage(plan, show)
            note.write_text(json.dumps({"asked": asked, "found": asdict(found[name])}, indent=1), encoding="utf-8")
    return found


def results(found: Mapping[str, Found]) -> list[Result]:
    """Return the counts, and of every invariant the number of breaches: 0 where it holds."""
    records = []
    for stage, each in found.items():
        breaches = {f"{_HELD}{name}, breaches": len(lines) for name, lines in each.breaches.items()}
        for metric, value in (each.counts | breaches).items():
            records.append(Result("soak", stage, None, "joint", "soak", metric, float(value), 1))
    return records


def report(records: Sequence[Result]) -> str:
    """Return a table that says whether each invariant holds, and the counts of each stage."""
    counts: dict[str, list[str]] = {}
    lines = ["| stage | invariant | holds |", "|---|---|---|"]
    for each in records:
        if each.metric.startswith(_HELD):
            name = each.metric.removeprefix(_HELD).removesuffix(", breaches")
            lines.append(f"| {each.task} | {name} | {'yes' if each.value == 0 else 'NO'} |")
        else:
            counts.setdefault(each.task, []).append(f"{each.metric} {each.value:g}")
    return "\n".join([*lines, "", *(f"- {task}: {'; '.join(texts)}" for task, texts in counts.items())])


def main(argv: list[str] | None = None) -> int:
    """Run the soak test, report, and publish if that is an option."""
    plan, publishing = parse(argv)
    options = {name: value for name, value in asdict(plan).items() if name != "out"}
    is_count = {"sources", "kills", "steps", "segments"}
    asked = {f"n_{name}" if name in is_count else name: value for name, value in options.items()}
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console()
    try:
        found = soak(plan, asked, console)
    except (SoakError, TrainError) as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        console.print("stopped; the same command continues after the last finished stage")
        return 130
    records, breaches = results(found), [pair for each in found.values() for pair in each.breaches.items()]
    broken = [f"{name}: {line}" for name, lines in breaches for line in lines]
    console.print(Markdown(report(records)))
    console.print(escape("\n".join(broken)), style="red", highlight=False, soft_wrap=True)
    words = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in options.items() if name != "workers")
    header = {"command": f"python -m tests.soak {words}", **origin(), "asked": asked}
    write_results(plan.out / "results.json", records, header)
    if publishing:
        (ROOT / RESULTS_DIR / "soak.json").write_bytes((plan.out / "results.json").read_bytes())
        fill_pages(ROOT, {"soak": lambda marker: f"{report(marker.results)}\n\n{marker.source()}"})
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
