"""`python -m evaluate embed`: clips of any shard set to an embedding store; other commands embed what they lack."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from evaluate.commands import common
from preprocess.executors.options import add_executor_options, chosen_executor
from preprocess.progress import Progress

if TYPE_CHECKING:
    from evaluate.embedding.clip_encoders import ModelName

EPILOG = """\
examples:
  python -m evaluate embed --run runs/sample --shards shards/archive --dataset archive
      writes runs/sample/embeddings/archive.h5
  python -m evaluate embed --run /shared/runs/archive --shards /shared/shards --executor ray
      on all machines of a Ray cluster, which must see both folders under the same names (docs/explanation/scale.md)
"""


def add_command(commands: common.Commands) -> None:
    """Put the command on the command line."""
    summary = "clips of any shard set to an embedding store (HDF5)"
    parser = common.add_parser(commands, "embed", summary, embed_missing, EPILOG)
    common.add_run_options(parser)
    add_embedding_options(parser, "pretrained")


def add_embedding_options(parser: argparse.ArgumentParser, models: str) -> None:
    """Add the options for embedding."""
    common.add_checkpoint(parser)
    parser.add_argument("--models", default=models, help="pretrained, untrained, raw, mfcc (default: %(default)s)")
    parser.add_argument("--clips", type=int, default=4, help="clips a segment and speed (default: %(default)s)")
    parser.add_argument("--speeds", default="", help="playback speeds such as 1,2 (default: the run's clip.eval_speed)")
    parser.add_argument("--batch-size", type=int, default=16, help="segments at once (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="decoding threads (default: %(default)s)")
    parser.add_argument("--device", default="auto", help="cpu, cuda, ... (default: cuda where there is one)")
    add_executor_options(parser)


def embed_missing(arguments: argparse.Namespace) -> "dict[ModelName, Path]":
    """Embed what is missing; return the stores."""
    from evaluate.embedding.clip_encoders import load_run
    from evaluate.embedding.embed import embed
    from evaluate.embedding.embed_task import EmbedOptions
    from evaluate.protocols.stores import store_paths

    dataset, speeds = common.dataset_name(arguments), common.whole_numbers(arguments.speeds, "--speeds")
    device = common.chosen_device(arguments.device)
    options = EmbedOptions(arguments.clips, speeds, arguments.batch_size, device, arguments.threads)
    run = load_run(common.checkpoint_path(arguments), common.words(arguments.models), device)
    outputs = store_paths(arguments.run, dataset, [encoder.name for encoder in run.encoders])
    executor = chosen_executor(arguments, gpus_a_task=0.0 if device == "cpu" else 1.0)
    with Progress("embedding") as shown:
        embedded = embed(run, arguments.shards, outputs, dataset, options, executor=executor, progress=shown.show)
    for model, path in outputs.items():
        common.say(f"{path}: {'embedded' if model in embedded else 'there already'}")
    return outputs
