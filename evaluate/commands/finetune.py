"""`python -m evaluate finetune`: the whole video encoder trained with labels, beside training from scratch."""

import argparse

from evaluate.commands import common
from evaluate.commands.common import say
from evaluate.errors import EvaluateError
from preprocess.progress import Progress

EPILOG = """\
Each split and start is trained in RUN/finetune/DATASET-SPLIT-START and tested with 10 clips x 3 crops a video; accuracies
go to RUN/results.json, each video's prediction to predictions.json beside the checkpoint. A stopped run, by Ctrl-C
too, continues with the same command.

examples:
  python -m evaluate finetune --run runs/ucf --shards shards/ucf101
  python -m evaluate finetune --run runs/small --shards shards/small --split 1 --init pretrained --set steps=200
  torchrun --nproc-per-node 8 -m -- evaluate finetune --run runs/k400 --shards shards/hmdb51
"""


def add_command(commands: common.Commands) -> None:
    """Put the command on the command line."""
    summary = "train the whole video encoder with labels, from the run and from scratch"
    parser = common.add_parser(commands, "finetune", summary, _finetune, EPILOG, on_ranks=True)
    common.add_run_options(parser)
    parser.add_argument("--split", default="all", help="1, 2, 3, such as 1,2, or all (default: %(default)s)")
    parser.add_argument("--init", default="pretrained,scratch", help="initial weights (default: %(default)s)")
    common.add_checkpoint(parser)
    parser.add_argument("--preset", default="", help="full, tiny or a YAML file (default: as the run's encoder is)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="lay a value over the preset")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])


def _finetune(arguments: argparse.Namespace) -> None:
    from evaluate.finetune.protocol import TASK, listed_videos, splits_of_shards, train_and_test
    from evaluate.protocols.bootstrap import mean_over_splits
    from evaluate.protocols.result_table import folds_sheet
    from evaluate.results.results import RESULTS_NAME, Result, update_results
    from train.finetune.config import INITS, finetune_config
    from train.ranks.distributed import join_world, leave_world
    from train.run.checkpoint import load_encoders

    chosen, path = common.words(arguments.init), arguments.run / RESULTS_NAME
    if not chosen or not set(chosen) <= set(INITS):
        raise EvaluateError(f"--init takes {' and '.join(INITS)}, not {arguments.init!r}")
    test, splits = common.dataset_name(arguments), splits_of_shards(arguments.shards, arguments.split)
    checkpoint = common.checkpoint_path(arguments)
    run = load_encoders(checkpoint)
    world, found = join_world(arguments.device), list[Result]()
    try:
        if world.is_main and "pretrained" in chosen:
            common.say_what_pretraining_read(checkpoint, arguments.shards, listed_videos(arguments.shards))
        for split, init in [(split, init) for split in splits for init in INITS if init in chosen]:
            config = finetune_config(run, arguments.shards, split, init, arguments.preset, arguments.set)
            folder = arguments.run / "finetune" / f"{test}-{split}-{init}"
            if world.is_main:
                say(f"split {split}, {init}: {config.steps} steps of {config.data.batch_size} clips, {folder}")
            with Progress(f"testing split {split}, {init}") as shown:
                result = train_and_test(run, config, test, folder, world, shown.show)
            if result is None:
                raise KeyboardInterrupt
            found.append(result)
            if world.is_main:
                say(f"split {split}, {init}: top-1 {result.value:.1%} of {result.n:,} test videos")
        if world.is_main:
            results = update_results(path, found, mean_over_splits)
            common.console.print(folds_sheet([r for r in results if r.task == TASK], test).shown())
            say(f"every number: {path}")
    finally:
        leave_world()
