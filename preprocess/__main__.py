"""Command line of the first stage: `python -m preprocess {shards,verify,push,fetch,doctor,sample,collage}`."""

import argparse
import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from rich.console import Console

from preprocess.catalogues.open_catalogue import DATASETS
from preprocess.executors.options import add_executor_options, add_max_hours, n_processors
from preprocess.schema import PRESETS
from store.errors import EXPLAINED, explain
from store.standard_streams import guard_standard_streams

_DESCRIPTION = "Turn raw videos into shards of film strips and log-mel spectrograms, once for all later stages."

_EPILOG = """\
examples:
  python -m preprocess sample --out data/sample
  python -m preprocess shards --dataset ucf101 --data data/sample --out shards/sample --preset sample
  python -m preprocess verify shards/sample
  python -m preprocess doctor

`python -m preprocess COMMAND --help` says more about each.
"""

_SHARDS_EPILOG = """\
data sets:
  ucf101, hmdb51   a folder a class; official lists beside the videos or in --splits
  esc50            the folder that holds audio/ and meta/esc50.csv
  vggsound         videos and --csv vggsound.csv
  kinetics         videos and --csv of the split
  folder           any folder of videos; --csv with labels if you have them

examples:
  python -m preprocess shards --dataset ucf101 --data /videos/UCF-101 --out shards/ucf101 --workers 16
  python -m preprocess shards --dataset folder --data /archive --out shards/archive --set short_side_px=64 --set fps=10
  python -m preprocess shards --dataset vggsound --data /vgg --csv vggsound.csv --out shards/vgg --max-failed 5000
  python -m preprocess shards --dataset folder --data /shared/archive --out /shared/shards --executor ray
      on all machines of a Ray cluster, which must see both folders under the same names (docs/explanation/scale.md)
  python -m preprocess shards --dataset folder --data s3://bucket/videos --out shards/archive

After Ctrl-C, a full disk or a power cut, the same command continues. Failed sources are tried again only with
--retry-failed; OUT/manifest.parquet holds the reasons.

exit status: 0 success; 1 more than --max-failed sources failed, or a folder cannot be read; 2 an error, or no source
could be read; 130 stopped by Ctrl-C, 143 by SIGTERM.
"""

_VERIFY_EPILOG = """\
examples:
  python -m preprocess verify shards/ucf101
  python -m preprocess verify shards/ucf101 --workers 16

Reads every byte: archives, indices, film strips, log-mels, checksums, manifest, leftover files.
exit status: 0 whole; 1 faults found, a line each; 2 the set could not be read.
"""

_COPY_EPILOG = """\
examples:
  python -m preprocess push shards/archive s3://bucket/shards/archive
  python -m preprocess fetch shards/archive s3://bucket/shards/archive

Training and evaluation read a local folder: fetch fills it, and continues where it was stopped. All files are verified
against checksums. https:// is only read. URLs are those of fsspec; for s3:// install s3fs, for gs:// gcsfs
(docs/explanation/scale.md).
"""

_SAMPLE_EPILOG = """\
examples:
  python -m preprocess sample --out data/sample
  python -m preprocess sample --out /tmp/tiny --groups 4 --clips 1 --seed 3

The same seed and release of ffmpeg give the same videos. Existing videos are kept.
"""

_COLLAGE_EPILOG = """\
examples:
  python -m preprocess collage --out data/collage
  python -m preprocess collage --out data/collage --videos 1600 --seconds 10 --seed 1 --workers 8

An archive of generated videos with audio, to train a fingerprint encoder on. The same seed, length, and releases of
ffmpeg and Pillow give the same videos. Existing videos are kept; after a stop the same command continues.
"""

