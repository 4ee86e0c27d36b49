"""`python -m evaluate ablate`: train, measure, set side by side."""

import argparse
import logging
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evaluate.commands.common import Commands, console
from evaluate.errors import AblationError, EvaluateError
from preprocess.progress import Progress

if TYPE_CHECKING:
    from evaluate.ablation.aggregate import Measured
    from evaluate.ablation.plan import Plan, PlannedRun
    from evaluate.ablation.training import Failure
    from evaluate.results.results import Result

logger = logging.getLogger(__name__)

EPILOG = """\
Every objective is trained on the same data, views, steps and seeds, in RUNS/OBJECTIVE-SEED, then measured on the split
that training held out. Numbers go to RUNS/results.json, a figure to RUNS/NAME.svg.

Complete runs are not repeated; stopped runs, by Ctrl-C too, continue with the same command. A run that fails is named at
the end (exit status 2), and the others continue.
"""


def add_command(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Put the command on the command line."""
    parser = commands.add_parser(
        "ablate", help="train every objective over seeds and compare the results", epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--shards", type=Path, required=True, help="folder of the shard set")
    parser.add_argument("--preset", default="sample", help="preset or YAML file under all runs (default: %(default)s)")
    parser.add_argument("--runs", type=Path, required=True, help="folder of all runs, such as runs/ablation")
    parser.add_argument("--seeds", default="0,1,2", help="default: %(default)s")
    parser.add_argument("--objectives", default="", help="such as whole,avid (default: all)")
    parser.add_argument("--steps", type=int, help="of every run (default: the preset's)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of every run")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time; above 1 each has one CPU thread")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--name", default="", help="of the results (default: the folder's name)")
    parser.set_defaults(command=ablate)


def ablate(arguments: argparse.Namespace) -> None:
    """Run the command.

    Raises:
        AblationError: runs failed; all others have been measured.
    """
    from evaluate.ablation.plan import make_plan

    plan = make_plan(
        arguments.runs, arguments.shards, arguments.preset, _words(arguments.objectives), _seeds(arguments.seeds),
        name=arguments.name, overrides=[*arguments.set, *([f"steps={arguments.steps}"] if arguments.steps else [])],
        device=arguments.device, jobs=arguments.jobs,
    )  # fmt: skip
    _say(
        f"{len(plan.objectives)} objectives, seeds {', '.join(map(str, plan.seeds))}: {len(plan.runs)} runs of "
        f"{plan.steps} steps; tested on split {plan.held_out_split}, which they do not see"
    )
    failures = _train(plan)
    measured, unmeasured = _measure(plan, {failure.run.name for failure in failures})
    failures += unmeasured
    if measured:
        _show(plan, _write(plan, measured))
    if failures:
        lines = "".join(f"\n  {failure.run.name}: {failure.reason}" for failure in failures)
        raise AblationError(f"{len(failures)} of {len(plan.runs)} runs have no numbers:{lines}")


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _seeds(text: str) -> list[int]:
    try:
        return [int(word) for word in _words(text)]
    except ValueError as error:
        raise AblationError(f"--seeds takes whole numbers such as 0,1,2, not {text!r}") from error


def _say(text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _train(plan: "Plan") -> "tuple[Failure, ...]":
    from evaluate.ablation.training import train_runs

    def finished(run: "PlannedRun", failure: "Failure | None") -> None:
        _say(f"{run.name}: failed: {failure.reason}" if failure else f"{run.name}: trained")

    with Progress("steps") as shown:
        return train_runs(plan, progress=shown.show, finished=finished)


def _measure(plan: "Plan", failed: set[str]) -> "tuple[list[Measured], tuple[Failure, ...]]":
    from evaluate.ablation.aggregate import Measured
    from evaluate.ablation.measuring import measure, models_of
    from evaluate.ablation.training import Failure
    from evaluate.embedding.embed_task import EmbedOptions
    from preprocess.errors import PreprocessError
    from store.errors import StoreError
    from train.errors import TrainError

    runs = [run for run in plan.runs if run.name not in failed]
    options = EmbedOptions(device=_device(plan.device))
    models, measured, failures = models_of(runs), [], []
    with Progress("measured runs") as shown:
        for number, run in enumerate(runs):
            shown.show(number, len(runs), run.name)

            def progress(done: int, total: int, number: int = number, name: str = run.name) -> None:
                shown.show(number + done / total, len(runs), name)

            try:
                results = measure(plan, run, models[run.name], options, progress=progress)
            except (EvaluateError, TrainError, StoreError, PreprocessError) as error:
                failures.append(Failure(run, str(error)))
            else:
                measured.append(Measured(run.objective, run.seed, results))
    return measured, tuple(failures)


def _device(name: str) -> str:
    import torch

    if name != "auto":
        return name
    return "cuda" if torch.cuda.is_available() else "cpu"


def _write(plan: "Plan", measured: "Sequence[Measured]") -> "tuple[Result, ...]":
    from evaluate.ablation.aggregate import aggregate
    from evaluate.ablation.figure import write_figure
    from evaluate.results.origin import origin
    from evaluate.results.results import RESULTS_NAME, read_results, write_results

    results, path = aggregate(measured), plan.folder / RESULTS_NAME
    there = {(run.objective, run.seed) for run in measured}
    # The header says when and where the numbers were made: where these are the same, it stays.
    if read_results(path) != results:
        header = {
            "command": _command(plan), **origin(), "preset": plan.preset, "objectives": list(plan.objectives),
            "seeds": list(plan.seeds), "steps": plan.steps, "shards_fingerprint": plan.fingerprint,
            "missing": [run.name for run in plan.runs if (run.objective, run.seed) not in there],
        }  # fmt: skip
        write_results(path, results, header)
    write_figure(results, plan.folder / f"{plan.name}.svg")
    return results


def _command(plan: "Plan") -> str:
    words = ["python", "-m", "evaluate", "ablate", "--shards", str(plan.shards), "--preset", plan.preset]
    words += ["--runs", str(plan.folder), "--seeds", ",".join(map(str, plan.seeds))]
    words += ["--objectives", ",".join(plan.objectives), "--jobs", str(plan.jobs)]
    return shlex.join([*words, *(word for setting in plan.overrides for word in ("--set", setting))])


def _show(plan: "Plan", results: "Sequence[Result]") -> None:
    from evaluate.ablation.ablation_tables import comparison_lines, terminal_table
    from evaluate.ablation.aggregate import read_cells
    from evaluate.ablation.comparison import compare
    from evaluate.results.results import RESULTS_NAME

    cells = read_cells(results)
    console.print(terminal_table(cells, f"{plan.name}: mean ± sd over seeds, per cent, split {plan.held_out_split}"))
    for line in comparison_lines(compare(cells)):
        _say(line)
    _say(f"all numbers: {plan.folder / RESULTS_NAME}; figure: {plan.folder / plan.name}.svg")
