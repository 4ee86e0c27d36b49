"""What the commands share: their parsers, the console, and the options of a run and its shards."""

import argparse
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from preprocess.executors.options import n_processors

console = Console()
Commands = argparse._SubParsersAction  # argparse gives its type no public name


def say(text: str) -> None:
    """Print plain text without colours or line breaks of its own."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def add_parser(
    commands: "Commands[argparse.ArgumentParser]",
    name: str,
    summary: str,
    run: Callable[[argparse.Namespace], None],
    epilog: str = "",
) -> argparse.ArgumentParser:
    """Put a command on the command line; `run` gets the parsed arguments."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = commands.add_parser(name, help=summary, description=summary, epilog=epilog, formatter_class=raw)
    parser.set_defaults(command=run)
    return parser


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Which run, which shards, under which name."""
    parser.add_argument("--run", type=Path, required=True, help="folder of the training run, such as runs/sample")
    parser.add_argument("--shards", type=Path, required=True, help="folder of the shard set")
    parser.add_argument("--dataset", help="name for stores and results (default: the shard set's own)")


def add_workers(parser: argparse.ArgumentParser) -> None:
    """How many processes of this machine decode."""
    parser.add_argument(
        "--workers", type=int, default=n_processors(), help="processes that decode (default: one a processor)"
    )


def words(text: str) -> list[str]:
    """Split "whole, avid" at the commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def dataset_name(arguments: argparse.Namespace) -> str:
    """The name given, or the shard set's own."""
    from preprocess.shards.manifest import read_dataset

    return str(arguments.dataset or read_dataset(arguments.shards).dataset)


def checkpoint_path(arguments: argparse.Namespace) -> Path:
    """The checkpoint given, or the run's newest."""
    from train.run.checkpoint import LAST_NAME

    return arguments.checkpoint or arguments.run / "checkpoints" / LAST_NAME
