"""Parts of several commands: parsers, the console, common options."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from rich.console import Console

from evaluate.errors import EvaluateError
from preprocess.executors.options import n_processors

if TYPE_CHECKING:
    from evaluate.protocols.video_features import Videos

console = Console(emoji=False)  # a file may be named :key:
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # argparse gives it no public name


def say(text: str) -> None:
    """Print plain text without colours or line breaks of its own."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def add_parser(
    commands: Commands, name: str, summary: str, run: Callable[[argparse.Namespace], object], epilog: str = "", *,
    on_ranks: bool = False,
) -> argparse.ArgumentParser:  # fmt: skip
    """Put a command on the command line; `run` gets the parsed arguments, `on_ranks` if torchrun may start it."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = commands.add_parser(name, help=summary, description=summary, epilog=epilog, formatter_class=raw)
    parser.set_defaults(command=run, on_ranks=on_ranks)
    return parser


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for a run, its shards and their name."""
    parser.add_argument("--run", type=Path, required=True, help="folder of the training run, such as runs/sample")
    parser.add_argument("--shards", type=Path, required=True, help="folder of the shard set")
    parser.add_argument("--dataset", help="name for stores and results (default: the shard set's own)")


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    """Add the option for another checkpoint than the run's newest."""
    parser.add_argument("--checkpoint", type=Path, help="default: RUN/checkpoints/last.pt")


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add the option for the number of decoding processes."""
    told = "processes that decode (default: one a processor)"
    parser.add_argument("--workers", type=int, default=n_processors(), help=told)


def add_encoder(parser: argparse.ArgumentParser) -> None:
    """Add the option for the encoder of descriptors."""
    parser.add_argument("--encoder", type=Path, help="run, checkpoint or export (default: the shipped one)")


def chosen_device(name: str) -> str:
    """Return the device; for "auto" CUDA where there is some."""
    import torch

    return name if name != "auto" else "cuda" if torch.cuda.is_available() else "cpu"


def words(text: str) -> list[str]:
    """Split "whole, avid" at the commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def whole_numbers(text: str, option: str) -> tuple[int, ...]:
    """Split "0,1,2" at the commas; EvaluateError with the option's name if a word is not a whole number."""
    try:
        return tuple(map(int, words(text)))
    except ValueError as error:
        raise EvaluateError(f"{option} takes whole numbers such as 1,2, not {text!r}") from error


def dataset_name(arguments: argparse.Namespace) -> str:
    """Return the name given, or the shard set's own."""
    from preprocess.shards.manifest import read_dataset

    return str(arguments.dataset or read_dataset(arguments.shards).dataset)


def say_what_pretraining_read(checkpoint: Path, shards: Path, videos: "Videos") -> None:
    """Name the splits of these shards whose test videos pretraining has seen; nothing if there are none."""
    from evaluate.protocols.coverage import part_read, pretraining_note

    read = part_read(checkpoint, shards)
    if read is not None and (note := pretraining_note(videos, read)):
        say(note)


def checkpoint_path(arguments: argparse.Namespace) -> Path:
    """Return the checkpoint given, or the run's newest."""
    from train.run.checkpoint import LAST_NAME

    return arguments.checkpoint or arguments.run / "checkpoints" / LAST_NAME
