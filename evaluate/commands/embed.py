"""`python -m evaluate embed`: clips of any shard set to an embedding store."""

import argparse

from evaluate.commands.common import Commands, add_embedding_options, add_run_options, embed_missing


def add_command(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Put the command on the command line."""
    parser = commands.add_parser("embed", help="clips of any shard set to an embedding store (HDF5)")
    add_run_options(parser)
    add_embedding_options(parser, "pretrained")
    parser.set_defaults(command=_embed)


def _embed(arguments: argparse.Namespace) -> None:
    embed_missing(arguments)
