"""Command line of the training stage."""

import argparse
import logging
import sys
from pathlib import Path

from rich.console import Console

from preprocess.errors import PreprocessError
from train.config.load import PRESETS_DIR, load_config, objective_names
from train.config.schema import Config
from train.errors import TrainError

EPILOG = """\
examples:
  python -m train pretrain --preset sample --run runs/sample
  python -m train pretrain --preset ucf101 --run runs/ucf --set data.shards=shards/ucf101 --set optim.lr=1e-3
  torchrun --nproc-per-node 8 -m -- train pretrain --preset kinetics400 --run runs/k400
  python -m train pretrain --preset sample --objective avid --run runs/avid        a rival on the same data and views
  python -m train config --preset sample          the settings of a preset, as YAML
  python -m train export runs/sample exports/sample         encoders as safetensors and ONNX, with a model card

A run that was stopped or killed goes on with the same command. Ctrl-C and SIGTERM save first.
exit status: 0 complete, 3 stopped by a signal and saved, 2 error.
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of `python -m train`."""
    parser = argparse.ArgumentParser(
        "python -m train", description="Learn from shards, without labels.", epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    commands = parser.add_subparsers(dest="command", required=True)
    names = ", ".join(sorted(p.stem for p in PRESETS_DIR.glob("*.yaml")))
    for name, text in (("pretrain", "train, or resume training"), ("config", "print the merged settings")):
        command = commands.add_parser(
            name, help=text, description=text, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        command.add_argument("--preset", default="sample", help=f"preset or YAML file; presets: {names}")
        command.add_argument(
            "--objective", default="whole", metavar="NAME", help=f"what is learnt from: {', '.join(objective_names())}"
        )
        command.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", help="lay a value over preset and objective"
        )
        if name == "pretrain":
            command.add_argument("--run", type=Path, required=True, help="directory of the run")
            command.add_argument("--shards", help="shard directory, short for --set data.shards=...")
            command.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
            command.add_argument("--threads", type=int, help="CPU threads of torch (default: its own choice)")
            command.add_argument(
                "--stop-with-stdin", action="store_true",
                help="save and stop when standard input ends: with a pipe, when the program that started this is gone",
            )  # fmt: skip
    _add_export(commands)
    return parser


def _add_export(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "write the encoders of a run to a folder of their own: safetensors, ONNX, model card"
    command = commands.add_parser(
        "export", help=text, description=text, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_argument("run", type=Path, metavar="RUN", help="directory of the run")
    command.add_argument("out", type=Path, metavar="OUT", help="folder to make")
    command.add_argument("--no-onnx", action="store_true", help="leave out video.onnx and audio.onnx")
    command.add_argument("--force", action="store_true", help="replace an export that is there")


def main(argv: list[str] | None = None) -> int:
    """Run a command; the exit status says how it went."""
    args = build_parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        if args.command == "export":
            return _export(args)
        overrides = list(args.set)
        if getattr(args, "shards", None):
            overrides.append(f"data.shards={args.shards}")
        config = load_config(args.preset, overrides, args.objective)
        if args.command == "config":
            Console().print(config.to_yaml(), end="", highlight=False, markup=False)
            return 0
        return _pretrain(args, config)
    except (TrainError, PreprocessError) as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        return 130


def _export(args: argparse.Namespace) -> int:
    from train.export.export import export_run

    for name in ("onnxscript", "onnx_ir"):  # they report every rewriting of a graph
        logging.getLogger(name).setLevel(logging.WARNING)
    export_run(args.run, args.out, onnx=not args.no_onnx, force=args.force)
    return 0


def _pretrain(args: argparse.Namespace, config: Config) -> int:
    import torch

    from train.run.pretraining import pretrain
    from train.run.signals import stop_when_ended

    if args.stop_with_stdin:
        stop_when_ended(sys.stdin.fileno())
    if args.threads:
        torch.set_num_threads(args.threads)
    return 0 if pretrain(config, args.run, device=args.device) else 3


if __name__ == "__main__":
    sys.exit(main())
