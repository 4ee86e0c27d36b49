"""`python -m evaluate ucf101`, `hmdb51` and `folder`: recognition of the labelled classes from stored embeddings."""

import argparse
from functools import partial

from evaluate.commands import common
from evaluate.commands.embed import add_embedding_options, embed_missing
from evaluate.errors import EvaluateError
from evaluate.protocols.official_lists import OFFICIAL

EPILOG = """\
examples:
  python -m evaluate {name} --run runs/k400 --shards shards/{name}
      embed what is missing, then evaluate; numbers go to runs/k400/results.json
  python -m evaluate {name} --run runs/k400 --shards shards/{name} --models pretrained,raw --no-probe
"""


SPLITS_OF = {name: f"{lists.title}'s official splits" for name, lists in OFFICIAL.items()} | {
    "folder": "labelled videos of your own, split by --csv of preprocess shards"
}
"""Data set -> what is evaluated."""


def add_command(commands: common.Commands) -> None:
    """Put a command for each data set on the command line."""
    for name, what in SPLITS_OF.items():
        summary = f"retrieval, kNN, linear probe and cross-modal retrieval on {what}"
        parser = common.add_parser(commands, name, summary, partial(_recognition, name), EPILOG.format(name=name))
        common.add_run_options(parser)
        add_embedding_options(parser, "pretrained,untrained,raw")
        parser.add_argument("--no-probe", action="store_true", help="skip the linear probe")
        projections = "evaluate the contrastive projections too, as MODEL-projections"
        parser.add_argument("--projections", action="store_true", help=projections)


def _recognition(name: str, arguments: argparse.Namespace) -> None:
    from evaluate.protocols.bootstrap import CHANCE, mean_over_splits
    from evaluate.protocols.coverage import coverage
    from evaluate.protocols.recognition import TASKS, evaluate
    from evaluate.protocols.result_table import CROSS_MODAL_TABLE, RECOGNITION_TABLE, means_sheet
    from evaluate.protocols.stores import load_models, load_shared
    from evaluate.results.results import RESULTS_NAME, update_results
    from preprocess.shards.manifest import read_dataset

    info = read_dataset(arguments.shards)
    if info.dataset != name:
        remedy = f"give the shards of {name}, made with --dataset {name}"
        raise EvaluateError(f"{arguments.shards}: holds {info.dataset}, not {name}; {remedy}")
    if not info.label_names:
        remedy = "make the shards with --csv labels.csv, of columns path,label,group,split"
        raise EvaluateError(f"{arguments.shards}: no video has a label; {remedy}")
    dataset, path = common.dataset_name(arguments), arguments.run / RESULTS_NAME
    stores = embed_missing(arguments)
    models, shared = load_models(stores, projections=arguments.projections), load_shared(stores)
    videos = next(iter(models.values()))
    for split in coverage(videos, arguments.shards):
        common.say(str(split))
    if "pretrained" in models:
        common.say_what_pretraining_read(common.checkpoint_path(arguments), arguments.shards, videos)
    with common.console.status("") as status:
        results = evaluate(models, dataset, shared=shared, probe=not arguments.no_probe, progress=status.update)
    # Numbers that are not measured again, such as those of the probe, may be of another checkpoint.
    measured = {result.model for result in results} - {CHANCE}
    merged = update_results(
        path,
        results,
        mean_over_splits,
        drop=lambda r: r.test == dataset and r.task in TASKS and r.model.removesuffix("-projections") in measured,
    )
    for layout in (RECOGNITION_TABLE, CROSS_MODAL_TABLE):
        if (sheet := means_sheet(merged, dataset, layout)).rows:
            common.console.print(sheet.shown())
    common.say(f"in brackets a 95 % interval; every split's numbers: {path}")
