"""`python -m evaluate ucf101`: the action recognition protocol from stored embeddings."""

import argparse
from pathlib import Path

from evaluate.commands.common import (
    Commands,
    add_embedding_options,
    add_run_options,
    console,
    dataset_name,
    embed_missing,
)


def add_command(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Put the command on the command line."""
    parser = commands.add_parser("ucf101", help="retrieval and linear probe on UCF101's official splits")
    add_run_options(parser)
    add_embedding_options(parser, "pretrained,untrained,raw")
    parser.add_argument("--no-probe", action="store_true", help="retrieval only")
    parser.add_argument(
        "--projections", action="store_true", help="judge the contrastive projections too, as MODEL-projections"
    )
    parser.set_defaults(command=_ucf101)


def _ucf101(arguments: argparse.Namespace) -> None:
    from evaluate.results import RESULTS_NAME, update_results
    from evaluate.stores import load_models
    from evaluate.table import results_table
    from evaluate.ucf101 import coverage, evaluate, pretraining_note
    from preprocess.manifest import read_dataset, read_sources

    dataset = dataset_name(arguments)
    stores, config = embed_missing(arguments)
    models = load_models(stores, projections=arguments.projections)
    n_classes = len(read_dataset(arguments.shards).label_names)
    videos = next(iter(models.values()))
    for line in coverage(videos, read_sources(arguments.shards)["splits"], n_classes):
        console.print(str(line), highlight=False)
    if "pretrained" in models and Path(config.data.shards).resolve() == arguments.shards.resolve():
        console.print(pretraining_note(videos, config.data.split), highlight=False, soft_wrap=True)
    with console.status("") as status:
        results = evaluate(models, dataset, probe=not arguments.no_probe, progress=status.update)
    path = arguments.run / RESULTS_NAME
    console.print(results_table(update_results(path, results), dataset))
    console.print(f"every split's numbers: {path}", highlight=False, soft_wrap=True)
