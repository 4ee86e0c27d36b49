"""`python -m evaluate export`: the encoders of a run as a folder for use elsewhere."""

import argparse
import logging
from pathlib import Path

from evaluate.commands.common import Commands, add_parser


def add_command(commands: Commands) -> None:
    """Put the command on the command line."""
    summary = "write the encoders of a run to a folder of their own: safetensors, ONNX, model card"
    parser = add_parser(commands, "export", summary, _export)
    parser.add_argument("run", type=Path, metavar="RUN", help="directory of the run")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to make")
    parser.add_argument("--no-onnx", action="store_true", help="leave out video.onnx and audio.onnx")
    parser.add_argument("--force", action="store_true", help="replace an export that is there")


def _export(arguments: argparse.Namespace) -> None:
    from evaluate.export.export import export_run

    for name in ("onnxscript", "onnx_ir"):  # they log every rewriting of a graph
        logging.getLogger(name).setLevel(logging.WARNING)
    export_run(arguments.run, arguments.out, onnx=not arguments.no_onnx, force=arguments.force)
