"""What the commands share: the options of a run, its shards and how they are embedded, and the progress line."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from evaluate.errors import EvaluateError
from preprocess.executors.options import add_executor_options, chosen_executor, n_processors
from preprocess.progress import Progress

if TYPE_CHECKING:
    from evaluate.embedding.clip_encoders import ModelName
    from evaluate.embedding.embed_task import EmbedOptions

console = Console()
Commands = argparse._SubParsersAction  # argparse gives its type no public name


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Which run, which shards, under which name."""
    parser.add_argument("--run", type=Path, required=True, help="folder of the training run, such as runs/sample")
    parser.add_argument("--shards", type=Path, required=True, help="folder of the shard set")
    parser.add_argument("--dataset", help="name for stores and results (default: the shard set's own)")


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


def add_workers(parser: argparse.ArgumentParser) -> None:
    """How many processes of this machine decode."""
    parser.add_argument(
        "--workers", type=int, default=n_processors(), help="processes that decode (default: one a processor)"
    )


def dataset_name(arguments: argparse.Namespace) -> str:
    """The name given, or the shard set's own."""
    if arguments.dataset:
        return str(arguments.dataset)
    from preprocess.shards.manifest import read_dataset

    return read_dataset(arguments.shards).dataset


def checkpoint_path(arguments: argparse.Namespace) -> Path:
    """The checkpoint given, or the run's newest."""
    from train.run.checkpoint import LAST_NAME

    return arguments.checkpoint or arguments.run / "checkpoints" / LAST_NAME


def embed_missing(arguments: argparse.Namespace) -> "dict[ModelName, Path]":
    """Embed what is missing; return the stores."""
    from evaluate.embedding.clip_encoders import load_run
    from evaluate.embedding.embed import embed
    from evaluate.protocols.stores import store_paths

    dataset, options = dataset_name(arguments), _options(arguments)
    run = load_run(
        checkpoint_path(arguments), [model for model in arguments.models.split(",") if model], options.device
    )
    outputs = store_paths(arguments.run, dataset, [encoder.name for encoder in run.encoders])
    executor = chosen_executor(arguments, gpus_a_task=0.0 if options.device == "cpu" else 1.0)
    with Progress("embedding") as shown:
        outcome = embed(run, arguments.shards, outputs, dataset, options, executor=executor, progress=shown.show)
    for model, path in outputs.items():
        made = "embedded" if model in outcome.embedded else "there already"
        console.print(f"{path}: {made}", highlight=False, soft_wrap=True)
    return outputs


def _options(arguments: argparse.Namespace) -> "EmbedOptions":
    import torch

    from evaluate.embedding.embed_task import EmbedOptions

    try:
        speeds = tuple(int(speed) for speed in arguments.speeds.split(",") if speed)
    except ValueError as error:
        raise EvaluateError(f"--speeds takes whole numbers such as 1,2, not {arguments.speeds!r}") from error
    device = arguments.device or ("cuda" if torch.cuda.is_available() else "cpu")
    return EmbedOptions(arguments.clips, speeds, arguments.batch_size, device, arguments.threads)