_DOCTOR_EPILOG = """\
example:
  python -m preprocess doctor --out /big/disk/shards

exit status: 0 ready (notes are not errors); 1 something is broken.
"""


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    prog = "python -m preprocess"
    parser = argparse.ArgumentParser(prog, description=_DESCRIPTION, epilog=_EPILOG, formatter_class=raw)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str, epilog: str) -> argparse.ArgumentParser:
        full = f"{text[0].upper()}{text[1:]}."
        return commands.add_parser(name, help=text, description=full, epilog=epilog, formatter_class=raw)

    _add_shards(command("shards", "turn a data set into shards", _SHARDS_EPILOG))
    verify = command("verify", "check a shard set", _VERIFY_EPILOG)
    verify.add_argument("folder", type=Path, metavar="DIR", help="folder of shards")
    _add_workers(verify)
    for name, text in (("push", "copy a finished shard set to a URL"), ("fetch", "copy a shard set from a URL here")):
        copying = command(name, text, _COPY_EPILOG)
        copying.add_argument("folder", type=Path, metavar="DIR", help="folder of shards on this machine")
        copying.add_argument("url", metavar="URL", help="such as s3://bucket/shards/archive")
    doctor = command("doctor", "check that this machine is ready", _DOCTOR_EPILOG)
    doctor.add_argument("--out", type=Path, metavar="DIR", help="folder whose disk is checked (default: here)")
    sample = command("sample", "render the embedded sample videos", _SAMPLE_EPILOG)
    _add_rendering(sample, seed=0)
    _add_number(sample, "--groups", 25, "groups of clips")
    _add_number(sample, "--clips", 2, "clips a group and class")
    _add_classes(sample)
    collage = command("collage", "render an archive of generated videos", _COLLAGE_EPILOG)
    _add_rendering(collage, seed=1)
    _add_number(collage, "--videos", 1600, "number of videos")
    collage.add_argument("--seconds", type=float, default=10.0, metavar="S", help="seconds each (default: %(default)g)")
    return parser


def _add_shards(parser: argparse.ArgumentParser) -> None:
    def add(name: str, text: str, **options: Any) -> None:
        parser.add_argument(name, help=text, **options)

    add("--dataset", "layout and labels of the files", required=True, choices=DATASETS)
    add("--data", "folder of the raw videos or audio files; or a URL", required=True, metavar="DIR")
    add("--out", "folder for the shards", type=Path, required=True, metavar="DIR")
    add("--preset", "sizes and rates (default: default; audio for audio data sets)", choices=sorted(PRESETS))
    add("--set", "change a value of the preset; may be repeated", action="append", default=[], metavar="NAME=VALUE")
    add("--splits", "folder of the official lists (ucf101, hmdb51)", type=Path, metavar="DIR")
    add("--csv", "table of labels and splits (the other data sets)", type=Path, metavar="FILE")
    _add_classes(parser)
    _add_workers(parser)
    add_executor_options(parser)
    add("--max-failed", "failed sources that are not an error (default: 0)", type=_at_least(0), default=0, metavar="N")
    add("--retry-failed", "try failed sources of an earlier run again", action="store_true")
    add_max_hours(parser)


def _add_rendering(parser: argparse.ArgumentParser, *, seed: int) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the videos")
    parser.add_argument("--seed", type=int, default=seed, help="seed of all random choices (default: %(default)s)")
    _add_workers(parser)


def _add_workers(parser: argparse.ArgumentParser) -> None:
    text = "processes of this machine (default: one a processor)"
    parser.add_argument("--workers", type=_at_least(1), default=n_processors(), metavar="N", help=text)


def _add_classes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--classes", nargs="+", metavar="NAME", help="only these classes (default: all)")


def _add_number(parser: argparse.ArgumentParser, name: str, default: int, text: str) -> None:
    text = f"{text} (default: {default})"
    parser.add_argument(name, type=_at_least(1), default=default, metavar="N", help=text)


def _at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"must be {least} or more")
        return int(text)

    return number


class _Stopped(KeyboardInterrupt):
    """A signal ended the command; the argument is its number."""


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    raise _Stopped(number)


def main(argv: list[str] | None = None) -> int:
    """Run a command; return the exit status."""
    from preprocess import commands

    guard_standard_streams()
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("faiss").setLevel(logging.WARNING)  # it logs which processor it found
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores SIGHUP
            signal.signal(number, _stop)
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        return getattr(commands, arguments.command)(arguments)
    except EXPLAINED as error:
        errors.print(f"error: {explain(error)}", markup=False, style="red")
        return 2
    except _Stopped as stopped:
        again = "starts over" if arguments.command in ("verify", "doctor") else "continues where it was"
        errors.print(f"stopped; the same command {again}")
        return 128 + stopped.args[0]


if __name__ == "__main__":
    sys.exit(main())
