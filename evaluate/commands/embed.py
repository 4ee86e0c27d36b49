"""`python -m evaluate embed`: clips of any shard set to an embedding store; other commands embed what they lack."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from evaluate.commands.common import Commands, add_parser, add_run_options, checkpoint_path, dataset_name, say, words
from evaluate.errors import EvaluateError
from preprocess.executors.options import add_executor_options, chosen_executor
from preprocess.progress import Progress

if TYPE_CHECKING:
    from evaluate.embedding.clip_encoders import ModelName
    from evaluate.embedding.embed_task import EmbedOptions

EPILOG = """\
examples:
  python -m evaluate embed --run runs/sample --shards shards/archive --dataset archive
      writes runs/sample/embeddings/archive.h5
  python -m evaluate embed --run /shared/runs/archive --shards /shared/shards --executor ray
      on all machines of a Ray cluster, which must see both folders under the same names (docs/explanation/scale.md)
"""


def add_command(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Put the command on the command line."""
    parser = add_parser(commands, "embed", "clips of any shard set to an embedding store (HDF5)", _embed, EPILOG)
    add_run_options(parser)
    add_embedding_options(parser, "pretrained")


def add_embedding_options(parser: argparse.ArgumentParser, models: str) -> None:
    """How the shards are embedded where they are not yet."""
    parser.add_argument("--checkpoint", type=Path, help="default: RUN/checkpoints/last.pt")
    parser.add_argument("--models", default=models, help="pretrained, untrained, raw, mfcc (default: %(default)s)")
    parser.add_argument("--clips", type=int, default=4, help="clips a segment and speed (default: %(default)s)")
    parser.add_argument("--speeds", default="", help="playback speeds such as 1,2 (default: the run's clip.eval_speed)")
    parser.add_argument("--batch-size", type=int, default=16, help="segments at once (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="decoding threads (default: %(default)s)")
    parser.add_argument("--device", default="", help="cpu, cuda, ... (default: cuda where there is one)")
    add_executor_options(parser)


def _embed(arguments: argparse.Namespace) -> None:
    embed_missing(arguments)


def embed_missing(arguments: argparse.Namespace) -> "dict[ModelName, Path]":
    """Embed what is missing; return the stores."""
    from evaluate.embedding.clip_encoders import load_run
    from evaluate.embedding.embed import embed
    from evaluate.protocols.stores import store_paths

    dataset, options = dataset_name(arguments), _options(arguments)
    run = load_run(checkpoint_path(arguments), words(arguments.models), options.device)
    outputs = store_paths(arguments.run, dataset, [encoder.name for encoder in run.encoders])
    executor = chosen_executor(arguments, gpus_a_task=0.0 if options.device == "cpu" else 1.0)
    with Progress("embedding") as shown:
        outcome = embed(run, arguments.shards, outputs, dataset, options, executor=executor, progress=shown.show)
    for model, path in outputs.items():
        say(f"{path}: {'embedded' if model in outcome.embedded else 'there already'}")
    return outputs


def _options(arguments: argparse.Namespace) -> "EmbedOptions":
    import torch

    from evaluate.embedding.embed_task import EmbedOptions

    try:
        speeds = tuple(map(int, words(arguments.speeds)))
    except ValueError as error:
        raise EvaluateError(f"--speeds takes whole numbers such as 1,2, not {arguments.speeds!r}") from error
    device = arguments.device or ("cuda" if torch.cuda.is_available() else "cpu")
    return EmbedOptions(arguments.clips, speeds, arguments.batch_size, device, arguments.threads)
