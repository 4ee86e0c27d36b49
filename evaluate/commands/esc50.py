"""`python -m evaluate esc50`: five folds from stored embeddings; `esc50-scratch`: the same network trained with labels."""

import argparse
from pathlib import Path

from evaluate.commands import common
from evaluate.commands.common import checkpoint_path, console, dataset_name
from evaluate.commands.embed import add_embedding_options, embed_missing
from evaluate.errors import EvaluateError

EPILOG = """\
example:
  python -m evaluate esc50 --run runs/esc50 --shards shards/esc50 --strict runs/esc50/strict-1
      the strict run was pretrained on folds 2 to 5 only and is tested on fold 1
"""
SCRATCH_EPILOG = """\
For each fold, the network is trained on the other folds in RUN/scratch/fold-N and tested on this one. Accuracies go to
RUN/results.json. A stopped run, by Ctrl-C too, continues with the same command.
"""


def add_command(commands: common.Commands) -> None:
    """Put both commands on the command line."""
    parser = common.add_parser(commands, "esc50", "linear SVM on ESC-50's five folds", _esc50, EPILOG)
    common.add_run_options(parser)
    parser.add_argument(
        "--strict", type=Path, nargs="*", default=[], metavar="RUN",
        help="runs trained on some folds only (--set data.split=fold:2,3,4,5): each is tested on the others",
    )  # fmt: skip
    add_embedding_options(parser, "pretrained,untrained,raw,mfcc")
    summary = "train the audio network of a run on ESC-50 with labels"
    parser = common.add_parser(commands, "esc50-scratch", summary, _scratch, SCRATCH_EPILOG, on_ranks=True)
    common.add_run_options(parser)
    parser.add_argument("--folds", default="1,2,3,4,5", help="folds to test (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=1500, help="of each fold's training (default: %(default)s)")
    parser.add_argument("--clips", type=int, default=4, help="clips a recording at test (default: %(default)s)")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])


def _esc50(arguments: argparse.Namespace) -> None:
    from evaluate.protocols.bootstrap import mean_over_splits
    from evaluate.protocols.esc50.folds import Contestant, contestants, evaluate, refuse_unfit_strict
    from evaluate.protocols.result_table import folds_sheet
    from evaluate.results.results import RESULTS_NAME, update_results

    dataset = dataset_name(arguments)
    of_strict = {"checkpoint": None, "models": "pretrained"}
    strict = [argparse.Namespace(**{**vars(arguments), "run": run, **of_strict}) for run in arguments.strict]
    refuse_unfit_strict(checkpoint_path(arguments), [checkpoint_path(each) for each in strict], arguments.shards)
    found, path = list[tuple[str, Contestant]](), arguments.run / RESULTS_NAME
    for each in (arguments, *strict):
        found += contestants(checkpoint_path(each), embed_missing(each), arguments.shards).items()
    with console.status("") as status:
        results = update_results(path, evaluate(found, dataset, progress=status.update), mean_over_splits)
    console.print(folds_sheet(results, dataset).shown())
    common.say(f"every fold's numbers: {path}")


def _scratch(arguments: argparse.Namespace) -> None:
    from evaluate.protocols.bootstrap import mean_over_splits
    from evaluate.protocols.esc50.folds import FOLDS
    from evaluate.protocols.esc50.scratch import ScratchTrainer, accuracy_on_fold, settings
    from evaluate.protocols.result_table import folds_sheet
    from evaluate.results.results import RESULTS_NAME, Result, update_results
    from train.ranks.distributed import join_world, leave_world
    from train.ranks.rank_errors import fail_on_all_ranks, naming_lost_peers
    from train.run.checkpoint import LAST_NAME

    tested, every = common.words(arguments.folds), tuple(int(fold) for fold in FOLDS)
    if not tested or not set(tested) <= set(FOLDS):
        raise EvaluateError(f"--folds takes folds of {','.join(FOLDS)}, not {arguments.folds!r}")
    checkpoint, path = arguments.run / "checkpoints" / LAST_NAME, arguments.run / RESULTS_NAME
    dataset, world = dataset_name(arguments), join_world(arguments.device)
    rows: list[Result] = []
    try:
        for fold in map(int, tested):
            config = settings(checkpoint, arguments.shards, fold, every, arguments.steps)
            trainer = ScratchTrainer(config, arguments.run / "scratch" / f"fold-{fold}", world)
            if not trainer.train():
                raise KeyboardInterrupt
            with naming_lost_peers(), fail_on_all_ranks():
                if world.is_main:
                    rows += accuracy_on_fold(trainer.model, config, fold, arguments.clips, world, dataset)
                    results = update_results(path, rows, mean_over_splits)
    finally:
        leave_world()
    if world.is_main:
        console.print(folds_sheet(results, dataset).shown())
