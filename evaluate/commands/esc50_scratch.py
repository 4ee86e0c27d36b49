"""`python -m evaluate esc50-scratch`: the same audio network trained with labels, fold by fold."""

import argparse

from evaluate.commands.common import Commands, add_run_options, console


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
    from evaluate.esc50_scratch import ScratchOptions, accuracy_on_fold, settings, train_fold
    from evaluate.results import RESULTS_NAME, mean_over_splits, update_results
    from evaluate.table import folds_table
    from train.checkpoint import LAST_NAME

    config = settings(arguments.run / "checkpoints" / LAST_NAME, arguments.shards)
    options = ScratchOptions(arguments.steps, arguments.clips, device=arguments.device)
    asked, every = (tuple(int(fold) for fold in text) for text in (arguments.folds.split(","), FOLDS))
    path, rows = arguments.run / RESULTS_NAME, []
    with Progress(console=console) as bars:
        for fold in asked:
            task = bars.add_task(f"without fold {fold}", total=options.steps)
            model = train_fold(
                config, fold, every, arguments.run / "scratch" / f"fold-{fold}.pt", options,
                progress=lambda step, task=task: bars.update(task, completed=step),
            )  # fmt: skip
            rows += accuracy_on_fold(model, config, fold, options)
            update_results(path, rows)
    results = update_results(path, mean_over_splits(rows))
    console.print(folds_table(results, rows[0].test))
