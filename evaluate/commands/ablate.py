"""`python -m evaluate ablate`: train, measure and compare objectives."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evaluate.commands.common import Commands, add_parser, chosen_device, console, say, whole_numbers, words
from evaluate.errors import AblationError
from preprocess.progress import Progress

if TYPE_CHECKING:
    from evaluate.ablation.plan import Plan
    from evaluate.results.results import Result

EPILOG = """\
Every objective is trained on the same data, views, steps and seeds, in RUNS/OBJECTIVE-SEED, then measured on the split
that training held out. Numbers go to RUNS/results.json, a figure beside it.

Complete runs are not repeated; stopped runs, by Ctrl-C too, continue with the same command. A run that fails is named at
the end (exit status 2), and the others continue.
"""


def add_command(commands: Commands) -> None:
    """Put the command on the command line."""
    parser = add_parser(commands, "ablate", "train every objective over seeds and compare the results", _ablate, EPILOG)
    parser.add_argument("--shards", type=Path, required=True, help="folder of the shard set")
    parser.add_argument("--preset", default="sample", help="preset or YAML file under all runs (default: %(default)s)")
    parser.add_argument("--runs", type=Path, required=True, help="folder of all runs, such as runs/ablation")
    parser.add_argument("--seeds", default="0,1,2", help="default: %(default)s")
    parser.add_argument("--objectives", default="", help="such as whole,avid (default: all)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of every run")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time; above 1 each has one CPU thread")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])


def _ablate(arguments: argparse.Namespace) -> None:
    from evaluate.ablation.measuring import measure_runs
    from evaluate.ablation.plan import Options, make_plan
    from evaluate.ablation.training import train_runs

    objectives, seeds = words(arguments.objectives), whole_numbers(arguments.seeds, "--seeds")
    choices = objectives, seeds, arguments.set, arguments.device, arguments.jobs
    plan = make_plan(Options(arguments.runs, arguments.shards, arguments.preset, *choices))
    say(
        f"{len(plan.options.objectives)} objectives, seeds {', '.join(map(str, plan.options.seeds))}: "
        f"{len(plan.runs)} runs of {plan.steps} steps; tested on split {plan.held_out_split}, which they do not see"
    )
    with Progress("steps") as shown:
        untrained = train_runs(plan, shown.show, say)
    trained = [run for run in plan.runs if run.name not in untrained]
    with Progress("measured runs") as shown:
        measured, unmeasured = measure_runs(plan, trained, chosen_device(arguments.device), shown.show)
    if measured:
        _show(plan, measured)
    if failures := untrained | unmeasured:
        lines = "".join(f"\n  {name}: {reason}" for name, reason in failures.items())
        raise AblationError(f"{len(failures)} of {len(plan.runs)} runs have no numbers:{lines}")


def _show(plan: "Plan", measured: "Mapping[tuple[str, int], Sequence[Result]]") -> None:
    """Write the numbers and the figure, and print the main table."""
    from evaluate.ablation.aggregate import aggregate, compare, read_cells
    from evaluate.ablation.tables_and_figure import MAIN, comparison_note, comparison_sheet, make_sheet, write_figure
    from evaluate.results.origin import origin
    from evaluate.results.results import RESULTS_NAME, read_results, write_results

    chosen, results = plan.options, aggregate(measured)
    name = chosen.folder.resolve().name
    path, figure = chosen.folder / RESULTS_NAME, chosen.folder / f"{name}.svg"
    # The header says when and where the numbers were made: it stays if these are the same.
    if read_results(path) != results:
        header = {
            **origin(), "preset": chosen.preset, "overrides": list(chosen.overrides),
            "objectives": list(chosen.objectives), "seeds": list(chosen.seeds), "steps": plan.steps,
            "shards_fingerprint": plan.shards.fingerprint,
            "missing": [run.name for run in plan.runs if (run.objective, run.seed) not in measured],
        }  # fmt: skip
        write_results(path, results, header)
    write_figure(results, figure)
    cells = read_cells(results)
    title = f"{name}: mean ± sd over seeds, per cent, split {plan.held_out_split}"
    console.print(make_sheet(title, MAIN, cells).shown())
    if comparisons := compare(cells):
        console.print(comparison_sheet(comparisons, cells).shown())
        say(comparison_note(comparisons))
    say(f"all numbers: {path}; figure: {figure}")
