"""`python -m evaluate esc50`: five folds from stored embeddings."""

import argparse
from pathlib import Path

from evaluate.commands.common import (
    Commands,
    add_embedding_options,
    add_run_options,
    checkpoint_path,
    console,
    dataset_name,
    embed_missing,
)


def add_command(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Put the command on the command line."""
    parser = commands.add_parser("esc50", help="linear SVM on ESC-50's five folds")
    add_run_options(parser)
    parser.add_argument(
        "--strict", type=Path, nargs="*", default=[], metavar="RUN",
        help="runs trained on some folds only (--set data.split=fold:2,3,4,5): each is tested on the others",
    )  # fmt: skip
    add_embedding_options(parser, "pretrained,untrained,raw,mfcc")
    parser.set_defaults(command=_esc50)


def _esc50(arguments: argparse.Namespace) -> None:
    from evaluate.protocols.esc50.folds import Contestant, contestants, evaluate
    from evaluate.protocols.result_table import folds_table
    from evaluate.results.results import RESULTS_NAME, update_results
    from train.run.checkpoint import LAST_NAME

    dataset = dataset_name(arguments)
    asked = [(arguments.run, checkpoint_path(arguments), arguments.models)]
    asked += [(run, run / "checkpoints" / LAST_NAME, "pretrained") for run in arguments.strict]
    found: list[tuple[str, Contestant]] = []
    for run, checkpoint, models in asked:
        changed = {"run": run, "checkpoint": checkpoint, "models": models}
        stores = embed_missing(argparse.Namespace(**{**vars(arguments), **changed}))
        found += contestants(checkpoint, stores, arguments.shards).items()
    path = arguments.run / RESULTS_NAME
    with console.status("") as status:
        results = update_results(path, evaluate(found, dataset, progress=status.update))
    console.print(folds_table(results, dataset))
    console.print(f"every fold's numbers: {path}", highlight=False, soft_wrap=True)
