"""`python -m evaluate esc50-scratch`: the same audio network trained with labels, fold by fold."""

import argparse
from functools import partial
from typing import TYPE_CHECKING

from evaluate.commands.common import Commands, add_run_options, console
from evaluate.errors import EvaluateError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


def add_command(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Put the command on the command line."""
    parser = commands.add_parser("esc50-scratch", help="the audio network of a run trained on ESC-50 with labels")
    add_run_options(parser)
    parser.add_argument("--folds", default="1,2,3,4,5", help="folds to test (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=1500, help="of each fold's training (default: %(default)s)")
    parser.add_argument("--clips", type=int, default=4, help="clips a recording at test (default: %(default)s)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ... (default: %(default)s)")
    parser.set_defaults(command=_scratch)


def _scratch(arguments: argparse.Namespace) -> None:
    from rich.progress import Progress

    from evaluate.esc50_runs import FOLDS
    from evaluate.esc50_scratch import SCRATCH, ScratchOptions, accuracy_on_fold, settings, train_fold
    from evaluate.outcomes import mean_over_splits
    from evaluate.results import RESULTS_NAME, Result, read_results, update_results
    from evaluate.table import folds_table
    from train.checkpoint import LAST_NAME

    config = settings(arguments.run / "checkpoints" / LAST_NAME, arguments.shards)
    options = ScratchOptions(arguments.steps, arguments.clips, device=arguments.device)
    asked, every = arguments.folds.split(","), tuple(int(fold) for fold in FOLDS)
    if not set(asked) <= set(FOLDS):
        raise EvaluateError(f"--folds takes folds of {','.join(FOLDS)}, not {arguments.folds!r}")
    path = arguments.run / RESULTS_NAME
    rows: list[Result] = []
    with Progress(console=console) as bars:
        for fold in map(int, asked):
            task = bars.add_task(f"without fold {fold}", total=options.steps)
            saved = arguments.run / "scratch" / f"fold-{fold}.pt"
            model = train_fold(config, fold, every, saved, options, progress=partial(_show, bars, task))
            rows += accuracy_on_fold(model, config, fold, options)
            update_results(path, rows)
    own = [row for row in read_results(path) if (row.test, row.model) == (rows[0].test, SCRATCH)]
    results = update_results(path, mean_over_splits(own))  # over the folds of earlier calls, too
    console.print(folds_table(results, rows[0].test))


def _show(bars: "Progress", task: "TaskID", step: int) -> None:
    bars.update(task, completed=step)
