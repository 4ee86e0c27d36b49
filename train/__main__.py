"""Command line of the training stage."""

import argparse
import logging
import sys
from pathlib import Path

from rich.console import Console

from store.errors import EXPLAINED, explain
from store.standard_streams import guard_standard_streams
from train.config.load import PRESETS_DIR, load_config, objective_names, preset_names
from train.config.schema import Config

EPILOG = """\
examples:
  python -m train pretrain --preset sample --run runs/sample
  python -m train pretrain --preset ucf101 --run runs/ucf --set data.shards=shards/ucf101 --set optim.lr=1e-3
  torchrun --nproc-per-node 8 -m -- train pretrain --preset kinetics400 --run runs/k400
  python -m train pretrain --preset sample --objective avid --run runs/avid        a rival on the same data and views
  python -m train config --preset sample          the settings of a preset, as YAML

A run that was stopped or killed continues with the same command. Ctrl-C and SIGTERM save first.
exit status: 0 complete, 3 stopped by a signal and saved, 2 error.
"""


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of `python -m train`."""
    parser = argparse.ArgumentParser(
        "python -m train", description="Learn from shards, without labels.", epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("pretrain", "train, or resume training"), ("config", "print the merged settings")):
        command = commands.add_parser(
            name, help=text, description=text, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        names = ", ".join(preset_names(PRESETS_DIR))
        command.add_argument("--preset", default="sample", help=f"preset or YAML file; presets: {names}")
        names = ", ".join(objective_names())
        command.add_argument("--objective", default="whole", metavar="NAME", help=f"terms to learn from: {names}")
        command.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", help="lay a value over preset and objective"
        )
        if name == "pretrain":
            command.add_argument("--run", type=Path, required=True, help="directory of the run")
            command.add_argument("--shards", help="shard directory, short for --set data.shards=...")
            command.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
            command.add_argument("--threads", type=_threads, help="CPU threads of torch (default: torch decides)")
            command.add_argument(
                "--stop-with-stdin", action="store_true",
                help="save and stop when standard input ends, as a pipe does when its writer is gone",
            )  # fmt: skip
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run a command and return the exit status."""
    guard_standard_streams()
    args = build_parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        shards = [f"data.shards={args.shards}"] if getattr(args, "shards", None) else []
        config = load_config(args.preset, [*args.set, *shards], args.objective)
        if args.command == "config":
            Console().print(config.to_yaml(), end="", highlight=False, markup=False)
            return 0
        return _pretrain(args, config)
    except EXPLAINED as error:
        Console(stderr=True).print(
            f"error: {explain(error)}", style="red", markup=False, highlight=False, soft_wrap=True
        )
        return 2
    except KeyboardInterrupt:
        return 130


def _threads(text: str) -> int:
    if (n_threads := int(text)) < 1:
        raise argparse.ArgumentTypeError("at least one thread is needed")
    return n_threads


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
