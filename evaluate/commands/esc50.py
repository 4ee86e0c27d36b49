"""`python -m evaluate esc50`: five folds from stored embeddings."""

import argparse

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
    parser = commands.add_parser("esc50", help="linear SVM on ESC-50's five folds")
    add_run_options(parser)
    add_embedding_options(parser, "pretrained,untrained,raw")
    parser.set_defaults(command=_esc50)


def _esc50(arguments: argparse.Namespace) -> None:
    from evaluate.esc50 import evaluate, load_recordings
    from evaluate.results import RESULTS_NAME, update_results
    from evaluate.table import folds_table
    from store.reader import EmbeddingStore

    dataset = dataset_name(arguments)
    stores, _ = embed_missing(arguments)
    models = {}
    for name, path in stores.items():
        with EmbeddingStore(path) as store:
            models[str(name)] = load_recordings(store)
    with console.status("") as status:
        results = evaluate(models, dataset, progress=status.update)
    path = arguments.run / RESULTS_NAME
    console.print(folds_table(update_results(path, results), dataset))
    console.print(f"every fold's numbers: {path}", highlight=False, soft_wrap=True)
