"""`python -m evaluate esc50-scratch`: the same audio network trained with labels, fold by fold."""

import argparse

from evaluate.commands.common import Commands, add_run_options, console
from evaluate.errors import EvaluateError

EPILOG = """\
Each fold is trained without it in RUN/scratch/fold-N and tested on it; accuracies go to RUN/results.json. A stopped
run, by Ctrl-C too, continues with the same command.
"""


def add_command(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Put the command on the command line."""
    parser = commands.add_parser(
        "esc50-scratch", help="train the audio network of a run on ESC-50 with labels", epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add_run_options(parser)
    parser.add_argument("--folds", default="1,2,3,4,5", help="folds to test (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=1500, help="of each fold's training (default: %(default)s)")
    parser.add_argument("--clips", type=int, default=4, help="clips a recording at test (default: %(default)s)")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.set_defaults(command=_scratch)


def _scratch(arguments: argparse.Namespace) -> None:
    from evaluate.protocols.bootstrap import mean_over_splits
    from evaluate.protocols.esc50.folds import FOLDS
    from evaluate.protocols.esc50.scratch import SCRATCH, ScratchTrainer, accuracy_on_fold, settings
    from evaluate.protocols.result_table import folds_table
    from evaluate.results.results import RESULTS_NAME, Result, read_results, update_results
    from train.ranks.distributed import join_world
    from train.run.checkpoint import LAST_NAME

    asked, every = arguments.folds.split(","), tuple(int(fold) for fold in FOLDS)
    if not set(asked) <= set(FOLDS):
        raise EvaluateError(f"--folds takes folds of {','.join(FOLDS)}, not {arguments.folds!r}")
    checkpoint, path = arguments.run / "checkpoints" / LAST_NAME, arguments.run / RESULTS_NAME
    world = join_world(arguments.device)
    rows: list[Result] = []
    for fold in map(int, asked):
        config = settings(checkpoint, arguments.shards, fold, every, arguments.steps)
        trainer = ScratchTrainer(config, arguments.run / "scratch" / f"fold-{fold}", world)
        if not trainer.train():
            raise KeyboardInterrupt
        rows += accuracy_on_fold(trainer.model, config, fold, arguments.clips, world)
        update_results(path, rows)
    own = [row for row in read_results(path) if (row.test, row.model) == (rows[0].test, SCRATCH)]
    results = update_results(path, mean_over_splits(own))  # over the folds of earlier calls, too
    console.print(folds_table(results, rows[0].test))
