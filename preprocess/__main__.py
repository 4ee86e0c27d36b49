"""Command line of the first stage: `python -m preprocess {shards,verify,push,fetch,doctor,sample,collage}`."""

import argparse
import logging
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from rich.console import Console

from preprocess.catalogues.open_catalogue import DATASETS
from preprocess.errors import PreprocessError
from preprocess.executors.options import add_executor_options, n_processors
from preprocess.schema import PRESETS

_DESCRIPTION = "Raw videos to shards of film strips and log-mel spectrograms, once; then nobody decodes a video again."

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

exit status: 0 success; 1 more than --max-failed sources failed; 2 an error, or no source could be read; 130 stopped.
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

Training and evaluation read a local folder: fetch fills it, and continues where it was stopped. Archives are verified against
their checksums. URLs are those of fsspec; for s3:// install s3fs, for gs:// gcsfs (docs/explanation/scale.md).
"""

_SAMPLE_EPILOG = """\
examples:
  python -m preprocess sample --out data/sample
  python -m preprocess sample --out /tmp/tiny --groups 4 --clips 1 --seed 3

The same seed gives the same videos. Existing videos are kept.
"""

_COLLAGE_EPILOG = """\
examples:
  python -m preprocess collage --out data/collage
  python -m preprocess collage --out data/collage --videos 1600 --seconds 10 --seed 1 --workers 8

An archive of generated videos with audio, to train a fingerprint encoder on. The same seed gives the same
videos. Existing videos are kept; after a stop the same command continues.
"""

_DOCTOR_EPILOG = """\
example:
  python -m preprocess doctor --out /big/disk/shards

exit status: 0 ready (notes are not errors); 1 something is broken.
"""


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m preprocess", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=raw
    )
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="{shards,verify,push,fetch,doctor,sample,collage}"
    )
    _add_shards(
        commands.add_parser("shards", help="turn a data set into shards", epilog=_SHARDS_EPILOG, formatter_class=raw)
    )
    verify = commands.add_parser("verify", help="check a shard set", epilog=_VERIFY_EPILOG, formatter_class=raw)
    verify.add_argument("folder", type=Path, metavar="DIR", help="folder of shards")
    _add_workers(verify)
    for name, text in (("push", "copy a finished shard set to a URL"), ("fetch", "copy a shard set from a URL here")):
        copying = commands.add_parser(name, help=text, epilog=_COPY_EPILOG, formatter_class=raw)
        copying.add_argument("folder", type=Path, metavar="DIR", help="folder of shards on this machine")
        copying.add_argument("url", metavar="URL", help="such as s3://bucket/shards/archive")
    doctor = commands.add_parser("doctor", help="is this machine ready?", epilog=_DOCTOR_EPILOG, formatter_class=raw)
    doctor.add_argument("--out", type=Path, metavar="DIR", help="folder whose disk is checked (default: here)")
    sample = commands.add_parser(
        "sample", help="render the embedded sample videos", epilog=_SAMPLE_EPILOG, formatter_class=raw
    )
    sample.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the videos")
    sample.add_argument("--seed", type=int, default=0, help="seed of all random choices (default: %(default)s)")
    sample.add_argument(
        "--groups",
        type=_positive,
        default=25,
        metavar="N",
        help="groups of clips, each with a look and a voice (default: %(default)s)",
    )
    sample.add_argument(
        "--clips", type=_positive, default=2, metavar="N", help="clips a group and class (default: %(default)s)"
    )
    _add_classes(sample)
    _add_workers(sample)
    _add_collage(
        commands.add_parser(
            "collage", help="render an archive of generated videos", epilog=_COLLAGE_EPILOG, formatter_class=raw
        )
    )
    return parser


def _add_collage(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the videos")
    parser.add_argument("--videos", type=_positive, default=1600, metavar="N", help="how many (default: %(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=10.0, metavar="S", help="length of each (default: %(default)g)"
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of all random choices (default: %(default)s)")
    _add_workers(parser)


def _add_shards(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, choices=DATASETS, help="layout and labels of the files")
    parser.add_argument(
        "--data", type=_place, required=True, metavar="DIR", help="folder of the raw videos or audio files; or a URL"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the shards")
    parser.add_argument(
        "--preset", choices=sorted(PRESETS), help="sizes and rates (default: default; audio for audio data sets)"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change a value of the preset; may be repeated"
    )
    parser.add_argument("--splits", type=Path, metavar="DIR", help="folder of the official lists (ucf101, hmdb51)")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="table of labels and splits (the other data sets)")
    _add_classes(parser)
    _add_workers(parser)
    add_executor_options(parser)
    parser.add_argument(
        "--max-failed", type=_count, default=0, metavar="N", help="this many failed sources are no error (default: 0)"
    )
    parser.add_argument("--retry-failed", action="store_true", help="try failed sources of an earlier run again")
    parser.add_argument(
        "--max-hours", type=float, default=6.0, metavar="H", help="longest source that is read (default: %(default)g)"
    )


def _add_workers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workers",
        type=_positive,
        default=n_processors(),
        metavar="N",
        help="processes of this machine (default: one a processor)",
    )


def _add_classes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--classes", nargs="+", metavar="NAME", help="only these classes (default: all)")


def _place(text: str) -> Path | str:
    """A local path, or a URL as it is."""
    return text if "://" in text else Path(text)


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return number


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


class _Stopped(KeyboardInterrupt):
    """A signal other than Ctrl-C's told the process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    del frame
    raise _Stopped(number)


def main(argv: list[str] | None = None) -> int:
    """Run a command; return the exit status."""
    from preprocess import commands

    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    run = {
        "shards": commands.shards,
        "verify": commands.verify,
        "push": commands.push,
        "fetch": commands.fetch,
        "doctor": commands.doctor,
        "sample": commands.sample,
        "collage": commands.collage,
    }
    try:
        return run[arguments.command](arguments)
    except PreprocessError as error:
        errors.print(f"error: {error}", markup=False, style="red")
        return 2
    except _Stopped as stopped:
        errors.print("stopped; the same command goes on where it was")
        return 128 + stopped.number
    except KeyboardInterrupt:
        errors.print("stopped; the same command goes on where it was")
        return 130


if __name__ == "__main__":
    sys.exit(main())
